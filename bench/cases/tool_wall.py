"""Twenty tools of 50 ms in one response, on the clock: async, blocking, and a bare thread pool beside."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchkit.script import Watch, emit, expect, median, options
from quorate import AssistantAgent, conversation
from quorate.models.blocks import ToolCall
from quorate.testing import ScriptedModel

CALLS = 20
NAP_S = 0.05


async def wait(place: int) -> str:
    """Wait without holding the loop."""
    await asyncio.sleep(NAP_S)
    return f"waited at {place}"


def block(place: int) -> str:
    """Wait and hold the thread."""
    time.sleep(NAP_S)
    return f"blocked at {place}"


async def run_ms(function: Callable[[int], Any], repeats: int) -> float:
    """Return the median milliseconds of a run: model, all calls, model. The first run is left out."""
    name = function.__name__
    calls = [ToolCall(id=f"call-{place}", name=name, arguments=f'{{"place": {place}}}') for place in range(CALLS)]
    agent = AssistantAgent("clerk", ScriptedModel([calls, "Done."] * (repeats + 1)), tools=[function])
    taken: list[float] = []
    for _ in range(repeats + 1):
        with Watch() as watch:
            result = await agent.run(task="Wait everywhere.", conversation=conversation())
        expect(len(result.messages) == 4, f"{len(result.messages)} messages")
        taken.append(1e3 * watch.wall_s)
    return median(taken[1:])


def pool_ms(repeats: int) -> float:
    """Return the median milliseconds of the same naps in a new thread pool, with nothing around it."""
    taken: list[float] = []
    for _ in range(repeats):
        with Watch() as watch, ThreadPoolExecutor(CALLS) as pool:
            list(pool.map(block, range(CALLS)))
        taken.append(1e3 * watch.wall_s)
    return median(taken)


async def main() -> None:
    """Measure all three, one after the other."""
    repeats = options().scaled(7, at_least=1)
    pool = pool_ms(repeats)
    emit(bare_pool_ms=pool, async_ms=await run_ms(wait, repeats), blocking_ms=await run_ms(block, repeats))


asyncio.run(main())
