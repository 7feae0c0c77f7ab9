"""Go on with a run of 1,000 turns that ended `limit` and is on disk: open the store, resume, one more turn."""

import asyncio
import tempfile
from pathlib import Path

from msgspec.structs import replace

from benchkit.script import Watch, emit, expect, options
from benchkit.words import texts
from pair import TASK, WIDE, pair
from quorate import open_store
from quorate.testing import ScriptedModel


async def begin(url: str, turns: int, size_bytes: int) -> str:
    """Run into the limit of `turns` and return the id of the run."""
    team = pair(ScriptedModel(texts(turns, size_bytes)), turns + 1)
    async with open_store(url) as store:
        result = await team.run(task=TASK, conversation=store.conversation("talk"), limits=replace(WIDE, turns=turns))
    expect(result.outcome.kind == "limit", f"outcome {result.outcome}")
    return result.run_id


async def go_on(url: str, run_id: str, turns: int, size_bytes: int) -> Watch:
    """Resume with one turn more and return what that took."""
    team = pair(ScriptedModel(texts(1, size_bytes, seed=2)), turns + 1)
    with Watch() as watch:
        async with open_store(url) as store:
            result = await team.continue_run(run_id, store=store, limits=replace(WIDE, turns=turns + 1))
    expect(result.outcome.kind == "completed", f"outcome {result.outcome}")
    return watch


async def main() -> None:
    """Measure in this process, which has the code warm but nothing of the run in memory."""
    given = options()
    turns = given.scaled(1000)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder, 'talk.db')}"
        run_id = await begin(url, turns, given.size_bytes)
        watch = await go_on(url, run_id, turns, given.size_bytes)
    emit(resume_wall_s=watch.wall_s, resume_cpu_s=watch.cpu_s)


asyncio.run(main())
