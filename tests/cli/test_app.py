"""The command as a whole: help, version, start-up."""

import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest

COMMANDS = [
    "run", "forecast", "check", "resume", "fork", "compare", "runs", "conversations", "show", "explain",
    "effects", "budget",
    "answer", "steer", "queue", "interrupt", "pause", "stop", "replay", "export", "verify", "delete", "erase", "retain",
    "import", "schema", "plugins", "models", "questions",
]  # fmt: skip


def test_without_arguments_it_prints_help(cli: Any) -> None:
    ran = cli()

    assert ran.code == 0
    assert ran == cli("--help")
    assert [line.split()[0] for line in ran.out.partition("Commands:\n")[2].splitlines()[: len(COMMANDS)]] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(cli: Any, command: str) -> None:
    ran = cli(command, "--help")

    assert ran.code == 0
    assert ran.out.startswith(f"Usage: quorate {command} ")


def test_summaries_are_whole(cli: Any) -> None:
    assert "..." not in cli("--help").out.partition("Commands:")[2]


def test_version(cli: Any) -> None:
    assert cli("--version").out == f"quorate {version('quorate')}\n"


@pytest.mark.parametrize("words", ["fly", "run", "run team.yaml", "runs --last -1", "show a b"])
def test_wrong_words_exit_with_2(cli: Any, words: str) -> None:
    ran = cli(*words.split())

    assert ran.code == 2
    assert "Error: " in ran.err
    assert "help" in ran.err


def test_debug_may_stand_anywhere_but_in_what_is_quoted(cli: Any) -> None:
    assert cli("--debug", "--version").code == 0
    assert "user: --debug" in cli("run", "--limits", "turns=1", "--", "team.yaml", "--debug").out


@pytest.mark.journey
@pytest.mark.parametrize("module", ["quorate", "quorate.cli"])
def test_it_runs_as_a_module_and_loads_little_for_help(module: str) -> None:
    script = (
        f"import runpy, sys\nsys.argv = ['quorate', '--help']\ntry: runpy.run_module({module!r}, run_name='__main__')\n"
        "except SystemExit as end: print(end.code, *({'asyncio', 'pydantic', 'rich', 'sqlite3'} & set(sys.modules)))"
    )

    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.startswith("Usage: quorate")
    assert ran.stdout.splitlines()[-1] == "0"
