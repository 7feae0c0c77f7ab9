"""LangGraph: one turn of a two-node loop with its SQLite checkpointer, WAL and synchronous=NORMAL.

Variants: `sync` (on disk before it is used) and `async` (written while the next node runs), both with its best
state, and `default`, the state of its examples with the durability it has when nothing is said.
"""

import sqlite3
import tempfile
from pathlib import Path

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph_loop import DEFAULT, Lean, converse

from benchkit.script import Watch, emit, options


def measure(path: Path, variant: str, turns: int, size_bytes: int) -> Watch:
    """Hold one conversation in the database at `path`, which a checkpoint leaves at its final size."""
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.execute("PRAGMA synchronous=NORMAL")  # the saver itself switches to WAL
    saver = SqliteSaver(connection)
    if variant == "default":
        watch = converse(DEFAULT, turns, size_bytes, saver)
    else:
        watch = converse(Lean, turns, size_bytes, saver, durability=variant)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return watch


def main() -> None:
    """Measure after a short conversation that warms everything up."""
    given = options()
    turns = given.scaled(1000)
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder, "warm.db"), given.variant, 20, given.size_bytes)
        path = Path(folder, "talk.db")
        watch = measure(path, given.variant, turns, given.size_bytes)
        emit(
            turn_us=1e6 * watch.cpu_s / turns,
            turn_wall_us=1e6 * watch.wall_s / turns,
            disk_mb=path.stat().st_size / 1e6 * 1000 / turns,
        )


main()
