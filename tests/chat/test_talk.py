"""The state of a conversation is a fold: the same live and from the journal."""

from collections.abc import Sequence
from typing import Any

import pytest

from quorate import (
    AssistantAgent,
    Limits,
    MaxMessageTermination,
    RoundRobinGroupChat,
    TaskResult,
    Team,
    TextMentionTermination,
    TextMessage,
    conversation,
    tool,
)
from quorate.chat.facts import Fact, Thread
from quorate.chat.turns import Speak
from quorate.models import ToolCall
from quorate.runs.inbox import Note
from quorate.testing import FakeClock, ScriptedModel

WORDS = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen")


@tool(effect="read")
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Watching:
    """A policy whose memory is all that it ever saw."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def begin(self) -> tuple[Any, ...]:
        return ()

    def see(self, memory: tuple[Any, ...], fact: Fact) -> tuple[Any, ...]:
        what = fact.message or fact.event
        sign = fact.choice.speakers if fact.choice else (type(what).__name__, what.id if what else fact.stop)
        return (*memory, (sign, fact.speaker, fact.at, fact.usage, fact.cost_usd, fact.ref))

    async def next(self, memory: tuple[Any, ...], thread: Thread, members: Sequence[str]) -> Speak:
        self.seen.append((memory, [m.id for m in thread]))
        turns = sum(entry[0][0] in members for entry in memory)
        return Speak((members[turns % len(members)],), "next")


async def test_folded_facts_are_those_that_were_seen_live() -> None:
    # ENGINE 12: folds use path order only
    def team(turns: int, *lines: object) -> tuple[Team, Watching]:
        watching, model = Watching(), ScriptedModel(lines)
        agents = [AssistantAgent(name, model, tools=[add]) for name in "ab"]
        return Team(agents, turns=watching, max_turns=turns), watching

    clock = FakeClock()
    talk = conversation("talk", clock=clock)
    first, live = team(4, ToolCall("c", "add", '{"a":1,"b":2}'), "It is 3.", "fox", "bee", "gnu")
    await first.run(task="Go.", conversation=talk)
    other = conversation("talk", clock=clock)
    journal = await other.store.open("talk")
    for entry in (await talk.entries())[:-1]:
        journal.append(entry.run, entry.path, entry.kind, entry.payload)
    await journal.release()

    second, folded = team(5, "hen")
    await second.continue_run("talk", store=other.store, limits=Limits(turns=5))

    assert len(live.seen) == 4
    assert folded.seen[0][0][: len(live.seen[-1][0])] == live.seen[-1][0]
    assert folded.seen[0][1][:-1] == live.seen[-1][1]


async def test_order_in_which_branches_were_written_changes_nothing_that_is_folded() -> None:
    # ENGINE 12
    class All:
        def begin(self) -> None: ...

        def see(self, memory: None, fact: Fact) -> None: ...

        async def next(self, memory: None, thread: Thread, members: Sequence[str]) -> Speak:
            return Speak(tuple(members), "all")

    def waves(line: str, turns: int) -> Team:
        agents = [AssistantAgent(name, ScriptedModel([f"{name} {line}"])) for name in "abc"]
        return Team(agents, turns=All(), max_turns=turns)

    talk = conversation("talk")
    await waves("one", 1).run(task="Go.", conversation=talk)
    entries = [e for e in await talk.entries() if e.path]
    begun = (await talk.entries())[0]
    speeches = {name: [e for e in entries if f" {name}" in e.path] for name in "abc"}
    first, last = [e for e in entries if "/" not in e.path]
    found: list[list[str]] = []
    for order in ("abc", "cba", "bca"):
        other = conversation("talk")
        journal = await other.store.open("talk")
        written = [begun, first, *(e for name in order for e in speeches[name]), last]
        for entry in written:
            journal.append(entry.run, entry.path, entry.kind, entry.payload)
        await journal.release()
        result = await waves("two", 2).continue_run("talk", store=other.store, limits=Limits(turns=2))
        found.append([m.to_text() for m in result.messages])

    assert found[0] == found[1] == found[2] == ["Go.", "a one", "b one", "c one", "a two", "b two", "c two"]


async def test_condition_begins_anew_with_each_task_and_the_members_do_not() -> None:
    model = ScriptedModel(["APPROVE", "Hm.", "APPROVE"])
    working = RoundRobinGroupChat(
        [AssistantAgent("a", model)], termination_condition=TextMentionTermination("APPROVE"), max_turns=5
    )

    first = await working.run(task="A?")
    second = await working.run(task="B?")

    assert (first.turns, second.turns) == (1, 2)
    assert [m.to_text() for m in second.messages] == ["B?", "Hm.", "APPROVE"]
    assert [block.text for block in model.requests[1].blocks] == ["A?", "APPROVE", "B?"]


@pytest.mark.parametrize("change", ["the streamed message", "the result's message", "the task", "the task given"])
async def test_changing_a_message_object_changes_no_history(change: str) -> None:
    # the journal owns its entries: what a model is asked is what the journal says it was
    def spoil(message: Any) -> None:
        message.content = "CHANGED"

    talk = conversation("talk")
    one, two = ScriptedModel(["The first."]), ScriptedModel(["The second."])
    working = RoundRobinGroupChat(
        [AssistantAgent("a", one), AssistantAgent("b", two)], termination_condition=MaxMessageTermination(2)
    )
    task, result = TextMessage(content="Go.", source="user"), None
    async for item in working.run_stream(task=task, conversation=talk):
        if change == "the streamed message" and isinstance(item, TextMessage):
            spoil(item)
        result = item
    assert isinstance(result, TaskResult)
    spoil({"the task given": task, "the task": result.messages[0]}.get(change, result.messages[-1]))

    second = await working.run(task="More.", conversation=talk)

    assert "CHANGED" not in str(await talk.entries())
    assert [block.text for block in two.requests[0].blocks] == ["Go.", "The first.", "More."]
    assert [m.to_text() for m in second.messages] == ["More.", "The second."]


async def test_changing_a_streamed_message_does_not_change_what_the_next_speaker_is_told() -> None:
    one, two = ScriptedModel(["The first."]), ScriptedModel(["The second."])
    working = RoundRobinGroupChat(
        [AssistantAgent("a", one), AssistantAgent("b", two)], termination_condition=MaxMessageTermination(3)
    )

    async for item in working.run_stream(task="Go."):
        if isinstance(item, TextMessage):
            item.content = "CHANGED"

    assert [block.text for block in two.requests[0].blocks] == ["Go.", "The first."]


async def test_run_that_was_taken_up_from_memory_is_as_one_that_was_read(killed: Any) -> None:
    # ENGINE 1: a fold that was kept and a fold that is made again are the same
    def lines() -> ScriptedModel:
        return ScriptedModel([ToolCall("c", "add", '{"a":1,"b":2}'), "It is 3.", *WORDS])

    kept_model, fresh_model = lines(), lines()
    kept, fresh = conversation("talk"), conversation("talk")
    one = AssistantAgent("a", kept_model, tools=[add])
    for task in ("A?", "B?", "C?"):
        await one.run(task=task, conversation=kept)
        await AssistantAgent("a", fresh_model, tools=[add]).run(task=task, conversation=fresh)

    contents = [[[b.content for b in r.blocks] for r in model.requests] for model in (kept_model, fresh_model)]
    assert contents[0] == contents[1]
    stripped = [[(e.path, e.kind) for e in await talk.entries()] for talk in (kept, fresh)]
    assert stripped[0] == stripped[1]


async def test_kind_that_nobody_knows_is_passed_over_by_every_fold() -> None:
    # ENGINE 24
    talk = conversation("talk")
    model = ScriptedModel(["one", "two"])
    await AssistantAgent("a", model).run(task="A?", conversation=talk)
    journal = await talk.store.open("talk")
    journal.append(1, "", "tomorrow", {"what": "thing"})
    journal.append(1, "1 turn/1 a", "tomorrow", {"what": "thing"})
    await journal.release()

    result = await AssistantAgent("a", model).run(task="B?", conversation=talk)

    assert [block.text for block in model.requests[1].blocks] == ["A?", "one", "B?"]
    assert result.messages[-1].to_text() == "two"
    assert [e.payload for e in await talk.entries() if e.kind == "tomorrow"] == [{"what": "thing"}] * 2


async def test_notes_of_another_kind_stay_in_the_inbox() -> None:
    # ENGINE 24
    talk = conversation("talk")
    await AssistantAgent("a", ScriptedModel(["one"])).run(task="A?", conversation=talk)
    await talk.store.post("talk", Note("n1", "tomorrow", {"x": 1}))

    await AssistantAgent("a", ScriptedModel(["two"])).run(task="B?", conversation=talk)

    assert [note.kind for note in await talk.store.notes("talk")] == ["tomorrow"]
