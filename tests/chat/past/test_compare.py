"""Two runs beside each other, as data."""

import itertools
import json
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
    compare,
    fork,
    open_store,
    step,
    tool,
)
from quorate.chat.past.compare import words
from quorate.errors import ConfigError
from quorate.models import ModelRequest, ToolCall
from quorate.testing import FakeClock, ScriptedModel


@pytest.fixture
def store() -> Any:
    return open_store("memory:", clock=FakeClock())


def team(*lines: tuple[str, str], until: int | None = None) -> Team:
    """Return a team whose members, each named once, say their lines in turn."""
    names = list(dict.fromkeys(name for name, _ in lines))
    scripts = {name: [line for of, line in lines if of == name] for name in names}
    members = [AssistantAgent(name, ScriptedModel(scripts[name]), system_message=name) for name in names]
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(until or len(lines) + 1))


async def run(store: Any, id: str, *lines: tuple[str, str], task: str = "Go.", until: int | None = None) -> None:
    await team(*lines, until=until).run(task, conversation=store.conversation(id))


async def test_runs_that_say_the_same_are_identical(store: Any) -> None:
    for id in "xy":
        await run(store, id, ("a", "one"), ("b", "two"))

    found = await compare(store, "x", "y.1")

    assert found.identical
    assert (found.shared, found.turns_shared, found.same, found.differences) == (5, 2, 0, ())
    assert (found.a.run_id, found.b.run_id) == ("x.1", "y.1")
    assert found.words() == []


async def test_first_texts_that_differ_are_compared_word_by_word(store: Any) -> None:
    await run(store, "x", ("a", "one"), ("b", "The cat sat there."), ("a", "end"))
    await run(store, "y", ("a", "one"), ("b", "The old dog sat there."), ("a", "fin"))

    found = await compare(store, "x", "y")

    assert [(d.kind, d.path, d.a and d.a.text, d.b and d.b.text) for d in found.differences] == [
        ("text", "2 turn/1 b", "The cat sat there.", "The old dog sat there."),
        ("text", "3 turn/1 a", "end", "fin"),
    ]
    assert (found.shared, found.turns_shared, found.same) == (4, 1, 1)
    assert found.words() == [
        ("=", "The "), ("-", "cat"), ("+", "old dog"), ("=", " sat there."),
    ]  # fmt: skip
    assert not found.identical


async def test_path_that_parts_says_who_is_there_instead(store: Any) -> None:
    await run(store, "x", ("a", "one"), ("b", "two"))
    await run(store, "y", ("a", "one"), ("c", "two"), ("a", "three"))

    found = await compare(store, "x", "y")

    assert [(d.kind, d.a and d.a.who, d.b and d.b.who) for d in found.differences] == [
        ("path", "b", "c"), ("path", "b", "c"), ("only", None, "a"), ("only", None, "a"),
    ]  # fmt: skip
    assert [d.path for d in found.differences] == ["2 turn", "2 turn/1 b", "3 turn", "3 turn/1 a"]


async def test_figures_and_outcome_are_side_by_side(store: Any) -> None:
    await run(store, "x", ("a", "one"), ("b", "two"))
    await run(store, "y", ("a", "one"), ("b", "two"), ("a", "x" * 400))

    found = await compare(store, "x", "y")

    assert (found.a.turns, found.b.turns) == (2, 3)
    assert (found.a.model_calls, found.b.model_calls) == (2, 3)
    assert found.b.completion_tokens - found.a.completion_tokens == 101
    assert found.b.tokens == found.b.prompt_tokens + found.b.completion_tokens
    assert (found.a.outcome, found.a.reason) == ("completed", "The limit of 3 messages is reached.") or found.a.reason
    assert found.a.cost_usd == 0.0


async def test_runs_that_end_otherwise_are_not_identical(store: Any) -> None:
    await run(store, "x", ("a", "one"))
    limited = RoundRobinGroupChat(team(("a", "one")).participants, max_turns=1)
    await limited.run("Go.", conversation=store.conversation("y"))

    found = await compare(store, "x", "y")

    assert found.differences == ()
    assert (found.a.outcome, found.b.outcome) == ("completed", "limit")
    assert not found.identical


async def test_other_task_is_the_first_difference(store: Any) -> None:
    await run(store, "x", ("a", "one"))
    await run(store, "y", ("a", "one"), task="Come.")

    found = await compare(store, "x", "y")

    assert [(d.kind, d.path) for d in found.differences] == [("text", "")]
    assert (found.shared, found.turns_shared, found.same) == (0, 0, 2)


@tool(effect="read")
async def look(n: int) -> str:
    """Look."""
    return f"saw {n}"


@tool
async def buy(n: int) -> str:
    """Buy."""
    raise RuntimeError("sold out")


def shopping(*calls: ToolCall) -> Team:
    def line(request: ModelRequest) -> object:
        return "done" if getattr(request.blocks[-1], "results", ()) else list(calls)

    agent = AssistantAgent("a", ScriptedModel(itertools.repeat(line)), tools=[look, buy])
    return RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(2))


async def test_tool_calls_are_compared_with_what_they_came_to(store: Any) -> None:
    first = ToolCall("1", "look", '{"n": 1}'), ToolCall("2", "buy", '{"n": 1}')
    second = ToolCall("1", "look", '{"n": 2}'), ToolCall("2", "look", '{"n": 3}')
    await shopping(*first).run("Go.", conversation=store.conversation("x"))
    await shopping(*second).run("Go.", conversation=store.conversation("y"))

    found = await compare(store, "x", "y")

    assert [(d.kind, d.a and d.a.text, d.b and d.b.text) for d in found.differences] == [
        ("text", "look(n=1) → saw 1", "look(n=2) → saw 2"),
        ("path", "buy(n=1) → error: RuntimeError: sold out", "look(n=3) → saw 3"),
    ]
    assert found.same == 1


async def test_steps_and_messages_of_other_kinds_are_compared(store: Any) -> None:
    class Drawing(Agent):
        def __init__(self, number: int) -> None:
            super().__init__("d")
            self.number = number

        async def speak(self, turn: Turn) -> TextMessage:
            async def draw() -> int:
                return self.number

            return TextMessage(content=f"drew {await step('draw', draw, effect='read')}", source="d")

    for id, number in (("x", 1), ("y", 2)):
        drawing = RoundRobinGroupChat([Drawing(number)], termination_condition=MaxMessageTermination(2))
        await drawing.run("Go.", conversation=store.conversation(id))

    found = await compare(store, "x", "y")

    assert [(d.a and d.a.text, d.b and d.b.text) for d in found.differences] == [
        ("draw → 1", "draw → 2"), ("drew 1", "drew 2"),
    ]  # fmt: skip


async def test_fork_and_its_parent_share_what_was_kept(store: Any) -> None:
    # ENGINE 12, 21: compared in canonical order
    await run(store, "x", ("a", "one"), ("b", "two"), ("a", "three"))
    branch = await fork(store, "x", at=3)
    await team(("a", "drei"), until=4).continue_run(branch.id, store=store)

    found = await compare(store, "x", branch.id)

    assert (found.shared, found.turns_shared) == (6, 2)
    assert [(d.a and d.a.text, d.b and d.b.text) for d in found.differences] == [("three", "drei")]


async def test_comparison_is_plain_data(store: Any) -> None:
    await run(store, "x", ("a", "one"))
    await run(store, "y", ("a", "eins"), ("a", "zwei"))

    data = (await compare(store, "x", "y")).data()

    assert json.loads(json.dumps(data))["differences"][0] == {
        "kind": "text", "path": "1 turn/1 a",
        "a": {"path": "1 turn/1 a", "kind": "said", "who": "a", "text": "one"},
        "b": {"path": "1 turn/1 a", "kind": "said", "who": "a", "text": "eins"},
    }  # fmt: skip
    assert data["words"] == [("-", "one"), ("+", "eins")]
    assert data["identical"] is False


async def test_run_that_is_not_there_is_refused(store: Any) -> None:
    await run(store, "x", ("a", "one"))

    with pytest.raises(ConfigError, match="There is no conversation y here"):
        await compare(store, "x", "y")
    with pytest.raises(ConfigError, match="Conversation x has no run 2"):
        await compare(store, "x.2", "x")


@pytest.mark.parametrize("size", [10, 5000, 30_000])
def test_words_of_texts_of_any_size_put_both_together_again(size: int) -> None:
    a = "".join(f"w{i}{chr(10) if i % 10 == 0 else ' '}" for i in range(size))
    b = a.replace("w7 ", "other ").replace("w500", "")

    found = words(a, b)

    assert "".join(text for kind, text in found if kind in "=-") == a
    assert "".join(text for kind, text in found if kind in "=+") == b
    assert 0 < sum(len(text) for kind, text in found if kind != "=") < (len(a) / 3 if size > 10 else 99)
