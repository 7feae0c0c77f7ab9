"""The ledger of effects: what each call was, and what is known of it."""

from typing import Any

import pytest

from quorate import (
    AssistantAgent,
    MaxMessageTermination,
    OperationKey,
    RoundRobinGroupChat,
    Turn,
    effects,
    open_store,
    step,
    tool,
)
from quorate.errors import ConfigError, OutcomeUnknown
from quorate.models import ToolCall
from quorate.runs.entries import tombstone
from quorate.runs.inbox import Note
from quorate.runs.steps import DidNot, Effect, Happened, Settlement
from quorate.testing import FakeClock, ScriptedModel

PAY = ToolCall("c1", "pay", '{"cents": 5}')


def paying(*outcomes: object, effect: Effect = "unsafe", known: Settlement = None, **options: Any) -> Any:
    """Return a tool that comes to these outcomes, one call after the other, and its keys."""
    left = list(outcomes)

    async def reconcile(key: str, arguments: str) -> Settlement:
        return known

    @tool(effect=effect, reconcile=reconcile if effect == "unsafe" else None, **options)
    async def pay(cents: int, key: OperationKey) -> object:
        """Pay."""
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return pay


def team(pay: Any, *lines: object) -> RoundRobinGroupChat:
    clerk = AssistantAgent("clerk", ScriptedModel(lines), tools=[pay])
    return RoundRobinGroupChat([clerk], termination_condition=MaxMessageTermination(2))


@pytest.fixture
def store() -> Any:
    return open_store("memory:", clock=FakeClock())


async def row_of(store: Any, pay: Any, *lines: object) -> Any:
    await team(pay, *lines).run(task="Pay.", conversation=store.conversation("talk"))
    (row,) = await effects("talk", store=store)
    return row


async def test_call_that_was_made_is_done_with_all_there_is_to_know(store: Any) -> None:
    row = await row_of(store, paying("receipt 7"), PAY, "Done.")

    intent = next(e for e in await store.read("talk") if e.kind == "intent")
    assert (row.run_id, row.path, row.name, row.arguments) == ("talk.1", "1 turn/1 clerk/2 pay", "pay", '{"cents":5}')
    assert (row.effect, row.key, row.attempts) == ("unsafe", intent.payload["key"], 1)
    assert (row.state, row.by, row.result, row.question) == ("done", "the call", "receipt 7", "")
    assert row.announced_at == row.settled_at == intent.at


@pytest.mark.parametrize(
    ("outcomes", "options", "state", "by", "attempts"),
    [
        ([ValueError("no")], {}, "raised", "the call", 1),
        ([OutcomeUnknown("?")], {"known": Happened("slip")}, "done", "reconcile", 1),
        ([OutcomeUnknown("?"), "receipt"], {"known": DidNot()}, "done", "the call", 2),
        ([OutcomeUnknown("?")], {}, "unknown", "", 1),
        ([OSError("no"), "receipt"], {"effect": "idempotent", "attempts": 2}, "done", "the call", 2),
    ],
    ids=["raised", "happened", "did not, then done", "unknown", "tried again"],
)
async def test_state_says_what_is_known_and_by_whom(
    store: Any, outcomes: list[object], options: dict[str, Any], state: str, by: str, attempts: int
) -> None:
    # ENGINE 6
    row = await row_of(store, paying(*outcomes, **options), PAY, "Done.")

    assert (row.state, row.by, row.attempts) == (state, by, attempts)
    assert bool(row.question) == (state == "unknown")


@pytest.mark.parametrize(
    ("answer", "state", "by", "result"),
    [
        ({"happened": True, "result": "slip 9"}, "done", "a person", "slip 9"),
        ({"happened": True, "late": True, "result": "slip 9"}, "late", "a late result", "slip 9"),
    ],
)
async def test_call_that_was_settled_from_outside_says_who_did(
    store: Any, answer: dict[str, Any], state: str, by: str, result: str
) -> None:
    # ENGINE 6, 8
    pay = paying(OutcomeUnknown("?"))
    asked = await row_of(store, pay, PAY)
    await store.post("talk", Note(asked.question, "answer", answer))
    await team(pay, "Done.").continue_run("talk", store=store)

    (row,) = await effects("talk.1", store=store)
    assert (row.state, row.by, row.result, row.attempts) == (state, by, result, 1)


async def test_call_that_was_given_up_says_so(killed: Any, store: Any) -> None:
    # ENGINE 3
    pay = paying("receipt", effect="idempotent")
    await row_of(store, pay, PAY, "Done.")
    left = await killed(await store.read("talk"), before="result")
    await team(pay, "Hello.").run(task="Something else.", conversation=left)

    (row,) = await effects("talk", store=left.store)
    assert (row.state, row.by) == ("given up", "")


async def test_call_of_a_run_that_a_living_process_is_at_is_under_way(killed: Any, store: Any) -> None:
    await row_of(store, paying("receipt"), PAY, "Done.")
    left = await killed(await store.read("talk"), before="result")
    (dead,) = await effects("talk", store=left.store)
    await left.store.open("talk")

    (row,) = await effects("talk", store=left.store)

    assert (dead.state, row.state) == ("unknown", "under way")


async def test_runs_are_told_apart_and_a_conversation_has_them_all_in_order(store: Any) -> None:
    for _ in range(2):
        calls = [PAY, ToolCall("c2", "pay", '{"cents": 6}')]
        await team(paying("one", "two"), calls, "Done.").run(task="Pay.", conversation=store.conversation("talk"))

    both, second = await effects("talk", store=store), await effects("talk.2", store=store)

    assert [(r.run_id, r.arguments) for r in both] == [
        (f"talk.{run}", f'{{"cents":{n}}}') for run in (1, 2) for n in (5, 6)
    ]
    assert second == both[2:]


async def test_reads_are_no_effects_and_steps_are(store: Any, doing: Any) -> None:
    async def act(turn: Turn) -> object:
        async def call() -> object:
            return {"n": 1}

        await step("look", call, effect="read")
        return await step("book", call)

    await RoundRobinGroupChat([doing("worker", act)], max_turns=1).run(
        task="Go.", conversation=store.conversation("talk")
    )

    (row,) = await effects("talk", store=store)
    assert (row.name, row.arguments, row.result) == ("book", "", {"n": 1})


async def test_erased_entries_leave_the_ledger_readable(store: Any) -> None:
    # ENGINE 23
    await row_of(store, paying("receipt"), PAY, "Done.")
    erased = open_store("memory:")
    journal = await erased.open("talk")
    for entry in await store.read("talk"):
        at_call = entry.path.endswith("2 pay")
        journal.append(entry.run, entry.path, entry.kind, tombstone(entry.kind) if at_call else entry.payload)
    await journal.release()

    (row,) = await effects("talk", store=erased)

    assert (row.state, row.arguments, row.result) == ("done", "[erased]", "[erased]")


async def test_unknown_run_is_refused(store: Any) -> None:
    await row_of(store, paying("receipt"), PAY, "Done.")

    for id in ("nothing", "talk.7"):
        with pytest.raises(ConfigError, match=f"no run and no conversation {id} here"):
            await effects(id, store=store)
