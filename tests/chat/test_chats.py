"""Chats of two, and chats one after the other that carry over what came of them."""

import itertools
from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    Chat,
    Consensus,
    Debate,
    IndependentVote,
    NestedChats,
    Review,
    RoundRobinGroupChat,
    Summary,
    TextMentionTermination,
    TextMessage,
    Turn,
    conversation,
    replay,
)
from quorate.chat.chats import between
from quorate.errors import ConfigError
from quorate.models import ModelRequest
from quorate.testing import ScriptedModel


def agent(name: str, *lines: Any) -> AssistantAgent:
    return AssistantAgent(name, ScriptedModel(lines or itertools.repeat(f"{name} speaks.")))


async def test_chat_of_two_begins_with_the_word_of_the_first_and_ends_when_each_has_spoken_so_often() -> None:
    talk = conversation("talk")

    result = await agent("ann", "a1", "a2").chat(agent("bob", "b1", "b2"), "Hello.", max_turns=2, conversation=talk)

    assert [f"{m.source}: {m.to_text()}" for m in result.messages] == [
        "ann: Hello.", "bob: b1", "ann: a1", "bob: b2", "ann: a2",
    ]  # fmt: skip
    assert result.outcome is not None
    assert result.outcome.kind == "completed"
    assert result.stop_reason == "Each has spoken 2 times."


async def test_chat_of_two_ends_at_its_condition_and_begins_anew_each_time() -> None:
    ann, bob = agent("ann"), agent("bob", "On.", "DONE", "Again.", "DONE")

    first = await ann.chat(bob, "Hello.", termination_condition=TextMentionTermination("DONE"))
    second = await ann.chat(bob, "Hello.", termination_condition=TextMentionTermination("DONE"))

    assert len(first.messages) == len(second.messages) == 4
    assert first.stop_reason == "bob said 'DONE'"


async def test_chat_inside_a_run_is_a_part_of_it() -> None:
    class Boss(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            said = await agent("ann").chat(agent("bob", "Yes."), "Well?", max_turns=1)
            return TextMessage(content=said.messages[1].to_text(), source=self.name)

    talk = conversation("talk")
    team = RoundRobinGroupChat([Boss("boss")], max_turns=1)

    result = await team.run("Go.", conversation=talk)

    assert result.messages[-1].to_text() == "Yes."
    assert [e.path for e in await talk.entries() if e.kind == "outcome"] == ["1 turn/1 boss/1 ann and bob"]
    assert (await replay("talk", team=team, store=talk.store)).identical


async def test_chats_one_after_the_other_carry_over_what_came_of_them() -> None:
    told: list[str] = []

    def listening(request: ModelRequest) -> str:
        told.append(request.blocks[-1].text)
        return f"answer {len(told)}"

    boss, helper = agent("boss"), AssistantAgent("helper", ScriptedModel(itertools.repeat(listening)))
    summing = Summary(ScriptedModel(["In short: one."]))
    chats = NestedChats(
        "work",
        [
            Chat(boss, helper, max_turns=1, summary=summing),
            Chat(boss, helper, "Second.", max_turns=1),
            Chat(boss, helper, "Third.", max_turns=1, carryover=False),
        ],
    )
    talk = conversation("talk")

    result = await chats.run("First.", conversation=talk)

    assert told == ["First.", "Second.\n\nWhat came of it so far:\n\nIn short: one.", "Third."]
    assert result.messages[-1].to_text() == "boss speaks."
    assert (await replay("talk", team=chats, store=talk.store)).identical


async def test_nested_chats_answer_as_a_member() -> None:
    thinking = NestedChats("mind", [Chat(agent("ann"), agent("bob"), max_turns=1)])

    result = await RoundRobinGroupChat([thinking, agent("eve")], max_turns=2).run("Go.")

    assert [m.source for m in result.messages] == ["user", "mind", "eve"]


def test_arguments_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        NestedChats("work", [])
    with pytest.raises(ConfigError, match="<AssistantAgent ann> is no chat"):
        NestedChats("work", [agent("ann")])
    with pytest.raises(ConfigError, match="5 is no model client"):
        Summary(5)
    with pytest.raises(ConfigError, match="Summary: max_tokens='5' must be a whole number"):
        Summary("embedded", max_tokens="5")
    with pytest.raises(ConfigError, match="Summary"):
        Chat(agent("ann"), agent("bob"), summary="shortest")
    with pytest.raises(ConfigError, match="at least 1"):
        NestedChats("work", [Chat(agent("ann"), agent("bob"), max_turns=0)])


@pytest.mark.parametrize(
    "make",
    [
        lambda a: Debate(["ann", a], a),  # type: ignore[list-item]
        lambda a: Debate([a, list], a),  # type: ignore[list-item]
        lambda a: Consensus(["ann", a]),  # type: ignore[list-item]
        lambda a: IndependentVote(["ann", a]),  # type: ignore[list-item]
        lambda a: Review("ann", [a]),  # type: ignore[arg-type]
        lambda a: between(a, "ben", max_turns=1),  # type: ignore[arg-type]
        lambda a: between("ann", a, max_turns=1),  # type: ignore[arg-type]
    ],
)
def test_who_cannot_talk_is_told_in_every_pattern(make: Any) -> None:
    with pytest.raises(ConfigError, match="cannot take part: a participant has a name"):
        make(agent("a"))
