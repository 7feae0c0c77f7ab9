"""A fork in real processes: killed with kill -9 while it goes on, and taken up by another."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import asyncio, json, os, signal, sys
from quorate import AssistantAgent, MaxMessageTermination, Team, compare, fork, open_store
from quorate.chat.turns import Speak
from quorate.testing import ScriptedModel

job, at, dies = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
calls = 0


class Waves:
    def begin(self): return None
    def see(self, memory, fact): return None
    async def next(self, memory, thread, members): return Speak(tuple(members), "all at once")


def line(request):
    global calls
    calls += 1
    if calls == dies:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{request.system} {job if job == 'first' else 'again'} sees {len(request.blocks)}"


def lines():
    while True:
        yield line


async def main():
    members = [AssistantAgent(name, ScriptedModel(lines()), system_message=name) for name in "abc"]
    team = Team(members, turns=Waves(), termination_condition=MaxMessageTermination(10))
    async with open_store("work.db") as store:
        if job == "first":
            result = await team.run("Go.", conversation=store.conversation("talk"))
        else:
            if job == "fork":
                await fork(store, "talk", at=at, id="other")
            result = await team.continue_run("other", store=store)
            await store.verify("other")
        told = [m.to_text() for m in result.messages]
        print(json.dumps({"told": told, "calls": calls, "outcome": result.outcome.kind, "turns": result.turns}))


asyncio.run(main())
"""


def ran(folder: Path, job: str, at: int = 0, dies: int = 0) -> dict[str, Any] | None:
    """Return what a process printed; None for one that was killed."""
    words = [sys.executable, "-c", SCRIPT, job, str(at), str(dies)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder, timeout=60)
    if dies:
        assert done.returncode == -signal.SIGKILL, done.stderr
        return None
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("at", [1, 6])
def test_fork_killed_at_any_model_call_comes_to_what_an_uninterrupted_one_came_to(tmp_path: Path, at: int) -> None:
    # ENGINE 1, 15, 21: at 6 two of three speakers of the second wave are kept
    (tmp_path / "0").mkdir()
    first = ran(tmp_path / "0", "first")
    assert first is not None
    for dies in (1, 2, 4):
        shutil.copytree(tmp_path / "0", tmp_path / f"{dies}")
    for dies in (0, 1, 2, 4):
        folder = tmp_path / f"{dies}"
        if dies:
            ran(folder, "fork", at, dies)
        end = ran(folder, "resume" if dies else "fork", at)

        assert end is not None
        assert end["told"][:at] == first["told"][:at]
        assert end["told"][at:] == [text.replace("first", "again") for text in first["told"][at:]]
        assert (end["outcome"], end["turns"]) == ("completed", first["turns"])
