"""Time-outs that cost nothing where nothing waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class TimedOut(TimeoutError):
    """Work took longer than it may; `work` tells whose time-out it is."""

    def __init__(self, work: object) -> None:
        super().__init__()
        self.work = work


class Patience(Protocol):
    """Whose work it is that waits."""

    def begin_to_wait(self) -> None:
        """Be told that the work really waits, in its task, before anything else runs."""
        ...

    def spare_s(self) -> float:
        """Return how many seconds did not count since it was asked last."""
        ...


def begun(work: Coroutine[Any, Any, T]) -> T | Rest[T]:
    """Begin with work: return what it came to, or its rest, to be awaited."""
    try:
        waits_for = work.send(None)
    except StopIteration as done:
        return done.value
    return Rest(work, waits_for)


async def within(seconds: float, work: Coroutine[Any, Any, T], *, patience: Patience | None = None) -> T:
    """Await `work` for at most so many seconds.

    A timer is set only once the work really waits: setting and cancelling one costs more than many a call. `patience`
    is told then, and when the time is up it is asked how many seconds did not count; the work has these once more.

    Raises:
        TimedOut: It took longer; the work was cancelled.
    """
    try:
        waits_for = work.send(None)
    except StopIteration as done:
        return done.value
    timer = asyncio.timeout(seconds if patience is None else None)
    try:
        async with timer:
            if patience is None:
                return await Rest(work, waits_for)
            patience.begin_to_wait()
            bell = _Bell(seconds, timer, patience.spare_s)
            try:
                return await Rest(work, waits_for)
            finally:
                bell.handle.cancel()
    except TimeoutError as error:
        if timer.expired():
            raise TimedOut(work) from error
        raise


class _Bell:
    """Ends a timer when the time is up that counts."""

    __slots__ = ("handle", "loop", "spare", "timer")

    def __init__(self, seconds: float, timer: asyncio.Timeout, spare: Callable[[], float]) -> None:
        self.timer, self.spare, self.loop = timer, spare, asyncio.get_running_loop()
        self.handle = self.loop.call_later(seconds, self.ring)

    def ring(self) -> None:
        more = self.spare()
        if more > 0:
            self.handle = self.loop.call_later(more, self.ring)
        else:
            self.timer.reschedule(self.loop.time())


def is_cancelled() -> bool:
    """Whether somebody cancelled the running task, so that a `CancelledError` in it is meant for it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def stray(what: str) -> RuntimeError:
    """Return the error to raise for a `CancelledError` that came out of something though nobody cancelled it."""
    return RuntimeError(f"{what} was cancelled from inside (CancelledError): something that it waits for was.")


class Rest(Generic[T]):
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
