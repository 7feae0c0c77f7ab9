"""Where in somebody's code we are, or where they made a thing: `team.py:12, in build`. Our own frames do not count."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib is slow to import
_STANDARD = os.path.dirname(os.__file__)  # noqa: PTH120 - as above
_LOOP = f"{_STANDARD}{os.sep}asyncio"


class Place(NamedTuple):
    """A line of code; `name` is the function it is in."""

    file: str
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}, in {self.name}"


def caller() -> Place | None:
    """Return the innermost line on the stack that is not Quorate's."""
    return _innermost(None)


def under(driver: CodeType) -> Place | None:
    """Return the innermost line on the stack that is not Quorate's, of what was called by the function of this code.

    A task has a stack of its own, so it may be None though somebody's code started the task.
    """
    return _innermost(driver)


def _innermost(driver: CodeType | None) -> Place | None:
    frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]: the stack, as everybody reads it
    while frame is not None and frame.f_code is not driver:
        file = frame.f_code.co_filename
        if driver is not None and file.startswith(_LOOP):
            return None
        if not _is_known(file):
            return Place(file, frame.f_lineno, frame.f_code.co_qualname)
        frame = frame.f_back
    return None


@lru_cache(maxsize=1024)
def _is_known(file: str) -> bool:
    """Whether a file is ours, or of the standard library."""
    if file.startswith((_OURS, "<frozen")):
        return True
    return file.startswith(_STANDARD) and "-packages" not in file


def place_of(thing: Any) -> Place | None:
    """Return where somebody wrote a function or a class, or made an object that notes it (`made_at`).

    None for what is Quorate's own.
    """
    code = getattr(thing, "__code__", None)
    if code is not None:
        return None if _is_known(code.co_filename) else Place(code.co_filename, code.co_firstlineno, code.co_qualname)
    return getattr(thing, "made_at", None)
