"""What pydantic finds wrong in a document, in our words: the field, its value, and the fix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from quorate.core.source import Problem, Where, cut, near, nearest, shown_where

TAG = "\0"
"""How the steps begin that pydantic adds to the way to a value of one type or another: nobody wrote them."""

_WORDS = {
    "should be a valid integer": "should be a whole number",
    "should be a valid number": "should be a number",
    "should be a valid string": "should be text",
    "should be a valid boolean": "should be true or false",
    "should be a valid array": "should be a list",
    "should be a valid list": "should be a list",
    "should be an object": "should be a set of fields",
    "should be a valid dictionary": "should be a set of fields",
}
_LENGTH = re.compile(r"^\w+ should have (at (?:least|most) \d+ items?) after validation, not (\d+)$")


def problems_of(error: ValidationError, fields: type[BaseModel], name: str, where: Where) -> Iterator[Problem]:
    """Yield what is wrong with fields.

    Args:
        error: What pydantic said.
        fields: The model it checked.
        name: What the model is, for people: the type's id, or a table's name.
        where: Where in the document the fields are.
    """
    details = error.errors(include_url=False)
    for detail in details:
        detail["loc"] = tuple(step for step in detail["loc"] if not str(step).startswith(TAG))
    meant = {_meant(d["loc"], fields) for d in details if d["type"] == "extra_forbidden"}
    for detail in details:
        way = detail["loc"]
        if detail["type"] == "extra_forbidden":
            yield Problem((*where, *way), _misspelt(way, fields, name), key=True)
        elif detail["type"] != "missing":
            yield Problem((*where, *way), _wrong(detail))
        elif way not in meant:  # else it is there, misspelt
            inside = _model_at(fields, way[:-1])
            what = inside.model_fields[str(way[-1])].description if inside is not None else None
            yield Problem((*where, *way[:-1]), f"{shown_where(way)!r} is missing.{f' {what}' if what else ''}")


def _meant(way: Where, fields: type[BaseModel]) -> Where:
    owner = _model_at(fields, way[:-1])
    return (*way[:-1], nearest(str(way[-1]), owner.model_fields if owner is not None else ()) or "")


def _misspelt(way: Where, fields: type[BaseModel], name: str) -> str:
    owner = _model_at(fields, way[:-1])
    known = list(owner.model_fields) if owner is not None else []
    whose = shown_where(way[:-1]) or name
    fix = near(str(way[-1]), known) or f" There are: {', '.join(known) or 'none'}."
    return f"{way[-1]!r} is no field of {whose}.{fix}"


def _wrong(detail: ErrorDetails) -> str:
    given, message, kind = detail["input"], detail["msg"], detail["type"]
    if kind == "value_error":
        return str(detail.get("ctx", {}).get("error", message))
    if counted := _LENGTH.match(message):
        return f"{shown_where(detail['loc']) or 'it'} should have {counted[1]}, not {counted[2]}."
    said = message.removeprefix("Input ")
    for pydantics, ours in _WORDS.items():
        said = said.replace(pydantics, ours)
    return f"{shown_where(detail['loc']) or 'it'} {said}, not {cut(given)}.{_fix(kind, given)}"


def _fix(kind: str, given: Any) -> str:
    if kind == "string_type" and isinstance(given, bool | int | float):
        return " Put it in quotes."
    if given is None:
        return " Leave it out, or give it a value."
    if kind in {"int_type", "float_type", "bool_type"} and isinstance(given, str):
        return " Write it without quotes." if _bare(kind, given) else ""
    if kind == "list_type" and not isinstance(given, dict):
        return f" Write [{given}]."
    return ""


def _bare(kind: str, given: str) -> bool:
    if kind == "bool_type":
        return given.lower() in {"true", "false"}
    return given.removeprefix("-").replace(".", "", 1).isdecimal()


def _model_at(fields: type[BaseModel], way: Where) -> type[BaseModel] | None:
    """Return the model that a field deeper in another one has, None where it is no model."""
    found: type[BaseModel] | None = fields
    for step in way:
        if isinstance(step, int):
            continue
        field = found.model_fields.get(step) if found is not None else None
        found = _model_in(field.annotation) if field is not None else None
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for found in map(_model_in, get_args(annotation)) if found is not None), None)
