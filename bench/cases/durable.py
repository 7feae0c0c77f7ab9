"""A conversation on disk, short and long: CPU, disk and memory of one process that holds it.

Variants: `sqlite-N` and `postgres-N`, N the number of turns. The PostgreSQL server is its own, started here.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchkit.keeping import emit_kept, peak_mb
from benchkit.script import Options, Watch, expect, options
from benchkit.words import texts
from pair import TASK, WIDE, pair
from quorate import open_store
from quorate.testing import ScriptedModel
from server import server


@asynccontextmanager
async def opened(given: Options, folder: Path) -> AsyncIterator[str]:
    """Yield the URL of an empty store."""
    if given.variant.startswith("sqlite"):
        yield f"sqlite:///{folder / 'talk.db'}"
        return
    with server(given) as url:
        yield url


async def converse(url: str, name: str, turns: int, size_bytes: int) -> Watch:
    """Hold one conversation."""
    team = pair(ScriptedModel(texts(turns, size_bytes)), turns)
    async with open_store(url) as store:
        with Watch() as watch:
            result = await team.run(task=TASK, conversation=store.conversation(name), limits=WIDE)
    expect(len(result.messages) == turns + 1, f"{len(result.messages)} messages")
    return watch


async def main() -> None:
    """Measure one conversation after a short one that warms everything up."""
    given = options()
    turns = given.scaled(int(given.variant.partition("-")[2]), at_least=20)
    with tempfile.TemporaryDirectory() as folder:
        async with opened(given, Path(folder)) as url:
            await converse(url, "warm", 20, given.size_bytes)
            before = peak_mb()
            watch = await converse(url, "talk", turns, given.size_bytes)
        emit_kept(watch, turns, Path(folder), before)


asyncio.run(main())
