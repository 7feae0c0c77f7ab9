"""LangGraph: a conversation on disk, short and long. Variant `sync-200`: `sync` of `langgraph_sqlite`, 200 turns."""

import asyncio
import tempfile
from pathlib import Path

from langgraph_sqlite import measure

from benchkit.keeping import emit_kept, peak_mb
from benchkit.script import options


async def main() -> None:
    """Measure after a short conversation that warms everything up."""
    given = options()
    kind, _, count = given.variant.partition("-")
    turns = given.scaled(int(count))
    with tempfile.TemporaryDirectory() as folder:
        await measure(Path(folder, "warm.db"), kind, 20, given.size_bytes)
        before = peak_mb()
        watch = await measure(Path(folder, "talk.db"), kind, turns, given.size_bytes)
        emit_kept(watch, turns, Path(folder), before)


asyncio.run(main())
