"""The state of a team as plain data: it goes on elsewhere as if nothing had been."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate import (
    Agent,
    AssistantAgent,
    Limits,
    MaxMessageTermination,
    RoundRobinGroupChat,
    TextMessage,
    Turn,
    conversation,
    tool,
)
from quorate.errors import ConfigError, Conflict
from quorate.models.blocks import Reply, ToolCall
from quorate.models.client import ModelRequest
from quorate.testing import ScriptedModel


@tool(effect="read")
async def look(n: int) -> str:
    """Look."""
    return f"seen {n}"


def pure(request: ModelRequest) -> Any:
    """Answer by what is asked alone; call the tool first."""
    last = request.blocks[-1]
    if isinstance(last, Reply) and last.results:
        return f"After {len(request.blocks)}: {last.results[0].content}"
    return "" if not request.tools else f"Plain {len(request.blocks)}, {request.blocks.size_bytes}"


class Counting(Agent):
    """Keeps a number in its state."""

    async def speak(self, turn: Turn) -> TextMessage:
        turn.state["n"] = turn.state.get("n", 0) + 1
        return TextMessage(source=self.name, content=f"{turn.state['n']} of {len(turn.thread)}, {len(turn.new)} new")


def team(first: Any = None) -> RoundRobinGroupChat:
    model = ScriptedModel([*([first] if first else []), *[pure] * 30])
    return RoundRobinGroupChat(
        [AssistantAgent("a", model, tools=[look]), Counting("b"), Counting("c")],
        termination_condition=MaxMessageTermination(3),
    )


def texts(result: Any) -> list[str]:
    return [f"{m.source}: {m.to_text()}" for m in result.messages]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=3), st.text(min_size=1))
def test_loaded_elsewhere_it_goes_on_as_if_nothing_had_been(tasks: list[str], more: str) -> None:
    async def go() -> None:
        call = ToolCall("1", "look", '{"n": 3}')
        one, other = team(call), team()
        for task in tasks:
            await one.run(task)

        state = json.loads(json.dumps(await one.save_state()))
        await other.load_state(state)
        here, there = await one.run(more), await other.run(more)

        assert texts(there) == texts(here)
        assert there.run_id == here.run_id
        assert [m.id for m in there.messages] == [m.id for m in here.messages]

    asyncio.run(go())


async def test_state_is_a_value_that_later_runs_do_not_change() -> None:
    one = team()
    await one.run("First.")
    state = await one.save_state()
    before = json.dumps(state)

    await one.run("Second.")
    other = team()
    await other.load_state(state)
    await other.run("Third.")

    assert json.dumps(state) == before


async def test_loading_takes_a_team_back_and_reset_empties_it() -> None:
    one = team()
    await one.run("First.")
    state = await one.save_state()
    second = await one.run("Second.")

    await one.load_state(state)
    again = await one.run("Second.")
    await one.reset()
    nothing = await one.save_state()
    anew = await one.run("First.")

    assert texts(again) == texts(second)
    assert nothing["entries"] == "[]"
    assert texts(anew)[2].startswith("b: 1 of 2")


async def test_agent_has_state_too_and_an_empty_one_is_a_new_beginning() -> None:
    one, other = AssistantAgent("a", ScriptedModel([pure] * 9)), AssistantAgent("a", ScriptedModel(["Hm."] * 9))
    empty = await one.save_state()
    await one.run("First.")

    await other.load_state(await one.save_state())
    await other.run("Second.")
    model: Any = other.model_client
    assert len(model.requests[0].blocks) == 3
    await other.load_state(empty)
    await other.run("Third.")
    assert len(model.requests[1].blocks) == 1


async def test_run_that_was_not_finished_is_in_the_state_and_can_go_on() -> None:
    one, other = team(), team()
    await one.run("First.", limits=Limits(turns=1))

    await other.load_state(await one.save_state())
    result = await other.resume(limits=Limits(turns=5))

    assert [m.source for m in result.messages] == ["user", "a", "b"]


async def test_half_characters_are_kept() -> None:
    one, other = team(), team()
    await one.run("\ud800")

    await other.load_state(await one.save_state())

    assert "ud800" in (await other.save_state())["entries"]


async def test_its_runs_do_not_leak_into_each_other() -> None:
    one = team()

    results = await asyncio.gather(*[one.run(f"Task {i}.", conversation=conversation(f"t{i}")) for i in range(5)])
    own = await one.run("Own.")

    for i, result in enumerate(results):
        assert texts(result)[0] == f"user: Task {i}."
        assert texts(result)[2] == "b: 1 of 2, 2 new"
    assert texts(own)[2] == "b: 1 of 2, 2 new"


class Pausing(Agent):
    """Pauses its team when it speaks for the first time."""

    team: Any = None

    async def speak(self, turn: Turn) -> TextMessage:
        if len(turn.thread) == 1:
            await self.team.pause()
        return TextMessage(source=self.name, content=f"after {len(turn.thread)}")


async def test_team_that_is_paused_waits_and_goes_on_where_it_was() -> None:
    pausing = Pausing("p")
    pausing.team = one = RoundRobinGroupChat([pausing, Counting("c")], termination_condition=MaxMessageTermination(3))

    first = await one.run("Go.")
    second = await one.resume()

    assert first.outcome is not None
    assert first.outcome.kind == "waiting"
    assert second.outcome is not None
    assert (second.outcome.kind, [m.source for m in second.messages]) == ("completed", ["user", "p", "c"])


async def test_what_cannot_be_now_is_refused() -> None:
    one = team()
    with pytest.raises(Conflict, match="nothing to pause"):
        await one.pause()
    with pytest.raises(Conflict, match="nothing to go on with"):
        await one.resume()
    async with one.start("Go."):
        with pytest.raises(Conflict, match="load_state: a run of this team's own conversation is going on"):
            await one.load_state(await team().save_state())
        with pytest.raises(Conflict, match="reset: a run of this team's own conversation is going on"):
            await one.reset()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, "no state that save_state"),
        ({"type": "TeamState"}, "no state that save_state"),
        ({"type": "ConversationState", "version": "2.0.0"}, r"version '2.0.0'; this Quorate reads 1.0.0"),
        ({"type": "ConversationState", "version": "1.0.0", "entries": "[1"}, "cannot be read"),
        ({"type": "ConversationState", "version": "1.0.0", "entries": "[1, 2]"}, "last one is not whole"),
        ({"type": "ConversationState", "version": "1.0.0", "entries": '["1", "", "run", 0, {}]'}, "Entry 1 of this"),
        ({"type": "ConversationState", "version": "1.0.0", "entries": '[1, "", "run", 0, {}]'}, "which conversation"),
    ],
)
async def test_what_is_no_state_is_refused(state: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        await team().load_state(state)
