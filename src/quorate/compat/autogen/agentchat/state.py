"""What agents and teams save, as AutoGen writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

__all__ = [
    "AssistantAgentState",
    "BaseGroupChatManagerState",
    "BaseState",
    "ChatAgentContainerState",
    "MagenticOneOrchestratorState",
    "RoundRobinManagerState",
    "SelectorManagerState",
    "SocietyOfMindAgentState",
    "SwarmManagerState",
    "TeamState",
]


def _nothing() -> dict[str, Any]:
    return {}


class BaseState(BaseModel):
    """What every state has: its kind, and the version of its form."""

    type: str = "BaseState"
    version: str = "1.0.0"


class AssistantAgentState(BaseState):
    """What an assistant's model is shown."""

    type: str = "AssistantAgentState"
    llm_context: Mapping[str, Any] = Field(default_factory=lambda: {"messages": []})


class TeamState(BaseState):
    """The states of a team's members and of its manager, by name."""

    type: str = "TeamState"
    agent_states: Mapping[str, Any] = Field(default_factory=_nothing)


class BaseGroupChatManagerState(BaseState):
    """What was said and done in a team, and how many turns of the open run are over."""

    type: str = "BaseGroupChatManagerState"
    message_thread: list[Mapping[str, Any]] = Field(default_factory=list[Mapping[str, Any]])
    current_turn: int = 0


class ChatAgentContainerState(BaseState):
    """A member's state, and what it has not been told yet."""

    type: str = "ChatAgentContainerState"
    agent_state: Mapping[str, Any] = Field(default_factory=_nothing)
    message_buffer: list[Mapping[str, Any]] = Field(default_factory=list[Mapping[str, Any]])


class RoundRobinManagerState(BaseGroupChatManagerState):
    """Whose turn is next."""

    type: str = "RoundRobinManagerState"
    next_speaker_index: int = 0


class SelectorManagerState(BaseGroupChatManagerState):
    """Who spoke last."""

    type: str = "SelectorManagerState"
    previous_speaker: str | None = None


class SwarmManagerState(BaseGroupChatManagerState):
    """Who has the conversation."""

    type: str = "SwarmManagerState"
    current_speaker: str = ""


class MagenticOneOrchestratorState(BaseGroupChatManagerState):
    """The task, the ledgers, and how it goes."""

    type: str = "MagenticOneOrchestratorState"
    task: str = ""
    facts: str = ""
    plan: str = ""
    n_rounds: int = 0
    n_stalls: int = 0


class SocietyOfMindAgentState(BaseState):
    """The state of the team inside an agent."""

    type: str = "SocietyOfMindAgentState"
    inner_team_state: Mapping[str, Any] = Field(default_factory=_nothing)
