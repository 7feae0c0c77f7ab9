"""AutoGen: one turn of two assistant agents in a round robin, in memory."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_client import InstantClient

from benchkit.script import Watch, emit, expect, options
from benchkit.words import texts


async def converse(turns: int, size_bytes: int) -> float:
    """Hold one conversation and return its CPU seconds per turn."""
    client = InstantClient(texts(turns, size_bytes))
    members = [AssistantAgent(name, client, system_message="You work on the text.") for name in ("writer", "critic")]
    team = RoundRobinGroupChat(list(members), termination_condition=MaxMessageTermination(turns + 1))
    with Watch() as watch:
        result = await team.run(task="Write about the harbour.")
    expect(len(result.messages) == turns + 1, f"{len(result.messages)} messages")
    return watch.cpu_s / turns


async def main() -> None:
    """Measure after a short conversation that warms everything up."""
    given = options()
    await converse(20, given.size_bytes)
    emit(turn_us=1e6 * await converse(given.scaled(1000), given.size_bytes))


asyncio.run(main())
