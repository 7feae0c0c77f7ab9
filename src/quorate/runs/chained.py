"""The open journal of a conversation in a store that keeps: entries are encoded, chained, and wait to be written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Any, Generic, Protocol, TypeVar

from quorate.runs import chain
from quorate.runs.clock import Clock
from quorate.runs.entries import FORMAT, Entry, Payload, Redact, check_size, redacted
from quorate.runs.inbox import Deliver, Note, Watcher
from quorate.runs.stored import Head

J = TypeVar("J", contravariant=True)


class Keeps(Protocol[J]):
    """What a journal needs of its store."""

    clock: Clock
    redact: Redact | None

    async def commit(self, journal: J, *, sync: bool) -> None: ...
    async def read(self, id: str, *, owner: str) -> list[Entry]: ...
    async def notes(self, id: str, *, owner: str) -> list[Note]: ...
    def watch(self, journal: J, watcher: Watcher) -> None: ...
    async def end(self, journal: J, last: Callable[[], object], known: Collection[str]) -> list[Note]: ...
    async def release(self, journal: J) -> None: ...


S = TypeVar("S", bound="Keeps[Any]")


class ChainedJournal(ABC, Generic[S]):
    """What the journals of all stores that keep have in common; how a row looks, and how it is written, is theirs.

    Attributes:
        rows: Entries that are to be written.
        artifacts: Large texts of them, by digest.
        charges: What is to be written to ledgers.
    """

    durable = True
    append_later = None
    follows_living = False

    def __init__(self, store: S, id: str, owner: str, *, secret: bytes, count: int, last: bytes) -> None:
        self.conversation, self.owner = id, owner
        self._store, self._now, self._redact, self._secret = store, store.clock.now_us, store.redact, secret
        self._count, self._last = count, last
        self._digests: dict[str, str] = {}
        self.rows: list[tuple[Any, ...]] = []
        self.artifacts: dict[str, tuple[str, bytes]] = {}
        self.charges: list[tuple[str, str, Payload]] = []

    @abstractmethod
    def row(self, seq: int, run: int, path: str, *entry: Any) -> tuple[Any, ...]:
        """Return an entry as it is written: `entry` is its kind, version, time, payload, salt and hash.

        One that a fork keeps of its parent has neither payload nor salt of its own.
        """

    def append(self, run: int, path: str, kind: str, payload: Payload) -> Entry:
        check_size(kind, payload)
        if self._redact is not None:
            payload = redacted(self._redact, path, kind, payload)
        data = chain.encode(kind, payload, self._keep)
        at, seq, salt = self._now(), self._count + 1, chain.fresh_salt()
        self._last = chain.link(self._last, self.conversation, seq, run, path, kind, at, chain.digest(salt, data))
        self._count = seq
        self.rows.append(self.row(seq, run, path, kind, FORMAT, at, data, salt, self._last))
        return Entry(seq, run, path, kind, at, payload)

    def refer_to(self, run: int, path: str, kind: str, version: int, at: int, digest: bytes) -> None:
        """Keep a further entry of the parent, whose payload is read where it is."""
        self._count += 1
        self._last = chain.link(self._last, self.conversation, self._count, run, path, kind, at, digest, version)
        self.rows.append(self.row(self._count, run, path, kind, version, at, None, None, self._last))

    def _keep(self, text: str, media_type: str) -> str:
        digest = self._digests.get(text)
        if digest is None:
            data = text.encode(errors="surrogatepass")
            digest = chain.keyed(self._secret, data)
            if not self.has(digest):
                self.artifacts[digest] = media_type, data
            if len(text) < chain.INLINE_BYTES:
                self._digests[text] = digest
        return digest

    def has(self, digest: str) -> bool:
        """Whether a large text is known to be kept already."""
        return False

    def charge(self, ledger: str, kind: str, said: Payload) -> None:
        self.charges.append((ledger, kind, said))

    async def entries(self) -> list[Entry]:
        return await self._store.read(self.conversation, owner=self.owner)

    async def inbox(self) -> list[Note]:
        return await self._store.notes(self.conversation, owner=self.owner)

    def watch(self, deliver: Deliver) -> None:
        self._store.watch(self, Watcher.here(deliver))

    async def end(self, last: Callable[[], object], known: Collection[str]) -> list[Note]:
        return await self._store.end(self, last, known)

    def fingerprint(self, data: bytes) -> str:
        return chain.keyed(self._secret, data)

    def head(self) -> Head:
        return Head(self._count, self._last.hex())

    async def release(self) -> None:
        await self._store.release(self)
