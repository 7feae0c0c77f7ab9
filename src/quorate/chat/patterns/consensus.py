"""Propose, object, revise: until all can live with it, or the rounds are over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from quorate.chat.agent import Participant
from quorate.chat.facts import Fact, Thread
from quorate.chat.objects.seats import all_seated
from quorate.chat.patterns.forms import ConsensusResult, Dissent, Position
from quorate.chat.patterns.moderated import (
    MODERATOR,
    answer_of,
    check_names,
    listed,
    names_of,
    note_of,
    says,
    tells,
)
from quorate.chat.stalls.progress import PATIENCE
from quorate.chat.team import Team
from quorate.chat.turns import Most, Speak, Stop
from quorate.core.assent import says_yes
from quorate.core.figures import check_count
from quorate.core.hosting import AgentRuntime
from quorate.core.words import counted
from quorate.errors import ConfigError
from quorate.runs.outcome import Limits

PROPOSE = "{proposer}, make a proposal that all can live with."
OBJECT = "Can you live with this proposal as it is? If not, say what has to change, and why."
REVISE = "{objectors} cannot live with it yet. {proposer}, give the whole proposal again, changed so that they can."


class Proposal(NamedTuple):
    """What a consensus remembers: how far it is, the proposal, and who said what of it; None agrees."""

    phase: str = ""
    text: str = ""
    rounds: int = 0
    positions: tuple[tuple[str, str | None], ...] = ()


class Objecting:
    """The turn policy of `Consensus`."""

    def __init__(
        self,
        proposer: str,
        others: Sequence[str],
        *,
        rounds: int = 3,
        quorum: int | None = None,
        moderator: str = MODERATOR,
    ) -> None:
        self.proposer, self.others, self.rounds, self.moderator = proposer, tuple(others), rounds, moderator
        self.quorum = len(self.others) if quorum is None else quorum

    @property
    def most(self) -> Most:
        """The most that a run of it takes."""
        return Most(2 * self.rounds, self.rounds * (1 + 2 * len(self.others)), least=2)

    def begin(self) -> Proposal:
        return Proposal()

    def see(self, memory: Proposal, fact: Fact) -> Proposal:
        if fact.choice is not None:
            phase = note_of(fact).get("phase", memory.phase)
            if phase == "object" and not note_of(fact).get("again"):
                return memory._replace(phase=phase, rounds=memory.rounds + 1, positions=())
            return memory._replace(phase=phase)
        if fact.is_task:
            return Proposal()
        message = fact.message
        if message is None:
            return memory
        if memory.phase == "propose" and fact.speaker == self.proposer:
            return memory._replace(text=message.to_text(), phase="proposed")
        if memory.phase == "object" and fact.speaker in self.others:
            position = answer_of(Position, message)
            if position is None:
                text = message.to_text()
                position = Position(agrees=says_yes(text), objection="" if says_yes(text) else text)
            said = None if position.agrees else position.objection or "It said no more."
            return memory._replace(positions=(*memory.positions, (fact.speaker, said)))
        return memory

    def wants(self, memory: Proposal, member: str) -> type[Position] | None:
        return Position if memory.phase == "object" else None

    def next(self, memory: Proposal, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        if memory.phase in {"", "propose"}:
            text = PROPOSE.format(proposer=self.proposer)
            return Speak((self.proposer,), "it proposes", says(text, self.moderator), {"phase": "propose"})
        if memory.phase == "proposed" or not memory.positions:
            return Speak(self.others, "do they object?", says(OBJECT, self.moderator), {"phase": "object"})
        heard = {who for who, _ in memory.positions}
        if left := tuple(who for who in self.others if who not in heard):  # somebody interrupted them
            return Speak(left, "they have not answered yet", note={"phase": "object", "again": True})
        objectors = [who for who, objection in memory.positions if objection is not None]
        agreed = len(memory.positions) - len(objectors)
        if agreed >= self.quorum:
            return self._stop(memory, f"{agreed} of {len(self.others)} can live with it", reached=True)
        if memory.rounds >= self.rounds:
            why = f"no consensus after {counted(memory.rounds, 'round')}: {listed(objectors)} cannot live with it"
            return self._stop(memory, why, reached=False)
        text = REVISE.format(objectors=listed(objectors), proposer=self.proposer)
        return Speak((self.proposer,), f"{len(objectors)} objected", says(text, self.moderator), {"phase": "propose"})

    def _stop(self, memory: Proposal, reason: str, *, reached: bool) -> Stop:
        result = ConsensusResult(
            proposal=memory.text, reached=reached, rounds=memory.rounds,
            agreed=[who for who, objection in memory.positions if objection is None],
            objections=[Dissent(who=who, answer="", why=why) for who, why in memory.positions if why is not None],
        )  # fmt: skip
        return Stop(reason, tells(result, "{proposal}", self.moderator), {"phase": "over"})


class Consensus(Team):
    """One proposes, the others say side by side whether they can live with it, and it is revised until they can.

    `result.value` is a `ConsensusResult`. A round is a proposal and the answers to it: two turns.

    Args:
        participants: The first proposes, the others object.
        rounds: How often at most.
        quorum: So many of the others have to agree; by default all.
        moderator: Whose the words between are.

    Raises:
        ConfigError: There are fewer than two, a number is out of range, or what `Team` raises.
    """

    def __init__(
        self,
        participants: Sequence[Participant],
        *,
        rounds: int = 3,
        quorum: int | None = None,
        moderator: str = MODERATOR,
        limits: Limits | None = None,
        patience: int | None = PATIENCE,
        wrap_up: str | None = None,
        runtime: AgentRuntime | None = None,
        name: str | None = None,
        description: str = "A team of agents.",
        emit_team_events: bool = False,
    ) -> None:
        participants = all_seated(participants)
        if len(participants) < 2:
            raise ConfigError("Consensus needs at least two participants: one proposes, the others object.")
        names = names_of(participants)
        check_names(names, moderator)
        check_count("Consensus: rounds", rounds)
        if quorum is not None:
            check_count("Consensus: quorum", quorum)
        if quorum is not None and quorum >= len(names):
            raise ConfigError(f"Consensus: quorum={quorum!r} must be from 1 to {len(names) - 1}.")
        policy = Objecting(names[0], names[1:], rounds=rounds, quorum=quorum, moderator=moderator)
        super().__init__(
            participants, turns=policy, limits=limits, patience=patience, wrap_up=wrap_up, runtime=runtime, name=name,
            description=description, emit_team_events=emit_team_events,
        )  # fmt: skip
        self.rounds, self.quorum, self.moderator = rounds, quorum, moderator
