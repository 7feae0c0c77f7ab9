"""Running a coroutine in the task that is there, but in a context of its own."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any, Generic, TypeVar

T = TypeVar("T")


async def in_context(context: Context, work: Coroutine[Any, Any, T]) -> T:
    """Await `work` so that what it sets in context variables stays in `context`.

    A task of its own would do that too, at ten times the cost.
    """
    try:
        waits_for = context.run(work.send, None)
    except StopIteration as done:
        return done.value
    return await _Rest(context, work, waits_for)


class _Rest(Generic[T]):
    """What is left of a coroutine that has begun and waits for something."""

    __slots__ = ("_context", "_waits_for", "_work")

    def __init__(self, context: Context, work: Coroutine[Any, Any, T], waits_for: Any) -> None:
        self._context, self._work, self._waits_for = context, work, waits_for

    def __await__(self) -> Generator[Any, Any, T]:
        run, work, waits_for = self._context.run, self._work, self._waits_for
        try:
            while True:
                try:
                    sent = yield waits_for
                except BaseException as error:  # carried into the work, whatever it is
                    waits_for = run(work.throw, error)
                else:
                    waits_for = run(work.send, sent)
        except StopIteration as done:
            return done.value
