import asyncio
import threading
import time
from contextvars import ContextVar
from typing import Any

import pytest

from quorate.tools import threads
from quorate.tools.threads import in_thread

name: ContextVar[str] = ContextVar("name", default="nobody")


async def test_blocking_call_leaves_the_event_loop_free() -> None:
    free = threading.Event()
    asyncio.get_running_loop().call_soon(free.set)

    assert await in_thread(lambda: free.wait(60))


async def test_blocking_call_sees_the_context_of_who_made_it() -> None:
    name.set("ann")

    assert await in_thread(name.get) == "ann"


async def test_error_of_a_blocking_call_is_raised_where_it_is_awaited() -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        await in_thread(fail)


async def test_call_that_ends_its_iteration_is_an_error_and_does_not_hang() -> None:
    # a StopIteration cannot pass through a future
    async with asyncio.timeout(60):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await in_thread(lambda: next(iter(())))


@pytest.mark.parametrize("fails", [False, True])
async def test_what_comes_after_its_waiter_was_cancelled_is_told_to_late(fails: bool) -> None:
    begun, go, told = threading.Event(), threading.Event(), threading.Event()
    seen: list[Any] = []

    class Late:
        def begin(self) -> None:
            seen.append("begins")

        def left(self) -> None:
            seen.append("left")

        def __call__(self, value: Any, error: BaseException | None) -> None:
            seen.append((value, error))
            told.set()

    failing = KeyError("x")

    def slow() -> str:
        begun.set()
        go.wait(60)
        if fails:
            raise failing
        return "done"

    waiter = asyncio.get_running_loop().create_task(in_thread(slow, late=Late()))
    await asyncio.to_thread(begun.wait, 60)
    waiter.cancel()
    await asyncio.wait([waiter])
    go.set()
    await asyncio.to_thread(told.wait, 60)

    assert waiter.cancelled()
    assert seen == ["begins", "left", (None, failing) if fails else ("done", None)]


async def test_waiter_is_cancelled_at_once_whatever_the_thread_does() -> None:
    go = threading.Event()
    waiter = asyncio.get_running_loop().create_task(in_thread(lambda: go.wait(60)))
    await asyncio.sleep(0)
    before = time.perf_counter()

    waiter.cancel()
    await asyncio.wait([waiter])

    go.set()
    assert time.perf_counter() - before < 20


async def test_more_blocking_calls_than_there_are_threads_are_refused_and_not_queued(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "_slots", threading.BoundedSemaphore(2))
    go = threading.Event()
    running = [asyncio.get_running_loop().create_task(in_thread(lambda: go.wait(60))) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="blocking calls run already"):
        await in_thread(lambda: None)
    go.set()
    await asyncio.gather(*running)

    assert await in_thread(lambda: "free again") == "free again"
