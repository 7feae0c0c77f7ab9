"""One durable turn: the team of two with its journal in SQLite, and the disk that takes."""

import asyncio
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchkit.script import Watch, emit, expect, options
from benchkit.words import texts
from pair import TASK, WIDE, pair
from quorate import open_store
from quorate.testing import ScriptedModel


@dataclass(frozen=True)
class Kept:
    """One conversation on disk; everything is a mean over its turns."""

    cpu_s: float
    wall_s: float
    disk_bytes: float
    entries: float


async def converse(path: Path, turns: int, size_bytes: int) -> Kept:
    """Hold one conversation in a new store at `path`."""
    team = pair(ScriptedModel(texts(turns, size_bytes)), turns)
    async with open_store(f"sqlite:///{path}") as store:
        talk = store.conversation("talk")
        with Watch() as watch:
            result = await team.run(task=TASK, conversation=talk, limits=WIDE)
    expect(len(result.messages) == turns + 1, f"{len(result.messages)} messages")
    disk_bytes, entries = weigh(path)
    return Kept(watch.cpu_s / turns, watch.wall_s / turns, disk_bytes / turns, entries / turns)


def weigh(path: Path) -> tuple[int, int]:
    """Return the bytes of all files of the database after a checkpoint, and how many entries its journal has."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    entries = database.execute("SELECT count(*) FROM entries").fetchone()[0]
    database.close()
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*")), entries


async def main() -> None:
    """Measure 1,000 turns and 2,000, after a short conversation that warms everything up."""
    given = options()
    turns = given.scaled(1000, at_least=60)
    with tempfile.TemporaryDirectory() as folder:
        await converse(Path(folder, "warm.db"), 20, given.size_bytes)
        one = await converse(Path(folder, "one.db"), turns, given.size_bytes)
        two = await converse(Path(folder, "two.db"), 2 * turns, given.size_bytes)
    emit(
        turn_us=1e6 * one.cpu_s,
        turn_wall_us=1e6 * one.wall_s,
        turn_growth=two.cpu_s / one.cpu_s,
        disk_mb=one.disk_bytes * 1000 / 1e6,
        disk_growth=two.disk_bytes / one.disk_bytes,
        disk_to_text=one.disk_bytes / given.size_bytes,
        beside_entry_bytes=(one.disk_bytes - given.size_bytes) / one.entries,
        entries_a_turn=one.entries,
    )


asyncio.run(main())
