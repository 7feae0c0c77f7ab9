"""Live viewers of a run: each gets every message and event, and the chunks as they come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quorate.chat.messages import BaseMessage

MOST_WAITING = 20_000
"""A viewer further behind than this misses chunks; messages and events it always gets."""


class Feed:
    """Passes on what happens to whoever looks on now.

    Attributes:
        pending: The events of the turn that is open, for who comes later.
    """

    __slots__ = ("_told", "_viewers", "ended", "pending")

    def __init__(self) -> None:
        self.pending: list[BaseMessage] = []
        self._told: set[str] = set()
        self._viewers: list[_Viewer] = []
        self.ended = False

    @property
    def watched(self) -> bool:
        """Whether anybody looks on."""
        return bool(self._viewers)

    def push(self, item: Any) -> None:
        """Show an item to everybody who looks on."""
        for viewer in self._viewers:
            viewer.push(item)

    def tell(self, message: BaseMessage | None) -> None:
        """Show a message or event to everybody who looks on: a copy, so that nobody changes history."""
        if self._viewers and message is not None:
            self.push(message.model_copy())

    def says(self, message: BaseMessage) -> None:
        """Show a message that comes at the beginning of a turn, once even if the turn is begun again."""
        id = message.__dict__["id"]  # pydantic's way to a field is a detour
        if id not in self._told:
            self._told.add(id)
            self.tell(message)

    def happens(self, event: BaseMessage) -> None:
        """Show an event of the open turn, and remember it for who comes before the turn is closed."""
        self.pending.append(event)
        if not self._told or event.id not in self._told:
            self.tell(event)

    def again(self) -> None:
        """Begin the open turn again; what was told of it already is not told twice."""
        self._told.update(event.id for event in self.pending)
        self.pending.clear()

    def end(self) -> None:
        """Let every viewer finish with what it has."""
        self.ended = True
        for viewer in self._viewers:
            viewer.wake()

    async def view(self, past: list[Any]) -> AsyncGenerator[Any]:
        """Yield `past`, then everything that comes, until the end."""
        viewer = _Viewer(past)
        self._viewers.append(viewer)
        items = viewer.items
        try:
            while True:
                while items:
                    yield items.popleft()
                if self.ended:
                    return
                await viewer.wait()
        finally:
            self._viewers.remove(viewer)


class _Viewer:
    __slots__ = ("items", "waiter")

    def __init__(self, past: list[Any]) -> None:
        self.items: deque[Any] = deque(past)
        self.waiter: asyncio.Future[None] | None = None

    def push(self, item: Any) -> None:
        if len(self.items) >= MOST_WAITING and getattr(item, "type", "") == "ModelClientStreamingChunkEvent":
            return
        self.items.append(item)
        self.wake()

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def wait(self) -> None:
        self.waiter = asyncio.get_running_loop().create_future()
        try:
            await self.waiter
        finally:
            self.waiter = None
