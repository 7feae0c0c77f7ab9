"""Running code that agents write, as AutoGen declares it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Self

from pydantic import BaseModel

from quorate.compat.autogen.code import (
    Alias,
    FunctionWithRequirements,
    FunctionWithRequirementsStr,
    Import,
    ImportFromModule,
    with_requirements,
)
from quorate.compat.autogen.components import ComponentBase
from quorate.core.cancellation import CancellationToken
from quorate.executors.code import CodeBlock, CodeResult

__all__ = [
    "Alias",
    "CodeBlock",
    "CodeExecutor",
    "CodeResult",
    "FunctionWithRequirements",
    "FunctionWithRequirementsStr",
    "Import",
    "ImportFromModule",
    "with_requirements",
]


class CodeExecutor(ABC, ComponentBase[BaseModel]):
    """Runs code. An async context manager, which starts and stops it."""

    component_type: ClassVar[str] = "code_executor"

    @abstractmethod
    async def execute_code_blocks(
        self, code_blocks: list[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        """Run pieces of code in their order, until one fails."""

    @abstractmethod
    async def start(self) -> None:
        """Begin, with what running code needs."""

    @abstractmethod
    async def stop(self) -> None:
        """End, and give back what is held."""

    @abstractmethod
    async def restart(self) -> None:
        """Begin anew."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> bool | None:
        await self.stop()
        return None
