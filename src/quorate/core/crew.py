"""The tasks that handle published messages: few when handlers are quick, more as they wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from quorate.core.turns import RESERVED, Letter, Seat

_AT_A_STRETCH = 64
"""After so many messages others on the loop have their turn."""
_SPARE = 16
"""So many workers stay when there is nothing to do."""


class Crew:
    """Takes messages to agents that are free.

    One worker goes on from message to message without a new task. Only when its handler has to wait for something, and
    there is more to do, does another worker come.

    Args:
        handle: Handles one message and frees the seat; raises nothing but a cancellation of the worker.
    """

    def __init__(self, handle: Callable[[Seat, Letter], Awaitable[None]]) -> None:
        self._handle = handle
        self._ready: deque[tuple[Seat, Letter]] = deque()
        self._spare: list[asyncio.Future[None]] = []
        self._workers: set[asyncio.Task[None]] = set()
        self._called = False
        self.stays = False

    def add(self, seat: Seat, letter: Letter) -> None:
        """Have a message handled by an agent that is free, which it no longer is."""
        seat.holder = RESERVED
        self._ready.append((seat, letter))
        if not self._called:
            self._called = True
            asyncio.get_running_loop().call_soon(self._call)

    def drop(self) -> list[tuple[Seat, Letter]]:
        """Return what nobody has begun to handle and is not handled now."""
        dropped = list(self._ready)
        self._ready.clear()
        return dropped

    async def leave(self, grace_s: float) -> None:
        """End all workers, those that still work after the grace by cancelling them."""
        self.stays = False
        self._send_home()
        if self._workers:
            await asyncio.wait(self._workers, timeout=grace_s)
        while self._workers:
            for worker in self._workers:
                worker.cancel()
            await asyncio.wait(self._workers)

    def _send_home(self) -> None:
        spare, self._spare = self._spare, []
        for waits in spare:
            if not waits.done():
                waits.set_result(None)

    def _call(self) -> None:
        """Wake a worker. When this runs, every worker that has a message is waiting inside its handler."""
        if not self._ready:
            self._called = False
            return
        while self._spare:
            waits = self._spare.pop()
            if not waits.done():
                waits.set_result(None)
                return
        worker = asyncio.get_running_loop().create_task(self._work(), name="quorate deliveries")
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        loop, ready, handle = asyncio.get_running_loop(), self._ready, self._handle
        while True:
            self._called = False
            for _ in range(_AT_A_STRETCH):
                if not ready:
                    break
                seat, letter = ready.popleft()
                if ready and not self._called:
                    self._called = True
                    loop.call_soon(self._call)
                await handle(seat, letter)
            if ready and not self._called:
                self._called = True
                loop.call_soon(self._call)
            if not self.stays or len(self._spare) >= _SPARE:
                return
            waits = loop.create_future()
            self._spare.append(waits)
            await waits
