"""Retries and the waits between them (ENGINE 20): one owner, bounded, and a long wait parks the run."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from quorate import AssistantAgent, Limits, RoundRobinGroupChat, Turn, conversation, open_store, replay, step, tool
from quorate.errors import ConfigError, Denied, ModelError, OutcomeUnknown, ToolError
from quorate.models import ModelInfo, ToolCall
from quorate.runs.entries import canonical_export
from quorate.runs.pause import FIRST_S, MOST_S, backoff_s
from quorate.runs.steps import Effect
from quorate.testing import FakeClock, ScriptedModel

LOOK = ToolCall("c1", "look", "{}")


class Busy(Exception):
    """What a service says that asks to be called later."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("busy")
        self.retry_after_s = retry_after_s


def looking(*outcomes: object, effect: Effect = "read", attempts: int = 3, **options: Any) -> tuple[Any, list[object]]:
    """Return a tool that comes to these outcomes, one call after the other, and those that are left."""
    left = list(outcomes)

    @tool(effect=effect, attempts=attempts, **options)
    async def look() -> object:
        """Look."""
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        if outcome == "hang":
            await asyncio.sleep(60)
        return outcome

    return look, left


def team(tool: Any, *lines: object) -> RoundRobinGroupChat:
    return RoundRobinGroupChat([AssistantAgent("clerk", ScriptedModel(lines), tools=[tool])], max_turns=1)


async def entries_at(talk: Any, path: str = "2 look") -> list[Any]:
    return [e for e in await talk.entries() if e.path.endswith(path)]


# -- tools ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [ConnectionError("reset"), TimeoutError(), OutcomeUnknown("?"), ValueError("odd")], ids=lambda e: repr(e)
)
async def test_read_that_fails_is_made_again_and_each_attempt_is_journaled(error: Exception) -> None:
    # ENGINE 6
    talk = conversation("talk", clock=FakeClock())
    look, left = looking(error, error, "seen")

    result = await team(look, LOOK, "Done.").run(task="Go.", conversation=talk)

    found = await entries_at(talk)
    assert [e.kind for e in found] == ["retry", "retry", "result"]
    assert found[0].payload["type"] == type(error).__name__
    assert found[-1].payload["content"] == "seen"
    assert left == []
    assert result.messages[-1].to_text() == "Done."


async def test_idempotent_call_that_fails_is_made_again_with_its_key_and_a_new_intent() -> None:
    # ENGINE 6
    talk = conversation("talk", clock=FakeClock())
    look, _ = looking(ConnectionError("reset"), "seen", effect="idempotent")

    await team(look, LOOK, "Done.").run(task="Go.", conversation=talk)

    found = await entries_at(talk)
    intents = [e.payload for e in found if e.kind == "intent"]
    assert [e.kind for e in found] == ["intent", "retry", "intent", "result"]
    assert [i.get("attempt", 1) for i in intents] == [1, 2]
    assert intents[0]["key"] == intents[1]["key"]


async def test_hanging_call_that_may_be_repeated_is_made_again() -> None:
    look, left = looking("hang", "seen", timeout_s=0.05)
    talk = conversation("talk", clock=FakeClock())

    await team(look, LOOK, "Done.").run(task="Go.", conversation=talk)

    assert [e.kind for e in await entries_at(talk)] == ["retry", "result"]
    assert left == []


async def test_attempts_are_bounded_and_the_last_error_is_told_to_the_model() -> None:
    talk = conversation("talk", clock=FakeClock())
    look, left = looking(*[ConnectionError(f"no {n}") for n in range(9)])

    await team(look, LOOK, "Done.").run(task="Go.", conversation=talk)

    found = await entries_at(talk)
    assert [e.kind for e in found] == ["retry", "retry", "result"]
    assert found[-1].payload["content"] == "ConnectionError: no 2"
    assert len(left) == 6


@pytest.mark.parametrize(
    "error",
    [ToolError("Ask otherwise."), Denied("Not you."), ConfigError("No key."), ModelError("bad request")],
    ids=lambda e: type(e).__name__,
)
async def test_error_that_trying_again_cannot_help_is_an_outcome_at_once(error: Exception) -> None:
    talk = conversation("talk", clock=FakeClock())
    look, left = looking(error, "seen")

    await team(look, LOOK, "Done.").run(task="Go.", conversation=talk)

    assert [e.kind for e in await entries_at(talk)] == ["result"]
    assert left == ["seen"]


async def test_resume_does_not_start_the_attempts_over(killed: Any) -> None:
    # ENGINE 6
    talk = conversation("talk", clock=FakeClock())
    look, _ = looking(*[ConnectionError("no")] * 9)
    await team(look, LOOK, "Done.").run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="retry", nth=2)
    look, more = looking(*[ConnectionError("no")] * 9)

    await team(look, "Done.").continue_run("talk", store=left.store)

    assert [e.kind for e in await entries_at(left)] == ["retry", "retry", "result"]
    assert len(more) == 7


async def test_tool_that_is_now_called_otherwise_is_a_conflict_after_a_failed_attempt_too(killed: Any) -> None:
    # ENGINE 2
    talk = conversation("talk", clock=FakeClock())
    look, _ = looking(ConnectionError("no"), "seen")
    await team(look, LOOK, "Done.").run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="result")

    @tool(effect="read", name="look")
    async def look_at(what: str = "x") -> str:
        """Look at something."""
        return "no"

    with pytest.raises(Exception, match="the journal has look"):
        await team(look_at).continue_run("talk", store=left.store)


async def test_run_with_attempts_replays() -> None:
    # ENGINE 4
    look, _ = looking(ConnectionError("no"), "seen", effect="idempotent")
    working = team(look, LOOK, "Done.")
    result = await working.run(task="Go.", conversation=conversation("talk", clock=FakeClock()))

    async with open_store("memory:", clock=FakeClock()) as store:
        look, _ = looking(ConnectionError("no"), "seen", effect="idempotent")
        working = team(look, LOOK, "Done.")
        result = await working.run(task="Go.", conversation=store.conversation("talk"))
        report = await replay(result.run_id, team=working, store=store)

    assert report.identical


async def test_models_used_inside_an_attempt_that_failed_are_counted(killed: Any) -> None:
    # ENGINE 11, 18
    tries: list[int] = []

    @tool(effect="read", attempts=2)
    async def look() -> str:
        """Ask a colleague, then fail the first time."""
        await AssistantAgent("colleague", ScriptedModel(["inner answer"])).run(task="Well?")
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("no")
        return "seen"

    talk = conversation("talk", clock=FakeClock())
    await team(look, LOOK, "Done.").run(task="Go.", conversation=talk)
    whole = (await talk.entries())[-1].payload
    left = await killed(await talk.entries(), before="call", nth=2)
    await team(look, "Done.").continue_run("talk", store=left.store)
    resumed = (await left.entries())[-1].payload

    assert whole["model_calls"] == 4
    assert [resumed[n] for n in ("model_calls", "tokens")] == [whole[n] for n in ("model_calls", "tokens")]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"attempts": 2}, "never repeated blindly.*effect='idempotent'"),
        ({"attempts": 0, "effect": "read"}, "must be a number from 1"),
        ({"attempts": 1000, "effect": "read"}, "must be a number from 1"),
        ({"attempts": True, "effect": "read"}, "must be a number from 1"),
        ({"attempts": 2, "effect": "read", "scope": True}, "not tried again as a whole"),
    ],
)
def test_attempts_that_cannot_be_are_refused_when_declared(options: dict[str, Any], told: str) -> None:
    # ENGINE 6: retries only where the class allows
    async def look() -> str:
        """Look."""
        return ""

    with pytest.raises(ConfigError, match=told):
        tool(**options)(look)


@pytest.mark.parametrize("effect", ["read", "idempotent"])
def test_reconcile_of_a_tool_that_is_just_called_again_is_refused(effect: Effect) -> None:
    async def reconcile(key: str, arguments: str) -> None: ...

    async def look() -> str:
        """Look."""
        return ""

    with pytest.raises(ConfigError, match="`reconcile` is never asked"):
        tool(effect=effect, reconcile=reconcile)(look)


async def test_step_is_made_again_too_and_an_unsafe_one_is_refused(doing: Any) -> None:
    outcomes: list[object] = [ConnectionError("no"), "seen"]

    async def call() -> object:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def act(turn: Turn) -> object:
        return await step("look", call, effect="read", attempts=2)

    talk = conversation("talk", clock=FakeClock())
    result = await RoundRobinGroupChat([doing("worker", act)], max_turns=1).run(task="Go.", conversation=talk)

    assert result.messages[-1].to_text() == "seen"
    assert [e.kind for e in await entries_at(talk, "1 look")] == ["retry", "value"]
    with pytest.raises(ConfigError, match="Step pay: attempts=2"):
        await step("pay", call, attempts=2)


# -- how long ---------------------------------------------------------------------------------------------------------


def test_backoff_grows_is_bounded_and_differs_from_place_to_place_only() -> None:
    waits = [[backoff_s(n, place) for n in range(1, 40)] for place in ("a", "b", "a")]

    assert waits[0] == waits[2] != waits[1]
    assert all(0.75 * FIRST_S <= w <= 1.25 * MOST_S for w in waits[0])
    assert waits[0][5] > 8 * waits[0][0]


@pytest.mark.parametrize("asked_s", [0.0, 7.0, 60.0])
async def test_tool_that_says_how_long_to_wait_is_obeyed(asked_s: float) -> None:
    # ENGINE 20
    clock = FakeClock()
    talk = conversation("talk", clock=clock)
    look, _ = looking(Busy(asked_s), "seen")
    began = clock.now_us()

    await team(look, LOOK, "Done.").run(task="Go.", conversation=talk)

    assert clock.now_us() - began == asked_s * 1e6


# -- waits that park the run ------------------------------------------------------------------------------------------


class Model:
    """A model that answers, or says how long to wait."""

    def __init__(self, *answers: object) -> None:
        self.info, self.answers = ModelInfo(name="m", free=True, attempts=3), list(answers)

    async def stream(self, request: Any) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        async for event in ScriptedModel([answer]).stream(request):
            yield event

    async def close(self) -> None: ...


BUSY = ModelError("429", retryable=True, retry_after_s=1800)


def asking(model: Model, look: Any) -> RoundRobinGroupChat:
    return RoundRobinGroupChat([AssistantAgent("clerk", model, tools=[look])], max_turns=1)


@pytest.mark.parametrize("who", ["model", "tool"])
async def test_wait_of_over_a_minute_parks_the_run_which_goes_on_after_it(who: str) -> None:
    # ENGINE 20
    clock = FakeClock()
    async with open_store("memory:", clock=clock) as store:
        talk = store.conversation("talk")
        look, left = looking(*([Busy(1800), "seen"] if who == "tool" else ["seen"]))
        model = Model(*([BUSY, LOOK, "Done."] if who == "model" else [LOOK, "Done."]))
        working = asking(model, look)

        parked = await working.run(task="Go.", conversation=talk)
        held = await store.is_held("talk")
        clock.advance(1700)
        early = await working.continue_run("talk", store=store)
        calls_early = len(model.answers) + len(left)
        clock.advance(60)  # what is left is under a minute: waited for in place
        result = await working.continue_run("talk", store=store)

    name = "m asks" if who == "model" else "look failed and asked"
    assert parked.outcome is not None
    assert parked.outcome.kind == "waiting"
    assert parked.outcome.reason.startswith(f"{name} to be called again later. It can be resumed from 2023-11-14 22:43")
    assert parked.outcome.until == 1_700_000_000_000_000 + 1800 * 1_000_000
    assert (parked.outcome.questions, parked.outcome.open_intents) == ((), ())
    assert not held
    assert early.outcome == parked.outcome
    assert calls_early == (3 if who == "model" else 2), "nothing was called before its time"
    assert clock.now_us() == parked.outcome.until
    assert result.messages[-1].to_text() == "Done."


async def test_siblings_of_a_call_that_parks_finish_first() -> None:
    # DESIGN 1, ENGINE 20
    talk = conversation("talk", clock=FakeClock())
    look, _ = looking(Busy(1800), "seen")

    @tool(effect="read")
    async def other() -> str:
        """Look elsewhere."""
        await asyncio.sleep(0)
        return "found"

    model = ScriptedModel([[LOOK, ToolCall("c2", "other", "{}")]])
    result = await AssistantAgent("clerk", model, tools=[look, other]).run(task="Go.", conversation=talk)

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"
    assert [e.kind for e in await entries_at(talk, "3 other")] == ["result"]


async def test_new_task_may_be_given_over_a_parked_run() -> None:
    # ENGINE 7: nothing is unknown about it
    talk = conversation("talk", clock=FakeClock())
    look, _ = looking(Busy(1800), "seen", effect="idempotent")
    await team(look, LOOK).run(task="Go.", conversation=talk)

    result = await team(look, "Hello.").run(task="Something else.", conversation=talk)

    assert result.run_id == "talk.2"


async def test_question_beside_a_wait_is_named_first() -> None:
    clock = FakeClock()
    talk = conversation("talk", clock=clock)
    look, _ = looking(Busy(1800), "seen")

    @tool
    async def pay() -> str:
        """Pay."""
        raise OutcomeUnknown("?")

    model = ScriptedModel([[LOOK, ToolCall("c2", "pay", "{}")]])
    result = await AssistantAgent("clerk", model, tools=[look, pay]).run(task="Go.", conversation=talk)

    assert result.outcome is not None
    assert len(result.outcome.questions) == 1
    assert result.outcome.reason == f"It waits for an answer to {result.outcome.questions[0]}."


async def test_parked_run_replays_to_where_it_was_parked() -> None:
    # ENGINE 4
    async with open_store("memory:", clock=FakeClock()) as store:
        look, _ = looking(Busy(1800), "seen")
        working = team(look, LOOK)
        result = await working.run(task="Go.", conversation=store.conversation("talk"))

        report = await replay(result.run_id, team=working, store=store)

    assert report.identical
    assert report.outcome == result.outcome


async def test_waits_are_the_same_each_time_the_same_run_is_made() -> None:
    # ENGINE 13
    async def once() -> bytes:
        talk = conversation("talk", clock=FakeClock())
        look, _ = looking(ConnectionError("no"), ConnectionError("no"), "seen")
        await team(look, LOOK, "Done.").run(task="Go.", conversation=talk)
        return canonical_export(await talk.entries())

    assert await once() == await once()


async def test_run_whose_limit_is_reached_in_a_failed_attempt_ends_there(monkeypatch: Any) -> None:
    made: list[Callable[[], None]] = []

    @tool(effect="read", attempts=5)
    async def look() -> str:
        """Ask colleagues, and hide that a limit stopped them."""
        made.append(print)
        try:
            await AssistantAgent("colleague", ScriptedModel(["x"])).run(task="Well?")
        except Exception as error:
            raise ConnectionError("hidden") from error
        raise ConnectionError("no")

    talk = conversation("talk", clock=FakeClock())
    result = await team(look, LOOK).run(task="Go.", conversation=talk, limits=Limits(model_calls=3))

    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.limit) == ("limit", "model_calls")
    assert len(made) == 3
