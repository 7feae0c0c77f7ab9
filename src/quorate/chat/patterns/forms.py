"""What members answer in patterns, and what patterns come to: pydantic models."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from quorate.chat.structured import StructuredMessage


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")

    shown: ClassVar[str | None] = None
    """How people read it; see `StructuredMessage`."""


# -- answers of members -----------------------------------------------------------------------------------------------


class Ballot(_Form):
    """A vote for one of the numbered answers."""

    shown = "for answer {choice}: {why}"

    choice: int = Field(ge=1, description="The number of the best answer.")
    why: str = Field(description="In a sentence.")


class Ranking(_Form):
    """All numbered answers in order."""

    shown = "{order}: {why}"

    order: list[int] = Field(min_length=1, description="The numbers of the answers, the best first.")
    why: str = Field(description="Why the first is best, in a sentence.")


class Position(_Form):
    """Whether somebody can live with a proposal."""

    shown = "agrees: {agrees}. {objection}"

    agrees: bool = Field(description="Whether you can live with the proposal as it is.")
    objection: str = Field(description="What has to change, and why; empty if you agree.")


class Verdict(_Form):
    """Whether a work passes."""

    shown = "approved: {approved}. {comments}"

    approved: bool = Field(description="Whether the work is good as it is.")
    comments: str = Field(description="What has to change; empty if nothing has to.")


class Ruling(_Form):
    """Who made the better case, and what follows."""

    shown = "{winner}: {reason} {synthesis}"

    winner: str = Field(description="The name of the side that made the better case, or draw.")
    reason: str = Field(description="Why, in a few sentences.")
    synthesis: str = Field(description="What to hold true after both sides were heard.")


# -- results ----------------------------------------------------------------------------------------------------------


class Draft(_Form):
    """An answer that was given blind, and who gave it."""

    number: int
    text: str
    by: list[str]


class Dissent(_Form):
    """Somebody who wanted something else."""

    who: str
    answer: str
    why: str = ""


class VoteResult(_Form):
    """What an `IndependentVote` came to.

    Args:
        answer: The answer that won; empty where the quorum was not met.
        decided: Whether there is one.
        by: How it was found: the drafts agreed, or by a ballot.
        drafts: What was drafted, each text once.
        tally: Points by the number of the draft; in a vote one for each ballot.
        dissent: Who wanted something else.
        abstained: Who gave no valid ballot.
        unasked: Who was not heard any more, since the result was certain.
        tie: Whether several had most, and the one with more drafts, or drafted first, was taken.
    """

    answer: str
    decided: bool
    by: Literal["agreement", "vote", "ranking"]
    drafts: list[Draft]
    tally: dict[int, int] = Field(default_factory=dict)
    dissent: list[Dissent] = Field(default_factory=list[Dissent])
    abstained: list[str] = Field(default_factory=list[str])
    unasked: list[str] = Field(default_factory=list[str])
    tie: bool = False


class ConsensusResult(_Form):
    """What a `Consensus` came to.

    Args:
        proposal: The proposal as it was last.
        reached: Whether enough could live with it.
        rounds: How often objections were asked for.
        agreed: Who agreed in the last round.
        objections: Who did not, and why.
    """

    proposal: str
    reached: bool
    rounds: int
    agreed: list[str]
    objections: list[Dissent]


class Passed(_Form):
    """A check that a work passed."""

    check: str
    comments: str = ""


class ReviewResult(_Form):
    """What a `Review` came to: a work that passed all its checks.

    Args:
        work: The work.
        rounds: How many versions it took.
        passed: Each check, with what was said.
    """

    work: str
    rounds: int
    passed: list[Passed]


class DebateResult(_Form):
    """What a `Debate` came to.

    Args:
        winner: The side that made the better case; empty for a draw, or where the judge named none.
        reason: Why.
        synthesis: What to hold true after all sides were heard.
        rounds: How many there were.
    """

    winner: str
    reason: str
    synthesis: str
    rounds: int


MESSAGES: tuple[type[StructuredMessage[Any]], ...] = (
    StructuredMessage[VoteResult],
    StructuredMessage[ConsensusResult],
    StructuredMessage[ReviewResult],
    StructuredMessage[DebateResult],
)
"""Kept, so that a journal's results are read as what they are."""
