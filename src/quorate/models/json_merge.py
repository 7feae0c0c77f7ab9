"""Several JSON schemas that all hold, as one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from quorate.errors import ConfigError

Schema = dict[str, Any]

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


def both(a: Schema, b: Schema, where: str) -> Schema:
    """Return a schema that holds where both hold. Neither has references, alternatives or an `allOf` of its own.

    Raises:
        ConfigError: No value can fit both, or what both say cannot be said in one.
    """
    if "enum" in a or "enum" in b or "const" in a or "const" in b:
        return _choice(a, b, where)
    found = {**b, **a}  # of what is only told, the first counts
    for key in a.keys() & b.keys():
        if key in _JOINED:
            found[key] = _JOINED[key](a[key], b[key])
        elif key not in TOLD and a[key] != b[key]:
            raise ConfigError(f"{where}: allOf asks for {key} {a[key]!r} and {b[key]!r}, which no model can hold.")
    if "type" in found and not found["type"]:
        raise ConfigError(f"{where}: allOf asks for types of which no value can be: {a['type']} and {b['type']}.")
    if "properties" in a or "properties" in b:
        found["properties"] = _properties(a, b, where)
    return found


def types_of(schema: Schema) -> list[str]:
    """Return the types that a schema names."""
    given = schema.get("type", [])
    return [given] if isinstance(given, str) else list(given)


def _choice(a: Schema, b: Schema, where: str) -> Schema:
    values = [value for value in values_of(a) or values_of(b) or [] if fits(value, a, where) and fits(value, b, where)]
    if not values:
        raise ConfigError(f"{where}: allOf leaves no value to choose.")
    return {**{k: v for k, v in (b | a).items() if k in TOLD}, "enum": values}


def values_of(schema: Schema) -> list[Any] | None:
    """Return what may be chosen from, None if it is no choice."""
    return [schema["const"]] if "const" in schema else schema.get("enum")


def fits(value: Any, schema: Schema, where: str) -> bool:
    """Return whether a value has the type, and is among the values, that a schema names.

    Raises:
        ConfigError: The schema asks for more.
    """
    more = schema.keys() - TOLD - {"enum", "const", "type"}
    if more:
        raise ConfigError(
            f"{where}: a choice of values with {', '.join(sorted(more))}. Leave out the values it forbids."
        )
    choice, types = values_of(schema), types_of(schema)
    return (choice is None or any(same(value, one) for one in choice)) and (
        not types or any(is_of(value, type) for type in types)
    )


def same(a: Any, b: Any) -> bool:
    """Return whether two JSON values are equal; true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))  # pyright: ignore[reportUnknownArgumentType]: it is JSON
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)  # pyright: ignore[reportUnknownVariableType]: it is JSON
    return bool(a == b)


def is_of(value: Any, type: str) -> bool:
    """Return whether a JSON value is of a type of JSON schema."""
    if isinstance(value, bool):
        return type == "boolean"
    if isinstance(value, float) and value.is_integer() and type == "integer":
        return True
    return isinstance(value, _PYTHON.get(type, ()))


_PYTHON: dict[str, Any] = {
    "array": list, "integer": int, "null": type(None), "number": (int, float), "object": dict, "string": str,
}  # fmt: skip


def _properties(a: Schema, b: Schema, where: str) -> Schema:
    mine, theirs = a.get("properties", {}), b.get("properties", {})
    found: Schema = {}
    for name in [*mine, *(name for name in theirs if name not in mine)]:
        parts = [one for one in (mine.get(name), theirs.get(name)) if one is not None]
        for declared, rest in ((mine, a), (theirs, b)):
            if name not in declared and rest.get("additionalProperties", True) is not True:
                if rest["additionalProperties"] is False:
                    raise ConfigError(f"{where}: allOf declares {name!r} and forbids it by additionalProperties.")
                parts.append(rest["additionalProperties"])
        found[name] = parts[0] if len(parts) == 1 else {"allOf": parts}
    return found


def _types(a: Any, b: Any) -> list[str]:
    mine, theirs = types_of({"type": a}), types_of({"type": b})
    found = [type for type in mine if type in theirs]
    if "integer" in mine + theirs and "number" in mine + theirs and "integer" not in found:
        found.append("integer")
    return found


def _all(a: Any, b: Any) -> Any:
    if a is True or b is True:
        return b if a is True else a
    return False if a is False or b is False else a if a == b else {"allOf": [a, b]}


def _multiple(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        return math.lcm(a, b)
    if a == b:
        return a
    raise ConfigError(f"allOf asks for multiples of {a} and of {b}, which no model can hold.")


def _joined(a: Sequence[Any], b: Sequence[Any]) -> list[Any]:
    return [*a, *(one for one in b if one not in a)]


def _either(a: Any, b: Any) -> bool:
    return bool(a or b)


_LEAST, _MOST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), (
    "maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties",
)  # fmt: skip
_JOINED: dict[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(_LEAST, max), **dict.fromkeys(_MOST, min), "additionalProperties": _all, "items": _all,
    "multipleOf": _multiple, "required": _joined, "type": _types, "uniqueItems": _either,
    "properties": lambda a, b: a,  # looked at apart
}  # fmt: skip
TOLD = frozenset({
    "$anchor", "$comment", "$defs", "$id", "$schema", "default", "definitions", "deprecated", "description",
    "discriminator", "example", "examples", "readOnly", "title", "writeOnly",
})  # fmt: skip
"""Keywords that only tell something, and hold no value to anything."""
