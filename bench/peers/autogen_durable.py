"""AutoGen: a team whose whole state is saved after each turn, as its documentation does it, into a row of SQLite.

The variant is the number of turns, as `benchkit.keeping.length_of` reads it.
"""

import asyncio
import json
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_client import InstantClient

from benchkit.keeping import emit_kept, length_of, peak_mb
from benchkit.script import Watch, expect, options
from benchkit.words import texts

MANAGER = "RoundRobinGroupChatManager"
TASK = "Write about the harbour."
SAMPLE = 4


def longer(state: dict[str, Any], turns: int, size_bytes: int) -> dict[str, Any]:
    """Return the state of a team after an even number of turns, made of its state after four."""
    words = texts(turns, size_bytes)
    for part in state["agent_states"].values():
        if "message_thread" in part:
            task, *said = part["message_thread"]
            part["message_thread"] = [task, *({**said[at % 2], "content": text} for at, text in enumerate(words))]
            continue
        context = part["agent_state"]["llm_context"]
        task, *said = context["messages"]
        heard = words[: turns - len(part["message_buffer"])]
        context["messages"] = [task, *({**said[at % 2], "content": text} for at, text in enumerate(heard))]
    return state


async def converse(path: Path, turns: int, size_bytes: int, before: int = 0) -> Watch:
    """Hold one conversation turn by turn; a save replaces the one before it.

    The first `before` turns are not held: the team loads the state that they would have left.
    """
    client = InstantClient(texts(turns + SAMPLE, size_bytes))
    members = [AssistantAgent(name, client, system_message="You work on the text.") for name in ("writer", "critic")]
    team = RoundRobinGroupChat(list(members), max_turns=1)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE IF NOT EXISTS states (name TEXT PRIMARY KEY, state TEXT)")
    said = 0
    if before:
        for turn in range(SAMPLE):
            await team.run(task=None if turn else TASK)
        await team.load_state(longer(dict(await team.save_state()), before, size_bytes))
    with Watch() as watch:
        for turn in range(before, before + turns):
            result = await team.run(task=None if turn else TASK)
            said += len(result.messages)
            state = json.dumps(await team.save_state())
            database.execute("INSERT OR REPLACE INTO states VALUES ('talk', ?)", (state,))
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    expect(said == turns + (not before), f"{said} messages")
    expect(len(json.loads(state)["agent_states"][MANAGER]["message_thread"]) == before + turns + 1, "a message lacks")
    return watch


async def main() -> None:
    """Measure after a short conversation that warms everything up."""
    given = options()
    length, held = length_of(given.variant)
    turns = given.scaled(held)
    with tempfile.TemporaryDirectory() as folder:
        await converse(Path(folder, "warm.db"), 20, given.size_bytes)
        before = peak_mb()
        watch = await converse(Path(folder, "talk.db"), turns, given.size_bytes, length - held)
        emit_kept(watch, turns, Path(folder), before)


asyncio.run(main())
