"""LangGraph: one durable turn of a two-node loop; the variants are those of `langgraph_sqlite`."""

import asyncio
import tempfile
from pathlib import Path

from langgraph_sqlite import measure

from benchkit.script import Watch, emit, options


def figures(watch: Watch, path: Path, turns: int) -> dict[str, float]:
    """Return what is printed: means over the turns, and the disk that 1,000 of them take."""
    return {
        "turn_us": 1e6 * watch.cpu_s / turns,
        "turn_wall_us": 1e6 * watch.wall_s / turns,
        "disk_mb": path.stat().st_size / 1e6 * 1000 / turns,
    }


async def main() -> None:
    """Measure after a short conversation that warms everything up."""
    given = options()
    turns = given.scaled(1000)
    with tempfile.TemporaryDirectory() as folder:
        await measure(Path(folder, "warm.db"), given.variant, 20, given.size_bytes)
        path = Path(folder, "talk.db")
        watch = await measure(path, given.variant, turns, given.size_bytes)
        emit(**figures(watch, path, turns))


asyncio.run(main())
