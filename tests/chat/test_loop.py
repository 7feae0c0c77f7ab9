"""The team's loop: how runs end, how they go on, and what holds when several speak or run at the same time."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    Limits,
    MaxMessageTermination,
    RoundRobinGroupChat,
    Team,
    TextMentionTermination,
    TextMessage,
    Turn,
    conversation,
    open_store,
    replay,
    step,
    tool,
)
from quorate.chat.facts import Fact, Thread
from quorate.chat.messages import TaskResult
from quorate.chat.turns import Speak
from quorate.errors import Conflict, RunFailed, StoreError
from quorate.models import CallDelta, Finished, ModelEvent, ModelInfo, ModelRequest, TextDelta, ToolCall, Usage
from quorate.runs.entries import Entry, canonical_export
from quorate.testing import FakeClock, ScriptedModel

SYLLABLES = [a + b for a in "bdfgklmnprst" for b in "aeiou"]
NEVER = TextMentionTermination("a phrase that nobody says")


def word(n: int) -> str:
    draw = random.Random(n)
    return "".join(draw.choices(SYLLABLES, k=4))


class Words:
    """A model that never says the same, and takes as long as a test says."""

    def __init__(self, *, delays: int = 0, name: str = "words", free: bool = True, tool: str = "") -> None:
        self.info = ModelInfo(name=name, free=free, max_output=400)
        self.draw, self.delays, self.tool = random.Random(delays), delays, tool
        self.asked: list[ModelRequest] = []

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        self.asked.append(request)
        for _ in range(self.draw.randint(0, self.delays) if self.delays else 0):
            await asyncio.sleep(0)
        last = request.blocks[-1]
        if self.tool and not getattr(last, "results", ()):
            yield CallDelta(0, "c", self.tool, f'{{"n":{len(request.blocks)}}}')
            yield Finished(Usage(100, 300), "tool_calls")
            return
        seed = len(request.blocks)
        yield TextDelta(f"{request.system} {word(seed)} {word(seed + 7)}")
        yield Finished(Usage(100, 300))

    async def close(self) -> None: ...


def pair(model: Any, **options: Any) -> RoundRobinGroupChat:
    agents = [AssistantAgent(name, model, system_message=name) for name in "ab"]
    return RoundRobinGroupChat(agents, termination_condition=NEVER, **options)


def texts(result: TaskResult) -> list[str]:
    return [m.to_text() for m in result.messages if isinstance(m, TextMessage)]


# -- limits -----------------------------------------------------------------------------------------------------------


@tool(effect="read")
async def look(n: int) -> int:
    """Look."""
    return n


LIMITS = {
    "turns": (Limits(turns=3), Limits(turns=6)),
    "model_calls": (Limits(model_calls=4), Limits(model_calls=9)),
    "tool_calls": (Limits(tool_calls=2), Limits(tool_calls=9, turns=6)),
    "tokens": (Limits(tokens=3_000), Limits(tokens=30_000, turns=6)),
    "cost_usd": (Limits(cost_usd=0.001), Limits(cost_usd=0.1, turns=6)),
}


@pytest.mark.parametrize("kind", LIMITS)
async def test_condition_that_never_fires_ends_in_limit_and_goes_on_without_repeating_a_turn(kind: str) -> None:
    narrow, wide = LIMITS[kind]
    talk = conversation("talk")
    model = Words(name="openai:gpt-4o-mini" if kind == "cost_usd" else "words", free=kind != "cost_usd", tool="look")
    agents = [AssistantAgent(name, model, system_message=name, tools=[look]) for name in "ab"]
    team = RoundRobinGroupChat(agents, termination_condition=NEVER)
    whole_model = Words(name=model.info.name, free=model.info.free, tool="look")
    whole_agents = [AssistantAgent(name, whole_model, system_message=name, tools=[look]) for name in "ab"]
    whole = await RoundRobinGroupChat(whole_agents, max_turns=3).run(task="Go.", conversation=conversation("talk"))

    first = await team.run(task="Go.", conversation=talk, limits=narrow)
    second = await team.continue_run("talk", store=talk.store, limits=wide)

    assert first.outcome is not None
    assert second.outcome is not None
    assert (first.outcome.kind, first.outcome.limit) == ("limit", kind)
    assert second.outcome.kind == "limit"
    assert texts(second)[: len(texts(first))] == texts(first)
    assert texts(second)[: len(texts(whole))] == texts(whole)
    assert len(texts(second)) > len(texts(first))
    asked = [(r.system, [b.content for b in r.blocks]) for r in model.asked]
    assert len(asked) == len({str(request) for request in asked}), "no call was made twice"


async def test_time_of_work_is_limited_even_while_a_speaker_hangs() -> None:
    class Hanging(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            if len(turn.thread) < 3:
                return TextMessage(content=word(len(turn.thread)), source=self.name)
            await asyncio.sleep(60)
            raise AssertionError

    talk = conversation("talk")
    team = RoundRobinGroupChat([Hanging("a")], termination_condition=NEVER)

    result = await team.run(task="Go.", conversation=talk, limits=Limits(active_s=0.3))

    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.limit) == ("limit", "active_s")
    assert result.outcome.reason == "The limit of 0.3 seconds of work is reached."
    assert len(result.messages) == 3


async def test_time_of_work_counts_over_all_attempts() -> None:
    clock = FakeClock()

    class Slow(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            clock.advance(10)
            return TextMessage(content=word(len(turn.thread)), source=self.name)

    talk = conversation("talk", clock=clock)
    team = RoundRobinGroupChat([Slow("a")], max_turns=2, limits=Limits(active_s=35))
    await team.run(task="Go.", conversation=talk)
    clock.advance(1000)
    await team.continue_run("talk", store=talk.store, limits=Limits(turns=4))

    result = await team.continue_run("talk", store=talk.store, limits=Limits(turns=6))

    assert result.outcome is not None
    assert (result.outcome.limit, result.turns) == ("active_s", 4)


async def test_limits_of_a_run_replace_the_teams_field_by_field() -> None:
    team = pair(Words(), limits=Limits(turns=2, model_calls=50))

    assert (await team.run(task="Go.")).turns == 2
    assert (await team.run(task="Go.", limits=Limits(turns=4))).turns == 4
    assert (await team.run(task="Go.", limits=Limits(tokens=100_000))).turns == 2


async def test_healthy_talk_of_three_hundred_turns_ends_by_its_limit_and_not_as_stalled() -> None:
    result = await pair(Words()).run(task="Go.", limits=Limits(turns=300))

    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.limit) == ("limit", "turns")
    assert result.turns == 300


async def test_pair_that_repeats_itself_ends_as_stalled_within_few_turns() -> None:
    model = ScriptedModel(["After you.", "No, after you!"] * 50)

    result = await pair(model).run(task="Go first, please.")

    assert result.outcome is not None
    assert result.outcome.kind == "stalled"
    assert "After you." in result.outcome.reason or "after you!" in result.outcome.reason
    assert result.turns <= 8


# -- what was journaled and what is new -------------------------------------------------------------------------------


async def test_changed_prompt_does_not_run_the_past_again(killed: Any) -> None:
    # ENGINE 1, 3
    talk = conversation("talk")
    await pair(ScriptedModel([f"old {word(n)}" for n in range(4)]), max_turns=4).run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="said", nth=3)
    model = ScriptedModel([f"new {word(n)}" for n in range(4)])
    agents = [AssistantAgent(name, model, system_message=f"{name}, be brief") for name in "ab"]

    result = await RoundRobinGroupChat(agents, max_turns=4).continue_run("talk", store=left.store)

    assert [t.partition(" ")[0] for t in texts(result)] == ["Go.", "old", "old", "old", "new"]
    assert len(model.requests) == 1
    assert model.requests[0].system == "b, be brief"


async def test_member_that_was_added_speaks_from_the_next_turn_on(killed: Any) -> None:
    # ENGINE 3
    talk = conversation("talk")
    await pair(ScriptedModel([f"old {word(n)}" for n in range(4)]), max_turns=4).run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="said", nth=2)
    model = ScriptedModel([f"new {word(n)}" for n in range(4)])
    agents = [AssistantAgent(name, model) for name in ("a", "b", "c")]

    result = await RoundRobinGroupChat(agents, max_turns=4).continue_run("talk", store=left.store)

    assert [m.source for m in result.messages] == ["user", "a", "b", "c", "a"]


async def test_member_that_left_in_the_middle_of_its_turn_is_a_conflict_that_names_it(killed: Any) -> None:
    # ENGINE 3
    talk = conversation("talk")
    await pair(ScriptedModel([f"old {word(n)}" for n in range(4)]), max_turns=4).run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="said", nth=2)
    alone = RoundRobinGroupChat([AssistantAgent("a", ScriptedModel(["new one", "new two"]))])

    with pytest.raises(RunFailed, match=r"turn 2 / b.*the team has only a.*--give-up-turn") as raised:
        await alone.continue_run("talk", store=left.store)
    result = await alone.continue_run("talk", store=left.store, give_up_turn=True)

    assert isinstance(raised.value.__cause__, Conflict)
    assert [(m.source, m.to_text()) for m in result.messages] == [
        ("user", "Go."),
        ("a", f"old {word(0)}"),
        ("a", "new one"),
        ("a", "new two"),
    ]


async def test_member_that_left_does_not_matter_where_its_turns_are_closed(killed: Any) -> None:
    # ENGINE 1: what is closed is folded, whatever code wrote it
    talk = conversation("talk")
    await pair(ScriptedModel([f"old {word(n)}" for n in range(4)]), max_turns=4).run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="choice", nth=3)
    alone = RoundRobinGroupChat([AssistantAgent("a", ScriptedModel(["new one", "new two"]))])

    result = await alone.continue_run("talk", store=left.store)

    assert [m.source for m in result.messages] == ["user", "a", "b", "a", "a"]


async def test_condition_of_the_resumed_team_decides_about_the_whole_run(killed: Any) -> None:
    talk = conversation("talk")
    await pair(ScriptedModel([f"old {word(n)}" for n in range(4)]), max_turns=4).run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="choice", nth=3)
    team = pair(ScriptedModel([]))
    team.termination_condition = MaxMessageTermination(3)

    result = await team.continue_run("talk", store=left.store)

    assert result.outcome is not None
    assert (result.outcome.kind, result.turns) == ("completed", 2)


async def test_condition_that_holds_before_anybody_spoke_completes_at_once() -> None:
    model = ScriptedModel([])
    team = pair(model)
    team.termination_condition = MaxMessageTermination(1)

    result = await team.run(task="Go.")

    assert result.outcome is not None
    assert (result.outcome.kind, result.turns) == ("completed", 0)


# -- several at a time ------------------------------------------------------------------------------------------------


class Waves:
    """All speak side by side, in an order that changes."""

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        return memory + (fact.choice is not None)

    async def next(self, memory: int, thread: Thread, members: Sequence[str]) -> Speak:
        at = memory % len(members)
        return Speak((*members[at:], *members[:at]), "all at once")


def wave(delays: int, **options: Any) -> Team:
    agents = [
        AssistantAgent(
            name, Words(delays=delays + n, tool="look" if name == "b" else ""), system_message=name, tools=[look]
        )
        for n, name in enumerate("abc")
    ]
    return Team(agents, turns=Waves(), **options)


@pytest.mark.parametrize("url", ["memory:", "sqlite"])
async def test_speakers_side_by_side_appear_in_the_policys_order_whoever_finishes_first(
    url: str, tmp_path: Path
) -> None:
    # ENGINE 12, 13
    found: list[Any] = []
    for delays in (0, 3, 40, 111):
        where = "memory:" if url == "memory:" else str(tmp_path / f"{delays}.db")
        async with open_store(where, clock=FakeClock()) as store:
            talk = store.conversation("talk")
            result = await wave(delays, max_turns=3).run(task="Go.", conversation=talk)
            found.append(([m.dump() for m in result.messages], canonical_export(await talk.entries())))

    sources = [m["source"] for m in found[0][0] if m["type"] == "TextMessage"]
    assert sources == ["user", "a", "b", "c", "b", "c", "a", "c", "a", "b"]
    assert all(other == found[0] for other in found[1:])


async def test_speakers_side_by_side_see_the_thread_as_it_was_when_they_were_named() -> None:
    class Seeing(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            await asyncio.sleep(0)
            return TextMessage(content=f"{self.name} saw {len(turn.thread)}", source=self.name)

    result = await Team([Seeing("a"), Seeing("b")], turns=Waves(), max_turns=2).run(task="Go.")

    assert texts(result) == ["Go.", "a saw 1", "b saw 1", "b saw 3", "a saw 3"]


class Failing(Agent):
    """Fails the first time it speaks."""

    def __init__(self, name: str, *, others: asyncio.Event | None = None) -> None:
        super().__init__(name)
        self.calls, self.others = 0, others

    async def speak(self, turn: Turn) -> TextMessage:
        self.calls += 1
        if self.calls == 1:
            if self.others is not None:
                await self.others.wait()
            raise ValueError("broken")
        return TextMessage(content=f"{self.name} mended", source=self.name)


async def test_speaker_that_fails_fails_the_run_and_its_finished_sibling_does_not_speak_again() -> None:
    # ENGINE 1, 5
    spoken = asyncio.Event()
    calls: list[str] = []

    class Quick(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            calls.append(self.name)
            asyncio.get_running_loop().call_soon(spoken.set)
            return TextMessage(content="quick", source=self.name)

    talk = conversation("talk")
    team = Team([Quick("a"), Failing("b", others=spoken)], turns=Waves(), max_turns=1)
    with pytest.raises(RunFailed, match="broken"):
        await team.run(task="Go.", conversation=talk)

    result = await team.continue_run("talk", store=talk.store)

    assert texts(result) == ["Go.", "quick", "b mended"]
    assert calls == ["a"]


async def test_slow_sibling_of_a_speaker_that_fails_is_cancelled_and_nothing_is_left() -> None:
    ended: list[str] = []

    class Slow(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("cancelled")
            raise AssertionError

    others = asyncio.all_tasks()
    with pytest.raises(RunFailed, match="broken"):
        await Team([Slow("a"), Failing("b")], turns=Waves(), max_turns=1).run(task="Go.")

    assert ended == ["cancelled"]
    assert asyncio.all_tasks() == others


async def test_siblings_of_a_speaker_that_waits_for_a_person_finish_first() -> None:
    # ENGINE 7
    class Paying(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            async def pay() -> str:
                await asyncio.sleep(60)
                return "never"

            return TextMessage(content=await step("pay", pay, timeout_s=0.01), source=self.name)

    class Slow(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            await asyncio.sleep(0.03)
            return TextMessage(content="slow but sure", source=self.name)

    talk = conversation("talk")
    result = await Team([Paying("a"), Slow("b")], turns=Waves(), max_turns=1).run(task="Go.", conversation=talk)

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"
    assert [e.path for e in await talk.entries() if e.kind == "said"] == ["1 turn/2 b"]


async def test_two_runs_of_one_team_at_the_same_time_do_not_mix() -> None:
    team = wave(5, max_turns=4)

    results = await asyncio.gather(*(team.run(task=f"Task {n}.", conversation=conversation(f"c{n}")) for n in range(5)))

    alone = await wave(0, max_turns=4).run(task="Task 0.", conversation=conversation("c0"))
    assert texts(results[0])[1:] == texts(alone)[1:]
    for n, result in enumerate(results):
        assert texts(result)[0] == f"Task {n}."
        assert result.run_id == f"c{n}.1"
        assert all(m.id.startswith(f"c{n}.1/") for m in result.messages)


async def test_two_hundred_conversations_on_one_team_and_one_store_are_all_right(tmp_path: Path) -> None:
    # ENGINE 17: group commit
    async with open_store(tmp_path / "work.db") as store:
        team = RoundRobinGroupChat(
            [
                AssistantAgent(n, Words(delays=3, tool="look" if n == "b" else ""), system_message=n, tools=[look])
                for n in "ab"
            ],
            max_turns=4,
        )

        async def one(n: int) -> TaskResult:
            return await team.run(task=f"Task {n}.", conversation=store.conversation(f"c{n}"))

        results = await asyncio.gather(*(one(n) for n in range(200)))
        heads = [await store.verify(f"c{n}") for n in range(200)]  # type: ignore[union-attr]
        entries: list[list[Entry]] = [await store.read(f"c{n}") for n in range(200)]

    assert len({tuple(texts(result)[1:]) for result in results}) == 1
    assert {len(e) for e in entries} == {heads[0].length}
    assert [e[0].payload["task"][0]["content"] for e in entries] == [f"Task {n}." for n in range(200)]
    assert all(result.head == str(head) for result, head in zip(results, heads, strict=True))


# -- stops ------------------------------------------------------------------------------------------------------------


async def test_run_that_is_stopped_ends_after_its_turn_and_can_go_on() -> None:
    talk = conversation("talk")
    team = pair(ScriptedModel([word(n) for n in range(9)]), max_turns=4)
    async with team.start(task="Go.", conversation=talk) as run:
        async for item in run.events():
            if getattr(item, "source", "") == "a" and isinstance(item, TextMessage):
                run.stop("Enough for today.")
        stopped = await run.result()

    result = await team.continue_run("talk", store=talk.store)

    assert stopped.outcome is not None
    assert (stopped.outcome.kind, stopped.stop_reason) == ("cancelled", "Enough for today.")
    assert stopped.turns < 4
    assert result.turns == 4
    assert texts(result)[: len(texts(stopped))] == texts(stopped)


# -- the disk ---------------------------------------------------------------------------------------------------------


async def test_full_disk_ends_the_run_with_a_clear_error_and_it_goes_on_when_there_is_room(tmp_path: Path) -> None:
    # ENGINE 17
    def team() -> RoundRobinGroupChat:
        return pair(ScriptedModel([f"{word(n)} " * 400 for n in range(20)]), max_turns=8)

    async with open_store(tmp_path / "work.db") as store:
        talk: Any = store.conversation("talk")
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]  # type: ignore[union-attr]
        store._db.execute(f"PRAGMA max_page_count={pages + 4}")  # type: ignore[union-attr]
        with pytest.raises(StoreError, match="Free some space, then resume: nothing is lost"):
            await team().run(task="Go.", conversation=talk)
        held = await store.is_held("talk")
        kept = await store.verify("talk")  # type: ignore[union-attr]
        said = sum(e.kind == "reply" for e in await talk.entries())
        store._db.execute("PRAGMA max_page_count=1000000")  # type: ignore[union-attr]

        model = ScriptedModel([f"{word(n)} " * 400 for n in range(said, 20)])
        result = await pair(model, max_turns=8).continue_run("talk", store=store)
        report = await replay("talk", team=team(), store=store)

    assert not held
    assert kept.length > 0
    assert result.turns == 8
    assert texts(result)[1:] == [f"{word(n)} " * 400 for n in range(8)]
    assert report.identical


async def test_database_locked_by_another_program_ends_the_run_with_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    from quorate.runs.sqlite import store as module

    monkeypatch.setattr(module, "BUSY_MS", 50)
    other = sqlite3.connect(tmp_path / "work.db", isolation_level=None, check_same_thread=False)

    class Locking(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            if not locked:
                locked.append(True)
                other.execute("BEGIN EXCLUSIVE")

            async def call() -> str:
                return "x"

            return TextMessage(content=await step("x", call, effect="read"), source=self.name)

    locked: list[bool] = []
    async with open_store(tmp_path / "work.db") as store:
        team = RoundRobinGroupChat([Locking("a")], max_turns=1)
        with pytest.raises(StoreError, match="is locked by another program"):
            await team.run(task="Go.", conversation=store.conversation("talk"))
        other.execute("ROLLBACK")
        other.close()

        assert (await store.verify("talk")).length >= 0  # type: ignore[union-attr]
        again = team.continue_run("talk", store=store) if await store.read("talk") else team.run("Go.")
        result = await again

    assert texts(result) == ["Go.", "x"]


async def test_one_model_call_that_waits_does_not_hold_up_other_conversations() -> None:
    begun = asyncio.Event()
    go = asyncio.Event()

    class Waiting(Words):
        async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
            begun.set()
            await go.wait()
            yield TextDelta("done")
            yield Finished(None)

    slow = asyncio.get_running_loop().create_task(AssistantAgent("slow", Waiting()).run(task="Go."))
    await begun.wait()

    quick = await pair(Words(), max_turns=20).run(task="Go.")
    go.set()

    assert quick.turns == 20
    assert (await slow).messages[-1].to_text() == "done"


async def test_same_tool_call_in_two_turns_is_made_twice() -> None:
    # ENGINE 2: paths, not contents, tell calls apart
    made: list[int] = []

    @tool
    async def pay(n: int) -> str:
        """Pay."""
        made.append(n)
        return f"receipt {len(made)}"

    call = ToolCall("same-id", "pay", '{"n":1}')
    model = ScriptedModel([call, "Paid once.", call, "Paid twice."])
    await RoundRobinGroupChat([AssistantAgent("a", model, tools=[pay])], max_turns=2).run(task="Pay twice.")

    assert made == [1, 1]
