"""Many conversations of ten turns at the same time, in memory, on one team."""

import asyncio

from benchkit.script import Watch, emit, expect, options
from benchkit.words import texts
from pair import TASK, pair
from quorate import RoundRobinGroupChat, conversation
from quorate.testing import ScriptedModel

TURNS = 10


async def converse(team: RoundRobinGroupChat) -> int:
    """Hold one conversation of its own and return how many messages there are."""
    return len((await team.run(task=TASK, conversation=conversation())).messages)


async def main() -> None:
    """Measure all conversations together, after one that warms everything up."""
    given = options()
    count = given.scaled(1000)
    await converse(pair(ScriptedModel(texts(TURNS, given.size_bytes)), TURNS))
    replies = texts(count * TURNS, given.size_bytes)
    with Watch() as watch:
        team = pair(ScriptedModel(replies), TURNS)
        lengths = await asyncio.gather(*(converse(team) for _ in range(count)))
    expect(set(lengths) == {TURNS + 1}, "a conversation was cut short")
    emit(total_s=watch.cpu_s * 1000 / count, turn_us=1e6 * watch.cpu_s / (count * TURNS))


asyncio.run(main())
