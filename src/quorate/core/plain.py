"""Plain JSON data of what users hand in: a copy that nobody else can change."""

from __future__ import annotations

import json
from typing import Any

from quorate.errors import ConfigError

ATOMS = frozenset({str, int, bool, type(None)})
"""The types of JSON data that nobody can change."""


def plain(what: str, value: Any) -> Any:
    """Return a value as plain JSON data; `what` it is, for the error.

    Raises:
        ConfigError: It is no such data.
    """
    try:
        return _copied(value)
    except TypeError:
        pass
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what} must be plain JSON data: {error}.") from error


def _copied(value: Any) -> Any:
    """Return a copy of what is plain JSON data as it is: faster than through its text.

    Raises:
        TypeError: It is not; its text may be.
    """
    kind = value.__class__
    if kind in ATOMS:
        return value
    if kind is list or kind is tuple:
        return list(value) if ATOMS.issuperset(map(type, value)) else [_copied(item) for item in value]
    if kind is dict and all(type(name) is str for name in value):
        return {name: _copied(item) for name, item in value.items()}
    raise TypeError
