"""The open journal of a conversation in an SQLite file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from quorate.runs import chain
from quorate.runs.entries import FORMAT, Entry, Payload, check_size, redacted
from quorate.runs.inbox import Deliver, Note, Watcher
from quorate.runs.ledger import Balance
from quorate.runs.sqlite.schema import SEQ_BITS, digest_of
from quorate.runs.stored import Head

if TYPE_CHECKING:
    from quorate.runs.sqlite.store import SqliteStore


class SqliteJournal:
    """The open journal of one conversation in a SQLite store."""

    durable = True
    follows_living = False

    def __init__(self, store: SqliteStore, key: int, id: str, owner: str, fence: int, head: Head, last: bytes) -> None:
        self.conversation, self.owner = id, owner
        self.key, self.fence = key, fence
        self._store, self._now, self._redact = store, store.clock.now_us, store.redact
        self._count, self._last = head.length, last
        self._secret = store.secret(owner)
        self._digests: dict[str, str] = {}
        self.artifacts: dict[str, tuple[str, bytes]] = {}
        self.kept: set[str] = set()  # what its own entries refer to, which nobody deletes while it is open
        self.rows: list[tuple[Any, ...]] = []
        self.taken: list[str] = []
        self.charges: list[tuple[str, str, Payload]] = []
        self.unsynced = False

    def append(self, run: int, path: str, kind: str, payload: Payload) -> Entry:
        check_size(kind, payload)
        if self._redact is not None:
            payload = redacted(self._redact, path, kind, payload)
        data = chain.encode(kind, payload, self._keep)
        at, seq, salt = self._now(), self._count + 1, chain.fresh_salt()
        self._last = chain.link(self._last, self.conversation, seq, run, path, kind, at, chain.digest(salt, data))
        self._count = seq
        self.rows.append((self.key << SEQ_BITS | seq, run, path, kind, FORMAT, at, data, salt, self._last))
        return Entry(seq, run, path, kind, at, payload)

    def refer(self, source: tuple[Any, ...]) -> None:
        """Keep a further entry of the parent, given as a link; its payload is read where it is."""
        _, run, path, kind, at, version, payload, salt, _, erased, _ = source
        self._count += 1
        body = digest_of(payload, salt, erased)
        self._last = chain.link(self._last, self.conversation, self._count, run, path, kind, at, body, version)
        self.rows.append((self.key << SEQ_BITS | self._count, run, path, kind, version, at, None, None, self._last))

    def _keep(self, text: str, media_type: str) -> str:
        digest = self._digests.get(text)
        if digest is None:
            data = text.encode(errors="surrogatepass")
            digest = chain.keyed(self._secret, data)
            if digest not in self.kept:
                self.artifacts[digest] = media_type, data
            if len(text) < chain.INLINE_BYTES:
                self._digests[text] = digest
        return digest

    async def commit(self, *, sync: bool = False) -> None:
        if self.rows or self.taken or self.charges or sync:
            await self._store.commit(self, sync=sync)

    def charge(self, ledger: str, kind: str, said: Payload) -> None:
        self.charges.append((ledger, kind, said))

    async def reserve(self, ledgers: Sequence[str], decide: Callable[[list[Balance]], None]) -> None:
        await self._store.reserve(self, ledgers, decide)

    async def entries(self) -> list[Entry]:
        return await self._store.read(self.conversation, owner=self.owner)

    async def inbox(self) -> list[Note]:
        return await self._store.notes(self.conversation, owner=self.owner)

    def take(self, note: Note) -> None:
        self.taken.append(note.id)

    def watch(self, deliver: Deliver) -> None:
        self._store.watch(self, Watcher(deliver))

    async def end(self, last: Callable[[], object], known: Collection[str]) -> list[Note]:
        return await self._store.end(self, last, known)

    def fingerprint(self, data: bytes) -> str:
        return chain.keyed(self._secret, data)

    def head(self) -> Head:
        return Head(self._count, self._last.hex())

    @property
    def last(self) -> bytes:
        return self._last

    async def release(self) -> None:
        await self._store.release(self)
