"""The SQLite store: one file, one writer per conversation, many conversations to a commit."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from quorate.errors import ConfigError, Conflict, StoreError
from quorate.runs import chain
from quorate.runs import sqlite_keeping as keeping
from quorate.runs.clock import Clock, SystemClock
from quorate.runs.entries import FORMAT, LOCAL_OWNER, Draft, Entry, Payload, Redact, check_size, redacted
from quorate.runs.inbox import Deliver, Note, OpenQuestion, Watcher, ready
from quorate.runs.journal import Conversation, Summary, check_there, checked_id, going_on, taken_id, unknown_parent
from quorate.runs.ledger import LEDGERS, Balance, balance_of, next_entry
from quorate.runs.portable import Recording
from quorate.runs.sqlite_reader import Reader
from quorate.runs.sqlite_schema import (
    BUSY_MS,
    HEAD,
    INSERT,
    LINKS,
    LONGEST,
    NOTES,
    SCHEMA,
    SEGMENTS,
    SEQ_BITS,
    Busy,
    Segment,
    digest_of,
    failed,
    noted,
    patiently,
    place_of,
)
from quorate.runs.stored import Artifact, Head, Stored

if TYPE_CHECKING:
    from quorate.runs.signing import Key

LOOK_S = 0.1
"""How often a store with runs going on looks whether another process has posted to them."""
Durability = Literal["process", "power"]


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


class SqliteStore:
    """Conversations in one SQLite file (WAL).

    Args:
        path: The file; made if absent.
        durability: What a commit survives: `process`, a killed process; `power`, a power cut too. The intent of an
            unsafe call always survives both.
        clock: Where time comes from.
        redact: Sees every entry before it is hashed and written.
        signing_key: Signs the heads that are given out.

    Raises:
        StoreError: The file cannot be opened, is no store, or is of a newer version.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        durability: Durability = "process",
        clock: Clock | None = None,
        redact: Redact | None = None,
        signing_key: Key | None = None,
    ) -> None:
        self.signing_key = signing_key
        self.path = Path(path)
        self.url = f"sqlite:///{self.path}"
        self.clock, self.redact = clock or SystemClock(), redact
        self._normal = "FULL" if durability == "power" else "NORMAL"
        self._guard = threading.Lock()
        self._open: dict[int, SqliteJournal] = {}
        self._waiting: list[tuple[SqliteJournal, asyncio.Future[None]]] = []
        self._secrets: dict[str, bytes] = {}
        self._watchers: dict[int, tuple[SqliteJournal, Watcher]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_loop: asyncio.AbstractEventLoop | None = None
        self._seen_version = 0
        self.holder = secrets.token_hex(8)
        self._lock: FileLock | None = None
        self._db = self._connect()
        self._reader = Reader(self.path, self._open_file())

    def _open_file(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)

    def _connect(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            db = made = self._open_file()
            found = patiently(lambda: self._prepare(made))
        except (sqlite3.Error, OSError, TypeError, ValueError) as error:
            if db is not None:
                db.close()
            raise StoreError(f"{self.path} cannot be opened as a store: {error}.{_advice(error)}") from error
        if found > FORMAT:
            db.close()
            raise StoreError(f"{self.path} has format {found}; this Quorate reads up to {FORMAT}. Use a newer Quorate.")
        return db

    # -- conversations ------------------------------------------------------------------------------------------------

    def _prepare(self, db: sqlite3.Connection) -> int:
        """Make the tables where there are none, and return the format of those that are there."""
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={self._normal}")
        db.executescript(SCHEMA)
        db.execute("INSERT OR IGNORE INTO meta VALUES ('format', ?)", (str(FORMAT),))
        return int(db.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()[0])

    def conversation(self, id: str | None = None, *, owner: str = LOCAL_OWNER) -> Conversation:
        return Conversation(self, id, owner=owner)

    def secret(self, owner: str) -> bytes:
        """Return the owner's secret, made at first use."""
        if owner not in self._secrets:
            with self._guard:
                self._write("INSERT OR IGNORE INTO owners VALUES (?, ?)", (owner, secrets.token_bytes(32)))
                row = self._db.execute("SELECT secret FROM owners WHERE owner = ?", (owner,)).fetchone()
            self._secrets[owner] = row[0]
        return self._secrets[owner]

    async def open(self, id: str, *, owner: str = LOCAL_OWNER, take_over: bool = False) -> SqliteJournal:
        checked_id(id)
        return await asyncio.to_thread(self._take, id, owner, take_over)

    def _take(self, id: str, owner: str, take_over: bool) -> SqliteJournal:
        self.secret(owner)
        with self._guard:
            if self._lock is None:
                self._lock = self._lock_of(self.holder)
                self._lock.acquire(timeout=0)
            row = self._transaction(lambda: self._lease(id, owner, take_over))
            key, fence, count, last, living = row
            journal = SqliteJournal(self, key, id, owner, fence, Head(count, last.hex()), last)
            journal.follows_living = living
            self._open[key] = journal
            return journal

    def _lease(self, id: str, owner: str, take_over: bool) -> tuple[int, int, int, bytes, bool]:
        self._db.execute(
            "INSERT OR IGNORE INTO conversations (owner, id, head) VALUES (?, ?, ?)", (owner, id, chain.GENESIS)
        )
        key, holder, fence, count, last = self._db.execute(
            "SELECT key, holder, fence, count, head FROM conversations WHERE owner = ? AND id = ?", (owner, id)
        ).fetchone()
        own = holder == self.holder
        living = bool(holder) and (key in self._open if own else self._alive(holder))
        if living and (own or not take_over):
            raise going_on(id, take_over=True)
        self._db.execute("UPDATE conversations SET holder = ?, fence = ? WHERE key = ?", (self.holder, fence + 1, key))
        return key, fence + 1, count, last, living

    def _lock_of(self, holder: str) -> FileLock:
        folder = self.path.with_name(self.path.name + "-locks")
        folder.mkdir(exist_ok=True)
        return FileLock(folder / f"{holder}.lock", thread_local=False)

    def _alive(self, holder: str) -> bool:
        """Whether the process of a holder lives: its lock dies with it."""
        lock = self._lock_of(holder)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)
        return False

    async def release(self, journal: SqliteJournal) -> None:
        """Give a conversation back. Whatever was not committed is dropped."""
        if self._watchers.get(journal.key, (None,))[0] is journal:
            del self._watchers[journal.key]
        if self._open.get(journal.key) is journal:
            del self._open[journal.key]
            await asyncio.to_thread(self._give_back, journal)

    def _give_back(self, journal: SqliteJournal) -> None:
        with self._guard, suppress(StoreError):
            self._write(
                "UPDATE conversations SET holder = '' WHERE key = ? AND fence = ?", (journal.key, journal.fence)
            )

    async def is_held(self, id: str, *, owner: str = LOCAL_OWNER) -> bool:
        [rows] = self._reader.rows(("SELECT key, holder FROM conversations WHERE owner = ? AND id = ?", (owner, id)))
        for key, holder in rows:
            if holder:
                return key in self._open if holder == self.holder else self._alive(holder)
        return False

    # -- what is removed, and taken in --------------------------------------------------------------------------------

    async def delete(self, id: str, *, owner: str = LOCAL_OWNER) -> bool:
        return await asyncio.to_thread(self._removing, self._delete, id, owner)

    def _delete(self, id: str, owner: str) -> bool:
        key = self._idle(id, owner)
        if key is not None:
            keeping.delete(self._db, key)
        return key is not None

    async def erase(self, id: str, seqs: Collection[int], *, owner: str = LOCAL_OWNER) -> int:
        return await asyncio.to_thread(self._removing, self._erase, id, owner, seqs)

    def _erase(self, id: str, owner: str, seqs: Collection[int]) -> int:
        if self._idle(id, owner) is None:
            return 0
        segments = [Segment(*row) for row in self._db.execute(SEGMENTS, (LONGEST, owner, id))]
        return keeping.erase(self._db, segments, seqs, lambda digest: self._reader.artifact(owner, digest))

    def _idle(self, id: str, owner: str) -> int | None:
        """Return the key of a conversation that nobody works on, None where there is none.

        Raises:
            Conflict: Somebody who is alive holds it.
        """
        row = self._db.execute(
            "SELECT key, holder FROM conversations WHERE owner = ? AND id = ?", (owner, id)
        ).fetchone()
        if row is None:
            return None
        key, holder = row
        if holder and (key in self._open if holder == self.holder else self._alive(holder)):
            raise going_on(id)
        return key

    def _removing(self, work: Callable[..., Any], *values: Any) -> Any:
        with self._guard:
            self._db.execute("PRAGMA secure_delete=ON")
            return self._transaction(lambda: work(*values))

    async def restore(self, recording: Recording, *, id: str | None = None, owner: str = LOCAL_OWNER) -> Conversation:
        where = self.conversation(recording.conversation if id is None else id, owner=owner)
        await asyncio.to_thread(self._restore, recording, where.id, owner)
        return where

    def _restore(self, recording: Recording, id: str, owner: str) -> None:
        recording.verify()

        def write() -> None:
            try:
                keeping.restore(self._db, recording, id, owner)
            except sqlite3.IntegrityError as error:
                raise taken_id(id) from error

        with self._guard:
            self._transaction(write)

    async def scrub(self) -> None:
        await asyncio.to_thread(self._scrub)

    def _scrub(self) -> None:
        with self._guard, self._reader.guard:
            try:
                self._db.execute(f"PRAGMA busy_timeout={BUSY_MS}")
                keeping.scrub(self._db, self.path)
            except sqlite3.Error as error:
                raise failed(self.path, error) from error
            finally:
                self._db.execute("PRAGMA busy_timeout=0")

    # -- forks --------------------------------------------------------------------------------------------------------

    async def fork(
        self, id: str, *, parent: str, upto: int, first: Sequence[Draft | int] = (), owner: str = LOCAL_OWNER
    ) -> Conversation:
        checked_id(id)
        await asyncio.to_thread(self._branch, id, parent, upto, first, owner)
        return self.conversation(id, owner=owner)

    def _branch(self, id: str, parent: str, upto: int, first: Sequence[Draft | int], owner: str) -> None:
        self.secret(owner)
        with self._guard:
            self._transaction(lambda: self._branch_held(id, parent, upto, first, owner))

    def _branch_held(self, id: str, parent: str, upto: int, first: Sequence[Draft | int], owner: str) -> None:
        db = self._db
        segments = [Segment(*row) for row in db.execute(SEGMENTS, (LONGEST, owner, parent))]
        count: int = max(db.execute(HEAD, (owner, parent)).fetchall(), default=(0,))[0]
        if not count:
            raise unknown_parent(parent)
        check_there(parent, count, upto, first)
        base = place_of(segments, upto)
        last = db.execute("SELECT hash FROM entries WHERE place = ?", (base,)).fetchone()[0] if upto else chain.GENESIS
        try:
            made = db.execute(
                "INSERT INTO conversations (owner, id, count, head) VALUES (?, ?, ?, ?)", (owner, id, upto, last)
            )
        except sqlite3.IntegrityError as error:
            raise taken_id(id) from error
        key = made.lastrowid or 0
        db.execute("INSERT INTO forks VALUES (?, ?, ?)", (key, base >> SEQ_BITS, upto))
        journal = SqliteJournal(self, key, id, owner, 0, Head(upto, last.hex()), last)
        for item in first:
            if isinstance(item, Draft):
                journal.append(*item)
            else:
                self._refer(journal, segments, item)
        self._insert_artifacts(owner, journal.artifacts)
        self._move_head(journal, journal.rows)
        db.executemany(INSERT, journal.rows)

    def _refer(self, journal: SqliteJournal, segments: Sequence[Segment], seq: int) -> None:
        place = place_of(segments, seq)
        source: int = max(self._db.execute("SELECT source FROM kept WHERE place = ?", (place,)), default=(place,))[0]
        journal.refer(self._db.execute(LINKS, ("", source - 1, source)).fetchone())
        self._db.execute("INSERT INTO kept VALUES (?, ?)", (journal.rows[-1][0], source))

    # -- writing ------------------------------------------------------------------------------------------------------

    async def commit(self, journal: SqliteJournal, *, sync: bool) -> None:
        """Write what journals have appended; whoever asks in the same turn of the loop shares one transaction."""
        if self._open.get(journal.key) is not journal:
            raise Conflict(f"The journal of {journal.conversation} was released: who writes on has to open it again.")
        if sync:
            await asyncio.sleep(0)  # calls side by side append first: they share one sync
            await asyncio.to_thread(self._flush, [journal], "FULL")
        elif len(self._open) <= 1:
            await self._flush_here([journal])
        else:
            loop = asyncio.get_running_loop()
            done: asyncio.Future[None] = loop.create_future()
            self._waiting.append((journal, done))
            if len(self._waiting) == 1:
                loop.call_soon(self._flush_group)
            try:
                await done
            except StoreError:  # the file is locked, or one of the others was fenced out: alone, and off the loop
                await asyncio.to_thread(self._flush, [journal])

    async def _flush_here(self, journals: list[SqliteJournal]) -> None:
        if self._guard.acquire(blocking=False):
            try:
                self._flush_held(journals, patient=False)
                return
            except Busy:
                pass
            finally:
                self._guard.release()
        await asyncio.to_thread(self._flush, journals)

    def _flush_group(self) -> None:
        waiting, self._waiting = self._waiting, []
        failed: StoreError | None = None
        if self._guard.acquire(blocking=False):
            try:
                self._flush_held([journal for journal, _ in waiting], patient=False)
            except StoreError as error:
                failed = error
            finally:
                self._guard.release()
        else:
            failed = Busy(f"{self.path} is being written.")
        for _, done in waiting:
            if not done.done():
                done.set_result(None) if failed is None else done.set_exception(failed)

    def _flush(self, journals: list[SqliteJournal], synchronous: str = "") -> None:
        with self._guard:
            if not synchronous or synchronous == self._normal:
                self._flush_held(journals)
                return
            if not any(journal.rows or journal.unsynced for journal in journals):
                return  # the sync of a call beside it has covered it
            try:
                self._db.execute(f"PRAGMA synchronous={synchronous}")
                self._flush_held(journals, synced=True)
            except sqlite3.Error as error:
                raise failed(self.path, error) from error
            finally:
                with suppress(sqlite3.Error):
                    self._db.execute(f"PRAGMA synchronous={self._normal}")

    def _flush_held(
        self,
        journals: list[SqliteJournal],
        *,
        patient: bool = True,
        synced: bool = False,
        first: Callable[[], Any] | None = None,
    ) -> Any:
        """Write what journals have appended and what `first`, called within the transaction, appends."""
        written: list[tuple[SqliteJournal, list[tuple[Any, ...]], list[str], dict[str, tuple[str, bytes]], int]] = []

        def write() -> Any:
            db = self._db
            result = None if first is None else first()
            written.extend((j, list(j.rows), list(j.taken), dict(j.artifacts), len(j.charges)) for j in journals)
            for journal, rows, taken, artifacts, charges in written:
                if artifacts:
                    self._insert_artifacts(journal.owner, artifacts)
                if charges:
                    for ledger, kind, said in journal.charges[:charges]:
                        self._write_charge(ledger, kind, said)
                self._move_head(journal, rows)  # without rows too: only a transaction that writes syncs what is there
                db.executemany(INSERT, rows)
                for id in taken:
                    self._use_up(journal, id)
            return result

        result = self._transaction(write, patient=patient)
        for journal, rows, taken, artifacts, charges in written:
            for digest in artifacts:
                del journal.artifacts[digest]
                journal.kept.add(digest)
            del journal.rows[: len(rows)]
            del journal.taken[: len(taken)]
            del journal.charges[:charges]
            journal.unsynced = not synced and (journal.unsynced or bool(rows))
        return result

    def _insert_artifacts(self, owner: str, artifacts: dict[str, tuple[str, bytes]]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO artifacts VALUES (?, ?, ?, ?)",
            [(owner, digest, kind, data) for digest, (kind, data) in artifacts.items()],
        )

    def _move_head(self, journal: SqliteJournal, rows: list[tuple[Any, ...]]) -> None:
        """Count in the entries that are written now, if the journal is still this process's to write."""
        if rows:
            sql = "UPDATE conversations SET count = ?, head = ? WHERE key = ? AND fence = ?"
            values: tuple[Any, ...] = (rows[-1][0] & (1 << SEQ_BITS) - 1, rows[-1][8])
        else:
            sql, values = "UPDATE conversations SET fence = fence WHERE key = ? AND fence = ?", ()
        if self._db.execute(sql, (*values, journal.key, journal.fence)).rowcount != 1:
            raise Conflict(f"Conversation {journal.conversation} was taken over by another process; this one stops.")

    async def reserve(
        self, journal: SqliteJournal, ledgers: Sequence[str], decide: Callable[[list[Balance]], None]
    ) -> None:
        """See `Journal.reserve`. It waits for other processes on the loop: `decide` changes what lives there."""
        decided = False

        def look() -> None:
            nonlocal decided
            found = [balance_of(self._ledger(id)[3]) for id in ledgers]
            decided = True
            decide(found)

        waited = 0.0
        while True:
            if self._guard.acquire(blocking=False):
                try:
                    self._flush_held([journal], patient=False, first=look)
                    return
                except Busy:
                    if decided or waited > BUSY_MS / 1000:
                        raise
                finally:
                    self._guard.release()
            wait = 0.001 + secrets.randbelow(8) / 1000  # so that those who wait do not come all at once
            waited += wait
            await asyncio.sleep(wait)

    def _ledger(self, id: str) -> tuple[int, int, bytes, Payload | None]:
        """Return key, length, head and last payload of a ledger. The caller is in a transaction."""
        sql = (
            f"SELECT c.key, c.count, c.head, e.payload FROM conversations c LEFT JOIN entries e "  # noqa: S608  # made of constants
            f"ON e.place = (c.key << {SEQ_BITS} | c.count) WHERE c.owner = ? AND c.id = ?"
        )
        row = self._db.execute(sql, (LEDGERS, id)).fetchone()
        if row is None:
            return 0, 0, chain.GENESIS, None
        return row[0], row[1], row[2], None if row[3] is None else chain.decode(row[3], _no_artifact)

    def _write_charge(self, id: str, kind: str, said: Payload) -> None:
        key, count, head, last = self._ledger(id)
        if not key:
            made = self._db.execute(
                "INSERT INTO conversations (owner, id, head) VALUES (?, ?, ?)", (LEDGERS, id, chain.GENESIS)
            )
            key = made.lastrowid or 0
        data = chain.encode(kind, next_entry(last, kind, said), _no_artifact)
        at, seq, salt = self.clock.now_us(), count + 1, chain.fresh_salt()
        head = chain.link(head, id, seq, 0, "", kind, at, chain.digest(salt, data))
        self._db.execute(
            INSERT,
            (key << SEQ_BITS | seq, 0, "", kind, FORMAT, at, data, salt, head),
        )
        self._db.execute("UPDATE conversations SET count = ?, head = ? WHERE key = ?", (seq, head, key))

    def _transaction(self, work: Callable[[], Any], *, patient: bool = True) -> Any:
        """Do work in one transaction, all or nothing. The caller holds the guard; if patient, it is no event loop."""
        try:
            if patient:
                self._db.execute(f"PRAGMA busy_timeout={BUSY_MS}")
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise failed(self.path, error) from error
        finally:
            if patient:
                with suppress(sqlite3.Error):  # closed: the error above says so
                    self._db.execute("PRAGMA busy_timeout=0")
        try:
            result = work()
            self._db.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise failed(self.path, error) from error
            raise
        return result

    def _write(self, sql: str, values: tuple[Any, ...]) -> None:
        self._transaction(lambda: self._db.execute(sql, values))

    # -- reading ------------------------------------------------------------------------------------------------------

    async def read(
        self, id: str, *, owner: str = LOCAL_OWNER, kinds: Sequence[str] = (), after: int = 0, limit: int | None = None
    ) -> list[Entry]:
        return await asyncio.to_thread(self._reader.entries, id, owner, kinds, after, limit)

    async def stored(self, id: str, *, owner: str = LOCAL_OWNER) -> tuple[list[Stored], list[Artifact]]:
        return await asyncio.to_thread(self._reader.stored, id, owner)

    async def conversations(
        self,
        *,
        owner: str = LOCAL_OWNER,
        starting: str = "",
        before: Summary | None = None,
        limit: int | None = None,
    ) -> list[Summary]:
        return await asyncio.to_thread(self._reader.conversations, owner, starting, before, limit)

    async def verify(self, id: str, *, owner: str = LOCAL_OWNER, given: Head | None = None) -> Head:
        return await asyncio.to_thread(self._reader.verify, id, owner, given)

    # -- the inbox ----------------------------------------------------------------------------------------------------

    async def post(self, id: str, note: Note, *, owner: str = LOCAL_OWNER) -> None:
        await asyncio.to_thread(self.post_now, id, note, owner)

    def post_now(self, id: str, note: Note, owner: str = LOCAL_OWNER) -> None:
        """Post from any thread."""
        note, data = ready(note, self.redact)
        self.secret(owner)

        def insert() -> int:
            row = self._db.execute("SELECT key FROM conversations WHERE owner = ? AND id = ?", (owner, id)).fetchone()
            if row is None:
                raise ConfigError(f"There is no conversation {id} in {self.path}.")
            try:
                self._db.execute(
                    "INSERT INTO inbox VALUES (?, ?, ?, ?, ?, 0)",
                    (row[0], note.id, note.kind, data, self.clock.now_us()),
                )
            except sqlite3.IntegrityError:
                sql = "SELECT kind, payload, at, taken FROM inbox WHERE conversation = ? AND id = ?"
                kind, said, at, taken = self._db.execute(sql, (row[0], note.id)).fetchone()
                same = said if taken else self._same(owner, Note(note.id, kind, json.loads(said), at))
                if same != self._same(owner, note):
                    raise Conflict(f"{note.id} has been answered already.") from None
            return row[0]

        with self._guard:
            key = self._transaction(insert)
        self._tell(key)

    def _same(self, owner: str, note: Note) -> bytes:
        """Return a digest that two notes of an id share only if they say the same."""
        return chain.keyed(self.secret(owner), note.same()).encode()

    def _use_up(self, journal: SqliteJournal, id: str) -> None:
        """Remove a note: what it said is in an entry now; its id, and a digest of what it said, stay."""
        at = journal.key, id
        sql = "SELECT kind, payload, at FROM inbox WHERE conversation = ? AND id = ? AND taken = 0"
        for kind, data, when in self._db.execute(sql, at).fetchall():
            same = self._same(journal.owner, Note(id, kind, json.loads(data), when))
            self._db.execute("UPDATE inbox SET taken = 1, payload = ? WHERE conversation = ? AND id = ?", (same, *at))

    async def notes(self, id: str, *, owner: str = LOCAL_OWNER) -> list[Note]:
        return await asyncio.to_thread(self._reader.notes, id, owner)

    def watch(self, journal: SqliteJournal, watcher: Watcher) -> None:
        """Tell a run what waits for it and, as long as it is going on, what comes."""
        self._watchers[journal.key] = journal, watcher
        if self._timer is None or self._timer.cancelled() or watcher.loop is not self._timer_loop:
            self._timer_loop = asyncio.get_running_loop()
            self._seen_version = -1
            self._timer = self._timer_loop.call_later(LOOK_S, self._look)
        self._tell(journal.key)

    def _look(self) -> None:
        """Look whether another process has posted to a run of ours. The one poll there is, and a cheap one."""
        self._timer = None
        if not self._watchers:
            return
        if self._guard.acquire(blocking=False):  # else it is being written: the next look will do
            try:
                version = self._db.execute("PRAGMA data_version").fetchone()[0]  # changes when others write
            except sqlite3.Error:
                return  # closed, or broken: who writes next says so
            finally:
                self._guard.release()
            if version != self._seen_version:
                self._seen_version = version
                with suppress(StoreError):
                    [rows] = self._reader.rows(("SELECT DISTINCT conversation FROM inbox WHERE taken = 0", ()))
                    for (key,) in rows:
                        self._tell(key)
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _tell(self, key: int) -> None:
        journal, watcher = self._watchers.get(key, (None, None))
        if journal is not None and watcher is not None:
            watcher.tell(lambda: self._reader.untaken(key, journal.owner))

    async def end(self, journal: SqliteJournal, last: Callable[[], object], known: Collection[str]) -> list[Note]:
        """Write the entry that ends an attempt, unless there is something in the inbox that the run does not know."""

        def check() -> list[Note]:
            rows = self._db.execute(NOTES, (journal.key,)).fetchall()
            unknown = [row for row in rows if row[0] not in known and row[0] not in journal.taken]
            if not unknown:
                last()
            return noted(unknown)

        def patiently() -> list[Note]:
            with self._guard:
                return self._flush_held([journal], first=check)

        if self._guard.acquire(blocking=False):
            try:
                return self._flush_held([journal], patient=False, first=check)
            except Busy:
                pass
            finally:
                self._guard.release()
        return await asyncio.to_thread(patiently)

    async def questions(
        self,
        *,
        owner: str = LOCAL_OWNER,
        conversation: str | None = None,
        after: OpenQuestion | None = None,
        most: int = 1000,
    ) -> list[OpenQuestion]:
        return await asyncio.to_thread(self._reader.questions, owner, conversation, after, most)

    async def close(self) -> None:
        """Give everything back and close the file. May be called twice."""
        for journal in list(self._open.values()):
            await self.release(journal)
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._guard, self._reader.guard:
            self._db.close()
            self._reader.close()
            if self._lock is not None:
                self._lock.release()
                Path(self._lock.lock_file).unlink(missing_ok=True)
                self._lock = None

    async def __aenter__(self) -> SqliteStore:
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.close()


def _advice(error: Exception) -> str:
    """Return what to do about a file that cannot be opened."""
    text = str(error)
    if isinstance(error, PermissionError) or "readonly" in text or "unable to open" in text:
        return " Make sure that you may write to the file and its folder, or name another one."
    if isinstance(error, NotADirectoryError | FileExistsError):
        return " A part of its path is no folder: name another one."
    return " Name the file of a store, or one that does not exist yet." if "not a database" in text else ""


def _no_artifact(*_: str) -> Any:
    raise StoreError("An entry of a ledger is small: it has no artifacts.")
