"""AutoGen: the state of a team of 1,000 messages, as a plain dictionary."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_client import InstantClient

from benchkit.script import Watch, emit, options
from benchkit.words import texts

TIMES = 5


def pair(client: InstantClient, turns: int) -> RoundRobinGroupChat:
    """Return a writer and a critic who end after `turns` messages."""
    members = [AssistantAgent(name, client, system_message="You work on the text.") for name in ("writer", "critic")]
    return RoundRobinGroupChat(list(members), termination_condition=MaxMessageTermination(turns + 1))


async def main() -> None:
    """Measure after one that warms everything up."""
    given = options()
    turns = given.scaled(1000)
    team, other = (pair(InstantClient(texts(turns, given.size_bytes)), turns) for _ in range(2))
    await team.run(task="Write about the harbour.")
    await other.load_state(await team.save_state())
    with Watch() as saving:
        for _ in range(TIMES):
            state = await team.save_state()
    with Watch() as loading:
        for _ in range(TIMES):
            await other.load_state(state)
    emit(save_ms=1e3 * saving.cpu_s / TIMES, load_ms=1e3 * loading.cpu_s / TIMES)


asyncio.run(main())
