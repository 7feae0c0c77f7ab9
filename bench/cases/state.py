"""The state of a team of 1,000 messages, as a plain dictionary: saving it, and loading it into another team."""

import asyncio

from benchkit.script import Watch, emit, expect, options
from benchkit.words import texts
from pair import TASK, WIDE, pair
from quorate.testing import ScriptedModel

TIMES = 5


async def main() -> None:
    """Measure after one that warms everything up."""
    given = options()
    turns = given.scaled(1000)
    team, other = (pair(ScriptedModel(texts(turns, given.size_bytes)), turns) for _ in range(2))
    await team.run(task=TASK, limits=WIDE)
    await other.load_state(await team.save_state())
    with Watch() as saving:
        for _ in range(TIMES):
            state = await team.save_state()
    with Watch() as loading:
        for _ in range(TIMES):
            await other.load_state(state)
    expect(await other.save_state() == state, "another state")
    emit(save_ms=1e3 * saving.cpu_s / TIMES, load_ms=1e3 * loading.cpu_s / TIMES)


asyncio.run(main())
