"""What an object keeps in attributes of its own: whether it changed can be seen, what it was cannot be brought back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import cached_property
from typing import Any

MOST_DEEP = 6
OURS = frozenset({"_own"})
"""The attributes that Quorate's classes set on objects of classes below them."""


def state_of(thing: Any) -> Any:
    """Return a value that is equal as long as nothing in the attributes of an object of somebody's own class changes.

    What Quorate's own classes hold is a definition and does not count. Of objects of other packages, such as clients
    and locks, it only counts which they are.
    """
    cls: Any = type(thing)  # pyright: ignore[reportUnknownVariableType]: anybody's
    home = package_of(cls)
    return None if home == "quorate" else _seen(_attributes(thing), MOST_DEEP, home)


def package_of(cls: type[Any]) -> str:
    """Return the name of the package that a class comes from."""
    return cls.__module__.partition(".")[0]


def _attributes(thing: Any) -> dict[str, Any]:
    """Return the attributes of an object, without what it only computes once."""
    cls: Any = type(thing)  # pyright: ignore[reportUnknownVariableType]: anybody's
    own: dict[str, Any] = getattr(thing, "__dict__", {})
    found = {
        name: value
        for name, value in own.items()
        if name not in OURS and type(getattr(cls, name, None)) is not cached_property
    }
    for base in cls.__mro__:
        slots: Any = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in {"__dict__", "__weakref__"} and hasattr(thing, name):
                found[name] = getattr(thing, name)
    return found


def _seen(value: Any, deep: int, home: str) -> Any:
    if value is None or isinstance(value, str | bytes | int | float | bool):
        return value
    if deep == 0:
        return id(value)
    if isinstance(value, Mapping):
        return tuple((repr(key), _seen(inside, deep - 1, home)) for key, inside in value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]: anybody's
    if isinstance(value, Sequence):
        return tuple(_seen(inside, deep - 1, home) for inside in value)  # pyright: ignore[reportUnknownVariableType]: anybody's
    if isinstance(value, Set):
        return frozenset(map(repr, value))  # pyright: ignore[reportUnknownArgumentType]: anybody's
    if not isinstance(value, type) and package_of(type(value)) == home:  # pyright: ignore[reportUnknownArgumentType]: anybody's
        return id(value), _seen(_attributes(value), deep - 1, home)
    return id(value)
