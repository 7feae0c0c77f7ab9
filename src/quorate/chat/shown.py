"""What people see of a conversation, in words: the same in a terminal, in a pipe and in `quorate show`.

What a model, a tool or a file says is input. Nothing of it reaches a terminal as an instruction: control characters and
those that turn the direction of writing around are shown escaped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quorate.core.words import counted
from quorate.models.blocks import ToolCall
from quorate.tools.calls import describe

if TYPE_CHECKING:
    from quorate.chat.messages import BaseMessage, FunctionCall, FunctionExecutionResult, TaskResult

Span = tuple[str, str]
"""A text and its style: empty, or words of `rich` such as `dim`, `bold red`."""

Line = list[Span]

CALL_CHARS = 160
RESULT_CHARS = 240
THOUGHT_CHARS = 600

STYLES = {
    "completed": "green",
    "limit": "yellow",
    "stalled": "yellow",
    "waiting": "cyan",
    "cancelled": "yellow",
    "failed": "red",
    "running": "blue",
    "interrupted": "magenta",
}
"""The colour of each outcome, and of a run that has none."""

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and newline; escape sequences begin with one
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that reorder what is read
    "\u2028\u2029\ufff9-\ufffb\ud800-\udfff]"  # separators that only some programs break at, half characters
)


def clean(text: str) -> str:
    """Return a text that a terminal only shows: line ends are newlines, what would steer the terminal is escaped."""
    text = text.replace("\r\n", "\n")
    return _UNSAFE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def inline(text: str) -> str:
    """Return a clean text on one line; where lines ended it has `↵`."""
    return clean(text).strip().replace("\n", " ↵ ").replace("\t", " ")


def cut(text: str, most: int, *, count: bool = True) -> str:
    """Return a clean text on one line of about `most` characters; with `count`, one that was cut says its length."""
    if len(text) <= most:
        return inline(text)
    return f"{inline(text[:most])}…" + (f" ({len(text):,} characters)" if count else "")


def paragraphs(text: str) -> list[Line]:
    """Return a text as clean lines, without blank ones around it."""
    lines = clean(text).strip("\n").rstrip().split("\n")
    return [[(line, "")] for line in lines] if text.strip() else [[("(says nothing)", "dim")]]


# -- tool calls -------------------------------------------------------------------------------------------------------


def called(name: str, arguments: str) -> str:
    """Return a tool call as a person reads it: `column_stats(column="x")`."""
    return cut(describe(ToolCall("", name, arguments)), CALL_CHARS)


def call_line(call: FunctionCall, result: FunctionExecutionResult | None) -> Line:
    """Return a tool call and what it came to, None for nothing yet."""
    shown = called(call.name, call.arguments)
    if result is None:
        return [(shown, ""), (" → no result yet", "yellow")]
    if result.is_error:
        return [(shown, ""), (" → error: ", "red"), (cut(result.content, RESULT_CHARS), "red")]
    return [(shown, ""), (" → ", "dim"), (cut(result.content, RESULT_CHARS) or "(nothing)", "cyan")]


# -- figures ----------------------------------------------------------------------------------------------------------


def tokens(count: int) -> str:
    """Return a number of tokens in words."""
    return counted(count, "token")


def money(usd: float | None) -> str:
    """Return dollars in words; None, where no price is known, is `cost unknown`."""
    if usd is None:
        return "cost unknown"
    if usd == 0:
        return "$0"
    if usd < 0.0001:
        return "below $0.0001"
    return f"${usd:.2f}" if usd >= 1 else f"${usd:.4f}"


def duration(seconds: float) -> str:
    """Return seconds in words."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def age(seconds: float) -> str:
    """Return how long ago something was."""
    for size, word in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {word} ago"
    return "now"


def cost_note(message: BaseMessage, *, stats: bool = False) -> str:
    """Return what one message cost, empty where nothing is known of it."""
    usage = message.models_usage
    if usage is None:
        return ""
    if stats:
        used = f"{usage.prompt_tokens:,} prompt + {usage.completion_tokens:,} completion tokens"
    else:
        used = tokens(usage.prompt_tokens + usage.completion_tokens)
    cost = message.metadata.get("cost_usd")
    return used if cost is None else f"{used} · {money(float(cost))}"


# -- the end ----------------------------------------------------------------------------------------------------------


def ending(result: TaskResult, seconds: float, *, stats: bool = False) -> list[Line]:
    """Return how a run ended: the outcome and why, then figures.

    Args:
        result: What it came to; one that was put together without a run has only figures.
        seconds: How long it was watched.
        stats: Whether to tell prompts and replies apart, and count messages.
    """
    lines: list[Line] = []
    outcome = result.outcome
    if outcome is not None:
        lines.append([(outcome.kind, f"bold {STYLES[outcome.kind]}"), (f": {inline(outcome.reason)}", "")])
        if outcome.open_intents:
            lines += [[(f"effect unknown: {cut(intent, CALL_CHARS)}", "yellow")] for intent in outcome.open_intents]
    if result.wrap_up is not None:
        lines += wrap_up_lines(result.wrap_up.source, result.wrap_up.content)
    usage = result.usage
    figures = [
        counted(result.turns, "turn"),
        tokens(usage.prompt_tokens + usage.completion_tokens),
        money(result.cost_usd),
        duration(seconds),
    ]
    if result.run_id:
        figures.append(f"run {inline(result.run_id)}")
    lines.append([(" · ".join(figures), "dim")])
    if stats:
        more = f"{counted(len(result.messages), 'message')} and events"
        more += f" · {usage.prompt_tokens:,} prompt tokens · {usage.completion_tokens:,} completion tokens"
        lines.append([(more, "dim")])
    return lines


def wrap_up_lines(source: str, text: str) -> list[Line]:
    """Return the last answer of a run that reached a limit."""
    first, *rest = paragraphs(text)
    return [[(f"{inline(source)} wraps up: ", "bold"), *first], *[[("  ", ""), *line] for line in rest]]
