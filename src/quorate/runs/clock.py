"""Where time comes from."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

_BOOT: int | None = getattr(time, "CLOCK_BOOTTIME", None)  # where there is none, `monotonic` may stand still in a sleep


class Clock(Protocol):
    """Where time comes from."""

    def now_us(self) -> int:
        """Return microseconds since 1970, UTC."""
        ...

    def running_s(self) -> float:
        """Return seconds since some moment; they go on while the process is stopped or the machine sleeps."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def running_s(self) -> float:
        return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
