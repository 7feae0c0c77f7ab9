"""The SQLite store's tables, its longer statements, and how their rows read."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from quorate.errors import StoreError
from quorate.runs import chain
from quorate.runs.inbox import CLOSE_QUESTIONS, Note
from quorate.runs.stored import Stored

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (owner TEXT PRIMARY KEY, secret BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS conversations (
    key INTEGER PRIMARY KEY, owner TEXT NOT NULL, id TEXT NOT NULL, holder TEXT NOT NULL DEFAULT '',
    fence INTEGER NOT NULL DEFAULT 0, count INTEGER NOT NULL DEFAULT 0, head BLOB NOT NULL, UNIQUE (owner, id));
CREATE TABLE IF NOT EXISTS entries (
    place INTEGER PRIMARY KEY, run INTEGER NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL, version INTEGER NOT NULL,
    at INTEGER NOT NULL, payload BLOB, salt BLOB, hash BLOB NOT NULL, digest BLOB);
CREATE TABLE IF NOT EXISTS forks (key INTEGER PRIMARY KEY, parent INTEGER NOT NULL, base INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS forks_of ON forks (parent);
CREATE TABLE IF NOT EXISTS kept (place INTEGER PRIMARY KEY, source INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS kept_of ON kept (source);
CREATE TABLE IF NOT EXISTS artifacts (
    owner TEXT NOT NULL, digest TEXT NOT NULL, type TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (owner, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inbox (
    conversation INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, payload BLOB NOT NULL, at INTEGER NOT NULL,
    taken INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (conversation, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting ON inbox (conversation) WHERE taken = 0;
CREATE INDEX IF NOT EXISTS questions ON entries (kind) WHERE kind = 'question';
"""
BUSY_MS = 10_000
SEQ_BITS = 32
"""An entry's `place` is the conversation's key and, in the lower bits, its sequence: one tree, in order."""
SEQ = f"e.place & {(1 << SEQ_BITS) - 1}"
SEGMENTS = (
    "WITH RECURSIVE s (key, id, low, high) AS (SELECT c.key, c.id, IFNULL(f.base, 0), ? FROM conversations c "
    "LEFT JOIN forks f ON f.key = c.key WHERE c.owner = ? AND c.id = ? "
    "UNION ALL SELECT c.key, c.id, IFNULL(f.base, 0), s.low FROM s JOIN forks b ON b.key = s.key "
    "JOIN conversations c ON c.key = b.parent LEFT JOIN forks f ON f.key = c.key WHERE s.low > 0) "
    "SELECT key, id, low, high FROM s ORDER BY high"
)
ENTRIES = (
    f"SELECT {SEQ}, run, path, kind, at, IFNULL(payload, (SELECT o.payload FROM kept k "  # noqa: S608  # made of constants
    "JOIN entries o ON o.place = k.source WHERE k.place = e.place)), version FROM entries e "
    "WHERE e.place > ? AND e.place <= ?{chosen} ORDER BY e.place LIMIT ?"
)
LINKS = (
    f"SELECT {SEQ}, e.run, e.path, e.kind, e.at, e.version, IFNULL(e.payload, o.payload), IFNULL(e.salt, o.salt), "  # noqa: S608  # made of constants
    "e.hash, IFNULL(e.digest, o.digest), ? FROM entries e LEFT JOIN kept k ON k.place = e.place "
    "LEFT JOIN entries o ON o.place = k.source WHERE e.place > ? AND e.place <= ? ORDER BY e.place"
)
"""Its links; the last column is the conversation that an entry was written in, where it is another."""
INSERT = "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)"
HEAD = "SELECT count, head FROM conversations WHERE owner = ? AND id = ?"
CONVERSATIONS = (
    "SELECT id, owner, run, at FROM conversations c LEFT JOIN forks f ON f.key = c.key JOIN entries e ON "  # noqa: S608  # made of constants
    f"e.place = (IIF(c.count > IFNULL(f.base, 0), c.key, f.parent) << {SEQ_BITS} | c.count) "
    "WHERE c.owner = ? AND substr(c.id, 1, ?) = ? AND (e.at, c.id) < (?, ?) ORDER BY e.at DESC, c.id DESC LIMIT ?"
)
END = 2**63 - 1
_CLOSING = ", ".join(f"'{kind}'" for kind in CLOSE_QUESTIONS)
QUESTIONS = (
    f"SELECT c.id, {SEQ}, e.run, e.path, e.kind, e.at, e.payload, e.version "  # noqa: S608  # made of constants
    f"FROM entries e JOIN conversations c ON c.key = e.place >> {SEQ_BITS} "
    "WHERE e.kind = 'question' AND c.owner = ?{chosen} AND e.place > ? AND NOT EXISTS ("
    f"SELECT 1 FROM entries l WHERE l.place > e.place AND l.place < (c.key + 1) << {SEQ_BITS} AND l.run = e.run AND ("
    f"(l.path = e.path AND l.kind IN ({_CLOSING}, 'question')) OR (l.kind = 'turn' AND l.path = "
    "CASE instr(e.path, '/') WHEN 0 THEN '' ELSE substr(e.path, 1, instr(e.path, '/') - 1) END))) "
    "ORDER BY e.place LIMIT ?"
)
NOTES = "SELECT id, kind, payload, at FROM inbox WHERE conversation = ? AND taken = 0 ORDER BY at, id"
LONGEST = (1 << SEQ_BITS) - 1


class Segment(NamedTuple):
    """A part of a conversation that was written in one: the entries above `low` up to `high`."""

    key: int
    id: str
    low: int
    high: int

    def span(self, after: int = 0) -> tuple[int, int]:
        """Return between which places its entries are, those after an entry only."""
        return self.key << SEQ_BITS | max(self.low, after), self.key << SEQ_BITS | self.high


def place_of(segments: Sequence[Segment], seq: int) -> int:
    """Return where an entry of a conversation is, whose segments are given, the oldest first."""
    segment = next((s for s in segments if s.low < seq <= s.high), segments[0])
    return segment.key << SEQ_BITS | seq


def digest_of(payload: bytes | None, salt: bytes | None, erased: bytes | None) -> bytes:
    """Return the digest of a payload as the chain has it."""
    return erased if erased is not None else chain.digest(salt or b"", payload or b"")


def as_stored(parts: Sequence[list[tuple[Any, ...]]]) -> list[Stored]:
    """Return entries as they are kept. What is no bytes any more is none: verifying finds it."""
    return [
        Stored(seq, run, path, kind, version, at, _bytes(payload), salt, _bytes(hash) or b"", digest, of)
        for links in parts
        for seq, run, path, kind, at, version, payload, salt, hash, digest, of in links
    ]


def _bytes(value: Any) -> bytes | None:
    return value if isinstance(value, bytes) else None


def noted(rows: Sequence[tuple[Any, ...]]) -> list[Note]:
    """Return notes as they are read from the inbox."""
    return [Note(id, kind, json.loads(data), at) for id, kind, data, at in rows]


def patiently(work: Callable[[], T], *, for_s: float = BUSY_MS / 1000) -> T:
    """Do what prepares a file, again while it is locked: SQLite does not wait where two make a file at the same time.

    Raises:
        sqlite3.Error: It failed for another reason, or for longer than that.
    """
    until = time.monotonic() + for_s
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(0.01)


class Busy(StoreError):
    """The file is locked by somebody else for longer than we wait."""


def failed(path: Path, error: sqlite3.Error) -> StoreError:
    """Return what to raise for an error of SQLite."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return Busy(f"{path} is locked by another program for {BUSY_MS / 1000:.0f} s. Close it and resume.")
    if "full" in text or "disk I/O" in text:
        return StoreError(f"{path} cannot be written: {text}. Free some space, then resume: nothing is lost.")
    return StoreError(f"{path}: {text}.")
