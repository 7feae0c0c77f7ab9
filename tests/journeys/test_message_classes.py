"""Messages of one name from two modules in real processes, which import these in another order."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

QUORATE = [sys.executable, "-m", "quorate"]
MODULE = """
from pydantic import BaseModel
from quorate.chat.messages import BaseChatMessage

class Report(BaseChatMessage):
    count: int

class Data(BaseModel):
    count: int
"""
MAIN = """
import asyncio
from quorate import open_store

async def main():
    Path(".quorate").mkdir()
    async with open_store("sqlite:///.quorate/quorate.db") as store:
        await team.run("Go.", conversation=store.conversation("talk"))

if __name__ == "__main__":
    asyncio.run(main())
"""


def told(folder: Path, *words: str, code: int = 0, **more: str) -> Any:
    """Return what a command prints with `--json`, or its error."""
    env = {**os.environ, **more}
    done = subprocess.run([*QUORATE, *words, "--json"], cwd=folder, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()] if code == 0 else done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("sales", "stock"):
        (tmp_path / f"{name}.py").write_text(MODULE)
    code = Path(__file__).with_name("reporting.py").read_text()
    (tmp_path / "app.py").write_text(code + MAIN)
    (tmp_path / "planned.py").write_text(Path(__file__).with_name("tallying.py").read_text())
    return tmp_path


def test_each_is_read_as_what_it_was_by_a_process_that_knows_them_in_another_order(folder: Path) -> None:
    # ENGINE 1
    first = subprocess.run(
        [sys.executable, "app.py"], cwd=folder, env={**os.environ, "STOP_AT": "5"}, timeout=60, check=False
    )
    resumed = told(folder, "resume", "talk", "--app", "app.py:team", MODULES="stock sales")
    [report] = told(folder, "replay", "talk", "--app", "app.py:team", MODULES="stock sales")

    assert first.returncode == 9
    last = [item["content"] for item in resumed if item.get("source") == "reader"]
    assert last == ["sales sales stock stock app"]
    assert report["identical"]


def test_class_that_is_not_there_any_more_is_named_and_no_other_is_taken_for_it(folder: Path) -> None:
    told(folder, "run", "app.py:team", "Go.", "--conversation", "talk", code=9, STOP_AT="5")
    moved = (folder / "app.py").read_text().replace("modules[name]", 'modules["stock"]')
    (folder / "app.py").write_text(moved)

    error = told(folder, "resume", "talk", "--app", "app.py:team", code=2, MODULES="stock")

    assert "no message type 'sales:Report' here" in error
    assert "formerly: ClassVar = ('sales:Report',)" in error
    assert "stock:Report" in error


def test_what_a_planner_of_the_autogen_view_says_is_read_as_what_it_was_by_another_process(folder: Path) -> None:
    # ENGINE 1
    told(folder, "run", "planned.py:team", "Go.", "--conversation", "talk", code=9, STOP_AT="3")
    resumed = told(folder, "resume", "talk", "--app", "planned.py:team", MODULES="stock sales")
    [report] = told(folder, "replay", "talk", "--app", "planned.py:team", MODULES="stock sales")

    words = [item["content"] for item in resumed if item.get("type") == "TextMessage"]
    assert words[-3:-1] == ["sales stock sales stock"] * 2, "of the clerk, and of the planner itself"
    assert report["identical"]
