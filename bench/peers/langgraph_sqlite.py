"""LangGraph: a two-node loop with its SQLite checkpointer, WAL and synchronous=NORMAL.

Variants, all with its async API except the last: `sync` (on disk before it is used) and `async` (written while the
next node runs), both with its best state; `default`, the state of its examples with the durability it has when nothing
is said; `blocking`, which is `sync` with the blocking API and its blocking saver, its cheapest way to be durable.
"""

import sqlite3
from pathlib import Path

import aiosqlite
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph_loop import DEFAULT, Lean, Loop

from benchkit.script import Watch

NORMAL = "PRAGMA synchronous=NORMAL"  # the savers themselves switch to WAL
CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)"


def blocking(path: Path, loop: Loop) -> Watch:
    """Hold the conversation with the blocking API."""
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.execute(NORMAL)
    watch = loop.invoke(SqliteSaver(connection))
    connection.execute(CHECKPOINT)
    connection.close()
    return watch


async def awaited(path: Path, loop: Loop) -> Watch:
    """Hold the conversation with the async API."""
    async with aiosqlite.connect(path) as connection:
        await connection.execute(NORMAL)
        watch = await loop.ainvoke(AsyncSqliteSaver(connection))
        await connection.execute(CHECKPOINT)
    return watch


async def measure(path: Path, variant: str, turns: int, size_bytes: int) -> Watch:
    """Hold one conversation in the database at `path`, which a checkpoint leaves at its final size."""
    if variant == "blocking":
        return blocking(path, Loop(Lean, turns, size_bytes, durability="sync"))
    if variant == "default":
        return await awaited(path, Loop(DEFAULT, turns, size_bytes))
    return await awaited(path, Loop(Lean, turns, size_bytes, durability=variant))
