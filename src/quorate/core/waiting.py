"""Time-outs that cost nothing where nothing waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class TimedOut(TimeoutError):
    """Work took longer than it may; `work` tells whose time-out it is."""

    def __init__(self, work: object) -> None:
        super().__init__()
        self.work = work


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Await `work` for at most so many seconds.

    A timer is set only once the work really waits: setting and cancelling one costs more than many a call.

    Raises:
        TimedOut: It took longer; the work was cancelled.
    """
    try:
        waits_for = work.send(None)
    except StopIteration as done:
        return done.value
    timer = asyncio.timeout(seconds)
    try:
        async with timer:
            return await _Rest(work, waits_for)
    except TimeoutError as error:
        if timer.expired():
            raise TimedOut(work) from error
        raise


class _Rest(Generic[T]):
    """What is left of a coroutine that has begun and waits for something."""

    __slots__ = ("_waits_for", "_work")

    def __init__(self, work: Coroutine[Any, Any, T], waits_for: Any) -> None:
        self._work, self._waits_for = work, waits_for

    def __await__(self) -> Generator[Any, Any, T]:
        work, waits_for = self._work, self._waits_for
        try:
            while True:
                try:
                    sent = yield waits_for
                except BaseException as error:  # carried into the work, whatever it is
                    waits_for = work.throw(error)
                else:
                    waits_for = work.send(sent)
        except StopIteration as done:
            return done.value
