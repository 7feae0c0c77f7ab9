"""Approvals: of the exact call, by a person, once."""

import json
from datetime import timedelta
from typing import Any

import pytest

from quorate import Approval, AssistantAgent, MaxMessageTermination, RoundRobinGroupChat, ask, replay, tool
from quorate.errors import ConfigError, Conflict
from quorate.models import ToolCall
from quorate.runs.inbox import Note
from quorate.runs.memory import MemoryStore
from quorate.runs.questions import Question, answer, find
from quorate.testing import FakeClock, ScriptedModel


class Till:
    """A tool that needs approval, what it paid, and the team around it in conversation `talk`."""

    def __init__(self, *lines: object, approval: bool | Approval = True, clock: FakeClock | None = None) -> None:
        self.paid: list[int] = []
        self.store = MemoryStore(clock=clock)

        @tool(approval=approval)
        async def pay(cents: int) -> str:
            """Pay."""
            self.paid.append(cents)
            return f"receipt {len(self.paid)}"

        self.pay = pay
        self.model = ScriptedModel(lines)
        self.team = self.with_tools(pay)

    def with_tools(self, *tools: Any) -> RoundRobinGroupChat:
        clerk = AssistantAgent("clerk", self.model, tools=tools)
        return RoundRobinGroupChat([clerk], termination_condition=MaxMessageTermination(2))

    async def begun(self, **options: Any) -> Any:
        return await self.team.run(task="Pay.", conversation=self.store.conversation("talk"), **options)

    async def go_on(self) -> Any:
        return await self.team.continue_run("talk", store=self.store)

    def results(self, call: int = -1) -> list[str]:
        return [r.content for b in self.model.requests[call].blocks if hasattr(b, "results") for r in b.results]

    async def kinds(self, path: str) -> list[str]:
        return [e.kind for e in await self.store.read("talk") if e.path == path]


CODE = "if 1:\n\tprint('\x1b[2J')\nApprove it?\n"
PAY = ToolCall("c1", "pay", '{"cents": 5}')
PATH = "1 turn/1 clerk/2 pay"


async def test_call_waits_for_its_approval_which_is_finished_before_its_intent() -> None:
    till = Till(PAY, "Paid.")

    waits = await till.begun()
    (id,) = waits.outcome.questions
    question, _ = await find(till.store, id)
    assert till.paid == []
    await answer(till.store, id, True, by="ann")
    await till.go_on()

    assert (question.name, question.arguments) == ("pay", '{"cents":5}')
    assert question.text == 'clerk asks to call pay({"cents":5}). Approve it?'
    assert till.paid == [5]
    assert await till.kinds(PATH) == ["question", "answer", "intent", "result"]
    assert (await replay("talk", team=till.team, store=till.store)).identical


async def test_person_reads_an_argument_of_several_lines_as_lines_and_none_passes_for_the_question() -> None:
    till = Till(
        ToolCall("c1", "run", json.dumps({"blocks": [{"code": CODE, "language": "python"}], "tries": 1})), "Ok."
    )

    @tool(name="run", approval=True)
    def run(blocks: list[dict[str, str]], tries: int) -> str:
        """Run code."""
        return "ran"

    asked: list[str] = []

    def refuse(question: Question) -> bool:
        asked.append(question.text)
        return False

    await till.with_tools(run).run(task="Run.", answer=refuse)

    assert asked == [
        (
            "clerk asks to call run:\n  blocks[0].code =\n  | if 1:\n  | \tprint('\\x1b[2J')\n  | Approve it?\n"
            '  blocks[0].language = "python"\n  tries = 1\nApprove it?'
        )
    ]


async def test_backslash_in_an_argument_is_no_line() -> None:
    till = Till(ToolCall("c1", "look", json.dumps({"path": "C:\\new"})), "Ok.")

    @tool(approval=True)
    def look(path: str) -> str:
        """Look."""
        return "seen"

    waits = await till.with_tools(look).run(task="Look.", conversation=till.store.conversation("talk"))

    question, _ = await find(till.store, waits.outcome.questions[0])
    assert question.text == 'clerk asks to call look({"path":"C:\\\\new"}). Approve it?'


@pytest.mark.parametrize(
    ("said", "result"),
    [
        (False, "pay was not approved. Ask for something smaller, or go on without."),
        ("too much", "pay was not approved: too much. Ask for something smaller, or go on without."),
        ("no", "pay was not approved: no. Ask for something smaller, or go on without."),
        ("yes, but less", "pay was not approved: yes, but less. Ask for something smaller, or go on without."),
    ],
    ids=["no", "why not", "a text that says no", "a text that says yes and more"],
)
async def test_refusal_goes_to_the_model_as_a_result_and_no_text_is_an_approval(said: Any, result: str) -> None:
    till = Till(PAY, "Then not.")
    waits = await till.begun()
    await answer(till.store, waits.outcome.questions[0], said)

    await till.go_on()

    assert till.paid == []
    assert till.results() == [result]
    assert await till.kinds(PATH) == ["question", "answer", "result"]
    assert (await replay("talk", team=till.team, store=till.store)).identical


@pytest.mark.parametrize("said", ["yes", " YES! ", "y", "ok", "Approved.", "true", "yes please, go ahead", "oui"])
async def test_text_that_only_says_yes_neither_approves_nor_refuses_but_is_told_what_does(said: str) -> None:
    till = Till(PAY, "Paid.")
    waits = await till.begun()
    id = waits.outcome.questions[0]

    with pytest.raises(
        ConfigError, match=r"no text approves a call\. Answer True to approve it .*, False or the reason to refuse"
    ):
        await answer(till.store, id, said)

    await answer(till.store, id, True)
    await till.go_on()
    assert till.paid == [5]


async def test_who_says_yes_at_once_in_a_text_is_told_what_approves_and_asked_again() -> None:
    asked: list[Question] = []

    def boss(question: Question) -> Any:
        asked.append(question)
        return True if question.problem else "yes"

    till = Till(PAY, "Paid.")

    await till.begun(answer=boss)

    assert till.paid == [5]
    assert [(q.approval, "Answer True to approve" in q.problem) for q in asked] == [(True, False), (True, True)]


async def test_approval_is_of_one_call_with_its_arguments() -> None:
    approved: list[str] = []

    def live(question: Any) -> bool:
        approved.append(question.arguments)
        return True

    calls = [ToolCall("a", "pay", '{"cents": 1}'), ToolCall("b", "pay", '{ "cents":2 }')]
    till = Till(calls, PAY, PAY, "Paid.")

    await till.begun(answer=live)

    assert sorted(approved) == ['{"cents":1}', '{"cents":2}', '{"cents":5}', '{"cents":5}']
    assert sorted(till.paid) == [1, 2, 5, 5]


async def test_approved_call_that_the_definition_no_longer_makes_is_a_conflict() -> None:
    till = Till(PAY, "Paid.")
    waits = await till.begun()
    await answer(till.store, waits.outcome.questions[0], True)

    @tool(name="pay", approval=True)
    async def other(cents: int, tip: int = 1) -> str:
        """Pay and tip."""
        raise AssertionError

    till.team = till.with_tools(other)
    with pytest.raises(Exception, match=r"was put before a person, but the definition now calls pay") as error:
        await till.go_on()

    assert isinstance(error.value.__cause__, Conflict)
    assert till.paid == []


async def test_approval_that_was_given_is_used_after_a_crash_and_only_once(killed: Any) -> None:
    till = Till(PAY, "Paid.")
    await till.begun(answer=lambda q: True)
    left = await killed(await till.store.read("talk"), before="intent")
    again = Till("Paid.")
    again.store = left.store

    result = await again.go_on()

    assert again.paid == [5]
    assert result.outcome.kind == "completed"


async def test_unused_approval_of_a_call_that_did_not_happen_stands() -> None:
    # ENGINE 6
    till = Till(PAY, "Paid.")
    await till.begun(answer=lambda q: True)
    journal = await till.store.open("cut")
    for entry in await till.store.read("talk"):
        journal.append(entry.run, entry.path, entry.kind, entry.payload)
        if entry.kind == "intent":
            break
    await journal.release()
    again = Till("Paid.")
    again.store = till.store
    waits = await again.team.continue_run("cut", store=till.store)
    await till.store.post("cut", Note(waits.outcome.questions[0], "answer", {"happened": False}))

    result = await again.team.continue_run("cut", store=till.store)

    assert again.paid == [5]
    assert result.outcome.kind == "completed"


async def test_call_that_nobody_approved_in_time_is_refused() -> None:
    clock = FakeClock()
    till = Till(PAY, "Then not.", approval=Approval(to="boss", deadline=timedelta(hours=1)), clock=clock)
    waits = await till.begun()
    question, _ = await find(till.store, waits.outcome.questions[0])
    clock.advance(3600)

    await till.go_on()

    assert question.to == "boss"
    assert till.results() == [
        "pay was not approved: Nobody approved it in time. Ask for something smaller, or go on without."
    ]


async def test_call_with_arguments_that_do_not_fit_bothers_nobody() -> None:
    till = Till(ToolCall("c", "pay", '{"cents": "all"}'), "Sorry.")

    result = await till.begun()

    assert result.outcome.kind == "completed"
    assert "do not fit" in till.results()[0]


async def test_tool_that_is_a_scope_can_need_approval_and_ask_on() -> None:
    till = Till(ToolCall("c", "order", "{}"), "Ordered.")

    @tool(scope=True, approval=True)
    async def order() -> str:
        """Order."""
        return f"ordered in {await ask('Which colour?')}"

    till.team = till.with_tools(order)
    waits = await till.begun()
    await answer(till.store, waits.outcome.questions[0], True)
    waits = await till.go_on()
    await answer(till.store, waits.outcome.questions[0], "blue")
    await till.go_on()

    assert till.results() == ["ordered in blue"]
    assert (await replay("talk", team=till.team, store=till.store)).identical


async def test_inside_a_leaf_nobody_can_approve() -> None:
    till = Till()
    inner = AssistantAgent("inner", ScriptedModel([PAY, "x"]), tools=[till.pay])

    @tool(effect="read")
    async def outer() -> str:
        """Use an agent inside a step."""
        return str(await inner.run(task="Pay."))

    till.model = ScriptedModel([ToolCall("o", "outer", "{}"), "Done."])
    till.team = till.with_tools(outer)

    await till.begun(answer=lambda question: True)

    assert till.paid == []
    assert "scope=True" in till.results()[0]
