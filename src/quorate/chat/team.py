"""Teams: one engine, and presets of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from quorate.chat import nesting
from quorate.chat.agent import Participant, Speaker, checked_name
from quorate.chat.ending.stopping import NEVER, PATIENCE, Condition, checked_condition
from quorate.chat.files.component import Component
from quorate.chat.live import Runnable
from quorate.chat.objects.seats import all_seated, seated, shown
from quorate.chat.speech import Turn
from quorate.chat.talk import Cast
from quorate.chat.telling import Telling
from quorate.chat.turns import Handoffs, RoundRobin, TurnPolicy
from quorate.core.code import Place, caller
from quorate.core.figures import check_count
from quorate.core.hosting import AgentRuntime
from quorate.core.lazy import lazy
from quorate.errors import ConfigError
from quorate.runs.entries import Payload
from quorate.runs.outcome import Limits, checked_limits

if TYPE_CHECKING:
    from quorate.chat.checks import check as checks
    from quorate.chat.checks.findings import Report
    from quorate.chat.messages import BaseChatMessage
    from quorate.runs.prices import Price
else:
    checks = lazy("quorate.chat.checks.check")


class Team(Runnable, Component):
    """Members who talk in turns: a definition, that serves any number of conversations at the same time.

    Args:
        participants: Who talks; each has a name of its own. For one that keeps something in attributes of its own give
            what makes it, its class or a function: then each conversation has its own; see `quorate.chat.objects`.
        turns: Who speaks next.
        termination_condition: When it is done; without one it goes on until a limit.
        max_turns: The most turns of a run; short for `limits`.
        limits: What a run may use.
        patience: How often the same may come, with nothing new between, before the run ends as `stalled`: at least 2.
            None watches for nothing, and leaves a loop to the limits.
        wrap_up: An instruction, such as "Sum up what is known so far.": when a limit is reached, the first participant
            that has a model follows it in one last answer, without tools. It is kept beside the messages, as the
            result's `wrap_up`, and a part of the limits is reserved for it.
        runtime: Where members speak, as actors that its interventions see; by default where the loop runs. It has to be
            started.
        name: Of the team; by default that of its class.
        description: What it is for.
        share_all: Whether others hear all that is said, where it is itself a member of a team; else the last message.
        emit_team_events: Whether a `SelectSpeakerEvent` tells, before they speak, who was chosen and why.

    Raises:
        ConfigError: Nobody talks, a name is none or there twice, a member cannot speak, or a figure is out of range.
    """

    def __init__(
        self,
        participants: Sequence[Participant],
        *,
        turns: TurnPolicy[Any],
        termination_condition: Condition[Any] | None = None,
        max_turns: int | None = None,
        limits: Limits | None = None,
        patience: int | None = PATIENCE,
        wrap_up: str | None = None,
        runtime: AgentRuntime | None = None,
        name: str | None = None,
        description: str = "A team of agents.",
        share_all: bool = False,
        emit_team_events: bool = False,
    ) -> None:
        members = _checked(participants)
        policy, condition = checked_policy(turns), _checked_condition(termination_condition)
        given = Limits() if limits is None else checked_limits(limits)
        named = type(self).__name__ if name is None else checked_name(name, "a team")
        if max_turns is not None:
            check_count("max_turns", max_turns)
        for what, said in (("wrap_up", wrap_up), ("description", description)):
            if said is not None and not isinstance(said, str):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
                raise ConfigError(f"{what}={said!r} must be a text.")
        self._define(
            members, policy, condition,
            given if max_turns is None else Limits(turns=max_turns).over(given), _checked_patience(patience), wrap_up,
            runtime, named, description, share_all, emit_team_events, caller(),
        )  # fmt: skip

    def _define(
        self,
        members: tuple[Speaker, ...],
        turns: TurnPolicy[Any],
        condition: Condition[Any] | None,
        limits: Limits,
        patience: int | None,
        wrap_up: str | None,
        runtime: AgentRuntime | None,
        name: str,
        description: str,
        share_all: bool,
        emit_team_events: bool,
        made_at: Place | None,
    ) -> None:
        """Take what was checked as it is."""
        self._members, self.participants = members, tuple([shown(member) for member in members])
        self.turns, self.termination_condition = turns, condition
        self.limits, self.patience, self.wrap_up, self.runtime = limits, patience, wrap_up, runtime
        self.share_all, self.emit_team_events = share_all, emit_team_events
        self.name, self.description, self.made_at = name, description, made_at
        self.document: Payload | None = None

    async def speak(self, turn: Turn) -> BaseChatMessage:
        """Speak as a member of another team: talk about what was said there since, and say what came of it."""
        return await nesting.speak(self, turn, share_all=self.share_all)

    def check(
        self, *, task: str = "", limits: Limits | None = None, prices: Mapping[str, Price] | None = None
    ) -> Report:
        """Look for what cannot work or is not meant, and tell what a run may come to; see `quorate.chat.checks`."""
        return checks.check(self, task=task, limits=limits, prices=prices)

    def cast(self) -> Cast:
        """Return who talks, in what order, until when."""
        condition = NEVER if self.termination_condition is None else self.termination_condition
        return Cast(
            self.name, self._members, self.turns, condition, self.limits, self.document, self.patience,
            self.wrap_up, self.runtime, Telling(self.name) if self.emit_team_events else None,
        )  # fmt: skip


class RoundRobinGroupChat(Team):
    """Members speak in the order given, again and again."""

    def __init__(
        self,
        participants: Sequence[Participant],
        *,
        termination_condition: Condition[Any] | None = None,
        max_turns: int | None = None,
        limits: Limits | None = None,
        patience: int | None = PATIENCE,
        wrap_up: str | None = None,
        runtime: AgentRuntime | None = None,
        name: str | None = None,
        description: str = "A team of agents.",
        share_all: bool = False,
        emit_team_events: bool = False,
    ) -> None:
        super().__init__(
            participants, turns=RoundRobin(), termination_condition=termination_condition, max_turns=max_turns,
            limits=limits, patience=patience, wrap_up=wrap_up, runtime=runtime, name=name, description=description,
            share_all=share_all, emit_team_events=emit_team_events,
        )  # fmt: skip


class Swarm(Team):
    """Who is handed the conversation speaks, until they hand it on; the first participant begins."""

    def __init__(
        self,
        participants: Sequence[Participant],
        *,
        termination_condition: Condition[Any] | None = None,
        max_turns: int | None = None,
        limits: Limits | None = None,
        patience: int | None = PATIENCE,
        wrap_up: str | None = None,
        runtime: AgentRuntime | None = None,
        name: str | None = None,
        description: str = "A team of agents.",
        share_all: bool = False,
        emit_team_events: bool = False,
    ) -> None:
        super().__init__(
            participants, turns=Handoffs(), termination_condition=termination_condition, max_turns=max_turns,
            limits=limits, patience=patience, wrap_up=wrap_up, runtime=runtime, name=name, description=description,
            share_all=share_all, emit_team_events=emit_team_events,
        )  # fmt: skip


def checked_policy(turns: TurnPolicy[Any]) -> TurnPolicy[Any]:
    """Return a turn policy that somebody gave, if it is one.

    Raises:
        ConfigError: It is something else.
    """
    lacks = [name for name in ("begin", "see", "next") if not callable(getattr(turns, name, None))]
    if lacks or isinstance(turns, type):
        what = "is a class: make one of it" if isinstance(turns, type) else f"has no {', '.join(lacks)}"
        raise ConfigError(f"turns={turns!r} is no turn policy: it {what}. For one after the other: turns=RoundRobin().")
    return turns


def _checked_condition(condition: Condition[Any] | None) -> Condition[Any] | None:
    return None if condition is None else checked_condition(condition, "termination_condition=")


def _checked_patience(patience: int | None) -> int | None:
    if patience is not None and (isinstance(patience, bool) or not isinstance(patience, int) or patience < 2):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
        raise ConfigError(f"patience={patience!r}: give a whole number, 2 or more, or None to watch for no loops.")
    return patience


def _checked(participants: Sequence[Participant]) -> tuple[Speaker, ...]:
    if not participants:
        raise ConfigError("A team needs at least one participant.")
    seen: set[str] = set()
    members = [checked_member(member) for member in all_seated(participants)]
    for member in members:
        if member.name in seen:
            raise ConfigError(f"Two participants are named {member.name!r}. Each needs a name of its own.")
        seen.add(member.name)
    return tuple(members)


def checked_member(given: Participant) -> Speaker:
    """Return who can take part; for a factory, the seat of those that it makes.

    Raises:
        ConfigError: It cannot.
    """
    member = seated(given)
    if not isinstance(getattr(member, "name", None), str) or not callable(getattr(member, "speak", None)):
        raise ConfigError(
            f"{member!r} cannot take part: a participant has a name and `async def speak(self, turn)`, or `def`."
        )
    checked_name(member.name, "a member of a team")
    return member
