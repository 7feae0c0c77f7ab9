"""Removing from a SQLite store, and taking in what was removed from another: statements within one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from quorate.errors import StoreError
from quorate.runs import chain
from quorate.runs.erasing import erased_bytes
from quorate.runs.portable import Recording, parts
from quorate.runs.sqlite.schema import SEQ_BITS, Segment
from quorate.runs.stored import references

HIDDEN = "*deleted"
"""Owns, with its key, what is left of a conversation because forks have it. Nobody's owner has a star."""


def delete(db: sqlite3.Connection, key: int) -> None:
    """Remove a conversation; of its entries, those stay that forks have."""
    removed: list[bytes | None] = []
    _prune(db, key, removed)
    db.execute("DELETE FROM inbox WHERE conversation = ?", (key,))
    _sweep(db, removed)


def _prune(db: sqlite3.Connection, key: int, removed: list[bytes | None]) -> None:
    """Remove what nobody has any more of a conversation that is deleted, and then of those that it had branched off."""
    low, high = key << SEQ_BITS, (key + 1) << SEQ_BITS
    [(base,)] = db.execute("SELECT IFNULL(max(base), 0) FROM forks WHERE parent = ?", (key,))
    nobodys = (
        "place > ? AND place < ? AND place NOT IN (SELECT source FROM kept WHERE source > ? AND source < ?)"
    )  # fmt: skip
    span = (low | base, high, low, high)
    removed += [row[0] for row in db.execute(f"SELECT payload FROM entries WHERE {nobodys}", span)]  # noqa: S608  # made of constants
    sources = {
        row[0] >> SEQ_BITS for row in db.execute("SELECT source FROM kept WHERE place > ? AND place < ?", span[:2])
    }
    db.execute(f"DELETE FROM entries WHERE {nobodys}", span)  # noqa: S608  # made of constants
    db.execute("DELETE FROM kept WHERE place > ? AND place < ? AND place NOT IN (SELECT place FROM entries)", span[:2])
    before = {row[0] for row in db.execute("SELECT parent FROM forks WHERE key = ? AND base > 0", (key,))}
    if base or db.execute("SELECT 1 FROM entries WHERE place > ? AND place < ?", (low, high)).fetchone():
        db.execute("UPDATE conversations SET owner = ?, holder = '' WHERE key = ?", (f"{HIDDEN} {key}", key))
    else:
        db.execute("DELETE FROM conversations WHERE key = ?", (key,))
        db.execute("DELETE FROM forks WHERE key = ?", (key,))
    for other in (before | sources) - {key}:
        if db.execute("SELECT 1 FROM conversations WHERE key = ? AND owner LIKE ?", (other, f"{HIDDEN} %")).fetchone():
            _prune(db, other, removed)


def erase(
    db: sqlite3.Connection, segments: Sequence[Segment], seqs: Iterable[int], load: Callable[[str], bytes]
) -> int:
    """Put in the place of payloads what is left of them, in all forks that have them; return of how many."""
    removed: list[bytes | None] = []
    for seq in sorted(set(seqs)):
        segment = next((s for s in segments if s.low < seq <= s.high), None)
        if segment is None:
            continue
        place = segment.key << SEQ_BITS | seq
        place = max(db.execute("SELECT source FROM kept WHERE place = ?", (place,)), default=(place,))[0]
        row = db.execute(
            "SELECT kind, payload, salt FROM entries WHERE place = ? AND digest IS NULL", (place,)
        ).fetchone()
        if row is None:
            continue
        kind, payload, salt = row
        left = erased_bytes(kind, chain.decode(payload, load))
        digest = chain.digest(salt, payload)
        db.execute("UPDATE entries SET payload = ?, salt = NULL, digest = ? WHERE place = ?", (left, digest, place))
        removed.append(payload)
    _sweep(db, removed)
    return len(removed)


def _sweep(db: sqlite3.Connection, removed: Iterable[bytes | None]) -> None:
    """Remove the artifacts that only removed payloads referred to."""
    unused = set(references(removed))
    if unused:
        for (payload,) in db.execute("SELECT payload FROM entries WHERE instr(payload, '\"$artifact\"')"):
            unused.difference_update(references([payload]))
    db.executemany("DELETE FROM artifacts WHERE digest = ?", [(digest,) for digest in unused])


def restore(db: sqlite3.Connection, recording: Recording, id: str, owner: str) -> None:
    """Write a recording as a conversation: of entries that were written in another, that other is made first, hidden.

    Raises:
        sqlite3.IntegrityError: There is one of this id.
    """
    found = parts(recording, id)
    parent = base = 0
    last = chain.GENESIS
    for at, (of, stored) in enumerate(found):
        final = at == len(found) - 1
        last, count = (stored[-1].hash, stored[-1].seq) if stored else (last, base)
        made = db.execute(
            "INSERT INTO conversations (owner, id, count, head) VALUES (?, ?, ?, ?)",
            (owner if final else f"{HIDDEN} new", id if final else of or recording.conversation, count, last),
        )
        key = made.lastrowid or 0
        if not final:
            db.execute("UPDATE conversations SET owner = ? WHERE key = ?", (f"{HIDDEN} {key}", key))
        if base:
            db.execute("INSERT INTO forks VALUES (?, ?, ?)", (key, parent, base))
        db.executemany(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (key << SEQ_BITS | s.seq, s.run, s.path, s.kind, s.version, s.at, s.data, s.salt, s.hash, s.digest)
                for s in stored
            ],
        )
        parent, base = key, count
    db.executemany(
        "INSERT OR IGNORE INTO artifacts VALUES (?, ?, ?, ?)",
        [(owner, a.digest, a.type, a.data) for a in recording.artifacts.values()],
    )


def scrub(db: sqlite3.Connection, path: Any) -> None:
    """Write the file anew, so that no page, free or used, and no log holds what was removed.

    Raises:
        StoreError: Another program is in the way.
    """
    try:
        db.execute("VACUUM")
        [(busy, *_)] = db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error) and "busy" not in str(error):
            raise
        busy = True
    if busy:
        raise StoreError(
            f"What was removed can be read no more, but traces of it may be left in {path}: another program uses it. "
            "Close that, then do this again: with nothing left to remove, it only clears the file."
        )
