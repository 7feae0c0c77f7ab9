"""What an answer must look like: any text, a type, or a JSON schema."""

from __future__ import annotations

import json
from typing import Any, cast

from quorate.core.lazy import lazy
from quorate.errors import ConfigError
from quorate.runs.entries import Payload


class Shape:
    """What an answer must look like.

    Args:
        schema: None for a text; a type, such as `bool`, `list[str]` or a pydantic model; or a JSON schema.

    Attributes:
        json: The JSON schema, for the journal, so that any process can check an answer; None for a text.

    Raises:
        ConfigError: It is none of these.
    """

    def __init__(self, schema: Any = None) -> None:
        self._adapter: Any = None
        self.json: Payload | None = None
        if isinstance(schema, dict):
            self.json = cast("Payload", schema)
            _validator(self.json)
        elif schema is not None and schema is not str:
            self._adapter, self.json = _adapted(schema)

    def read(self, value: Any) -> Any:
        """Return an answer as it was asked for: of a type an object, else the JSON data.

        Raises:
            ConfigError: It does not fit; says where.
        """
        if self.json is None:
            if not isinstance(value, str) or not value.strip():
                raise ConfigError(f"An answer in words is asked for, not {value!r}.")
            return value
        if self._adapter is None:
            check(self.json, value)
            return value
        from pydantic import ValidationError

        try:
            return self._adapter.validate_json(json.dumps(value))
        except ValidationError as error:
            wrong = "; ".join(f"{_place(e['loc'])}{e['msg']}" for e in error.errors(include_url=False))
            raise ConfigError(f"{_cut(value)} does not fit: {wrong}.") from error


def check(schema: Payload | None, value: Any) -> None:
    """Make sure that a value fits a JSON schema; without one, that it is a text.

    Raises:
        ConfigError: It does not; says where.
    """
    if schema is None:
        Shape().read(value)
        return
    wrong = "; ".join(f"{_place(e.absolute_path)}{e.message}" for e in _validator(schema).iter_errors(value))
    if wrong:
        raise ConfigError(f"{_cut(value)} does not fit: {wrong}.")


def plain(value: Any) -> Any:
    """Return a value as JSON data.

    Raises:
        ConfigError: It cannot be.
    """
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        return json.loads(json.dumps(to_jsonable_python(value), allow_nan=False))
    except (PydanticSerializationError, ValueError, TypeError) as error:
        raise ConfigError(f"{_cut(value)} is no plain JSON data: {error}.") from error


def _adapted(schema: Any) -> tuple[Any, Payload]:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        adapter = TypeAdapter[Any](schema)
        return adapter, adapter.json_schema()
    except (PydanticUserError, TypeError) as error:
        raise ConfigError(
            f"schema={schema!r} says nothing about an answer: give a type, a pydantic model, or a JSON schema. "
            f"({str(error).splitlines()[0]})"
        ) from error


jsonschema: Any = lazy("jsonschema")
referencing: Any = lazy("referencing")


def _validator(schema: Payload) -> Any:
    """Return what checks values; a reference out of the schema is refused: nothing is fetched."""
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ConfigError(f"The answer's schema is no JSON schema: {error.message}.") from error
    return jsonschema.Draft202012Validator(schema, registry=referencing.Registry())


def _place(path: Any) -> str:
    place = ".".join(map(str, path))
    return f"{place}: " if place else ""


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:199] + "…"
