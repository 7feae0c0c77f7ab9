"""A tool agent is an actor whose messages are tool calls; a caller with a model has it make them."""

import asyncio
from typing import Any

import pytest

from quorate import Agent, RoundRobinGroupChat, TextMessage, Turn, conversation, replay, tool
from quorate.core import (
    AgentId,
    DefaultInterventionHandler,
    DropMessage,
    LocalRuntime,
    MessageContext,
    RoutedAgent,
    message_handler,
)
from quorate.errors import ConfigError, InvalidArguments, MessageDropped, ToolError, ToolFailed, UnknownTool
from quorate.models import Blocks, ModelRequest, Said, ToolCall, ToolResult
from quorate.testing import ScriptedModel
from quorate.tools.agent import ToolAgent, ToolCalls, ToolResults, tool_agent_caller_loop

TOOLS = AgentId("tools", "default")
ADD = ToolCall("c1", "add", '{"a": 1, "b": 2}')


@tool(effect="read")
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool(effect="read")
async def fail(why: str) -> str:
    """Fail."""
    raise ToolError(why) if why else OSError("The disk is gone.")


async def started(runtime: LocalRuntime, *tools: Any) -> ToolAgent:
    agent = ToolAgent("calculates", tools or (add, fail))
    await ToolAgent.register(runtime, "tools", lambda: agent)
    return agent


def asking(*lines: Any, **options: Any) -> tuple[ScriptedModel, ModelRequest]:
    specs = ToolAgent("", [add, fail]).specs
    return ScriptedModel(lines), ModelRequest(Blocks([Said("Add.")]), tools=specs, **options)


async def test_a_call_is_answered_by_its_result() -> None:
    async with LocalRuntime() as runtime:
        await started(runtime)

        assert await runtime.send_message(ADD, TOOLS) == ToolResult("c1", "add", "3")


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (ToolCall("c1", "ad", "{}"), UnknownTool, "There is no tool 'ad'. There are: add, fail."),
        (ToolCall("c2", "add", "{"), InvalidArguments, "The arguments of add do not fit"),
        (ToolCall("c3", "add", '{"a": 1}'), InvalidArguments, "The arguments of add do not fit: b: Field required"),
        (ToolCall("c4", "fail", '{"why": "Ask for less."}'), ToolFailed, "Ask for less."),
        (ToolCall("c5", "fail", '{"why": ""}'), ToolFailed, "OSError: The disk is gone."),
    ],
)
async def test_a_call_that_comes_to_nothing_says_in_which_way(call: ToolCall, kind: Any, words: str) -> None:
    async with LocalRuntime() as runtime:
        await started(runtime)

        with pytest.raises(ToolError) as raised:
            await runtime.send_message(call, TOOLS)

    assert type(raised.value) is kind
    assert str(raised.value).startswith(words)
    assert (raised.value.call_id, raised.value.name) == (call.id, call.name)  # type: ignore[attr-defined]


async def test_all_calls_of_a_reply_are_made_side_by_side_and_failures_are_results() -> None:
    waiting, all_there = 0, asyncio.Event()

    @tool(effect="read")
    async def meet(n: int) -> int:
        """Wait for the others."""
        nonlocal waiting
        waiting += 1
        if waiting == 3:
            all_there.set()
        await all_there.wait()
        return n

    calls = [ToolCall(f"c{n}", "meet", f'{{"n": {n}}}') for n in range(3)]
    async with LocalRuntime() as runtime:
        await started(runtime, meet, fail)

        found = await runtime.send_message(
            ToolCalls((*calls, ToolCall("f", "fail", '{"why": "No."}'), ToolCall("x", "nobody", "{}"))), TOOLS
        )

    assert found == ToolResults((
        ToolResult("c0", "meet", "0"), ToolResult("c1", "meet", "1"), ToolResult("c2", "meet", "2"),
        ToolResult("f", "fail", "No.", is_error=True),
        ToolResult("x", "nobody", "There is no tool 'nobody'. There are: fail, meet.", is_error=True),
    ))  # fmt: skip


async def test_the_loop_goes_on_until_the_model_answers_in_words() -> None:
    model, request = asking([ADD, ToolCall("c2", "ad", "{}")], ToolCall("c3", "add", '{"a":3,"b":4}'), "It is 3 and 7.")
    async with LocalRuntime() as runtime:
        await started(runtime)

        said = await tool_agent_caller_loop(runtime, TOOLS, model, request)

    assert [reply.text for reply in said] == ["", "", "It is 3 and 7."]
    assert [(r.content, r.is_error) for r in said[0].results] == [
        ("3", False),
        ("There is no tool 'ad'. There are: add, fail.", True),
    ]
    assert [list(asked.blocks) for asked in model.requests] == [
        [Said("Add.")],
        [Said("Add."), said[0]],
        [Said("Add."), said[0], said[1]],
    ]


async def test_the_loop_ends_when_the_model_only_calls() -> None:
    model, request = asking(*[ADD] * 3)
    async with LocalRuntime() as runtime:
        await started(runtime)

        said = await tool_agent_caller_loop(runtime, TOOLS, model, request, max_tool_iterations=2)

    assert [asked.tool_choice for asked in model.requests] == ["auto", "auto", "none"]
    assert [len(reply.results) for reply in said] == [1, 1, 0]
    assert said[-1].calls == ()


async def test_an_agent_may_be_the_caller_and_an_intervention_sees_the_calls() -> None:
    class Watching(DefaultInterventionHandler):
        async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
            if isinstance(message, ToolCalls):
                seen.append((str(message_context.sender), [call.name for call in message.calls]))
                return DropMessage if message.calls[0].name == "fail" else message
            return message

    class Asking(RoutedAgent):
        @message_handler
        async def on_text(self, message: str, ctx: MessageContext) -> str:
            model, request = asking(ToolCall("c1", message, '{"a":1,"b":2}'), "Done.")
            return (await tool_agent_caller_loop(self, TOOLS, model, request))[-1].text

    seen: list[Any] = []
    async with LocalRuntime(intervention_handlers=[Watching()]) as runtime:
        await started(runtime)
        await Asking.register(runtime, "asking", lambda: Asking("asks"))

        assert await runtime.send_message("add", AgentId("asking", "k")) == "Done."
        with pytest.raises(MessageDropped):
            await runtime.send_message("fail", AgentId("asking", "k"))

    assert seen == [("asking/k", ["add"]), ("asking/k", ["fail"])]


async def test_in_a_run_each_call_is_a_step_that_a_replay_does_not_make_again() -> None:
    """ENGINE 2, 4."""
    made: list[int] = []

    @tool(effect="read")
    async def count(n: int) -> int:
        """Count."""
        made.append(n)
        return n

    class Delegating(Agent):
        def __init__(self, *lines: Any) -> None:
            super().__init__("ann")
            self.lines = lines

        async def speak(self, turn: Turn) -> TextMessage:
            async with LocalRuntime() as runtime:
                agent = await started(runtime, count)
                request = ModelRequest(Blocks([Said("Count.")]), tools=agent.specs)
                said = await tool_agent_caller_loop(runtime, TOOLS, ScriptedModel(self.lines), request)
            return TextMessage(content=said[-1].text, source=self.name)

    talk = conversation("talk")
    lines = ([ToolCall("c1", "count", '{"n":1}'), ToolCall("c2", "count", '{"n":2}')], "Two.")
    result = await RoundRobinGroupChat([Delegating(*lines)], max_turns=1).run(task="Go.", conversation=talk)

    report = await replay("talk", team=RoundRobinGroupChat([Delegating()], max_turns=1), store=talk.store)

    assert result.messages[-1].to_text() == "Two."
    assert report.identical
    assert made == [1, 2]
    assert [e.payload["name"] for e in await talk.entries() if e.kind == "result"] == ["count", "count"]


async def test_calls_can_be_written_as_bytes() -> None:
    class Other(ToolAgent):
        """A subclass has what its base has."""

    serializers = {one.type_name: one for _, several in Other.message_types() for one in several}

    for message in (ADD, ToolCalls((ADD, ToolCall("ä", "x", "{}")))):
        one = serializers[type(message).__name__]
        again = one.deserialize(one.serialize(message))
        assert again == message
        assert type(again) is type(message)


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="'calculates' has two tools named 'add'"):
        ToolAgent("calculates", [add, add])


async def test_a_loop_without_end_is_refused() -> None:
    model, request = asking()
    async with LocalRuntime() as runtime:
        with pytest.raises(ConfigError, match="max_tool_iterations=0"):
            await tool_agent_caller_loop(runtime, TOOLS, model, request, max_tool_iterations=0)
