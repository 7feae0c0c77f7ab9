"""Conditions made of functions: pure ones are folds, others are asked in a step, and their verdicts journaled."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from quorate import (
    AssistantAgent,
    Condition,
    FunctionalTermination,
    MaxMessageTermination,
    RoundRobinGroupChat,
    TextMentionTermination,
    conversation,
    replay,
)
from quorate.chat.messages import BaseMessage
from quorate.errors import ConfigError, RunFailed
from quorate.models import ToolCall
from quorate.runs.entries import canonical_order
from quorate.testing import ScriptedModel
from quorate.tools.tool import tool

WORDS = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen")


@tool(effect="read")
def look() -> str:
    """Look."""
    return "nothing"


def team(condition: Condition[Any], *, turns: int = 6) -> RoundRobinGroupChat:
    agents = [AssistantAgent(name, ScriptedModel([f"{name} saw a {w}" for w in WORDS])) for name in "ab"]
    return RoundRobinGroupChat(agents, termination_condition=condition, max_turns=turns)


class Oracle:
    """Counts how often it is asked, and says yes at the first message with its word."""

    def __init__(self, word: str) -> None:
        self.word, self.asked = word, list[list[str]]()

    def __call__(self, new: Sequence[BaseMessage]) -> bool:
        self.asked.append([m.to_text() for m in new])
        return any(self.word in m.to_text() for m in new)


class AsyncOracle(Oracle):
    async def __call__(self, new: Sequence[BaseMessage]) -> bool:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().__call__(new)


KINDS: dict[str, Any] = {
    "pure": lambda oracle: FunctionalTermination(oracle),
    "impure": lambda oracle: FunctionalTermination(oracle, impure=True),
    "async": lambda oracle: FunctionalTermination(oracle),
}


def made(kind: str, word: str = "bee") -> tuple[Oracle, FunctionalTermination]:
    oracle = AsyncOracle(word) if kind == "async" else Oracle(word)
    return oracle, KINDS[kind](oracle)


@pytest.mark.parametrize("kind", KINDS)
async def test_function_is_asked_before_each_turn_about_what_is_new_and_never_about_the_task(kind: str) -> None:
    oracle, condition = made(kind)

    result = await team(condition).run(task="Look for a bee.")

    assert oracle.asked == [["a saw a ant"], ["b saw a ant"], ["a saw a bee"]]
    assert (result.stop_reason, result.turns) == ("Functional termination condition met", 3)


async def test_function_sees_events_with_the_message_of_their_turn() -> None:
    oracle = Oracle("never")
    looking = AssistantAgent("a", ScriptedModel([ToolCall("1", "look", "{}"), "Nothing there."]), tools=[look])

    await RoundRobinGroupChat(
        [looking], termination_condition=FunctionalTermination(oracle) | MaxMessageTermination(2)
    ).run(task="Go.")

    assert len(oracle.asked) == 1
    assert len(oracle.asked[0]) == 3


@pytest.mark.parametrize("impure", [False, True])
@pytest.mark.parametrize("answer", [1, 0, "yes", "", None, [True], []])
async def test_function_that_returns_neither_true_nor_false_is_told_to(answer: Any, impure: bool) -> None:
    def oracle(new: Sequence[BaseMessage]) -> Any:
        return answer

    with pytest.raises(ConfigError, match=r"oracle at \w+> returned .*\. Return True to stop or False to go on"):
        await team(FunctionalTermination(oracle, impure=impure), turns=2).run(task="Go.")


async def test_async_function_that_returns_neither_true_nor_false_is_told_to() -> None:
    async def oracle(new: Sequence[BaseMessage]) -> Any:
        return len(new)

    with pytest.raises(ConfigError, match=r"returned 1\. Return True to stop or False to go on"):
        await team(FunctionalTermination(oracle), turns=2).run(task="Go.")


@pytest.mark.parametrize("kind", KINDS)
async def test_function_that_has_said_yes_is_remembered_and_not_asked_again(kind: str) -> None:
    oracle, condition = made(kind, "ant")

    result = await team(condition & TextMentionTermination("cat")).run(task="Go.")

    assert len(oracle.asked) == 1
    assert result.turns == 5
    assert result.stop_reason == "Functional termination condition met, a said 'cat'"


@pytest.mark.parametrize(("kind", "entries"), [("pure", 0), ("impure", 3), ("async", 3)])
async def test_verdicts_of_what_may_look_at_the_world_are_journaled(kind: str, entries: int) -> None:
    talk = conversation("talk")

    await team(made(kind)[1]).run(task="Go.", conversation=talk)

    found = [e.payload["value"] for e in await talk.entries() if e.kind == "value"]
    assert found == [None, None, "Functional termination condition met"][:entries]


@pytest.mark.parametrize("kind", KINDS)
async def test_replay_takes_the_verdicts_from_the_journal(kind: str) -> None:
    # ENGINE 4
    oracle, condition = made(kind)
    working = team(condition)
    result = await working.run(task="Go.")
    asked = len(oracle.asked)

    report = await replay(result.run_id, team=working)

    assert report.identical
    assert len(oracle.asked) == (2 * asked if kind == "pure" else asked)


@pytest.mark.parametrize("kind", KINDS)
async def test_run_cut_after_any_entry_comes_to_the_same_and_asks_nothing_twice(kind: str, killed: Any) -> None:
    # ENGINE 2: the fold has the verdicts, and only the one under way is asked for again
    def working() -> tuple[Oracle, RoundRobinGroupChat]:
        oracle, condition = made(kind, "ant")
        return oracle, team(condition & (TextMentionTermination("bee") | made(kind, "never")[1]))

    talk = conversation("talk")
    whole = await working()[1].run(task="Go.", conversation=talk)
    entries = await talk.entries()

    for after in range(1, len(entries)):
        left = await killed(entries, after=after)
        oracle, again = working()
        for agent in again.participants:
            said = sum(e.kind == "reply" and f"/1 {agent.name}/" in e.path for e in entries[:after])
            agent.model_client = ScriptedModel([f"{agent.name} saw a {w}" for w in WORDS[said:]])  # type: ignore[attr-defined]

        result = await again.continue_run("talk", store=left.store)

        assert [m.to_text() for m in result.messages] == [m.to_text() for m in whole.messages]
        assert result.stop_reason == whole.stop_reason
        verdicts = [e for e in entries[:after] if e.kind == "value"]
        if kind != "pure" and verdicts:
            assert oracle.asked == []
        kept = sorted(await left.entries(), key=canonical_order)
        assert [e.path for e in kept if e.kind == "value"] == [e.path for e in entries if e.kind == "value"]


async def test_plain_function_that_returns_an_awaitable_is_told_to_be_async() -> None:
    async def later() -> bool:
        return True

    with pytest.raises((ConfigError, RunFailed), match="Write it as `async def`"):
        await team(FunctionalTermination(lambda new: later())).run(task="Go.")


async def test_function_that_fails_fails_the_run_and_is_asked_again_when_it_goes_on() -> None:
    fails = [True]

    async def oracle(new: Sequence[BaseMessage]) -> bool:
        if fails.pop():
            raise OSError("no line")
        return True

    talk = conversation("talk")
    working = team(FunctionalTermination(oracle))
    with pytest.raises(RunFailed, match="no line"):
        await working.run(task="Go.", conversation=talk)

    fails[:] = [False]
    result = await working.continue_run("talk", store=talk.store)

    assert (result.stop_reason, result.turns) == ("Functional termination condition met", 1)


async def test_one_value_serves_runs_side_by_side() -> None:
    oracle, condition = made("async")

    results = await asyncio.gather(
        *(team(condition).run(task="Go.", conversation=conversation(str(n))) for n in range(5))
    )

    assert [r.turns for r in results] == [3] * 5
    assert len(oracle.asked) == 15
