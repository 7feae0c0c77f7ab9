"""What agents, teams and conditions are, as AutoGen declares it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, Field, SerializeAsAny, model_validator

from quorate.chat.messages import BaseAgentEvent, BaseChatMessage, TaskResult
from quorate.compat.autogen import profile
from quorate.compat.autogen.components import ComponentBase
from quorate.compat.autogen.functiontool import FunctionTool
from quorate.compat.autogen.stopping import (
    AndTerminationCondition,
    OrTerminationCondition,
    TerminatedException,
    TerminationCondition,
)
from quorate.core.cancellation import CancellationToken

__all__ = [
    "AndTerminationCondition",
    "ChatAgent",
    "Handoff",
    "OrTerminationCondition",
    "Response",
    "TaskResult",
    "TaskRunner",
    "Team",
    "TerminatedException",
    "TerminationCondition",
]

Task = str | BaseChatMessage | Sequence[BaseChatMessage] | None


@dataclass(kw_only=True)
class Response:
    """What an agent answers: a message, and what it did on the way."""

    chat_message: SerializeAsAny[BaseChatMessage]
    inner_messages: Sequence[SerializeAsAny[BaseAgentEvent | BaseChatMessage]] | None = None


@runtime_checkable
class TaskRunner(Protocol):
    """Works on tasks."""

    async def run(
        self,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> TaskResult:
        """Work on a task to its end."""
        ...

    def run_stream(
        self,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> AsyncGenerator[Any, None]:
        """Work on a task, and yield what comes, the `TaskResult` last."""
        ...


class ChatAgent(ABC, TaskRunner, ComponentBase[BaseModel]):
    """Takes part in a chat."""

    component_type: ClassVar[str] = "agent"

    @property
    @abstractmethod
    def name(self) -> str:
        """Who it is, in its team."""

    @property
    @abstractmethod
    def description(self) -> str:
        """What it is for, as others are told."""

    @property
    @abstractmethod
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        """The types of messages it answers with."""

    @abstractmethod
    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        """Answer what is new."""

    @abstractmethod
    def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Any, None]:
        """Answer what is new, and yield what comes, the `Response` last."""

    @abstractmethod
    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Be as it was when it was made."""

    @abstractmethod
    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        """Be told that its team pauses."""

    @abstractmethod
    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        """Be told that its team goes on."""

    @abstractmethod
    async def save_state(self) -> Mapping[str, Any]:
        """Return what it remembers, as data for JSON."""

    @abstractmethod
    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Remember what `save_state` returned."""

    @abstractmethod
    async def close(self) -> None:
        """Give back what it holds."""


class Team(ABC, TaskRunner, ComponentBase[BaseModel]):
    """Agents that work on tasks together."""

    component_type: ClassVar[str] = "team"

    @property
    @abstractmethod
    def name(self) -> str:
        """Which team it is."""

    @property
    @abstractmethod
    def description(self) -> str:
        """What it is for."""

    @abstractmethod
    async def reset(self) -> None:
        """Be as it was when it was made."""

    @abstractmethod
    async def pause(self) -> None:
        """Tell the members to pause."""

    @abstractmethod
    async def resume(self) -> None:
        """Tell the members to go on."""

    @abstractmethod
    async def save_state(self) -> Mapping[str, Any]:
        """Return what the team and its members remember, as data for JSON."""

    @abstractmethod
    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Remember what `save_state` returned."""


class Handoff(BaseModel):
    """Gives the next turn to `target`, by a tool that a model calls.

    Raises:
        ValueError: The name is none that a tool can have.
    """

    target: str
    description: str = Field(default="")
    name: str = Field(default="")
    message: str = Field(default="")

    @model_validator(mode="before")
    @classmethod
    def set_defaults(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Fill in what was not given."""
        target = values["target"]
        name = values.get("name")
        if name and not str(name).isidentifier():
            raise ValueError(f"Handoff name must be a valid identifier: {name}")
        return {
            **values,
            "description": values.get("description") or profile.HANDOFF_DESCRIPTION.format(target),
            "name": name or profile.HANDOFF_NAME.format(target).lower(),
            "message": values.get("message") or profile.HANDOFF_MESSAGE.format(target, target),
        }

    @cached_property
    def handoff_tool(self) -> FunctionTool:
        """The tool: it has no arguments and answers with the message."""
        message = self.message

        def handed_over() -> str:
            return message

        return FunctionTool(handed_over, name=self.name, description=self.description, strict=True)
