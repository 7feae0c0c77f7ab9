"""How an agent that does not reflect tells of its tool calls."""

from __future__ import annotations

from typing import Any

import pytest

from quorate import AssistantAgent, TaskResult, replay, tool
from quorate.chat.messages import FunctionCall, FunctionExecutionResult, ToolCallSummaryMessage
from quorate.errors import ConfigError, ToolError
from quorate.models.blocks import ToolCall
from quorate.runs.memory import MemoryStore
from quorate.testing import ScriptedModel


@tool(effect="read")
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    if a < 0:
        raise ToolError("Too small.")
    return a + b


CALLS = [ToolCall("1", "add", '{"a": 1, "b": 2}'), ToolCall("2", "add", '{"a": -1, "b": 2}')]


def agent(**options: Any) -> AssistantAgent:
    return AssistantAgent("a", ScriptedModel([CALLS]), tools=[add], reflect_on_tool_use=False, **options)


def said(result: TaskResult) -> str:
    message = result.messages[-1]
    assert isinstance(message, ToolCallSummaryMessage)
    return message.content


def tell(call: FunctionCall, result: FunctionExecutionResult) -> str:
    return f"{call.name}{'!' if result.is_error else ''}"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "3\nToo small."),
        ({"tool_call_summary_format": "{tool_name}({arguments}) = {result} {is_error}"},
         'add({"a": 1, "b": 2}) = 3 False\nadd({"a": -1, "b": 2}) = Too small. True'),
        ({"tool_call_summary_formatter": tell}, "add\nadd!"),
    ],
)  # fmt: skip
async def test_summary_tells_as_it_is_told_to_and_the_same_from_the_journal(options: dict[str, Any], text: str) -> None:
    store = MemoryStore()

    assert said(await agent(**options).run("Add.", conversation=store.conversation("talk"))) == text

    report = await replay("talk", team=agent(**options), store=store)
    assert report.result is not None
    assert said(report.result) == text


@pytest.mark.parametrize("format", ["{output}", "{result.__class__}", "{0}", "{result"])
def test_format_that_asks_for_more_is_refused(format: str) -> None:
    with pytest.raises(ConfigError, match="tool_call_summary_format"):
        agent(tool_call_summary_format=format)


async def test_function_that_tells_no_text_is_an_error() -> None:
    with pytest.raises(ConfigError, match="returned 3; it must return a text"):
        await agent(tool_call_summary_formatter=lambda call, result: 3).run("Add.")
