"""Work that tells of itself on the way, as a stream of the AutoGen view."""

import asyncio
from contextlib import aclosing

import pytest

from quorate.compat.autogen.yielding import Tell, as_it_comes


async def test_items_come_in_order_and_what_the_work_returns_comes_last() -> None:
    async def work(tell: Tell) -> str:
        await tell(1)
        await asyncio.sleep(0)
        await tell(2)
        return "done"

    assert [item async for item in as_it_comes(work)] == [1, 2, "done"]


async def test_work_goes_no_further_than_to_the_item_that_is_asked_for() -> None:
    reached: list[int] = []

    async def work(tell: Tell) -> None:
        try:
            for number in range(3):
                reached.append(number)
                await tell(number)
        finally:
            reached.append(-1)

    async with aclosing(as_it_comes(work)) as items:
        assert await anext(items) == 0
        assert reached == [0]

    assert reached == [0, -1]


async def test_work_that_is_left_may_wait_at_its_end_however_deep_it_is() -> None:
    reached: list[str] = []

    async def work(tell: Tell) -> None:
        try:
            await inner(tell)
        finally:
            await asyncio.sleep(0)
            reached.append("outer")

    async def inner(tell: Tell) -> None:
        try:
            await tell("first")
        finally:
            await asyncio.sleep(0)
            await tell("nobody asks for it")
            reached.append("inner")

    async with aclosing(as_it_comes(work)) as items:
        await anext(items)

    assert reached == ["inner", "outer"]


async def test_work_is_done_in_the_task_that_asks_and_is_cancelled_with_it() -> None:
    at: list[object] = []

    async def work(tell: Tell) -> None:
        at.append(asyncio.current_task())
        await tell("waiting")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            at.append("cancelled")
            raise

    async def ask() -> None:
        async for _ in as_it_comes(work):
            asking.set()

    asking = asyncio.Event()
    task = asyncio.ensure_future(ask())
    await asking.wait()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])

    assert at == [task, "cancelled"]
    assert task.cancelled()


async def test_error_that_comes_of_waiting_is_the_works_and_may_be_mended() -> None:
    async def work(tell: Tell) -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            await tell("too late")
        raise ValueError("no")

    items = as_it_comes(work)

    assert await anext(items) == "too late"
    with pytest.raises(ValueError, match="no"):
        await anext(items)
