"""Ways of working together: turn policies that end by themselves, with a typed result."""

from quorate.chat.patterns.consensus import Consensus
from quorate.chat.patterns.debate import Debate
from quorate.chat.patterns.forms import (
    Ballot,
    ConsensusResult,
    DebateResult,
    Dissent,
    Draft,
    Passed,
    Position,
    Ranking,
    ReviewResult,
    Ruling,
    Verdict,
    VoteResult,
)
from quorate.chat.patterns.review import Check, Review
from quorate.chat.patterns.vote import IndependentVote

__all__ = [
    "Ballot",
    "Check",
    "Consensus",
    "ConsensusResult",
    "Debate",
    "DebateResult",
    "Dissent",
    "Draft",
    "IndependentVote",
    "Passed",
    "Position",
    "Ranking",
    "Review",
    "ReviewResult",
    "Ruling",
    "Verdict",
    "VoteResult",
]
