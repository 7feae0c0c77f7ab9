"""`emit_team_events`: who was chosen is told before they speak, as a view of the choice that the journal has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from quorate import (
    AssistantAgent,
    Consensus,
    Debate,
    DiGraphBuilder,
    GraphFlow,
    HandoffMessage,
    IndependentVote,
    Limits,
    MaxMessageTermination,
    Review,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
    conversation,
    replay,
)
from quorate.testing import ScriptedModel


def agent(name: str) -> AssistantAgent:
    return AssistantAgent(name, ScriptedModel([f"{name} says {at}." for at in range(5)]), handoffs=[])


def graph(members: list[AssistantAgent], **options: Any) -> GraphFlow:
    builder = DiGraphBuilder()
    for member in members:
        builder.add_node(member)
    return GraphFlow(members, builder.build(), **options)


def told(messages: Any) -> list[str]:
    return [f"{m.source} > {'+'.join(m.content)}" if m.type == "SelectSpeakerEvent" else m.source for m in messages]


TEAMS: dict[str, tuple[Callable[..., Any], list[str]]] = {
    "round robin": (RoundRobinGroupChat, ["user", "t > a", "a", "t > b", "b"]),
    "selector": (
        lambda members, **more: SelectorGroupChat(members, selector_func=lambda _: "b", **more),
        ["user", "t > b", "b", "t > b", "b"],
    ),
    "swarm": (Swarm, ["user", "t > b", "b", "t > b", "b"]),
    "side by side": (graph, ["user", "t > a+b", "a", "b"]),
}


PATTERNS: dict[str, Callable[..., Any]] = {
    "debate": lambda a, b, c, **more: Debate([a, b], c, rounds=1, **more),
    "vote": lambda a, b, c, **more: IndependentVote([a, b, c], **more),
    "consensus": lambda a, b, c, **more: Consensus([a, b, c], rounds=1, **more),
    "review": lambda a, b, c, **more: Review(a, [b, c], rounds=1, **more),
}


@pytest.mark.parametrize("kind", PATTERNS)
async def test_patterns_tell_it_too_and_say_the_same_otherwise(kind: str) -> None:
    def team(**more: Any) -> Any:
        return PATTERNS[kind](agent("a"), agent("b"), agent("c"), name="t", **more)

    loud, quiet = await team(emit_team_events=True).run("go"), await team().run("go")

    events = [m for m in loud.messages if m.type == "SelectSpeakerEvent"]
    assert {"a", "b", "c"} == {name for event in events for name in event.content}
    assert [m.to_text() for m in loud.messages if m not in events] == [m.to_text() for m in quiet.messages]


async def test_two_who_chat_may_have_it_told() -> None:
    result = await agent("a").chat(agent("b"), "go", max_turns=1, emit_team_events=True)

    assert told(result.messages) == ["a", "a and b > b", "b", "a and b > a", "a"]


@pytest.mark.parametrize("kind", TEAMS)
async def test_who_was_chosen_is_told_before_they_speak(kind: str) -> None:
    make, expected = TEAMS[kind]
    team = make([agent("a"), agent("b")], max_turns=2, name="t", emit_team_events=True)
    task = HandoffMessage(content="go", source="user", target="b") if kind == "swarm" else "go"

    *items, result = [item async for item in team.run_stream(task)]

    assert told(item for item in items if item.type != "ModelClientStreamingChunkEvent") == expected
    assert told(result.messages) == expected


async def test_it_says_why_and_nothing_is_told_where_nobody_asks_for_it() -> None:
    pair = [agent("a"), agent("b")]

    loud = await RoundRobinGroupChat(pair, max_turns=1, emit_team_events=True).run("go")
    quiet = await RoundRobinGroupChat(pair, max_turns=1).run("go")

    assert loud.messages[1].metadata == {"reason": "next in order"}
    assert told(quiet.messages) == ["user", "a"]


async def test_no_condition_counts_it() -> None:
    ends = MaxMessageTermination(3, include_agent_event=True)

    result = await RoundRobinGroupChat([agent("a"), agent("b")], termination_condition=ends, emit_team_events=True).run(
        "go"
    )

    assert len([m for m in result.messages if m.type == "TextMessage"]) == 3


async def test_it_is_the_same_when_a_run_goes_on_and_adds_nothing_to_the_journal() -> None:  # ENGINE 13
    def team(turns: int, *, tells: bool) -> RoundRobinGroupChat:
        return RoundRobinGroupChat([agent("a"), agent("b")], max_turns=turns, name="t", emit_team_events=tells)

    silent, talk = conversation("talk"), conversation("talk")
    await team(1, tells=False).run("go", conversation=silent)
    first = await team(1, tells=True).run("go", conversation=talk)
    kinds = [entry.kind for entry in await talk.entries()]
    on = await team(2, tells=True).continue_run("talk", store=talk.store, limits=Limits(turns=2))

    assert kinds == [entry.kind for entry in await silent.entries()]
    assert told(on.messages) == ["user", "t > a", "a", "t > b", "b"]
    assert [m.id for m in on.messages[:3]] == [m.id for m in first.messages]
    assert (await replay("talk", team=team(2, tells=True), store=talk.store)).identical


async def test_who_watches_sees_the_choices_inside_a_member_that_is_a_team() -> None:
    inner = RoundRobinGroupChat([agent("a")], max_turns=1, name="inner", emit_team_events=True)
    team = RoundRobinGroupChat([inner, agent("b")], max_turns=2, name="t", emit_team_events=True)

    *items, _ = [item async for item in team.run_stream("go") if item is not None]

    seen = [item for item in items if item.type in {"TextMessage", "SelectSpeakerEvent"}]
    assert [one for one in told(seen) if ">" in one] == ["t > inner", "inner > a", "t > b"]
    assert seen[2].metadata == {"reason": "next in order", "within": "inner"}
