"""A base for managers of one's own: AutoGen's, whose `select_speaker` says who speaks next."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from quorate.chat.messages import BaseChatMessage, BaseMessage, HandoffMessage, StopMessage
from quorate.compat.autogen.agentchat.base import TerminationCondition
from quorate.compat.autogen.agentchat.messages import MessageFactory
from quorate.compat.autogen.agentchat.state import RoundRobinManagerState, SwarmManagerState
from quorate.compat.autogen.agents import RoutedAgent
from quorate.compat.autogen.teamevents import GroupChatTermination
from quorate.errors import ConfigError

NEVER_CALLED = (
    "handle_start",
    "handle_agent_response",
    "handle_group_chat_message",
    "handle_group_chat_error",
    "handle_reset",
    "handle_pause",
    "handle_resume",
    "_transition_to_next_speakers",
    "_apply_termination_condition",
    "_log_speaker_selection",
    "_signal_termination_with_error",
)
"""Insides of AutoGen's managers that the team's loop has here: what a subclass puts in their place would do nothing."""


class SequentialRoutedAgent(RoutedAgent):
    """An agent that takes messages of some types one after the other."""

    def __init__(self, description: str, sequential_message_types: Sequence[type[Any]] = ()) -> None:
        super().__init__(description)
        self._sequential_message_types = sequential_message_types


class BaseGroupChatManager(SequentialRoutedAgent, ABC):
    """A base for managers: a subclass says who speaks next, and what it remembers.

    Its team makes it, tells it what is said, and asks it. `_message_thread` has what was said and done in the team,
    `_current_turn` how many turns of the open run are over.

    Raises:
        ConfigError: The number of turns is none, names are missing or there twice, or it has methods that nobody calls.
    """

    def __init__(
        self,
        name: str,
        group_topic_type: str,
        output_topic_type: str,
        participant_topic_types: list[str],
        participant_names: list[str],
        participant_descriptions: list[str],
        output_message_queue: asyncio.Queue[Any],
        termination_condition: TerminationCondition | None,
        max_turns: int | None,
        message_factory: MessageFactory,
        emit_team_events: bool = False,
    ) -> None:
        super().__init__("Group chat manager")
        if max_turns is not None and max_turns <= 0:
            raise ConfigError("The maximum number of turns must be greater than 0.")
        if len(participant_topic_types) != len(participant_descriptions):
            raise ConfigError("Each participant needs a topic type and a description.")
        if len({*participant_topic_types, group_topic_type}) <= len(participant_topic_types):
            raise ConfigError("The topic types of the participants and of the group must be unique.")
        own = [method for method in NEVER_CALLED if hasattr(type(self), method)]
        if own:
            raise ConfigError(
                f"{type(self).__name__} has {', '.join(own)}, which nobody calls here: the team's loop starts, stops "
                "and asks. Put what it decides into select_speaker and a termination condition."
            )
        self._name = name
        self._group_topic_type, self._output_topic_type = group_topic_type, output_topic_type
        self._participant_names, self._participant_descriptions = participant_names, participant_descriptions
        self._participant_name_to_topic_type = dict(zip(participant_names, participant_topic_types, strict=True))
        self._output_message_queue = output_message_queue
        self._termination_condition, self._max_turns = termination_condition, max_turns
        self._message_factory, self._emit_team_events = message_factory, emit_team_events
        self._message_thread: list[Any] = []
        self._current_turn = 0
        self._active_speakers: list[str] = []

    @abstractmethod
    async def validate_group_state(self, messages: list[BaseChatMessage] | None) -> None:
        """Raise where a run on these messages cannot begin; None for a run without a task."""

    @abstractmethod
    async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
        """Return who speaks next: one name, or several that speak side by side; no name ends the run."""

    @abstractmethod
    async def reset(self) -> None:
        """Be as it was when it was made."""

    async def update_message_thread(self, messages: Sequence[BaseMessage]) -> None:
        """Take in what is new: a task, or all of one speech."""
        self._message_thread.extend(messages)

    async def _signal_termination(self, message: StopMessage) -> None:
        """End the run for the reason that a message says."""
        await self._output_message_queue.put(GroupChatTermination(message=message))

    # -- what the team's turn policy calls ----------------------------------------------------------------------------

    async def view_told(self, speaker: str, said: list[Any], anew: Collection[str]) -> None:
        """Take in a task, whose speaker is empty, or a speech; `anew`: the ids of messages that members begin with."""
        await self.update_message_thread(said)

    async def view_next(self) -> list[str]:
        """Return who speaks next."""
        said = await self.select_speaker(self._message_thread)
        return [said] if isinstance(said, str) else list(said)

    def view_end(self) -> None:
        """Be ready for the next run."""
        self._current_turn = 0


class RoundRobinGroupChatManager(BaseGroupChatManager):
    """Lets the participants speak in turn: to subclass; `RoundRobinGroupChat` itself is a turn policy."""

    _next_speaker_index = 0

    async def validate_group_state(self, messages: list[BaseChatMessage] | None) -> None:
        """Accept everything."""

    async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
        names, at = self._participant_names, self._next_speaker_index
        self._next_speaker_index = (at + 1) % len(names)
        return names[at]

    async def reset(self) -> None:
        self._current_turn = self._next_speaker_index = 0
        self._message_thread.clear()
        if self._termination_condition is not None:
            await self._termination_condition.reset()

    async def save_state(self) -> Mapping[str, Any]:
        return RoundRobinManagerState(
            message_thread=[message.dump() for message in self._message_thread],
            current_turn=self._current_turn,
            next_speaker_index=self._next_speaker_index,
        ).model_dump()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        kept = RoundRobinManagerState.model_validate(state)
        self._message_thread = [self._message_factory.create(message) for message in kept.message_thread]
        self._current_turn, self._next_speaker_index = kept.current_turn, kept.next_speaker_index


class SwarmGroupChatManager(BaseGroupChatManager):
    """Lets who was handed the conversation speak: to subclass; `Swarm` itself is a turn policy."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._current_speaker = self._participant_names[0]

    async def validate_group_state(self, messages: list[BaseChatMessage] | None) -> None:
        """Refuse a handoff to somebody who does not take part."""
        for item in (*reversed(messages or ()), *reversed(self._message_thread)):
            if isinstance(item, HandoffMessage):
                if item.target not in self._participant_names:
                    raise ConfigError(
                        f"The target {item.target} is not one of the participants {self._participant_names}. To go on "
                        "with a new task, give a HandoffMessage to one of them."
                    )
                return

    async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
        handoff = next((item for item in reversed(thread) if isinstance(item, HandoffMessage)), None)
        if handoff is not None:
            self._current_speaker = handoff.target
        return self._current_speaker

    async def reset(self) -> None:
        self._current_turn = 0
        self._message_thread.clear()
        if self._termination_condition is not None:
            await self._termination_condition.reset()
        self._current_speaker = self._participant_names[0]

    async def save_state(self) -> Mapping[str, Any]:
        return SwarmManagerState(
            message_thread=[message.dump() for message in self._message_thread],
            current_turn=self._current_turn,
            current_speaker=self._current_speaker,
        ).model_dump()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        kept = SwarmManagerState.model_validate(state)
        self._message_thread = [self._message_factory.create(message) for message in kept.message_thread]
        self._current_turn, self._current_speaker = kept.current_turn, kept.current_speaker


class Outlet(asyncio.Queue[Any]):
    """Takes what a manager puts out: the end of the run, and nothing else.

    Attributes:
        said: What the manager itself says before anybody speaks.
        anew: Those of it, by their ids, before which the members were told to begin anew.
    """

    def __init__(self) -> None:
        super().__init__()
        self.said: list[BaseChatMessage] = []
        self.anew: list[str] = []

    def begin(self) -> None:
        """Forget what was put out by a choice that came to nothing."""
        self.said, self.anew = [], []
        while not self.empty():
            self.get_nowait()

    async def put(self, item: Any) -> None:
        self.put_nowait(item)

    def put_nowait(self, item: Any) -> None:
        """Take the end of a run.

        Raises:
            ConfigError: It is something else.
        """
        if not isinstance(item, GroupChatTermination):
            raise ConfigError(
                f"A manager says nothing itself here, and this one put out a {type(item).__name__}. Let a member say "
                "it; with emit_team_events=True it is told who was chosen."
            )
        super().put_nowait(item)


__all__ = [
    "BaseGroupChatManager",
    "Outlet",
    "RoundRobinGroupChatManager",
    "SequentialRoutedAgent",
    "SwarmGroupChatManager",
]
