"""Everything that can be configuration: agents, teams, conditions, models, tools, contexts and caches, as documents.

A document is the envelope that team files are made of. It holds no secret, only where one is kept; and it imports
nothing: what its types stand for is in a registry, which installed packages extend only if they are enabled by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, overload

from quorate.chat.files.document import MORE, Tools, built_in, by_name, extended, source_of
from quorate.chat.files.forms import Known
from quorate.chat.team import Team
from quorate.core.config import Document, Registry
from quorate.core.reading import read
from quorate.core.secrets import check_no_secret
from quorate.errors import ConfigError
from quorate.executors.code import Isolation

T = TypeVar("T")


def component_registry(registry: Registry | None = None, *, plugins: Iterable[str] = ()) -> Registry:
    """Return all types that `load_component` knows: those of team files.

    Args:
        registry: The types of team files; by default the built-in ones. `team_registry(Parrot)` adds your own.
        plugins: Installed packages that add more, by the names of their entry points.
    """
    return extended(registry or built_in(), plugins)[0]


def dump_component(
    thing: Any,
    *,
    label: str | None = None,
    description: str | None = None,
    registry: Registry | None = None,
    plugins: Iterable[str] = (),
) -> Document:
    """Return the document, in its normal form, that describes an agent, a team, a condition, a model, a tool or a part.

    Args:
        thing: The object.
        label: What people shall call it.
        description: What it is for; for a type that has a field of this name its own counts.
        registry: The types; see `component_registry`.
        plugins: More types, from installed packages.

    Raises:
        ConfigError: It is of no type that documents know, or holds what is no data, such as a function, or a secret
            that no environment variable holds.
    """
    known = component_registry(registry, plugins=plugins)
    document = known.dump(thing)
    told = {"label": label, "description": description}
    refused = [name for name, text in told.items() if text is not None and name not in _told(known, document)]
    if refused:
        raise ConfigError(f"{document['type']} has a field {refused[0]!r} of its own: set it there.")
    head = {name: document.pop(name) for name in ("type", "version")}
    document = head | {name: text for name, text in told.items() if text is not None} | document
    check_no_secret(document)
    return document


def _told(known: Registry, document: Document) -> tuple[str, ...]:
    return known.kinds[document["type"]].told()


@overload
def load_component(
    source: str | Path | Mapping[str, Any],
    *,
    expected: type[T],
    tools: Tools = (),
    registry: Registry | None = None,
    plugins: Iterable[str] = (),
    secrets: Iterable[str] = (),
    isolation: Isolation = "sandbox",
) -> T: ...
@overload
def load_component(
    source: str | Path | Mapping[str, Any],
    *,
    tools: Tools = (),
    registry: Registry | None = None,
    plugins: Iterable[str] = (),
    secrets: Iterable[str] = (),
    isolation: Isolation = "sandbox",
) -> Any: ...
def load_component(
    source: str | Path | Mapping[str, Any],
    *,
    expected: type[Any] = object,
    tools: Tools = (),
    registry: Registry | None = None,
    plugins: Iterable[str] = (),
    secrets: Iterable[str] = (),
    isolation: Isolation = "sandbox",
) -> Any:
    """Make what a document describes. A model that is the whole of it is opened, and closed by who asked for it.

    Args:
        source: The document as data; or its text, or the path of its file.
        expected: What it must be.
        tools: Those that the document may use by name.
        registry: The types it may name; see `component_registry`.
        plugins: More types and tools, from installed packages, by the names of their entry points.
        secrets: Environment variables with keys that the document may use, beside OpenAI's own for OpenAI itself.
        isolation: The least that code which agents write has to be kept apart; the document cannot lower it.

    Raises:
        ConfigError: Something is wrong in it, it describes something else, or a secret is not where it should be.
    """
    known, more_tools = extended(registry or built_in(), plugins)
    context = Known(by_name([*by_name(tools).values(), *more_tools]), MORE, frozenset(secrets), isolation)
    made, document = read(known, source_of(source), "", context, more=MORE)
    if not isinstance(made, expected):
        raise ConfigError(f"This document describes {document['type']}, which is no {expected.__name__}.")
    if isinstance(made, Team):
        made.document = document
    return made


__all__ = ["component_registry", "dump_component", "load_component"]
