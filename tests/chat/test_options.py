"""What users give by mistake is refused where they give it, with its name and value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from quorate import (
    AgentTool,
    AssistantAgent,
    Chat,
    Consensus,
    Delegate,
    DiGraphBuilder,
    Handoff,
    IndependentVote,
    MagenticOneGroupChat,
    NestedChats,
    Review,
    RoundRobinGroupChat,
    SocietyOfMindAgent,
    SourceMatchTermination,
    Summary,
    TeamTool,
    UserProxyAgent,
)
from quorate.errors import ConfigError
from quorate.models.context import BufferedChatCompletionContext, TokenLimitedChatCompletionContext
from quorate.models.views import Chain, FromSources, MessageFilterConfig, OwnSide, PerSourceFilter, Pinned, Summarized
from quorate.testing import ScriptedModel


def ann(**options: Any) -> AssistantAgent:
    return AssistantAgent("ann", ScriptedModel(["Yes."]), **options)


def team() -> RoundRobinGroupChat:
    return RoundRobinGroupChat([ann()], max_turns=1)


def graph(at_most: Any) -> DiGraphBuilder:
    builder = DiGraphBuilder().add_node(ann()).add_node(UserProxyAgent("bob"))
    return builder.add_edge("ann", "bob", at_most=at_most)


WRONG: Any = 5
NONE: Any = None
DICT: Any = {"turns": 3}
ALL: Any = "all"


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: ann(tools=None), "ann: tools=None is no list. Write tools=[…], or leave it out."),
        (lambda: ann(handoffs=None), "ann: handoffs=None is no list"),
        (lambda: ann(limits=DICT), "limits={'turns': 3} are no limits"),
        (lambda: ann(temperature=float("nan")), "ann: temperature=nan must be a number, 0 or more"),
        (lambda: ann(temperature=-1), "ann: temperature=-1 must be a number, 0 or more"),
        (lambda: ann(seed="7"), "ann: seed='7' must be a whole number"),
        (lambda: ann(tool_call_summary_format=None), "ann: tool_call_summary_format=None must be a text"),
        (lambda: ann(tool_call_summary_formatter="{result}"), "tool_call_summary_formatter='{result}' is no function"),
        (lambda: ann(metadata="topic"), "ann: metadata='topic' must be texts by name"),
        (lambda: ann(metadata={"n": 1}), "ann: metadata={'n': 1} must be texts by name"),
        (lambda: UserProxyAgent("bob", default_auto_reply=NONE), "bob: default_auto_reply=None must be a text"),
        (
            lambda: SocietyOfMindAgent("all", team(), "embedded", instruction=NONE),
            "all: instruction=None must be",
        ),
        (
            lambda: SocietyOfMindAgent("all", team(), "embedded", response_prompt=WRONG),
            "all: response_prompt=5 must",
        ),
        (lambda: MagenticOneGroupChat([ann()], "embedded", final_answer_prompt=NONE), "final_answer_prompt=None must"),
        (lambda: IndependentVote([ann(), UserProxyAgent("bob")], voters=WRONG), "voters=5 is no list"),
        (lambda: IndependentVote([ann(), UserProxyAgent("bob")], method=NONE), "method=None is neither"),
        (lambda: Consensus([ann(), UserProxyAgent("bob")], quorum=ALL), "quorum='all' must be a whole number"),
        (lambda: Consensus([ann(), UserProxyAgent("bob")], quorum=2), "quorum=2 must be from 1 to 1"),
        (lambda: Review(ann(), checks=NONE), "Review: checks=None is no list"),
        (lambda: AgentTool(ann(), limits=DICT), "are no limits"),
        (lambda: TeamTool(team(), NONE, "Asks."), "TeamTool: name=None must be a text"),
        (lambda: TeamTool(team(), "ask", WRONG), "ask: description=5 must be a text"),
        (lambda: Delegate("bob", WRONG), "Delegate to bob: description=5 must be a text"),
        (lambda: Delegate("bob", limits=DICT), "are no limits"),
        (lambda: Handoff("bob", message=WRONG), "Handoff to bob: message=5 must be a text"),
        (lambda: Handoff("bob", name=WRONG), "Handoff to bob: name=5 must be a text"),
        (lambda: Chat(ann(), UserProxyAgent("bob"), task=NONE), "Chat: task=None must be a text"),
        (lambda: NestedChats("all", Chat(ann(), UserProxyAgent("bob"))), "is one chat and no list"),  # pyright: ignore[reportArgumentType]: that is the mistake
        (lambda: NestedChats("all", WRONG), "all: chats=5 is no list"),
        (lambda: Summary("embedded", prompt=NONE), "Summary: prompt=None must be a text"),
        (lambda: SourceMatchTermination(WRONG), "sources=5 is no list"),
        (lambda: graph("three"), "An edge to 'bob': at_most='three' must be a whole number"),
        (lambda: BufferedChatCompletionContext("4"), "buffer_size='4' must be a whole number"),  # pyright: ignore[reportArgumentType]: that is the mistake
        (lambda: TokenLimitedChatCompletionContext(100, count=WRONG), "count=5 is no function"),
        (lambda: OwnSide(-1), "OwnSide: head_size=-1 must be at least 0"),
        (lambda: FromSources("critic"), "FromSources: sources='critic' is no list"),
        (lambda: Pinned(NONE), "Pinned: context=None"),
        (lambda: Pinned(OwnSide(), head_size=-1), "Pinned: head_size=-1 must be at least 0"),
        (lambda: Chain(NONE), "Chain: contexts=None is no list"),
        (lambda: Chain([NONE]), "Chain: None is no model context"),
        (lambda: PerSourceFilter(NONE), "PerSourceFilter: source=None must be a text"),
        (lambda: PerSourceFilter("ann", "last", "2"), "PerSourceFilter: count='2' must be a whole number"),  # pyright: ignore[reportArgumentType]: that is the mistake
        (lambda: MessageFilterConfig(["ann"]), "'ann' is no PerSourceFilter"),  # pyright: ignore[reportArgumentType]: that is the mistake
        (lambda: Summarized("100"), "Summarized: max_tokens='100' must be a whole number"),  # pyright: ignore[reportArgumentType]: that is the mistake
        (lambda: Summarized(100, prompt=NONE), "Summarized: prompt=None must be a text"),
    ],
)
def test_option_that_is_none_is_refused_where_it_is_given(made: Callable[[], Any], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        made()

    assert told in str(refused.value)
