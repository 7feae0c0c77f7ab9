"""A graph of one agent, 98 side by side, and one: all answer at once. And three that take a second each."""

import asyncio

from benchkit.script import Watch, emit, expect, median, options
from benchkit.words import texts
from pair import TASK, WIDE
from quorate import AssistantAgent, DiGraphBuilder, GraphFlow, conversation
from quorate.models.client import Finished, ModelInfo, ModelRequest, TextDelta, Usage
from quorate.testing import ScriptedModel

WIDTH = 98


class Slow:
    """Answers after a second, or less in a quick look."""

    info = ModelInfo(name="slow", free=True)

    def __init__(self, text: str, pause_s: float) -> None:
        self.text, self.pause_s = text, pause_s

    async def stream(self, request: ModelRequest):
        """Wait, then say it."""
        await asyncio.sleep(self.pause_s)
        yield TextDelta(self.text)
        yield Finished(Usage(10, 10))

    async def close(self) -> None:
        """Hold nothing."""


def fan(members: list[AssistantAgent]) -> GraphFlow:
    """Return a graph from the first to all others and from these to the last."""
    builder = DiGraphBuilder()
    for member in members:
        builder.add_node(member)
    for member in members[1:-1]:
        builder.add_edge(members[0], member).add_edge(member, members[-1])
    return GraphFlow(builder.get_participants(), builder.build())


async def run_once(team: GraphFlow, width: int) -> Watch:
    """Run it in a conversation of its own."""
    with Watch() as watch:
        result = await team.run(task=TASK, conversation=conversation(), limits=WIDE)
    expect(len(result.messages) == width + 3, f"{len(result.messages)} messages")
    return watch


async def main() -> None:
    """Measure after a run that warms everything up."""
    given = options()
    runs, width = given.scaled(15, at_least=3), given.scaled(WIDTH)
    said = texts(width + 2, given.size_bytes)
    team = fan([AssistantAgent(f"m{n}", ScriptedModel([text] * (runs + 1))) for n, text in enumerate(said)])
    await run_once(team, width)
    watches = [await run_once(team, width) for _ in range(runs)]
    pause_s = max(given.scale, 0.05)
    clients = [ScriptedModel([said[0]]), *[Slow(text, pause_s) for text in said[1:4]], ScriptedModel([said[4]])]
    slow = fan([AssistantAgent(f"m{n}", client) for n, client in enumerate(clients)])
    parallel = await run_once(slow, 3)
    emit(
        fan_ms=1e3 * median(watch.cpu_s for watch in watches),
        fan_wall_ms=1e3 * median(watch.wall_s for watch in watches),
        parallel_wall_s=parallel.wall_s / pause_s,
    )


asyncio.run(main())
