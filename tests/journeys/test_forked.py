"""A fork in real processes: killed with kill -9 while it goes on, and taken up by another."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import asyncio, json, os, shutil, signal, sys
from quorate import AssistantAgent, MaxMessageTermination, Team, compare, fork, open_store
from quorate.chat.turns import Speak
from quorate.testing import ScriptedModel

calls = dies = 0
job = ""


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


async def work(at):
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
        return {"told": told, "outcome": result.outcome.kind, "turns": result.turns}


for folder, job, at, dies in json.loads(sys.argv[1]):
    if not os.path.exists(folder):
        shutil.copytree("0", folder)
    child = os.fork()
    if not child:
        os.chdir(folder)
        with open(f"{job}.json", "w") as out:
            json.dump(asyncio.run(work(at)), out)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == (-signal.SIGKILL if dies else 0), (folder, job, status)
"""


def ran(folder: Path, *jobs: tuple[str, str, int, int]) -> None:
    """Do jobs in folders, each in a process of its own that is killed at some call, one after the other."""
    words = [sys.executable, "-c", SCRIPT, json.dumps(jobs)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder, timeout=100)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("at", [1, 6])
def test_fork_killed_at_any_model_call_comes_to_what_an_uninterrupted_one_came_to(tmp_path: Path, at: int) -> None:
    # ENGINE 1, 15, 21: at 6 two of three speakers of the second wave are kept
    (tmp_path / "0").mkdir()

    ran(
        tmp_path,
        ("0", "first", 0, 0),
        *[job for n in (1, 2, 4) for job in ((f"{n}", "fork", at, n), (f"{n}", "resume", at, 0))],
        ("0", "fork", at, 0),
    )

    first = json.loads((tmp_path / "0" / "first.json").read_text())
    for end in (tmp_path / "0" / "fork.json", *(tmp_path / f"{n}" / "resume.json" for n in (1, 2, 4))):
        found: dict[str, Any] = json.loads(end.read_text())
        assert found["told"][:at] == first["told"][:at]
        assert found["told"][at:] == [text.replace("first", "again") for text in first["told"][at:]]
        assert (found["outcome"], found["turns"]) == ("completed", first["turns"])
