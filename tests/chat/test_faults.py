"""Proof `fault_matrix`: whatever raises, hangs or is cancelled, wherever: one outcome, its cause, nothing left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from quorate import AssistantAgent, Condition, Limits, RoundRobinGroupChat, Team, open_store, tool
from quorate.chat.facts import Fact
from quorate.errors import RunFailed, StoreError
from quorate.models import ModelInfo, ToolCall
from quorate.runs import run as runs
from quorate.runs.journal import Conversation
from quorate.testing import ScriptedModel

LOOK = ToolCall("c", "look", "{}")


class Boom(Exception):
    """What is raised."""


class Fault:
    """Does one thing once, where it is called, and tells that it was there."""

    def __init__(self, what: str) -> None:
        self.what, self.there, self.times = what, asyncio.Event(), 0

    def now(self) -> None:
        self.there.set()
        self.times += 1
        if self.what == "raise":
            raise Boom("boom")
        if self.what == "cancel":
            raise asyncio.CancelledError("from inside")

    async def __call__(self) -> None:
        self.now()
        if self.what == "hang":
            await asyncio.Event().wait()


class Model:
    """A model with a fault before it answers, or in the middle of it."""

    def __init__(self, fault: Fault | None, lines: list[object], *, begun: bool = False) -> None:
        self.info = ModelInfo(name="m", free=True, attempts=1)
        self.fault, self.lines, self.begun, self.open = fault, lines, begun, 0

    async def stream(self, request: Any) -> AsyncIterator[Any]:
        self.open += 1
        try:
            if self.fault is not None and not self.begun:
                await self.fault()
            async for event in ScriptedModel([self.lines.pop(0)]).stream(request):
                yield event
                if self.fault is not None:
                    await self.fault()
        finally:
            self.open -= 1

    async def close(self) -> None: ...


class Policy:
    """A turn policy with a fault."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    def begin(self) -> None: ...
    def see(self, memory: None, fact: Fact) -> None: ...
    async def next(self, memory: None, thread: Any, members: Any) -> Any:
        await self.fault()


class Faulty(Condition[int]):
    """A condition with a fault, in one of its methods."""

    def __init__(self, fault: Fault, where: str) -> None:
        self.fault, self.where = fault, where

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        if self.where == "see" and memory:
            self.fault.now()
        return memory + 1

    def reason(self, memory: int) -> str | None:
        if self.where == "reason":
            self.fault.now()
        return None


class Disk:
    """A store with a fault at the second commit, for good or only then."""

    def __init__(self, inner: Any, fault: Fault, *, for_good: bool, commits: list[int] | None = None) -> None:
        self._inner, self._fault, self._for_good = inner, fault, for_good
        self._commits = [] if commits is None else commits
        self.durable = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def open(self, id: str, **options: Any) -> Any:
        opened = await self._inner.open(id, **options)
        return Disk(opened, self._fault, for_good=self._for_good, commits=self._commits)

    async def commit(self, *, sync: bool = False) -> None:
        self._commits.append(1)
        if len(self._commits) == 2 or (self._for_good and len(self._commits) > 2):
            try:
                await self._fault()
            except Boom as error:
                raise StoreError("The disk is full.") from error
        await self._inner.commit(sync=sync)

    async def end(self, last: Any, known: Any) -> Any:
        await self.commit()
        return await self._inner.end(last, known)


PLACES = [
    "model", "model in the middle", "read tool", "unsafe tool", "blocking tool", "policy", "condition that sees",
    "condition that decides", "member of a wave", "store once", "store for good",
]  # fmt: skip


def made(place: str, fault: Fault) -> tuple[Team, Conversation, list[Model]]:
    """Return a team with the fault in one place, and where it works."""
    store: Any = open_store("memory:")
    models: list[Model] = []

    def model(*lines: object, fault: Fault | None = None, begun: bool = False) -> Model:
        models.append(Model(fault, list(lines), begun=begun))
        return models[-1]

    if place.startswith("store"):
        store = Disk(store, fault, for_good=place == "store for good")
    if "tool" in place:
        if place == "blocking tool":

            @tool(effect="read")
            def look() -> str:
                """Look, blocking."""
                fault.now()
                return "seen"
        else:

            @tool(effect="read" if place == "read tool" else "unsafe")
            async def look() -> str:
                """Look."""
                await fault()
                return "seen"

        team: Team = RoundRobinGroupChat([AssistantAgent("a", model(LOOK, "Done."), tools=[look])], max_turns=1)
    elif place == "member of a wave":
        names = ("a", "b")
        members = [AssistantAgent(n, model("one", fault=fault if n == "b" else None)) for n in names]

        class Both(Policy):
            async def next(self, memory: None, thread: Any, members: Any) -> Any:
                from quorate.chat.turns import Speak

                return Speak(names, "both")

        team = Team(members, turns=Both(fault), limits=Limits(turns=1))
    else:
        inner = fault if place.startswith("model") else None
        agent = AssistantAgent("a", model("one", "two", fault=inner, begun=place == "model in the middle"))
        condition = Faulty(fault, "see" if "sees" in place else "reason") if "condition" in place else None
        options: dict[str, Any] = {"termination_condition": condition} if condition else {}
        if place == "policy":
            team = Team([agent], turns=Policy(fault), **options)
        else:
            team = RoundRobinGroupChat([agent], max_turns=1, **options)
    return team, Conversation(store, "talk"), models


async def lived(team: Team, talk: Conversation, *, streaming: bool, limits: Limits | None) -> Any:
    """Run the team to its end, one way or the other, and return its result."""
    if not streaming:
        return await team.run("Go.", conversation=talk, limits=limits)
    last: Any = None
    async with aclosing(team.run_stream("Go.", conversation=talk, limits=limits)) as items:
        async for item in items:
            last = item
    return last


async def outcome_of(talk: Conversation) -> Any:
    """Return the one outcome that the journal has."""
    ended = [e.payload for e in await talk.entries() if e.kind == "ended"]
    assert len(ended) == 1
    assert (await talk.entries())[-1].kind == "ended"
    return ended[0]


async def nothing_is_left(talk: Conversation, models: list[Model], before: set[Any]) -> None:
    assert asyncio.all_tasks() == before
    assert all(model.open == 0 for model in models), "a stream was left open"
    assert not await talk.store.is_held("talk")


def chain(error: BaseException | None) -> list[type]:
    """Return the classes of an error, and of what it came from."""
    found: list[type] = []
    while error is not None:
        found.append(type(error))
        error = error.__cause__
    return found


@pytest.mark.parametrize("streaming", [False, True], ids=["run", "run_stream"])
@pytest.mark.parametrize("what", ["raise", "cancel"])
@pytest.mark.parametrize("place", PLACES)
async def test_fault_ends_the_run_with_one_outcome_and_its_cause(place: str, what: str, streaming: bool) -> None:
    fault = Fault(what)
    team, talk, models = made(place, fault)
    before = asyncio.all_tasks()
    raised: BaseException | None = None

    try:
        result = await lived(team, talk, streaming=streaming, limits=None)
    except BaseException as error:  # looked at below, whatever it is
        raised = error

    await nothing_is_left(talk, models, before)
    source = Boom if what == "raise" else asyncio.CancelledError
    if "tool" in place:
        assert raised is None
        ended = await outcome_of(talk)
        if place == "unsafe tool" and what == "cancel":  # a cancel leaves it unknown
            assert ended["outcome"] == "waiting"
        else:  # the model was told
            assert result.messages[-1].to_text() == "Done."
            told = next(e for e in await talk.entries() if e.kind == "result").payload
            assert source.__name__ in told["content"]
    elif place == "store for good":  # nothing more can be written, and that is what is raised
        assert isinstance(raised, StoreError)
        assert source in chain(raised)
    else:
        assert isinstance(raised, RunFailed), chain(raised)
        assert source in chain(raised)
        assert (await outcome_of(talk))["outcome"] == "failed"
        assert raised.result.outcome.kind == "failed"


HANGING = [p for p in PLACES if not p.startswith(("condition", "blocking", "store"))]


@pytest.mark.parametrize("streaming", [False, True], ids=["run", "run_stream"])
@pytest.mark.parametrize("place", HANGING)
async def test_hanging_ends_at_the_limit_of_time(place: str, streaming: bool) -> None:
    before = asyncio.all_tasks()

    async with asyncio.timeout(60):
        for active_s in (0.05, 0.5, 5, 30):  # until it was there, however busy the machine is
            fault = Fault("hang")
            team, talk, models = made(place, fault)
            result = await lived(team, talk, streaming=streaming, limits=Limits(active_s=active_s))
            if fault.there.is_set():
                break

    await nothing_is_left(talk, models, before)
    assert fault.there.is_set()
    ended = await outcome_of(talk)
    assert (ended["outcome"], ended["limit"]) == ("limit", "active_s")
    assert ("open_intents" in ended) == (place == "unsafe tool")
    assert result.outcome.kind == "limit"


@pytest.mark.parametrize("place", ["store once", "store for good"])
async def test_store_that_hangs_is_left_and_the_error_says_so(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = Fault("hang")
    team, talk, models = made(place, fault)
    before = asyncio.all_tasks()
    monkeypatch.setattr(runs, "END_S", 0.05 if place == "store for good" else 5)

    async with asyncio.timeout(60):
        if place == "store once":
            result = await lived(team, talk, streaming=False, limits=Limits(active_s=0.05))
            assert result.outcome.limit == "active_s"
        else:
            with pytest.raises(StoreError, match=r"did not take the end of run talk\.1 within 0.05 s"):
                await lived(team, talk, streaming=False, limits=Limits(active_s=0.05))

    await nothing_is_left(talk, models, before)


@pytest.mark.parametrize("streaming", [False, True], ids=["run", "run_stream"])
@pytest.mark.parametrize("place", [*HANGING, "store once"])
async def test_caller_who_cancels_what_hangs_gets_it_cancelled_and_journaled(place: str, streaming: bool) -> None:
    fault = Fault("hang")
    team, talk, models = made(place, fault)
    before = asyncio.all_tasks()
    working = asyncio.ensure_future(lived(team, talk, streaming=streaming, limits=None))
    async with asyncio.timeout(60):
        await fault.there.wait()
        working.cancel()
        await asyncio.wait([working])

    await nothing_is_left(talk, models, before)
    assert working.cancelled()
    ended = await outcome_of(talk)
    assert ended["outcome"] == "cancelled"
    assert ("open_intents" in ended) == (place == "unsafe tool")


# -- who looks on -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["raise", "cancel", "leave"])
@pytest.mark.parametrize("after", [1, 2])
async def test_viewer_that_fails_ends_the_run_as_cancelled_and_gets_its_own_error(what: str, after: int) -> None:
    # ENGINE 25
    talk = open_store("memory:").conversation("talk")
    models = [Model(Fault("hang"), ["one"], begun=True)]
    team = RoundRobinGroupChat([AssistantAgent("a", models[0])], max_turns=1)
    before = asyncio.all_tasks()
    raised: BaseException | None = None

    try:
        async with asyncio.timeout(60), aclosing(team.run_stream("Go.", conversation=talk)) as items:
            seen = 0
            async for _ in items:
                seen += 1
                if seen == after:
                    if what == "leave":
                        break
                    Fault(what).now()
    except BaseException as error:  # looked at below
        raised = error

    await nothing_is_left(talk, models, before)
    assert type(raised) is {"raise": Boom, "cancel": asyncio.CancelledError, "leave": type(None)}[what]
    assert (await outcome_of(talk))["outcome"] == "cancelled"


async def test_viewer_that_hangs_does_not_hold_up_the_run() -> None:
    talk = open_store("memory:").conversation("talk")
    team = RoundRobinGroupChat([AssistantAgent("a", Model(None, ["one"]))], max_turns=1)
    before = asyncio.all_tasks()

    async with asyncio.timeout(60), team.start("Go.", conversation=talk) as run, aclosing(run.events()) as items:
        await anext(items)  # and never again
        result = await run.result()

    await nothing_is_left(talk, [], before)
    assert result.outcome is not None
    assert (await outcome_of(talk))["outcome"] == result.outcome.kind == "limit"
