"""Configuration as data: documents of one envelope, and the closed registry of what their types stand for.

An envelope is `type`, a short id; `version`, 1 if left out; and fields, which are the parameters of what it stands for.
Nothing is imported because a document names it: what an id means is in the registry, put there by code.
"""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError

from quorate.core.problems import problems_of
from quorate.core.source import Problem, Source, Where, cut, near
from quorate.errors import ConfigError

Document = dict[str, Any]
ENVELOPE = ("type", "version")


class Fields(BaseModel):
    """The fields of a type, a pydantic model: what is not declared is refused, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), allow_inf_nan=False)


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
    """Marks a field that holds another envelope; `role` is what kind of thing is expected there, such as `agent`."""

    role: str

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"part": self.role}  # the schema of the registry puts its own reference there


class Slot(NamedTuple):
    """How a marked field holds its values: as what, and whether as a list."""

    form: Form | Part
    many: bool


def _nothing(document: Document) -> Iterable[Problem]:
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
        check: Looks at a whole, normalised document of this type for what no single field can show.
        version: The newest version of its fields; older ones are refused until something translates them.
    """

    id: str
    role: str
    cls: type[Any]
    fields: type[BaseModel]
    make: Callable[..., Any] | None = None
    values: Callable[[Any], Mapping[str, Any]] | None = None
    check: Callable[[Document], Iterable[Problem]] = _nothing
    version: int = 1

    @cached_property
    def slots(self) -> dict[str, Slot]:
        """The fields that are marked."""
        found = {name: _slot(f.annotation, f.metadata) for name, f in self.fields.model_fields.items()}
        return {name: slot for name, slot in found.items() if slot is not None}

    @property
    def summary(self) -> str:
        """What it is, in a line."""
        return (inspect.getdoc(self.cls) or self.id).partition("\n\n")[0].replace("\n", " ")


def _slot(annotation: Any, marks: Iterable[Any] = ()) -> Slot | None:
    for mark in marks:
        if isinstance(mark, Form | Part):
            return Slot(mark, many=False)
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _slot(inner[0], inner[1:])
    for found in map(_slot, inner):
        if found is not None:
            return Slot(found.form, found.many or get_origin(annotation) is list)
    return None


class Registry:
    """The types that documents may name: a value, closed when it is made.

    Raises:
        ConfigError: Two types have one id.
    """

    def __init__(self, kinds: Iterable[Kind] = ()) -> None:
        self.kinds: dict[str, Kind] = {}
        for kind in kinds:
            if kind.id in self.kinds:
                other = self.kinds[kind.id].cls.__qualname__
                raise ConfigError(f"{kind.cls.__qualname__} and {other} both have the type id {kind.id!r}. Rename one.")
            self.kinds[kind.id] = kind

    def plus(self, kinds: Iterable[Kind]) -> Registry:
        """Return a registry with more types."""
        return Registry([*self.kinds.values(), *kinds])

    def ids(self, role: str) -> list[str]:
        """Return the ids of the types for a role."""
        return [kind.id for kind in self.kinds.values() if kind.role == role]

    def read(self, source: Source, role: str, context: Any = None) -> tuple[Any, Document]:
        """Make the object that a document describes.

        Args:
            source: The document.
            role: What it must be.
            context: Handed to validators and forms.

        Returns:
            The object, and the document in its normal form: every field with its value, so that it means the same
            tomorrow; only what is left empty by default stays out.

        Raises:
            ConfigError: There is something wrong with it; names all of it, by line.
        """
        reading = _Reading(self, source, context)
        made = reading.part(role, source.data, ())
        if made is None or reading.problems:
            raise source.refusal(reading.problems)
        return made

    def dump(self, thing: Any) -> Document:
        """Return the document, in its normal form, that describes an object.

        Raises:
            ConfigError: It holds something that cannot stand in a document.
        """
        kind = next((k for k in self.kinds.values() if k.cls is type(thing)), None)
        if kind is None:
            raise ConfigError(f"{cut(thing)} is of no type that documents know. They know: {', '.join(self.kinds)}.")
        _check_rest(kind, thing)
        given = dict((kind.values or _attributes(kind))(thing))
        parts: Document = {}
        for name, slot in kind.slots.items():
            if given.get(name) is not None:
                dump = self.dump if isinstance(slot.form, Part) else slot.form.dump
                given[name] = [dump(v) for v in given[name]] if slot.many else dump(given[name])
                if isinstance(slot.form, Part):
                    parts[name] = given[name]
        try:
            fields = kind.fields.model_validate(given, strict=False)
        except ValidationError as error:
            why = "; ".join(p.text for p in problems_of(error, kind.fields, kind.id, ()))
            raise ConfigError(f"{cut(thing)} cannot be written as a document: {why}") from error
        return _document(kind, fields, parts)


def _attributes(kind: Kind) -> Callable[[Any], Mapping[str, Any]]:
    def values(thing: Any) -> Mapping[str, Any]:
        missing = [name for name in kind.fields.model_fields if not hasattr(thing, name)]
        if missing:
            raise ConfigError(f"{cut(thing)} keeps no attribute {missing[0]!r}, so it cannot be written as a document.")
        return {name: getattr(thing, name) for name in kind.fields.model_fields}

    return values


def _check_rest(kind: Kind, thing: Any) -> None:
    """Refuse an object with a parameter that is set and cannot be a field, such as a function."""
    for name, parameter in inspect.signature(kind.cls).parameters.items():
        if name not in kind.fields.model_fields and getattr(thing, name, parameter.default) is not parameter.default:
            raise ConfigError(f"{cut(thing)} has a {name}, which is no data, so it cannot be written as a document.")


def _document(kind: Kind, fields: BaseModel, parts: Document) -> Document:
    dumped = fields.model_dump(mode="json")
    empty = {name for name, f in kind.fields.model_fields.items() if f.default is None and dumped[name] is None}
    kept = {name: parts.get(name, value) for name, value in dumped.items() if name not in empty}
    return {"type": kind.id, "version": kind.version, **kept}


class _Reading:
    """Reads one document, going on past what is wrong, so that all of it is told at once."""

    def __init__(self, registry: Registry, source: Source, context: Any) -> None:
        self.registry, self.context = registry, context
        self.problems: list[Problem] = list(source.problems)

    def part(self, role: str, data: Any, where: Where) -> tuple[Any, Document] | None:
        """Return the object for an envelope and its normal form, None if there is something wrong."""
        kind = self.kind(role, data, where)
        if kind is None:
            return None
        given = {name: value for name, value in data.items() if name not in ENVELOPE}
        before = len(self.problems)
        fields = self.fields(kind, given, where)
        parts = {name: self.parts(slot, given.get(name), (*where, name)) for name, slot in kind.slots.items()}
        if fields is None or len(self.problems) > before:
            return None
        document = _document(
            kind, fields, {name: written for name, (_, written) in parts.items() if written is not None}
        )
        self.problems += [p._replace(where=(*where, *p.where)) for p in kind.check(document)]
        values = {name: getattr(fields, name) for name in kind.fields.model_fields}
        for name, slot in kind.slots.items():
            values[name] = self.built(slot.form, values[name]) if isinstance(slot.form, Form) else parts[name][0]
        return self.made(kind, values, where, document)

    def kind(self, role: str, data: Any, where: Where) -> Kind | None:
        known = self.registry.ids(role)
        choice = f"There are: {', '.join(known)}."
        if not isinstance(data, dict):
            return self.wrong(
                where, f"Here goes {_a(role)}, as fields that begin with `type:`, not {cut(data)}. {choice}"
            )
        if "type" not in data:
            return self.wrong(where, f"`type:` is missing: which {role} is it? {choice}")
        id, version = data["type"], data.get("version", 1)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]: JSON
        kind = self.registry.kinds.get(id) if isinstance(id, str) else None
        if kind is None:
            return self.wrong((*where, "type"), f"There is no {role} type {cut(id)}.{self.meant(id, role)} {choice}")
        if kind.role != role:
            return self.wrong((*where, "type"), f"{id!r} is {_a(kind.role)}; here goes {_a(role)}. {choice}")
        if type(version) is not int or version < 1:  # pyright: ignore[reportUnknownArgumentType]: JSON
            return self.wrong(
                (*where, "version"), f"The version is a number, and {kind.version} today, not {cut(version)}."
            )
        if version != kind.version:
            text = f"This Quorate reads version {kind.version} of {id!r}; this is version {version}. Upgrade Quorate."
            return self.wrong((*where, "version"), text)
        return kind

    def wrong(self, where: Where, text: str) -> None:
        self.problems.append(Problem(where, text))

    def meant(self, id: Any, role: str) -> str:
        """Return the question which id was meant; the name of a class stands for its id."""
        ids = {name: kind.id for kind in self.registry.kinds.values() for name in (kind.id, kind.cls.__name__)}
        ids = {name: found for name, found in ids.items() if self.registry.kinds[found].role == role}
        word = str(id).rpartition(".")[2]
        return f" Did you mean {ids[word]!r}?" if word in ids else near(word, self.registry.ids(role))

    def fields(self, kind: Kind, given: Document, where: Where) -> BaseModel | None:
        try:
            return kind.fields.model_validate_json(json.dumps(given), strict=True, context=self.context)
        except ValidationError as error:
            self.problems += problems_of(error, kind.fields, kind.id, where)
            return None

    def parts(self, slot: Slot, given: Any, where: Where) -> tuple[Any, Any]:
        """Return the objects and the normal forms of a field that holds envelopes."""
        if not isinstance(slot.form, Part) or given is None or slot.many is not isinstance(given, list):
            wrong = isinstance(slot.form, Part) and not slot.many and given is not None
            return self.part(slot.form.role, given, where) or (None, None) if wrong else (None, None)
        if not slot.many:
            return self.part(slot.form.role, given, where) or (None, None)
        found = [self.part(slot.form.role, item, (*where, i)) for i, item in enumerate(given)]
        good = [pair for pair in found if pair is not None]
        return [made for made, _ in good], [written for _, written in good]

    def built(self, form: Form, value: Any) -> Any:
        if value is None:
            return None
        return (
            [form.build(v, self.context) for v in value] if isinstance(value, list) else form.build(value, self.context)
        )  # pyright: ignore[reportUnknownVariableType]: as the field declares

    def made(self, kind: Kind, values: Document, where: Where, document: Document) -> tuple[Any, Document] | None:
        try:
            return (kind.make or kind.cls)(**values), document
        except ValueError as error:  # ConfigError is one; it says what is wrong with the values together
            return self.wrong(where, str(error))


def _a(role: str) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"
