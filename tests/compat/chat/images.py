"""Images: what agents and models are shown of them, and what is saved."""

import asyncio
import json

from autogen_agentchat.agents import (
    AssistantAgent,
    MessageFilterAgent,
    MessageFilterConfig,
    PerSourceFilter,
    SocietyOfMindAgent,
    UserProxyAgent,
)
from autogen_agentchat.base import Response
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.messages import MultiModalMessage
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_core import Image
from autogen_core.model_context import BufferedChatCompletionContext
from PIL import Image as PillowImage
from scenes import Echo, Passes, model, numbers, state, stream

PICTURE = Image(PillowImage.new("RGB", (2, 3), (200, 0, 0)))
OTHER = Image(PillowImage.new("RGB", (1, 1)))


def task(*parts):
    return MultiModalMessage(content=[*parts, PICTURE], source="user")


class Draws(Echo):
    """Answers with a picture."""

    @property
    def produced_message_types(self):
        return [MultiModalMessage]

    async def on_messages(self, messages, cancellation_token):
        self.times += 1
        seen = [part for m in messages for part in getattr(m, "content", ()) if isinstance(part, Image)]
        drawn = MultiModalMessage(content=[f"drawn for {len(seen)}", OTHER, "so"], source=self.name)
        return Response(chat_message=drawn)


def shown(client) -> None:
    """Print what a model was shown, images as their sizes."""
    for call in client.create_calls:
        said = []
        for message in call["messages"]:
            parts = message.content if isinstance(message.content, list) else [message.content]
            said.append([part.image.size if isinstance(part, Image) else str(part) for part in parts])
        print("shown", said)


async def main() -> None:
    for sees in (True, False):
        print("## vision", sees)
        numbers.clear()
        client = model("a sea", "the same", vision=sees)
        agent = AssistantAgent("ann", client, system_message="Look.")
        await stream(agent, task("what is this?"), "and now?")
        shown(client)
        await state(agent)
        later = model("still a sea", vision=sees)
        other = AssistantAgent("ann", later, system_message="Look.")
        await other.load_state(await agent.save_state())
        await stream(other, "go on")
        shown(later)
        print("# a short memory")
        client = model("one", "two", vision=sees)
        context = BufferedChatCompletionContext(buffer_size=2)
        await stream(AssistantAgent("ann", client, model_context=context, system_message=None), task(), task("again"))
        shown(client)
        print("# a team")
        client = model("I see", "I see too", vision=sees)
        members = [Draws("dora"), AssistantAgent("ann", client, system_message=None)]
        team = RoundRobinGroupChat(members, max_turns=4, termination_condition=TextMentionTermination("nothing"))
        await stream(team, [task("draw"), task("it")])
        shown(client)
        await state(team)
        again = RoundRobinGroupChat(
            [Draws("dora"), AssistantAgent("ann", model("loaded", vision=sees), system_message=None)], max_turns=2
        )
        await again.load_state(await team.save_state())
        await stream(again, None)
        await state(again)
        print("# selector, swarm, graph")
        client = model("dora", "ann", vision=sees)
        choosing = SelectorGroupChat([Draws("dora"), Echo("ann")], client, max_turns=2, selector_prompt="{history}")
        await stream(choosing, task("who?"))
        print(len(client.create_calls))
        swarm = Swarm([Passes("ann", [("dora",)]), Draws("dora")], max_turns=2)
        await stream(swarm, task("hand over"))
        agents = [Draws("dora"), AssistantAgent("ann", model("in the graph", vision=sees), system_message=None)]
        builder = DiGraphBuilder().add_node(agents[0]).add_node(agents[1])
        builder.add_edge("dora", "ann", condition="drawn")
        await stream(GraphFlow(agents, builder.build(), termination_condition=MaxMessageTermination(9)), task("graph"))
        print("# others")
        client = model("all of it", vision=sees)
        inner = RoundRobinGroupChat([Draws("x")], max_turns=1)
        await stream(SocietyOfMindAgent("all", inner, client, instruction="I", response_prompt="R"), task("so"))
        shown(client)
        client = model("filtered", vision=sees)
        rules = MessageFilterConfig(per_source=[PerSourceFilter(source="dora")])
        wrapped = MessageFilterAgent("some", AssistantAgent("inner", client, system_message=None), rules)
        await stream(RoundRobinGroupChat([Draws("dora"), wrapped], max_turns=2), task("f"))
        shown(client)
        ends = MaxMessageTermination(2)
        says = {"reason": "r", "answer": False}, {"reason": "r", "answer": True}, {"reason": "r", "answer": "dora"}
        keys = "is_request_satisfied", "is_in_loop", "is_progress_being_made", "next_speaker", "instruction_or_question"
        entry = json.dumps(dict(zip(keys, [says[0], says[0], says[1], says[2], says[2]], strict=True)))
        client = model("F-1", "P-1", entry, entry, vision=sees)
        await MagenticOneGroupChat([Draws("dora")], client, termination_condition=ends).run(task=task("plan"))
        print([type(m.content).__name__ for m in client.create_calls[-1]["messages"]])
        await stream(UserProxyAgent("eve", input_func=lambda prompt: "typed"), task("?"))


asyncio.run(main())
