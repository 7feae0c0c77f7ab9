"""The SQLite store: one file, one writer per conversation, many conversations to a commit."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from quorate.errors import ConfigError, Conflict, StoreError
from quorate.runs import chain
from quorate.runs.clock import Clock, SystemClock
from quorate.runs.entries import FORMAT, LOCAL_OWNER, Draft, Entry, Redact
from quorate.runs.inbox import Note, OpenQuestion, Watcher, ready
from quorate.runs.journal import Conversation, Summary, check_there, checked_id, going_on, taken_id, unknown_parent
from quorate.runs.ledger import Balance, balance_of
from quorate.runs.portable import Recording
from quorate.runs.sqlite import inbox, keeping, ledgers
from quorate.runs.sqlite.inbox import Notices
from quorate.runs.sqlite.journal import SqliteJournal
from quorate.runs.sqlite.leases import Leases
from quorate.runs.sqlite.reader import Reader
from quorate.runs.sqlite.schema import (
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
    failed,
    noted,
    patiently,
    place_of,
)
from quorate.runs.stored import Artifact, Head, Stored

if TYPE_CHECKING:
    from quorate.runs.signing import Key

Durability = Literal["process", "power"]


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
        self._leases = Leases(self.path)
        self._db = self._connect()
        self._reader = Reader(self.path, self._open_file())
        self._notices = Notices(self._db, self._guard, self._reader)

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
            self._leases.begin()
            key, fence, count, last, living = self._transaction(lambda: self._lease(id, owner, take_over))
            journal = SqliteJournal(self, key, id, owner, fence, count, last)
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
        living = self._is_held(key, holder)
        if living and (holder == self._leases.holder or not take_over):
            raise going_on(id, take_over=True)
        self._db.execute(
            "UPDATE conversations SET holder = ?, fence = ? WHERE key = ?", (self._leases.holder, fence + 1, key)
        )
        return key, fence + 1, count, last, living

    def _is_held(self, key: int, holder: str) -> bool:
        """Whether the holder of a conversation is at it: this process has it open, or another one lives."""
        if not holder:
            return False
        return key in self._open if holder == self._leases.holder else self._leases.lives(holder)

    async def release(self, journal: SqliteJournal) -> None:
        """Give a conversation back. Whatever was not committed is dropped."""
        self._notices.forget(journal)
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
        return any(self._is_held(key, holder) for key, holder in rows)

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
        if self._is_held(*row):
            raise going_on(id)
        return row[0]

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
        journal = SqliteJournal(self, key, id, owner, 0, upto, last)
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
                self._flush_held(list({journal: None for journal, _ in waiting}), patient=False)  # each once
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
                        ledgers.charge(db, ledger, kind, said, self.clock.now_us())
                self._move_head(journal, rows)  # without rows too: only a transaction that writes syncs what is there
                db.executemany(INSERT, rows)
                for id in taken:
                    inbox.use_up(db, journal.key, id, self._same(journal.owner))
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
        self, journal: SqliteJournal, ids: Sequence[str], decide: Callable[[list[Balance]], None]
    ) -> None:
        """See `Journal.reserve`. It waits for other processes on the loop: `decide` changes what lives there."""
        decided = False

        def look() -> None:
            nonlocal decided
            found = [balance_of(ledgers.ledger(self._db, id)[3]) for id in ids]
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
        same = self._same(owner)
        with self._guard:
            key = self._transaction(lambda: inbox.put(self._db, (owner, id), note, data, self.clock.now_us(), same))
        if key is None:
            raise ConfigError(f"There is no conversation {id} in {self.path}.")
        self._notices.tell(key)

    def _same(self, owner: str) -> inbox.Same:
        secret = self.secret(owner)
        return lambda note: chain.keyed(secret, note.same()).encode()

    async def notes(self, id: str, *, owner: str = LOCAL_OWNER) -> list[Note]:
        return await asyncio.to_thread(self._reader.notes, id, owner)

    def watch(self, journal: SqliteJournal, watcher: Watcher) -> None:
        """Tell a run what waits for it and, as long as it is going on, what comes."""
        self._notices.watch(journal, watcher)

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
            self._leases.close()

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
