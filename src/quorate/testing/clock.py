"""A clock that goes only when told."""

from __future__ import annotations


class FakeClock:
    """Time for tests. It stands still; `advance` moves it.

    Args:
        at_us: Microseconds since 1970 to begin at.
    """

    def __init__(self, at_us: int = 1_700_000_000_000_000) -> None:
        self._at = at_us

    def now_us(self) -> int:
        return self._at

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._at += int(seconds * 1e6)
