"""Sides argue in rounds, and a judge decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from quorate.chat.agent import Participant
from quorate.chat.facts import Fact, Thread
from quorate.chat.naming import named
from quorate.chat.objects.seats import all_seated, seated, shown
from quorate.chat.patterns.forms import DebateResult, Ruling
from quorate.chat.patterns.moderated import MODERATOR, answer_of, check_names, names_of, note_of, says, tells
from quorate.chat.stalls.progress import PATIENCE
from quorate.chat.team import Team
from quorate.chat.turns import Most, Speak, Stop
from quorate.core.figures import check_count
from quorate.core.hosting import AgentRuntime
from quorate.core.words import counted
from quorate.errors import ConfigError
from quorate.runs.outcome import Limits

OPEN = "Make your case, and answer what the others say. There {rounds}."
JUDGE = (
    "{judge}, you have heard all sides. Say who made the better case ({sides}, or draw), why, and what to hold true."
)


class Debated(NamedTuple):
    """What a debate remembers: how many rounds are over, who was heard in the latest, and what the judge said."""

    phase: str = ""
    over: int = 0
    heard: frozenset[str] = frozenset()
    ruling: str | None = None
    read: Ruling | None = None


class Debating:
    """The turn policy of `Debate`."""

    def __init__(
        self, sides: Sequence[str], judge: str, *, rounds: int = 2, parallel: bool = False, moderator: str = MODERATOR
    ) -> None:
        self.sides, self.judge, self.rounds = tuple(sides), judge, rounds
        self.parallel, self.moderator = parallel, moderator

    @property
    def most(self) -> Most:
        """The most that a run of it takes."""
        speeches = self.rounds * len(self.sides)
        turns = (self.rounds if self.parallel else speeches) + 1
        return Most(turns, speeches + 2, least=turns)

    def begin(self) -> Debated:
        return Debated()

    def see(self, memory: Debated, fact: Fact) -> Debated:
        if fact.choice is not None:
            phase = note_of(fact).get("phase", memory.phase)
            if phase == "argue" and len(memory.heard) == len(self.sides):
                memory = memory._replace(over=memory.over + 1, heard=frozenset())
            return memory._replace(phase=phase)
        if fact.is_task:
            return Debated()
        message = fact.message
        if memory.phase == "argue" and message is not None and fact.speaker in self.sides:
            return memory._replace(heard=memory.heard | {fact.speaker})
        if memory.phase != "judge" or message is None or fact.speaker != self.judge:
            return memory
        return memory._replace(ruling=message.to_text(), read=answer_of(Ruling, message))

    def wants(self, memory: Debated, member: str) -> type[Ruling] | None:
        return Ruling if memory.phase == "judge" else None

    def next(self, memory: Debated, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        sides = self.sides
        left = tuple(side for side in sides if side not in memory.heard)  # again, where somebody interrupted them
        over = memory.over + (not left)
        if over < self.rounds:
            are = f"{'is' if self.rounds == 1 else 'are'} {counted(self.rounds, 'round')}"
            said = () if memory.phase else says(OPEN.format(rounds=are), self.moderator)
            speakers = (left or sides) if self.parallel else (left or sides)[:1]
            return Speak(speakers, f"round {over + 1} of {self.rounds}", said, {"phase": "argue"})
        if memory.ruling is None:
            text = JUDGE.format(judge=self.judge, sides=", ".join(sides))
            return Speak((self.judge,), "it decides", says(text, self.moderator), {"phase": "judge"})
        return self._stop(memory.ruling, memory.read)

    def _stop(self, text: str, read: Ruling | None) -> Stop:
        ruling = read or Ruling(winner=text, reason=text, synthesis="")
        winner = named(ruling.winner, self.sides) or ""
        result = DebateResult(
            winner=winner, reason=ruling.reason, synthesis=ruling.synthesis, rounds=self.rounds
        )  # fmt: skip
        reason = f"{self.judge} decided for {winner}" if winner else f"{self.judge} decided for no side"
        return Stop(reason, tells(result, "{reason}\n{synthesis}", self.moderator), {"phase": "over"})


class Debate(Team):
    """Sides argue in rounds, each answering the others; a judge decides.

    `result.value` is a `DebateResult`. It takes one turn for each side and round (one for each round in parallel), and
    one for the judge.

    Args:
        sides: Who argues, in this order.
        judge: Who decides.
        rounds: How often each side speaks.
        parallel: Whether the sides of a round speak side by side, each without the others' words of that round.
        moderator: Whose the words between are.

    Raises:
        ConfigError: There are fewer than two sides, or what `Team` raises.
    """

    def __init__(
        self,
        sides: Sequence[Participant],
        judge: Participant,
        *,
        rounds: int = 2,
        parallel: bool = False,
        moderator: str = MODERATOR,
        limits: Limits | None = None,
        patience: int | None = PATIENCE,
        wrap_up: str | None = None,
        runtime: AgentRuntime | None = None,
        name: str | None = None,
        description: str = "A team of agents.",
        emit_team_events: bool = False,
    ) -> None:
        sides, judge = all_seated(sides), seated(judge)
        if len(sides) < 2:
            raise ConfigError("Debate needs at least two sides.")
        check_count("Debate: rounds", rounds)
        names, (judging,) = names_of(sides), names_of([judge])
        check_names([*names, judging], moderator)
        policy = Debating(names, judging, rounds=rounds, parallel=parallel, moderator=moderator)
        super().__init__(
            [*sides, judge], turns=policy, limits=limits, patience=patience, wrap_up=wrap_up, runtime=runtime,
            name=name, description=description, emit_team_events=emit_team_events,
        )  # fmt: skip
        self.sides, self.judge, self.rounds = tuple(map(shown, sides)), shown(judge), rounds
        self.parallel, self.moderator = parallel, moderator
