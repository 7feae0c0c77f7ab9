"""Teams as documents: YAML or JSON to a team, a team to data, and the JSON schema that editors check team files by."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from quorate.chat.ending.conditions import Condition
from quorate.chat.files.chats import CHATS
from quorate.chat.files.forms import Known, form_of
from quorate.chat.files.tools import TOOLS
from quorate.chat.files.vocabulary import AGENTS, CONDITIONS, CONTEXTS, MEMORIES, TEAMS, check_team
from quorate.chat.patterns.kinds import PATTERNS
from quorate.chat.team import Team
from quorate.core.config import Document, Kind, Registry, nothing
from quorate.core.lazy import lazy
from quorate.core.plugins import load_plugins
from quorate.core.reading import read
from quorate.core.secrets import check_no_secret
from quorate.core.shape import fields_of, schema_of
from quorate.core.source import Source, near, plain
from quorate.errors import ConfigError
from quorate.executors.code import Isolation
from quorate.executors.kinds import EXECUTORS
from quorate.models.kinds import CACHES, MODELS
from quorate.tools.tool import Tool, as_tool

if TYPE_CHECKING:
    from quorate.core import parse
else:
    parse = lazy("quorate.core.parse")

C = TypeVar("C", bound=type[Any])
Tools = Mapping[str, "Tool[..., Any] | Callable[..., Any]"] | Sequence["Tool[..., Any] | Callable[..., Any]"]

_MARK = "__quorate_type__"
_BUILT_IN = Registry(
    [*TEAMS, *PATTERNS, *AGENTS, *CHATS, *CONDITIONS, *CONTEXTS, *MEMORIES, *MODELS, *CACHES, *EXECUTORS, *TOOLS]
)
_ROLES = {"agent": "speak", "model": "stream", "model_context": "view", "cache_store": "get", "memory": "query"}
_ROLES["executor"] = "execute_code_blocks"
"""By which method the other roles are known."""
MORE = "load_team takes more: tools=[…], registry=team_registry(…)."


def load_team(
    source: str | Path | Mapping[str, Any],
    *,
    tools: Tools = (),
    registry: Registry | None = None,
    secrets: Iterable[str] = (),
    isolation: Isolation = "sandbox",
    more: str = MORE,
) -> Team:
    """Make a team of a team file. A run of it journals the document, so that another process can resume the run.

    Args:
        source: A path; the text of a document, of more than one line or in braces; or the document as data.
        tools: Those that the document may use by name.
        registry: The types it may name; by default the built-in ones. `team_registry(Parrot)` adds your own.
        secrets: Environment variables with keys that the document may use, beside OpenAI's own for OpenAI itself.
        isolation: The least that code which agents write has to be kept apart; the document cannot lower it.
        more: A sentence that says where more tools and types come from, for the error about one that is not known.

    Raises:
        ConfigError: There is no such file, or something is wrong in it; names all of it, each with its line.
    """
    found = source_of(source)
    team, document = read(
        registry or _BUILT_IN, found, "team", Known(by_name(tools), more, frozenset(secrets), isolation), more=more
    )
    if not isinstance(team, Team):
        raise ConfigError(f"{found.name}: {document['type']} makes {team!r}, which is no Team.")
    team.document = document
    return team


def team_from_document(
    document: Mapping[str, Any],
    *,
    tools: Tools = (),
    registry: Registry | None = None,
    secrets: Iterable[str] = (),
    isolation: Isolation = "sandbox",
    more: str = MORE,
) -> Team:
    """Make the team again whose document a run has journaled; see `load_team`."""
    return load_team(document, tools=tools, registry=registry, secrets=secrets, isolation=isolation, more=more)


def dump(team: Team, *, registry: Registry | None = None) -> Document:
    """Return the document that describes a team, in its normal form: every field with its value, tools by name.

    Raises:
        ConfigError: The team holds what is no data, such as a function, something of no known type, or a secret.
    """
    document = (registry or _BUILT_IN).dump(team)
    check_no_secret(document)
    return document


def team_schema(registry: Registry | None = None, *, tools: Tools = ()) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of team files, for editors and other programs.

    Args:
        registry: The types that they may name; by default the built-in ones.
        tools: Those that they may name; any name will do where none are given.
    """
    tool: dict[str, Any] = {"description": "The name of a tool.", "type": "string"}
    if tools:
        tool["enum"] = sorted(by_name(tools))
    return schema_of(registry or _BUILT_IN, "team", title="A team of Quorate", values={"tool_name": tool})


# -- types of your own ------------------------------------------------------------------------------------------------


def kind(id: str) -> Callable[[C], C]:
    """Give a class of agents, conditions, teams, models, contexts or caches a type id, so that team files may name it.

    Its fields are the parameters of the constructor; where each is kept as an attribute of the same name, teams with it
    can be dumped. The mark alone does nothing: `team_registry(cls)` takes the class in, and a module of `quorate.toml`.

    Raises:
        ConfigError: The id is no word of small letters, digits and underscores.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", id):
        raise ConfigError(f"{id!r} is no type id. Use small letters, digits and underscores: 'my_agent'.")

    def mark(cls: C) -> C:
        setattr(cls, _MARK, id)
        return cls

    return mark


def is_marked(thing: object) -> bool:
    """Return whether something is a class that was itself marked by `kind`."""
    return isinstance(thing, type) and _MARK in vars(thing)


def team_registry(*types: type[Any], plugins: Iterable[str] = ()) -> Registry:
    """Return the built-in types of team files, and classes of your own that `kind` has marked.

    Args:
        types: The classes.
        plugins: Installed packages that add types, by the names of their entry points.

    Raises:
        ConfigError: A class is not marked, is nothing that can be in a team file, or has the id of another; or a plugin
            is not installed.
    """
    return extended(_BUILT_IN.plus(_kind_of(cls) for cls in types), plugins)[0]


def built_in() -> Registry:
    """Return the types that Quorate itself brings."""
    return _BUILT_IN


def extended(registry: Registry, plugins: Iterable[str]) -> tuple[Registry, list[Tool[..., Any]]]:
    """Return a registry with the types that plugins bring, and the tools they bring.

    Args:
        registry: The types there are.
        plugins: The names of those that the operator has enabled; no other is imported.

    Raises:
        ConfigError: One is not installed, cannot be loaded, or brings something else.
    """
    kinds: list[Kind] = []
    tools: list[Tool[..., Any]] = []
    for name, thing in load_plugins(plugins):
        if isinstance(thing, Kind):
            kinds.append(thing)
        elif isinstance(thing, Tool):
            tools.append(thing)  # pyright: ignore[reportUnknownArgumentType]: whatever it returns
        elif is_marked(thing):
            kinds.append(_kind_of(thing))
        else:
            raise ConfigError(
                f"The plugin {name!r} brings {thing!r}, which is no class marked by @kind, no Kind and no @tool."
            )
    return (registry.plus(kinds) if kinds else registry), tools


def _kind_of(cls: type[Any]) -> Kind:
    if not is_marked(cls):
        raise ConfigError(f"{cls.__qualname__} has no type id. Write @kind('my_type') over the class.")
    id: str = vars(cls)[_MARK]
    if issubclass(cls, Team):
        fields = fields_of(cls, form_of)
        known = {"participants", "termination_condition"} <= set(fields.model_fields)
        return Kind(id, "team", cls, fields, check=check_team if known else nothing, rough=known)
    if issubclass(cls, Condition):
        return Kind(id, "condition", cls, fields_of(cls, form_of))  # pyright: ignore[reportUnknownArgumentType]: of whatever memory
    for role, method in _ROLES.items():
        if callable(getattr(cls, method, None)):
            return Kind(id, role, cls, fields_of(cls, form_of))
    raise ConfigError(f"{cls.__qualname__} is nothing that a team is made of, so no team file can use it.")


# -- where documents come from ----------------------------------------------------------------------------------------


def source_of(given: str | Path | Mapping[str, Any]) -> Source:
    """Return a document with its places, given as data, as text, or as the path of a file; `$schema` is left out.

    Raises:
        ConfigError: There is no such file, or it cannot be read.
    """
    found = _source(given)
    if isinstance(found.data, dict):
        found = replace(found, data={name: value for name, value in found.data.items() if name != "$schema"})  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]: it is JSON
    return found


def _source(given: str | Path | Mapping[str, Any]) -> Source:
    if isinstance(given, Mapping):
        return plain(given, "the document")
    if isinstance(given, str) and ("\n" in given or given.strip()[:1] in {"", "{"}):
        return parse.parse(given, "<text>")
    path = Path(given)
    try:
        return parse.parse(path.read_text(encoding="utf-8-sig"), str(given))
    except FileNotFoundError as error:
        raise ConfigError(f"There is no file {str(given)!r}.{_like(path)}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{given}: It is no text in UTF-8: {error.reason} at byte {error.start}.") from error
    except OSError as error:
        raise ConfigError(f"{given}: It cannot be read: {error.strerror}.") from error


def _like(path: Path) -> str:
    folder = path.absolute().parent
    if not folder.is_dir():
        return f" There is no folder {str(path.parent)!r} either."
    known = sorted(p.name for p in folder.iterdir() if p.suffix in {".yaml", ".yml", ".json"})
    return near(path.name, known) or f" In {folder} there are: {', '.join(known[:10]) or 'no YAML or JSON files'}."


def by_name(tools: Tools) -> dict[str, Tool[..., Any]]:
    """Return tools by their names.

    Raises:
        ConfigError: Two have one name.
    """
    if isinstance(tools, Mapping):
        wrong = next((name for name, given in tools.items() if as_tool(given).name != name), None)
        if wrong is not None:
            raise ConfigError(f"The tool under {wrong!r} is named {as_tool(tools[wrong]).name!r}. Use its own name.")
        tools = list(tools.values())
    found: dict[str, Tool[..., Any]] = {}
    for given in tools:
        made = as_tool(given)
        if found.setdefault(made.name, made) is not made:
            raise ConfigError(f"Two tools are named {made.name!r}. Give one another name: @tool(name=…).")
    return found


__all__ = ["dump", "is_marked", "kind", "load_team", "team_from_document", "team_registry", "team_schema"]
