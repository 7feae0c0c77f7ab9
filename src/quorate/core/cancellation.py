"""A token that tells work to stop, for code that passes one by hand."""

from __future__ import annotations

import threading
from asyncio import Future
from asyncio.events import _get_running_loop
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class CancellationToken:
    """Cancels what is linked to it, once and for good; may be cancelled from any thread.

    Inside Quorate cancelling the task is enough; a token is for callers that hold no task.
    """

    __slots__ = ("_cancelled", "_lock", "_then")

    def __init__(self) -> None:
        self._cancelled = False
        self._lock = threading.RLock()
        self._then: dict[object, Callable[[], None]] = {}

    def cancel(self) -> None:
        """Cancel, and call what was added, in order. Again does nothing."""
        with self._lock:
            if self._cancelled:
                return
            self._cancelled = True
            then, self._then = list(self._then.values()), {}
            for call in then:
                call()

    def is_cancelled(self) -> bool:
        """Return whether `cancel` was called."""
        return self._cancelled

    def add_callback(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called when the token is cancelled, at once if it is; return how to take that back."""
        mark = object()
        with self._lock:
            if self._cancelled:
                callback()
            else:
                self._then[mark] = callback
        return lambda: self._forget(mark)

    def link_future(self, future: Future[T]) -> Future[T]:
        """Cancel `future` together with the token, at once if it is, and return it."""
        loop = future.get_loop()

        def cancel() -> None:
            if _get_running_loop() is loop:
                future.cancel()
            else:
                loop.call_soon_threadsafe(_cancel, future)

        forget = self.add_callback(cancel)

        def done(_: Future[T]) -> None:
            forget()

        future.add_done_callback(done)
        return future

    def _forget(self, mark: object) -> None:
        with self._lock:
            self._then.pop(mark, None)


def _cancel(future: Future[Any]) -> None:
    future.cancel()
