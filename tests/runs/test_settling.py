"""Calls whose outcome is unknown: how fresh an intent must be, who follows whom, and what comes late."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from quorate import AssistantAgent, RoundRobinGroupChat, Turn, open_store, step, tool
from quorate.errors import Conflict, OutcomeUnknown, RunFailed
from quorate.models import ToolCall
from quorate.runs.inbox import Note
from quorate.runs.journal import Conversation
from quorate.runs.steps import FRESH_S, DidNot, Happened, Settlement
from quorate.testing import FakeClock, ScriptedModel

PAY = ToolCall("c1", "pay", '{"cents": 5}')


class Slow:
    """A store whose commits take long, as they do for a process that is stopped in the middle."""

    def __init__(self, inner: Any, clock: FakeClock, delays: list[float]) -> None:
        self._inner, self._clock, self._delays = inner, clock, delays

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def open(self, id: str, **options: Any) -> Any:
        return Slow(await self._inner.open(id, **options), self._clock, self._delays)

    async def commit(self, *, sync: bool = False) -> None:
        await self._inner.commit(sync=sync)
        if sync and self._delays:
            self._clock.advance(self._delays.pop(0))


class Till:
    """A tool that counts its payments."""

    def __init__(self, known: Settlement | Exception | str = "no reconcile", **options: Any) -> None:
        self.paid: list[int] = []
        self.asked = 0

        async def reconcile(key: str, arguments: str) -> Any:
            self.asked += 1
            if isinstance(known, Exception):
                raise known
            return known

        @tool(reconcile=None if known == "no reconcile" else reconcile, **options)
        async def pay(cents: int) -> str:
            """Pay."""
            self.paid.append(cents)
            return f"receipt {len(self.paid)}"

        self.pay: Any = pay

    def team(self, *lines: object) -> RoundRobinGroupChat:
        return RoundRobinGroupChat([AssistantAgent("clerk", ScriptedModel(lines), tools=[self.pay])], max_turns=1)


async def kinds_of(store: Any, path: str) -> list[str]:
    return [e.kind for e in await store.read("talk") if e.path.endswith(path)]


# -- how fresh --------------------------------------------------------------------------------------------------------


async def test_unsafe_call_whose_intent_became_too_old_is_not_made_but_announced_again(tmp_path: Path) -> None:
    # ENGINE 9
    clock, till = FakeClock(), Till()
    async with open_store(tmp_path / "work.db", clock=clock) as store:
        talk = Conversation(Slow(store, clock, [FRESH_S + 1]), "talk")

        result = await till.team(PAY, "Done.").run(task="Pay.", conversation=talk)

        entries = [e for e in await store.read("talk") if e.path.endswith("2 pay")]
    assert [e.kind for e in entries] == ["intent", "settled", "intent", "result"]
    assert entries[1].payload == {"by": "its age"}
    assert [e.payload.get("attempt", 1) for e in entries if e.kind == "intent"] == [1, 2]
    assert till.paid == [5]
    assert result.messages[-1].to_text() == "Done."


async def test_unsafe_call_is_made_while_its_intent_is_fresh(tmp_path: Path) -> None:
    # ENGINE 9
    clock, till = FakeClock(), Till()
    async with open_store(tmp_path / "work.db", clock=clock) as store:
        await till.team(PAY, "Done.").run(
            task="Pay.", conversation=Conversation(Slow(store, clock, [FRESH_S - 1]), "talk")
        )

        assert await kinds_of(store, "2 pay") == ["intent", "result"]


async def test_store_that_is_always_too_slow_fails_the_run_and_nothing_was_done(tmp_path: Path) -> None:
    # ENGINE 9, bounded
    clock, till = FakeClock(), Till()
    async with open_store(tmp_path / "work.db", clock=clock) as store:
        with pytest.raises(RunFailed, match="the store is too slow"):
            await till.team(PAY).run(task="Pay.", conversation=Conversation(Slow(store, clock, [9.0] * 9), "talk"))
        paid = till.paid[:]

        result = await till.team("Done.").continue_run("talk", store=store)

    assert paid == []
    assert till.paid == [5]
    assert result.messages[-1].to_text() == "Done."


async def test_blocking_tool_whose_thread_starts_too_late_is_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # ENGINE 9: between the check and the thread
    clock, paid = FakeClock(), list[int]()
    start = threading.Thread.start

    def slowly(self: threading.Thread) -> None:
        if self.name == "quorate-tool" and not paid and not late:
            late.append(True)
            clock.advance(FRESH_S + 1)
        start(self)

    late: list[bool] = []

    @tool
    def pay(cents: int) -> str:
        """Pay."""
        paid.append(cents)
        return "receipt"

    clerk = AssistantAgent("clerk", ScriptedModel([PAY, "Done."]), tools=[pay])
    async with open_store(tmp_path / "work.db", clock=clock) as store:
        monkeypatch.setattr(threading.Thread, "start", slowly)
        await clerk.run(task="Pay.", conversation=store.conversation("talk"))

        assert await kinds_of(store, "2 pay") == ["intent", "settled", "intent", "result"]
    assert paid == [5]


async def test_stale_first_process_that_lost_the_conversation_neither_calls_nor_writes(tmp_path: Path) -> None:
    # ENGINE 9, 15: it slept after its intent was committed; meanwhile another one took over and settled it
    clock, first, second = FakeClock(), Till(), Till(known=DidNot())
    async with (
        open_store(tmp_path / "work.db", clock=clock) as one,
        open_store(tmp_path / "work.db", clock=clock) as two,
    ):
        resumed = asyncio.Event()

        class Asleep(Slow):
            async def open(self, id: str, **options: Any) -> Any:
                return Asleep(await self._inner.open(id, **options), self._clock, self._delays)

            async def commit(self, *, sync: bool = False) -> None:
                await self._inner.commit(sync=sync)
                if sync:
                    await resumed.wait()

        talk = Conversation(Asleep(one, clock, []), "talk")
        working = asyncio.ensure_future(first.team(PAY).run(task="Pay.", conversation=talk))
        await until(lambda: kinds_of(two, "2 pay"))
        clock.advance(1000)
        async with second.team("Done.").going_on("talk", store=two, take_over=True) as run:
            result = await run.result()
        before = await two.read("talk")
        resumed.set()

        with pytest.raises(Conflict, match="taken over by another process"):
            await working

        assert await two.read("talk") == before
    assert (first.paid, second.paid) == ([], [5])
    assert result.messages[-1].to_text() == "Done."


# -- following a holder that is not known to be dead ------------------------------------------------------------------


async def taken_over(tmp_path: Path, till: Till, clock: FakeClock, timeout_s: float) -> Any:
    """Leave a run in the middle of an unsafe call whose process lives on; return the store that may take it over."""
    one, two = (open_store(tmp_path / "work.db", clock=clock) for _ in range(2))
    begun = asyncio.Event()

    @tool(timeout_s=timeout_s)
    async def pay(cents: int) -> str:
        """Pay, for ever."""
        begun.set()
        await asyncio.Event().wait()
        return "never"

    first = AssistantAgent("clerk", ScriptedModel([PAY]), tools=[pay])
    working = asyncio.ensure_future(
        RoundRobinGroupChat([first], max_turns=1).run(task="Pay.", conversation=one.conversation("talk"))
    )
    await begun.wait()
    return one, two, working


async def let_go(one: Any, two: Any, working: Any) -> None:
    working.cancel()
    await asyncio.wait([working])
    working.exception() if not working.cancelled() else None
    await one.close()
    await two.close()


async def test_who_follows_a_living_holder_waits_out_its_intent_and_time_out_before_he_settles(tmp_path: Path) -> None:
    # ENGINE 9
    clock, till = FakeClock(), Till(known=DidNot())
    one, two, working = await taken_over(tmp_path, till, clock, timeout_s=20)
    began = clock.now_us()

    async with till.team("Done.").going_on("talk", store=two, take_over=True) as run:
        result = await run.result()

    assert (clock.now_us() - began) / 1e6 == 25
    assert till.paid == [5]
    assert result.messages[-1].to_text() == "Done."
    await let_go(one, two, working)


async def test_wait_for_a_living_holder_that_is_long_parks_the_run_until_then(tmp_path: Path) -> None:
    # ENGINE 9, 20: also for whoever resumes it next, who follows nobody any more
    clock, till = FakeClock(), Till(known=DidNot())
    one, two, working = await taken_over(tmp_path, till, clock, timeout_s=600)

    async with till.team().going_on("talk", store=two, take_over=True) as run:
        parked = await run.result()
    clock.advance(300)
    again = await till.team().continue_run("talk", store=two)
    asked = till.asked
    clock.advance(300)
    result = await till.team("Done.").continue_run("talk", store=two)

    assert parked.outcome is not None
    assert (parked.outcome.kind, parked.outcome.questions) == ("waiting", ())
    assert "pay may still be under way in another process. It can be resumed from" in parked.outcome.reason
    assert again.outcome == parked.outcome
    assert parked.outcome.until == 1_700_000_000_000_000 + 605_000_000
    assert asked == 0
    assert till.paid == [5]
    assert result.messages[-1].to_text() == "Done."
    await let_go(one, two, working)


async def test_late_result_of_a_process_that_lost_the_conversation_is_used(tmp_path: Path) -> None:
    # ENGINE 8: it made the call, and may not write any more what came of it
    clock = FakeClock()
    go, begun = asyncio.Event(), asyncio.Event()

    @tool(timeout_s=600)
    async def pay(cents: int) -> str:
        """Pay, slowly."""
        begun.set()
        await go.wait()
        return "receipt 7"

    till = Till()
    async with (
        open_store(tmp_path / "work.db", clock=clock) as one,
        open_store(tmp_path / "work.db", clock=clock) as two,
    ):
        first = RoundRobinGroupChat([AssistantAgent("clerk", ScriptedModel([PAY]), tools=[pay])], max_turns=1)
        working = asyncio.ensure_future(first.run(task="Pay.", conversation=one.conversation("talk")))
        await begun.wait()
        async with till.team().going_on("talk", store=two, take_over=True) as run:
            parked = await run.result()
        go.set()
        with pytest.raises(Conflict, match="taken over"):
            await working
        model = ScriptedModel(["Done."])
        clerk = AssistantAgent("clerk", model, tools=[till.pay])

        await RoundRobinGroupChat([clerk], max_turns=1).continue_run("talk", store=two)

    assert parked.outcome is not None
    assert parked.outcome.kind == "waiting"
    assert model.requests[0].blocks[-1].results[0].content == "receipt 7"
    assert till.paid == []


# -- what reconcile says ----------------------------------------------------------------------------------------------

Cut = Callable[..., Awaitable[Conversation]]


async def cut_in_the_call(killed: Cut) -> Conversation:
    async with open_store("memory:") as store:
        await Till().team(PAY, "Paid.").run(task="Pay.", conversation=store.conversation("talk"))
        return await killed(await store.read("talk"), before="result")


async def test_reconcile_that_fails_leaves_it_to_a_person_who_is_told_why(killed: Cut) -> None:
    # ENGINE 6
    left, till = await cut_in_the_call(killed), Till(known=ConnectionError("no route"))

    result = await till.team().continue_run("talk", store=left.store)

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"
    asked = next(e for e in await left.entries() if e.kind == "question").payload["text"]
    assert "reconcile failed with ConnectionError: no route" in asked


async def test_reconcile_that_answers_nonsense_is_refused_by_name(killed: Cut) -> None:
    left, till = await cut_in_the_call(killed), Till(known="yes")

    with pytest.raises(Exception, match=r"reconcile returned 'yes'; it must return Happened\(result\), DidNot\(\)"):
        await till.team().continue_run("talk", store=left.store)


async def test_result_that_reconcile_knows_reads_as_if_the_tool_had_returned_it(killed: Cut) -> None:
    # ENGINE 6
    left, till = await cut_in_the_call(killed), Till(known=Happened({"receipt": 7, "when": 1.5}))
    model = ScriptedModel(["Done."])

    await RoundRobinGroupChat([AssistantAgent("clerk", model, tools=[till.pay])], max_turns=1).continue_run(
        "talk", store=left.store
    )

    assert model.requests[0].blocks[-1].results[0].content == '{"receipt":7,"when":1.5}'


async def test_reconcile_of_the_member_who_called_is_asked_and_no_namesake_of_another(killed: Cut) -> None:
    # ENGINE 6
    left, till, other = await cut_in_the_call(killed), Till(known=Happened("mine")), Till(known=Happened("another's"))
    model = ScriptedModel(["Done."])
    members = [
        AssistantAgent("a", ScriptedModel([]), tools=[other.pay]),
        AssistantAgent("clerk", model, tools=[till.pay]),
    ]

    class Only:
        def begin(self) -> None: ...
        def see(self, memory: None, fact: Any) -> None: ...
        def next(self, memory: None, thread: Any, names: Any) -> Any:
            raise AssertionError("the choice stands")

    from quorate import Team

    with pytest.raises(RunFailed, match="the choice stands"):  # in the turn after
        await Team(members, turns=Only()).continue_run("talk", store=left.store)

    assert (till.asked, other.asked) == (1, 0)


async def test_reconcile_is_no_answer_for_a_step_of_the_same_name(doing: Any, killed: Cut) -> None:
    async def act(turn: Turn) -> object:
        async def pay() -> str:
            return "receipt"

        return await step("pay", pay)

    till = Till(known=DidNot())
    async with open_store("memory:") as store:
        await RoundRobinGroupChat([doing("clerk", act)], max_turns=1).run(
            task="Go.", conversation=store.conversation("talk")
        )
        left = await killed(await store.read("talk"), before="value")

    result = await RoundRobinGroupChat([doing("clerk", act, pay=till.pay)], max_turns=1).continue_run(
        "talk", store=left.store
    )

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"
    assert till.asked == 0


async def test_blocking_call_that_still_runs_is_not_made_again_whatever_reconcile_says(begun: Any) -> None:
    # ENGINE 6, 8: no thread can be stopped; what it comes to is used
    go, made = threading.Event(), list[str]()

    async def reconcile(key: str, arguments: str) -> Settlement:
        return DidNot()

    @tool(timeout_s=0.1, reconcile=reconcile)
    def pay(cents: int) -> str:
        """Pay, slowly."""
        made.append("begun")
        begun.set()
        go.wait(60)
        return "receipt 7"

    model = ScriptedModel([PAY, "Done."])
    clerk = RoundRobinGroupChat([AssistantAgent("clerk", model, tools=[pay])], max_turns=1)
    async with open_store("memory:", clock=FakeClock()) as store:
        waiting = await clerk.run(task="Pay.", conversation=store.conversation("talk"))
        again = await clerk.continue_run("talk", store=store)
        go.set()
        await until(lambda: store.notes("talk"))
        await clerk.continue_run("talk", store=store)
        entries = await store.read("talk")

    assert waiting.outcome is not None
    assert (waiting.outcome.kind, again.outcome) == ("waiting", waiting.outcome)
    assert next(e for e in entries if e.kind == "ended").payload["under_way"] == ["1 turn/1 clerk/2 pay"]
    assert made == ["begun"]
    assert model.requests[1].blocks[-1].results[0].content == "receipt 7"


async def until(there: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(60):
        while not await there():  # noqa: ASYNC110  # nobody tells of what comes from a thread, or into another store
            await asyncio.sleep(0.005)


# -- late -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ["returns", "raises"])
async def test_late_outcome_comes_into_a_store_whose_run_has_closed_it(tmp_path: Path, ends: str, begun: Any) -> None:
    # ENGINE 8: after the run ended, and its store with it
    go = threading.Event()

    @tool(timeout_s=0.1)
    def pay(cents: int) -> str:
        """Pay, slowly."""
        begun.set()
        go.wait(60)
        if ends == "raises":
            raise ValueError("no such account")
        return "receipt 7"

    model = ScriptedModel([PAY, "Done."])
    clerk = RoundRobinGroupChat([AssistantAgent("clerk", model, tools=[pay])], max_turns=1)
    async with open_store(tmp_path / "work.db") as store:
        waiting = await clerk.run(task="Pay.", conversation=store.conversation("talk"))
    go.set()
    async with open_store(tmp_path / "work.db") as store:
        await until(lambda: store.notes("talk"))

        await clerk.continue_run("talk", store=store)

    assert waiting.outcome is not None
    assert waiting.outcome.kind == "waiting"
    told = model.requests[1].blocks[-1].results[0]
    assert (told.content, told.is_error) == (
        ("receipt 7", False) if ends == "returns" else ("ValueError: no such account", True)
    )


async def test_late_result_that_comes_while_siblings_work_is_used_in_the_same_attempt(begun: Any) -> None:
    # ENGINE 8
    go, talk = threading.Event(), open_store("memory:").conversation("talk")

    @tool(timeout_s=0.1)
    def pay(cents: int) -> str:
        """Pay, slowly."""
        begun.set()
        go.wait(60)
        return "receipt 7"

    @tool(effect="read")
    async def look() -> str:
        """Look, until the payment is through."""
        await asyncio.sleep(0.2)  # its time is up by then
        go.set()
        await until(lambda: talk.store.notes("talk"))
        return "seen"

    model = ScriptedModel([[PAY, ToolCall("c2", "look", "{}")], "Done."])
    result = await AssistantAgent("clerk", model, tools=[pay, look]).run(task="Pay.", conversation=talk)

    assert [r.content for r in model.requests[1].blocks[-1].results] == ["receipt 7", "seen"]
    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.questions, result.outcome.open_intents) == ("completed", (), ())


async def test_answer_of_a_person_who_was_first_stands_against_a_late_result(begun: Any) -> None:
    # ENGINE 16: the row decides
    go, talk = threading.Event(), open_store("memory:", clock=FakeClock()).conversation("talk")
    over = threading.Event()

    @tool(timeout_s=0.1)
    def pay(cents: int) -> str:
        """Pay, slowly."""
        begun.set()
        go.wait(60)
        threading.Timer(0.02, over.set).start()
        return "receipt 7"

    model = ScriptedModel([PAY, "Done."])
    clerk = AssistantAgent("clerk", model, tools=[pay])
    waiting = await clerk.run(task="Pay.", conversation=talk)
    assert waiting.outcome is not None
    await talk.store.post("talk", Note(waiting.outcome.questions[0], "answer", {"happened": True, "result": "slip 9"}))
    go.set()
    await asyncio.to_thread(over.wait, 60)

    await clerk.continue_run("talk", store=talk.store)

    assert model.requests[1].blocks[-1].results[0].content == "slip 9"


async def test_unsafe_async_tool_that_finishes_though_its_time_is_up_is_believed() -> None:
    # ENGINE 8
    @tool(timeout_s=0.05)
    async def pay(cents: int) -> str:
        """Pay, and finish it."""
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "receipt 7"
        return "never"

    model = ScriptedModel([PAY, "Done."])
    await AssistantAgent("clerk", model, tools=[pay]).run(task="Pay.")

    assert model.requests[1].blocks[-1].results[0].content == "receipt 7"


async def test_unsafe_tool_that_finishes_though_the_run_was_cancelled_is_journaled_and_the_run_ends() -> None:
    # ENGINE 8: its outcome is known, and whoever cancels is obeyed
    begun, talk = asyncio.Event(), open_store("memory:").conversation("talk")

    @tool
    async def pay(cents: int) -> str:
        """Pay, and finish it."""
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "receipt 7"
        return "never"

    clerk = AssistantAgent("clerk", ScriptedModel([PAY, "Done."]), tools=[pay])
    working = asyncio.ensure_future(clerk.run(task="Pay.", conversation=talk))
    await begun.wait()
    working.cancel()
    await asyncio.wait([working])

    assert working.cancelled()
    ended = (await talk.entries())[-1].payload
    assert (ended["outcome"], ended.get("open_intents")) == ("cancelled", None)
    assert next(e for e in await talk.entries() if e.kind == "result").payload["content"] == "receipt 7"


async def test_settled_by_its_error_when_raised_outcome_unknown_twice() -> None:
    # ENGINE 6: each attempt is asked about anew, and none is an error result
    made = list[int]()

    @tool
    async def pay(cents: int) -> str:
        """Pay."""
        made.append(cents)
        raise OutcomeUnknown("the line went dead")

    talk = open_store("memory:").conversation("talk")
    clerk = AssistantAgent("clerk", ScriptedModel([PAY]), tools=[pay])
    first = await clerk.run(task="Pay.", conversation=talk)
    assert first.outcome is not None
    await talk.store.post("talk", Note(first.outcome.questions[0], "answer", {"happened": False}))
    second = await clerk.continue_run("talk", store=talk.store)

    assert second.outcome is not None
    assert second.outcome.kind == "waiting"
    assert second.outcome.questions != first.outcome.questions
    assert made == [5, 5]
