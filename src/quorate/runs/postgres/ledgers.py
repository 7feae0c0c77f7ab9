"""The ledgers of shared budgets in PostgreSQL: locked, looked up and added to in the transaction of a commit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from quorate.errors import StoreError
from quorate.runs import chain
from quorate.runs.clock import Clock
from quorate.runs.entries import FORMAT, Payload
from quorate.runs.ledger import LEDGERS, next_entry
from quorate.runs.postgres.schema import Statements, columns

Charge = tuple[str, str, Payload]
"""What is added to a ledger: its id, the kind of the entry, and what it says."""


class Ledger(NamedTuple):
    """A ledger as it is: its key, its length, its head, and what its last entry says."""

    key: int
    length: int
    head: bytes
    last: Payload | None


class Books:
    """What one reservation or settlement does with ledgers, also when it has to be tried again.

    A transaction whose answer was lost may have been done: then the entry that it was to add is there.
    """

    def __init__(self, sql: Statements, clock: Clock) -> None:
        self._sql, self._clock = sql, clock
        self._sent: tuple[int, int, bytes] | None = None

    async def locked(self, db: Any, ids: Iterable[str]) -> dict[str, Ledger]:
        """Lock ledgers until the transaction ends, everybody in one order; one that is new is made."""
        wanted = sorted(set(ids))
        await db.execute(self._sql.new_ledgers, LEDGERS, wanted, chain.GENESIS)
        found = await db.fetch(self._sql.lock_ledgers, LEDGERS, wanted)  # then what they say, as of now
        last = {row["key"]: row["payload"] for row in await db.fetch(self._sql.balances, [row["key"] for row in found])}
        return {
            row["id"]: Ledger(row["key"], row["count"], row["head"], _decoded(last.get(row["key"]))) for row in found
        }

    async def done(self, db: Any) -> bool:
        """Whether what was sent before is there."""
        return self._sent is not None and await db.fetchval(self._sql.is_there, *self._sent)

    async def add(self, db: Any, ledgers: dict[str, Ledger], charges: Iterable[Charge]) -> None:
        """Add entries to ledgers that are locked."""
        rows: list[tuple[Any, ...]] = []
        for id, kind, said in charges:
            ledger = ledgers[id]
            payload = next_entry(ledger.last, kind, said)
            data, at, salt = chain.encode(kind, payload, _no_artifact), self._clock.now_us(), chain.fresh_salt()
            seq = ledger.length + 1
            head = chain.link(ledger.head, id, seq, 0, "", kind, at, chain.digest(salt, data))
            rows.append((ledger.key, seq, 0, b"", kind, FORMAT, at, data, salt, head))
            ledgers[id] = Ledger(ledger.key, seq, head, payload)
            self._sent = ledger.key, seq, head
        await db.execute(self._sql.add_to_ledgers, *columns(rows, 10))
        moved = [(ledger.key, ledger.length, ledger.head) for ledger in ledgers.values()]
        await db.execute(self._sql.move_ledgers, *columns(moved, 3))


def _decoded(data: bytes | None) -> Payload | None:
    return None if data is None else chain.decode(data, _no_artifact)


def _no_artifact(*_: str) -> Any:
    raise StoreError("An entry of a ledger is small: it has no artifacts.")
