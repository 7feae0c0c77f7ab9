"""Making objects of documents. What is wrong with a document is told all at once."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from pydantic import BaseModel, ValidationError

from quorate.core.config import UNREAD, Document, Kind, Part, Registry, normal
from quorate.core.problems import problems_of
from quorate.core.source import Problem, Source, Where, cut, near
from quorate.errors import ConfigError


def read(registry: Registry, source: Source, role: str, context: Any = None, *, more: str = "") -> tuple[Any, Document]:
    """Make the object that a document describes.

    Args:
        registry: The types it may name.
        source: The document.
        role: What it must be; any if empty.
        context: Handed to validators and forms.
        more: A sentence that says where more types come from, for the error about one that is not known.

    Returns:
        The object, and the document in its normal form.

    Raises:
        ConfigError: Something is wrong with it; names all of it, each with its line.
    """
    reading = _Reading(registry, source, context, more)
    made = reading.part(role, source.data, ())
    if made is None or reading.problems:
        raise source.refusal(reading.problems)
    return made


class _Reading:
    """Reads one document and goes on past what is wrong."""

    def __init__(self, registry: Registry, source: Source, context: Any, more: str) -> None:
        self.registry, self.context, self.more = registry, context, more
        self.problems: list[Problem] = list(source.problems)

    def part(self, role: str, data: Any, where: Where, *, make: bool = True) -> tuple[Any, Document] | None:
        """Return the object for an envelope and its normal form, None if something is wrong.

        Args:
            role: What it must be; any if empty.
            data: The envelope.
            where: It stands.
            make: False only checks it; the object is then the type's id.
        """
        before = len(self.problems)
        kind = self.kind(role, data, where)
        given = None if kind is None else self.given(kind, data, where)
        if kind is None or given is None:
            return None
        fields = self.fields(kind, given, where)
        parts = {
            name: self.parts(mark, given[name] if name in given else _left_out(kind, name), (*where, name), many, make)
            for name, (mark, many) in kind.parts.items()
        }
        if fields is None or len(self.problems) > before:
            if kind.rough:
                sketch = _sketch(kind, given, {name: written for name, (_, written) in parts.items()})
                self.problems += [p._replace(where=(*where, *p.where)) for p in kind.check(sketch)]
            return None
        told = {name: data[name] for name in kind.told() if data.get(name) is not None}
        document = normal(kind, fields, {name: written for name, (_, written) in parts.items()}, told)
        self.problems += [p._replace(where=(*where, *p.where)) for p in kind.check(document)]
        if len(self.problems) > before:
            return None
        if not make:
            return kind.id, document
        values = {name: getattr(fields, name) for name in kind.fields.model_fields}
        for name, (form, _) in kind.forms.items():
            values[name] = self.built(form, values[name], (*where, name))
        if len(self.problems) > before:
            return None
        made = self.made(kind, values | {name: found for name, (found, _) in parts.items()}, where)
        return None if made is None else (made, document)

    def kind(self, role: str, data: Any, where: Where) -> Kind | None:
        what = role or "component"
        choice = f"There are: {', '.join(self.registry.ids(role))}."
        if not isinstance(data, dict):
            return self.wrong(where, f"Here goes {_a(what)}: fields that begin with `type:`, not {cut(data)}. {choice}")
        found: Document = data  # pyright: ignore[reportUnknownVariableType]: it is JSON
        if "type" not in found:
            return self.wrong(where, f"`type:` is missing: which {what} is it? {choice}")
        id, version = found["type"], found.get("version", 1)
        kind = self.registry.kinds.get(id) if isinstance(id, str) else None
        if kind is None:
            meant = self.meant(id, role)
            more = "" if meant or not self.more else f" {self.more}"
            return self.wrong((*where, "type"), f"There is no {what} type {cut(id)}.{meant} {choice}{more}")
        if not kind.fits(role):
            return self.wrong((*where, "type"), f"{id!r} is {_a(kind.role)}; here goes {_a(role)}. {choice}")
        if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= kind.version:
            text = f"This Quorate reads version {kind.version} of {id}, not {cut(version)}. A newer Quorate may."
            return self.wrong((*where, "version"), text)
        return kind

    def given(self, kind: Kind, data: Document, where: Where) -> Document | None:
        """Return the fields of an envelope, in the newest version."""
        told = kind.told()
        for name in told:
            if not isinstance(data.get(name, ""), str):
                return self.wrong((*where, name), f"{name} should be text, not {cut(data[name])}.")
        given = {name: value for name, value in data.items() if name not in {"type", "version", *told}}
        try:
            return kind.migrated(given, data.get("version", 1))
        except ConfigError as error:
            return self.wrong((*where, "version"), str(error))

    def wrong(self, where: Where, text: str) -> None:
        self.problems.append(Problem(where, text))

    def meant(self, id: Any, role: str) -> str:
        """Return the question which id was meant; the name of a class stands for its id."""
        kinds = {kind.cls.__name__: kind.id for kind in self.registry.kinds.values() if kind.fits(role)}
        word = str(id).rpartition(".")[2]
        return f" Did you mean {kinds[word]!r}?" if word in kinds else near(word, self.registry.ids(role))

    def fields(self, kind: Kind, given: Document, where: Where) -> BaseModel | None:
        try:
            return kind.fields.model_validate_json(json.dumps(given), strict=True, context=self.context)
        except ValidationError as error:
            self.problems += problems_of(error, kind.fields, kind.id, where)
            return None

    def parts(self, mark: Part, given: Any, where: Where, many: bool, make: bool) -> tuple[Any, Any]:
        """Return the objects and the normal forms of a field that holds envelopes."""
        if given is None:
            return None, None
        if not many:
            return self.one(mark, given, where, make) or (None, _unread(given))
        items: list[Any] = given if isinstance(given, list) else []  # pyright: ignore[reportUnknownVariableType]: it is JSON; a wrong shape is told by `fields`
        found = [self.one(mark, item, (*where, i), make) or (None, _unread(item)) for i, item in enumerate(items)]
        return [made for made, _ in found], [written for _, written in found]

    def one(self, mark: Part, data: Any, where: Where, make: bool) -> tuple[Any, Any] | None:
        by_name = mark.name if mark.by_name is None else partial(mark.by_name.find, known=self.context)
        if by_name is not None and isinstance(data, str):
            try:
                return by_name(data), data
            except ConfigError as error:
                return self.wrong(where, str(error))
        if by_name is not None and not isinstance(data, dict):
            full = "or one in full: fields that begin with `type:`"
            return self.wrong(where, f"Here goes the name of {_a(mark.role)}, {full}; not {cut(data)}.")
        if mark.held is None:
            return self.part(mark.role, data, where, make=make)
        found = self.part(mark.role, data, where, make=False)
        return None if found is None else (mark.held(found[1], self.registry), found[1])

    def built(self, form: Any, value: Any, where: Where) -> Any:
        if value is None:
            return None
        items: list[Any] | None = value if isinstance(value, list) else None  # pyright: ignore[reportUnknownVariableType]: as declared
        try:
            return form.build(value, self.context) if items is None else [form.build(v, self.context) for v in items]
        except ConfigError as error:
            return self.wrong(where, str(error))

    def made(self, kind: Kind, values: Document, where: Where) -> Any:
        try:
            return (kind.make or kind.cls)(**values)
        except ValueError as error:  # ConfigError is one: it says what does not go together
            return self.wrong(where, str(error))


def _unread(data: Any) -> Document:
    """Return what stands for a part with a fault: its name, where that can be told."""
    name: Any = data.get("name") if isinstance(data, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]: it is JSON
    return {"type": UNREAD} | ({"name": name} if isinstance(name, str) else {})


def _sketch(kind: Kind, given: Document, parts: Document) -> Document:
    """Return what can be told of a document with faults: its fields as they stand there, and its parts."""
    lists = {name for name, (_, many) in kind.parts.items() if many}
    return {"type": kind.id, **given, **{n: [] if p is None and n in lists else p for n, p in parts.items()}}


def _left_out(kind: Kind, name: str) -> Any:
    """Return what stands for a part that a document leaves out: nothing, or no parts where none is a list."""
    return (
        [] if kind.fields.model_fields[name].get_default(call_default_factory=True, validated_data={}) == [] else None
    )


def _a(role: str) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"
