"""The memory that fits in a prompt: a list."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.errors import ConfigError
from quorate.memory.content import MemoryContent, MemoryMimeType, MemoryQueryResult

MOST = 10_000


class ListMemory:
    """Keeps contents in a list, in their order; every question finds all of them.

    Args:
        name: What it is called.
        memory_contents: What it begins with; texts are taken as they are.

    Attributes:
        memory_contents: What it keeps.

    Raises:
        ConfigError: It is to keep more than 10,000 contents.
    """

    def __init__(self, name: str = "default_list_memory", memory_contents: Sequence[MemoryContent | str] = ()) -> None:
        self.name = name
        self.memory_contents = [_content(one) for one in memory_contents]
        _check_room(self, len(self.memory_contents))

    async def query(self, query: str = "") -> MemoryQueryResult:
        return MemoryQueryResult(results=list(self.memory_contents))

    async def add(self, content: MemoryContent | str) -> None:
        _check_room(self, len(self.memory_contents) + 1)
        self.memory_contents.append(_content(content))

    async def clear(self) -> None:
        self.memory_contents.clear()

    async def close(self) -> None:
        """Nothing to give back."""

    def __repr__(self) -> str:
        return f"ListMemory({self.name!r}, {len(self.memory_contents)} contents)"


def _content(given: MemoryContent | str) -> MemoryContent:
    return MemoryContent(content=given, mime_type=MemoryMimeType.TEXT) if isinstance(given, str) else given


def _check_room(memory: ListMemory, count: int) -> None:
    if count > MOST:
        raise ConfigError(f"ListMemory {memory.name!r} keeps at most {MOST:,} contents. Use a memory that searches.")


__all__ = ["ListMemory"]
