"""What options change that other programs only give: names, descriptions, a runtime, types of messages, contexts."""

import asyncio
import json
from typing import Literal

from autogen_agentchat.agents import AssistantAgent, CodeExecutorAgent, SocietyOfMindAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.messages import HandoffMessage, TextMessage
from autogen_agentchat.state import AssistantAgentState
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    DiGraphEdge,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.teams._group_chat._round_robin_group_chat import RoundRobinGroupChatManager
from autogen_core import CancellationToken, DefaultInterventionHandler, SingleThreadedAgentRuntime
from autogen_core.code_executor import CodeExecutor, CodeResult
from autogen_core.model_context import UnboundedChatCompletionContext
from autogen_core.models import UserMessage
from scenes import Echo, model, numbers, tell


class Note(TextMessage):
    """A message of one's own."""

    type: Literal["Note"] = "Note"


class Counts(DefaultInterventionHandler):
    """Counts what a runtime brings."""

    count = 0

    async def on_publish(self, message, *, message_context):
        self.count += 1
        return message

    async def on_send(self, message, *, message_context, recipient):
        self.count += 1
        return message


class Own(BaseGroupChat):
    """A team with a manager."""

    def __init__(self, participants, *, name, description, **options) -> None:
        super().__init__(name, description, participants, "Manager", RoundRobinGroupChatManager, **options)

    def _create_group_chat_manager_factory(
        self, name, group_topic_type, output_topic_type, participant_topic_types, participant_names,
        participant_descriptions, output_message_queue, termination_condition, max_turns, message_factory,
    ):  # fmt: skip
        return lambda: RoundRobinGroupChatManager(
            name, group_topic_type, output_topic_type, participant_topic_types, participant_names,
            participant_descriptions, output_message_queue, termination_condition, max_turns, message_factory,
            self._emit_team_events,
        )  # fmt: skip


def ledger(*, done: bool) -> str:
    entries = {
        "is_request_satisfied": done,
        "is_in_loop": False,
        "is_progress_being_made": True,
        "next_speaker": "ann",
        "instruction_or_question": "do it",
    }
    return json.dumps({key: {"reason": "why", "answer": answer} for key, answer in entries.items()})


def made(runtime):
    """Yield one team of each kind, by its class."""
    options = {
        "name": "crew", "description": "Does it.", "runtime": runtime, "custom_message_types": [Note]
    }  # fmt: skip
    for kind in (RoundRobinGroupChat, Own):
        yield kind([Echo("ann", kind=Note), Echo("bob")], max_turns=2, **options)
    yield SelectorGroupChat([Echo("ann", kind=Note), Echo("bob")], model("ann", "bob"), max_turns=2, **options)
    yield Swarm([Echo("ann", kind=HandoffMessage, target="bob"), Echo("bob", kind=Note)], max_turns=2, **options)
    client = model("facts", "plan", ledger(done=False), ledger(done=True), "the answer")
    yield MagenticOneGroupChat([Echo("ann", kind=Note)], client, **options)
    ann, bob = Echo("ann", kind=Note), Echo("bob")
    graph = DiGraphBuilder().add_node(ann).add_node(bob).add_edge(ann, bob).build()
    yield GraphFlow([ann, bob], graph, **options)


async def teams() -> None:
    print("## teams")
    for at in range(6):
        seen = Counts()
        runtime = SingleThreadedAgentRuntime(intervention_handlers=[seen])
        runtime.start()
        team = list(made(runtime))[at]
        result = await team.run(task=Note(content="go", source="user"))
        await runtime.stop_when_idle()
        print(type(team).__name__, team.name, team.description, seen.count > 0, result.stop_reason)
        print([(m.source, m.type) for m in result.messages])


class Nothing(CodeExecutor):
    """Comes to nothing."""

    async def execute_code_blocks(self, code_blocks, cancellation_token):
        return CodeResult(0, "out")

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def restart(self) -> None: ...


async def agents() -> None:
    print("## agents")
    before = UnboundedChatCompletionContext(initial_messages=[UserMessage(content="before", source="user")])
    client = model("no code")
    coder = CodeExecutorAgent(
        "coder", Nothing(), model_client=client, description="Codes.", system_message="S", model_context=before
    )
    await coder.run(task="t")
    print(coder.description, [(type(m).__name__, m.content) for m in client.create_calls[0]["messages"]])
    inner = RoundRobinGroupChat([Echo("ann")], max_turns=1)
    print(SocietyOfMindAgent("som", inner, model("x"), description="Many.").description)
    client = model("x")
    handing = Handoff(target="bob", name="pass_on", description="To Bob.", message="Bob now.")
    await AssistantAgent("ann", client, handoffs=[handing]).run(task="t")
    schema = client.create_calls[0]["tools"][0].schema
    print(schema["name"], schema["description"], await handing.handoff_tool.run_json({}, CancellationToken()))
    said = UserMessage(content="x", source="u").model_dump()
    kept = AssistantAgentState(llm_context={"messages": [said]})
    agent = AssistantAgent("ann", model("y"), system_message=None)
    await agent.load_state(kept.model_dump())
    tell(kept.model_dump(), [m.content for m in await agent.model_context.get_messages()])
    edge = DiGraphEdge(target="b", condition_function=lambda message: message.content == "x")
    print([edge.check_condition(TextMessage(content=text, source="a")) for text in "xy"])


async def main() -> None:
    for part in (teams, agents):
        numbers.clear()
        await part()


asyncio.run(main())
