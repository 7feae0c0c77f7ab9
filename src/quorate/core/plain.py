"""Plain JSON data of what users hand in: a copy that nobody else can change."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from msgspec.json import Decoder, Encoder

from quorate.errors import ConfigError

_encoded, _decoded = Encoder().encode, Decoder().decode


def plain(what: str, value: Any) -> Any:
    """Return a value as plain JSON data; `what` it is, for the error.

    Raises:
        ConfigError: It is no such data.
    """
    with suppress(TypeError, ValueError, OverflowError, RecursionError):  # what is wrong is said below
        copy = _decoded(_encoded(value))
        if copy == value:  # else it holds what this encoder takes for data, and is none, such as a date
            return copy
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what} must be plain JSON data: {error}.") from error


def is_same(one: Any, other: Any) -> bool:
    """Whether two pieces of plain JSON data are surely the same, found out fast: 1, 1.0 and true are three things."""
    if one != other:
        return False
    try:
        return _encoded(one) == _encoded(other)
    except (OverflowError, ValueError):  # a number or a text that this encoder does not take
        return False
