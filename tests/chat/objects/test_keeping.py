"""DESIGN 5, objects with attributes: what an object's `save_state` says is kept, and who saves nothing is named.

A store that keeps is a file here, and "another process" a definition that was made again.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.chat.objects.counters import Counter

from quorate import (
    AssistantAgent,
    Limits,
    MaxMessageTermination,
    RoundRobinGroupChat,
    TextMessage,
    Turn,
    conversation,
    fork,
    open_store,
    replay,
    step,
)
from quorate.errors import ConfigError, Divergence, RunFailed
from quorate.runs.entries import Entry, canonical_order
from quorate.testing import FakeClock, ScriptedModel

TASK = TextMessage(content="Go.", source="user", id="task", created_at=datetime(2026, 1, 1, tzinfo=UTC))


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


def texts(result: Any) -> list[str]:
    return [m.to_text() for m in result.messages]


def of(*members: Any, turns: int = 2) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(turns + 1))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/kept.db"


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
