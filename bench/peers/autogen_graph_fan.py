"""AutoGen: a graph of one agent, 98 side by side, and one."""

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import DiGraphBuilder, GraphFlow
from autogen_client import InstantClient

from benchkit.script import Watch, emit, expect, median, options
from benchkit.words import texts

WIDTH = 98


async def run_once(width: int, size_bytes: int) -> Watch:
    """Build a graph, and run it."""
    members = [AssistantAgent(f"m{n}", InstantClient([text])) for n, text in enumerate(texts(width + 2, size_bytes))]
    builder = DiGraphBuilder()
    for member in members:
        builder.add_node(member)
    for member in members[1:-1]:
        builder.add_edge(members[0], member).add_edge(member, members[-1])
    team = GraphFlow(builder.get_participants(), builder.build())
    with Watch() as watch:
        result = await team.run(task="Write about the harbour.")
    said = [m for m in result.messages if isinstance(m, BaseChatMessage) and m.source.startswith("m")]
    expect(len(said) == width + 2, f"{len(said)} messages")
    return watch


async def main() -> None:
    """Measure after a run that warms everything up."""
    given = options()
    width = given.scaled(WIDTH)
    await run_once(width, given.size_bytes)
    watches = [await run_once(width, given.size_bytes) for _ in range(3)]
    emit(
        fan_ms=1e3 * median(watch.cpu_s for watch in watches),
        fan_wall_ms=1e3 * median(watch.wall_s for watch in watches),
    )


asyncio.run(main())
