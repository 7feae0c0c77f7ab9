"""AutoGen: a team whose whole state is saved after each turn, as its documentation does it, into a row of SQLite.

The variant is the number of turns.
"""

import asyncio
import json
import sqlite3
import tempfile
from pathlib import Path

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_client import InstantClient

from benchkit.keeping import emit_kept, peak_mb
from benchkit.script import Watch, expect, options
from benchkit.words import texts


async def converse(path: Path, turns: int, size_bytes: int) -> Watch:
    """Hold one conversation turn by turn; a save replaces the one before it."""
    client = InstantClient(texts(turns, size_bytes))
    members = [AssistantAgent(name, client, system_message="You work on the text.") for name in ("writer", "critic")]
    team = RoundRobinGroupChat(list(members), max_turns=1)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE IF NOT EXISTS states (name TEXT PRIMARY KEY, state TEXT)")
    said = 0
    with Watch() as watch:
        for turn in range(turns):
            result = await team.run(task=None if turn else "Write about the harbour.")
            said += len(result.messages)
            state = json.dumps(await team.save_state())
            database.execute("INSERT OR REPLACE INTO states VALUES ('talk', ?)", (state,))
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    expect(said == turns + 1, f"{said} messages")
    return watch


async def main() -> None:
    """Measure after a short conversation that warms everything up."""
    given = options()
    turns = given.scaled(int(given.variant))
    with tempfile.TemporaryDirectory() as folder:
        await converse(Path(folder, "warm.db"), 20, given.size_bytes)
        before = peak_mb()
        watch = await converse(Path(folder, "talk.db"), turns, given.size_bytes)
        emit_kept(watch, turns, Path(folder), before)


asyncio.run(main())
