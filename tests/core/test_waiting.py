import asyncio
from typing import Any

import pytest

from quorate.core.waiting import TimedOut, within


async def test_work_that_never_waits_just_returns() -> None:
    async def work() -> int:
        return 7

    assert await within(0.001, work()) == 7


async def test_work_that_waits_a_little_returns_what_it_waited_for() -> None:
    async def work() -> list[Any]:
        first = await asyncio.sleep(0.001, "first")
        event = asyncio.Event()
        asyncio.get_running_loop().call_soon(event.set)
        await event.wait()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(asyncio.sleep(0, "second"))
        return [first, task.result()]

    assert await within(5, work()) == ["first", "second"]


async def test_work_that_takes_too_long_is_cancelled_and_the_time_out_tells_whose_it_is() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    late = work()

    with pytest.raises(TimedOut) as raised:
        await within(0.01, late)

    assert raised.value.work is late
    assert isinstance(raised.value, TimeoutError)
    assert ended == ["cancelled"]


async def test_time_out_inside_time_out_is_told_apart() -> None:
    inner = asyncio.sleep(60)

    async def work() -> str:
        try:
            await within(0.01, inner)
        except TimedOut as error:
            return "inner" if error.work is inner else "other"
        return "none"

    assert await within(5, work()) == "inner"


async def test_time_out_that_work_raises_itself_is_its_own() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise TimeoutError("of the socket")

    with pytest.raises(TimeoutError, match="of the socket") as raised:
        await within(5, work())

    assert not isinstance(raised.value, TimedOut)


@pytest.mark.parametrize("waits", [False, True])
async def test_error_of_the_work_is_raised_as_it_is(waits: bool) -> None:
    async def work() -> None:
        if waits:
            await asyncio.sleep(0)
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        await within(5, work())


async def test_cancelling_who_waits_cancels_the_work() -> None:
    ended: list[str] = []
    begun = asyncio.Event()

    async def work() -> None:
        try:
            begun.set()
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    task = asyncio.get_running_loop().create_task(within(60, work()))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert ended == ["cancelled"]


async def test_work_that_cleans_up_after_its_time_out_may_wait_for_that() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append("clean")

    with pytest.raises(TimedOut):
        await within(0.01, work())

    assert ended == ["clean"]
