"""Installed packages that extend what documents may name: found by their entry points, loaded only if enabled by name.

A package declares one in its pyproject.toml:

    [project.entry-points."quorate.plugins"]
    acme = "acme_agents.quorate:things"

and `things` is a list, or a function that returns one, of what documents may name then. Looking which plugins there are
reads what packages say of themselves and imports nothing.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Sequence
from typing import Any, cast

from quorate.core.source import near
from quorate.errors import ConfigError

GROUP = "quorate.plugins"


def installed() -> dict[str, list[importlib.metadata.EntryPoint]]:
    """Return the plugins of installed packages by name, without importing any; a name may be there twice."""
    found: dict[str, list[importlib.metadata.EntryPoint]] = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        known = found.setdefault(entry.name, [])
        if all(package_of(other) != package_of(entry) for other in known):
            known.append(entry)
    return dict(sorted(found.items()))


def load_plugins(names: Iterable[str]) -> list[tuple[str, Any]]:
    """Import the plugins that the operator has enabled and return what they bring, each with the plugin's name.

    Args:
        names: Of plugins; nothing else is imported.

    Raises:
        ConfigError: One is not installed, is there twice, cannot be imported, or brings no list.
    """
    known = installed()
    return [(name, thing) for name in dict.fromkeys(names) for thing in _things(name, known)]


def _things(name: str, known: dict[str, list[importlib.metadata.EntryPoint]]) -> Sequence[Any]:
    if name not in known:
        have = f" Installed: {', '.join(known)}." if known else " None is installed."
        raise ConfigError(f"There is no plugin {name!r}.{near(name, known)}{have} Install its package with pip.")
    if len(known[name]) > 1:
        both = " and ".join(sorted(map(package_of, known[name])))
        raise ConfigError(f"The plugin {name!r} is in {both}. Uninstall one of them.")
    entry = known[name][0]
    try:
        found = entry.load()
        if callable(found):
            found = found()
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise ConfigError(f"The plugin {name!r} ({package_of(entry)}) cannot be loaded: {what}") from error
    if not isinstance(found, list | tuple):
        raise ConfigError(f"The plugin {name!r} ({package_of(entry)}) must be a list, not {type(found).__name__}.")
    return cast("Sequence[Any]", found)


def package_of(entry: importlib.metadata.EntryPoint) -> str:
    """Return the name of the package that has an entry point."""
    return entry.dist.name if entry.dist is not None else entry.value
