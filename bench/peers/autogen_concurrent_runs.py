"""AutoGen: many conversations of ten turns at the same time, in memory.

A team object holds one conversation, so each needs a team and agents of its own; building them is part of the work.
"""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_client import InstantClient

from benchkit.script import Watch, emit, expect, options
from benchkit.words import texts

TURNS = 10


async def converse(replies: list[str]) -> int:
    """Build a team, let it talk and return how many messages there are."""
    client = InstantClient(replies)
    members = [AssistantAgent(name, client, system_message="You work on the text.") for name in ("writer", "critic")]
    team = RoundRobinGroupChat(list(members), termination_condition=MaxMessageTermination(TURNS + 1))
    return len((await team.run(task="Write about the harbour.")).messages)


async def main() -> None:
    """Measure all conversations together, after one that warms everything up."""
    given = options()
    count = given.scaled(1000)
    lines = texts(count * TURNS, given.size_bytes)
    await converse(lines[:TURNS])
    with Watch() as watch:
        lengths = await asyncio.gather(*(converse(lines[i * TURNS : (i + 1) * TURNS]) for i in range(count)))
    expect(set(lengths) == {TURNS + 1}, "a conversation was cut short")
    emit(total_s=watch.cpu_s * 1000 / count, turn_us=1e6 * watch.cpu_s / (count * TURNS))


asyncio.run(main())
