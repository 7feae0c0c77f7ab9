"""Configuration as data: the closed registry of what the types of documents stand for.

A document is an envelope: `type`, a short id; `version`, 1 if left out; `label` and `description` for people, where the
type has no fields of these names; and fields, which are the parameters of what the type stands for, under their own
names. Nothing is imported because a document names it: what an id means is in the registry, and code put it there.
"""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Annotated, Any, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Discriminator, GetJsonSchemaHandler, Tag, ValidationError

from quorate.core.problems import TAG, problems_of
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
class ByName:
    """How a name may stand for a part that there is already.

    Args:
        schema: Of such names, as `schema_of` is given it.
        find: Returns the object of a name, given what the document may use as `known`.
        name: Returns the name by which a document has an object, None for one that it has in full.
    """

    schema: str
    find: Callable[..., Any]
    name: Callable[[Any], str | None]


@dataclass(frozen=True)
class Part:
    """Marks a field that holds another envelope.

    Args:
        role: What is expected there, such as `agent`, or `agent or team`.
        name: Where a text may stand instead: checks it and returns what the object is given.
        by_name: Where a text may stand instead that names an object that there is.
        held: Where the object is given a definition, and what it defines is made later: makes that of the envelope,
            which was checked, and the registry.
    """

    role: str
    name: Callable[[str], str] | None = None
    held: Callable[[Document, Registry], Any] | None = None
    by_name: ByName | None = None

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        part = {"part": self.role}  # `schema_of` puts a reference there
        if self.by_name is not None:
            return {"anyOf": [{"part": self.by_name.schema}, part]}
        return part if self.name is None else {"anyOf": [{"type": "string"}, part]}


def short_or_full(short: Any, full: type[BaseModel]) -> Any:
    """Return the type of a value that is short, such as a name, or a set of fields: what is wrong is told of one."""
    return Annotated[
        Annotated[short, Tag(f"{TAG}short")] | Annotated[full, Tag(f"{TAG}full")],
        Discriminator(lambda value: f"{TAG}full" if isinstance(value, dict | full) else f"{TAG}short"),
    ]


def nothing(document: Document) -> Iterable[Problem]:
    """Find nothing wrong with a document."""
    return ()


UNREAD = "?"
"""The type of a part with a fault, for who looks at the document around it."""


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
        rough: Whether `check` also looks at one with faults, so that all is told at once: it then gets the fields as
            they stand there, and parts of the type `UNREAD` in the place of those with faults.
        version: The version of its fields.
        migrations: How the fields of an older version, as data, become those of the next one; by the older one's
            number. A version that has none cannot be read any more.
        about: What is known of an object without making it, given its document and the registry; for models.
    """

    id: str
    role: str
    cls: type[Any]
    fields: type[BaseModel]
    make: Callable[..., Any] | None = None
    values: Callable[[Any], Mapping[str, Any]] | None = None
    check: Callable[[Document], Iterable[Problem]] = nothing
    rough: bool = False
    version: int = 1
    migrations: Mapping[int, Callable[[Document], Document]] = field(
        default_factory=dict[int, Callable[[Document], Document]]
    )
    about: Callable[[Document, Registry], Any] | None = None

    def fits(self, role: str) -> bool:
        """Whether it can stand where a role is expected: that role, one of several, or any if it is empty."""
        return not role or self.role == role or self.role in role.split(" or ")

    @cached_property
    def parts(self) -> dict[str, tuple[Part, bool]]:
        """The fields that hold envelopes: how they are marked, and whether as a list."""
        return {name: (mark, many) for name, mark, many in self._marked() if isinstance(mark, Part)}

    def told(self) -> tuple[str, ...]:
        """Return the names beside the fields, for people, that an envelope of this type may have."""
        return tuple(name for name in ("label", "description") if name not in self.fields.model_fields)

    def migrated(self, fields: Document, version: int) -> Document:
        """Return the fields of an older version as those of this one.

        Raises:
            ConfigError: There is no way from there, or these fields cannot go it.
        """
        for at in range(version, self.version):
            step = self.migrations.get(at)
            if step is None:
                raise ConfigError(
                    f"Version {at} of {self.id} cannot be read any more; this Quorate has version {self.version}. "
                    "Write it with an older Quorate, or by hand."
                )
            try:
                fields = dict(step(dict(fields)))
            except (ValueError, LookupError, TypeError) as error:
                raise ConfigError(f"This version {at} of {self.id} cannot become version {at + 1}: {error}") from error
        return fields

    @cached_property
    def forms(self) -> dict[str, tuple[Form, bool]]:
        """The fields that have a form, and whether as a list."""
        return {name: (mark, many) for name, mark, many in self._marked() if isinstance(mark, Form)}

    @property
    def summary(self) -> str:
        """What it is, in a line, for people who write documents."""
        return (inspect.getdoc(self.fields) or self.id).partition("\n\n")[0].replace("\n", " ")

    def _marked(self) -> Iterable[tuple[str, Form | Part, bool]]:
        for name, info in self.fields.model_fields.items():
            mark, many = _mark(info.annotation, info.metadata)
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
        """Return the ids of the types for a role; of all if it is empty."""
        return [kind.id for kind in self.kinds.values() if kind.fits(role)]

    def dump(self, thing: Any, role: str = "") -> Document:
        """Return the document, in its normal form, that describes an object.

        Args:
            thing: The object.
            role: What it must be; anything if empty.

        Raises:
            ConfigError: It holds something that cannot stand in a document.
        """
        if isinstance(thing, Held):
            return thing.document
        kinds = [kind for kind in self.kinds.values() if kind.fits(role)]
        kind = next((kind for kind in kinds if kind.cls is type(thing)), None)
        if kind is None:
            raise ConfigError(f"{cut(thing)} is of no type that documents know: {', '.join(k.id for k in kinds)}.")
        given = dict(_attributes(kind, thing) if kind.values is None else kind.values(thing))
        for name, (part, many) in kind.parts.items():
            given[name] = _each(partial(self._part, part), given.get(name), many)
        for name, (form, many) in kind.forms.items():
            if name in given:
                given[name] = _each(form.dump, given[name], many)
        try:
            fields = kind.fields.model_validate(given, strict=False)
        except ValidationError as error:
            texts = [p.text.partition(", not ")[0] for p in problems_of(error, kind.fields, kind.id, ())]
            raise ConfigError(  # without the values: one may be a secret that was put in the wrong place
                f"A {type(thing).__name__} cannot be written as a document: {'; '.join(texts)}."
            ) from None
        return normal(kind, fields, {name: given[name] for name in kind.parts})

    def _part(self, part: Part, thing: Any) -> Any:
        if part.name is not None and type(thing) is str:
            return thing
        name = None if part.by_name is None else part.by_name.name(thing)
        if name is not None:
            return name
        return self.dump(thing, part.role)


class Held(str):
    """A definition that is used like a name: the envelope of something that is made later.

    Equal definitions are equal texts.
    """

    __slots__ = ("document", "registry")

    document: Document
    registry: Registry

    @classmethod
    def of(cls, document: Document, registry: Registry) -> Self:
        """Hold an envelope that was checked."""
        held = cls(json.dumps(document, ensure_ascii=False, sort_keys=True))
        held.document, held.registry = document, registry
        return held

    @property
    def kind(self) -> Kind:
        """Its type."""
        return self.registry.kinds[self.document["type"]]


def _each(dump: Callable[[Any], Any], value: Any, many: bool) -> Any:
    if value is None:
        return None
    if many:
        return [dump(item) for item in (value.values() if isinstance(value, Mapping) else value)]  # pyright: ignore[reportUnknownVariableType]: of whatever it has
    return dump(value)


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


def normal(kind: Kind, fields: BaseModel, parts: Document, told: Document | None = None) -> Document:
    """Return the normal form of a document.

    It has every field with its value, so that it means the same when a default has changed; only what is empty by
    default stays out.

    Args:
        kind: Its type.
        fields: Its fields, checked.
        parts: The normal forms of those that hold envelopes.
        told: What it has beside them, for people.
    """
    dumped = fields.model_dump(mode="json") | parts
    declared = kind.fields.model_fields
    kept = {name: v for name, v in dumped.items() if v is not None or declared[name].default is not None}
    return {"type": kind.id, "version": kind.version, **(told or {}), **kept}
