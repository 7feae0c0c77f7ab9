"""Going on with a run: what is settled first, what is given up, and what refuses."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from quorate import AssistantAgent, Limits, MaxMessageTermination, OperationKey, RoundRobinGroupChat, conversation, tool
from quorate.errors import ConfigError, Conflict, OutcomeUnknown, RunFailed
from quorate.models import ToolCall
from quorate.runs.inbox import Note
from quorate.runs.journal import Conversation
from quorate.runs.steps import DidNot, Effect, Happened, Settlement
from quorate.testing import ScriptedModel

Cut = Callable[..., Awaitable[Conversation]]
PAY = ToolCall("c1", "pay", '{"cents": 5}')
EXACT = 'pay({"cents":5}) at turn 1 / clerk / pay 2'


class Till:
    """A tool that counts its payments, and tells keys and who asked what became of them."""

    def __init__(
        self,
        effect: Effect = "unsafe",
        *,
        known: Settlement | str = "no reconcile",
        fails: list[Exception] | None = None,
    ) -> None:
        self.paid: list[int] = []
        self.keys: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.fails = fails or []

        async def reconcile(key: str, arguments: str) -> Settlement:
            self.asked.append((key, arguments))
            return None if isinstance(known, str) else known

        @tool(effect=effect, reconcile=None if known == "no reconcile" else reconcile)
        async def pay(cents: int, key: OperationKey) -> str:
            """Pay."""
            self.paid.append(cents)
            self.keys.append(key)
            if self.fails:
                raise self.fails.pop(0)
            return f"receipt {len(self.paid)}"

        self.pay = pay


def team(till: Till, *lines: object) -> RoundRobinGroupChat:
    clerk = AssistantAgent("clerk", ScriptedModel(lines), tools=[till.pay])
    return RoundRobinGroupChat([clerk], termination_condition=MaxMessageTermination(2))


async def killed_in_the_call(killed: Cut, effect: Effect = "unsafe") -> Conversation:
    """Return what a process left that was killed after the intent, before the outcome."""
    talk = conversation("talk")
    await team(Till(effect), PAY, "Paid.").run(task="Pay.", conversation=talk)
    return await killed(await talk.entries(), before="result")


# -- settling ---------------------------------------------------------------------------------------------------------


async def test_unsafe_call_cut_by_a_kill_waits_and_names_the_exact_call(killed: Cut) -> None:
    # ENGINE 6, 7
    left, till = await killed_in_the_call(killed), Till()

    result = await team(till).continue_run("talk", store=left.store)

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"
    assert result.outcome.open_intents == (EXACT,)
    question = next(e for e in await left.entries() if e.kind == "question").payload
    assert result.outcome.questions == (question["id"],)
    assert (question["name"], question["arguments"]) == ("pay", '{"cents":5}')
    assert "effect='read'" in question["text"]
    assert till.paid == []


async def test_waiting_run_that_is_resumed_without_an_answer_waits_on_and_asks_once(killed: Cut) -> None:
    left = await killed_in_the_call(killed)

    results = [await team(Till()).continue_run("talk", store=left.store) for _ in range(3)]

    assert len({result.outcome for result in results}) == 1
    assert sum(e.kind == "question" for e in await left.entries()) == 1


async def test_answer_that_it_happened_is_the_result_of_the_call(killed: Cut) -> None:
    # ENGINE 6
    left, till = await killed_in_the_call(killed), Till()
    waiting = await team(till).continue_run("talk", store=left.store)
    assert waiting.outcome is not None
    await left.store.post("talk", Note(waiting.outcome.questions[0], "answer", {"happened": True, "result": "slip 9"}))
    model = ScriptedModel(["Done."])
    clerk = AssistantAgent("clerk", model, tools=[till.pay])

    result = await RoundRobinGroupChat([clerk], termination_condition=MaxMessageTermination(2)).continue_run(
        "talk", store=left.store
    )

    assert till.paid == []
    assert model.requests[0].blocks[-1].results[0].content == "slip 9"
    assert result.outcome is not None
    assert result.outcome.kind == "completed"


async def test_answer_that_it_did_not_happen_makes_the_call_again_as_a_further_attempt(killed: Cut) -> None:
    # ENGINE 6
    left, till = await killed_in_the_call(killed), Till()
    waiting = await team(till).continue_run("talk", store=left.store)
    assert waiting.outcome is not None
    await left.store.post("talk", Note(waiting.outcome.questions[0], "answer", {"happened": False}))

    result = await team(till, "Done.").continue_run("talk", store=left.store)

    intents = [e for e in await left.entries() if e.kind == "intent"]
    assert till.paid == [5]
    assert [e.payload.get("attempt", 1) for e in intents] == [1, 2]
    assert {e.path for e in intents} == {"1 turn/1 clerk/2 pay"}
    assert intents[0].payload["key"] == intents[1].payload["key"] == till.keys[0]
    assert result.messages[-1].to_text() == "Done."


async def test_call_cut_twice_is_asked_about_twice(killed: Cut) -> None:
    # ENGINE 6, 16: the answer about one attempt is none about the next
    left, till = await killed_in_the_call(killed), Till()
    first = await team(till).continue_run("talk", store=left.store)
    assert first.outcome is not None
    await left.store.post("talk", Note(first.outcome.questions[0], "answer", {"happened": False}))
    await team(till, "Done.").continue_run("talk", store=left.store)
    again = await killed(await left.entries(), before="result")

    second = await team(till).continue_run("talk", store=again.store)
    assert second.outcome is not None
    await again.store.post("talk", Note(second.outcome.questions[0], "answer", {"happened": True, "result": "slip 9"}))
    result = await team(till, "Done.").continue_run("talk", store=again.store)

    assert second.outcome.kind == "waiting"
    assert second.outcome.questions != first.outcome.questions
    assert result.messages[-1].to_text() == "Done."
    assert till.paid == [5]


@pytest.mark.parametrize(("known", "paid"), [(Happened("slip 9"), []), (DidNot(), [5])], ids=["happened", "did not"])
async def test_reconcile_settles_a_call_without_asking_anybody(killed: Cut, known: Settlement, paid: list[int]) -> None:
    # ENGINE 6
    left, till = await killed_in_the_call(killed), Till(known=known)

    result = await team(till, "Done.").continue_run("talk", store=left.store)

    assert result.messages[-1].to_text() == "Done."
    assert till.paid == paid
    intent = next(e for e in await left.entries() if e.kind == "intent").payload
    assert till.asked == [(intent["key"], '{"cents":5}')]


async def test_reconcile_that_does_not_know_leaves_it_to_a_person(killed: Cut) -> None:
    # ENGINE 6
    left, till = await killed_in_the_call(killed), Till(known=None)

    result = await team(till).continue_run("talk", store=left.store)

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"
    assert len(till.asked) == 1


async def test_reconcile_is_asked_in_the_running_attempt_too() -> None:
    # ENGINE 6: unknown is unknown however it came
    till = Till(known=Happened("slip 9"), fails=[OutcomeUnknown("line went dead")])
    model = ScriptedModel([PAY, "Done."])
    clerk = AssistantAgent("clerk", model, tools=[till.pay])

    result = await clerk.run(task="Pay.")

    assert result.messages[-1].to_text() == "Done."
    assert model.requests[1].blocks[-1].results[0].content == "slip 9"
    assert till.paid == [5]


async def test_call_that_never_happens_is_not_tried_for_ever() -> None:
    # ENGINE 6: bounded
    till = Till(known=DidNot(), fails=[OutcomeUnknown("line went dead")] * 50)

    result = await AssistantAgent("clerk", ScriptedModel([PAY]), tools=[till.pay]).run(task="Pay.")

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"
    assert 1 < len(till.paid) < 10


@pytest.mark.parametrize("effect", ["read", "idempotent"])
async def test_call_that_may_be_repeated_is_repeated_with_the_same_key_and_nobody_is_asked(
    killed: Cut, effect: Effect
) -> None:
    # ENGINE 6
    talk, first, second = conversation("talk"), Till(effect), Till(effect)
    await team(first, PAY, "Paid.").run(task="Pay.", conversation=talk)
    left = await killed(await talk.entries(), before="result")

    result = await team(second, "Done.").continue_run("talk", store=left.store)

    assert result.messages[-1].to_text() == "Done."
    assert first.keys == second.keys
    assert first.paid == second.paid == [5]


async def test_two_calls_side_by_side_are_settled_each_by_its_own_answer(killed: Cut) -> None:
    # ENGINE 6
    calls = [ToolCall("c1", "pay", '{"cents": 5}'), ToolCall("c2", "pay", '{"cents": 6}')]
    talk = conversation("talk")
    await team(Till(), calls, "Paid.").run(task="Pay.", conversation=talk)
    entries = await talk.entries()
    left = await killed([e for e in entries if e.kind != "result"], before="call", nth=2)
    till = Till()
    waiting = await team(till).continue_run("talk", store=left.store)
    assert waiting.outcome is not None
    asked = {e.payload["arguments"]: e.payload["id"] for e in await left.entries() if e.kind == "question"}
    await left.store.post("talk", Note(asked['{"cents":6}'], "answer", {"happened": True, "result": "slip 6"}))
    half = await team(till).continue_run("talk", store=left.store)
    await left.store.post("talk", Note(asked['{"cents":5}'], "answer", {"happened": False}))
    model = ScriptedModel(["Done."])
    clerk = AssistantAgent("clerk", model, tools=[till.pay])

    await RoundRobinGroupChat([clerk], termination_condition=MaxMessageTermination(2)).continue_run(
        "talk", store=left.store
    )

    assert len(waiting.outcome.questions) == 2
    assert half.outcome is not None
    assert half.outcome.questions == (asked['{"cents":5}'],)
    assert [r.content for r in model.requests[0].blocks[-1].results] == ["receipt 1", "slip 6"]


async def test_late_result_settles_a_call_without_asking_anybody(killed: Cut) -> None:
    # ENGINE 8: it came while nobody was there to be told
    left, till = await killed_in_the_call(killed), Till()
    waiting = await team(till).continue_run("talk", store=left.store)
    assert waiting.outcome is not None
    cut = await killed(await left.entries(), before="question")
    await cut.store.post(
        "talk", Note(waiting.outcome.questions[0], "answer", {"happened": True, "result": "slip 9", "late": True})
    )

    result = await team(till, "Done.").continue_run("talk", store=cut.store)

    assert result.outcome is not None
    assert result.outcome.kind == "completed"
    assert not any(e.kind == "question" for e in await cut.entries())


# -- a changed tool ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("was", "now"), [("idempotent", "unsafe"), ("idempotent", "read")])
async def test_open_intent_keeps_the_effect_it_was_written_with(killed: Cut, was: Effect, now: Effect) -> None:
    # ENGINE 2
    left, till = await killed_in_the_call(killed, was), Till(now)

    result = await team(till, "Done.").continue_run("talk", store=left.store)

    intents = [e.payload for e in await left.entries() if e.kind == "intent"]
    assert result.messages[-1].to_text() == "Done."
    assert [intent["effect"] for intent in intents] == [was, was]
    assert till.keys == [intents[0]["key"]]


async def test_unsafe_intent_is_asked_about_even_if_the_tool_is_now_called_safe(killed: Cut) -> None:
    # ENGINE 2
    left, till = await killed_in_the_call(killed), Till("read")

    result = await team(till).continue_run("talk", store=left.store)

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"
    assert till.paid == []


async def test_tool_that_would_now_be_called_otherwise_is_a_conflict_that_names_both(killed: Cut) -> None:
    # ENGINE 2, 3
    left = await killed_in_the_call(killed, "idempotent")

    @tool(effect="idempotent")
    async def pay(cents: int, currency: str = "EUR") -> str:
        """Pay in a currency."""
        return "no"

    clerk = AssistantAgent("clerk", ScriptedModel([]), tools=[pay])

    with pytest.raises(RunFailed) as raised:
        await RoundRobinGroupChat([clerk]).continue_run("talk", store=left.store)

    assert isinstance(raised.value.__cause__, Conflict)
    assert 'pay({"cents":5})' in str(raised.value)
    assert 'pay({"cents":5,"currency":"EUR"})' in str(raised.value)


# -- leaving and giving up --------------------------------------------------------------------------------------------


async def test_new_task_closes_an_unfinished_run(killed: Cut) -> None:
    # ENGINE 7
    left = await killed_in_the_call(killed, "idempotent")

    result = await team(Till(), "Hello.").run(task="Something else.", conversation=left)

    entries = await left.entries()
    closing = next(e for e in entries if e.run == 1 and e.kind == "ended")
    given_up = next(e for e in entries if e.run == 1 and e.kind == "result")
    assert result.run_id == "talk.2"
    assert (closing.payload["outcome"], closing.payload["closed"]) == ("cancelled", True)
    assert given_up.payload == {"content": "pay was given up.", "error": True, "given_up": True}
    with pytest.raises(Conflict, match=r"talk\.1"):
        await team(Till()).continue_run("talk.1", store=left.store)


async def test_new_task_does_not_walk_away_from_an_open_intent(killed: Cut) -> None:
    # ENGINE 7
    left = await killed_in_the_call(killed)
    before = await left.entries()

    with pytest.raises(Conflict, match=r"pay\(\{\"cents\":5\}\).*`quorate resume talk\.1`"):
        await team(Till()).run(task="Something else.", conversation=left)

    assert await left.entries() == before
    assert not await left.store.is_held("talk")


async def test_turn_with_an_open_intent_is_not_given_up(killed: Cut) -> None:
    # ENGINE 3, 7
    left = await killed_in_the_call(killed)
    before = await left.entries()

    with pytest.raises(Conflict, match="is not settled"):
        await team(Till()).continue_run("talk", store=left.store, give_up_turn=True)

    assert await left.entries() == before


async def test_turn_that_is_given_up_is_closed_and_the_next_one_goes_on(killed: Cut) -> None:
    # ENGINE 3
    left, till = await killed_in_the_call(killed, "idempotent"), Till("idempotent")
    model = ScriptedModel(["Instead."])
    clerk = AssistantAgent("clerk", model, tools=[till.pay])

    result = await RoundRobinGroupChat([clerk], termination_condition=MaxMessageTermination(2)).continue_run(
        "talk", store=left.store, give_up_turn=True
    )

    turns = [e for e in await left.entries() if e.kind == "turn"]
    assert [(e.path, e.payload) for e in turns] == [("1 turn", {"given_up": True}), ("2 turn", {})]
    assert [block.text for block in model.requests[0].blocks] == ["Pay."]
    assert [m.to_text() for m in result.messages] == ["Pay.", "Instead."]
    assert till.paid == []


# -- refusals ---------------------------------------------------------------------------------------------------------


async def test_run_that_does_not_exist_is_refused_with_what_there_is() -> None:
    talk = conversation("talk")
    working = team(Till(), "Hello.")
    await working.run(task="Hi.", conversation=talk)

    with pytest.raises(ConfigError, match="no conversation nothing"):
        await working.continue_run("nothing", store=talk.store)
    with pytest.raises(ConfigError, match=r"has no run 7. It has: 1"):
        await working.continue_run("talk.7", store=talk.store)


async def test_completed_run_does_not_go_on() -> None:
    talk = conversation("talk")
    working = team(Till(), "Hello.")
    await working.run(task="Hi.", conversation=talk)

    with pytest.raises(Conflict, match=r"talk\.1 is completed: 2 messages of at most 2\. Give the conversation a new"):
        await working.continue_run("talk.1", store=talk.store)

    assert not await talk.store.is_held("talk")


async def test_only_the_last_run_goes_on() -> None:
    talk = conversation("talk")
    for _ in range(2):
        with pytest.raises(RunFailed):
            await team(Till(), ValueError("broken")).run(task="Hi.", conversation=talk)

    with pytest.raises(Conflict, match=r"talk\.1"):
        await team(Till()).continue_run("talk.1", store=talk.store)


async def test_two_runs_at_a_time_on_one_conversation_are_a_conflict() -> None:
    talk = conversation("talk")
    release = asyncio.Event()

    async def wait(*_: object) -> str:
        """Wait."""
        await release.wait()
        return "went"

    clerk = AssistantAgent(
        "clerk", ScriptedModel([ToolCall("c", "wait", "{}"), "Done."]), tools=[tool(wait_tool(wait))]
    )
    working = RoundRobinGroupChat([clerk], max_turns=1)
    async with working.start(task="Hi.", conversation=talk) as run:
        await asyncio.sleep(0)
        with pytest.raises(Conflict, match="talk"):
            await working.run(task="Me too.", conversation=talk)
        with pytest.raises(Conflict, match="talk"):
            await working.continue_run("talk", store=talk.store)
        release.set()
        result = await run.result()

    assert result.messages[-1].to_text() == "Done."
    assert [e.kind for e in await talk.entries()].count("run") == 1


def wait_tool(inner: Any) -> Any:
    async def wait() -> str:
        """Wait."""
        return await inner()

    return wait


async def test_wider_limits_replace_the_runs_own_field_by_field() -> None:
    talk = conversation("talk")
    clerk = AssistantAgent("clerk", ScriptedModel(f"line {n} {'abcdefghij'[n]}" for n in range(10)))
    working = RoundRobinGroupChat([clerk], limits=Limits(turns=2, tokens=50_000))
    await working.run(task="Hi.", conversation=talk)

    result = await working.continue_run("talk", store=talk.store, limits=Limits(turns=5))

    assert result.outcome is not None
    assert (result.outcome.limit, result.turns) == ("turns", 5)
    resumed = next(e for e in await talk.entries() if e.kind == "resumed")
    assert resumed.payload == {"limits": {"turns": 5}}
