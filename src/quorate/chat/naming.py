"""Whom a model's answer names, where it was asked for one of several names. What it says is input, not an order."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

WORD = r"[^\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ud7ff]"
"""A letter or digit of a script that puts spaces between words."""


def named(text: str, candidates: Sequence[str]) -> str | None:
    """Return the one candidate that a reply names, None if it names none, or several."""
    try:
        data: Any = json.loads(text)
    except ValueError:
        return _alone(text, candidates) or _mentioned(text, candidates)
    said = data.get("speaker") if isinstance(data, dict) else data  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]: it is JSON
    return _alone(said, candidates) if isinstance(said, str) else None


def _alone(text: str, candidates: Sequence[str]) -> str | None:
    """Return the candidate whose name is all that a text says, in whatever case where that tells them apart."""
    if text in candidates:
        return text
    bare = text.strip().strip("\"'`.*").casefold()
    same = [name for name in candidates if name.casefold() == bare]
    return same[0] if len(same) == 1 else None


def _mentioned(text: str, candidates: Sequence[str]) -> str | None:
    """Return the only candidate whose name is in a text as a whole word; a name within a longer one is none."""
    left, found = text.casefold(), set[str]()
    for plain in sorted({name.casefold() for name in candidates}, key=len, reverse=True):
        before, after = _edge(plain[0]), _edge(plain[-1])
        pattern = f"{'(?<!' + WORD + ')' if before else ''}{re.escape(plain)}{'(?!' + WORD + ')' if after else ''}"
        left, times = re.subn(pattern, "\0", left)
        if times:
            found.update(name for name in candidates if name.casefold() == plain)
    return found.pop() if len(found) == 1 else None


def _edge(letter: str) -> bool:
    return re.match(WORD, letter) is not None
