"""The terminal view of a conversation: `await Console(team.run_stream(task="…"))`.

In a terminal the words come as they are said, in a live region below what is certain; once a message is whole it is
printed for good in their place, so nothing is ever there twice. Elsewhere (a pipe, a log, `NO_COLOR`) it is lines of
plain text, printed when they are certain.
"""

from __future__ import annotations

import os
import sys
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from quorate.chat.messages import (
    BaseAgentEvent,
    BaseMessage,
    FunctionCall,
    ModelClientStreamingChunkEvent,
    SelectSpeakerEvent,
    TaskResult,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    UserInputRequestedEvent,
)
from quorate.chat.shown import (
    THOUGHT_CHARS,
    Line,
    call_line,
    called,
    clean,
    cost_note,
    cut,
    duration,
    ending,
    inline,
    paragraphs,
)
from quorate.errors import ConfigError, RunFailed

if TYPE_CHECKING:
    from rich.console import Console as Terminal
    from rich.console import RenderableType
    from rich.text import Text

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_red", "bright_cyan", "bright_magenta", "bright_green")
FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
REFRESH_HZ = 12
SHELL_NAMES = frozenset({"user"})
"""Sources of the task, which get no colour."""


async def Console(stream: AsyncIterator[Any], *, output_stats: bool = False) -> TaskResult:
    """Show a conversation in the terminal as it goes on, and return what it came to.

    Args:
        stream: `team.run_stream(…)`, or `run.events()` of a run that is going on.
        output_stats: Whether to tell tokens of prompts and replies apart, and count the messages.

    Returns:
        The result that the stream ended with; for `run.events()`, which ends without one, the messages seen.

    Raises:
        ConfigError: It is no stream, or nothing came.
        RunFailed: The run failed; how it ended was shown.
    """
    if not hasattr(stream, "__aiter__"):
        raise ConfigError("Console shows a stream: await Console(team.run_stream(task=…)).")
    result: TaskResult | None = None
    seen: list[BaseMessage] = []
    began = time.perf_counter()
    with opened(output_stats=output_stats) as view:
        try:
            async with aclosing(stream) if hasattr(stream, "aclose") else _Open() as _:  # pyright: ignore[reportArgumentType, reportUnknownVariableType]: it has `aclose`
                async for item in stream:
                    if isinstance(item, TaskResult):
                        result = item
                        continue
                    view.see(item)
                    if not isinstance(item, ModelClientStreamingChunkEvent):
                        seen.append(item)
        except RunFailed as error:
            if isinstance(error.result, TaskResult):
                view.end(error.result, time.perf_counter() - began)
            raise
        if result is not None:
            view.end(result, time.perf_counter() - began)
    if result is None and not seen:
        raise ConfigError("The stream ended before anything came. Give Console a stream that nobody has read yet.")
    return result or TaskResult(messages=seen)
