"""How an agent that does not reflect on its tool calls tells of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from quorate.core.lazy import lazy
from quorate.errors import ConfigError
from quorate.models.blocks import Block, Reply

if TYPE_CHECKING:
    from quorate.chat import messages, structured
    from quorate.chat.messages import FunctionCall, FunctionExecutionResult
else:
    messages, structured = lazy("quorate.chat.messages"), lazy("quorate.chat.structured")

Summarize = Callable[["FunctionCall", "FunctionExecutionResult"], str]
"""Tells of a call and what it came to."""

RESULT_ONLY = "{result}"
FIELDS = ("tool_name", "arguments", "result", "is_error")


def check_summary(agent: str, format: str) -> None:
    """Make sure that a format can tell of a call.

    Raises:
        ConfigError: It asks for what a call does not have.
    """
    structured.check_format(f"{agent}: tool_call_summary_format", format, FIELDS)


def by_format(format: str, atom: Reply) -> str:
    """Return what a format makes of the calls of a reply, a line each."""
    return "\n".join(
        format.format(tool_name=call.name, arguments=call.arguments, result=result.content, is_error=result.is_error)
        for call, result in zip(atom.calls, atom.results, strict=True)
    )


def summarized(tell: Summarize, atom: Block) -> str:
    """Return what a function says of the calls of a reply, a line each.

    Raises:
        ConfigError: It returns something else than a text.
    """
    assert isinstance(atom, Reply)
    lines: list[str] = []
    for call, result in zip(atom.calls, atom.results, strict=True):
        told = tell(
            messages.FunctionCall(call.id, call.arguments, call.name),
            messages.FunctionExecutionResult(result.content, result.name, result.call_id, result.is_error),
        )
        if not isinstance(told, str):  # pyright: ignore[reportUnnecessaryIsInstance]: user code
            raise ConfigError(f"tool_call_summary_formatter returned {told!r}; it must return a text.")
        lines.append(told)
    return "\n".join(lines)
