"""The inbox of conversations in an SQLite file, and notice of what comes into it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress

from quorate.errors import Conflict, StoreError
from quorate.runs.inbox import Note, Watcher
from quorate.runs.sqlite.journal import SqliteJournal
from quorate.runs.sqlite.reader import Reader

LOOK_S = 0.1
"""How often a store with runs going on looks whether another process has posted to them."""

Same = Callable[[Note], bytes]
"""Returns a digest that two notes of an id share only if they say the same."""


def put(db: sqlite3.Connection, at: tuple[str, str], note: Note, data: bytes, now: int, same: Same) -> int | None:
    """Put a note in an inbox, once, and return the conversation's key; None where there is no such conversation.

    Args:
        db: In a transaction that writes.
        at: Owner and id of the conversation.
        note: The note.
        data: What it says, as it is kept.
        now: When it came.
        same: Tells whether another of its id says the same.

    Raises:
        Conflict: It does not.
    """
    row = db.execute("SELECT key FROM conversations WHERE owner = ? AND id = ?", at).fetchone()
    if row is None:
        return None
    try:
        db.execute("INSERT INTO inbox VALUES (?, ?, ?, ?, ?, 0)", (row[0], note.id, note.kind, data, now))
    except sqlite3.IntegrityError:
        sql = "SELECT kind, payload, at, taken FROM inbox WHERE conversation = ? AND id = ?"
        kind, said, when, taken = db.execute(sql, (row[0], note.id)).fetchone()
        if (said if taken else same(Note(note.id, kind, json.loads(said), when))) != same(note):
            raise Conflict(f"{note.id} has been answered already.") from None
    return row[0]


def use_up(db: sqlite3.Connection, key: int, id: str, same: Same) -> None:
    """Remove a note: what it said is in an entry now; its id, and a digest of what it said, stay."""
    sql = "SELECT kind, payload, at FROM inbox WHERE conversation = ? AND id = ? AND taken = 0"
    for kind, data, when in db.execute(sql, (key, id)).fetchall():
        said = same(Note(id, kind, json.loads(data), when))
        db.execute("UPDATE inbox SET taken = 1, payload = ? WHERE conversation = ? AND id = ?", (said, key, id))


class Notices:
    """Tells the runs of one store what waits for them, and what comes.

    Args:
        db: Is asked whether another process has written.
        guard: Is held by who uses `db`.
        reader: Reads what waits.
    """

    def __init__(self, db: sqlite3.Connection, guard: threading.Lock, reader: Reader) -> None:
        self._db, self._guard, self._reader = db, guard, reader
        self._watchers: dict[int, tuple[SqliteJournal, Watcher]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seen_version = 0

    def watch(self, journal: SqliteJournal, watcher: Watcher) -> None:
        """Tell a run what waits for it and, as long as it is going on, what comes."""
        self._watchers[journal.key] = journal, watcher
        if self._timer is None or self._timer.cancelled() or watcher.loop is not self._loop:
            self._loop = asyncio.get_running_loop()
            self._seen_version = -1
            self._timer = self._loop.call_later(LOOK_S, self._look)
        self.tell(journal.key)

    def forget(self, journal: SqliteJournal) -> None:
        """Tell a run no more."""
        if self._watchers.get(journal.key, (None,))[0] is journal:
            del self._watchers[journal.key]

    def tell(self, key: int) -> None:
        """Tell the run of a conversation what waits, if one of this store is going on."""
        journal, watcher = self._watchers.get(key, (None, None))
        if journal is not None and watcher is not None:
            watcher.tell(lambda: self._reader.untaken(key, journal.owner))

    def _look(self) -> None:
        """Look whether another process has posted to a run of ours. The one poll there is, and a cheap one."""
        self._timer = None
        if not self._watchers:
            return
        if self._guard.acquire(blocking=False):  # else it is being written: the next look will do
            try:
                version = self._db.execute("PRAGMA data_version").fetchone()[0]  # changes when others write
            except sqlite3.Error:
                return  # closed, or broken: who writes next says so
            finally:
                self._guard.release()
            if version != self._seen_version:
                self._seen_version = version
                with suppress(StoreError):
                    [rows] = self._reader.rows(("SELECT DISTINCT conversation FROM inbox WHERE taken = 0", ()))
                    for (key,) in rows:
                        self.tell(key)
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)
