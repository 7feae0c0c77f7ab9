"""AutoGen: one answer that comes in many chunks, watched through a team.

Variants: nothing for a model that yields them all at once, `paced` for one that lets the loop turn before each, as
a network does.
"""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import ModelClientStreamingChunkEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_client import InstantClient

from benchkit.script import Watch, emit, expect, options
from benchkit.words import texts


async def watch_answer(count: int, *, paced: bool) -> float:
    """Stream an answer of `count` chunks and return the CPU seconds for each."""
    client = InstantClient([], chunks=texts(count, 6), paced=paced)
    agent = AssistantAgent("writer", client, model_client_stream=True)
    team = RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(2))
    seen = 0
    with Watch() as watch:
        async for event in team.run_stream(task="Write about the harbour."):
            seen += isinstance(event, ModelClientStreamingChunkEvent)
    expect(seen == count, f"{seen} chunks")
    return watch.cpu_s / count


async def main() -> None:
    """Measure after a short answer that warms everything up."""
    given = options()
    paced = given.variant == "paced"
    await watch_answer(20, paced=paced)
    emit(chunk_us=1e6 * await watch_answer(given.scaled(10_000), paced=paced))


asyncio.run(main())
