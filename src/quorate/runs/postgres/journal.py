"""The open journal of one conversation in a PostgreSQL store, and what a commit writes of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from quorate.errors import Conflict, StoreError
from quorate.runs import chain
from quorate.runs.clock import Clock
from quorate.runs.entries import FORMAT, Entry, Payload, Redact, check_size, redacted
from quorate.runs.inbox import Deliver, Note, Watcher
from quorate.runs.ledger import Balance
from quorate.runs.stored import Head

Row = tuple[int, int, bytes, str, int, int, bytes | None, bytes | None, bytes]
"""What a commit writes of an entry: seq, run, path, kind, version, at, payload, salt, hash.

One that a fork keeps of its parent has neither payload nor salt of its own.
"""


class Writing(Protocol):
    """What a journal needs of its store."""

    clock: Clock
    redact: Redact | None

    async def commit(self, journal: PostgresJournal, *, sync: bool) -> None: ...
    async def spend(
        self,
        journal: PostgresJournal,
        ledgers: Sequence[str] = (),
        decide: Callable[[list[Balance]], None] | None = None,
        *,
        sync: bool = False,
    ) -> None: ...
    async def read(self, id: str, *, owner: str, kinds: Sequence[str] = ()) -> list[Entry]: ...
    async def notes(self, id: str, *, owner: str) -> list[Note]: ...
    def watch(self, journal: PostgresJournal, watcher: Watcher) -> None: ...
    async def end(self, journal: PostgresJournal, last: Callable[[], object], known: Collection[str]) -> list[Note]: ...
    async def release(self, journal: PostgresJournal) -> None: ...


class PostgresJournal:
    """The open journal of one conversation in a PostgreSQL store."""

    durable = True
    follows_living = False

    def __init__(self, store: Writing, lease: Any, id: str, owner: str, secret: bytes) -> None:
        self.conversation, self.owner = id, owner
        self.key, self.fence = lease["key"], lease["fence"] + 1
        self._store, self._now, self._redact, self._secret = store, store.clock.now_us, store.redact, secret
        self._count, self._last = lease["count"], lease["head"]
        self._digests: dict[str, str] = {}
        self.written, self.head_written = self._count, self._last
        self.rows: list[Row] = []
        self.taken: list[tuple[str, bytes]] = []
        self.artifacts: dict[str, tuple[str, bytes]] = {}
        self.charges: list[tuple[str, str, Payload]] = []

    def append(self, run: int, path: str, kind: str, payload: Payload) -> Entry:
        check_size(kind, payload)
        if self._redact is not None:
            payload = redacted(self._redact, path, kind, payload)
        data = chain.encode(kind, payload, self._keep)
        at, seq, salt = self._now(), self._count + 1, chain.fresh_salt()
        self._last = chain.link(self._last, self.conversation, seq, run, path, kind, at, chain.digest(salt, data))
        self._count = seq
        place = path.encode(errors="surrogatepass")
        self.rows.append((seq, run, place, kind, FORMAT, at, data, salt, self._last))
        return Entry(seq, run, path, kind, at, payload)

    def refer(self, source: Any) -> None:
        """Keep a further entry of the parent, whose payload is read where it is."""
        payload, salt, path = source["payload"], source["salt"], source["path"].decode(errors="surrogatepass")
        body = source["digest"] or chain.digest(salt or b"", payload or b"")
        self._count += 1
        place = self._count, source["run"], path, source["kind"], source["at"]
        self._last = chain.link(self._last, self.conversation, *place, body, source["version"])
        self.rows.append((
            self._count, source["run"], source["path"], source["kind"], source["version"], source["at"], None, None,
            self._last,
        ))  # fmt: skip

    def _keep(self, text: str, media_type: str) -> str:
        digest = self._digests.get(text)
        if digest is None:
            data = text.encode(errors="surrogatepass")
            digest = chain.keyed(self._secret, data)
            self.artifacts[digest] = media_type, data
            if len(text) < chain.INLINE_BYTES:
                self._digests[text] = digest
        return digest

    async def commit(self, *, sync: bool = False) -> None:
        if self.charges:
            await self._store.spend(self, sync=sync)
        elif self.rows or self.taken or sync:
            await self._store.commit(self, sync=sync)

    def charge(self, ledger: str, kind: str, said: Payload) -> None:
        self.charges.append((ledger, kind, said))

    async def reserve(self, ledgers: Sequence[str], decide: Callable[[list[Balance]], None]) -> None:
        await self._store.spend(self, ledgers, decide)

    async def entries(self) -> list[Entry]:
        return await self._store.read(self.conversation, owner=self.owner)

    async def inbox(self) -> list[Note]:
        return await self._store.notes(self.conversation, owner=self.owner)

    def take(self, note: Note) -> None:
        self.taken.append((note.id, chain.keyed(self._secret, note.same()).encode()))

    def watch(self, deliver: Deliver) -> None:
        self._store.watch(self, Watcher(deliver))

    async def end(self, last: Callable[[], object], known: Collection[str]) -> list[Note]:
        return await self._store.end(self, last, known)

    def fingerprint(self, data: bytes) -> str:
        return chain.keyed(self._secret, data)

    def head(self) -> Head:
        return Head(self._count, self._last.hex())

    async def release(self) -> None:
        await self._store.release(self)


class Part:
    """What one commit writes of one journal."""

    def __init__(self, journal: PostgresJournal) -> None:
        self.journal, self.key, self.fence = journal, journal.key, journal.fence
        self.rows, self.taken, self.artifacts = list(journal.rows), list(journal.taken), dict(journal.artifacts)
        self.before = journal.written
        after, head = (self.rows[-1][0], self.rows[-1][8]) if self.rows else (self.before, journal.head_written)

        self.after, self.head = after, head
        self.place = self.key, self.fence, self.before, after, head

    @property
    def one_run(self) -> bool:
        """Whether all its entries are of one run."""
        return all(row[1] == self.rows[0][1] for row in self.rows)

    def done(self) -> None:
        """Take it off what the journal still has to write."""
        journal = self.journal
        journal.written, journal.head_written = self.after, self.head
        del journal.rows[: len(self.rows)]
        del journal.taken[: len(self.taken)]
        for digest in self.artifacts:
            journal.artifacts.pop(digest, None)

    def found(self, state: Any) -> None:
        """Learn from the conversation's row why it was not moved on: rows that were written already are taken off.

        Raises:
            Conflict: Somebody else has the conversation, or it is gone.
            StoreError: The server has lost entries that it had.
        """
        journal = self.journal
        if state is None or state["fence"] != self.fence:
            why = "is gone" if state is None else "was taken over by another process"
            raise Conflict(f"Conversation {journal.conversation} {why}; this one stops.")
        there = state["count"] - self.before
        if not 0 < there <= len(self.rows) or self.rows[there - 1][8] != state["head"]:
            raise StoreError(
                f"The server has {state['count']} entries of {journal.conversation} where {self.before} were written. "
                "It was restored, or came back without its last commits. Resume from what is there."
            )
        journal.written, journal.head_written = state["count"], state["head"]
        del journal.rows[:there]
