"""AutoGen's kinds of teams, each a turn policy of Quorate's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from pydantic import BaseModel

from quorate.chat.messages import BaseChatMessage, BaseMessage, HandoffMessage
from quorate.chat.turns import Handoffs, Holder, RoundRobin, TurnPolicy
from quorate.compat.autogen import profile
from quorate.compat.autogen.agentchat.base import ChatAgent, Team, TerminationCondition
from quorate.compat.autogen.agentchat.state import RoundRobinManagerState, SwarmManagerState
from quorate.compat.autogen.components import Component, ComponentModel
from quorate.compat.autogen.groupchat import BaseGroupChat
from quorate.compat.autogen.managers import RoundRobinGroupChatManager, SwarmGroupChatManager
from quorate.core.hosting import AgentRuntime
from quorate.errors import ConfigError


class TeamConfig(BaseModel):
    """What teams have in common as configuration."""

    name: str | None = None
    description: str | None = None
    participants: list[ComponentModel]
    termination_condition: ComponentModel | None = None
    max_turns: int | None = None
    emit_team_events: bool = False


def dumped(team: BaseGroupChat) -> dict[str, Any]:
    """Return what teams have in common as the fields of a configuration."""
    condition = team.condition
    return {
        "name": team.name,
        "description": team.description,
        "participants": [one.dump_component() for one in team.members],
        "termination_condition": None if condition is None else condition.dump_component(),
        "max_turns": team.most_turns,
        "emit_team_events": team.tells_team_events,
    }


def loaded(config: Any) -> dict[str, Any]:
    """Return what teams have in common as the arguments of their constructors."""
    condition = config.termination_condition
    return {
        "participants": [participant_of(one) for one in config.participants],
        "name": config.name,
        "description": config.description,
        "termination_condition": None if condition is None else TerminationCondition.load_component(condition),
        "max_turns": config.max_turns,
        **({"emit_team_events": config.emit_team_events} if hasattr(config, "emit_team_events") else {}),
    }


def participant_of(model: ComponentModel) -> Any:
    """Return the agent or team of a configuration."""
    return (Team if model.component_type == "team" else ChatAgent).load_component(model)


class Rotation(RoundRobin):
    """In order, beginning after `last`."""

    def __init__(self, last: str | None) -> None:
        self._last = last

    def begin(self) -> str | None:
        return self._last


class RoundRobinGroupChat(BaseGroupChat, Component[TeamConfig]):
    """Members speak in the order given, again and again; a new run goes on where the last one was."""

    component_config_schema: ClassVar[type[Any]] = TeamConfig
    component_provider_override: ClassVar[str | None] = "autogen_agentchat.teams.RoundRobinGroupChat"
    states: ClassVar[type[Any]] = RoundRobinManagerState
    DEFAULT_NAME = "RoundRobinGroupChat"
    DEFAULT_DESCRIPTION = profile.TEAM_DESCRIPTION

    def __init__(
        self,
        participants: list[ChatAgent | Team],
        *,
        name: str | None = None,
        description: str | None = None,
        termination_condition: TerminationCondition | None = None,
        max_turns: int | None = None,
        runtime: AgentRuntime | None = None,
        custom_message_types: list[type[BaseMessage]] | None = None,
        emit_team_events: bool = False,
    ) -> None:
        super().__init__(
            name or self.DEFAULT_NAME,
            description or self.DEFAULT_DESCRIPTION,
            participants,
            "RoundRobinGroupChatManager",
            None,
            termination_condition,
            max_turns,
            runtime,
            custom_message_types,
            emit_team_events,
        )
        self._last: str | None = None

    def turns(self) -> TurnPolicy[Any]:
        return Rotation(self._last)

    def manager_state(self, memory: Any) -> dict[str, Any]:
        names = [participant.name for participant in self.members]
        last = memory or self._last
        return {"next_speaker_index": (names.index(last) + 1) % len(names) if last in names else 0}

    def load_manager(self, state: RoundRobinManagerState | None) -> None:
        self._last = None
        if state is not None:
            self._last = self.members[state.next_speaker_index - 1].name

    def _to_config(self) -> TeamConfig:
        return TeamConfig(**dumped(self))

    @classmethod
    def _from_config(cls, config: TeamConfig) -> Self:
        return cls(**loaded(config))


class Handing(Handoffs):
    """Who was handed the conversation speaks, beginning with `first`."""

    def __init__(self, first: str | None) -> None:
        self._first = first

    def begin(self) -> Holder:
        return Holder(to=self._first, must=self._first is not None)


class SwarmConfig(TeamConfig):
    """A `Swarm` as configuration."""


class Swarm(BaseGroupChat, Component[SwarmConfig]):
    """Who is handed the conversation speaks, until they hand it on; the first participant begins.

    Raises:
        ConfigError: The first participant cannot hand over.
        TypeError: A team takes part.
    """

    component_config_schema: ClassVar[type[Any]] = SwarmConfig
    component_provider_override: ClassVar[str | None] = "autogen_agentchat.teams.Swarm"
    states: ClassVar[type[Any]] = SwarmManagerState
    DEFAULT_NAME = "Swarm"
    DEFAULT_DESCRIPTION = profile.TEAM_DESCRIPTION

    def __init__(
        self,
        participants: list[ChatAgent],
        *,
        name: str | None = None,
        description: str | None = None,
        termination_condition: TerminationCondition | None = None,
        max_turns: int | None = None,
        runtime: AgentRuntime | None = None,
        custom_message_types: list[type[BaseMessage]] | None = None,
        emit_team_events: bool = False,
    ) -> None:
        for participant in participants:
            if isinstance(participant, Team):
                raise TypeError(f"{participant.name} is a team, and only agents take part in a Swarm.")
        super().__init__(
            name or self.DEFAULT_NAME,
            description or self.DEFAULT_DESCRIPTION,
            list(participants),
            "SwarmGroupChatManager",
            None,
            termination_condition,
            max_turns,
            runtime,
            custom_message_types,
            emit_team_events,
        )
        produced = getattr(participants[0], "produced_message_types", (HandoffMessage,))
        if not any(issubclass(kind, HandoffMessage) for kind in produced):
            raise ConfigError(
                f"The first participant must be able to produce a handoff messages, and {participants[0].name} is not."
            )
        self._holder: str | None = None
        self._spoke: str | None = None

    def turns(self) -> TurnPolicy[Any]:
        return Handing(self._holder)

    def check_start(self, task: Sequence[BaseChatMessage]) -> None:
        names = [participant.name for participant in self.members]
        for message in reversed(task):
            if isinstance(message, HandoffMessage):
                if message.target not in names:
                    raise ConfigError(
                        f"The target {message.target} is not one of the participants {names}. Hand over to one of them."
                    )
                return
        had: Holder = Holder(to=self._holder) if self._talk is None else self._talk.policy
        holder = had.by if had.to is None else had.to
        if holder is not None and holder not in names:
            raise ConfigError(
                f"The existing handoff target {holder} is not one of the participants {names}. To go on with a new "
                "task, give a HandoffMessage to one of them."
            )

    def manager_state(self, memory: Any) -> dict[str, Any]:
        spoke = self.members[0].name if self._spoke is None else self._spoke
        for fact in self._talk.facts if self._talk is not None else ():
            spoke = fact.speaker or spoke
        return {"current_speaker": spoke}

    def load_manager(self, state: SwarmManagerState | None) -> None:
        self._holder = self._spoke = None
        if state is not None:
            self._spoke = self._holder = state.current_speaker
            for message in reversed(state.message_thread):
                if message.get("type") == "HandoffMessage":
                    self._holder = message["target"]
                    break

    def _to_config(self) -> SwarmConfig:
        return SwarmConfig(**dumped(self))

    @classmethod
    def _from_config(cls, config: SwarmConfig) -> Self:
        return cls(**loaded(config))


__all__ = [
    "RoundRobinGroupChat",
    "RoundRobinGroupChatManager",
    "Swarm",
    "SwarmGroupChatManager",
    "TeamConfig",
    "dumped",
    "loaded",
]
