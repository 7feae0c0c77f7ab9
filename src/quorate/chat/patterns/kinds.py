"""Patterns in team files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, JsonValue

from quorate.chat.agent import checked_name
from quorate.chat.files.forms import Count, LimitsFields, LimitsPart, MemberPart, Name, TeamName
from quorate.chat.patterns.consensus import Consensus
from quorate.chat.patterns.debate import Debate
from quorate.chat.patterns.moderated import MODERATOR, same
from quorate.chat.patterns.review import Review
from quorate.chat.patterns.vote import ASK, IndependentVote
from quorate.chat.stalls.progress import PATIENCE
from quorate.core.config import Document, Fields, Form, Kind, Part
from quorate.core.source import Problem
from quorate.errors import ConfigError

VoterPart = Annotated[Any, Part("agent or team", checked_name)]


class PatternFields(Fields):
    """What every pattern has."""

    moderator: Name = Field(MODERATOR, description="Whose the words between are.")
    limits: LimitsPart = Field(
        default_factory=lambda: LimitsFields.model_validate({}), description="What a run may use."
    )
    patience: int | None = Field(
        PATIENCE, ge=2, description="How often the same may come with nothing new between; null watches for no loops."
    )
    wrap_up: str | None = Field(
        None, min_length=1, description="What a last answer shall say when a limit is reached; it is reserved for."
    )
    description: str = Field("A team of agents.", description="What it is for.")
    emit_team_events: bool = Field(False, description="Whether it is told who was chosen to speak, and why.")


class DebateFields(PatternFields):
    """Sides argue in rounds, and a judge decides."""

    name: TeamName = Field("Debate", description="Of the team.")
    sides: list[MemberPart] = Field(min_length=2, description="Who argues, in this order.")
    judge: MemberPart = Field(description="Who decides.")
    rounds: Count = Field(2, description="How often each side speaks.")
    parallel: bool = Field(False, description="Whether the sides of a round speak side by side.")


class VoteFields(PatternFields):
    """Participants answer side by side without seeing each other's answers, then vote."""

    name: TeamName = Field("IndependentVote", description="Of the team.")
    participants: list[MemberPart] = Field(min_length=2, description="Who answers.")
    voters: list[VoterPart] | None = Field(
        None, description="Who votes: names of participants, or others; left out: all participants."
    )
    method: Literal["vote", "ranking"] = Field("vote", description="One best answer each, or all in order.")
    agree: Count | None = Field(None, description="So many equal answers decide at once; left out: more than half.")
    quorum: Count | None = Field(None, description="So many ballots have to be valid; left out: more than half.")


class ConsensusFields(PatternFields):
    """The first participant proposes, the others object, and it revises."""

    name: TeamName = Field("Consensus", description="Of the team.")
    participants: list[MemberPart] = Field(min_length=2, description="Who proposes first, then who objects.")
    rounds: Count = Field(3, description="How often at most.")
    quorum: Count | None = Field(None, description="So many of the others have to agree; left out: all.")


class _SchemaForm(Form):
    def build(self, value: Any, context: Any) -> Any:
        return value

    def dump(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return dict(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]: JSON
        if isinstance(value, type) and issubclass(value, BaseModel):
            return value.model_json_schema()
        raise ConfigError(f"The check {value!r} is a function, which is no data, so it cannot be in a document.")


class ReviewFields(PatternFields):
    """One writes, and writes again, until the work passes all its checks."""

    name: TeamName = Field("Review", description="Of the team.")
    author: MemberPart = Field(description="Who writes.")
    reviewers: list[MemberPart] = Field(
        default_factory=list[Any], description="Agents, teams and people who have to approve."
    )
    checks: list[Annotated[dict[str, JsonValue], _SchemaForm()]] = Field(
        default_factory=list[Any], description="JSON schemas of objects; the work has to be one of each."
    )
    rounds: Count = Field(3, description="How many versions at most.")


def _shared(team: Any, *names: str) -> dict[str, Any]:
    shared = ("moderator", "limits", "patience", "wrap_up", "name", "description", "emit_team_events")
    return {name: getattr(team, name) for name in (*names, *shared)}


def _of_debate(team: Debate) -> Mapping[str, Any]:
    return _shared(team, "sides", "judge", "rounds", "parallel")


def _of_vote(team: IndependentVote) -> Mapping[str, Any]:
    if team.key is not same:
        raise ConfigError(f"{team.name} compares answers by a function, `key`, which is no data.")
    if team.method not in ASK:
        raise ConfigError(f"{team.name}: its method is none of {', '.join(ASK)}.")
    names = [member.name for member in team.drafters]
    voters = team.voters and [v.name if v.name in names else v for v in team.voters]
    return {**_shared(team, "method", "agree", "quorum"), "participants": team.drafters, "voters": voters}


def _of_consensus(team: Consensus) -> Mapping[str, Any]:
    return _shared(team, "participants", "rounds", "quorum")


def _of_review(team: Review) -> Mapping[str, Any]:
    return _shared(team, "author", "reviewers", "checks", "rounds")


def check_pattern(document: Document) -> Iterator[Problem]:
    """Look for names that are there twice, or that of the moderator, and for voters who are not there."""
    moderator: Any = document.get("moderator", MODERATOR)
    seen: set[Any] = {moderator} if isinstance(moderator, str) else set()
    for way, member in _members(document):
        name: str = "" if isinstance(member, str) else member.get("name", "")
        if name in seen:
            text = f"{name!r} leads through it" if name == moderator else f"Two participants are named {name!r}"
            yield Problem((*way, "name"), f"{text}. Each needs a name of its own.")
        if name:
            seen.add(name)
    voters: list[Document | str] = document.get("voters") or []
    for i, voter in enumerate(voters):
        if isinstance(voter, str) and voter not in seen:
            yield Problem(("voters", i), f"No participant is named {voter!r}.")


def _members(document: Document) -> Iterator[tuple[tuple[str | int, ...], Document | str]]:
    for field in ("sides", "participants", "reviewers", "voters"):
        for i, member in enumerate(document.get(field) or ()):
            yield (field, i), member
    for field in ("judge", "author"):
        if field in document:
            yield (field,), document[field]


PATTERNS: tuple[Kind, ...] = (
    Kind("debate", "team", Debate, DebateFields, values=_of_debate, check=check_pattern, rough=True),
    Kind(
        "independent_vote",
        "team",
        IndependentVote,
        VoteFields,
        values=_of_vote,
        check=check_pattern,
        rough=True,
    ),
    Kind("consensus", "team", Consensus, ConsensusFields, values=_of_consensus, check=check_pattern, rough=True),
    Kind("review", "team", Review, ReviewFields, values=_of_review, check=check_pattern, rough=True),
)

__all__ = ["PATTERNS"]
