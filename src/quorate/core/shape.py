"""The shape of documents: fields taken from a constructor, and the JSON schema of everything a registry knows."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, cast, get_type_hints

from pydantic import BaseModel, Field, TypeAdapter, create_model
from pydantic.errors import PydanticUserError

from quorate.core.config import Fields, Kind, Registry
from quorate.core.secrets import NAMED, Secret
from quorate.errors import ConfigError

_FOR_PEOPLE = {"label": "What people call it.", "description": "What it is for, for people."}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def fields_of(cls: type[Any], form_of: Callable[[Any], Any]) -> type[BaseModel]:
    """Return the fields of a class: the parameters of its constructor whose values can stand in a document.

    Their descriptions come from the class's docstring. A parameter whose type is no data, such as a function, is left
    out if it has a default.

    Args:
        cls: The class.
        form_of: Given a type, returns how it stands in a document; the type itself where nothing special is needed.

    Raises:
        ConfigError: A parameter has no type, a name that cannot be used, or must be given and is no data.
    """
    who = cls.__qualname__
    hints = get_type_hints(cls.__init__, include_extras=True)
    texts = described(inspect.getdoc(cls) or "")
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            raise ConfigError(f"{who} takes *{name}: team files need parameters with names of their own.")
        if name not in hints:
            raise ConfigError(f"{who}: parameter {name} needs a type, so that team files can be checked.")
        if hasattr(BaseModel, name) or name in {"type", "version"} or name.startswith("_"):
            raise ConfigError(f"{who}: a field of a team file cannot be called {name!r}. Rename the parameter.")
        form = _secret(name, hints[name]) or form_of(hints[name])
        if _is_data(form):
            default: Any = ... if parameter.default is parameter.empty else parameter.default
            found[name] = (form, Field(default, description=texts.get(name)))
        elif parameter.default is parameter.empty:
            raise ConfigError(f"{who}: parameter {name} is no data, so give it a default or another type.")
    return create_model(cls.__name__, __base__=Fields, __module__=cls.__module__, __doc__=inspect.getdoc(cls), **found)


def _secret(name: str, hint: Any) -> Any:
    """Return the form of a parameter that is a secret by its name, None for others."""
    if not NAMED.search(name):
        return None
    form: Any = Secret
    return form if hint is str else form | None if hint == str | None else None


def _is_data(form: Any) -> bool:
    try:
        TypeAdapter(form).json_schema()
    except PydanticUserError:
        return False
    return True


def described(docstring: str) -> dict[str, str]:
    """Return what the section `Args:` of a docstring says of each parameter."""
    _, _, section = docstring.partition("\nArgs:\n")
    section = re.split(r"\n(?=\S)", section)[0]
    entries = re.split(r"(?:^|\n) {4}(?=\w+:)", section)
    pairs = (entry.partition(":") for entry in entries if entry.strip())
    return {name: " ".join(text.split()) for name, _, text in pairs}


def schema_of(registry: Registry, role: str, *, title: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the JSON schema, draft 2020-12, of the documents of a role; `type` tells the types apart.

    Args:
        registry: The types.
        role: Of the outermost envelope.
        title: Of the schema.
        values: Schemas of values that forms refer to by `{"part": name}`.
    """
    definitions: dict[str, Any] = {}
    for kind in registry.kinds.values():
        definitions[kind.id] = _schema(kind, definitions)
    several = {part.role for kind in registry.kinds.values() for part, _ in kind.parts.values() if " or " in part.role}
    roles = {kind.role for kind in registry.kinds.values()} | several
    place = {used: f"any_{used}" if used in registry.kinds else used.replace(" ", "_") for used in roles}
    for used in roles:
        definitions[place[used]] = _choice(registry, used)
    found = _referring(definitions, place) | dict(values or {})
    return {"$schema": DIALECT, "title": title, "$ref": f"#/$defs/{place[role]}", "$defs": dict(sorted(found.items()))}


def _choice(registry: Registry, role: str) -> dict[str, Any]:
    ids = registry.ids(role)
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": ids, "description": f"Which {role} it is."}},
        "oneOf": [{"$ref": f"#/$defs/{id}"} for id in ids],
        "discriminator": {"propertyName": "type", "mapping": {id: f"#/$defs/{id}" for id in ids}},
    }


def _schema(kind: Kind, definitions: dict[str, Any]) -> dict[str, Any]:
    found = _untitled(kind.fields.model_json_schema())
    definitions.update(found.pop("$defs", {}))
    envelope: dict[str, Any] = {
        "type": {"const": kind.id, "description": kind.summary},
        "version": {"const": kind.version, "default": kind.version, "description": "The version of these fields."},
    }
    for name in kind.told():
        envelope[name] = {"type": ["string", "null"], "description": _FOR_PEOPLE[name]}
    return {
        "description": kind.summary,
        "type": "object",
        "properties": envelope | found.get("properties", {}),
        "required": ["type", *found.get("required", [])],
        "additionalProperties": False,
    }


def _untitled(schema: Any) -> Any:
    """Leave out the titles that pydantic makes of names."""
    if isinstance(schema, list):
        return [_untitled(item) for item in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    found = cast("dict[str, Any]", schema)
    return {name: _untitled(value) for name, value in found.items() if name != "title" or not isinstance(value, str)}


def _referring(schema: Any, place: dict[str, str]) -> Any:
    """Put references where parts go: to what has a role where that is, to other values under their own names."""
    if isinstance(schema, list):
        return [_referring(item, place) for item in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    found = cast("dict[str, Any]", schema)
    part = found.get("part")
    if not isinstance(part, str):
        return {name: _referring(value, place) for name, value in found.items()}
    rest = {name: _referring(value, place) for name, value in found.items() if name != "part"}
    return {"$ref": f"#/$defs/{place.get(part, part.replace(' ', '_'))}", **rest}
