"""What AutoGen's managers and members send each other; of a manager of one's own only the end of a run is read."""

from __future__ import annotations

import traceback as tracebacks
from typing import Self

from pydantic import BaseModel, SerializeAsAny

from quorate.chat.messages import BaseAgentEvent, BaseChatMessage, StopMessage, TaskResult
from quorate.compat.autogen.agentchat.base import Response


class SerializableException(BaseModel):
    """An error as data."""

    error_type: str
    error_message: str
    traceback: str | None = None

    @classmethod
    def from_exception(cls, exc: Exception) -> Self:
        """Return what an error says."""
        lines = "".join(tracebacks.format_exception(exc))
        return cls(error_type=type(exc).__name__, error_message=str(exc), traceback=lines)

    def __str__(self) -> str:
        told = f"{self.error_type}: {self.error_message}"
        return f"{told}\nTraceback:\n{self.traceback}" if self.traceback else told


class GroupChatStart(BaseModel):
    """Begin, with the task if there is one."""

    messages: list[SerializeAsAny[BaseChatMessage]] | None = None
    output_task_messages: bool = True


class GroupChatAgentResponse(BaseModel):
    """What an agent answered."""

    response: SerializeAsAny[Response]
    name: str


class GroupChatTeamResponse(BaseModel):
    """What came of a team."""

    result: SerializeAsAny[TaskResult]
    name: str


class GroupChatRequestPublish(BaseModel):
    """Speak."""


class GroupChatMessage(BaseModel):
    """What is shown to who watches."""

    message: SerializeAsAny[BaseAgentEvent | BaseChatMessage]


class GroupChatTermination(BaseModel):
    """The end of a run, and why."""

    message: StopMessage
    error: SerializableException | None = None


class GroupChatReset(BaseModel):
    """Be as when made."""


class GroupChatPause(BaseModel):
    """Pause."""


class GroupChatResume(BaseModel):
    """Go on."""


class GroupChatError(BaseModel):
    """A member failed."""

    error: SerializableException


__all__ = [
    "GroupChatAgentResponse",
    "GroupChatError",
    "GroupChatMessage",
    "GroupChatPause",
    "GroupChatRequestPublish",
    "GroupChatReset",
    "GroupChatResume",
    "GroupChatStart",
    "GroupChatTeamResponse",
    "GroupChatTermination",
    "SerializableException",
]
