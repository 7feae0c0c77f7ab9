"""Configuration as data: the closed registry of what the types of documents stand for.

A document is an envelope: `type`, a short id; `version`, 1 if left out; and fields, which are the parameters of what
the type stands for, under their own names. Nothing is imported because a document names it: what an id means is in the
registry, and code put it there.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError

from quorate.core.problems import problems_of
from quorate.core.source import Problem, cut
from quorate.errors import ConfigError

Document = dict[str, Any]
"""An envelope as JSON data."""


class Fields(BaseModel):
    """The fields of a type: what is not declared is refused."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), defer_build=True, allow_inf_nan=False)


class Form(ABC):
    """Marks a field, by `Annotated`, whose value in the object is no plain data."""

    @abstractmethod
    def build(self, value: Any, context: Any) -> Any:
        """Return the object's value for what the document has."""

    @abstractmethod
    def dump(self, value: Any) -> Any:
        """Return what the document has for the object's value.

        Raises:
            ConfigError: It cannot stand in a document.
        """


@dataclass(frozen=True)
class Part:
    """Marks a field that holds another envelope; `role` is what is expected there, such as `agent`."""

    role: str

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"part": self.role}  # `schema_of` puts a reference there


def nothing(document: Document) -> Iterable[Problem]:
    """Find nothing wrong with a document."""
    return ()


@dataclass(frozen=True)
class Kind:
    """A type that documents may name.

    Args:
        id: The short name, such as `round_robin`.
        role: What it can be used as, such as `team`.
        cls: What it stands for.
        fields: Its fields: parameters of `cls` under their own names.
        make: Makes the object of its fields; `cls` itself by default.
        values: Reads the fields back from an object; by default its attributes of the same names.
        check: Looks at a whole document of this type, in its normal form, for what no single field can show.
        version: The version of its fields.
    """

    id: str
    role: str
    cls: type[Any]
    fields: type[BaseModel]
    make: Callable[..., Any] | None = None
    values: Callable[[Any], Mapping[str, Any]] | None = None
    check: Callable[[Document], Iterable[Problem]] = nothing
    version: int = 1

    @cached_property
    def parts(self) -> dict[str, tuple[str, bool]]:
        """The fields that hold envelopes: of which role, and whether as a list."""
        return {name: (mark.role, many) for name, mark, many in self._marked() if isinstance(mark, Part)}

    @cached_property
    def forms(self) -> dict[str, tuple[Form, bool]]:
        """The fields that have a form, and whether as a list."""
        return {name: (mark, many) for name, mark, many in self._marked() if isinstance(mark, Form)}

    @property
    def summary(self) -> str:
        """What it is, in a line, for people who write documents."""
        return (inspect.getdoc(self.fields) or self.id).partition("\n\n")[0].replace("\n", " ")

    def _marked(self) -> Iterable[tuple[str, Form | Part, bool]]:
        for name, field in self.fields.model_fields.items():
            mark, many = _mark(field.annotation, field.metadata)
            if mark is not None:
                yield name, mark, many


def _mark(annotation: Any, extras: Iterable[Any] = ()) -> tuple[Form | Part | None, bool]:
    own = next((extra for extra in extras if isinstance(extra, Form | Part)), None)
    if own is not None:
        return own, False
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _mark(inner[0], inner[1:])
    for argument in inner:
        mark, many = _mark(argument)
        if mark is not None:
            return mark, many or get_origin(annotation) is list
    return None, False


class Registry:
    """The types that documents may name: a value, closed when it is made.

    Raises:
        ConfigError: Two types have one id.
    """

    def __init__(self, kinds: Iterable[Kind] = ()) -> None:
        self.kinds: dict[str, Kind] = {}
        for kind in kinds:
            if kind.id in self.kinds:
                both = " and ".join(
                    f"{cls.__module__}.{cls.__qualname__}" for cls in (self.kinds[kind.id].cls, kind.cls)
                )
                raise ConfigError(f"{both} have the same type id, {kind.id!r}. Rename one.")
            self.kinds[kind.id] = kind

    def plus(self, kinds: Iterable[Kind]) -> Registry:
        """Return a registry with more types."""
        return Registry([*self.kinds.values(), *kinds])

    def ids(self, role: str) -> list[str]:
        """Return the ids of the types for a role."""
        return [kind.id for kind in self.kinds.values() if kind.role == role]

    def dump(self, thing: Any) -> Document:
        """Return the document, in its normal form, that describes an object.

        Raises:
            ConfigError: It holds something that cannot stand in a document.
        """
        kind = next((k for k in self.kinds.values() if k.cls is type(thing)), None)
        if kind is None:
            raise ConfigError(f"{cut(thing)} is of no type that documents know: {', '.join(self.kinds)}.")
        given = dict(_attributes(kind, thing) if kind.values is None else kind.values(thing))
        for name, (_, many) in kind.parts.items():
            given[name] = _each(self.dump, given.get(name), many)
        for name, (form, many) in kind.forms.items():
            if name in given:
                given[name] = _each(form.dump, given[name], many)
        try:
            fields = kind.fields.model_validate(given, strict=False)
        except ValidationError as error:
            why = "; ".join(p.text for p in problems_of(error, kind.fields, kind.id, ()))
            raise ConfigError(f"{cut(thing)} cannot be written as a document: {why}") from error
        return normal(kind, fields, {name: given[name] for name in kind.parts})


def _each(dump: Callable[[Any], Any], value: Any, many: bool) -> Any:
    if value is None:
        return None
    return [dump(item) for item in value] if many else dump(value)


def _attributes(kind: Kind, thing: Any) -> Mapping[str, Any]:
    _check_rest(kind, thing)
    missing = [name for name in kind.fields.model_fields if not hasattr(thing, name)]
    if missing:
        raise ConfigError(f"{cut(thing)} keeps no attribute {missing[0]!r}, so it cannot be written as a document.")
    return {name: getattr(thing, name) for name in kind.fields.model_fields}


def _check_rest(kind: Kind, thing: Any) -> None:
    """Refuse an object with a parameter that is set and cannot be a field, such as a function."""
    for name, parameter in inspect.signature(kind.cls).parameters.items():
        if name not in kind.fields.model_fields and getattr(thing, name, parameter.default) is not parameter.default:
            raise ConfigError(f"{cut(thing)} has a {name}, which is no data, so it cannot be written as a document.")


def normal(kind: Kind, fields: BaseModel, parts: Document) -> Document:
    """Return the normal form of a document.

    It has every field with its value, so that it means the same when a default has changed; only what is empty by
    default stays out.

    Args:
        kind: Its type.
        fields: Its fields, checked.
        parts: The normal forms of those that hold envelopes.
    """
    dumped = fields.model_dump(mode="json") | parts
    declared = kind.fields.model_fields
    kept = {name: v for name, v in dumped.items() if v is not None or declared[name].default is not None}
    return {"type": kind.id, "version": kind.version, **kept}
