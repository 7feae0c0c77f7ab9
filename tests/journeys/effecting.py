"""Makes payments over HTTP, is killed around one, goes on in another process, and prints what came of each case.

    python effecting.py FOLDER PORT CLASS SEEDS

Six moments, for a payment that the seed chooses out of one to three side by side:

1. its intent is appended and not yet committed    4. the receiver has made the payment and not yet answered
2. its tool runs and has not yet asked             5. the answer has come and is not yet journaled
3. the receiver has the request, nothing happened  6. its outcome is committed

A process is a forked child: this one imports once, and opens no store.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import urllib.request
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import quorate.chat.past.replay
import quorate.chat.placing
import quorate.runs.effects
import quorate.runs.sqlite.store
import quorate.tools.schema
from quorate import AssistantAgent, OperationKey, RoundRobinGroupChat, open_store, tool
from quorate.models import Reply, ToolCall
from quorate.runs.inbox import Note
from quorate.runs.journal import Conversation
from quorate.testing import ScriptedModel

LOADED = (
    quorate.chat.placing,
    quorate.chat.past.replay,
    quorate.runs.effects,
    quorate.runs.sqlite.store,
    quorate.tools.schema,
)
POINTS = (1, 2, 3, 4, 5, 6)


@dataclass(frozen=True)
class Case:
    """One payment that is cut short."""

    port: int
    effect: Any
    point: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.effect}-{self.point}-{self.seed}"

    @property
    def amounts(self) -> list[int]:
        luck = random.Random(self.seed)
        return luck.sample(range(10, 99), luck.randint(1, 3))

    @property
    def target(self) -> int:
        return random.Random(-self.seed - 1).choice(self.amounts)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# -- the tool, and its receiver ---------------------------------------------------------------------------------------


def post(case: Case, amount: int, key: str, *, live: bool) -> str:
    """Ask the receiver for a payment; in the first process, die around it."""
    here = case.point if live and amount == case.target else 0
    if here == 2:
        kill()
    said = {"key": key, "amount": amount, "pid": os.getpid(), "kill": {3: "before", 4: "after"}.get(here, "")}
    url = f"http://127.0.0.1:{case.port}/{case.name}/{case.effect}"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(said).encode())) as answer:  # this machine
        receipt = json.load(answer)["receipt"]
    if here == 5:
        kill()
    return receipt


def recorded(case: Case) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{case.port}/{case.name}") as answer:
        return json.load(answer)


def team(case: Case, *, live: bool) -> RoundRobinGroupChat:
    if case.seed % 2:

        @tool(effect=case.effect)
        def pay(amount: int, key: OperationKey) -> str:
            """Pay, blocking."""
            return post(case, amount, key, live=live)
    else:

        @tool(effect=case.effect)
        async def pay(amount: int, key: OperationKey) -> str:
            """Pay."""
            return await asyncio.to_thread(post, case, amount, key, live=live)

    def answers(request: Any) -> object:
        last = request.blocks[-1]
        if isinstance(last, Reply) and last.results:
            return f"Paid: {', '.join(r.content for r in last.results)}."
        return [ToolCall(f"c{n}", "pay", json.dumps({"amount": n})) for n in case.amounts]

    return RoundRobinGroupChat([AssistantAgent("clerk", ScriptedModel([answers] * 3), tools=[pay])], max_turns=1)


class Dying:
    """A journal that dies when the payment is announced, or when its outcome is on disk."""

    def __init__(self, inner: Any, case: Case) -> None:
        self._inner, self._case, self._known, self._path = inner, case, False, ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def open(self, id: str, **options: Any) -> Any:
        return Dying(await self._inner.open(id, **options), self._case)

    def append(self, run: int, path: str, kind: str, payload: Any) -> Any:
        appended = self._inner.append(run, path, kind, payload)
        mine = f'{{"amount":{self._case.target}}}'
        if self._case.point == 1 and kind == ("reply" if self._case.effect == "read" else "intent"):
            if kind == "reply" or payload["arguments"] == mine:
                kill()
        if kind == "intent" and payload["arguments"] == mine:
            self._path = path
        self._known |= kind == "result" and (path == self._path or payload.get("arguments") == mine)
        return appended

    async def commit(self, *, sync: bool = False) -> None:
        await self._inner.commit(sync=sync)
        if self._known and self._case.point == 6:
            kill()


# -- what the children do ---------------------------------------------------------------------------------------------


async def work(folder: Path, case: Case) -> dict[str, Any]:
    async with open_store(folder / "work.db") as store:
        talk = Conversation(Dying(store, case), "talk")  # type: ignore[arg-type]
        await team(case, live=True).run(task="Pay.", conversation=talk)
    return {}


async def go_on(folder: Path, case: Case) -> dict[str, Any]:
    async with open_store(folder / "work.db") as store:
        result = await team(case, live=False).continue_run("talk", store=store)
        assert result.outcome is not None
        return {
            "outcome": result.outcome.kind,
            "limit": result.outcome.limit,
            "questions": result.outcome.questions,
            "open": result.outcome.open_intents,
            "said": result.messages[-1].to_text(),
            "ledger": [
                (e.name, json.loads(e.arguments)["amount"], e.state, e.attempts, e.by, e.result, e.key)
                for e in await quorate.runs.effects.effects("talk", store=store)
            ],
        }


async def answered(folder: Path, case: Case, happened: bool) -> dict[str, Any]:
    async with open_store(folder / "work.db") as store:
        for entry in await store.read("talk", kinds=["question"]):
            amount = json.loads(entry.payload["arguments"])["amount"]
            there = any(r["amount"] == amount for r in recorded(case)) if amount != case.target else happened
            said = {"happened": there, "result": f"receipt-{amount}" if there else None}
            await store.post("talk", Note(entry.payload["id"], "answer", said))
    return await go_on(folder, case)


# -- the process that forks them --------------------------------------------------------------------------------------


def forked(folder: Path, job: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[int, Any]:
    """Do a job in a child; return the signal that ended it and what it told."""
    out = folder / "told.json"
    out.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        try:
            told = asyncio.run(job())
            out.write_text(json.dumps(told))
        except BaseException as error:  # told to the test, which fails with it
            out.write_text(json.dumps({"error": f"{type(error).__name__}: {error}"}))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status), json.loads(out.read_text()) if out.exists() else None


def run_case(root: Path, case: Case) -> dict[str, Any]:
    folder = root / case.name
    folder.mkdir(parents=True)
    signalled, told = forked(folder, lambda: work(folder, case))
    found: dict[str, Any] = {"name": case.name, "point": case.point, "signal": signalled, "died": told}
    found |= {"amounts": case.amounts, "target": case.target, "before": recorded(case)}
    _, found["resumed"] = forked(folder, lambda: go_on(folder, case))
    found["after"] = recorded(case)
    if found["resumed"].get("questions"):
        other = root / f"{case.name}-other"
        shutil.copytree(folder, other)
        truth = any(r["amount"] == case.target for r in found["before"])
        _, found["true"] = forked(folder, lambda: answered(folder, case, truth))
        found["after_true"] = recorded(case)
        _, found["false"] = forked(other, lambda: answered(other, case, not truth))
        shutil.rmtree(other)
    shutil.rmtree(folder)
    return found


def main(root: Path, port: int, effect: str, seeds: int) -> None:
    for seed in range(seeds):
        for point in POINTS:
            print(json.dumps(run_case(root, Case(port, effect, point, seed))), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
