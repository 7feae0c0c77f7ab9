"""What agents remember from elsewhere, as AutoGen has it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

from pydantic import BaseModel

from quorate.compat.autogen.components import Component, ComponentBase
from quorate.compat.autogen.core.model_context import ChatCompletionContext
from quorate.compat.autogen.core.models import SystemMessage
from quorate.core.cancellation import CancellationToken
from quorate.memory.content import MemoryContent, MemoryMimeType

__all__ = ["ListMemory", "Memory", "MemoryContent", "MemoryMimeType", "MemoryQueryResult", "UpdateContextResult"]


class MemoryQueryResult(BaseModel):
    """What was found."""

    results: list[MemoryContent]


class UpdateContextResult(BaseModel):
    """What was put into a model context."""

    memories: MemoryQueryResult


class Memory(ABC, ComponentBase[BaseModel]):
    """Keeps contents and finds those that matter."""

    component_type: ClassVar[str] = "memory"

    @abstractmethod
    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        """Add what matters to a model context, and return it."""

    @abstractmethod
    async def query(
        self, query: str | MemoryContent, cancellation_token: CancellationToken | None = None, **kwargs: Any
    ) -> MemoryQueryResult:
        """Return what fits a question."""

    @abstractmethod
    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        """Keep a content."""

    @abstractmethod
    async def clear(self) -> None:
        """Forget everything."""

    @abstractmethod
    async def close(self) -> None:
        """Give back what is held."""


class ListMemoryConfig(BaseModel):
    """A `ListMemory` as configuration."""

    name: str | None = None
    memory_contents: list[MemoryContent] = []


class ListMemory(Memory, Component[ListMemoryConfig]):
    """Keeps contents in a list, in their order; every question finds all of them.

    Args:
        name: Its name; `default_list_memory` by default.
        memory_contents: What it begins with.
    """

    component_provider_override: ClassVar[str | None] = "autogen_core.memory.ListMemory"
    component_config_schema: ClassVar[type[Any]] = ListMemoryConfig

    def __init__(self, name: str | None = None, memory_contents: list[MemoryContent] | None = None) -> None:
        self._name = name or "default_list_memory"
        self._contents = list(memory_contents or ())

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def content(self) -> list[MemoryContent]:
        """What it keeps."""
        return self._contents

    @content.setter
    def content(self, value: list[MemoryContent]) -> None:
        self._contents = value

    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        if self._contents:
            lines = "\n".join(f"{number}. {one.content}" for number, one in enumerate(self._contents, 1))
            await model_context.add_message(
                SystemMessage(content=f"\nWhat is remembered, the oldest first:\n{lines}\n")
            )
        return UpdateContextResult(memories=MemoryQueryResult(results=self._contents))

    async def query(
        self, query: str | MemoryContent = "", cancellation_token: CancellationToken | None = None, **kwargs: Any
    ) -> MemoryQueryResult:
        return MemoryQueryResult(results=self._contents)

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        self._contents.append(content)

    async def clear(self) -> None:
        self._contents = []

    async def close(self) -> None:
        """Nothing to give back."""

    def _to_config(self) -> ListMemoryConfig:
        return ListMemoryConfig(name=self._name, memory_contents=self._contents)

    @classmethod
    def _from_config(cls, config: ListMemoryConfig) -> Self:
        return cls(config.name, config.memory_contents)
