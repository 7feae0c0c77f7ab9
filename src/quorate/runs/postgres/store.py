"""The PostgreSQL store: one writer per conversation, many conversations to a commit, one round trip to a commit."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from operator import add
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from quorate.errors import ConfigError, Conflict, QuorateError, StoreError
from quorate.runs import chain
from quorate.runs.clock import Clock, SystemClock
from quorate.runs.entries import FORMAT, LOCAL_OWNER, Draft, Entry, Redact, tombstone
from quorate.runs.inbox import CLOSE_QUESTIONS, Note, OpenQuestion, Watcher, about, ready
from quorate.runs.journal import (
    Conversation,
    Summary,
    check_there,
    checked_id,
    going_on,
    taken_id,
    too_new,
    unknown_parent,
)
from quorate.runs.ledger import Balance, balance_of
from quorate.runs.portable import Recording
from quorate.runs.postgres.inbox import Inbox, noted
from quorate.runs.postgres.journal import Part, PostgresJournal
from quorate.runs.postgres.keeping import Keeping
from quorate.runs.postgres.ledgers import Books
from quorate.runs.postgres.mark import Mark
from quorate.runs.postgres.schema import Statements, bring_up_to_date, columns
from quorate.runs.postgres.wire import Address, Driver, Line, Work
from quorate.runs.stored import Artifact, Head, Stored, references
from quorate.runs.verifying import verified

if TYPE_CHECKING:
    from quorate.runs.signing import Key

BEAT_S = 10.0
_END = 2**63 - 1
MANY = 200
"""So many entries are decoded off the event loop."""
Durability = Literal["process", "power"]
T = TypeVar("T")


class PostgresStore:
    """Conversations in a schema of a PostgreSQL database.

    Args:
        url: `postgresql://user@host:port/database`, with options `schema`, `lease`, `expires_s`; what else it says is
            the driver's.
        durability: What a commit survives: `process`, at least a killed process, and what the server's
            `synchronous_commit` says; `power`, a power cut of the server too. The intent of an unsafe call and an
            answer always survive both.
        clock: Where time comes from.
        redact: Sees every entry before it is hashed and written.
        signing_key: Signs the heads that are given out.

    Raises:
        ConfigError: The URL has an option of ours with a wrong value.
        MissingExtra: The driver is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        durability: Durability = "process",
        clock: Clock | None = None,
        redact: Redact | None = None,
        signing_key: Key | None = None,
    ) -> None:
        self.signing_key = signing_key
        self.address = Address.of(url)
        self.url = self.address.url
        self.clock, self.redact = clock or SystemClock(), redact
        self.holder = secrets.randbits(62) | 1
        self._mark = Mark()
        self._power = durability == "power"
        self._driver = Driver(self.address)
        self._sql = Statements(self.address.schema)
        self._keeping = Keeping(self.address.schema)
        self._writer = Line(self._driver, self._become_holder)
        self._other = Line(self._driver, self._meet)  # so that nothing else waits for commits, nor they for it
        self._writer.on_lost = self._look_after
        self._met = self._closed = self._off = False
        self._secrets: dict[str, bytes] = {}
        self._open: dict[int, PostgresJournal] = {}
        self._waiting: list[tuple[PostgresJournal, bool, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._inbox = Inbox(self._driver, self._other, self._sql)
        self._beat_at: asyncio.TimerHandle | None = None

    # -- connections --------------------------------------------------------------------------------------------------

    async def _do(self, line: Line, work: Work[T], *, transaction: bool = True) -> T:
        if self._closed:
            raise StoreError(f"The store {self.address.name} is closed.")
        return await line.do(work, transaction=transaction)

    async def _meet(self, connection: Any) -> None:
        if not self._met:
            await bring_up_to_date(connection, self.address.schema, self.address.name)
            self._met = True

    async def _become_holder(self, connection: Any) -> None:
        """Take this process's lock, and say that it lives. A lock of its own that was lost from sight is broken."""
        await self._meet(connection)
        self._mark.set(self.holder)
        self._off = await connection.fetchval("SELECT current_setting('synchronous_commit')") == "off"
        expires: float | None = self.address.expires_s
        if self._driver.lease == "lock":
            expires = None
            for name, value in (("idle", 10), ("interval", 5), ("count", 3)):  # the lock of a dead machine goes soon
                await connection.execute(f"SET tcp_keepalives_{name} = {value}")
            lock = "SELECT pg_try_advisory_lock($1)"
            if not await connection.fetchval(lock, self.holder):
                await connection.execute(self._sql.break_lock, self.holder)
                if not await connection.fetchval(lock, self.holder):
                    raise StoreError(f"{self.address.name}: the lock of this process is held by a lost connection.")
        await connection.execute(self._sql.beat, self.holder, expires)
        await connection.execute(self._sql.forget_holders)

    def _look_after(self) -> None:
        """Show a sign of life now, and then from time to time while a conversation is open; one for all of them."""
        if self._beat_at is not None:
            self._beat_at.cancel()
            self._beat_at = None
        if self._open and not self._closed:
            loop = asyncio.get_running_loop()
            if self._beating is None or self._beating.done():
                self._beating = loop.create_task(self._beat(), name="quorate heartbeat")
            every = min(BEAT_S, self.address.expires_s / 3)
            self._beat_at = loop.call_later(every, self._look_after)

    async def _beat(self) -> None:
        expires = None if self._driver.lease == "lock" else self.address.expires_s
        with suppress(StoreError, ConfigError):  # the next commit tells, if it still is so then
            await self._do(self._writer, lambda db: db.execute(self._sql.beat, self.holder, expires))

    # -- conversations ------------------------------------------------------------------------------------------------

    def conversation(self, id: str | None = None, *, owner: str = LOCAL_OWNER) -> Conversation:
        return Conversation(self, id, owner=owner)

    async def secret(self, owner: str) -> bytes:
        """Return the owner's secret, made at first use."""
        known = self._secrets.get(owner)
        if known is None:
            made = secrets.token_bytes(32)

            async def make(db: Any) -> bytes:
                await db.execute(self._sql.new_owner, owner, made)
                return await db.fetchval(self._sql.owner, owner)

            known = self._secrets[owner] = await self._do(self._other, make)
        return known

    async def open(self, id: str, *, owner: str = LOCAL_OWNER, take_over: bool = False) -> PostgresJournal:
        checked_id(id)
        secret = await self.secret(owner)

        async def take(db: Any) -> Any:
            async with db.transaction():
                await db.execute(self._sql.new_conversation, owner, id, chain.GENESIS)
                lease = await db.fetchrow(self._sql.lease, owner, id)
                holder, own = lease["holder"], lease["holder"] == self.holder
                if holder and (lease["key"] in self._open if own else not take_over and self._lives(lease)):
                    raise Conflict(
                        f"A run of conversation {id} is going on in a living process. Wait for it, or stop it there. "
                        "If it hangs: resume with --take-over; it can then write no more."
                    )
                await db.execute(self._sql.hold, lease["key"], self.holder)
                return lease

        lease = await self._do(self._writer, take)
        left = lease["holder"] not in {None, self.holder}
        journal = self._open[lease["key"]] = PostgresJournal(self, lease, id, owner, secret)
        journal.follows_living = left and not self._mark.known_dead(lease["holder"])
        if self._beat_at is None:
            self._look_after()
        return journal

    async def release(self, journal: PostgresJournal) -> None:
        """Give a conversation back. Whatever was not committed is dropped."""
        if self._open.get(journal.key) is journal:
            self._inbox.forget(journal.key)
            del self._open[journal.key]
            if not self._open:
                self._look_after()
            with suppress(StoreError):
                await self._do(self._writer, lambda db: db.execute(self._sql.give_back, journal.key, journal.fence))

    async def is_held(self, id: str, *, owner: str = LOCAL_OWNER) -> bool:
        row = await self._do(self._other, lambda db: db.fetchrow(self._sql.holder, owner, id))
        if row is None or row["holder"] is None:
            return False
        return row["key"] in self._open if row["holder"] == self.holder else self._lives(row)

    def _lives(self, lease: Any) -> bool:
        """Whether who holds a conversation lives; that his process is dead, the server may be told only later."""
        return lease["alive"] and not self._mark.known_dead(lease["holder"])

    # -- forks --------------------------------------------------------------------------------------------------------

    async def fork(
        self, id: str, *, parent: str, upto: int, first: Sequence[Draft | int] = (), owner: str = LOCAL_OWNER
    ) -> Conversation:
        checked_id(id)
        secret = await self.secret(owner)
        made: Beginning | None = None

        async def branch(db: Any) -> None:
            nonlocal made
            again = made is not None  # the connection was lost: it may be there already
            async with db.transaction():
                if made is None:
                    made = await self._beginning(db, id, parent, upto, first, owner, secret)
                head = made.journal.head()
                key = await db.fetchval(self._sql.new_fork, owner, id, head.length, bytes.fromhex(head.hash))
                if key is not None:
                    await self._begin(db, key, made)
                elif not again or tuple(await db.fetchrow(self._sql.length, owner, id)) != (
                    head.length,
                    bytes.fromhex(head.hash),
                ):
                    raise taken_id(id)

        await self._do(self._other, branch)
        return self.conversation(id, owner=owner)

    async def _beginning(
        self, db: Any, id: str, parent: str, upto: int, first: Sequence[Draft | int], owner: str, secret: bytes
    ) -> Beginning:
        """Return what a fork begins with."""
        length = await db.fetchrow(self._sql.length, owner, parent)
        if length is None or not length["count"]:
            raise unknown_parent(parent)
        check_there(parent, length["count"], upto, first)
        segments = [tuple(row) for row in await db.fetch(self._sql.segments, owner, parent)]

        def key_of(seq: int) -> int:
            return next((key for key, _, low, high in segments if low < seq <= high), segments[0][0])

        last = await db.fetchval(self._sql.hash, key_of(upto), upto) if upto else chain.GENESIS
        lease = {"key": 0, "fence": -1, "count": upto, "head": last}
        made = Beginning(PostgresJournal(self, lease, id, owner, secret), key_of(upto), upto, [])
        for item in first:
            if isinstance(item, Draft):
                made.journal.append(*item)
            else:
                source = await db.fetchrow(self._sql.link, key_of(item), item)
                made.journal.refer(source)
                made.kept.append((made.journal.head().length, source["key"], source["seq"]))
        return made

    async def _begin(self, db: Any, key: int, made: Beginning) -> None:
        journal = made.journal
        await db.execute(self._sql.branch, key, made.parent, made.base)
        kept = [(journal.owner, digest, *what) for digest, what in journal.artifacts.items()]
        await db.executemany(self._sql.new_artifact, kept)
        await db.executemany(self._sql.new_entry, [(key, *row) for row in journal.rows])
        await db.executemany(self._sql.keep, [(key, *source) for source in made.kept])

    # -- what is removed, and taken in --------------------------------------------------------------------------------

    async def delete(self, id: str, *, owner: str = LOCAL_OWNER) -> bool:
        async def work(db: Any) -> bool:
            key = await self._idle(db, id, owner)
            if key is not None:
                await self._keeping.delete(db, key)
            return key is not None

        return await self._removing(work)

    async def erase(self, id: str, seqs: Collection[int], *, owner: str = LOCAL_OWNER) -> int:
        async def work(db: Any) -> int:
            if await self._idle(db, id, owner) is None:
                return 0
            segments = await db.fetch(self._sql.segments, owner, id)
            there = await self._keeping.payloads(db, segments, seqs)
            load = self._loader(owner, await self._artifacts(db, owner, there))
            return await self._keeping.erase(db, segments, seqs, load)

        return await self._removing(work)

    async def _removing(self, work: Work[T]) -> T:
        async def do(db: Any) -> T:
            async with db.transaction():
                return await work(db)

        return await self._do(self._other, do)

    async def _idle(self, db: Any, id: str, owner: str) -> int | None:
        """Return the key of a conversation that nobody works on, None where there is none.

        Raises:
            Conflict: Somebody who is alive holds it.
        """
        lease = await db.fetchrow(self._sql.lease, owner, id)
        if lease is None:
            return None
        own = lease["holder"] == self.holder
        if lease["holder"] and (lease["key"] in self._open if own else self._lives(lease)):
            raise going_on(id)
        return lease["key"]

    async def restore(self, recording: Recording, *, id: str | None = None, owner: str = LOCAL_OWNER) -> Conversation:
        where = self.conversation(recording.conversation if id is None else id, owner=owner)
        await asyncio.to_thread(recording.verify)

        async def work(db: Any) -> None:
            if not await self._keeping.restore(db, recording, where.id, owner):
                raise taken_id(where.id)

        await self._removing(work)
        return where

    async def scrub(self) -> None:
        await self._do(self._other, self._keeping.scrub, transaction=False)

    # -- writing ------------------------------------------------------------------------------------------------------

    async def commit(self, journal: PostgresJournal, *, sync: bool) -> None:
        """Write what a journal has appended. Whoever asks while a commit is under way shares the next one.

        The writing has a task of its own, so that it ends well when who waits for it is cancelled.
        """
        self._check_open(journal)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((journal, sync, done))
        if self._writing is None or self._writing.done():
            self._writing = loop.create_task(self._write_all(), name="quorate commit")
        await done

    def _check_open(self, journal: PostgresJournal) -> None:
        if self._open.get(journal.key) is not journal:
            raise Conflict(f"The journal of {journal.conversation} was released: who writes on has to open it again.")

    async def _write_all(self) -> None:
        waiting: list[tuple[PostgresJournal, bool, asyncio.Future[None]]] = []
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                synced = self._power or any(sync for _, sync, _ in waiting)
                failed = await self._write({journal for journal, _, _ in waiting}, synced)
                for journal, _, done in waiting:
                    if not done.done():
                        error = failed.get(journal)
                        done.set_result(None) if error is None else done.set_exception(error)
        finally:
            for _, _, done in waiting + self._waiting:
                done.cancel()

    async def _write(self, journals: set[PostgresJournal], synced: bool) -> dict[PostgresJournal, Exception]:
        """Write what journals have appended, and return why it was not possible, for each of which it was not."""
        failed: dict[PostgresJournal, Exception] = {}

        async def write(db: Any) -> None:
            while left := journals - failed.keys():
                parts = [Part(journal) for journal in left]
                moved, states = await self._send(db, parts, synced)
                for part in parts:
                    try:
                        if part.key in moved:
                            part.done()
                            journals.discard(part.journal)
                        else:
                            part.found(states.get(part.key))
                    except StoreError as error:
                        failed[part.journal] = error

        try:
            await self._do(self._writer, write)
        except (StoreError, ConfigError) as error:
            failed |= dict.fromkeys(journals - failed.keys(), error)
        return failed

    async def _send(self, db: Any, parts: list[Part], synced: bool) -> tuple[set[int], dict[int, Any]]:
        """Send a commit, and return which conversations it moved on and how the others stand."""
        parts.sort(key=lambda part: part.key)  # everybody locks in one order
        taken = [(part.key, *note) for part in parts for note in part.taken]
        kept = [(part.journal.owner, digest, *what) for part in parts for digest, what in part.artifacts.items()]
        if len(parts) == 1 and not taken and not kept and parts[0].one_run:
            return await self._send_one(db, parts[0], synced and self._off)
        values = columns([part.place for part in parts], 5)
        values += columns([(part.key, *row) for part in parts for row in part.rows], 10)
        if taken or kept:
            values += columns(taken, 3) + columns(kept, 4)
        sql = self._sql.write(rare=bool(taken or kept), synced=synced and self._off)
        moved = {row[0] for row in await db.fetch(sql, *values)}
        return await self._not_moved(db, parts, moved)

    async def _send_one(self, db: Any, part: Part, synced: bool) -> tuple[set[int], dict[int, Any]]:
        """Send the commit of one conversation without anything rare in it: the same with a third of the values."""
        sql = self._sql.write_one_synced if synced else self._sql.write_one
        _, runs, paths, kinds, versions, ats, payloads, salts, hashes = columns(part.rows, 9)
        proofs = list(map(add, salts, hashes))
        first = runs[0] if runs else 0, versions[0] if versions else 0
        moved = {row[0] for row in await db.fetch(sql, *part.place, *first, paths, kinds, ats, payloads, proofs)}
        return await self._not_moved(db, [part], moved)

    async def _not_moved(self, db: Any, parts: list[Part], moved: set[int]) -> tuple[set[int], dict[int, Any]]:
        left = [part.key for part in parts if part.key not in moved]
        states = await db.fetch(self._sql.states, left) if left else ()
        return moved, {row["key"]: row for row in states}

    async def end(self, journal: PostgresJournal, last: Callable[[], object], known: Collection[str]) -> list[Note]:
        """Write the entry that ends an attempt, unless there is something in the inbox that the run does not know."""
        self._check_open(journal)
        appended, books = False, Books(self._sql, self.clock)

        async def check(db: Any) -> list[Note]:
            nonlocal appended
            async with db.transaction():
                await db.execute(self._sql.close_inbox, journal.key)  # who posts waits till this is over
                if not appended:
                    taken = {id for id, _ in journal.taken}
                    notes = noted(await db.fetch(self._sql.untaken, journal.key))
                    unknown = [note for note in notes if note.id not in known and note.id not in taken]
                    if unknown:
                        return unknown
                    last()
                    appended = True
                part, charges = Part(journal), list(journal.charges)
                found = await books.locked(db, [id for id, _, _ in charges]) if charges else {}
                moved, states = await self._send(db, [part], self._power)
                if not moved:
                    part.found(states.get(part.key))  # it is done already, and only the answer was lost
                    return []
                if charges:
                    await books.add(db, found, charges)
            part.done()
            del journal.charges[: len(charges)]
            return []

        return await self._do(self._writer, check)

    async def spend(
        self,
        journal: PostgresJournal,
        ledgers: Sequence[str] = (),
        decide: Callable[[list[Balance]], None] | None = None,
        *,
        sync: bool = False,
    ) -> None:
        """Commit with what is charged to ledgers, after a look at some that nobody can change in between."""
        self._check_open(journal)
        books, left = Books(self._sql, self.clock), decide

        async def work(db: Any) -> None:
            nonlocal left
            async with db.transaction():
                found = await books.locked(db, [*ledgers, *(id for id, _, _ in journal.charges)])
                if left is not None:
                    try:
                        left([balance_of(found[id].last) for id in ledgers])
                    except Exception as error:
                        raise _Undecided from error
                    left = None
                part, charges = Part(journal), list(journal.charges)
                done = await books.done(db)
                moved, states = await self._send(db, [part], self._power or sync)
                if not moved:
                    part.found(states.get(part.key))  # it is done already, and only the answer was lost
                elif not done:
                    await books.add(db, found, charges)
            if moved:
                part.done()
            del journal.charges[: len(charges)]

        try:
            await self._do(self._writer, work)
        except _Undecided as undecided:
            raise undecided.__cause__ or undecided from None

    # -- reading ------------------------------------------------------------------------------------------------------

    async def _artifacts(self, db: Any, owner: str, payloads: Iterable[bytes | None]) -> dict[str, Artifact]:
        wanted = references(payloads)
        found = await db.fetch(self._sql.artifacts, owner, wanted) if wanted else ()
        return {row["digest"]: Artifact(*row) for row in found}

    def _loader(self, owner: str, artifacts: dict[str, Artifact]) -> Callable[[str], bytes]:
        def load(digest: str) -> bytes:
            found = artifacts.get(digest)
            if found is None:
                raise StoreError(f"{self.address.name} has lost the content {digest} of {owner}.")
            return found.data

        return load

    async def read(
        self, id: str, *, owner: str = LOCAL_OWNER, kinds: Sequence[str] = (), after: int = 0, limit: int | None = None
    ) -> list[Entry]:
        async def fetch(db: Any) -> tuple[list[Any], dict[str, Artifact]]:
            rows: list[Any] = []
            for key, _, low, high in await db.fetch(self._sql.segments, owner, id):
                left = None if limit is None else limit - len(rows)
                rows += await db.fetch(self._sql.entries, key, max(low, after), high, list(kinds) or None, left)
            return rows, await self._artifacts(db, owner, [row["payload"] for row in rows])

        rows, artifacts = await self._do(self._other, fetch)
        newer = next((row for row in rows if row["version"] > FORMAT), None)
        if newer:
            raise too_new(f"Entry {newer['seq']} of {id}", newer["version"])
        load = self._loader(owner, artifacts)
        if len(rows) < MANY:
            return _decoded(rows, load)
        return await asyncio.to_thread(_decoded, rows, load)

    async def stored(self, id: str, *, owner: str = LOCAL_OWNER) -> tuple[list[Stored], list[Artifact]]:
        """Return a conversation's entries as they are kept, and the artifacts that they refer to."""

        async def fetch(db: Any) -> tuple[list[Stored], list[Artifact]]:
            rows = await db.fetch(self._sql.linked, owner, id)
            found = [_stored(row) for row in rows if row["seq"] is not None]
            return found, list((await self._artifacts(db, owner, [s.data for s in found])).values())

        return await self._do(self._other, fetch)

    async def verify(self, id: str, *, owner: str = LOCAL_OWNER, given: Head | None = None) -> Head:
        async def fetch(db: Any) -> tuple[list[Any], dict[str, Artifact]]:
            rows = await db.fetch(self._sql.linked, owner, id)
            return rows, await self._artifacts(db, owner, [row["payload"] for row in rows])

        rows, artifacts = await self._do(self._other, fetch)
        head = Head(rows[0]["count"], rows[0]["head"].hex()) if rows else Head(0, chain.GENESIS.hex())
        stored = [_stored(row) for row in rows if row["seq"] is not None]
        load = self._loader(owner, artifacts)
        await asyncio.to_thread(lambda: verified(id, stored, head=head, given=given, load=load))
        return head if head.length else Head(0, "")

    async def conversations(
        self,
        *,
        owner: str = LOCAL_OWNER,
        starting: str = "",
        before: Summary | None = None,
        limit: int | None = None,
    ) -> list[Summary]:
        end = (_END, "") if before is None else (before.last_at, before.id)
        sql = self._sql.conversations
        rows = await self._do(self._other, lambda db: db.fetch(sql, owner, starting, *end, limit))
        return [Summary(*row) for row in reversed(rows)]

    # -- the inbox ----------------------------------------------------------------------------------------------------

    async def post(self, id: str, note: Note, *, owner: str = LOCAL_OWNER) -> None:
        note, data = ready(note, self.redact)
        secret, at = await self.secret(owner), self.clock.now_us()

        async def put(db: Any) -> None:
            row = await db.fetchrow(self._sql.post, owner, id, note.id, note.kind, data, at)
            if row is None:
                raise ConfigError(f"There is no conversation {id} in {self.address.name}.")
            if not row["put"]:  # somebody was first: perhaps this very call, before its connection was lost
                kind, said, when, taken = await db.fetchrow(self._sql.posted, row["key"], note.id)
                first = said if taken else _same(secret, Note(note.id, kind, json.loads(said), when))
                if first != _same(secret, note):
                    raise Conflict(f"{note.id} has been answered already.")

        await self._do(self._other, put)

    async def notes(self, id: str, *, owner: str = LOCAL_OWNER) -> list[Note]:
        rows = await self._do(self._other, lambda db: db.fetch(self._sql.notes, owner, [id]))
        return noted(row[1:] for row in rows)

    def watch(self, journal: PostgresJournal, watcher: Watcher) -> None:
        """Tell a run what waits for it and, as long as it is going on, what comes."""
        self._inbox.watch(journal.key, watcher)

    async def questions(
        self,
        *,
        owner: str = LOCAL_OWNER,
        conversation: str | None = None,
        after: OpenQuestion | None = None,
        most: int = 1000,
    ) -> list[OpenQuestion]:
        last = ("", 0) if after is None else (after.conversation, after.entry.seq)

        async def fetch(db: Any) -> tuple[list[Any], list[Any], dict[str, Artifact]]:
            rows = await db.fetch(self._sql.questions, owner, conversation, *last, CLOSE_QUESTIONS, most)
            notes = await db.fetch(self._sql.notes, owner, list({row["id"] for row in rows}))
            return rows, notes, await self._artifacts(db, owner, [row["payload"] for row in rows])

        rows, notes, artifacts = await self._do(self._other, fetch)
        load = self._loader(owner, artifacts)
        entries = _decoded([row[1:] for row in rows], load)
        return [
            OpenQuestion(row[0], entry, about(entry, noted(note[1:] for note in notes if note[0] == row[0])))
            for row, entry in zip(rows, entries, strict=True)
        ]

    # -- the end ------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Give everything back and close the connections. May be called twice."""
        if self._closed:
            return
        for journal in list(self._open.values()):
            await self.release(journal)
        await self._inbox.close()
        for task in (self._writing, self._beating):
            if task is not None and not task.done():
                await asyncio.wait([task])
        if self._writer.known:
            with suppress(StoreError):
                await self._do(self._writer, lambda db: db.execute(self._sql.forget_holder, self.holder))
        self._closed = True
        self._mark.remove()
        await self._writer.close()
        await self._other.close()

    async def __aenter__(self) -> PostgresStore:
        await self._do(self._other, _nothing)
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.close()


class Beginning(NamedTuple):
    """What a fork begins with: the entries it has itself, and where those are that it keeps of its parent."""

    journal: PostgresJournal
    parent: int
    base: int
    kept: list[tuple[int, int, int]]


class _Undecided(QuorateError):
    """What decides on a reservation raised; its cause is what."""


async def _nothing(_db: Any) -> None:
    """Connect, so that what is wrong with the URL is told when the store is opened."""


def _same(secret: bytes, note: Note) -> bytes:
    """Return a digest that two notes of an id share only if they say the same."""
    return chain.keyed(secret, note.same()).encode()


def _stored(row: Any) -> Stored:
    seq, run, path, *rest = row[:11]
    return Stored(seq, run, path.decode(errors="surrogatepass"), *rest)


def _decoded(rows: Sequence[Any], load: Callable[[str], bytes]) -> list[Entry]:
    return [
        Entry(
            seq, run, path.decode(errors="surrogatepass"), kind, at,
            tombstone(kind) if data is None else chain.decode(data, load), version,
        )
        for seq, run, path, kind, at, data, version in rows
    ]  # fmt: skip
