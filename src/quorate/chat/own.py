"""What an object keeps in attributes of its own: whether it changed can be seen, what it was cannot be brought back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import cached_property
from typing import Any

MOST_DEEP = 6


def state_of(thing: Any) -> Any:
    """Return a value that is equal as long as nothing in the attributes of an object of somebody's own class changes.

    What Quorate's own classes hold is a definition and does not count.
    """
    return None if _is_ours(thing) else _seen(_attributes(thing), MOST_DEEP)


def _attributes(thing: Any) -> dict[str, Any]:
    """Return the attributes of an object, without what it only computes once."""
    cls: Any = type(thing)  # pyright: ignore[reportUnknownVariableType]: anybody's
    own: dict[str, Any] = getattr(thing, "__dict__", {})
    return {name: value for name, value in own.items() if type(getattr(cls, name, None)) is not cached_property}


def _is_ours(thing: Any) -> bool:
    return type(thing).__module__.partition(".")[0] == "quorate"


def _seen(value: Any, deep: int) -> Any:
    if value is None or isinstance(value, str | bytes | int | float | bool):
        return value
    if deep == 0:
        return id(value)
    if isinstance(value, Mapping):
        return tuple((repr(key), _seen(inside, deep - 1)) for key, inside in value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]: anybody's
    if isinstance(value, Sequence):
        return tuple(_seen(inside, deep - 1) for inside in value)  # pyright: ignore[reportUnknownVariableType]: anybody's
    if isinstance(value, Set):
        return frozenset(map(repr, value))  # pyright: ignore[reportUnknownArgumentType]: anybody's
    if not _is_ours(value) and hasattr(value, "__dict__") and not isinstance(value, type):
        return id(value), _seen(_attributes(value), deep - 1)
    return id(value)
