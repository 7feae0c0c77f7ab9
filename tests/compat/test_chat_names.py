"""Every public name of `autogen_agentchat` is there, and takes what AutoGen's takes.

`signatures_chat.txt` has them as autogen-agentchat 0.7.5 has them. Ours may take more, where it has a default.
"""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

LINES = (Path(__file__).parent / "signatures_chat.txt").read_text().splitlines()
MISSING: set[str] = set()
"""What the view does not have yet."""
OTHER = {
    "BaseGroupChat": "manager classes are AutoGen's own machinery, so none has to be given",
    "TaskRunner": "a protocol is called with what Python gives it",
    "Handoff.set_defaults": "pydantic calls it",
}


def table() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    module = ""
    for line in LINES:
        if line.startswith("## "):
            module = line[3:]
            found[module] = []
        else:
            name, bracket, parameters = line.partition("(")
            if name.partition(".")[0] not in MISSING:
                found[module].append((name, bracket + parameters))
    return found


TABLE = table()


def described(thing: Any) -> list[tuple[str, str, bool]]:
    """Return the parameters: name with stars, how its default is written, whether it has one."""
    found = []
    for p in inspect.signature(thing).parameters.values():
        if p.name not in {"self", "cls"}:
            default = "" if p.default is p.empty else same(repr(p.default))
            star = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(p.kind.name, "")
            found.append((star + p.name, default, p.default is not p.empty))
    return found


def same(default: str) -> str:
    """Return how a default is compared: what is made anew, and what is said in words, is only there."""
    words = len(default) > 52 and default[:1] in "'\""
    return "..." if words or default in {"{}", "[]"} or "factory" in default.lower() or "<" in default else default


def wanted(parameters: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in re.findall(r"(?:[^,\[\](){}']|'(?:[^'\\]|\\.)*'|\[[^\]]*\]|\{[^}]*\}|\([^)]*\))+", parameters[1:-1]):
        name, _, default = part.strip().partition("=")
        if name not in {"*", "/", ""}:
            found[name] = same(default)
    return found


@pytest.mark.parametrize("module", TABLE)
def test_every_name_is_there_and_takes_what_autogens_takes(autogen_core: None, module: str) -> None:
    here = importlib.import_module(module)
    wrong: list[str] = []

    for path, parameters in TABLE[module]:
        thing: Any = here
        for name in path.split("."):
            thing = getattr(thing, name)
        if not parameters or path in OTHER:
            continue
        ours = {name: (default, optional) for name, default, optional in described(thing)}
        theirs = wanted(parameters)
        for name, default in theirs.items():
            if name not in ours or (default and ours[name][0] != default):
                wrong.append(f"{path}: {name}={default!r}, and not {ours.get(name)}")
        wrong += [f"{path}: {n} is asked for" for n, (_, optional) in ours.items() if n not in theirs and not optional]

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", [module for module in TABLE if "." in module])
def test_a_star_import_gives_the_public_names(autogen_core: None, module: str) -> None:
    public = {path for path, _ in TABLE[module] if "." not in path}

    assert set(importlib.import_module(module).__all__) == public


def test_the_table_is_whole() -> None:
    assert len(TABLE) == 10
    assert len([path for rows in TABLE.values() for path, _ in rows if "." not in path]) + len(MISSING) == 84
