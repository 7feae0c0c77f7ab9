"""Every public name of `autogen_core` is there, with its parameters and their defaults.

`signatures.txt` has them as autogen-core 0.7.5 has them: a name with parameters where it is called, without where it is
an attribute, a constant or a type.
"""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LINES = (Path(__file__).parent / "signatures.txt").read_text().splitlines()

# Ours takes what AutoGen's takes, and more.
WIDER = {
    "AgentProxy.send_message": "(message, *, sender=None, cancellation_token=None, message_id=None)",
    "AgentRuntime.try_get_underlying_agent_instance": "(id, type=Ellipsis)",
    "MemoryContent": "(*, content, mime_type=..., metadata=None)",
    "FunctionExecutionResult": "(content, name, call_id, is_error=None)",
    "FunctionWithRequirements": "(func, python_packages=(), global_imports=())",
}


def table() -> Iterator[tuple[str, str, str]]:
    module = ""
    for line in LINES:
        if line.startswith("## "):
            module = line[3:]
        else:
            name, bracket, parameters = line.partition("(")
            yield module, name, bracket + parameters


TABLE = list(table())
MODULES = sorted({module for module, _, _ in TABLE})


class Default:
    """Stands for a default in a signature, as it is written."""

    def __init__(self, value: Any) -> None:
        made_anew = "factory" in repr(value).lower() or "<" in repr(value)
        in_words = isinstance(value, str) and len(value) > 50  # ours
        self.text = "..." if made_anew or in_words else repr(value)

    def __repr__(self) -> str:
        return self.text


def signature(thing: Any) -> str:
    parameters = [
        inspect.Parameter(p.name, p.kind)
        if p.default is p.empty
        else inspect.Parameter(p.name, p.kind, default=Default(p.default))
        for p in inspect.signature(thing).parameters.values()
        if p.name not in {"self", "cls"}
    ]
    return str(inspect.Signature(parameters))


@pytest.mark.parametrize("module", MODULES)
def test_every_name_of_a_module_is_there_with_its_signature(autogen_core: None, module: str) -> None:
    found = importlib.import_module(module)
    wrong: list[str] = []

    for home, path, wanted in TABLE:
        if home == module:
            thing: Any = found
            for name in path.split("."):
                thing = getattr(thing, name)
            if wanted and signature(thing) != WIDER.get(path, wanted):
                wrong.append(f"{path}: {signature(thing)} and not {wanted}")

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", MODULES)
def test_a_star_import_gives_the_public_names(autogen_core: None, module: str) -> None:
    public = {path for home, path, _ in TABLE if home == module and "." not in path}

    found = set(importlib.import_module(module).__all__)

    assert found - {"StreamWorkbench"} == public


def test_the_table_is_whole() -> None:
    assert len(MODULES) == 10
    assert len([path for _, path, _ in TABLE if "." not in path]) == 130
    assert len(TABLE) == 394
