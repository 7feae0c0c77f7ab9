"""An agent that sees only some messages."""

from __future__ import annotations

from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    MaxMessageTermination,
    MessageFilterAgent,
    RoundRobinGroupChat,
    TextMessage,
    Turn,
)
from quorate.chat.agents.filtering import MessageFilterConfig
from quorate.errors import ConfigError
from quorate.models.views import PerSourceFilter, Summarized
from quorate.testing import ScriptedModel


class Seeing(Agent):
    """Says what it sees."""

    async def speak(self, turn: Turn) -> TextMessage:
        texts = ["+".join(m.to_text() for m in found) for found in (turn.thread, turn.new)]
        return TextMessage(source=self.name, content=f"[{texts[0]} | {texts[1]}]")


class Counting(Agent):
    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(source=self.name, content=f"{self.name}{sum(m.source == self.name for m in turn.thread)}")


LAST_OF_A = MessageFilterConfig([PerSourceFilter("a", "last", 1), PerSourceFilter("user", "first", 1)])


def team(agent: Agent, most: int = 7) -> RoundRobinGroupChat:
    return RoundRobinGroupChat([Counting("a"), Counting("b"), agent], termination_condition=MaxMessageTermination(most))


async def test_custom_agent_sees_a_thread_of_some() -> None:
    result = await team(MessageFilterAgent("f", Seeing("inner"), LAST_OF_A)).run("Go.")

    assert [m.to_text() for m in result.messages if m.source == "f"] == ["[Go.+a0 | Go.+a0]", "[Go.+a1 | a1]"]


async def test_assistant_keeps_its_own_side_and_is_shown_some_of_the_others() -> None:
    model = ScriptedModel(["One.", "Two."])

    result = await team(MessageFilterAgent("f", AssistantAgent("inner", model), LAST_OF_A)).run("Go.")

    assert [[b.text for b in r.blocks] for r in model.requests] == [["Go.", "a0"], ["Go.", "One.", "a1"]]
    assert [m.source for m in result.messages if m.to_text() in {"One.", "Two."}] == ["f", "f"]


async def test_filter_behind_a_filter_says_each_thing_once() -> None:
    inner = MessageFilterAgent("g", AssistantAgent("inner", ScriptedModel(["One."])), LAST_OF_A)

    result = await team(MessageFilterAgent("f", inner, LAST_OF_A), most=4).run("Go.")

    assert [m.source for m in result.messages] == ["user", "a", "b", "f"]


async def test_team_behind_a_filter_has_limits_of_its_own_and_hears_what_is_seen() -> None:
    model = ScriptedModel(["One."])
    inner = RoundRobinGroupChat([AssistantAgent("inner", model)], max_turns=1)
    filtered = MessageFilterAgent("f", inner, LAST_OF_A)

    result = await team(filtered, most=4).run("Go.")

    assert [m.to_text() for m in result.messages if m.source == "f"][-1] == "One."
    assert [block.text for block in model.requests[0].blocks] == ["Go.", "a0"]


def test_context_that_sums_up_is_refused_behind_a_filter() -> None:
    inner = AssistantAgent("inner", ScriptedModel([]), model_context=Summarized(max_tokens=100))

    with pytest.raises(ConfigError, match="f: the model_context of inner sums up"):
        MessageFilterAgent("f", inner, LAST_OF_A)


def test_check_looks_into_a_team_behind_a_filter() -> None:
    inner = RoundRobinGroupChat([AssistantAgent("inner", "embedded", handoffs=["zoe"]), Counting("c")], max_turns=2)

    report = team(MessageFilterAgent("f", inner, LAST_OF_A)).check()

    assert ("unknown-handoff", "f / RoundRobinGroupChat / inner") in [
        (found.rule, found.where) for found in report.findings
    ]


def test_what_is_no_filter_is_refused() -> None:
    wrong: Any = [PerSourceFilter("a")]
    with pytest.raises(ConfigError, match="must be a MessageFilterConfig"):
        MessageFilterAgent("f", Seeing("inner"), wrong)


def test_it_is_described_as_what_it_is() -> None:
    agent = AssistantAgent("inner", ScriptedModel([]), description="Helps.")

    assert MessageFilterAgent("f", agent, LAST_OF_A).description == "Helps. (with message filtering)"
