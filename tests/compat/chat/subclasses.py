"""Agents and messages of a program's own: which method of an agent is asked when, and what models read of a message."""

import asyncio
import json
from typing import Literal

from autogen_agentchat.agents import (
    AssistantAgent,
    BaseChatAgent,
    MessageFilterAgent,
    MessageFilterConfig,
    PerSourceFilter,
    SocietyOfMindAgent,
)
from autogen_agentchat.base import Response
from autogen_agentchat.messages import (
    BaseChatMessage,
    CodeGenerationEvent,
    HandoffMessage,
    MessageFactory,
    StructuredMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallSummaryMessage,
    UserInputRequestedEvent,
)
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat
from autogen_agentchat.tools import AgentTool
from autogen_core import CancellationToken, FunctionCall
from autogen_core.model_context import UnboundedChatCompletionContext
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import TextResultContent, ToolResult, ToolSchema, Workbench
from pydantic import BaseModel
from scenes import Echo, asked, calls, model, numbers, refused, stream, tell


class Both(BaseChatAgent):
    """Answers in two ways, which tell another story on the way."""

    @property
    def produced_message_types(self):
        return [TextMessage]

    async def on_messages(self, messages, cancellation_token):
        heard = [m.to_text() for m in messages]
        thought = ThoughtEvent(content="all at once", source=self.name)
        return Response(chat_message=TextMessage(content=f"whole {heard}", source=self.name), inner_messages=[thought])

    async def on_messages_stream(self, messages, cancellation_token):
        for word in ("bit", "by", "bit"):
            yield TextMessage(content=word, source=self.name)
        yield Response(chat_message=TextMessage(content=f"pieces {len(messages)}", source=self.name))

    async def on_reset(self, cancellation_token):
        """Remember nothing."""


class Careful(AssistantAgent):
    """Checks what its model says, where it is asked for the whole."""

    async def on_messages(self, messages, cancellation_token):
        response = await super().on_messages(messages, cancellation_token)
        response.chat_message.content += " (checked)"
        return response


class Asks(Echo):
    """Asks another agent in its turn."""

    def __init__(self, name, other):
        super().__init__(name)
        self.other = other

    async def on_messages(self, messages, cancellation_token):
        result = await self.other.run(task="well?", cancellation_token=cancellation_token)
        said = " / ".join(m.to_text() for m in result.messages)
        return Response(chat_message=TextMessage(content=said, source=self.name))


async def result(agent, **options) -> None:
    found = await agent.run(**options)
    print("run", [(m.source, type(m).__name__, m.to_text()) for m in found.messages], found.stop_reason)


async def agents() -> None:
    print("## who is asked")
    agent = Both("both", "Does both.")
    await result(agent, task="t")
    await result(agent, task="t", output_task_messages=False)
    await result(agent, task=[TextMessage(content="a", source="u"), TextMessage(content="b", source="v")])
    await stream(agent, "t")
    team = RoundRobinGroupChat([agent, Asks("asks", Both("other", "Answers."))], max_turns=2)
    await result(team, task="t")
    await stream(team, "t")
    only = MessageFilterConfig(per_source=[PerSourceFilter(source="user")])
    filtered = MessageFilterAgent("both", agent, only)
    await result(filtered, task="t")
    await stream(filtered, "t")
    careful = Careful("careful", model("one", "two", "three", "four"), description="d", system_message=None)
    await result(careful, task="t")
    await stream(careful, "t")
    await result(RoundRobinGroupChat([careful], max_turns=1), task="t")
    agent.on_messages = careful.on_messages
    await result(agent, task="t")
    print("# as a tool")
    made = AgentTool(Both("both", "Does both."))
    print(made.return_value_as_string(await made.run_json({"task": "t"}, CancellationToken())))
    caller = AssistantAgent("caller", model(calls(("both", '{"task": "t"}'))), tools=[made], system_message=None)
    await stream(caller, "go")


def society(*said: str) -> SocietyOfMindAgent:
    members = [Echo("ann"), Echo("bob")]
    return SocietyOfMindAgent(
        "som", RoundRobinGroupChat(members, max_turns=2), model(*said), instruction="i", response_prompt="r"
    )


async def societies() -> None:
    print("## a society by itself")
    som = society("first", "second")
    await result(som, task="t")
    await result(som, task="u")
    await stream(society("first"), "t")
    response = await society("first").on_messages([TextMessage(content="t", source="user")], CancellationToken())
    print(response.chat_message.to_text(), response.inner_messages)
    await result(RoundRobinGroupChat([society("first")], max_turns=1), task="t")
    alone = RoundRobinGroupChat(
        [society("first", "second", "third")], max_turns=2
    )  # nothing is new to it the next time
    await stream(alone, "t", None)
    await result(RoundRobinGroupChat([society("first")], max_turns=1))


class Vote(BaseChatMessage):
    """A message that models read in another way than people."""

    votes: int
    type: Literal["Vote"] = "Vote"

    def to_text(self) -> str:
        return f"{self.votes} votes"

    def to_model_text(self) -> str:
        return f"votes: {self.votes}"

    def to_model_message(self) -> UserMessage:
        return UserMessage(content=f"[{self.votes}]", source=self.source)


class Loud(TextMessage):
    """A text that models read in capitals."""

    type: Literal["Loud"] = "Loud"

    def to_model_message(self) -> UserMessage:
        return UserMessage(content=self.content.upper(), source=self.source)


class Voter(Echo):
    """Votes."""

    @property
    def produced_message_types(self):
        return [Vote]

    async def on_messages(self, messages, cancellation_token):
        self.times += 1
        return Response(chat_message=Vote(votes=self.times, source=self.name))


async def messages() -> None:
    print("## messages of one's own, as models read them")
    kinds = {"custom_message_types": [Vote, Loud]}
    client, chooser = model("yes", "no"), model("ann", "voter", "ann")
    ann = AssistantAgent("ann", client, description="d", system_message=None)
    task = [Loud(content="go", source="user"), Vote(votes=7, source="user")]
    await stream(RoundRobinGroupChat([Voter("voter"), ann], max_turns=4, **kinds), task)
    asked(client)
    client = model("well")
    inner = RoundRobinGroupChat([Voter("voter")], max_turns=1, **kinds)
    await stream(SocietyOfMindAgent("som", inner, client, instruction="i", response_prompt="r"), "t")
    asked(client)
    other = AssistantAgent("ann", model("a", "b"), description="d", system_message=None)
    selector = SelectorGroupChat([other, Voter("voter")], chooser, selector_prompt="{history}", max_turns=3, **kinds)
    await stream(selector, task)
    asked(chooser)
    factory = MessageFactory()
    factory.register(Vote)
    tell(factory.create(Vote(votes=3, source="u").dump()).dump())


class Size(BaseModel):
    """What somebody measures."""

    cm: int


class Other(BaseChatMessage):
    """A message of another place, of the same name."""

    votes: int
    type: Literal["Vote"] = "Vote"

    def to_text(self) -> str:
        return "other"

    to_model_text = to_model_message = to_text


Other.__name__ = "Vote"


class Measures(Echo):
    """Says data."""

    @property
    def produced_message_types(self):
        return [StructuredMessage[Size], TextMessage]

    async def on_messages(self, messages, cancellation_token):
        return Response(chat_message=StructuredMessage[Size](content=Size(cm=3), source=self.name))


async def registering() -> None:
    print("## types of messages that a team knows")
    for kinds in ([Vote, Vote], [TextMessage], [Vote, Other], [Other], [int], [StructuredMessage[Size]]):
        refused(lambda kinds=kinds: RoundRobinGroupChat([Echo("ann")], custom_message_types=kinds))
    refused(lambda: RoundRobinGroupChat([Measures("ann")], custom_message_types=[StructuredMessage[Size]]))
    await result(team := RoundRobinGroupChat([Measures("ann"), Echo("bob")], max_turns=3), task="t")
    again = RoundRobinGroupChat([Measures("ann"), Echo("bob")], max_turns=1)
    await again.load_state(json.loads(json.dumps(await team.save_state())))
    await result(again)


class Receives(Echo):
    """Keeps what comes with a handoff, as programs copy it from AutoGen's assistant."""

    async def on_messages(self, messages, cancellation_token):
        context = UnboundedChatCompletionContext()
        for message in messages:
            if isinstance(message, HandoffMessage):
                for one in message.context:
                    await context.add_message(one)
        kept = [
            (type(m).__name__, m.source if isinstance(m, UserMessage) else "") for m in await context.get_messages()
        ]
        return Response(chat_message=TextMessage(content=str(kept), source=self.name))


async def handoffs() -> None:
    print("## handoffs that were kept")
    results = [FunctionExecutionResult(content="3", name="add", call_id="c0", is_error=False)]
    context = [
        UserMessage(content="before", source="user"),
        AssistantMessage(content=[FunctionCall(id="c0", name="add", arguments="{}")], source="ann", thought="hm"),
        FunctionExecutionResultMessage(content=results),
        SystemMessage(content="s"),
    ]
    message = HandoffMessage(content="over", source="user", target="ann", context=context)
    loaded = MessageFactory().create(message.dump())
    print(loaded == message, [type(one).__name__ for one in loaded.context], loaded.context[2].content[0].content)
    print(list(message.model_dump()), json.dumps(message.dump()["context"], sort_keys=True))
    team = RoundRobinGroupChat([Echo("bob"), Receives("ann")], max_turns=1)
    await result(team, task=message)
    again = RoundRobinGroupChat([Echo("bob"), Receives("ann")], max_turns=1)
    await again.load_state(json.loads(json.dumps(await team.save_state())))
    await result(again)
    for made in (
        ToolCallSummaryMessage(content="c", source="s", tool_calls=[], results=results),
        UserInputRequestedEvent(request_id="1", source="s"),
        CodeGenerationEvent(retry_attempt=1, content="c", code_blocks=[], source="s"),
    ):
        print(list(made.model_dump()), list(made.dump()))


class Bench(Workbench):
    """Notes the calls."""

    component_type = "workbench"

    def __init__(self) -> None:
        self.noted = []

    async def list_tools(self):
        return [ToolSchema(name=name, description=name, parameters={"type": "object"}) for name in ("one", "two")]

    async def call_tool(self, name, arguments=None, cancellation_token=None, call_id=None):
        self.noted.append((name, arguments, call_id, cancellation_token is not None))
        return ToolResult(name=name, result=[TextResultContent(content=f"{name} {arguments}")])

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def reset(self) -> None: ...

    async def save_state(self):
        return {}

    async def load_state(self, state) -> None: ...


async def workbenches() -> None:
    print("## a workbench of one's own")
    bench = Bench()
    made = calls(("one", '{"x": 1}'), ("two", '{"x": 1}'), ("one", '{"x": 2}'), ("one", '{"x": 1}'), ("two", "no"))
    found = await AssistantAgent("ann", model(made), workbench=bench, system_message=None).run(task="go")
    print([(one.call_id, one.name, one.is_error) for one in found.messages[-2].content])
    print(sorted(bench.noted, key=lambda one: one[2]))


async def failures() -> None:
    print("## a team inside that fails")
    for words in (["x", ValueError("bad")], [ValueError("bad")]):
        inner = RoundRobinGroupChat([Echo("ann"), Echo("bob", words)], name="inner", max_turns=4)
        await stream(RoundRobinGroupChat([inner, Echo("cid")], max_turns=2), "t")


async def main() -> None:
    for part in (agents, societies, messages, registering, handoffs, workbenches, failures):
        numbers.clear()
        await part()


asyncio.run(main())
