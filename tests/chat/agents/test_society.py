"""A team that speaks with one voice."""

import itertools
from typing import Any

import pytest

from quorate import (
    AssistantAgent,
    MaxMessageTermination,
    MessageFilterAgent,
    RoundRobinGroupChat,
    SocietyOfMindAgent,
    conversation,
    replay,
)
from quorate.chat.past import audit
from quorate.errors import ConfigError
from quorate.models import ModelRequest
from quorate.models.context import BufferedChatCompletionContext
from quorate.models.views import MessageFilterConfig, PerSourceFilter
from quorate.testing import ScriptedModel


def agent(name: str, *lines: str) -> AssistantAgent:
    return AssistantAgent(name, ScriptedModel(lines or itertools.repeat(f"{name} thinks.")))


def recording(asked: list[ModelRequest], *lines: str) -> ScriptedModel:
    def answer(line: str) -> Any:
        def say(request: ModelRequest) -> str:
            asked.append(request)
            return line

        return say

    return ScriptedModel([answer(line) for line in lines])


async def test_what_a_model_makes_of_the_talk_is_what_others_hear() -> None:
    asked: list[ModelRequest] = []
    team = RoundRobinGroupChat([agent("ann", "Seven."), agent("bob", "Rather eight.")], max_turns=2, name="inner")
    mind = SocietyOfMindAgent(
        "mind", team, recording(asked, "About eight."), instruction="Read.", response_prompt="Say."
    )

    result = await RoundRobinGroupChat([mind, agent("eve", "Fine.")], max_turns=2).run("How many?")

    assert [f"{m.source}: {m.to_text()}" for m in result.messages] == [
        "user: How many?", "mind: About eight.", "eve: Fine.",
    ]  # fmt: skip
    assert asked[0].system == "Read."
    assert [block.text for block in asked[0].blocks] == ["Seven.", "Rather eight.", "Say."]  # pyright: ignore[reportAttributeAccessIssue]: words


async def test_a_society_that_is_shown_nothing_goes_on_without_a_task() -> None:
    team = RoundRobinGroupChat([agent("ann", "Hm.", "Yes.")], max_turns=1, name="inner")
    mind = SocietyOfMindAgent("mind", team, ScriptedModel(["First.", "Second."]))
    seen = MessageFilterConfig([PerSourceFilter("critic", "last", 1)])
    outer = RoundRobinGroupChat([MessageFilterAgent("some", mind, seen), agent("critic", "More?")], max_turns=3)
    talk = conversation("talk")

    result = await outer.run("Begin.", conversation=talk)

    assert [m.to_text() for m in result.messages] == ["Begin.", "First.", "More?", "Second."]
    assert (await replay(result.run_id, team=outer, store=talk.store)).identical


async def test_team_begins_anew_with_each_turn_and_is_told_the_whole_conversation() -> None:
    inner: list[ModelRequest] = []
    team = RoundRobinGroupChat([AssistantAgent("ann", recording(inner, "One.", "Two."))], max_turns=1, name="inner")
    mind = SocietyOfMindAgent("mind", team, ScriptedModel(["First.", "Second."]))
    outer = RoundRobinGroupChat([mind, agent("eve", "More?")], termination_condition=MaxMessageTermination(4))
    talk = conversation("talk")

    await outer.run("Go.", conversation=talk)

    assert [[block.text for block in request.blocks] for request in inner] == [  # pyright: ignore[reportAttributeAccessIssue]: words
        ["Go."], ["Go.", "First.", "More?"],
    ]  # fmt: skip
    assert (await replay("talk", team=outer, store=talk.store)).identical
    for ref, asked in audit.requests("talk", await talk.entries()).items():
        assert asked[0].request.blocks, ref


async def test_context_shows_the_model_a_part_of_the_talk() -> None:
    asked: list[ModelRequest] = []
    team = RoundRobinGroupChat([agent("ann")], max_turns=5, name="inner", patience=None)
    context = BufferedChatCompletionContext(buffer_size=2)

    await SocietyOfMindAgent("mind", team, recording(asked, "Done."), model_context=context).run("Go.")

    assert len(asked[0].blocks) == 3


async def test_team_that_says_nothing_asks_no_model() -> None:
    team = RoundRobinGroupChat([agent("ann")], termination_condition=MaxMessageTermination(1))

    result = await SocietyOfMindAgent("mind", team, ScriptedModel([])).run("Go.")

    assert result.messages[-1].to_text() == "(nobody said anything)"


@pytest.mark.parametrize(("team", "model", "said"), [(None, "embedded", "team"), ("ok", "no:such:model", "model")])
def test_arguments_that_do_not_fit_are_refused(team: Any, model: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SocietyOfMindAgent("mind", RoundRobinGroupChat([agent("ann")]) if team else team, model)
