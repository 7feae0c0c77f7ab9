"""The ledgers of shared budgets in an SQLite file."""

from __future__ import annotations

import sqlite3
from typing import Any

from quorate.errors import StoreError
from quorate.runs import chain
from quorate.runs.entries import FORMAT, Payload
from quorate.runs.ledger import LEDGERS, next_entry
from quorate.runs.sqlite.schema import INSERT, SEQ_BITS


def ledger(db: sqlite3.Connection, id: str) -> tuple[int, int, bytes, Payload | None]:
    """Return key, length, head and last payload of a ledger. The caller is in a transaction."""
    sql = (
        f"SELECT c.key, c.count, c.head, e.payload FROM conversations c LEFT JOIN entries e "  # noqa: S608  # made of constants
        f"ON e.place = (c.key << {SEQ_BITS} | c.count) WHERE c.owner = ? AND c.id = ?"
    )
    row = db.execute(sql, (LEDGERS, id)).fetchone()
    if row is None:
        return 0, 0, chain.GENESIS, None
    return row[0], row[1], row[2], None if row[3] is None else chain.decode(row[3], _no_artifact)


def charge(db: sqlite3.Connection, id: str, kind: str, said: Payload, at: int) -> None:
    """Add an entry to a ledger, made at first use. The caller is in a transaction that writes."""
    key, count, head, last = ledger(db, id)
    if not key:
        made = db.execute("INSERT INTO conversations (owner, id, head) VALUES (?, ?, ?)", (LEDGERS, id, chain.GENESIS))
        key = made.lastrowid or 0
    data = chain.encode(kind, next_entry(last, kind, said), _no_artifact)
    seq, salt = count + 1, chain.fresh_salt()
    head = chain.link(head, id, seq, 0, "", kind, at, chain.digest(salt, data))
    db.execute(
        INSERT,
        (key << SEQ_BITS | seq, 0, "", kind, FORMAT, at, data, salt, head),
    )
    db.execute("UPDATE conversations SET count = ?, head = ? WHERE key = ?", (seq, head, key))


def _no_artifact(*_: str) -> Any:
    raise StoreError("An entry of a ledger is small: it has no artifacts.")
