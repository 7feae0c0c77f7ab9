"""YAML and JSON text to data that knows its lines. Nothing in a text is ever made an object of, or imported."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import yaml
from yaml.error import Mark, MarkedYAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from quorate.core.source import MAX_DEPTH, MAX_VALUES, Place, Problem, Source, Where, cut, plain
from quorate.errors import ConfigError

MAX_CHARS = 256_000

_TAG = "tag:yaml.org,2002:"
_HINTS = (
    (r"character '\\t'", "This line is indented with a tab. Indent with spaces."),
    (r"mapping values are not allowed", "Quote a text that has a colon in it, and mind the indentation."),
    (r"expected <block end>", "This line is indented differently from those it belongs to."),
    (r"could not find expected ':'", "A line here is neither `name: value` nor part of a text. Mind the indentation."),
    (r"quoted scalar", "A quote is opened here and not closed."),
    (r"expected a single document", "The file holds several documents. Keep one, and drop what follows `---`."),
    (r"undefined alias", "Write `&name` at the value before `*name` refers to it; quote a text that begins with `*`."),
)  # fmt: skip


def parse(text: str, name: str) -> Source:
    """Read YAML 1.2 or JSON.

    Words such as `no` and figures such as `12:30` are text, as YAML 1.2 has it. Duplicate names and tags are among the
    problems of what is returned.

    Args:
        text: One document.
        name: Of the file, for messages.

    Raises:
        ConfigError: It is neither YAML nor JSON, is empty, too large or too deep, or an alias stands inside its anchor.
    """
    if len(text) > MAX_CHARS:
        raise ConfigError(f"{name}: It has {len(text)} characters; at most {MAX_CHARS} are read.")
    data, is_json = _json(text)
    walk = _Walk()
    try:
        # JSON may be indented with tabs, which YAML refuses; in a JSON text they stand between values only.
        node = _Loader(text.replace("\t", " ") if is_json else text).get_single_node()
        found = walk.value(node, ()) if node is not None else None
    except (yaml.YAMLError, RecursionError) as error:
        if not is_json:
            raise ConfigError(_syntax(error, name)) from error
        return plain(data, name)  # JSON with what YAML refuses, such as a control character: it goes without lines
    if node is None:
        raise ConfigError(f"{name}: It is empty. Write fields into it, the first of them `type:`.")
    copied = plain(data if is_json else found, name)
    return Source(copied.data, name, walk.values, walk.keys, (*walk.problems, *copied.problems))


def _json(text: str) -> tuple[Any, bool]:
    if not text.lstrip().startswith("{"):
        return None, False
    try:
        return json.loads(text), True
    except (ValueError, RecursionError):
        return None, False


class _Loader(yaml.SafeLoader):
    """Composes nodes, with the words of YAML 1.2, no deeper than we go ourselves and without cycles."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - so pyyaml has it

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._open: list[str | None] = []

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = cast("yaml.Event", self.peek_event())  # pyright: ignore[reportUnknownMemberType]: the stubs say nothing
        anchor: str | None = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent):
            if anchor in self._open:
                raise _refused(
                    f"*{anchor} stands inside &{anchor}: a cycle. Write out what belongs here.", event.start_mark
                )
            return super().compose_node(parent, index)
        if len(self._open) > MAX_DEPTH:
            raise _refused(f"It is nested more than {MAX_DEPTH} deep. Make it flatter.", event.start_mark)
        self._open.append(anchor)
        node = super().compose_node(parent, index)
        self._open.pop()
        return node


for _name, _pattern, _first in (
    ("bool", "true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", "[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+0123456789."),
):
    _Loader.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType]: the stubs say nothing
        _TAG + _name, re.compile(f"(?:{_pattern})\\Z"), list(_first)
    )


class _Refused(MarkedYAMLError):
    """Our own refusal, in words that need no others."""


def _refused(problem: str, mark: Mark | None) -> _Refused:
    return _Refused(problem=problem, problem_mark=mark)


class _Walk:
    """Makes data of nodes, aliases written out, and notes where everything stands."""

    def __init__(self) -> None:
        self.values: dict[Where, Place] = {}
        self.keys: dict[Where, Place] = {}
        self.problems: list[Problem] = []

    def value(self, node: Node, where: Where) -> Any:
        self.values[where] = _place(node.start_mark)
        if len(self.values) > MAX_VALUES:
            raise _refused(f"With its aliases written out it has more than {MAX_VALUES} values.", node.start_mark)
        if isinstance(node, MappingNode) and node.tag == _TAG + "map":
            return self.mapping(node, where)
        if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
            return [self.value(item, (*where, i)) for i, item in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            return self.scalar(node, where)
        return self.tagged(node, where)

    def mapping(self, node: MappingNode, where: Where) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in node.value:
            at = _place(key.start_mark)
            way = (*where, key.value)
            if not isinstance(key, ScalarNode) or key.tag != _TAG + "str":
                self.problems.append(Problem(where, "The name of a field is text. Quote it.", place=at))
            elif key.value in found:
                text = f"{key.value!r} is here twice, first on line {self.keys[way].line}. Keep one."
                self.problems.append(Problem(where, text, place=at))
            else:
                self.keys[way] = at
                found[key.value] = self.value(item, way)
        return found

    def scalar(self, node: ScalarNode, where: Where) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind == "null":
            return None
        if kind == "bool" and node.value.lower() in {"true", "false"}:
            return node.value.lower() == "true"
        if kind not in {"str", "int", "float"}:
            return self.tagged(node, where)
        try:
            return node.value if kind == "str" else _number(kind, node.value)
        except ValueError:
            self.problems.append(Problem(where, f"{cut(node.value)} is no number that can be used."))
            return None

    def tagged(self, node: Node, where: Where) -> None:
        tag = node.tag.replace(_TAG, "!!")
        self.problems.append(Problem(where, f"The tag {tag} is not used here: a document is plain data. Take it away."))


def _number(kind: str, text: str) -> int | float:
    if kind == "float":
        return float(text)
    return int(text, 0 if text[:2] in {"0x", "0o"} else 10)


def _place(mark: Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _syntax(error: yaml.YAMLError | RecursionError, name: str) -> str:
    if not isinstance(error, MarkedYAMLError):
        why = "It is nested too deep." if isinstance(error, RecursionError) else str(error).splitlines()[0]
        return f"{name}: This cannot be read: {why}"
    first = "quoted scalar" in (error.context or "")  # the end of the file is no help there
    mark = (error.context_mark if first else None) or error.problem_mark
    at = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
    if isinstance(error, _Refused):
        return f"{name}{at}: {error.problem}"
    said = " ".join(text for text in (error.context, error.problem) if text)
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, said)), "")
    return f"{name}{at}: {hint} ({said})" if hint else f"{name}{at}: This is no YAML: {said}."


__all__ = ["MAX_CHARS", "parse"]
