"""Forks: the part of a conversation that is kept, what is made again, and what asks first."""

import asyncio
import itertools
import json
import sqlite3
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
    TaskResult,
    Team,
    TextMessage,
    Turn,
    UserProxyAgent,
    fork,
    open_store,
    replay,
    step,
    tool,
)
from quorate.chat.facts import Fact, Thread
from quorate.chat.hearing import post
from quorate.chat.messages import BaseChatMessage
from quorate.chat.past.audit import check_digest, requests
from quorate.chat.past.fork import thread
from quorate.chat.turns import RoundRobin, Speak
from quorate.errors import ConfigError, Conflict, Denied
from quorate.models import ModelRequest, ToolCall
from quorate.runs.chain import keyed
from quorate.runs.entries import Entry
from quorate.runs.history import fold
from quorate.runs.inbox import Note
from quorate.runs.journal import Conversation
from quorate.testing import FakeClock, ScriptedModel


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    url = "memory:" if request.param == "memory" else str(tmp_path / "work.db")
    if request.param == "postgres":
        url = request.getfixturevalue("postgres")
    async with open_store(url, clock=FakeClock()) as opened:
        yield opened


everywhere = pytest.mark.parametrize("store", ["memory", "sqlite", "postgres"], indirect=True)


class Waves:
    """All members at once, again and again."""

    def begin(self) -> None:
        return None

    def see(self, memory: None, fact: Fact) -> None:
        return None

    async def next(self, memory: None, thread: Thread, members: Sequence[str]) -> Speak:
        return Speak(tuple(members), "all at once")


def counting(word: str = "") -> ScriptedModel:
    """Return a model that says how many blocks it was shown."""

    def line(request: ModelRequest) -> str:
        return f"{word}{request.system} sees {len(request.blocks)}"

    return ScriptedModel(itertools.repeat(line))


def team(*names: str, until: int = 7, word: str = "", waves: bool = False) -> Team:
    members = [AssistantAgent(name, counting(word), system_message=name) for name in names or ("a", "b", "c")]
    condition = MaxMessageTermination(until)
    if waves:
        return Team(members, turns=Waves(), termination_condition=condition)
    return RoundRobinGroupChat(members, termination_condition=condition)


def texts(result: TaskResult) -> list[str]:
    return [m.to_text() for m in result.messages if isinstance(m, BaseChatMessage)]


async def said(talk: Conversation) -> list[str]:
    """Return the texts of a conversation's thread, as another team sees it that only listens."""
    heard: list[str] = []

    class Listening(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            heard.extend(m.to_text() for m in turn.thread)
            return TextMessage(content="", source=self.name)

    copy = await fork(talk.store, talk.id)
    await RoundRobinGroupChat([Listening("listener")], max_turns=1).run("?", conversation=copy)
    return heard[:-1]


async def finished(store: Any, **options: Any) -> TaskResult:
    return await team(**options).run("Go.", conversation=store.conversation("talk"))


# -- where it is cut --------------------------------------------------------------------------------------------------


async def test_fork_at_each_message_keeps_it_and_all_before_and_reopens_the_run(store: Any) -> None:
    # ENGINE 21
    whole = texts(await finished(store))

    for at in range(1, 8):
        branch = await fork(store, "talk", at=at)
        assert await said(branch) == whole[:at]
        result = await team(word="again: ").continue_run(branch.id, store=store)
        assert texts(result) == whole[:at] + [f"again: {text}" for text in whole[at:]]

    assert texts(await finished(store, until=1))[0] == "Go."
    assert len(await said(store.conversation("talk"))) == 8


async def test_fork_at_the_end_takes_a_new_task(store: Any) -> None:
    # ENGINE 21
    await finished(store)

    branch = await fork(store, "talk")
    result = await team(until=2).run("More.", conversation=branch)

    assert result.run_id == f"{branch.id}.2"
    assert texts(result) == ["More.", "a sees 8"]
    with pytest.raises(Conflict, match=r"Run talk\.1 is completed"):
        await team().continue_run("talk", store=store)


async def test_fork_at_the_end_of_a_completed_run_is_completed(store: Any) -> None:
    await finished(store)

    branch = await fork(store, "talk")

    with pytest.raises(Conflict, match="is completed"):
        await team().continue_run(branch.id, store=store)


@everywhere
async def test_fork_inside_a_wave_keeps_who_was_named_first_and_makes_the_others_again(store: Any) -> None:
    # ENGINE 21: three speakers, cut after the second
    whole = texts(await finished(store, waves=True))

    branch = await fork(store, "talk", at=6)
    result = await team(waves=True, word="again: ").continue_run(branch.id, store=store)

    assert whole[4:] == ["a sees 4", "b sees 4", "c sees 4"]
    assert texts(result) == [*whole[:6], "again: c sees 4"]
    spoke = [e.path for e in await branch.entries() if e.kind == "call"]
    assert spoke == ["1 turn/1 a/1 model", "1 turn/2 b/1 model", "1 turn/3 c/1 model",
                     "2 turn/1 a/1 model", "2 turn/2 b/1 model", "2 turn/3 c/1 model"]  # fmt: skip


async def test_fork_in_an_earlier_run_leaves_the_later_ones_behind(store: Any) -> None:
    talk = store.conversation("talk")
    for task in ("One.", "Two.", "Three."):
        await team("a", "b", until=3).run(task, conversation=talk)

    branch = await fork(store, "talk", at=5)
    result = await team("a", "b", until=3, word="again: ").continue_run(branch.id, store=store)

    assert result.run_id == f"{branch.id}.2"
    assert texts(result) == ["Two.", "a sees 4", "again: b sees 5"]
    assert sorted(fold(await branch.entries())) == [1, 2]
    with pytest.raises(ConfigError, match=r"Message 5 is in run talk\.2, not in run 3"):
        await fork(store, "talk.3", at=5)


async def test_fork_behind_an_earlier_run_takes_a_new_task_there(store: Any) -> None:
    talk = store.conversation("talk")
    for task in ("One.", "Two."):
        await team("a", until=2).run(task, conversation=talk)

    branch = await fork(store, "talk.1")
    result = await team("a", until=2).run("Else.", conversation=branch)

    assert result.run_id == f"{branch.id}.2"
    assert await said(branch) == ["One.", "a sees 1", "Else.", "a sees 3"]


async def test_fork_at_a_message_of_the_task_drops_those_after_it(store: Any) -> None:
    # ENGINE 21
    task = [TextMessage(content=text, source="user") for text in ("x", "y", "z")]
    await team("a", until=4).run(task, conversation=store.conversation("talk"))

    first = await team("a", until=3).continue_run((await fork(store, "talk", at=2)).id, store=store)
    last = await team("a", until=5).continue_run((await fork(store, "talk", at=3)).id, store=store)

    assert texts(first) == ["x", "y", "a sees 2"]
    assert texts(last) == ["x", "y", "z", "a sees 3", "a sees 4"]


async def test_fork_of_a_fork_at_any_message(store: Any) -> None:
    # ENGINE 21
    whole = texts(await finished(store))
    middle = await fork(store, "talk", at=4)
    second = texts(await team(word="2: ").continue_run(middle.id, store=store))

    for at in range(1, 8):
        branch = await fork(store, middle.id, at=at)
        third = texts(await team(word="3: ").continue_run(branch.id, store=store))
        assert third[:at] == second[:at]
        assert third[at:] == [f"3: {text}" for text in whole[at:]]


@everywhere
async def test_fork_of_a_fork_inside_a_wave(store: Any) -> None:
    # ENGINE 21
    whole = texts(await finished(store, waves=True))
    middle = await fork(store, "talk", at=5)
    await team(waves=True, word="2: ").continue_run(middle.id, store=store)

    branch = await fork(store, middle.id, at=6)
    result = await team(waves=True, word="3: ").continue_run(branch.id, store=store)

    assert texts(result) == [*whole[:5], "2: b sees 4", "3: c sees 4"]
    earlier = await team(waves=True, word="3: ").continue_run((await fork(store, middle.id, at=2)).id, store=store)
    assert texts(earlier)[:4] == ["Go.", "a sees 1", "3: b sees 1", "3: c sees 1"]


async def test_fork_of_a_run_that_is_going_on_has_its_closed_part(store: Any, doing: Any) -> None:
    # ENGINE 21
    forks: list[Conversation] = []

    async def nothing() -> None:
        return None

    async def branch(turn: Turn) -> str:
        await step("commit", nothing, effect="read")
        forks.append(await fork(store, "talk"))
        forks.append(await fork(store, "talk", at=2))
        return "branched"

    members = [AssistantAgent("a", counting(), system_message="a"), doing("forker", branch)]
    await RoundRobinGroupChat(members, max_turns=2).run("Go.", conversation=store.conversation("talk"))

    end, message = forks
    assert await said(end) == await said(message) == ["Go.", "a sees 1"]
    assert texts(await team("a", until=3).continue_run(message.id, store=store)) == ["Go.", "a sees 1", "a sees 2"]
    assert texts(await team("a", until=2).run("More.", conversation=end)) == ["More.", "a sees 3"]


async def test_fork_of_an_open_turn_leaves_it_out_unless_a_message_of_it_is_named(killed: Any) -> None:
    # ENGINE 21: killed when two of three had spoken
    store = open_store("memory:", clock=FakeClock())
    await finished(store, waves=True, until=4)
    left = await killed(await store.conversation("talk").entries(), before="said", nth=3)

    end, inside = await fork(left.store, "talk"), await fork(left.store, "talk", at=3)

    assert await said(end) == ["Go."]
    again = team(waves=True, until=4, word="again: ")
    assert texts(await again.continue_run(inside.id, store=left.store))[1:] == [
        "a sees 1",
        "b sees 1",
        "again: c sees 1",
    ]
    with pytest.raises(ConfigError, match="messages 1 to 3, no message 4"):
        await fork(left.store, "talk", at=4)


async def test_message_is_named_by_its_number_or_its_id(store: Any) -> None:
    result = await finished(store)
    messages = [m for m in result.messages if isinstance(m, BaseChatMessage)]

    for number, message in enumerate(messages, 1):
        by_number = await fork(store, "talk", at=str(number))
        by_id = await fork(store, "talk.1", at=message.id)
        assert await said(by_number) == await said(by_id) == texts(result)[:number]


@everywhere
async def test_what_is_kept_keeps_its_ids_in_forks_of_forks(store: Any) -> None:
    # ENGINE 13
    whole = [m.id for m in (await finished(store)).messages]

    first = await fork(store, "talk", at=5)
    second = await team().continue_run(first.id, store=store)
    third = await team().continue_run((await fork(store, first.id, at=6)).id, store=store)

    assert [m.id for m in second.messages][:5] == whole[:5]
    assert [m.id.partition(".")[0] for m in second.messages[5:]] == [first.id, first.id]
    assert [m.id for m in third.messages][:6] == [m.id for m in second.messages][:6]
    numbered = thread(first.id, fold(await store.read(first.id)))
    assert [said.id for said in numbered] == [m.id for m in second.messages]


@pytest.mark.parametrize(
    ("of", "at", "problem"),
    [
        ("none", 1, "There is no conversation none here"),
        ("talk.2", 1, "has no run 2. It has: 1"),
        ("talk", 8, "Conversation talk has messages 1 to 7, no message 8. `quorate show talk --ids` numbers them"),
        ("talk", 0, "no message 0"),
        ("talk", -1, "no message -1"),
        ("talk", "99", "no message 99"),
        ("talk", True, "no message True"),
        ("talk", "the third", r"Run talk.1 has no message and no step 'the third'"),
        ("talk", "9 turn/1 a/1 model", "no message and no step '9 turn/1 a/1 model'"),
        ("talk", "1 turn/1 a", "no message and no step"),
    ],
)
async def test_place_that_is_not_there_is_refused(store: Any, of: str, at: Any, problem: str) -> None:
    await finished(store)

    with pytest.raises(ConfigError, match=problem):
        await fork(store, of, at=at)

    assert [s.id for s in await store.conversations()] == ["talk"]


async def test_fork_with_a_name_that_is_taken_or_of_no_use_is_refused(store: Any) -> None:
    await finished(store)

    with pytest.raises(Conflict, match="There is a conversation talk already"):
        await fork(store, "talk", at=2, id="talk")
    with pytest.raises(ConfigError, match="looks like the id of a run"):
        await fork(store, "talk", at=2, id="other.2")
    with pytest.raises(ConfigError, match="effects='no' is neither"):
        await fork(store, "talk", at=2, effects="no")  # pyright: ignore[reportArgumentType]: it is wrong


# -- what it counts as ------------------------------------------------------------------------------------------------


async def test_fork_counts_what_the_kept_part_used(store: Any) -> None:
    whole = await finished(store)

    branch = await fork(store, "talk", at=4)
    again = await team().continue_run(branch.id, store=store)

    assert (again.turns, again.usage) == (whole.turns, whole.usage)


async def test_time_between_a_run_and_its_fork_is_no_time_of_work(store: Any) -> None:
    await finished(store)
    store.clock.advance(86_400)
    branch = await fork(store, "talk", at=6)
    store.clock.advance(86_400)

    result = await team(waves=False).continue_run(branch.id, store=store)

    assert result.outcome is not None
    assert result.outcome.kind == "completed"
    assert fold(await branch.entries())[1].active_s == 0


async def test_limit_that_ended_a_run_binds_its_fork_too(store: Any) -> None:
    limited = RoundRobinGroupChat(team().participants, max_turns=4)
    await limited.run("Go.", conversation=store.conversation("talk"))

    result = await limited.continue_run((await fork(store, "talk", at=3)).id, store=store)

    assert result.outcome is not None
    assert (result.outcome.kind, result.turns) == ("limit", 4)


async def test_fork_behind_a_wrap_up_has_it_and_goes_on_with_wider_limits(store: Any) -> None:
    limited = Team(team().participants, turns=RoundRobin(), limits=Limits(turns=4), wrap_up="Sum up.")
    whole = await limited.run("Go.", conversation=store.conversation("talk"))

    branch = await fork(store, "talk")

    record = fold(await branch.entries())[1]
    assert record.outcome is not None
    assert record.outcome.kind == "limit"
    result = await limited.continue_run(branch.id, store=store, limits=Limits(turns=5))
    assert texts(result)[:5] == texts(whole)[:5]
    assert result.turns == 5
    middle = await limited.continue_run((await fork(store, "talk", at=3)).id, store=store)
    assert middle.turns == 4


async def test_fork_at_the_last_message_of_a_completed_run_is_over_at_once_with_the_same_team(store: Any) -> None:
    await finished(store)

    branch = await fork(store, "talk", at=7)

    same = await team().continue_run(branch.id, store=store)
    assert same.outcome is not None
    assert (same.outcome.kind, same.turns) == ("completed", 6)


async def test_fork_of_a_long_conversation_writes_no_more_than_that_of_a_short_one(tmp_path: Path) -> None:
    # ENGINE 21
    written: list[tuple[int, int]] = []
    for turns in (4, 300):
        async with open_store(tmp_path / f"{turns}.db", clock=FakeClock()) as store:
            await RoundRobinGroupChat(team().participants, max_turns=turns, limits=Limits(model_calls=1000)).run(
                "Go.", conversation=store.conversation("talk")
            )
            await fork(store, "talk", at=turns - 1, id="other")
            with sqlite3.connect(tmp_path / f"{turns}.db") as db:
                sql = "SELECT count(*), sum(length(payload)) FROM entries WHERE place >> 32 = 2"
                written += db.execute(sql).fetchall()
            db.close()

    assert [count for count, _ in written] == [1, 1]
    assert abs(written[0][1] - written[1][1]) < 10


# -- the journal of a fork --------------------------------------------------------------------------------------------


async def test_requests_of_a_fork_are_rebuilt_from_its_journal_alone(tmp_path: Path) -> None:
    # ENGINE 14, 21
    async with open_store(tmp_path / "work.db", clock=FakeClock()) as store:
        for waves, id in ((False, "talk"), (True, "waves")):
            await team(waves=waves).run("Go.", conversation=store.conversation(id))
            branch = await fork(store, id, at=6, say="Something else." if waves else None)
            await team(waves=waves, word="again: ").continue_run(branch.id, store=store)

            rebuilt = requests(branch.id, await branch.entries())
            secret = store.secret(branch.owner)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]: it is SQLite

            def fingerprint(data: bytes, secret: bytes = secret) -> str:  # pyright: ignore[reportUnknownParameterType]: as above
                return keyed(secret, data)

            for ref, askings in rebuilt.items():
                check_digest(askings[-1], fingerprint, ref)
            assert len(rebuilt) == 6
            await store.verify(branch.id)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]: it is SQLite


@pytest.mark.parametrize("at", [1, 2, 5, 6])
@pytest.mark.parametrize("waves", [False, True])
async def test_fork_replays_with_its_own_definition_and_takes_the_kept_turns_as_given(
    store: Any, waves: bool, at: int
) -> None:
    # ENGINE 4, 21
    await finished(store, waves=waves)
    branch = await fork(store, "talk", at=at)
    other = team(waves=waves, word="again: ")
    await other.continue_run(branch.id, store=store)

    report = await replay(branch.id, team=other, store=store)

    assert report.identical
    assert report.given == (-(-(at - 1) // 3) if waves else at - 1)
    assert (await replay("talk", team=team(waves=waves), store=store)).given == 0


async def test_fork_at_the_end_replays_its_own_run(store: Any) -> None:
    await finished(store)
    branch = await fork(store, "talk")
    await team("a", until=3, word="x").run("More.", conversation=branch)

    assert (await replay(branch.id, team=team("a", until=3, word="x"), store=store)).identical


async def test_fork_cut_after_any_entry_comes_to_what_the_uninterrupted_one_came_to(store: Any) -> None:
    # ENGINE 1, 21: what a process left that was killed while it went on with a fork
    await finished(store, waves=True)
    for at, say in ((3, None), (6, None), (6, "Else."), (4, None)):
        branch = await fork(store, "talk", at=at, say=say)
        begun = len(await branch.entries())
        whole = await team(waves=True, word="again: ").continue_run(branch.id, store=store)
        entries = await branch.entries()
        for cut in range(begun, len(entries)):
            left = await fork(store, "talk", at=at, say=say)
            journal = await store.open(left.id)
            for entry in entries[begun:cut]:
                journal.append(entry.run, entry.path, entry.kind, entry.payload)
            await journal.commit()
            await journal.release()
            result = await team(waves=True, word="again: ").continue_run(left.id, store=store)
            assert texts(result) == texts(whole)
            assert (result.turns, result.usage.completion_tokens) == (whole.turns, whole.usage.completion_tokens)


# -- changing what was said -------------------------------------------------------------------------------------------


async def test_another_message_in_place_of_one_is_what_everybody_remembers(store: Any) -> None:
    # ENGINE 21: at each place of a wave and of a round
    for waves in (False, True):
        talk = store.conversation(f"talk{waves}")
        whole = texts(await team(waves=waves).run("Go.", conversation=talk))
        for at in range(1, 8):
            seen: list[str] = []

            def line(request: ModelRequest, seen: list[str] = seen) -> str:
                seen.extend(str(block.content) for block in request.blocks)
                return "new"

            members = [AssistantAgent(n, ScriptedModel(itertools.repeat(line)), system_message=n) for n in "abc"]
            branch = await fork(store, talk.id, at=at, say="Something else.")
            turns: Any = Waves() if waves else RoundRobin()
            other = Team(members, turns=turns, termination_condition=MaxMessageTermination(10))
            result = await other.continue_run(branch.id, store=store)

            assert texts(result)[:at] == [*whole[: at - 1], "Something else."]
            assert any("Something else." in text for text in seen)
            assert not any(text == whole[at - 1] for text in texts(result)[at - 1 :])
            assert len({m.id for m in result.messages}) == len(result.messages)


async def test_answer_of_a_person_is_changed_and_stays_a_persons(store: Any) -> None:
    def members(word: str) -> list[Any]:
        person = UserProxyAgent("ann", input_func=lambda _: "Yes.")
        return [person, AssistantAgent("a", counting(word), system_message="a")]

    until = MaxMessageTermination(3)
    talk = store.conversation("talk")
    await RoundRobinGroupChat(members(""), termination_condition=until).run("Go.", conversation=talk)

    branch = await fork(store, "talk", at=2, say="No.")
    result = await RoundRobinGroupChat(members("x"), termination_condition=until).continue_run(branch.id, store=store)

    assert texts(result) == ["Go.", "No.", "xa sees 2"]
    closing = next(e for e in await branch.entries() if e.kind == "said")
    assert closing.payload["origin"] == "person"


async def test_other_task_is_worked_on_from_the_beginning(store: Any) -> None:
    await finished(store)

    result = await team(until=2).continue_run((await fork(store, "talk", at=1, say="Stop.")).id, store=store)

    assert texts(result) == ["Stop.", "a sees 1"]
    assert result.messages[0].source == "user"


class Stepping(Agent):
    """Makes two steps and says what came of them."""

    def __init__(self, made: list[str]) -> None:
        super().__init__("s")
        self.made = made

    async def speak(self, turn: Turn) -> TextMessage:
        async def one() -> int:
            self.made.append("one")
            return 1

        async def two() -> list[int]:
            self.made.append("two")
            return [2]

        first = await step("one", one, effect="read")
        return TextMessage(content=f"{first} {await step('two', two, effect='read')}", source="s")


async def test_outcome_of_a_step_is_changed_and_its_speech_made_again_from_there(store: Any) -> None:
    # ENGINE 2, 21
    made: list[str] = []
    stepping = RoundRobinGroupChat([lambda: Stepping(made)], termination_condition=MaxMessageTermination(3))
    await stepping.run("Go.", conversation=store.conversation("talk"))
    made.clear()

    first = await fork(store, "talk", at="2 turn/1 s/1 one", say=[7])
    second = await fork(store, "talk", at="talk.1/2 turn/1 s/2 two", say=None)
    third = await fork(store, "talk", at="2 turn/1 s/2 two", say={"n": 1})

    assert texts(await stepping.continue_run(first.id, store=store)) == ["Go.", "1 [2]", "[7] [2]"]
    assert made == ["two"]
    assert texts(await stepping.continue_run(second.id, store=store)) == ["Go.", "1 [2]", "1 [2]"]
    assert texts(await stepping.continue_run(third.id, store=store)) == ["Go.", "1 [2]", "1 {'n': 1}"]
    assert made == ["two"]


def buying(did: list[str]) -> Team:
    """Return a team of one whose model looks and buys in one reply, and says what came of it."""

    @tool(effect="read")
    async def look(n: int) -> str:
        """Look."""
        did.append(f"look {n}")
        return f"saw {n}"

    @tool
    async def buy(n: int) -> str:
        """Buy."""
        did.append(f"buy {n}")
        return f"bought {n}"

    def line(request: ModelRequest) -> object:
        results = getattr(request.blocks[-1], "results", ())
        if results:
            return " and ".join(r.content for r in results)
        return [ToolCall("1", "look", '{"n": 1}'), ToolCall("2", "buy", '{"n": 2}')]

    agent = AssistantAgent("a", ScriptedModel(itertools.repeat(line)), tools=[look, buy], system_message="a")
    return RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(2))


async def test_result_of_a_tool_is_changed_and_its_siblings_are_kept(store: Any) -> None:
    # ENGINE 21
    did: list[str] = []
    await buying(did).run("Go.", conversation=store.conversation("talk"))

    for at, expected in {
        "1 turn/1 a/2 look": "other and bought 2",
        "1 turn/1 a/3 buy": "saw 1 and other",
        "1 turn/1 a/4 model": "other",
        "1 turn/1 a/1 model": "other",
        2: "other",
    }.items():
        branch = await fork(store, "talk", at=at, say="other")
        result = await buying(did).continue_run(branch.id, store=store)
        assert texts(result) == ["Go.", expected]
        assert (await replay(branch.id, team=buying(did), store=store)).identical

    assert did == ["look 1", "buy 2"]


@pytest.mark.parametrize(
    ("at", "say", "problem"),
    [
        ("end", "x", "At the end there is no message to say something in place of"),
        (2, 7, "What is said in place of message 2 is a text, not 7"),
        ("1 turn/1 a/2 look", 7, "What turn 1 / a / look 2 comes to is a text, not 7"),
    ],
)
async def test_what_cannot_be_said_is_refused(store: Any, at: Any, say: Any, problem: str) -> None:
    await buying([]).run("Go.", conversation=store.conversation("talk"))

    with pytest.raises(ConfigError, match=problem):
        await fork(store, "talk", at=at, say=say)


async def told_things(store: Any) -> list[str]:
    """Run a conversation in which a person steers, queues twice and interrupts; return its thread."""

    async def say(kind: str, text: str) -> None:
        await post(store, ("talk", 1), kind, text, by="ann")

    class Told(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            seen = len(turn.thread)
            if seen == 3:
                await say("queue", "Queued 1.")
                await say("queue", "Queued 2.")
            if seen == 7:
                await say("interrupt", "Halt.")
                await asyncio.sleep(0)
                await step("late", lambda: asyncio.sleep(9), effect="read")
            return TextMessage(content=f"t sees {seen}", source=self.name)

    @tool(effect="read")
    async def look() -> str:
        """Look."""
        await say("steer", "Steered.")
        return "saw"

    lines = itertools.chain([ToolCall("1", "look", "{}"), "looked"], itertools.repeat("a says"))
    members = [AssistantAgent("a", ScriptedModel(lines), tools=[look], system_message="a"), Told("t")]
    until = MaxMessageTermination(9)
    result = await RoundRobinGroupChat(members, termination_condition=until).run(
        "Go.", conversation=store.conversation("talk")
    )
    return texts(result)


async def test_fork_at_what_a_person_said_on_the_way(store: Any) -> None:
    # ENGINE 16, 21
    whole = await told_things(store)
    assert whole == ["Go.", "Steered.", "looked", "t sees 3", "Queued 1.", "Queued 2.", "a says", "Halt.", "a says"]
    numbered = thread("talk", fold(await store.read("talk")))
    assert [said.kind for said in numbered] == [
        "said", "steer", "said", "said", "heard", "heard", "said", "interrupt", "said",
    ]  # fmt: skip

    for at in range(1, 10):
        for text in (None, "Else."):
            branch = await fork(store, "talk", at=at, say=text)
            kept = whole[:at] if text is None else [*whole[: at - 1], text]
            result = await team("a", "t", until=at + 1, word="x").continue_run(branch.id, store=store)
            assert texts(result)[:at] == kept
            assert len(texts(result)) == at + 1
            if at != 2:
                assert [said.id for said in thread(branch.id, fold(await branch.entries()))] == [
                    m.id for m in result.messages if isinstance(m, BaseChatMessage)
                ]


# -- effects ----------------------------------------------------------------------------------------------------------


async def answered(store: Any, branch: Conversation, of: Team, answer: Any) -> TaskResult:
    waiting = await of.continue_run(branch.id, store=store)
    assert waiting.outcome is not None
    assert waiting.outcome.kind == "waiting"
    (question,) = waiting.outcome.questions
    await store.post(branch.id, Note(question, "answer", {"value": answer}))
    return await of.continue_run(branch.id, store=store)


@pytest.mark.parametrize(
    ("answer", "expected", "done"),
    [
        (True, "saw 1 and bought 2", ["look 1", "buy 2"]),
        ({"result": "bought before"}, "saw 1 and bought before", ["look 1"]),
        ({"result": {"n": 2}}, 'saw 1 and {"n": 2}', ["look 1"]),
        ("too dear", "saw 1 and buy was refused by a person: too dear.", ["look 1"]),
        (False, "saw 1 and buy was refused by a person.", ["look 1"]),
    ],
)
async def test_new_call_in_a_fork_asks_first_unless_it_only_reads(
    store: Any, answer: Any, expected: str, done: list[str]
) -> None:
    # ENGINE 21
    did: list[str] = []
    await buying(did).run("Go.", conversation=store.conversation("talk"))
    did.clear()

    branch = await fork(store, "talk", at=1)
    result = await answered(store, branch, buying(did), answer)

    assert texts(result) == ["Go.", expected]
    assert did == done
    assert fold(await branch.entries())[1].meter().tool_calls == 2
    assert (await replay(branch.id, team=buying(did), store=store)).identical


@everywhere
async def test_question_shows_the_exact_call_and_its_answer_is_used_for_no_other(store: Any) -> None:
    # ENGINE 21, DESIGN 8: an approval binds to the exact call
    await buying([]).run("Go.", conversation=store.conversation("talk"))
    branch = await fork(store, "talk", at=1)
    waiting = await buying([]).continue_run(branch.id, store=store)

    question = next(e for e in await branch.entries() if e.kind == "question")

    assert waiting.outcome is not None
    assert waiting.outcome.questions == (question.payload["id"],)
    assert (question.payload["name"], question.payload["arguments"]) == ("buy", '{"n":2}')
    assert 'May buy({"n":2}) be called?' in question.payload["text"]
    with pytest.raises(Conflict, match="not settled"):
        await buying([]).run("Else.", conversation=branch)


async def test_answer_is_used_once_and_holds_over_a_crash(killed: Any) -> None:
    # ENGINE 6: an unused approval stands
    store = open_store("memory:", clock=FakeClock())
    await buying([]).run("Go.", conversation=store.conversation("talk"))
    branch = await fork(store, "talk", at=1, id="other")
    await answered(store, branch, buying([]), True)
    entries = await branch.entries()
    after = next(i for i, e in enumerate(entries) if e.kind == "answer") + 1
    did: list[str] = []
    left = await killed([e for e in entries if not (e.kind == "result" and e.path.endswith("look"))], after=after - 1)

    result = await buying(did).continue_run("talk", store=left.store)

    assert texts(result) == ["Go.", "saw 1 and bought 2"]
    assert did == ["look 1", "buy 2"]
    assert sum(e.kind == "question" for e in await left.entries()) == 1


@pytest.mark.parametrize("when", ["at the fork", "when it goes on"])
async def test_live_effects_are_made_directly(store: Any, when: str) -> None:
    # ENGINE 21
    did: list[str] = []
    await buying(did).run("Go.", conversation=store.conversation("talk"))

    branch = await fork(store, "talk", at=1, effects="live" if when == "at the fork" else "ask")
    effects = None if when == "at the fork" else "live"
    result = await buying(did).continue_run(branch.id, store=store, effects=effects)  # pyright: ignore[reportArgumentType]: one of the two

    assert texts(result) == ["Go.", "saw 1 and bought 2"]
    assert did == ["look 1", "buy 2"] * 2
    keys = [e.payload["key"] for of in ("talk", branch.id) for e in await store.read(of) if e.kind == "intent"]
    assert len(set(keys)) == 2


async def test_new_run_of_a_fork_asks_too_and_a_run_of_its_parent_does_not(store: Any) -> None:
    # ENGINE 21
    did: list[str] = []
    await buying(did).run("Go.", conversation=store.conversation("talk"))
    branch = await fork(store, "talk")

    result = await buying(did).run("More.", conversation=branch)
    other = await buying(did).run("More.", conversation=store.conversation("talk"))

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"
    assert texts(other) == ["More.", "saw 1 and bought 2"]
    assert did == ["look 1", "buy 2", "look 1", "look 1", "buy 2"]


async def test_step_that_a_person_refuses_raises_denied(store: Any) -> None:
    caught: list[Exception] = []

    class Paying(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            async def pay() -> str:
                return "paid"

            try:
                return TextMessage(content=await step("pay", pay), source=self.name)
            except Denied as error:
                caught.append(error)
                return TextMessage(content="not paid", source=self.name)

    paying = RoundRobinGroupChat([Paying("p")], termination_condition=MaxMessageTermination(2))
    await paying.run("Go.", conversation=store.conversation("talk"))

    refused = await answered(store, await fork(store, "talk", at=1), paying, False)
    given = await answered(store, await fork(store, "talk", at=1), paying, {"result": "by hand"})

    assert texts(refused) == ["Go.", "not paid"]
    assert texts(given) == ["Go.", "by hand"]
    assert str(caught[0]) == "pay was refused by a person."


@everywhere
async def test_definition_of_a_fork_is_an_entry(store: Any) -> None:
    # ENGINE 3
    await finished(store)

    branch = await fork(store, "talk", at=3, definition={"app": "demo:team"})

    assert fold(await branch.entries())[1].app == "demo:team"
    kinds = [e.kind for e in await branch.entries()]
    assert kinds[-2:] == ["fork", "definition"]
    assert json.loads(json.dumps([e.payload for e in await branch.entries()]))
    assert all(isinstance(e, Entry) for e in await branch.entries())
