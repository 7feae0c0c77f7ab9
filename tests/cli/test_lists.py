"""`quorate runs` and `quorate conversations`."""

import asyncio
import io
import re
from contextlib import redirect_stdout
from typing import Any

import pytest
from rich.cells import cell_len

from quorate import open_store


@pytest.fixture
def work(cli: Any) -> Any:
    """Three runs in two conversations."""
    cli("run", "team.yaml", "What is x? " * 10, "--conversation", "a")
    cli("run", "failing.yaml", "And\ny?", "--conversation", "b")
    cli("run", "team.yaml", "And z?", "--conversation", "b", "--limits", "turns=1")
    return cli


def test_runs_are_listed_with_what_they_used_the_latest_first(work: Any) -> None:
    ran = work("runs")

    assert ran.out.splitlines() == [
        "run  task                                               outcome    turns  tokens  cost  age",
        "b.2  And z?                                             limit          1      92    $0  now",
        "b.1  And ↵ y?                                           cancelled      1       0    $0  now",
        "a.1  What is x? What is x? What is x? What is x? What…  completed      4     270    $0  now",
    ]


def test_runs_as_json(work: Any) -> None:
    rows = work("runs", "--json").json

    assert [(row["run_id"], row["outcome"], row["turns"]) for row in rows] == [
        ("b.2", "limit", 1),
        ("b.1", "cancelled", 1),
        ("a.1", "completed", 4),
    ]
    assert rows[2]["task"] == "What is x? " * 10
    assert rows[0]["reason"] == "The limit of 1 turn is reached."


def test_runs_can_be_cut_and_say_so(work: Any) -> None:
    ran = work("runs", "--last", "1")

    assert [line.split()[0] for line in ran.out.splitlines()] == ["run", "b.2"]
    assert ran.err == "… there are more: --last 0 lists all.\n"
    assert work("runs", "-n", "0").err == ""


def test_conversations_are_listed(work: Any) -> None:
    assert work("conversations").out.splitlines() == [
        "conversation  runs  last task                                          outcome    age",
        "b                2  And z?                                             limit      now",
        "a                1  What is x? What is x? What is x? What is x? What…  completed  now",
    ]
    assert [row["conversation"] for row in work("conversations", "--json").json] == ["b", "a"]


def test_what_a_task_says_cannot_steer_the_terminal(cli: Any) -> None:
    cli("run", "team.yaml", "[red]\x1b[2Jx\x07", "--limits", "turns=1")

    out = cli("runs").out
    assert "[red]\\x1b[2Jx\\x07" in out
    assert not set(out) & {"\x1b", "\x07"}


def test_store_without_runs_says_so(cli: Any) -> None:
    asyncio.run(open_store("new.db").close())

    assert cli("runs", "--store", "new.db").out == "There is nothing here yet.\n"


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_terminal_cuts_tasks_and_nothing_else(cli: Any, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    cli("run", "team.yaml", "一二三四五六七八九十" * 4, "--conversation", "a-long-name")
    for name, value in {"TERM": "xterm", "COLUMNS": str(columns), "NO_COLOR": ""}.items():
        monkeypatch.setenv(name, value)

    with redirect_stdout(Terminal()) as terminal:
        cli("runs")

    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in terminal.getvalue().splitlines()]
    assert all(cell_len(line) <= columns for line in lines)
    assert all(word in lines[1] for word in ("a-long-name.1", "completed", "270", "$0", "now"))
    assert ("…" in lines[1]) is (columns < 200)
