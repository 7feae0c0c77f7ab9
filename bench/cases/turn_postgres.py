"""One durable turn on a PostgreSQL server of our own: the team of two, and the disk that its journal takes there.

The variant `off` has the server acknowledge a commit before it is on disk (`synchronous_commit=off`).
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from benchkit.script import Watch, emit, expect, options
from benchkit.words import texts
from pair import TASK, WIDE, pair
from quorate import open_store
from quorate.core.extras import require
from quorate.testing import ScriptedModel
from server import server

WEIGH = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'"


@dataclass(frozen=True)
class Kept:
    """One conversation in the database; everything is a mean over its turns. The server's own CPU is not in it."""

    cpu_s: float
    wall_s: float
    disk_bytes: float


async def converse(url: str, schema: str, turns: int, size_bytes: int) -> Kept:
    """Hold one conversation in a new store."""
    team = pair(ScriptedModel(texts(turns, size_bytes)), turns)
    async with open_store(f"{url}&schema={schema}") as store:
        talk = store.conversation("talk")
        with Watch() as watch:
            result = await team.run(task=TASK, conversation=talk, limits=WIDE)
    expect(len(result.messages) == turns + 1, f"{len(result.messages)} messages")
    asyncpg: Any = require("asyncpg", extra="postgres")
    connection = await asyncpg.connect(url.partition("&")[0])
    disk_bytes = await connection.fetchval(WEIGH, schema)
    await connection.close()
    return Kept(watch.cpu_s / turns, watch.wall_s / turns, float(disk_bytes) / turns)


async def measure(url: str, turns: int, size_bytes: int) -> tuple[Kept, Kept]:
    """Measure some turns, and twice as many, after a short conversation that warms everything up."""
    await converse(url, "warm", 20, size_bytes)
    return await converse(url, "one", turns, size_bytes), await converse(url, "two", 2 * turns, size_bytes)


def main() -> None:
    """Measure 1,000 turns and 2,000."""
    given = options()
    turns = given.scaled(1000, at_least=60)
    with server(given, fsync="on") as url:
        level = f"{url}&synchronous_commit={given.variant or 'on'}"
        one, two = asyncio.run(measure(level, turns, given.size_bytes))
    emit(
        turn_us=1e6 * one.cpu_s,
        turn_wall_us=1e6 * one.wall_s,
        turn_growth=two.cpu_s / one.cpu_s,
        disk_mb=one.disk_bytes * 1000 / 1e6,
        disk_growth=two.disk_bytes / one.disk_bytes,
    )


main()
