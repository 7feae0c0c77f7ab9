"""Running a blocking function beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Protocol

_MAX_THREADS = 256
_slots = threading.BoundedSemaphore(_MAX_THREADS)


class Late(Protocol):
    """Is told of a call whose waiter was cancelled."""

    def begin(self) -> None:
        """Be asked right before the call, in its thread; what is raised here is raised instead of calling."""
        ...

    def left(self) -> None:
        """Be told that nobody waits any more."""
        ...

    def __call__(self, value: Any, error: BaseException | None) -> None:
        """Be told, in a thread, what the call came to after all."""
        ...


async def in_thread(call: Callable[[], Any], *, late: Late | None = None) -> Any:
    """Run `call` in a thread of its own and return what it returns.

    The thread is a daemon: a call that hangs keeps neither the loop nor the process. No thread can be stopped, so
    a call whose waiter was cancelled runs on, and `late` is told what it came to.

    Raises:
        RuntimeError: Too many such calls run already.
    """
    slots = _slots
    if not slots.acquire(blocking=False):
        raise RuntimeError(f"{_MAX_THREADS} blocking calls run already. Make the tool async, or call it less at once.")
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    context, guard, left = copy_context(), threading.Lock(), False

    def deliver(value: Any, error: BaseException | None) -> None:
        if done.done():  # its waiter was cancelled while this was on its way
            if late is not None:
                threading.Thread(target=late, args=(value, error), name="quorate-tool", daemon=True).start()
            return
        if isinstance(error, StopIteration):  # no future carries one: its waiter would wait for ever
            done.set_exception(RuntimeError(f"The function raised StopIteration({error})."))
        elif error is not None:
            done.set_exception(error)
        else:
            done.set_result(value)

    def work() -> None:
        value, error = None, None
        try:
            if late is not None:
                late.begin()
            value = context.run(call)
        except BaseException as raised:  # carried over to the waiter, whatever it is
            error = raised
        finally:
            slots.release()
        with guard:
            if not left:
                loop.call_soon_threadsafe(deliver, value, error)
                return
        if late is not None:
            late(value, error)

    threading.Thread(target=work, name="quorate-tool", daemon=True).start()
    try:
        return await done
    except asyncio.CancelledError:
        if late is not None:
            late.left()
        with guard:
            left = True
        raise
