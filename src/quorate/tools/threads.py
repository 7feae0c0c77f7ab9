"""Running a blocking function beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

_MAX_THREADS = 256
_slots = threading.BoundedSemaphore(_MAX_THREADS)


async def in_thread(call: Callable[[], Any], *, late: Callable[[Any], None] | None = None) -> Any:
    """Run `call` in a thread of its own and return what it returns.

    The thread is a daemon: a call that hangs keeps neither the loop nor the process. No thread can be stopped, so
    a call whose waiter was cancelled runs on; if it ends well, `late` is told its result, in that thread.

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
            if error is None and late is not None:
                threading.Thread(target=late, args=(value,), name="quorate-tool", daemon=True).start()
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
            value = context.run(call)
        except BaseException as raised:  # carried over to the waiter, whatever it is
            error = raised
        finally:
            slots.release()
        with guard:
            if not left:
                loop.call_soon_threadsafe(deliver, value, error)
                return
        if error is None and late is not None:
            late(value)

    threading.Thread(target=work, name="quorate-tool", daemon=True).start()
    try:
        return await done
    except asyncio.CancelledError:
        with guard:
            left = True
        raise
