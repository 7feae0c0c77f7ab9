"""`quorate schema`, `quorate plugins` and `quorate models`: what lies beside the runs."""

from __future__ import annotations

import json

from quorate.chat.shown import clean
from quorate.cli.lists import Cells, print_table
from quorate.cli.printing import print_json
from quorate.cli.project import find_project
from quorate.core.plugins import GROUP, installed, package_of
from quorate.models import weights


def print_schema() -> None:
    """Print the JSON schema of team files, with the types of the operator's own modules."""
    print(json.dumps(find_project().schema(), indent=2))


def list_plugins(*, as_json: bool) -> int:
    """Print which plugins are installed, without importing any, and which of them the project enables.

    Returns:
        The exit code: 1 if one that is enabled is not installed.
    """
    project, found = find_project(), installed()
    rows = [(name, package_of(entry), name in project.plugins) for name, several in found.items() for entry in several]
    missing = [name for name in project.plugins if name not in found]
    if as_json:
        for name, package, enabled in rows:
            print_json(name=name, package=package, enabled=enabled)
        for name in missing:
            print_json(name=name, package=None, enabled=True)
        return 1 if missing else 0
    if not (rows or missing):
        print(f"No installed package has a plugin: an entry point of the group {GROUP}.")
        return 0
    cells: list[Cells] = [
        ((name, "bold"), (package, ""), ("enabled", "green") if enabled else ("not enabled", "dim"))
        for name, package, enabled in rows
    ]
    cells += [((name, "bold"), ("", ""), ("enabled, and not installed", "red")) for name in missing]
    print_table(("plugin", "package", "here"), cells)
    return 1 if missing else 0


def list_models() -> None:
    """Print each model that can be pulled, and where it is."""
    rows: list[Cells] = []
    for name, model in weights.MODELS.items():
        path = weights.find(name)
        where = str(path.parent) if path else "not pulled"
        cells = (name, "bold"), (f"{model.size_bytes / 1e6:.0f} MB", ""), (model.licence, ""), (model.about, "")
        rows.append((*cells, (where, "" if path else "yellow")))
    print_table(("model", "size", "licence", "what it is", "where"), rows, right=("size",))


def pull_models(name: str | None, sha256: str | None) -> None:
    """Fetch one model, or all; a path or a URL is that of a GGUF file."""

    def report(line: str) -> None:
        print(clean(line), flush=True)

    if name is not None and name not in weights.MODELS and ("/" in name or name.endswith(".gguf")):
        path = weights.pull_gguf(name, sha256=sha256, report=report)
        report(f"Use it as the model 'embedded:{path}'.")
        return
    for each in [name] if name is not None else list(weights.MODELS):
        weights.pull(each, report=report)
