"""A clock that goes only when told."""

from __future__ import annotations

import asyncio


class FakeClock:
    """Time for tests. It stands still; `advance` moves it, and so does whoever sleeps on it, to when he wakes.

    Args:
        at_us: Microseconds since 1970 to begin at.
    """

    def __init__(self, at_us: int = 1_700_000_000_000_000) -> None:
        self._at = at_us

    def now_us(self) -> int:
        return self._at

    def running_s(self) -> float:
        return self._at / 1e6

    async def sleep(self, seconds: float) -> None:
        until = self._at + round(seconds * 1e6)
        await asyncio.sleep(0)
        self._at = max(self._at, until)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._at += int(seconds * 1e6)
