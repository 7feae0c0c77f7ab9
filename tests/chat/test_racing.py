"""Races: timing decides who wins, the journal keeps it, and what it decided never changes again (ENGINE 4, 7, 8)."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    MaxMessageTermination,
    RoundRobinGroupChat,
    Team,
    TextMessage,
    Turn,
    ask,
    conversation,
    replay,
    step,
    tool,
)
from quorate.chat.facts import Fact, Thread
from quorate.chat.messages import BaseChatMessage, TaskResult
from quorate.chat.turns import Speak, Stop
from quorate.errors import Divergence, RunFailed
from quorate.models import ToolCall
from quorate.runs.entries import Entry
from quorate.runs.inbox import Note
from quorate.testing import FakeClock, ScriptedModel


class First:
    """All speak at once, until so many have; then whoever is named `judge` does."""

    def __init__(self, need: int, rounds: int = 1) -> None:
        self.need, self.rounds = need, rounds

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        return memory + (fact.choice is not None)

    def next(self, memory: int, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        if memory % 2 == 0:
            racing = tuple(name for name in members if name != "judge")
            return Speak(racing, "a race") if memory < 2 * self.rounds else Stop("judged")
        return Speak(("judge",), "it judges")

    def enough(self, memory: int, done: Mapping[str, BaseChatMessage]) -> bool:
        return len(done) >= self.need


class Runner(Agent):
    """Makes some steps, waits between them as long as it is told, and says its name."""

    def __init__(self, name: str, waits: int, *, steps: int = 2) -> None:
        super().__init__(name)
        self.waits, self.steps, self.came = waits, steps, list[str]()

    async def speak(self, turn: Turn) -> TextMessage:
        for n in range(self.steps):
            for _ in range(self.waits):
                await asyncio.sleep(0)
            self.came.append(await step(f"step{n}", self._value, effect="read"))
        return TextMessage(content=f"{self.name} after {len(turn.thread)}", source=self.name)

    async def _value(self) -> str:
        await asyncio.sleep(0)
        return self.name


class Judge(Agent):
    async def speak(self, turn: Turn) -> TextMessage:
        said = [m.source for m in turn.new]
        return TextMessage(content=f"heard {', '.join(said)}", source=self.name)


def race(*runners: Agent, need: int = 1, rounds: int = 1, patience: int | None = None) -> Team:
    return Team([*runners, Judge("judge")], turns=First(need, rounds), patience=patience)


def said(result: TaskResult) -> list[str]:
    return [m.to_text() for m in result.messages if isinstance(m, TextMessage)]


def won(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    return [tuple(e.payload["winners"]) for e in entries if e.kind == "won"]


async def test_first_to_finish_ends_the_wave_and_the_others_leave_no_word() -> None:
    talk = conversation("talk")
    slow = Runner("slow", 50, steps=9)

    result = await race(slow, Runner("fast", 1)).run(task="Go.", conversation=talk)

    assert said(result) == ["Go.", "fast after 1", "heard user, fast"]
    assert won(await talk.entries()) == [("fast",)]
    assert len(slow.came) < 9
    assert result.outcome is not None
    assert result.outcome.kind == "completed"


async def test_winners_appear_in_the_order_named_and_are_journaled_in_the_order_in_which_they_finished() -> None:
    talk = conversation("talk")
    runners = [Runner("a", 20), Runner("b", 300), Runner("c", 1), Runner("d", 9)]

    result = await race(*runners, need=3).run(task="Go.", conversation=talk)

    assert [m.source for m in result.messages[1:-1]] == ["a", "c", "d"]
    assert won(await talk.entries()) == [("c", "d", "a")]


async def test_wave_in_which_enough_is_never_said_waits_for_all() -> None:
    talk = conversation("talk")

    result = await race(Runner("a", 9), Runner("b", 1), need=3).run(task="Go.", conversation=talk)

    assert said(result)[1:3] == ["a after 1", "b after 1"]
    assert won(await talk.entries()) == []


async def test_race_is_replayed_with_the_same_winners_whatever_is_faster_now() -> None:
    # ENGINE 4
    draw = random.Random(7)
    for _ in range(40):
        names = [f"r{i}" for i in range(draw.randint(2, 5))]
        waits = {name: draw.randint(0, 12) for name in names}
        need, talk = draw.randint(1, len(names)), conversation("talk")
        steps = {name: draw.randint(0, 4) for name in names}
        await race(*[Runner(n, waits[n], steps=steps[n]) for n in names], need=need, rounds=2).run(
            task="Go.", conversation=talk
        )
        others = [Runner(n, draw.randint(0, 12), steps=steps[n]) for n in names]

        report = await replay("talk", team=race(*others, need=need, rounds=2), store=talk.store)

        assert report.identical
        assert report.result is not None
        assert said(report.result)[-1].startswith("heard")
        assert [r.came for r in others] == [[r.name] * len(r.came) for r in others]


async def test_replay_tells_when_something_else_would_be_enough_now() -> None:
    talk = conversation("talk")
    await race(Runner("a", 9), Runner("b", 1), Runner("c", 30), need=2).run(task="Go.", conversation=talk)

    with pytest.raises(Divergence, match=r"turn 1: what b said was not enough to end the wave, now it is\."):
        await replay("talk", team=race(Runner("a", 9), Runner("b", 1), Runner("c", 30), need=1), store=talk.store)
    with pytest.raises(Divergence, match=r"what b, a said was enough to end the wave, now it is not\."):
        await replay("talk", team=race(Runner("a", 9), Runner("b", 1), Runner("c", 30), need=3), store=talk.store)


async def test_race_cut_at_any_entry_goes_on_with_the_winners_that_were_journaled(killed: Any) -> None:
    # ENGINE 1
    talk = conversation("talk", clock=FakeClock())
    await race(Runner("a", 3), Runner("b", 9), Runner("c", 1), need=2, rounds=2).run(task="Go.", conversation=talk)
    entries = await talk.entries()
    for after in range(1, len(entries)):
        left = await killed(entries, after=after)
        before = await left.entries()
        runners = [Runner("a", 9), Runner("b", 1), Runner("c", 3)]  # others would be faster now

        result = await race(*runners, need=2, rounds=2).continue_run("talk", store=left.store)

        assert result.outcome is not None
        assert result.outcome.kind == "completed"
        now = await left.entries()
        assert won(now)[: len(won(before))] == won(before)
        assert len(won(now)) == 2
        assert (await replay("talk", team=race(Runner("a", 0), Runner("b", 0), Runner("c", 0), need=2, rounds=2),
                             store=left.store)).identical  # fmt: skip
        closed = {e.path for e in before if e.kind in {"said", "value"}}
        made = [e.path for e in now if e.kind in {"said", "value"}]
        assert len(made) == len(set(made)), "no step is made twice"
        assert closed <= set(made)


# -- unsafe calls -----------------------------------------------------------------------------------------------------


class Paying:
    """A tool that takes its time, and counts whom it has paid."""

    def __init__(self, turns: int) -> None:
        self.began, self.ended, self.turns = 0, 0, turns

        @tool
        async def pay(cents: int) -> str:
            """Pay."""
            self.began += 1
            for _ in range(self.turns):
                await asyncio.sleep(0)
            self.ended += 1
            return f"paid {cents}"

        self.pay = pay


def payer(paying: Paying, *, calls: int = 1) -> AssistantAgent:
    asked = [ToolCall(str(n), "pay", f'{{"cents":{n}}}') for n in range(calls)]
    return AssistantAgent("payer", ScriptedModel([asked, "done"]), tools=[paying.pay])


def kinds(entries: Sequence[Entry], speaker: str) -> list[str]:
    return [e.kind for e in entries if f" {speaker}" in e.path]


@pytest.mark.parametrize("calls", [1, 2])
async def test_loser_inside_an_unsafe_call_finishes_it_and_makes_no_further_step(calls: int) -> None:
    talk, paying = conversation("talk"), Paying(40)

    result = await race(payer(paying, calls=calls), Runner("fast", 4)).run(task="Go.", conversation=talk)

    entries = await talk.entries()
    assert said(result) == ["Go.", "fast after 1", "heard user, fast"]
    assert (paying.began, paying.ended) == (calls, calls)
    assert kinds(entries, "payer") == ["call", "reply"] + ["intent"] * calls + ["result"] * calls
    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.open_intents) == ("completed", ())
    report = await replay("talk", team=race(payer(Paying(0), calls=calls), Runner("fast", 1)), store=talk.store)
    assert report.identical


async def test_loser_beside_whose_unsafe_call_another_would_take_for_ever_ends_with_the_unsafe_one() -> None:
    talk, paying = conversation("talk"), Paying(40)
    hung: list[str] = []

    @tool(effect="read")
    async def hang() -> str:
        """Hang."""
        try:
            await asyncio.sleep(3600)
        finally:
            hung.append("ended")
        return ""

    asked = [ToolCall("1", "hang", "{}"), ToolCall("2", "pay", '{"cents":1}')]
    both = AssistantAgent("payer", ScriptedModel([asked, "done"]), tools=[paying.pay, hang])

    result = await race(both, Runner("fast", 4)).run(task="Go.", conversation=talk)

    assert said(result)[-1] == "heard user, fast"
    assert paying.ended == 1
    assert hung == ["ended"]


async def test_no_unsafe_call_is_cut_in_any_of_many_races() -> None:
    draw = random.Random(3)
    for _ in range(60):
        talk, paying = conversation("talk"), Paying(draw.randint(0, 20))
        others = [Runner(f"r{i}", draw.randint(0, 20)) for i in range(draw.randint(1, 3))]
        team = race(*others, payer(paying, calls=draw.randint(1, 3)), need=draw.randint(1, 2))

        result = await team.run(task="Go.", conversation=talk)

        assert paying.began == paying.ended
        assert result.outcome is not None
        assert result.outcome.kind == "completed"
        entries = await talk.entries()
        assert sum(e.kind == "intent" for e in entries) == paying.ended == sum(e.kind == "result" for e in entries)


async def test_loser_whose_effect_is_unknown_keeps_the_turn_open_until_a_person_has_said() -> None:
    # ENGINE 7: the winner stands meanwhile
    talk = conversation("talk")

    @tool
    async def pay(cents: int) -> str:
        """Pay."""
        for _ in range(30):
            await asyncio.sleep(0)
        raise TimeoutError("no answer")

    paying = Paying(0)
    paying.pay = pay
    first = await race(payer(paying), Runner("fast", 4)).run(task="Go.", conversation=talk)
    assert first.outcome is not None
    assert first.outcome.kind == "waiting"
    entries = await talk.entries()
    assert won(entries) == [("fast",)]
    assert not any(e.kind == "turn" for e in entries)
    await talk.store.post("talk", Note(first.outcome.questions[0], "answer", {"happened": True, "result": "paid"}))
    slow = Runner("fast", 99)

    result = await race(payer(paying), slow).continue_run("talk", store=talk.store)

    assert result.outcome is not None
    assert result.outcome.kind == "completed"
    assert said(result) == ["Go.", "fast after 1", "heard user, fast"]
    assert slow.came == []


async def test_question_of_a_loser_is_withdrawn() -> None:
    class Asking(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            return TextMessage(content=await ask("Which?"), source=self.name)

    talk = conversation("talk")

    result = await race(Asking("asks"), Runner("fast", 4)).run(task="Go.", conversation=talk)

    assert result.outcome is not None
    assert result.outcome.kind == "completed"
    assert [e.payload for e in await talk.entries() if e.kind == "answer"] == [{"withdrawn": True}]
    assert (await replay("talk", team=race(Asking("asks"), Runner("fast", 0)), store=talk.store)).identical


async def test_speaker_who_waits_for_a_person_has_not_finished() -> None:
    class Asking(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            return TextMessage(content=await ask("Which?"), source=self.name)

    result = await race(Asking("asks"), Runner("fast", 4), need=2).run(task="Go.")

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"


async def test_loser_hears_again_what_it_had_no_word_on() -> None:
    heard: list[list[str]] = []

    class Listening(Runner):
        async def speak(self, turn: Turn) -> TextMessage:
            heard.append([m.to_text() for m in turn.new])
            return await super().speak(turn)

    await race(Listening("slow", 99), Runner("fast", 1), rounds=2).run(task="Go.")

    assert heard == [["Go."], ["Go.", "fast after 1", "heard user, fast"]]


async def test_loser_that_speaks_although_it_is_cancelled_leaves_no_word_and_hears_it_all_again() -> None:
    heard: list[list[str]] = []

    class Stubborn(Runner):
        async def speak(self, turn: Turn) -> TextMessage:
            heard.append([m.to_text() for m in turn.new])
            try:
                return await super().speak(turn)
            except asyncio.CancelledError:
                return TextMessage(content="All the same.", source=self.name)

    result = await race(Stubborn("slow", 99), Runner("fast", 1), rounds=2).run(task="Go.")

    assert "All the same." not in [m.to_text() for m in result.messages]
    assert heard == [["Go."], ["Go.", "fast after 1", "heard user, fast"]]


async def test_error_of_a_loser_is_not_the_runs_and_one_before_the_end_is() -> None:
    class Failing(Runner):
        async def speak(self, turn: Turn) -> TextMessage:
            try:
                await super().speak(turn)
            except BaseException as error:
                raise ValueError("broken") from error
            raise ValueError("broken")

    result = await race(Failing("fails", 99), Runner("fast", 1)).run(task="Go.")
    assert said(result)[-1] == "heard user, fast"
    with pytest.raises(RunFailed, match="broken"):
        await race(Failing("fails", 1), Runner("slow", 99)).run(task="Go.")


async def test_what_losers_used_counts() -> None:
    class Slow(ScriptedModel):
        async def stream(self, request: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
            for _ in range(50):
                await asyncio.sleep(0)
            async for event in super().stream(request):
                yield event

    talk = conversation("talk")
    slow = AssistantAgent("slow", Slow(["late"]))

    result = await race(slow, Runner("fast", 4)).run(task="Go.", conversation=talk)

    assert result.usage.prompt_tokens + result.usage.completion_tokens == 0
    assert (await talk.entries())[-1].payload["unsettled_tokens"] > 0


# -- teams inside -----------------------------------------------------------------------------------------------------


def with_a_team_that_loses() -> Team:
    """A team of slow ones in a race with a fast one, twice; what it hears is only what it had a word on."""
    slow = race(Runner("x", 1, steps=1), Runner("y", 2, steps=1), need=2, rounds=40)
    slow.name = "team"
    return race(slow, Runner("fast", 40, steps=1), rounds=2)


async def test_team_that_loses_a_race_leaves_no_word_live_and_when_going_on(killed: Any) -> None:
    # ENGINE 1, 4
    talk = conversation("talk", clock=FakeClock())
    whole = await with_a_team_that_loses().run(task="Go.", conversation=talk)
    entries = await talk.entries()
    assert won(entries) == [("fast",)] * 2
    assert said(whole)[1:] == ["fast after 1", "heard user, fast", "fast after 3", "heard judge, fast"]
    assert sum(e.kind == "said" and "team/" in e.path for e in entries) > 2, "it came somewhere"
    for after in range(1, len(entries), 3):
        left = await killed(entries, after=after)

        result = await with_a_team_that_loses().continue_run("talk", store=left.store)

        assert [m.source for m in result.messages] == ["user", "fast", "judge", "fast", "judge"]
        assert (await replay("talk", team=with_a_team_that_loses(), store=left.store)).identical


async def test_race_and_words_of_a_policy_inside_a_team_are_passed_on_and_replayed(killed: Any) -> None:
    # ENGINE 1, 4
    class Chair(First):
        def next(self, memory: int, thread: Thread, members: Sequence[str]) -> Speak | Stop:
            chosen = super().next(memory, thread, members)
            if isinstance(chosen, Speak):
                return chosen
            return Stop("judged", say=(TextMessage(content="We are done.", source="chair"),))

    def around(*waits: int) -> Team:
        runners = [Runner(name, wait, steps=1) for name, wait in zip("abc", waits, strict=True)]
        inner = Team([*runners, Judge("judge")], turns=Chair(2), patience=None, name="inner")
        return RoundRobinGroupChat([inner, Judge("last")], max_turns=2)

    talk = conversation("talk", clock=FakeClock())
    whole = await around(3, 30, 1).run(task="Go.", conversation=talk)
    entries = await talk.entries()
    assert said(whole) == ["Go.", "We are done.", "heard user, inner"]
    assert [(e.path, e.payload["winners"]) for e in entries if e.kind == "won"] == [
        ("1 turn/1 inner/1 turn", ("c", "a"))
    ]
    assert (await replay("talk", team=around(0, 0, 9), store=talk.store)).identical
    for after in range(1, len(entries), 2):
        left = await killed(entries, after=after)

        result = await around(9, 1, 30).continue_run("talk", store=left.store)

        assert said(result) == said(whole)
        assert (await replay("talk", team=around(0, 0, 0), store=left.store)).identical


async def test_race_of_a_team_inside_ends_while_those_beside_it_still_speak() -> None:
    class Waiting(Agent):
        """Speaks once something happened; says what, where it is cancelled."""

        def __init__(self, name: str, until: asyncio.Event, cut: asyncio.Event) -> None:
            super().__init__(name)
            self.until, self.cut = until, cut

        async def speak(self, turn: Turn) -> TextMessage:
            try:
                await asyncio.wait_for(self.until.wait(), 60)
            except asyncio.CancelledError:
                self.cut.set()
                raise
            return TextMessage(content=f"{self.name} goes on.", source=self.name)

    never, at_once, cut = asyncio.Event(), asyncio.Event(), asyncio.Event()
    at_once.set()
    inner = race(Waiting("a", at_once, cut), Waiting("b", never, cut), need=1)
    inner.name = "inner"
    beside = Waiting("beside", cut, asyncio.Event())

    result = await Team([inner, beside], turns=First(2), termination_condition=MaxMessageTermination(3)).run(task="Go.")

    assert [m.source for m in result.messages] == ["user", "inner", "beside"]
