import asyncio
from contextlib import suppress
from typing import Any

import pytest

from quorate import MaxMessageTermination, RoundRobinGroupChat, Turn, conversation, replay, step
from quorate.errors import ConfigError, Conflict, OutcomeUnknown, QuorateError, RunFailed, ToolError
from quorate.runs.inbox import Note
from quorate.runs.steps import Effect


def team(doing: Any, act: Any, turns: int = 1) -> RoundRobinGroupChat:
    return RoundRobinGroupChat([doing("worker", act)], max_turns=turns)


async def entries_of(team: RoundRobinGroupChat) -> list[Any]:
    """Run a team on a conversation of its own, and return what was journaled."""
    talk = conversation("talk")
    await team.run(task="Go.", conversation=talk)
    return await talk.entries()


# -- outside and inside a run -----------------------------------------------------------------------------------------


async def test_step_outside_a_run_just_makes_the_call() -> None:
    async def call() -> object:
        return {"not": {"plain"}}

    assert await step("anything", call) == {"not": {"plain"}}


async def test_step_in_a_run_is_journaled_before_it_is_used_and_under_its_path(doing: Any) -> None:
    async def act(turn: Turn) -> int:
        async def draw() -> int:
            return 4

        first = await step("draw", draw, effect="read")
        return first + await step("draw", draw, effect="read")

    entries = await entries_of(team(doing, act))

    found = [(e.path, e.kind, e.payload) for e in entries if "worker/" in e.path]
    assert found == [
        ("1 turn/1 worker/1 draw", "value", {"value": 4}),
        ("1 turn/1 worker/2 draw", "value", {"value": 4}),
    ]


async def test_step_with_an_effect_has_its_intent_before_and_its_outcome_after(doing: Any) -> None:
    # ENGINE 6
    order: list[str] = []

    async def act(turn: Turn) -> str:
        async def pay() -> str:
            order.extend(e.kind for e in await turn.run.journal.entries())
            return "paid"

        return await step("pay", pay)

    entries = await entries_of(team(doing, act))

    assert order == ["run", "choice", "intent"]
    assert [e.kind for e in entries if e.path.endswith("/1 pay")] == ["intent", "value"]
    assert next(e for e in entries if e.kind == "intent").payload["effect"] == "unsafe"


async def test_effect_that_is_none_of_the_three_is_refused() -> None:
    async def call() -> None: ...

    with pytest.raises(ConfigError, match="effect='write' is none of read, idempotent, unsafe"):
        await step("x", call, effect="write")  # type: ignore[arg-type]


async def test_plain_function_is_a_call_too_and_is_made_once(doing: Any) -> None:
    made: list[str] = []

    def roll() -> int:
        made.append("rolled")
        return 4

    async def act(turn: Turn) -> object:
        return [await step("roll", roll), await step("look", lambda: 5, effect="read")]

    entries = await entries_of(team(doing, act))

    assert [e.payload["value"] for e in entries if e.kind == "value"] == [4, 5]
    assert made == ["rolled"]
    assert await step("roll", roll) == 4  # outside a run
    with pytest.raises(ConfigError, match="Step roll: 4 is no function"):
        await step("roll", roll())


async def test_outcome_that_is_no_plain_data_is_refused(doing: Any) -> None:
    async def act(turn: Turn) -> object:
        async def call() -> object:
            return {1, 2}

        return await step("x", call, effect="read")

    with pytest.raises(ConfigError, match="must be plain JSON data"):
        await team(doing, act).run(task="Go.")


async def test_unsafe_step_whose_outcome_cannot_be_kept_is_not_made_again(doing: Any) -> None:
    # ENGINE 6: it happened
    made: list[str] = []

    async def act(turn: Turn) -> object:
        async def pay() -> object:
            made.append("paid")
            return {1, 2}

        return await step("pay", pay)

    talk, working = conversation("talk"), team(doing, act)
    waiting = await working.run(task="Go.", conversation=talk)
    assert waiting.outcome is not None
    (question,) = waiting.outcome.questions
    await talk.store.post("talk", Note(question, "answer", {"happened": True, "result": [1, 2]}))
    result = await working.continue_run("talk", store=talk.store)

    asked = next(e for e in await talk.entries() if e.kind == "question")
    assert "must be plain JSON data" in asked.payload["text"]
    assert result.messages[-1].to_text() == "[1, 2]"
    assert made == ["paid"]


async def test_outcome_is_the_same_live_and_recalled(doing: Any, killed: Any) -> None:
    # ENGINE 2: a tuple becomes a list at once, not only after a crash
    async def act(turn: Turn) -> object:
        async def call() -> object:
            return {"pair": (1, 2)}

        return await step("x", call, effect="read")

    talk = conversation("talk")
    live = await team(doing, act).run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="said")
    resumed = await team(doing, act).continue_run("talk", store=left.store)

    assert live.messages[-1].to_text() == resumed.messages[-1].to_text() == "{'pair': [1, 2]}"


async def test_changing_what_a_step_returned_changes_no_history(doing: Any) -> None:
    async def act(turn: Turn) -> object:
        async def call() -> list[int]:
            return [1]

        found = await step("x", call, effect="read")
        found.append(2)
        return found

    entries = await entries_of(team(doing, act))

    assert next(e for e in entries if e.kind == "value").payload == {"value": [1]}


# -- recalled ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", ["read", "idempotent", "unsafe"])
async def test_finished_step_answers_from_the_journal_when_resumed(doing: Any, killed: Any, effect: Effect) -> None:
    # ENGINE 1, 2
    made: list[str] = []

    async def act(turn: Turn) -> str:
        async def call() -> str:
            made.append("made")
            return f"outcome {len(made)}"

        return await step("x", call, effect=effect)

    entries = await entries_of(team(doing, act))
    left = await killed(entries, before="said")

    result = await team(doing, act).continue_run("talk", store=left.store)

    assert made == ["made"]
    assert result.messages[-1].to_text() == "outcome 1"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        KeyError("k"),
        TimeoutError("slow"),
        ToolError("so"),
        UnicodeDecodeError("utf8", b"", 0, 1, "r"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_caught_error_of_a_step_is_caught_by_the_same_class_when_resumed(
    doing: Any, killed: Any, error: Exception
) -> None:
    # ENGINE 5
    made: list[str] = []

    async def act(turn: Turn) -> str:
        async def call() -> str:
            made.append("made")
            raise error

        try:
            return await step("x", call, effect="read")
        except type(error) as caught:
            return f"caught {type(caught).__name__}: {caught}"
        except QuorateError as caught:
            return f"another: {type(caught).__name__}"

    entries = await entries_of(team(doing, act))
    left = await killed(entries, before="said")

    result = await team(doing, act).continue_run("talk", store=left.store)

    assert made == ["made"]
    assert result.messages[-1].to_text() == f"caught {type(error).__name__}: {error}"


async def test_step_whose_error_ended_the_run_is_made_again_when_it_is_continued(doing: Any) -> None:
    # ENGINE 5
    outcomes: list[object] = [OSError("no network"), "fine"]

    async def act(turn: Turn) -> str:
        async def call() -> Any:
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return await step("fetch", call, effect="read")

    talk, working = conversation("talk"), team(doing, act)
    with pytest.raises(RunFailed, match="no network") as raised:
        await working.run(task="Go.", conversation=talk)

    result = await working.continue_run("talk", store=talk.store)

    assert isinstance(raised.value.__cause__, OSError)
    assert raised.value.result.outcome.cause == "1 turn/1 worker/1 fetch"
    assert result.messages[-1].to_text() == "fine"


async def test_error_that_was_journaled_before_a_kill_ends_the_run_once_and_is_made_again_after(
    doing: Any, killed: Any
) -> None:
    # ENGINE 5
    outcomes: list[object] = [OSError("no network"), "fine"]

    async def act(turn: Turn) -> str:
        async def call() -> Any:
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return await step("fetch", call, effect="read")

    talk, working = conversation("talk"), team(doing, act)
    with pytest.raises(RunFailed):
        await working.run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="ended")

    with pytest.raises(RunFailed, match="no network"):
        await working.continue_run("talk", store=left.store)
    result = await working.continue_run("talk", store=left.store)

    assert result.messages[-1].to_text() == "fine"


async def test_error_raised_because_of_a_steps_error_names_that_step(doing: Any) -> None:
    # ENGINE 5
    outcomes: list[object] = [OSError("no network"), "fine"]

    async def act(turn: Turn) -> str:
        async def call() -> Any:
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        try:
            return await step("fetch", call, effect="read")
        except OSError as error:
            raise RuntimeError("cannot work") from error

    talk, working = conversation("talk"), team(doing, act)
    with pytest.raises(RunFailed, match="cannot work") as raised:
        await working.run(task="Go.", conversation=talk)

    result = await working.continue_run("talk", store=talk.store)

    assert raised.value.result.outcome.cause == "1 turn/1 worker/1 fetch"
    assert result.messages[-1].to_text() == "fine"


async def test_unsafe_step_that_failed_for_sure_is_made_again_and_nobody_is_asked(doing: Any) -> None:
    # ENGINE 5: an exception is a known outcome
    outcomes: list[object] = [ConnectionRefusedError("closed"), "paid"]

    async def act(turn: Turn) -> str:
        async def call() -> Any:
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return await step("pay", call)

    talk, working = conversation("talk"), team(doing, act)
    with pytest.raises(RunFailed, match="closed"):
        await working.run(task="Go.", conversation=talk)

    result = await working.continue_run("talk", store=talk.store)

    assert result.messages[-1].to_text() == "paid"
    assert outcomes == []


async def test_error_that_was_caught_stays_an_outcome_when_something_else_ends_the_run(doing: Any) -> None:
    # ENGINE 5: only the error that a `failed` entry names as its cause is made again
    made: list[str] = []

    async def act(turn: Turn) -> str:
        async def first() -> str:
            made.append("first")
            raise ValueError("caught")

        with suppress(ValueError):
            await step("first", first, effect="read")
        if len(made) == 1 and not turn.run.recorded and turn.run.number == 1 and not failed:
            failed.append(True)
            raise RuntimeError("the agent's own")
        return "done"

    failed: list[bool] = []
    talk, working = conversation("talk"), team(doing, act)
    with pytest.raises(RunFailed, match="the agent's own"):
        await working.run(task="Go.", conversation=talk)

    result = await working.continue_run("talk", store=talk.store)

    assert made == ["first"]
    assert result.messages[-1].to_text() == "done"


async def test_step_that_the_new_code_does_not_come_to_is_a_conflict_that_names_it(doing: Any, killed: Any) -> None:
    # ENGINE 3
    async def before(turn: Turn) -> str:
        async def call() -> str:
            return "x"

        return await step("look up", call, effect="read")

    async def after(turn: Turn) -> str:
        return "nothing"

    left = await killed(await entries_of(team(doing, before)), before="said")

    with pytest.raises(RunFailed, match=r"a value at turn 1 / worker / look up 1.*--give-up-turn") as raised:
        await team(doing, after).continue_run("talk", store=left.store)

    assert isinstance(raised.value.__cause__, Conflict)


# -- time-outs --------------------------------------------------------------------------------------------------------


async def test_read_step_that_takes_too_long_raises_live_and_recalled(doing: Any, killed: Any) -> None:
    # ENGINE 5
    made: list[str] = []

    async def act(turn: Turn) -> str:
        async def hang() -> str:
            made.append("made")
            await asyncio.sleep(60)
            return "never"

        try:
            return await step("slow", hang, effect="read", timeout_s=0.05)
        except TimeoutError as error:
            return f"timed out: {error}"

    talk = conversation("talk")
    live = await team(doing, act).run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="said")
    resumed = await team(doing, act).continue_run("talk", store=left.store)

    assert live.messages[-1].to_text() == resumed.messages[-1].to_text() == "timed out: no answer within 0.05 s"
    assert made == ["made"]


@pytest.mark.parametrize("how", ["time-out", "outcome unknown"])
async def test_unsafe_step_with_an_unknown_outcome_waits_for_a_person(doing: Any, how: str) -> None:
    # ENGINE 6, 7
    made: list[str] = []

    async def act(turn: Turn) -> str:
        async def pay() -> str:
            made.append("made")
            if how == "outcome unknown":
                raise OutcomeUnknown("the line went dead")
            await asyncio.sleep(60)
            return "never"

        return await step("pay", pay, timeout_s=0.05)

    talk, working = conversation("talk"), team(doing, act)
    waiting = await working.run(task="Go.", conversation=talk)
    assert waiting.outcome is not None
    (question,) = waiting.outcome.questions
    await talk.store.post("talk", Note(question, "answer", {"happened": True, "result": "receipt 7"}))
    result = await working.continue_run("talk", store=talk.store)

    assert waiting.outcome.kind == "waiting"
    assert waiting.outcome.open_intents == ("pay() at turn 1 / worker / pay 1",)
    assert result.messages[-1].to_text() == "receipt 7"
    assert made == ["made"]


@pytest.mark.parametrize("how", ["caught", "cut by the agent's own time-out", "in a task that was left"])
async def test_agent_that_walks_over_an_unknown_outcome_is_held_at_the_end_of_its_speech(doing: Any, how: str) -> None:
    # ENGINE 7: whatever code caught it
    made: list[str] = []

    async def pay() -> str:
        made.append("made")
        if how == "caught":
            raise OutcomeUnknown("the line went dead")
        await asyncio.sleep(60)
        return "never"

    async def act(turn: Turn) -> str:
        try:
            if how == "in a task that was left":
                return await asyncio.wait_for(step("pay", pay), 0.05)
            async with asyncio.timeout(0.05):
                return await step("pay", pay)
        except Exception as error:
            return f"went on over {type(error).__name__}"

    talk, working = conversation("talk"), team(doing, act)
    waiting = await working.run(task="Go.", conversation=talk)
    assert waiting.outcome is not None
    (question,) = waiting.outcome.questions
    await talk.store.post("talk", Note(question, "answer", {"happened": True, "result": "receipt 7"}))
    result = await working.continue_run("talk", store=talk.store)

    assert waiting.outcome.kind == "waiting"
    assert [m.to_text() for m in waiting.messages] == ["Go."]
    assert result.messages[-1].to_text() == "receipt 7"
    assert made == ["made"]


async def test_repeatable_step_that_an_agent_cut_short_leaves_nothing_open(doing: Any) -> None:
    async def act(turn: Turn) -> str:
        async def put() -> str:
            await asyncio.sleep(60)
            return "never"

        try:
            async with asyncio.timeout(0.05):
                return await step("put", put, effect="idempotent")
        except TimeoutError:
            return "never mind"

    working = RoundRobinGroupChat([doing("worker", act)], termination_condition=MaxMessageTermination(2))
    result = await working.run(task="Go.")

    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.open_intents) == ("completed", ())


async def test_outcome_unknown_of_a_step_that_may_be_repeated_is_just_an_error(doing: Any) -> None:
    async def act(turn: Turn) -> str:
        async def look() -> str:
            raise OutcomeUnknown("no idea")

        try:
            return await step("look", look, effect="read")
        except OutcomeUnknown as error:
            return f"caught {error}"

    result = await team(doing, act).run(task="Go.")

    assert result.messages[-1].to_text() == "caught no idea"


# -- replay -----------------------------------------------------------------------------------------------------------


async def test_replay_makes_no_call_and_is_identical(doing: Any) -> None:
    # ENGINE 4
    made: list[str] = []

    async def act(turn: Turn) -> str:
        async def call() -> str:
            made.append("made")
            return "x"

        return await step("a", call) + await step("b", call, effect="read")

    working = team(doing, act, turns=3)
    result = await working.run(task="Go.")
    count = len(made)

    report = await replay(result.run_id, team=working)

    assert report.identical
    assert len(made) == count == 6
