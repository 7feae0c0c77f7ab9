"""Tools that tell odd things, calls of one agent beside each other, a person who is run alone, blanks in a stream."""

import asyncio
import warnings

from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.tools import AgentTool
from autogen_core.tools import BaseStreamTool, StaticStreamWorkbench
from pydantic import BaseModel
from scenes import calls, model, stream, tell


class Given(BaseModel):
    what: str


class Chatty(BaseStreamTool[Given, str, str]):
    """Tells texts, numbers and a message, before its result."""

    def __init__(self) -> None:
        super().__init__(args_type=Given, return_type=str, name="chatty", description="Tells.")

    async def run(self, args: Given, cancellation_token) -> str:
        return args.what

    async def run_stream(self, args: Given, cancellation_token):
        yield "a text"
        yield TextMessage(content="a message", source="chatty")
        yield 3
        yield args.what


async def telling() -> None:
    print("## telling")
    for team in (False, True):
        bench = StaticStreamWorkbench([Chatty()])
        agent = AssistantAgent("teller", model(calls(("chatty", '{"what": "done"}'))), workbench=bench)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            await stream(RoundRobinGroupChat([agent], max_turns=1) if team else agent, "go")
        print(len([one for one in warned if one.category is UserWarning]))


async def beside() -> None:
    print("## beside")
    for last in (False, True):
        clerk = AssistantAgent("clerk", model("four", "five", "six"), description="Counts.", system_message=None)
        twice = calls(("clerk", '{"task": "2+2"}'), ("clerk", '{"task": "2+3"}'))
        tool = AgentTool(clerk, return_value_as_last_message=last)
        boss = AssistantAgent("boss", model(twice, calls(("clerk", '{"task": "2+4"}')), "fine"), tools=[tool],
                              max_tool_iterations=3, system_message=None)  # fmt: skip
        for message in (await boss.run(task="Count.")).messages:
            print(message.source, message.to_text())


async def person() -> None:
    print("## person")
    ann = UserProxyAgent("ann", input_func=lambda prompt: "hello")
    tell([(type(message).__name__, message.to_text()) for message in (await ann.run(task="Well?")).messages])
    await stream(ann, "Well?")


async def blanks() -> None:
    print("## blanks")
    agent = AssistantAgent("a", model("one  two\n three", "", " "), model_client_stream=True, system_message=None)
    for _ in range(3):
        await stream(agent, "go")


class Loud(AssistantAgent):
    """Says what its model answers in capital letters."""

    async def on_messages_stream(self, messages, cancellation_token):
        async for item in super().on_messages_stream(messages, cancellation_token):
            if isinstance(item, Response):
                said = TextMessage(content=item.chat_message.to_text().upper(), source=self.name)
                item = Response(chat_message=said, inner_messages=item.inner_messages)
            yield item


async def otherwise() -> None:
    print("## otherwise")
    await stream(Loud("loud", model("hello"), system_message=None), "go")
    asks = model("mid")
    quiet = AssistantAgent("quiet", asks, system_message=None)
    made = calls(("chatty", '{"what": "done"}'))
    loud = Loud("loud", model("hello", made), tools=[Chatty()], system_message=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        await stream(RoundRobinGroupChat([loud, quiet], max_turns=3), "go")
    print([message.content for message in asks.create_calls[0]["messages"]])


class Breaks(Chatty):
    """Tells something, and fails."""

    async def run_stream(self, args: Given, cancellation_token):
        yield TextMessage(content="a message", source="chatty")
        raise ValueError("no more")


async def breaking() -> None:
    print("## breaking")
    agent = AssistantAgent(
        "teller", model(calls(("chatty", '{"what": "it"}'))), workbench=StaticStreamWorkbench([Breaks()])
    )
    await stream(agent, "go")


async def main() -> None:
    for part in (telling, beside, person, blanks, otherwise, breaking):
        await part()


asyncio.run(main())
