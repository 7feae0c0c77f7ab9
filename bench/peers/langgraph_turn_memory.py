"""LangGraph: one turn of a two-node loop with its in-memory checkpointer.

Variants: nothing for its best state with the async API, `blocking` for the same with the blocking API, and `default`
for the state of its examples, async.
"""

import asyncio

from langgraph.checkpoint.memory import InMemorySaver
from langgraph_loop import DEFAULT, Lean, Loop

from benchkit.script import Watch, emit, options


async def measure(variant: str, turns: int, size_bytes: int) -> Watch:
    """Hold one conversation."""
    loop = Loop(DEFAULT if variant == "default" else Lean, turns, size_bytes)
    return loop.invoke(InMemorySaver()) if variant == "blocking" else await loop.ainvoke(InMemorySaver())


async def main() -> None:
    """Measure after a short conversation that warms everything up."""
    given = options()
    turns = given.scaled(1000)
    await measure(given.variant, 20, given.size_bytes)
    watch = await measure(given.variant, turns, given.size_bytes)
    emit(turn_us=1e6 * watch.cpu_s / turns)


asyncio.run(main())
