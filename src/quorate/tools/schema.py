"""The schema of a tool's arguments, by pydantic, from the function's own signature."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import cache, partial
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import to_json

from quorate.errors import ConfigError, ToolError
from quorate.runs.steps import OperationKey

_canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


class Arguments:
    """What a tool's arguments must look like.

    Attributes:
        json_schema: For the model, as JSON text.
        keyed: Parameters that are handed the operation key.
    """

    def __init__(self, name: str, fn: Callable[..., Any], parameters: tuple[inspect.Parameter, ...]) -> None:
        try:
            hints = get_type_hints(_hinted(fn), include_extras=True)
        except NameError as error:
            raise ConfigError(f"Tool {name}: a type in its signature cannot be resolved: {error}.") from error
        self._name = name
        self.keyed = tuple(p.name for p in parameters if hints.get(p.name) is OperationKey)
        asked = [p for p in parameters if p.name not in self.keyed]
        self._fields = [(p.name, f"a{i}") for i, p in enumerate(asked)]
        fields: dict[str, Any] = {f"a{i}": _field(p, hints[p.name]) for i, p in enumerate(asked)}
        try:
            self._model, self.json_schema = _modelled(name, fields) if fields else _nothing()
            self._nested = self.json_schema.count('"object"') > 1
            self._validated = self._model.__pydantic_validator__.validate_json
            self._dumped = self._model.__pydantic_serializer__.to_json
        except (PydanticUserError, TypeError) as error:
            raise ConfigError(f"Tool {name}: its signature has no JSON schema: {str(error).splitlines()[0]}") from error

    def read(self, text: str) -> tuple[dict[str, Any], str]:
        """Return the values and their canonical JSON.

        Raises:
            ToolError: The text is no JSON object or does not fit.
        """
        try:
            found: BaseModel = self._validated(text or "{}")
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors(include_url=False)
            )
            raise ToolError(
                f"The arguments of {self._name} do not fit: {problems}. Schema: {self.json_schema}"
            ) from error
        if self._nested:  # a model may write the keys of an inner object in any order
            canonical = _canonical(found.model_dump(mode="json", by_alias=True))
        else:
            canonical = self._dumped(found, by_alias=True).decode()
        values = found.__dict__
        return {name: values[field] for name, field in self._fields}, canonical


def _modelled(name: str, fields: dict[str, Any]) -> tuple[type[BaseModel], str]:
    """Return the model of arguments, and its schema as text."""
    model: type[BaseModel] = create_model(
        name, __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=False), **fields
    )
    return model, _schema_text(model)


@cache
def _nothing() -> tuple[type[BaseModel], str]:
    """Return the model of no arguments: one for all tools without any, such as those that hand over."""
    return _modelled("Nothing", {})


def _hinted(fn: Callable[..., Any]) -> Any:
    """Return what has the annotations of something that can be called."""
    while isinstance(fn, partial):
        fn = fn.func
    return fn if inspect.isroutine(fn) or inspect.isclass(fn) else type(fn).__call__


def _field(parameter: inspect.Parameter, hint: Any) -> Any:
    described: dict[str, Any] = {}
    if get_origin(hint) is Annotated:
        text = next((extra for extra in get_args(hint)[1:] if isinstance(extra, str)), None)
        if text is not None:
            described["description"] = text
    default: Any = ... if parameter.default is parameter.empty else parameter.default
    return (hint, Field(default, alias=parameter.name, **described))


def _schema_text(model: type[BaseModel]) -> str:
    found = model.model_json_schema()
    found.pop("title", None)
    properties: dict[str, Any] = found.get("properties", {})
    for field in properties.values():
        field.pop("title", None)
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def shown(value: Any) -> str:
    """Return a tool's result as the model reads it: text as it is, all else as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        return to_json(value, fallback=str, inf_nan_mode="strings").decode()
    except (ValueError, RecursionError):  # bytes that are no text, a list in itself: the call was made all the same
        try:
            return to_json(value, fallback=str, inf_nan_mode="strings", bytes_mode="base64").decode()
        except (ValueError, RecursionError):
            return str(value)
