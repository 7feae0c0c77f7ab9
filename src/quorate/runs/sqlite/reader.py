"""Reading a SQLite store: as of what is committed, on a connection of its own, so that it waits for no writer."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quorate.errors import StoreError
from quorate.runs import chain
from quorate.runs.entries import FORMAT, Entry, tombstone
from quorate.runs.inbox import Note, OpenQuestion, about
from quorate.runs.journal import Summary, too_new
from quorate.runs.sqlite.schema import (
    CONVERSATIONS,
    END,
    ENTRIES,
    HEAD,
    LINKS,
    LONGEST,
    NOTES,
    QUESTIONS,
    SEGMENTS,
    SEQ_BITS,
    Segment,
    as_stored,
    failed,
    noted,
)
from quorate.runs.stored import Artifact, Head, Stored, references
from quorate.runs.verifying import verified


class Reader:
    """Reads one file, from any thread, one at a time.

    Args:
        path: The file.
        db: The connection, closed by `close`.
    """

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path, self._db = path, db
        self.guard = threading.Lock()

    def close(self) -> None:
        """Close the connection; the caller holds the guard. May be called twice."""
        self._db.close()

    def rows(self, *queries: tuple[str, tuple[Any, ...]]) -> list[list[tuple[Any, ...]]]:
        """Return the rows of each query, all as of one moment."""
        try:
            with self.guard:
                self._db.execute("BEGIN")
                try:
                    return [self._db.execute(sql, values).fetchall() for sql, values in queries]
                finally:
                    self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise failed(self.path, error) from error

    def segments(self, id: str, owner: str) -> list[Segment]:
        """Return the segments of a conversation, the oldest first."""
        [rows] = self.rows((SEGMENTS, (LONGEST, owner, id)))
        return [Segment(*row) for row in rows]

    def links(self, id: str, owner: str) -> list[tuple[str, tuple[Any, ...]]]:
        """Return the queries for the links of a conversation."""
        segments = self.segments(id, owner)
        return [(LINKS, ("" if s is segments[-1] else s.id, *s.span())) for s in segments]

    def artifact(self, owner: str, digest: str) -> bytes:
        """Return a long or standing text, or a file, of an owner."""
        [rows] = self.rows(("SELECT data FROM artifacts WHERE owner = ? AND digest = ?", (owner, digest)))
        if not rows:
            raise StoreError(f"{self.path} has lost the content {digest} of {owner}.")
        data = rows[0][0]
        return data if isinstance(data, bytes) else b""  # what was altered does not have its hash

    def entries(self, id: str, owner: str, kinds: Sequence[str], after: int, limit: int | None) -> list[Entry]:
        """Return what `Store.read` does."""
        chosen = f" AND e.kind IN ({','.join('?' * len(kinds))})" if kinds else ""
        sql = ENTRIES.format(chosen=chosen)
        contents: dict[str, bytes] = {}

        def load(digest: str) -> bytes:
            if digest not in contents:
                contents[digest] = self.artifact(owner, digest)
            return contents[digest]

        rows: list[tuple[Any, ...]] = []
        for segment in self.segments(id, owner):
            left = -1 if limit is None else limit - len(rows)
            rows += self.rows((sql, (*segment.span(after), *kinds, left)))[0]
        newer = next((row for row in rows if row[6] > FORMAT), None)
        if newer:
            raise too_new(f"Entry {newer[0]} of {id}", newer[6])
        return [
            Entry(seq, run, path, kind, at, tombstone(kind) if data is None else chain.decode(data, load), version)
            for seq, run, path, kind, at, data, version in rows
        ]

    def stored(self, id: str, owner: str) -> tuple[list[Stored], list[Artifact]]:
        """Return what `Store.stored` does."""
        stored = as_stored(self.rows(*self.links(id, owner)))
        sql = "SELECT digest, type, data FROM artifacts WHERE owner = ? AND digest = ?"
        found = self.rows(*[(sql, (owner, digest)) for digest in references(s.data for s in stored)])
        return stored, [Artifact(*row) for rows in found for row in rows]

    def conversations(self, owner: str, starting: str, before: Summary | None, limit: int | None) -> list[Summary]:
        """Return what `Store.conversations` does."""
        end = (END, "") if before is None else (before.last_at, before.id)
        values = (owner, len(starting), starting, *end, -1 if limit is None else limit)
        [rows] = self.rows((CONVERSATIONS, values))
        return [Summary(*row) for row in reversed(rows)]

    def verify(self, id: str, owner: str, given: Head | None) -> Head:
        """Return what `Store.verify` does."""
        heads, *parts = self.rows((HEAD, (owner, id)), *self.links(id, owner))
        count, last = heads[0] if heads else (0, chain.GENESIS)
        head = Head(count, last.hex() if isinstance(last, bytes) else str(last))
        verified(id, as_stored(parts), head=head, given=given, load=lambda digest: self.artifact(owner, digest))
        return head if count else Head(0, "")

    def notes(self, id: str, owner: str) -> list[Note]:
        """Return what waits in the inbox of a conversation."""
        [keys] = self.rows(("SELECT key FROM conversations WHERE owner = ? AND id = ?", (owner, id)))
        return self.untaken(keys[0][0], owner) if keys else []

    def untaken(self, key: int, owner: str) -> list[Note]:
        """Return the notes in an inbox, by the key of its conversation."""
        [rows] = self.rows((NOTES, (key,)))
        return noted(rows)

    def questions(
        self, owner: str, conversation: str | None, after: OpenQuestion | None, most: int
    ) -> list[OpenQuestion]:
        """Return what `Store.questions` does."""
        last = 0
        if after is not None:
            sql = "SELECT key FROM conversations WHERE owner = ? AND id = ?"
            [[(key,)]] = self.rows((sql, (owner, after.conversation)))
            last = key << SEQ_BITS | after.entry.seq
        chosen = "" if conversation is None else " AND c.id = ?"
        of = () if conversation is None else (conversation,)
        [rows] = self.rows((QUESTIONS.format(chosen=chosen), (owner, *of, last, most)))
        found: list[OpenQuestion] = []
        notes: dict[str, list[Note]] = {}
        for id, seq, run, path, kind, at, data, version in rows:
            payload = tombstone(kind) if data is None else chain.decode(data, lambda d: self.artifact(owner, d))
            entry = Entry(seq, run, path, kind, at, payload, version)
            if id not in notes:
                notes = {id: self.notes(id, owner)}
            found.append(OpenQuestion(id, entry, about(entry, notes[id])))
        return found
