"""A month in which runs wait for people: asked, answered elsewhere, given on, expired, killed, and all finished."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    Expiry,
    MaxMessageTermination,
    RoundRobinGroupChat,
    TextMessage,
    Turn,
    UserProxyAgent,
    ask,
    open_store,
    replay,
    tool,
)
from quorate.errors import Conflict, RunFailed
from quorate.models import ToolCall
from quorate.runs.questions import answer, expire_due, reassign
from quorate.testing import FakeClock, ScriptedModel

DAY = 86_400.0
KINDS = ("free", "value", "raise", "cancel", "proxy", "approval", "parallel")
RUNS_OF_A_KIND = 4


class Clerk(Agent):
    """Asks for a figure, with a deadline and what to do then."""

    def __init__(self, kind: str, days: int) -> None:
        super().__init__("clerk")
        self.kind, self.days = kind, days

    async def speak(self, turn: Turn) -> TextMessage:
        branch: Any = {"value": -1, "raise": Expiry.RAISE, "cancel": Expiry.CANCEL, "free": Expiry.RAISE}[self.kind]
        deadline = None if self.kind == "free" else timedelta(days=self.days)
        found = await ask("How much?", int, to="ann", deadline=deadline, on_expiry=branch)
        return TextMessage(content=f"it is {found}", source=self.name)


def team(kind: str, days: int) -> RoundRobinGroupChat:
    """Return the definition of a kind of run, made anew in every process that goes on with one."""

    @tool(approval=True)
    async def pay(cents: int) -> str:
        """Pay."""
        return f"paid {cents}"

    @tool(scope=True)
    async def survey(who: str) -> str:
        """Ask somebody."""
        return f"{who}: {await ask('Yes or no?', bool, to=who)}"

    def model(request: Any) -> Any:
        done = [b for b in request.blocks if getattr(b, "results", ())]
        if done:
            return "; ".join(r.content for r in done[-1].results)
        return "call"

    calls: Any = ToolCall("c", "pay", '{"cents": 7}')
    if kind == "parallel":
        calls = [ToolCall(who, "survey", f'{{"who": "{who}"}}') for who in ("ann", "bob", "cai")]

    class Pure(ScriptedModel):
        async def stream(self, request: Any) -> Any:
            self._lines = iter([calls if model(request) == "call" else model(request)])
            async for event in super().stream(request):
                yield event

    members: list[Any] = [Clerk(kind, days)]
    if kind == "proxy":
        members = [AssistantAgent("asker", ScriptedModel(["Well?"])), UserProxyAgent("ann")]
    elif kind in {"approval", "parallel"}:
        members = [AssistantAgent("clerk", Pure([]), tools=[pay, survey])]
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(1 + len(members)))


class Month:
    """Thirty days of an office: one process starts runs, others answer and go on. Each opens the store for itself."""

    def __init__(self, path: Path, clock: FakeClock, luck: random.Random) -> None:
        self.path, self.clock, self.luck = path, clock, luck
        self.teams: dict[str, tuple[str, int]] = {}
        self.outcomes: dict[str, str] = {}
        self.refused = 0

    def process(self) -> Any:
        return open_store(self.path, clock=self.clock)

    async def begin(self, id: str, kind: str) -> None:
        self.teams[id] = kind, self.luck.randint(1, 20)
        async with self.process() as store:
            result = await team(*self.teams[id]).run(task="Go.", conversation=store.conversation(id))
            assert result.outcome.kind == "waiting"
            assert not await store.is_held(id)

    async def answer_some(self) -> None:
        async with self.process() as store:
            for found in await store.questions():
                said = found.entry.payload
                kind = said["schema"].get("type", "approval") if "schema" in said else "text"
                value: Any = {"integer": 5, "boolean": True, "approval": True, "text": "Blue."}[kind]
                if self.luck.random() < 0.2:
                    try:
                        await answer(store, said["id"], value, by="ann")
                        await answer(store, said["id"], value, by="ann")  # the same again: fine
                    except Conflict:
                        self.refused += 1  # too late
                elif self.luck.random() < 0.1:
                    with suppress(Conflict):  # it has been answered
                        await reassign(store, said["id"], "bob")
                if self.luck.random() < 0.5:
                    await expire_due(store, found)

    async def go_on(self) -> None:
        async with self.process() as store:
            for id, definition in self.teams.items():
                if id in self.outcomes or self.luck.random() < 0.4:
                    continue
                try:
                    result = await team(*definition).continue_run(id, store=store)
                except RunFailed as failed:
                    self.outcomes[id] = "expired" if "Nobody answered" in str(failed) else str(failed)
                    continue
                if result.outcome.kind != "waiting":
                    self.outcomes[id] = f"{result.outcome.kind}: {result.messages[-1].to_text()}"


@pytest.mark.parametrize("seed", [1, 2])
async def test_park_30_days(tmp_path: Path, seed: int) -> None:
    # ENGINE 7, 16: nothing is held while it waits; each question takes one branch, once
    clock = FakeClock()
    month = Month(tmp_path / "office.db", clock, random.Random(seed))
    for i in range(RUNS_OF_A_KIND):
        for kind in KINDS:
            await month.begin(f"{kind}-{i}", kind)

    for _ in range(30):
        clock.advance(DAY)
        await month.answer_some()
        await month.go_on()
    clock.advance(DAY)
    while len(month.outcomes) < len(month.teams):
        await month.answer_some()
        await month.go_on()

    ends = Counter((id.partition("-")[0], outcome) for id, outcome in month.outcomes.items())
    assert {end for kind, end in ends if kind == "free"} == {"completed: it is 5"}
    assert {end for kind, end in ends if kind == "value"} <= {"completed: it is 5", "completed: it is -1"}
    assert {end for kind, end in ends if kind == "raise"} <= {"completed: it is 5", "expired"}
    assert {end for kind, end in ends if kind == "cancel"} <= {"completed: it is 5", "cancelled: Go."}
    assert {end for kind, end in ends if kind == "proxy"} == {"completed: Blue."}
    assert {end for kind, end in ends if kind == "approval"} == {"completed: paid 7"}
    assert {end for kind, end in ends if kind == "parallel"} == {"completed: ann: True; bob: True; cai: True"}
    assert len(set(ends)) > len(KINDS), "both branches were taken"
    async with month.process() as store:
        assert await store.questions() == []
        for id, definition in month.teams.items():
            entries = await store.read(id)
            asked = [e.payload["id"] for e in entries if e.kind == "question"]
            assert len(asked) == len(set(asked)) == sum(e.kind == "answer" for e in entries)
            assert [e.payload["active_s"] for e in entries if e.kind == "ended"][-1] == 0.0, "waiting is no work"
            if month.outcomes[id].startswith("completed"):
                assert (await replay(id, team=team(*definition), store=store)).identical
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
