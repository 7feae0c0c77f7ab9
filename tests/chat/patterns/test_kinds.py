"""Patterns as team files."""

from typing import Any

import pytest
from pydantic import BaseModel

from quorate import Debate, IndependentVote, Review, RoundRobinGroupChat, UserProxyAgent, load_team
from quorate.chat.files.document import dump
from quorate.errors import ConfigError

DEBATE = """
type: debate
sides:
  - {type: assistant, name: bull, model_client: embedded}
  - {type: assistant, name: bear, model_client: embedded}
judge: {type: user_proxy, name: ann}
rounds: 3
"""
VOTE = """
type: independent_vote
participants:
  - {type: assistant, name: one, model_client: embedded}
  - {type: assistant, name: two, model_client: embedded}
voters: [two, {type: user_proxy, name: ann}]
method: ranking
"""
REVIEW = """
type: review
author: {type: assistant, name: writer, model_client: embedded}
reviewers: [{type: user_proxy, name: ann}]
checks: [{title: Quote, type: object, properties: {total: {type: integer}}, required: [total]}]
"""


def test_a_file_becomes_the_pattern_it_describes() -> None:
    debate, vote, review = load_team(DEBATE), load_team(VOTE), load_team(REVIEW)

    assert isinstance(debate, Debate)
    assert ([p.name for p in debate.participants], debate.rounds) == (["bull", "bear", "ann"], 3)
    assert isinstance(vote, IndependentVote)
    assert [p.name for p in vote.participants] == ["one", "two", "ann"]
    assert [v.name for v in vote.voters or ()] == ["two", "ann"]
    assert isinstance(review, Review)
    assert review.checks[0]["title"] == "Quote"
    assert [load_team(dump(team)).document == team.document for team in (debate, vote, review)] == [True] * 3


TEAM = "type: round_robin, max_turns: 1, participants: [{type: assistant, name: a, model_client: embedded}]"


@pytest.mark.parametrize(
    "text",
    [
        f"""
type: debate
sides: [{{{TEAM}, name: bull}}, {{{TEAM}, name: bear}}]
judge: {{{TEAM}, name: jury}}
""",
        f"""
type: independent_vote
participants: [{{{TEAM}, name: bull}}, {{{TEAM}, name: bear}}]
voters: [bull, {{{TEAM}, name: jury}}]
""",
        f"""
type: consensus
participants: [{{{TEAM}, name: bull}}, {{{TEAM}, name: bear}}]
""",
        f"""
type: review
author: {{{TEAM}, name: bull}}
reviewers: [{{{TEAM}, name: bear}}]
""",
        f"""
type: round_robin
participants: [{{type: message_filter, name: f, wrapped_agent: {{{TEAM}}}, filter: {{per_source: [{{source: user}}]}}}}]
""",
    ],
    ids=["debate", "vote", "consensus", "review", "filter"],
)
def test_a_team_may_stand_in_a_file_where_it_may_in_python(text: str) -> None:
    team = load_team(text)

    assert load_team(dump(team)).document == team.document
    first = team.participants[0]
    assert isinstance(getattr(first, "wrapped_agent", first), RoundRobinGroupChat)


class Quote(BaseModel):
    total: int


def test_a_model_is_written_down_as_its_schema_and_a_function_is_not() -> None:
    ann = UserProxyAgent("ann")

    assert dump(Review(ann, checks=[Quote]))["checks"] == [Quote.model_json_schema()]
    with pytest.raises(ConfigError, match="is a function, which is no data"):
        dump(Review(ann, checks=[len]))
    with pytest.raises(ConfigError, match="compares answers by a function"):
        dump(IndependentVote([ann, UserProxyAgent("ben")], key=str.lower))


@pytest.mark.parametrize(
    ("text", "old", "new", "told"),
    [
        (DEBATE, "name: bear", "name: bull", "Two participants are named 'bull'"),
        (DEBATE, "name: ann", "name: moderator", "'moderator' leads through it"),
        (DEBATE, "rounds: 3", "rounds: 0", "rounds should be greater than 0"),
        (VOTE, "voters: [two,", "voters: [too,", "No participant is named 'too'"),
        (VOTE, "method: ranking", "method: war", "method"),
        (REVIEW, "reviewers:", "reviewer:", "'reviewer' is no field of review. Did you mean 'reviewers'?"),
    ],
)
def test_what_is_wrong_in_it_is_told(text: str, old: str, new: str, told: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        load_team(text.replace(old, new))

    assert told in str(refused.value)
