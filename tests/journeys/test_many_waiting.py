"""10,000 waiting runs: what they cost a new process that lists their questions and goes on with one."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from quorate import open_store

MANY = 10_000
TEAM = """
import asyncio, gc, json, resource, sys
from quorate import Agent, MaxMessageTermination, RoundRobinGroupChat, TextMessage, ask, open_store
from quorate.runs.questions import answer


class Asking(Agent):
    async def speak(self, turn):
        return TextMessage(content=await ask("Which colour?", to="ann"), source=self.name)


def rss_mb():
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 1e6


async def go_on(store, id):
    await answer(store, id, "Blue.")
    team = RoundRobinGroupChat([Asking("clerk")], termination_condition=MaxMessageTermination(2))
    result = await team.continue_run(id.partition(".")[0], store=store)
    assert result.messages[-1].to_text() == "Blue.", result


async def main():
    async with open_store(sys.argv[1]) as small:  # what the same work costs with one run alone
        await go_on(small, (await small.questions(most=1))[0].entry.payload["id"])
    before = rss_mb()
    async with open_store(sys.argv[2]) as store:
        last, count = None, 0
        while page := await store.questions(after=last, most=500):
            last, count = page[-1], count + len(page)
        await go_on(store, last.entry.payload["id"])
        print(json.dumps({"questions": count, "mb": rss_mb() - before, "tasks": len(asyncio.all_tasks()) - 1}))


asyncio.run(main())
"""


async def waiting(path: Path, runs: int) -> None:
    """Write what so many runs leave that wait for an answer: one of them really ran, the rest are like it."""
    async with open_store(path) as store:

        async def write(i: int) -> None:
            id = f"talk{i:05}"
            journal = await store.open(id)
            task = {"id": f"{id}.1/task", "source": "user", "content": "Go.", "type": "TextMessage"}
            journal.append(1, "", "run", {"task": [task], "limits": {}})
            journal.append(1, "1 turn", "choice", {"speakers": ["clerk"], "reason": "next in order"})
            question = {"id": f"{id}.1-q{i:06x}", "text": "Which colour?", "to": "ann"}
            journal.append(1, "1 turn/1 clerk/1 ask", "question", question)
            ended = {"outcome": "waiting", "reason": "It waits.", "questions": [question["id"]], "active_s": 0.0}
            journal.append(1, "", "ended", ended)
            await journal.commit()
            await journal.release()

        for first in range(0, runs, 250):  # that share their commits
            await asyncio.gather(*map(write, range(first, min(first + 250, runs))))


def test_10_000_waiting_runs_cost_a_new_process_under_20_mb_and_no_task(tmp_path: Path) -> None:
    asyncio.run(waiting(tmp_path / "one.db", 1))
    asyncio.run(waiting(tmp_path / "many.db", MANY))

    done = subprocess.run(
        [sys.executable, "-c", TEAM, str(tmp_path / "one.db"), str(tmp_path / "many.db")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["questions"] == MANY
    assert found["mb"] < 20, found
    assert found["tasks"] == 0
