"""JSON schema to pydantic models: for arguments and answers whose type comes from elsewhere, such as a tool server.

What a schema asks for is held by the model, or is a clear error; nothing is left out silently. A schema is data from
outside: none of it becomes code, and no name in it names anything in this program.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import reduce
from typing import Annotated, Any, ForwardRef, Literal, Union, cast, get_origin
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Json, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import SchemaError

from quorate.core.source import near
from quorate.errors import ConfigError
from quorate.models.json_formats import FORMATS, text_of
from quorate.models.json_merge import TOLD, TYPES, Schema, both, fits, same, types_of, values_of

MAX_PARTS, MAX_DEPTH = 10_000, 64

_RANGE = {"exclusiveMaximum", "exclusiveMinimum", "format", "maximum", "minimum", "multipleOf"}
_OF_TYPE: Mapping[str, set[str]] = {
    "array": {"items", "maxItems", "minItems", "prefixItems", "uniqueItems"},
    "boolean": set[str](),
    "integer": _RANGE,
    "null": set[str](),
    "number": _RANGE,
    "object": {"additionalProperties", "maxProperties", "minProperties", "properties", "required"},
    "string": {"contentMediaType", "contentSchema", "format", "maxLength", "minLength", "pattern"},
}
_BOUNDS = {
    "minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt", "multipleOf": "multiple_of",
}  # fmt: skip
_NUMBERS: Mapping[str, Mapping[str, tuple[int, int] | None]] = {
    "integer": {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)},
    "number": {"decimal": None, "double": None, "float": None},
}
_SIZES = {"maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"}
_KNOWN: frozenset[str] = frozenset(
    TOLD
    | {"$ref", "allOf", "anyOf", "const", "enum", "nullable", "oneOf", "type"}
    | set[str]().union(*_OF_TYPE.values())
)


def schema_to_pydantic_model(schema: Mapping[str, Any], model_name: str = "GeneratedModel") -> type[BaseModel]:
    """Return a pydantic model that takes what a JSON schema of an object describes.

    It knows references within the schema, also circular ones, nested objects, lists and tuples, `enum` and `const`,
    `anyOf`, `oneOf` (taken like `anyOf`), `allOf`, formats, defaults, and ranges, lengths and patterns. A property that
    need not be there and has no default is None where it is missing. Properties that are not declared are dropped,
    unless `additionalProperties` forbids or describes them. A property whose name cannot be an attribute has another
    one, with `_` behind it, and its own as an alias.

    Args:
        schema: In draft 2020-12 or an older one.
        model_name: Of the model; those inside it are called after it.

    Raises:
        ConfigError: The schema says what no model can hold; names the place.
    """
    making = _Making(dict(schema))
    try:
        return making.root(_class_name(model_name))
    except RecursionError as error:
        raise ConfigError("The schema is nested too deep.") from error


class _Making:
    """Makes the models of one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.models: list[type[BaseModel]] = []
        self.named: dict[str, Any] = {}  # what references stand for; a ForwardRef while it is being made
        self.space: dict[str, Any] = {}  # what those stand for
        self.circular: set[str] = set()
        self.parts = 0

    def root(self, name: str) -> type[BaseModel]:
        found = self.reference("#", "#", name)
        if not _is_model(found):
            raise ConfigError("#: the schema must be of an object: type: object, with properties.")
        for model in self.models:
            self.build(model)
        return found

    def build(self, model: type[BaseModel]) -> None:
        name = ""
        try:
            model.model_rebuild(_types_namespace=self.space)
            for attribute, field in model.model_fields.items():
                name = field.alias or attribute
                if not field.is_required() and field.default is not None:
                    TypeAdapter(field.rebuild_annotation()).validate_python(field.default)
        except ValidationError as error:
            said = error.errors(include_url=False)[0]["msg"]
            raise ConfigError(f"{model.__name__}: the default of {name!r} does not fit: {said}.") from error
        except (PydanticUserError, SchemaError, TypeError) as error:
            raise ConfigError(f"{model.__name__}: {_said(error)}") from error

    # -- a schema to a type -------------------------------------------------------------------------------------------

    def type(self, schema: Any, where: str, name: str, *, model: bool = False) -> Any:
        """Return the type that a schema describes; `model` asks for a model where a dictionary would do."""
        if schema is True:
            return Any
        if not isinstance(schema, dict):
            raise ConfigError(f"{where}: here goes a schema, not {schema!r}.")
        given = cast("Schema", schema)
        self.check(given, where)
        if given.get("nullable") is True:
            return _or_none(self.type(_without(given, "nullable"), where, name))
        held = {key: value for key, value in given.items() if key not in TOLD and key != "nullable"}
        if held.keys() == {"$ref"}:
            return self.reference(held["$ref"], where)
        if held.keys() == {"allOf"} and len(held["allOf"]) == 1:
            return self.type(held["allOf"][0], f"{where}/allOf/0", name, model=model)
        alternatives = held.keys() & {"anyOf", "oneOf"}
        if {"allOf", "$ref"} & held.keys() or (alternatives and len(held) > 1):
            return self.type(self.joined(given, where), where, name, model=model)
        if alternatives:
            key = alternatives.pop()
            several = [
                self.type(one, f"{where}/{key}/{i}", f"{name}_{i}") for i, one in enumerate(_list(given, key, where))
            ]
            return self.union(several, given.get("discriminator"), where)
        if "enum" in held or "const" in held:
            return _choice(held, where)
        return self.plain(given, held, where, name, model)

    def plain(self, given: Schema, held: Schema, where: str, name: str, model: bool) -> Any:
        types = types_of(given) or _inferred(held)
        if not types:
            if held:
                raise ConfigError(f"{where}: {', '.join(sorted(held))} without a type. Say which it is.")
            return Any
        unknown = [type for type in types if type not in TYPES]
        if unknown:
            raise ConfigError(f"{where}: there is no type {unknown[0]!r}.{near(str(unknown[0]), TYPES)}")
        for key in held.keys() - {"type"}:
            if not any(key in _OF_TYPE[type] for type in types):
                raise ConfigError(f"{where}: {key!r} says nothing about {' or '.join(types)}.")
            if key in _SIZES and (type(held[key]) is not int or held[key] < 0):
                raise ConfigError(f"{where}: {key} is a whole number, not {held[key]!r}.")
        return self.union([self.one(type, given, where, name, model) for type in types], None, where)

    def one(self, type: str, given: Schema, where: str, name: str, model: bool) -> Any:
        if type == "object":
            return self.object(given, where, name, model)
        if type == "array":
            return self.array(given, where, name)
        if type == "string":
            return self.text(given, where, name)
        if type in {"integer", "number"}:
            return _number(type, given, where)
        return bool if type == "boolean" else None

    def union(self, several: list[Any], discriminator: Any, where: str) -> Any:
        if not several:
            raise ConfigError(f"{where}: an empty list of alternatives; nothing could fit.")
        found = several[0] if len(several) == 1 else Union[tuple(several)]  # noqa: UP007 - made of what was found
        by: Any = cast("Schema", discriminator).get("propertyName") if isinstance(discriminator, dict) else None
        if by is None or len(several) == 1:
            return found
        fields = {_attribute(one, str(by)) for one in several}
        if None in fields or len(fields) > 1:
            raise ConfigError(f"{where}: the discriminator {by!r} must be a property with a const in each alternative.")
        return Annotated[found, Field(discriminator=cast("str", fields.pop()))]

    # -- references and allOf -----------------------------------------------------------------------------------------

    def reference(self, ref: Any, where: str, name: str = "") -> Any:
        if ref in self.named:
            if isinstance(self.named[ref], ForwardRef):
                self.circular.add(ref)
            return self.named[ref]
        target = self.target(ref, where)
        marker = f"_R{len(self.named)}"  # nothing of the schema: pydantic evaluates it
        self.named[ref] = ForwardRef(marker)
        made = self.type(target, ref, name or _class_name(str(ref).rpartition("/")[2]), model=ref == "#")
        if ref in self.circular and not _is_model(made):
            raise ConfigError(f"{ref}: it refers to itself, and is no object with properties.")
        self.named[ref] = self.space[marker] = made
        return made

    def target(self, ref: Any, where: str) -> Any:
        found: Any = self.schema
        if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
            raise ConfigError(f"{where}: {ref!r} refers to another document; only #/… within this one is followed.")
        for step in ref.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and key.isdecimal() and int(key) < len(found):  # pyright: ignore[reportUnknownArgumentType]: it is JSON
                found = found[int(key)]  # pyright: ignore[reportUnknownVariableType]: it is JSON
            elif isinstance(found, dict) and key in found:
                found = found[key]  # pyright: ignore[reportUnknownVariableType]: it is JSON
            else:
                raise ConfigError(f"{where}: {ref!r} refers to nothing: there is no {key!r}.")
        return found  # pyright: ignore[reportUnknownVariableType]: it is JSON

    def joined(self, given: Schema, where: str) -> Schema:
        """Return a schema with `allOf`, or with something beside a reference or alternatives, as one without."""
        told = {key: value for key, value in given.items() if key in TOLD}
        parts = list(self.flat(given, where, ()))
        choices = [part for part in parts if part.keys() & {"anyOf", "oneOf"}]
        plain = [part for part in parts if not part.keys() & {"anyOf", "oneOf"}]
        if not choices:
            return reduce(lambda a, b: both(a, b, where), plain, {}) | told
        key = next(iter(choices[0].keys() & {"anyOf", "oneOf"}))
        rest = [part for part in [*choices[1:], *plain] if part.keys() - TOLD]
        return told | {"anyOf": [{"allOf": [one, *rest]} for one in _list(choices[0], key, where)]}

    def flat(self, given: Any, where: str, seen: tuple[str, ...]) -> Iterator[Schema]:
        """Yield schemas, none with references or an `allOf`, and none with something beside alternatives."""
        if given is True:
            return
        if not isinstance(given, dict):
            raise ConfigError(f"{where}: here goes a schema, not {given!r}.")
        found = cast("Schema", given)
        self.check(found, where)
        own = _without(found, "$ref", "allOf", "anyOf", "oneOf", "nullable")
        if own.keys() - TOLD:
            yield own
        for key in ("anyOf", "oneOf"):
            if key in found:
                yield {key: found[key]}
        if "$ref" in found:
            ref = found["$ref"]
            if ref in seen:
                raise ConfigError(f"{where}: {ref} is part of itself by allOf, so nothing could ever fit.")
            yield from self.flat(self.target(ref, where), ref, (*seen, ref))
        for i, part in enumerate(_list(found, "allOf", where)):
            yield from self.flat(part, f"{where}/allOf/{i}", seen)

    def check(self, given: Schema, where: str) -> None:
        self.parts += 1
        if self.parts > MAX_PARTS or where.count("/") > 2 * MAX_DEPTH:
            raise ConfigError(f"{where[:80]}: the schema is too large: {MAX_PARTS} parts, {MAX_DEPTH} deep at most.")
        for key in given.keys() - _KNOWN:
            if not key.startswith("x-"):
                raise ConfigError(f"{where}: {key!r} cannot be held by a pydantic model.{near(key, _KNOWN)}")

    # -- types --------------------------------------------------------------------------------------------------------

    def object(self, given: Schema, where: str, name: str, model: bool) -> Any:
        properties = given.get("properties", {})
        if not isinstance(properties, dict):
            raise ConfigError(f"{where}: properties are names with a schema each, not {properties!r}.")
        more, required = given.get("additionalProperties"), _list(given, "required", where)
        declared: Schema = {**properties, **{name: True for name in required if name not in properties}}
        values = True if more in (None, True, False) else more
        if not declared and more is not False and not model:
            inner = self.type(values, f"{where}/additionalProperties", f"{name}_value")
            return _sized(dict[str, inner], given, "minProperties", "maxProperties")
        if given.get("minProperties", 0) > len(required) or "maxProperties" in given:
            raise ConfigError(f"{where}: minProperties and maxProperties cannot be held beside properties.")
        used: set[str] = set()
        fields = {
            attribute: self.field(one, f"{where}/properties/{title}", name, title, attribute, title in required)
            for title, one in declared.items()
            if (attribute := _attribute_for(title, used))
        }
        extra = "forbid" if more is False else "allow" if more is not None or not declared else "ignore"
        base = BaseModel
        if extra == "allow" and values is not True:
            inner = self.type(values, f"{where}/additionalProperties", f"{name}_value")
            base = type(
                "_Open",
                (BaseModel,),
                {"__annotations__": {"__pydantic_extra__": dict[str, inner]}, "__module__": __name__},
            )
        return self.model(name, given, fields, base, extra, where)

    def model(
        self, name: str, given: Schema, fields: dict[str, Any], base: type[BaseModel], extra: Any, where: str
    ) -> type[BaseModel]:
        config = ConfigDict(extra=extra, protected_namespaces=(), title=given.get("title"), serialize_by_alias=True)
        owner = type(name, (base,), {"model_config": config, "__module__": __name__})
        try:
            made = create_model(name, __base__=owner, __module__=__name__, __doc__=given.get("description"), **fields)
        except (PydanticUserError, SchemaError, TypeError, NameError) as error:
            raise ConfigError(f"{where}: {_said(error)}") from error
        self.models.append(made)
        return made

    def field(self, given: Any, where: str, name: str, title: str, attribute: str, required: bool) -> Any:
        kind = self.type(given, where, f"{name}_{_class_name(title)}")
        told = cast("Schema", given if isinstance(given, dict) else {})
        default: Any = ... if required else told.get("default")
        if default is None:
            kind = _or_none(kind)
        options: dict[str, Any] = {key: told[key] for key in ("title", "description", "deprecated") if key in told}
        if "examples" in told:
            options["examples"] = _list(told, "examples", where)
        if attribute != title:
            options["alias"] = title
        return kind, Field(default, validate_default=default not in (..., None), **options)

    def array(self, given: Schema, where: str, name: str) -> Any:
        items = given.get("items", True)
        first = cast("Any", items) if isinstance(items, list) else given.get("prefixItems")
        if first:
            return self.pair(given, first, items, where, name)
        inner = self.type(items, f"{where}/items", f"{name}_item")
        found = _sized(list[inner], given, "minItems", "maxItems")
        return (
            Annotated[found, AfterValidator(_each_once), Field(json_schema_extra={"uniqueItems": True})]
            if given.get("uniqueItems")
            else found
        )

    def pair(self, given: Schema, first: Any, items: Any, where: str, name: str) -> Any:
        size = len(_list({"prefixItems": first}, "prefixItems", where))
        closed = items is False or given.get("maxItems") == size
        if not closed or given.get("minItems") != size or given.get("uniqueItems"):
            raise ConfigError(f"{where}: a tuple needs as many items as it has types: minItems and maxItems {size}.")
        inner = [self.type(one, f"{where}/prefixItems/{i}", f"{name}_{i}") for i, one in enumerate(first)]
        return tuple[tuple(inner)]

    def text(self, given: Schema, where: str, name: str) -> Any:
        format, media = given.get("format"), given.get("contentMediaType")
        if media is not None and media != "application/json":
            raise ConfigError(f"{where}: contentMediaType {media!r} is not known; application/json is.")
        if media is not None:
            return Json[self.type(given.get("contentSchema", True), f"{where}/contentSchema", name)]
        if format is not None and format not in FORMATS:
            known = near(str(format), FORMATS) or f" There are: {', '.join(sorted(FORMATS))}."
            raise ConfigError(f"{where}: the format {format!r} is not known.{known}")
        try:
            return text_of(given, str if format is None else FORMATS[format])
        except ValueError as error:
            raise ConfigError(f"{where}: {error}.") from error


# -- helpers ----------------------------------------------------------------------------------------------------------


def _number(type: str, given: Schema, where: str) -> Any:
    format = given.get("format")
    if format is not None and format not in _NUMBERS[type]:
        raise ConfigError(
            f"{where}: the format {format!r} of {type} is not known. There are: {', '.join(_NUMBERS[type])}."
        )
    kind: Any = int if type == "integer" else Decimal if format == "decimal" else float
    held = {ours: given[theirs] for theirs, ours in _BOUNDS.items() if theirs in given}
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in held.values()):
        raise ConfigError(f"{where}: bounds of numbers are numbers.")
    ranged = _NUMBERS[type].get(format or "")
    if ranged is not None:
        kind = Annotated[kind, Field(ge=ranged[0], le=ranged[1])]
    return Annotated[kind, Field(**held)] if held else kind


def _choice(held: Schema, where: str) -> Any:
    values = [value for value in values_of(held) or [] if fits(value, held, where)]
    if not values:
        raise ConfigError(f"{where}: there is no value to choose.")
    if all(value is None or isinstance(value, str | int) for value in values):
        return Literal[tuple(values)]

    def check(value: Any) -> Any:
        if not any(same(value, one) for one in values):
            raise ValueError(f"it must be one of {values}")
        return value

    return Annotated[Any, AfterValidator(check), Field(json_schema_extra={"enum": values})]


def _sized(kind: Any, given: Schema, least: str, most: str) -> Any:
    if least not in given and most not in given:
        return kind
    return Annotated[kind, Field(min_length=given.get(least), max_length=given.get(most))]


def _each_once(items: list[Any]) -> list[Any]:
    if any(same(item, other) for i, item in enumerate(items) for other in items[:i]):
        raise ValueError("each item may be there once")
    return items


def _or_none(kind: Any) -> Any:
    return Union[kind, None]  # noqa: UP007 - it may be a forward reference, which knows no `|`


def _said(error: Exception) -> str:
    return " ".join(str(error).partition("\n\n")[0].split())[:300]


def _inferred(held: Schema) -> list[str]:
    return [type for type in ("object", "array") if held.keys() & _OF_TYPE[type]][:1]


def _without(given: Schema, *keys: str) -> Schema:
    return {key: value for key, value in given.items() if key not in keys}


def _list(given: Schema, key: str, where: str) -> list[Any]:
    found = given.get(key, [])
    if not isinstance(found, list):
        raise ConfigError(f"{where}: {key} is a list, not {found!r}.")
    return cast("list[Any]", found)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _attribute(kind: Any, property: str) -> str | None:
    """Return the attribute that a model has for a property that is a choice, None if it has none."""
    if not _is_model(kind):
        return None
    fields = kind.model_fields.items()
    found = next((name for name, field in fields if property == (field.alias or name)), None)
    return found if found and get_origin(kind.model_fields[found].annotation) is Literal else None


def _attribute_for(title: str, used: set[str]) -> str:
    name = re.sub(r"\W", "_", title, flags=re.ASCII).lstrip("_") or "field"
    if name[0].isdecimal():
        name = f"field_{name}"
    while keyword.iskeyword(name) or hasattr(BaseModel, name) or name in used:
        name += "_"
    used.add(name)
    return name


def _class_name(text: str) -> str:
    name = re.sub(r"\W", "_", text, flags=re.ASCII).strip("_") or "Model"
    return name if not (name[0].isdecimal() or keyword.iskeyword(name)) else f"Model_{name}"
