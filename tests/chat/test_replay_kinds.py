"""One change of code, prompt, policy or outcome for each kind of entry: replay stops at exactly that one (ENGINE 4).

The kinds are those of the format's table, so that a new one without a case here fails.
"""

import re
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
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
    conversation,
    load_team,
    open_store,
    replay,
    step,
    tool,
)
from quorate.chat.live import Runnable
from quorate.chat.turns import Once
from quorate.errors import Divergence
from quorate.models import ToolCall
from quorate.runs import entries as table
from quorate.runs.journal import Conversation
from quorate.runs.questions import ask
from quorate.testing import ScriptedModel

KINDS = re.findall(
    r"`(\w+)`", "".join(row.split("|")[1] for row in (table.__doc__ or "").splitlines() if row[:2] == "| ")
)
FROM_OUTSIDE = {
    "unwrapped": "a model that did not answer",
    "fork": "somebody's command",
    "resumed": "somebody's command",
    "reply": "a model's words",
    "settled": "what a tool or a person found out",
    "answer": "a person's words",
    "assigned": "a person's choice of another",
    "steer": "a person's words",
    "heard": "a person's words",
    "interrupt": "a person's wish",
    "pause": "a person's wish",
    "unpause": "a person's wish",
    "retry": "a model that did not answer",
    "stop": "a person's wish",
    "turn": "says only that all in it is closed",
}
"""What no code of a team decides: such an entry can only be altered in the store, and the chain shows that."""

BOOK = ToolCall("c1", "book", '{"a":1}')
Recorded = tuple[Conversation, Runnable]


def team(lines: Any = (), *, agent: type[Agent] | None = None, most: int = 3, **options: Any) -> RoundRobinGroupChat:
    names = options.pop("names", ("a", "b"))
    model = ScriptedModel(lines)
    members = [agent(name) if agent is not None else AssistantAgent(name, model, **options) for name in names]
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(most))


async def ran(working: Runnable, **options: Any) -> Conversation:
    talk = conversation("talk")
    await working.run(task="Go.", conversation=talk, **options)
    return talk


DOCUMENT: dict[str, Any] = {
    "type": "round_robin",
    "participants": [{"type": "assistant", "name": "a", "model_client": "embedded"}],
    "termination_condition": {"type": "max_messages", "max_messages": 1},
}


def from_file(name: str = "a") -> Runnable:
    return load_team({**DOCUMENT, "participants": [{**DOCUMENT["participants"][0], "name": name}]})


async def changed_task_document() -> Recorded:
    return await ran(from_file()), from_file("b")


async def changed_later_document() -> Recorded:
    talk = conversation("talk")
    working = team(["one", "two", "three"], most=9)
    async with working.start("Go.", conversation=talk, limits=table_limits(turns=1)) as run:
        await run.result()
    other = load_team({**DOCUMENT, "termination_condition": {"type": "max_messages", "max_messages": 2}})
    async with other.going_on("talk", store=talk.store, definition={"document": other.document}) as run:
        await run.result()
    return talk, from_file("b")


def table_limits(**limits: Any) -> Any:
    from quorate import Limits

    return Limits(**limits)


async def changed_policy() -> Recorded:
    return await ran(team(["one", "two"])), team(names=("b", "a"))


async def changed_prompt() -> Recorded:
    return await ran(team(["one", "two"])), team(system_message="Be verbose.")


def booking(effect: Any) -> Any:
    @tool(name="book", effect=effect)
    async def book(a: int) -> str:
        """Book."""
        return "booked"

    return book


async def changed_effect() -> Recorded:
    return await ran(team([BOOK, "one", "two"], tools=[booking("unsafe")])), team(tools=[booking("idempotent")])


def scope_tool(word: str) -> Any:
    @tool(name="book", scope=True)
    async def book(a: int) -> str:
        """Book."""
        return word

    return book


async def changed_result_of_a_scope() -> Recorded:
    return await ran(team([BOOK, "one", "two"], tools=[scope_tool("yes")])), team(tools=[scope_tool("no")])


def stepping(name: str, *, failing: bool = False) -> type[Agent]:
    class Stepping(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            async def draw() -> str:
                if failing:
                    raise KeyError("nothing")
                return "drawn"

            try:
                if name:
                    await step(name, draw, effect="read")
            except KeyError:
                pass
            return TextMessage(content="So be it.", source=self.name)

    return Stepping


async def renamed_step() -> Recorded:
    return await ran(team(agent=stepping("draw"))), team(agent=stepping("toss"))


async def failing_step_left_out() -> Recorded:
    return await ran(team(agent=stepping("draw", failing=True))), team(agent=stepping(""))


def saying(text: str) -> type[Agent]:
    class Saying(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            return TextMessage(content=text, source=self.name)

    return Saying


async def changed_words() -> Recorded:
    return await ran(team(agent=saying("Yes."))), team(agent=saying("No."))


async def changed_end() -> Recorded:
    return await ran(team(["one", "two"])), team(most=9)


def asking(text: str) -> type[Agent]:
    class Asking(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            return TextMessage(content=await ask(text), source=self.name)

    return Asking


async def changed_question() -> Recorded:
    async def answer(question: Any) -> str:
        return "yes"

    return await ran(team(agent=asking("Sure?")), answer=answer), team(agent=asking("Really?"))


class Racing(Once):
    def __init__(self, need: int) -> None:
        self.need = need

    def enough(self, memory: bool, done: Mapping[str, Any]) -> bool:
        return len(done) >= self.need


async def changed_race() -> Recorded:
    def racing(need: int) -> Runnable:
        return Team([AssistantAgent(name, ScriptedModel([name])) for name in "abc"], turns=Racing(need))

    return await ran(racing(2)), racing(1)


def calling(task: str) -> type[Agent]:
    class Calling(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            said = await AssistantAgent("helper", ScriptedModel(["one", "two"])).run(task)
            return TextMessage(content=said.messages[-1].to_text(), source=self.name)

    return Calling


async def changed_inner_task() -> Recorded:
    return await ran(team(agent=calling("Look."))), team(agent=calling("Look closer."))


def within(most: int) -> Team:
    return RoundRobinGroupChat([team(["one", "two"], most=most)], max_turns=1)


async def changed_inner_end() -> Recorded:
    return await ran(within(3)), within(9)


CASES: dict[str, Callable[[], Awaitable[Recorded]]] = {
    "run": changed_task_document,
    "definition": changed_later_document,
    "choice": changed_policy,
    "won": changed_race,
    "call": changed_prompt,
    "intent": changed_effect,
    "result": changed_result_of_a_scope,
    "value": renamed_step,
    "question": changed_question,
    "error": failing_step_left_out,
    "task": changed_inner_task,
    "outcome": changed_inner_end,
    "said": changed_words,
    "ended": changed_end,
}


def test_every_kind_of_the_format_has_a_case() -> None:
    assert len(KINDS) > 15
    assert not set(CASES) & set(FROM_OUTSIDE)
    assert set(KINDS) <= set(CASES) | set(FROM_OUTSIDE), "give a new kind a case, or say why no code decides it"


@pytest.mark.parametrize("kind", CASES)
async def test_one_change_of_the_definition_stops_the_replay_at_exactly_that_entry(kind: str) -> None:
    # ENGINE 4
    talk, changed = await CASES[kind]()
    first = next(e for e in await talk.entries() if e.kind == kind)

    with pytest.raises(Divergence) as raised:
        await replay("talk", team=changed, store=talk.store)

    assert (raised.value.kind, raised.value.entry) == (kind, first.seq)
    assert raised.value.expected != raised.value.got
    assert raised.value.where


@pytest.mark.parametrize("kind", KINDS)
async def test_outcome_that_was_altered_in_the_store_stops_the_replay_at_exactly_that_entry(
    tmp_path: Path, kind: str
) -> None:
    # ENGINE 4, 22: whatever comes from outside is not made again, so the chain has to say that it is what came
    async with open_store(tmp_path / "work.db") as store:
        journal = await store.open("talk")
        journal.append(1, "", "run", {"task": [], "limits": {}})
        for other in KINDS:
            if other != "run":
                journal.append(1, "1 turn", other, {"said": f"by a {other}"})
        await journal.commit()
        await journal.release()
    seq = (["run"] + [k for k in KINDS if k != "run"]).index(kind) + 1
    with sqlite3.connect(tmp_path / "work.db") as db:
        place = "place & 4294967295"
        db.execute(f"UPDATE entries SET payload = replace(payload, ':', ': ') WHERE {place} = ?", (seq,))

    async with open_store(tmp_path / "work.db") as store:
        with pytest.raises(Divergence, match=f"Entry {seq} of talk was altered") as raised:
            await replay("talk", team=team(), store=store)

    assert (raised.value.kind, raised.value.entry) == (kind, seq)
