"""Questions to people: asked in a step, answered from anywhere, once."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from quorate import (
    Agent,
    AssistantAgent,
    Expiry,
    MaxMessageTermination,
    Question,
    RoundRobinGroupChat,
    TextMessage,
    Turn,
    answering,
    ask,
    conversation,
    open_store,
    replay,
    tool,
)
from quorate.chat.messages import TaskResult
from quorate.errors import ConfigError, Conflict, Expired, RunFailed
from quorate.models import ToolCall
from quorate.runs.budget import Budget
from quorate.runs.memory import MemoryStore
from quorate.runs.outcome import Outcome
from quorate.runs.questions import answer, expire, find, reassign
from quorate.testing import FakeClock, ScriptedModel


class Order(BaseModel):
    """What somebody wants."""

    size: Literal["small", "large"]
    count: int


class Asking(Agent):
    """Asks in its turn, and says what it was told."""

    def __init__(self, name: str, question: str = "Which colour?", schema: Any = None, **options: Any) -> None:
        super().__init__(name)
        self.question, self.schema, self.options = question, schema, options

    async def speak(self, turn: Turn) -> TextMessage:
        found = await ask(self.question, self.schema, **self.options)
        return TextMessage(content=f"told {found!r}", source=self.name)


def team(*members: Any, turns: int = 1) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(1 + turns))


def outcome_of(result: TaskResult) -> Outcome:
    assert result.outcome is not None
    return result.outcome


async def waiting(working: RoundRobinGroupChat, store: Any, id: str = "talk") -> str:
    """Run until it waits, and return the id of its question."""
    result = await working.run(task="Go.", conversation=store.conversation(id))
    assert outcome_of(result).kind == "waiting"
    return outcome_of(result).questions[0]


def kinds(entries: Any) -> list[str]:
    return [e.kind for e in entries]


async def test_question_that_nobody_answers_at_once_ends_the_run_waiting_and_holds_nothing() -> None:
    store = MemoryStore()

    result = await team(Asking("ann")).run(task="Go.", conversation=store.conversation("talk"))

    (id,) = outcome_of(result).questions
    assert outcome_of(result).reason == f"It waits for an answer to {id}."
    assert not await store.is_held("talk")
    assert kinds(await store.read("talk")) == ["run", "choice", "question", "ended"]


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        (None, "Blue.", "told 'Blue.'"),
        (bool, True, "told True"),
        (list[int], [1, 2], "told [1, 2]"),
        (Order, {"size": "small", "count": 2}, "told Order(size='small', count=2)"),
        ({"type": "object", "required": ["a"]}, {"a": 1}, "told {'a': 1}"),
    ],
)
async def test_answer_is_what_was_asked_for(schema: Any, value: Any, said: str) -> None:
    store, working = MemoryStore(), team(Asking("ann", schema=schema))
    id = await waiting(working, store)

    await answer(store, id, value, by="bob")
    result = await working.continue_run("talk", store=store)

    assert result.messages[-1].to_text() == said
    entries = await store.read("talk")
    assert next(e.payload for e in entries if e.kind == "answer") == {"value": value, "by": "bob"}
    assert (await replay("talk", team=working, store=store)).identical


@pytest.mark.parametrize(
    ("schema", "value", "why"),
    [
        (None, 5, "in words"),
        (None, " ", "in words"),
        (bool, "maybe", "'maybe' is a text: answer True or False"),
        (bool, "yes", "'yes' is a text: answer True or False"),
        (bool, 1, "does not fit"),
        (Order, {"size": "huge", "count": 2}, "size: 'huge' is not one of"),
        ({"type": "integer", "minimum": 3}, 2, "less than the minimum"),
    ],
)
async def test_answer_of_the_wrong_shape_is_refused_when_it_is_written(schema: Any, value: Any, why: str) -> None:
    # ENGINE 16
    store = MemoryStore()
    id = await waiting(team(Asking("ann", schema=schema)), store)

    with pytest.raises(ConfigError, match=why):
        await answer(store, id, value)

    assert await store.notes("talk") == []


async def test_answer_that_does_not_fit_any_more_when_it_is_taken_is_asked_for_again() -> None:
    store = MemoryStore()
    id = await waiting(team(Asking("ann", schema=int)), store)
    await answer(store, id, 5)

    changed = team(Asking("ann", schema={"type": "integer", "minimum": 10}))
    result = await changed.continue_run("talk", store=store)
    again = outcome_of(result).questions[0]
    question, _ = await find(store, again)
    await answer(store, again, 12)
    result = await changed.continue_run("talk", store=store)

    assert again != id
    assert "less than the minimum" in question.problem
    assert result.messages[-1].to_text() == "told 12"


async def test_same_answer_again_is_fine_and_another_is_a_conflict_before_and_after_it_was_used() -> None:
    # ENGINE 16
    store, working = MemoryStore(), team(Asking("ann"))
    id = await waiting(working, store)
    await answer(store, id, "Blue.", by="ann")

    for _ in range(2):
        await answer(store, id, "Blue.", by="bob")
        with pytest.raises(Conflict, match="has been answered already"):
            await answer(store, id, "Red.")
        await working.continue_run("talk", store=store) if await store.questions() else None

    assert [e.payload["by"] for e in await store.read("talk", kinds=["answer"])] == ["ann"]


async def test_unknown_question_is_refused_with_the_list_to_look_at() -> None:
    store = MemoryStore()
    await waiting(team(Asking("ann")), store)

    for id in ("nothing", "talk.1-q000000", "gone.1-q000000"):
        with pytest.raises(ConfigError, match=r"There is no question .*quorate questions"):
            await answer(store, id, "x")


async def test_parallel_questions_of_one_run_are_answered_in_any_order() -> None:
    asked: list[str] = []

    @tool(scope=True)
    async def survey(who: str) -> str:
        """Ask somebody."""
        asked.append(who)
        return await ask(f"And you, {who}?", to=who)

    calls = [ToolCall(f"c{i}", "survey", f'{{"who": "{who}"}}') for i, who in enumerate(("ann", "bob", "cai"))]
    model = ScriptedModel([calls, "Done."])
    store, working = MemoryStore(), team(AssistantAgent("clerk", model, tools=[survey]))
    result = await working.run(task="Go.", conversation=store.conversation("talk"))
    by_person = {q.entry.payload["to"]: q.entry.payload["id"] for q in await store.questions()}

    for who in ("cai", "ann", "bob"):
        assert outcome_of(result).kind == "waiting"
        await answer(store, by_person[who], f"{who} says yes")
        result = await working.continue_run("talk", store=store)

    assert [r.content for r in model.requests[-1].blocks[-1].results] == [
        "ann says yes",
        "bob says yes",
        "cai says yes",
    ]
    assert outcome_of(result).kind == "completed"
    assert (await replay("talk", team=working, store=store)).identical


async def test_siblings_of_an_asking_branch_finish_first() -> None:
    done: list[str] = []

    @tool(scope=True)
    async def careful() -> str:
        """Ask first."""
        return await ask("Really?")

    @tool
    async def slow() -> str:
        """Take a while."""
        await asyncio.sleep(0.01)
        done.append("slow")
        return "slow is done"

    model = ScriptedModel([[ToolCall("1", "careful", "{}"), ToolCall("2", "slow", "{}")], "Done."])
    store, working = MemoryStore(), team(AssistantAgent("clerk", model, tools=[careful, slow]))
    id = await waiting(working, store)

    await answer(store, id, "Yes.")
    await working.continue_run("talk", store=store)

    assert done == ["slow"]
    assert [r.content for r in model.requests[-1].blocks[-1].results] == ["Yes.", "slow is done"]


async def test_answer_that_comes_while_the_run_is_still_live_is_taken_by_it(tmp_path: Path) -> None:
    # ENGINE 16: the entry that ends an attempt is committed only together with the check of the inbox
    store_path = tmp_path / "work.db"

    @tool
    async def meddling() -> str:
        """Answer from another process while the sibling waits."""
        async with open_store(store_path) as other:
            found = await other.questions()  # the sibling has asked already: it was called first
            await answer(other, found[0].entry.payload["id"], "Yes.")
        return "answered"

    @tool(scope=True)
    async def careful() -> str:
        """Ask first."""
        return await ask("Really?")

    model = ScriptedModel([[ToolCall("1", "careful", "{}"), ToolCall("2", "meddling", "{}")], "Done."])
    async with open_store(store_path) as store:
        working = team(AssistantAgent("clerk", model, tools=[careful, meddling]))

        result = await working.run(task="Go.", conversation=store.conversation("talk"))

        assert outcome_of(result).kind == "completed"
        assert result.messages[-1].to_text() == "Done."
        assert kinds(await store.read("talk")).count("ended") == 1
        assert (await replay("talk", team=working, store=store)).identical


async def test_somebody_who_answers_at_once_is_asked_and_the_run_goes_on() -> None:
    asked: list[Question] = []

    def live(question: Question) -> Any:
        asked.append(question)
        return {"size": "small", "count": len(asked)}

    store = MemoryStore()
    working = team(Asking("ann", "How much?", Order, to="bob"))

    result = await working.run(task="Go.", conversation=store.conversation("talk"), answer=live)

    assert result.messages[-1].to_text() == "told Order(size='small', count=1)"
    assert (asked[0].text, asked[0].to, asked[0].run_id) == ("How much?", "bob", "talk.1")
    assert await store.notes("talk") == []
    assert [e.payload for e in await store.read("talk", kinds=["answer"])] == [
        {"value": {"size": "small", "count": 1}, "by": "bob"}
    ]


async def test_who_answers_wrongly_is_told_and_asked_again_then_the_question_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    problems: list[str] = []

    async def live(question: Question) -> Any:
        problems.append(question.problem)
        return "many"

    result = await team(Asking("ann", schema=int)).run(task="Go.", answer=live)

    assert outcome_of(result).kind == "waiting"
    assert problems[0] == ""
    assert all("does not fit" in problem for problem in problems[1:])
    assert len(problems) == 3
    [told] = caplog.messages
    assert "stays open, since 3 answers did not fit. The last: 'many' does not fit" in told


async def test_answer_from_elsewhere_is_used_while_somebody_is_asked_at_once() -> None:
    # ENGINE 16: first answer is decided by the row
    store = MemoryStore()
    left: list[str] = []

    async def live(question: Question) -> Any:
        await answer(store, question.id, "from afar", by="bob")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            left.append(question.id)
            raise

    result = await team(Asking("ann")).run(task="Go.", conversation=store.conversation("talk"), answer=live)

    assert result.messages[-1].to_text() == "told 'from afar'"
    assert len(left) == 1


async def test_error_of_who_answers_is_the_error_of_the_step() -> None:
    def live(question: Question) -> Any:
        raise OSError("the line is dead")

    with pytest.raises(RunFailed, match="the line is dead"):
        await team(Asking("ann")).run(task="Go.", answer=live)


async def test_question_is_asked_again_of_whoever_answers_at_once_when_the_run_goes_on() -> None:
    store, working = MemoryStore(), team(Asking("ann"))
    await waiting(working, store)

    result = await working.continue_run("talk", store=store, answer=lambda q: "now")

    assert result.messages[-1].to_text() == "told 'now'"
    assert kinds(await store.read("talk")).count("question") == 1


async def test_answer_survives_a_crash_after_it_was_taken(killed: Any) -> None:
    # ENGINE 2
    store, working = MemoryStore(), team(Asking("ann"))
    id = await waiting(working, store)
    await answer(store, id, "Blue.")
    await working.continue_run("talk", store=store)
    left = await killed(await store.read("talk"), before="said")

    result = await working.continue_run("talk", store=left.store)

    assert result.messages[-1].to_text() == "told 'Blue.'"


async def test_run_that_asks_ends_the_same_wherever_it_is_killed(killed: Any) -> None:
    # ENGINE 1, 2, 16
    @tool(scope=True)
    async def survey(who: str) -> str:
        """Ask somebody."""
        return await ask(f"And you, {who}?", to=who)

    @tool(approval=True, effect="read")
    async def look() -> str:
        """Look."""
        return "seen"

    def says(request: Any) -> Any:
        done = [b for b in request.blocks if getattr(b, "results", ())]
        return "; ".join(r.content for r in done[-1].results) if done else None

    class Pure(ScriptedModel):
        async def stream(self, request: Any) -> Any:
            calls = [ToolCall("a", "survey", '{"who": "ann"}'), ToolCall("b", "look", "{}")]
            self._lines = iter([says(request) or calls])
            async for event in super().stream(request):
                yield event

    def members() -> RoundRobinGroupChat:
        return team(AssistantAgent("clerk", Pure([]), tools=[survey, look]), Asking("bob", schema=bool), turns=2)

    def live(question: Question) -> Any:
        return "fine" if question.to else True

    store = MemoryStore(clock=FakeClock())
    await members().run(task="Go.", conversation=store.conversation("talk"), answer=live)
    entries = await store.read("talk")

    for at in range(2, len(entries)):
        left = await killed(entries, after=at)
        result = await members().continue_run("talk", store=left.store, answer=live)
        assert [m.to_text() for m in result.messages if m.type == "TextMessage"] == ["Go.", "fine; seen", "told True"]
        assert (await replay("talk", team=members(), store=left.store)).identical


# -- where it may be asked --------------------------------------------------------------------------------------------


async def test_asking_inside_a_leaf_is_refused_even_where_somebody_would_answer() -> None:
    @tool
    async def leaf() -> str:
        """Ask where it cannot wait."""
        return await ask("Well?")

    model = ScriptedModel([ToolCall("1", "leaf", "{}"), "Done."])

    await team(AssistantAgent("clerk", model, tools=[leaf])).run(task="Go.", answer=lambda q: "yes")

    (result,) = model.requests[-1].blocks[-1].results
    assert "scope=True" in result.content
    assert result.is_error


async def test_outside_a_run_only_somebody_who_answers_at_once_can_be_asked() -> None:
    with pytest.raises(ConfigError, match="no run around"):
        await ask("Well?")

    with answering(lambda question: "5"):
        assert await ask("Well?") == "5"
        with pytest.raises(ConfigError, match="does not fit"):
            await ask("How many?", bool)


async def test_policy_may_ask_who_speaks() -> None:
    class Told:
        def begin(self) -> None:
            return None

        def see(self, memory: None, fact: Any) -> None:
            return None

        async def next(self, memory: None, thread: Any, members: Any) -> Any:
            from quorate.chat.turns import Speak

            return Speak((await ask("Who?", {"enum": list(members)}),), "a person said so")

    from quorate import Team

    class Fixed(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            return TextMessage(content="here", source=self.name)

    working = Team([Fixed("a"), Fixed("b")], turns=Told(), termination_condition=MaxMessageTermination(2))
    store = MemoryStore()
    id = await waiting(working, store)
    await answer(store, id, "b")

    result = await working.continue_run("talk", store=store)

    assert result.messages[-1].source == "b"
    assert (await replay("talk", team=working, store=store)).identical


async def test_code_that_swallows_the_waiting_cannot_close_the_speech() -> None:
    class Deaf(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            try:
                text = await ask("Well?")
            except Exception:
                text = "never mind"
            return TextMessage(content=text, source=self.name)

    store, working = MemoryStore(), team(Deaf("ann"))
    id = await waiting(working, store)
    await answer(store, id, "Now.")

    result = await working.continue_run("talk", store=store)

    assert result.messages[-1].to_text() == "Now."


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"question": " "}, "empty"),
        ({"schema": object()}, "says nothing about an answer"),
        ({"schema": {"type": "nothing"}}, "no JSON schema"),
        ({"schema": int, "on_expiry": "x", "deadline": timedelta(1)}, "does not fit"),
        ({"deadline": timedelta(0)}, "must lie ahead"),
        ({"deadline": datetime(2030, 1, 1)}, "no time zone"),  # noqa: DTZ001  # that is the point
    ],
)
async def test_question_that_cannot_be_asked_is_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        await team(Asking("ann", **options)).run(task="Go.")


async def test_new_task_over_an_open_question_names_it_and_the_commands_that_settle_it() -> None:
    # ENGINE 7
    store, working = MemoryStore(), team(Asking("ann"))
    id = await waiting(working, store)

    with pytest.raises(Conflict, match=f"question {id} is open .*quorate answer {id}"):
        await working.run(task="Another.", conversation=store.conversation("talk"))


# -- time -------------------------------------------------------------------------------------------------------------

DAY = timedelta(days=1)


@pytest.mark.parametrize("by", ["resume", "answer", "expire"])
async def test_value_declared_for_expiry_stands_for_the_answer(by: str) -> None:
    # ENGINE 16
    clock = FakeClock()
    store, working = MemoryStore(clock=clock), team(Asking("ann", schema=int, deadline=DAY, on_expiry=7))
    id = await waiting(working, store)
    if by == "expire":
        await expire(store, id)
    else:
        clock.advance(DAY.total_seconds())
    if by == "answer":
        with pytest.raises(Conflict, match=r"could be answered until 2023-11-15 22:13:20 UTC\. It has expired"):
            await answer(store, id, 1)

    result = await working.continue_run("talk", store=store)

    assert result.messages[-1].to_text() == "told 7"
    assert next(e.payload for e in await store.read("talk", kinds=["answer"]))["expired"]
    assert (await replay("talk", team=working, store=store)).identical


async def test_expired_question_raises_where_it_was_asked() -> None:
    class Patient(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            try:
                said = await ask("Well?", deadline=datetime(2023, 11, 20, tzinfo=UTC))
            except Expired as error:
                said = f"nobody: {error}"
            return TextMessage(content=said, source=self.name)

    clock = FakeClock()
    store, working = MemoryStore(clock=clock), team(Patient("ann"))
    await waiting(working, store)
    clock.advance(10 * 86_400)

    result = await working.continue_run("talk", store=store)

    assert result.messages[-1].to_text().startswith("nobody: Nobody answered talk.1-q")


async def test_expired_question_may_cancel_the_run() -> None:
    clock = FakeClock()
    store, working = MemoryStore(clock=clock), team(Asking("ann", deadline=DAY, on_expiry=Expiry.CANCEL))
    await waiting(working, store)
    clock.advance(2 * 86_400)

    result = await working.continue_run("talk", store=store)

    assert outcome_of(result).kind == "cancelled"
    assert "Nobody answered" in outcome_of(result).reason


async def test_answer_in_time_is_used_however_late_the_run_goes_on() -> None:
    clock = FakeClock()
    store, working = MemoryStore(clock=clock), team(Asking("ann", deadline=DAY))
    id = await waiting(working, store)
    await answer(store, id, "just in time")
    clock.advance(30 * 86_400)

    result = await working.continue_run("talk", store=store)

    assert result.messages[-1].to_text() == "told 'just in time'"


async def test_question_without_a_deadline_can_be_expired_and_then_not_answered() -> None:
    store, working = MemoryStore(), team(Asking("ann"))
    id = await waiting(working, store)

    await expire(store, id, by="boss")
    await expire(store, id, by="another boss")
    with pytest.raises(Conflict):
        await answer(store, id, "too late")

    with pytest.raises(RunFailed, match="Nobody answered"):
        await working.continue_run("talk", store=store)


async def test_waiting_does_not_count_as_active_time() -> None:
    clock = FakeClock()

    async def live(question: Question) -> str:
        clock.advance(100)
        return "late"

    store = MemoryStore(clock=clock)
    await team(Asking("ann")).run(task="Go.", conversation=store.conversation("a"), answer=live)
    working = team(Asking("ann"))
    id = await waiting(working, store, "b")
    clock.advance(1000)
    await answer(store, id, "x")
    await working.continue_run("b", store=store)

    ended = [e.payload["active_s"] for id in "ab" for e in await store.read(id, kinds=["ended"])]
    assert ended == [0.0, 0.0, 0.0]


async def test_limit_of_active_time_does_not_end_a_run_while_a_person_thinks(later: Any) -> None:
    from quorate import Limits

    async def live(question: Question) -> str:
        await later(100)
        return "at last"

    result = await team(Asking("ann")).run(task="Go.", answer=live, limits=Limits(active_s=50))

    assert outcome_of(result).kind == "completed"


# -- who is asked -----------------------------------------------------------------------------------------------------


async def test_question_can_be_given_to_somebody_else() -> None:
    store, working = MemoryStore(), team(Asking("ann", to="bob"))
    id = await waiting(working, store)

    await reassign(store, id, "cai")
    await reassign(store, id, "dan", by="cai")
    question, _ = await find(store, id)
    await answer(store, id, "Blue.", by="dan")
    await working.continue_run("talk", store=store)

    assert question.to == "dan"
    assigned = [e.payload for e in await store.read("talk", kinds=["assigned"])]
    assert assigned == [{"to": "cai", "by": "user"}, {"to": "dan", "by": "cai"}]
    with pytest.raises(Conflict):
        await reassign(store, id, "eve")


async def test_run_that_waits_again_keeps_the_question_and_who_has_it() -> None:
    store, working = MemoryStore(), team(Asking("ann", to="bob"))
    id = await waiting(working, store)
    await reassign(store, id, "cai")

    result = await working.continue_run("talk", store=store)
    question, _ = await find(store, id)

    assert outcome_of(result).questions == (id,)
    assert question.to == "cai"


async def test_a_conversation_in_memory_can_wait_too() -> None:
    talk = conversation("talk")
    working = team(Asking("ann"))
    result = await working.run(task="Go.", conversation=talk)
    await answer(talk.store, outcome_of(result).questions[0], "Blue.")

    result = await working.continue_run("talk", store=talk.store)

    assert result.messages[-1].to_text() == "told 'Blue.'"


async def test_person_can_be_asked_in_a_run_with_a_shared_budget() -> None:
    store = MemoryStore()
    budget = Budget("acme/ann", tokens=1000)

    result = await team(Asking("ann")).run("Go.", conversation=store.conversation("talk"), budgets=[budget])

    assert outcome_of(result).kind == "waiting"
