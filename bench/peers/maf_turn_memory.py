"""Microsoft Agent Framework: one turn of two agents that answer each other in a workflow, in memory.

Each agent passes on its own answer only and keeps the history in its session, the cheaper of the two usual ways.
The cost of a turn grows with the conversation, so the figures come from a short one (20 turns) and a longer one.
"""

import asyncio
from typing import Any

from agent_framework import Agent, AgentExecutor, WorkflowBuilder
from maf_client import InstantClient

from benchkit.script import Watch, emit, expect, median, options
from benchkit.words import texts


async def converse(turns: int, size_bytes: int) -> float:
    """Hold one conversation and return its CPU seconds per turn."""
    client = InstantClient(replies=texts(turns, size_bytes))
    writer, critic = (
        AgentExecutor(Agent(client=client, name=name, instructions="You work on the text."), context_mode="last_agent")
        for name in ("writer", "critic")
    )

    def more(_: Any) -> bool:
        return client.calls < turns

    flow = WorkflowBuilder(start_executor=writer, max_iterations=turns + 5, output_from=[writer, critic])
    workflow = flow.add_edge(writer, critic, condition=more).add_edge(critic, writer, condition=more).build()
    with Watch() as watch:
        await workflow.run("Write about the harbour.")
    expect(client.calls == turns, f"{client.calls} turns")
    return watch.cpu_s / turns


async def main() -> None:
    """Measure after a conversation that warms everything up."""
    given = options()
    await converse(20, given.size_bytes)
    short = median([await converse(20, given.size_bytes) for _ in range(10)])
    emit(turn_us=1e6 * short, longer_turn_us=1e6 * await converse(given.scaled(200), given.size_bytes))


asyncio.run(main())
