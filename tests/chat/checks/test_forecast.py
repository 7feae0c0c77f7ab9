"""What a run may come to, told before it starts."""

from typing import Any

import pytest

from quorate import (
    AssistantAgent,
    DiGraphBuilder,
    GraphFlow,
    Limits,
    MaxMessageTermination,
    Price,
    RoundRobinGroupChat,
    TextMentionTermination,
    tool,
)
from quorate.chat.checks.forecast import Range, forecast, most_messages
from quorate.errors import ConfigError
from quorate.runs.memory import MemoryStore
from quorate.testing import ScriptedModel

PRICES = {"my:model": Price(10.0, 40.0)}


def team(turns: int, name: str = "scripted") -> RoundRobinGroupChat:
    model = ScriptedModel([f"Line {n} is new." for n in range(50)], name=name)
    agent = AssistantAgent("a", model, max_tokens=100)
    return RoundRobinGroupChat([agent], max_turns=turns)


async def test_past_runs_of_the_same_definition_give_p50_and_p95() -> None:
    async with MemoryStore() as store:
        for n in range(20):
            chat = team(n + 1)
            async with chat.start("Go.", conversation=store.conversation(), definition={"app": "m:team"}) as run:
                await run.result()
        async with team(3).start("Go.", conversation=store.conversation(), definition={"app": "m:other"}) as run:
            await run.result()

        found = await forecast(team(15), "Go.", store=store, app="m:team")

    assert (found.basis, found.runs, found.cut) == ("past", 20, 20)
    assert found.ranges["turns"] == Range(10, 19)
    assert found.ranges["model_calls"] == Range(10, 19)
    assert found.ranges["cost_usd"] == Range(0, 0)
    assert "turns" in found.tight


async def test_without_past_runs_there_are_bounds_and_it_says_so() -> None:
    async with MemoryStore() as store:
        found = await forecast(team(6, "my:model"), "Go.", store=store, app="m:team", prices=PRICES)

    assert (found.basis, found.runs) == ("bounds", 0)
    assert found.ranges["turns"] == Range(1, 6)
    assert found.ranges["model_calls"] == Range(1, 6)
    assert found.ranges["cost_usd"].high is not None


@pytest.mark.parametrize("turns", [1, 3, 8])
async def test_bounds_hold_what_a_run_then_uses(turns: int) -> None:
    chat = team(turns, "my:model")

    found = await forecast(chat, "Go.", prices=PRICES)
    result = await chat.run("Go.", prices=PRICES)

    used = {
        "turns": result.turns,
        "tokens": result.usage.prompt_tokens + result.usage.completion_tokens,
        "cost_usd": result.cost_usd,
    }
    for name, value in used.items():
        high = found.ranges[name].high
        assert value is not None
        assert high is not None
        assert 0 < value <= high


@pytest.mark.parametrize(("activation", "answers"), [("all", 4), ("any", 5)])
async def test_graph_without_loops_says_itself_what_it_takes_at_most(activation: Any, answers: int) -> None:
    members = [AssistantAgent(name, ScriptedModel(["A word."], name="my:model")) for name in "abcd"]
    graph = DiGraphBuilder().add_node(members[0]).add_node(members[1]).add_node(members[2])
    graph.add_node(members[3], activation=activation)
    graph.add_edge("a", "b").add_edge("a", "c").add_edge("b", "d").add_edge("c", "d")

    found = await forecast(GraphFlow(members, graph.build()), "Go.", prices=PRICES)

    assert found.ranges["turns"] == Range(1, answers)
    assert found.ranges["model_calls"] == Range(1, answers)


async def test_bounds_stay_within_the_limits() -> None:
    found = await forecast(team(50, "my:model"), "Go.", limits=Limits(tokens=900, cost_usd=0.01), prices=PRICES)

    assert found.ranges["tokens"].high == 900
    assert found.ranges["cost_usd"].high == 0.01
    assert found.tight == ["turns", "tokens", "cost_usd"]


async def test_tools_make_more_calls_possible() -> None:
    @tool(effect="read")
    def look() -> str:
        """Look."""
        return "seen"

    agent = AssistantAgent("a", ScriptedModel([]), tools=[look], max_tool_iterations=4)

    found = await forecast(RoundRobinGroupChat([agent], max_turns=2), "Go.")

    assert found.ranges["model_calls"] == Range(1, 10)


async def test_cost_is_unknown_where_a_price_is() -> None:
    agent = AssistantAgent("a", "openai:no-such-model-9")

    found = await forecast(agent, "Go.")

    assert found.ranges["cost_usd"] == Range(None, None)
    with pytest.raises(ConfigError, match="whose price is not known"):
        await forecast(agent, "Go.", limits=Limits(cost_usd=1))


def test_plan_is_read_from_conditions() -> None:
    some, other, text = MaxMessageTermination(5), MaxMessageTermination(9), TextMentionTermination("x")

    assert most_messages(some | other | text) == 5
    assert most_messages(some & other) == 9
    assert most_messages(some & text) is None
