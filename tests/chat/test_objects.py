"""DESIGN 5, objects with attributes: an object belongs to one conversation; what its `save_state` says is kept.

A store that keeps is a file here, and "another process" a definition that was made again.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
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
    TextMessage,
    Turn,
    conversation,
    fork,
    open_store,
    replay,
    step,
)
from quorate.chat.ending.stopping import Condition
from quorate.chat.facts import Fact, Thread
from quorate.chat.turns import RoundRobin, Speak
from quorate.errors import ConfigError, Conflict, Divergence, RunFailed
from quorate.runs.entries import Entry, canonical_order
from quorate.testing import FakeClock, ScriptedModel

TASK = TextMessage(content="Go.", source="user", id="task", created_at=datetime(2026, 1, 1, tzinfo=UTC))


class Counter(Agent):
    """Counts in an attribute."""

    def __init__(self, name: str = "counter") -> None:
        super().__init__(name, description="Counts.")
        self.count = 0

    async def speak(self, turn: Turn) -> TextMessage:
        self.count += 1
        return TextMessage(content=f"{self.name} {self.count}", source=self.name)


class Saving(Counter):
    """Remembers what it heard, too, and can be brought back."""

    def __init__(self, name: str = "counter") -> None:
        super().__init__(name)
        self.heard: list[str] = []

    async def speak(self, turn: Turn) -> TextMessage:
        async def add() -> int:
            return len(self.heard)

        self.heard += [m.to_text() for m in turn.new if m.source != self.name]
        before = await step("add", add, effect="read")
        said = await super().speak(turn)
        return said.model_copy(update={"content": f"{said.content} of {before}"})

    async def save_state(self) -> dict[str, Any]:
        return {"count": self.count, "heard": self.heard}

    async def load_state(self, state: dict[str, Any]) -> None:
        self.count, self.heard = state["count"], state["heard"]


class Plain(Counter):
    """The same with methods that are not asynchronous."""

    def save_state(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state(self, state: dict[str, Any]) -> None:
        self.count = state["count"]


class Resetting(Counter):
    async def on_reset(self) -> None:
        self.count = 0


class Foreign:
    """No class of ours, with slots."""

    __slots__ = ("__weakref__", "count", "description", "name")

    def __init__(self) -> None:
        self.name, self.description, self.count = "counter", "Counts.", 0

    async def speak(self, turn: Turn) -> TextMessage:
        self.count += 1
        return TextMessage(content=f"{self.name} {self.count}", source=self.name)

    def on_reset(self, cancellation_token: Any = None) -> None:
        self.count = 0


def texts(result: Any) -> list[str]:
    return [m.to_text() for m in result.messages]


def of(*members: Any, turns: int = 2) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(turns + 1))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/kept.db"


# -- one object, one conversation -------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [Counter, Saving, Foreign])
async def test_an_object_that_changes_while_it_speaks_belongs_to_its_conversation(made: Callable[[], Any]) -> None:
    team, other = of(made()), conversation("other")
    first = await team.run("Go.", conversation=conversation("first"))

    with pytest.raises(Conflict) as refused:
        await team.run("Go.", conversation=other)

    name = made.__name__
    assert f"belongs to conversation first. Give the team what makes one, {name} or lambda: {name}(…)" in str(
        refused.value
    )
    assert "Or keep what it has to remember in turn.state." in str(refused.value)
    assert (" Or call its " in str(refused.value)) == (made is not Counter)
    assert await other.entries() == []
    assert first.outcome is not None


async def test_a_further_run_of_its_conversation_goes_on_with_it() -> None:
    team = of(Counter(), turns=1)

    said = [texts(await team.run("Go."))[-1] for _ in range(3)]

    assert said == ["counter 1", "counter 2", "counter 3"]


async def test_who_keeps_only_its_configuration_serves_any_number_of_conversations() -> None:
    class Greeting(Agent):
        def __init__(self) -> None:
            super().__init__("greeting")
            self.words = {"hello": ["there"]}

        async def speak(self, turn: Turn) -> TextMessage:
            turn.state["n"] = turn.state.get("n", 0) + 1
            return TextMessage(content=f"{self.words} {turn.state['n']}", source=self.name)

    @dataclass(frozen=True)
    class Frozen:
        seen: list[str]
        name: str = "frozen"
        description: str = ""

        async def speak(self, turn: Turn) -> TextMessage:
            self.seen.append("log")
            return TextMessage(content="", source=self.name)

    team = of(Greeting(), Frozen([]), AssistantAgent("a", ScriptedModel(["x"] * 20)), turns=3)

    results = await asyncio.gather(*[team.run("Go.", conversation=conversation(f"t{i}")) for i in range(5)])

    assert all(texts(result)[1].endswith(" 1") for result in results)


async def test_a_fork_and_a_resume_of_another_run_are_refused_and_a_replay_takes_what_it_said_as_given(
    url: str,
) -> None:
    # ENGINE 4
    async with open_store(url) as store:
        team = of(Counter(), AssistantAgent("a", ScriptedModel(["x"] * 9)))
        result = await team.run("Go.", conversation=store.conversation("first"))
        fresh = of(Counter(), AssistantAgent("a", ScriptedModel(["x"] * 9)), turns=4)
        await fresh.run("Go.", conversation=store.conversation("second"), limits=Limits(turns=1))
        branch = await fork(store, "first", at=2)

        with pytest.raises(Conflict, match="belongs to conversation first"):
            await team.continue_run(branch.id, store=store)
        with pytest.raises(Conflict, match="belongs to conversation first"):
            await team.continue_run("second", store=store)
        report = await replay(result.run_id, team=team, store=store)
        kind = [e.kind for e in await store.read("second")][-1]

    assert (report.identical, report.unchecked) == (True, ("counter",))
    assert kind == "ended"  # nothing was written


async def test_a_replay_that_would_have_to_give_it_an_earlier_state_is_refused(url: str) -> None:
    team = of(Saving())
    async with open_store(url) as store:
        await team.run("Go.", conversation=store.conversation("first"))

        with pytest.raises(Conflict, match=r"belongs to conversation first.*call its load_state"):
            await replay("first", team=team, store=store)
        report = await replay("first", team=of(Saving()), store=store)

    assert (report.identical, report.unchecked) == (True, ())


async def test_two_runs_at_once_cannot_use_it() -> None:
    slow, go = asyncio.Event(), asyncio.Event()

    class Slow(Counter):
        async def speak(self, turn: Turn) -> TextMessage:
            slow.set()
            await go.wait()
            return await super().speak(turn)

    team = of(Slow(), turns=1)
    first = asyncio.create_task(team.run("Go.", conversation=conversation("first")))
    second = asyncio.create_task(team.run("Go.", conversation=conversation("second")))
    await slow.wait()
    go.set()
    found = await asyncio.gather(first, second, return_exceptions=True)

    failed = [one for one in found if isinstance(one, RunFailed)]
    assert len(failed) == 1
    assert isinstance(failed[0].__cause__, Conflict)


@pytest.mark.parametrize("made", [Saving, Plain])
async def test_its_load_state_frees_it_unless_a_run_uses_it(made: Callable[[], Any]) -> None:
    one = made()
    team = of(one)
    await team.run("Go.", conversation=conversation("first"))
    state: Any = one.save_state()
    state = state if type(state) is dict else await state

    given = one.load_state(state)  # the same as it has
    if given is not None:
        await given
    result = await team.run("Go.", conversation=conversation("second"))

    assert texts(result)[-1].startswith("counter 4")
    with pytest.raises(Conflict, match="belongs to conversation second"):
        await team.run("Go.", conversation=conversation("first"))


async def test_its_own_load_state_while_it_speaks_frees_nothing() -> None:
    class Loading(Saving):
        async def speak(self, turn: Turn) -> TextMessage:
            await self.load_state({"count": self.count, "heard": []})
            return await super().speak(turn)

    team = of(Loading())
    await team.run("Go.", conversation=conversation("first"))

    with pytest.raises(Conflict):
        await team.run("Go.", conversation=conversation("second"))


@pytest.mark.parametrize("made", [Resetting, Foreign])
async def test_a_team_that_is_reset_resets_its_objects(made: Callable[[], Any]) -> None:
    team = of(made())
    await team.run("Go.")

    await team.reset()
    result = await team.run("Go.")

    assert texts(result)[1:] == ["counter 1", "counter 2"]


async def test_without_a_way_to_reset_it_the_next_conversation_says_what_to_do() -> None:
    team = of(Counter())
    await team.run("Go.")
    await team.reset()

    with pytest.raises(Conflict, match="Give the team what makes one"):
        await team.run("Go.")


async def test_a_state_by_hand_is_what_it_goes_on_with(url: str) -> None:
    one = Saving()
    team = of(one, turns=1)
    async with open_store(url) as store:
        talk = store.conversation("talk")
        await team.run("Go.", conversation=talk)
        await one.load_state({"count": 40, "heard": []})
        result = await team.run("Go.", conversation=talk)
        again = await of(Saving(), turns=1).run("Go.", conversation=talk)

    assert [texts(r)[-1].partition(" of")[0] for r in (result, again)] == ["counter 41", "counter 42"]


# -- states that are kept ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [Saving, Plain])
@pytest.mark.parametrize("by", ["factory", "object"])
async def test_what_it_saves_is_there_in_another_process(url: str, made: Callable[[], Any], by: str) -> None:
    def team() -> RoundRobinGroupChat:
        return of(made if by == "factory" else made(), turns=3)

    async with open_store(url) as store:
        await team().run("Go.", conversation=store.conversation("talk"), limits=Limits(turns=2))
        resumed = await team().continue_run("talk", store=store, limits=Limits(turns=9))
        more = await team().run("More.", conversation=store.conversation("talk"))
        report = await replay("talk.1", team=team(), store=store)
        again = await replay("talk.2", team=team(), store=store)
        branch = await fork(store, "talk.1", at=2)
        forked = await team().continue_run(branch.id, store=store, limits=Limits(turns=9))

    counted = [[int(text.split()[1]) for text in texts(r)[1:]] for r in (resumed, more, forked)]
    assert counted == [[1, 2, 3], [4, 5, 6], [1, 2, 3]]
    assert (report.identical, again.identical, report.unchecked, again.unchecked) == (True, True, (), ())


async def test_a_replay_compares_what_it_saves(url: str) -> None:
    class Changed(Saving):
        async def save_state(self) -> dict[str, Any]:
            return {**await super().save_state(), "count": 100 + self.count}

    async with open_store(url) as store:
        await of(Saving).run("Go.", conversation=store.conversation("talk"))

        with pytest.raises(Divergence, match="turn 1 / counter") as found:
            await replay("talk", team=of(Changed), store=store)

    assert "own" in str(found.value)


async def test_a_state_is_kept_as_what_changed(url: str) -> None:
    class Hoarding(Saving):
        async def speak(self, turn: Turn) -> TextMessage:
            self.heard.append(f"{'x' * 500} {self.count}")
            return await super().speak(turn)

    async with open_store(url) as store:
        await of(Hoarding, turns=60).run("Go.", conversation=store.conversation("talk"))
        entries = await store.read("talk")

    sizes = [len(json.dumps(e.payload["own"])) for e in entries if e.kind == "said"]
    assert len(sizes) == 60
    assert max(sizes) < 2 * min(sizes)


async def test_nothing_is_written_in_memory() -> None:
    class Never(Saving):
        async def save_state(self) -> dict[str, Any]:
            raise AssertionError

    team = of(Never, turns=1)
    talk = conversation("talk")
    said = [texts(await team.run("Go.", conversation=talk))[-1] for _ in range(2)]

    assert [text.split()[1] for text in said] == ["1", "2"]
    assert not any("own" in e.payload for e in await talk.entries())


@pytest.mark.parametrize("by", ["factory", "object"])
async def test_the_state_of_a_team_has_those_of_its_objects(by: str) -> None:
    team = of(Saving if by == "factory" else Saving(), turns=2)
    await team.run("Go.")
    state = json.loads(json.dumps(await team.save_state()))

    other = of(Saving if by == "factory" else Saving(), turns=1)
    await other.load_state(state)
    result = await other.run("More.")
    await team.run("Go on without it.")
    await team.load_state(state)
    back = await team.run("More.")

    assert texts(result)[-1].startswith("counter 3")
    assert texts(back)[1].startswith("counter 3")


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (lambda: {"a": object()}, r"counter.save_state\(\) must be plain JSON data"),
        (lambda: [1], r"counter.save_state\(\) returned \[1\]; it must return a dictionary"),
        (lambda: 1 / 0, r"counter.save_state\(\) raised ZeroDivisionError: .* Its speech is not closed"),
    ],
)
async def test_a_state_that_cannot_be_kept_fails_the_run_and_loses_nothing(
    url: str, state: Callable[[], Any], says: str
) -> None:
    class Broken(Saving):
        async def save_state(self) -> Any:
            return state() if self.count == 2 else await super().save_state()

    async with open_store(url) as store:
        with pytest.raises(ConfigError, match=says):
            await of(Broken).run("Go.", conversation=store.conversation("talk"))
        result = await of(Saving).continue_run("talk", store=store)

    assert [text.split()[1] for text in texts(result)[1:]] == ["1", "2"]


async def test_a_state_that_does_not_fit_says_so(url: str) -> None:
    class Newer(Saving):
        async def load_state(self, state: dict[str, Any]) -> None:
            self.count = state["total"]

    async with open_store(url) as store:
        await of(Saving, turns=1).run("Go.", conversation=store.conversation("talk"))

        with pytest.raises(ConfigError, match=r"counter.load_state\(\) raised KeyError: 'total'. It was given what"):
            await of(Newer, turns=1).run("Go.", conversation=store.conversation("talk"))


async def test_a_speech_that_failed_leaves_nothing_in_it(url: str) -> None:
    class Failing(Saving):
        failed = False

        async def speak(self, turn: Turn) -> TextMessage:
            said = await super().speak(turn)
            if self.count == 2 and not type(self).failed:
                type(self).failed = True
                raise OSError("gone")
            return said

    team = of(Failing())
    async with open_store(url) as store:
        with pytest.raises(RunFailed):
            await team.run("Go.", conversation=store.conversation("talk"))
        result = await team.continue_run("talk", store=store)

    assert [text.split()[1] for text in texts(result)[1:]] == ["1", "2"]


class Inside:
    """A definition for crashes: one that saves, at the top and in a team inside, beside one that is plain."""

    def __init__(self, by: str) -> None:
        self.made: list[Saving] = []

        def member(name: str) -> Any:
            return self._made(name) if by == "factory" else self._made(name)()

        inner = RoundRobinGroupChat([member("in"), member("two")], max_turns=2, name="inner")
        self.team = of(member("top"), inner, turns=4)

    def _made(self, name: str) -> Any:
        def make() -> Saving:
            self.made.append(Saving(name))
            return self.made[-1]

        return make

    async def state(self) -> dict[str, Any]:
        return {one.name: await one.save_state() for one in self.made if one.count}


async def played(folder: Path, by: str, entries: list[Entry] | None = None) -> tuple[list[str], Any, list[Entry]]:
    """Run it, or go on behind these entries in another process; return what was said, the attributes, the entries."""
    world = Inside(by)
    async with open_store(f"sqlite:///{folder}/{len(entries or ())}.db", clock=FakeClock()) as store:
        talk = store.conversation("talk")
        if entries is None:
            result = await world.team.run(TASK, conversation=talk)
        else:
            journal = await store.open("talk")
            for entry in entries:
                journal.append(entry.run, entry.path, entry.kind, entry.payload)
            await journal.commit()
            await journal.release()
            result = await world.team.continue_run("talk", store=store)
        return texts(result), await world.state(), await store.read("talk")


@pytest.mark.parametrize("by", ["factory", "object"])
async def test_a_crash_after_any_entry_changes_neither_what_is_said_nor_the_attributes(tmp_path: Path, by: str) -> None:
    # ENGINE 1, crash_everywhere
    said, state, entries = await played(tmp_path, by)

    assert set(state) == {"top", "in", "two"}
    for at in range(1, len(entries) - 1):
        again, attributes, after = await played(tmp_path, by, entries[:at])
        assert again == said, f"a crash after entry {at}, {entries[at - 1]}"
        assert {**state, **attributes} == state, f"a crash after entry {at}, {entries[at - 1]}"
        own = [e.payload.get("own") for e in sorted(after, key=canonical_order) if e.kind == "said"]
        assert own == [e.payload.get("own") for e in sorted(entries, key=canonical_order) if e.kind == "said"]


# -- those that save nothing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["factory", "object"])
async def test_who_saves_nothing_starts_afresh_in_another_process_and_it_is_told(url: str, by: str) -> None:
    def team() -> RoundRobinGroupChat:
        plain = AssistantAgent("a", ScriptedModel(["x"] * 9))
        return of(Counter if by == "factory" else Counter(), Saving("saver"), plain, turns=6)

    async with open_store(url) as store:
        await team().run("Go.", conversation=store.conversation("talk"), limits=Limits(turns=4))
        async with team().going_on("talk", store=store, limits=Limits(turns=9)) as live:
            shown = [item async for item in live.events() if item.type == "FreshStartEvent"]
            result = await live.result()
        then = team()
        more = await then.run("More.", conversation=store.conversation("talk"))
        last = await then.run("More.", conversation=store.conversation("talk"))
        entries = await store.read("talk")

    assert [item.agents for item in shown] == [("counter",)]
    assert "counter: what was kept in attributes alone is gone" in shown[0].content
    begun = [e.payload.get("fresh") for e in entries if e.kind in {"run", "resumed"}]
    assert begun == [None, ["counter"], ["counter"], None]
    assert [t for t in texts(result) if t.startswith("counter")] == ["counter 1", "counter 2"]
    assert more.outcome is not None
    assert [t for t in texts(last) if t.startswith("counter")] == ["counter 3", "counter 4"]


# -- policies and conditions ------------------------------------------------------------------------------------------


class Remembers:
    def __init__(self) -> None:
        self.turns = 0

    def begin(self) -> None:
        return None

    def see(self, memory: None, fact: Fact) -> None:
        return None

    def next(self, memory: None, thread: Thread, members: tuple[str, ...]) -> Speak:
        self.turns += 1
        return Speak((members[self.turns % len(members)],), "its turn")


class Stops(Condition[int]):
    def __init__(self) -> None:
        self.seen = 0

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        self.seen += 1
        return memory

    def reason(self, memory: int) -> str | None:
        return "enough" if self.seen > 3 else None


@pytest.mark.parametrize("what", ["policy", "condition"])
async def test_a_policy_or_a_condition_that_changes_belongs_to_one_conversation(what: str) -> None:
    model = ScriptedModel(["x"] * 20)
    members = [AssistantAgent("a", model), AssistantAgent("b", model)]
    turns: Any = Remembers() if what == "policy" else RoundRobin()
    until: Any = Stops() if what == "condition" else MaxMessageTermination(3)
    team = Team(members, turns=turns, termination_condition=until)
    await team.run("Go.", conversation=conversation("first"))

    with pytest.raises(Conflict, match=r"has changed attributes of its own in conversation first.*\(begin"):
        await team.run("Go.", conversation=conversation("second"))
