"""Documents as plain data: where everything in them stands, and what is wrong with it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from quorate.errors import ConfigError

MAX_DEPTH = 64
MAX_VALUES = 20_000
MAX_TOLD = 50

Where = tuple[str | int, ...]
"""The way to a value from the root: names of fields and positions in lists."""


class Place(NamedTuple):
    """Line and column in a text, both from 1."""

    line: int
    column: int


class Problem(NamedTuple):
    """Something wrong in a document, in words that say what to do.

    Attributes:
        where: The value that is wrong.
        text: What is wrong, and the fix.
        key: Whether the name of the field is meant rather than its value.
        place: Where it stands, for what has no way of its own, such as a name that is there twice.
    """

    where: Where
    text: str
    key: bool = False
    place: Place | None = None


@dataclass(frozen=True)
class Source:
    """A document: JSON data, and where it comes from.

    Attributes:
        data: Dictionaries, lists, texts, numbers, truth values and None.
        name: Of the file, as messages call it.
        values: Where values stand; empty for data that was no text.
        keys: Where the names of fields stand.
        problems: What was found wrong while reading it.
    """

    data: Any
    name: str
    values: Mapping[Where, Place] = field(default_factory=dict[Where, Place])
    keys: Mapping[Where, Place] = field(default_factory=dict[Where, Place])
    problems: tuple[Problem, ...] = ()

    def refusal(self, problems: Iterable[Problem]) -> ConfigError:
        """Return the error that names the problems, a line for each, in the order of the text."""
        found = {(self._place(p) or Place(0, 0), self._line(p)): None for p in problems}
        lines = [line for _, line in sorted(found, key=lambda item: item[0])]
        rest = len(lines) - MAX_TOLD
        return ConfigError("\n".join([*lines[:MAX_TOLD], *([f"{self.name}: … and {rest} more."] if rest > 0 else [])]))

    def _place(self, problem: Problem) -> Place | None:
        if problem.place is not None:
            return problem.place
        if problem.key and problem.where in self.keys:
            return self.keys[problem.where]
        ways = (problem.where[:n] for n in range(len(problem.where), -1, -1))
        return next((self.values[way] for way in ways if way in self.values), None)

    def _line(self, problem: Problem) -> str:
        place = self._place(problem)
        if place is not None:
            return f"{self.name}:{place.line}:{place.column}: {problem.text}"
        return (
            f"{self.name}: {shown_where(problem.where)}: {problem.text}"
            if problem.where
            else f"{self.name}: {problem.text}"
        )


def shown_where(where: Where) -> str:
    """Return the way to a value as people write it: `participants[1].tools`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return text.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like another, None if none is."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def near(word: str, known: Iterable[str]) -> str:
    """Return the question whether a similar word was meant, with a blank before it; empty if none is similar."""
    alike = nearest(word, known)
    return f" Did you mean {alike!r}?" if alike else ""


def cut(value: Any) -> str:
    """Return a value as a message shows it: as it would be written in Python, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def plain(data: Any, name: str) -> Source:
    """Take data that came from Python as a document: a copy, with whatever is no JSON among its problems."""
    copying = _Copying()
    copied = copying.value(data, ())
    return Source(copied, name, problems=tuple(copying.problems))


class _Copying:
    """Copies data and notes what in it is no JSON. Stops, with a problem, at a cycle and at too much of it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.count = 0
        self.inside: list[int] = []

    def value(self, value: Any, where: Where) -> Any:
        self.count += 1
        if self.count == MAX_VALUES + 1:
            self.problems.append(Problem((), f"It has more than {MAX_VALUES} values. Make it smaller."))
        if self.count > MAX_VALUES:
            return None
        if isinstance(value, Mapping | list | tuple):
            return self.container(value, where)  # pyright: ignore[reportUnknownArgumentType]: whatever is in it is looked at
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        if isinstance(value, str) and (value.isascii() or _is_unicode(value)):
            return str(value)
        self.problems.append(
            Problem(where, f"{cut(value)} is no JSON data. Use text, numbers, true, false, null and lists.")
        )
        return None

    def container(self, value: Mapping[Any, Any] | Sequence[Any], where: Where) -> Any:
        if id(value) in self.inside:
            self.problems.append(Problem(where, "It contains itself: a cycle. Write out what belongs here."))
            return None
        if len(where) >= MAX_DEPTH:
            self.problems.append(Problem(where, f"It is nested more than {MAX_DEPTH} deep. Make it flatter."))
            return None
        self.inside.append(id(value))
        try:
            if isinstance(value, Mapping):
                return {key: self.value(v, (*where, key)) for key, v in value.items() if self.names(key, where)}
            return [self.value(v, (*where, i)) for i, v in enumerate(value)]
        finally:
            self.inside.pop()

    def names(self, key: Any, where: Where) -> bool:
        if isinstance(key, str) and _is_unicode(key):
            return True
        self.problems.append(Problem(where, f"{cut(key)} cannot name a field: names are text."))
        return False


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which no file can hold
        return False
    return True
