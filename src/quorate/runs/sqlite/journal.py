"""The open journal of a conversation in an SQLite file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from quorate.runs.chained import ChainedJournal
from quorate.runs.inbox import Note
from quorate.runs.ledger import Balance
from quorate.runs.sqlite.schema import SEQ_BITS, digest_of

if TYPE_CHECKING:
    from quorate.runs.sqlite.store import SqliteStore


class SqliteJournal(ChainedJournal["SqliteStore"]):
    """The open journal of one conversation in an SQLite store.

    Attributes:
        kept: The large texts that its own entries refer to, which nobody deletes while it is open.
        taken: The ids of notes that entries have now.
    """

    def __init__(self, store: SqliteStore, key: int, id: str, owner: str, fence: int, count: int, last: bytes) -> None:
        super().__init__(store, id, owner, secret=store.secret(owner), count=count, last=last)
        self.key, self.fence = key, fence
        self.kept: set[str] = set()
        self.taken: list[str] = []
        self.unsynced = False

    def row(self, seq: int, run: int, path: str, *entry: Any) -> tuple[Any, ...]:
        return self.key << SEQ_BITS | seq, run, path, *entry

    def refer(self, source: tuple[Any, ...]) -> None:
        """Keep a further entry of the parent, given as a link."""
        _, run, path, kind, at, version, payload, salt, _, erased, _ = source
        self.refer_to(run, path, kind, version, at, digest_of(payload, salt, erased))

    def has(self, digest: str) -> bool:
        return digest in self.kept

    async def commit(self, *, sync: bool = False) -> None:
        if self.rows or self.taken or self.charges or sync:
            await self._store.commit(self, sync=sync)

    async def reserve(self, ledgers: Sequence[str], decide: Callable[[list[Balance]], None]) -> None:
        await self._store.reserve(self, ledgers, decide)

    def take(self, note: Note) -> None:
        self.taken.append(note.id)
