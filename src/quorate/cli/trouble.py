"""What went wrong in the operator's own code, and where."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from quorate.errors import QuorateError

shows_all: ContextVar[bool] = ContextVar("quorate_debug", default=False)
"""Whether a traceback is shown: `--debug`."""


def told(error: BaseException | None, root: Path) -> Iterator[str]:
    """Yield the lines that tell where an error comes from that ended a run.

    Args:
        error: What was raised; errors of Quorate's say themselves what to do.
        root: Where the operator's own code is.
    """
    if error is None:
        return
    if shows_all.get():
        yield from "".join(traceback.format_exception(error)).splitlines()
    elif not isinstance(error, QuorateError) and (place := place_of(error, root)):
        yield f"Raised in {place}. --debug shows the traceback."


def place_of(error: BaseException, root: Path) -> str:
    """Return the last line of the operator's own code that an error went through, empty if there is none."""
    frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((Path(error.filename), error.lineno))
    theirs = [frame for frame in frames if frame[0].is_relative_to(root)]
    return f"{theirs[-1][0]}, line {theirs[-1][1]}" if theirs else ""
