"""Journals and stores: the protocols, and the ones that live in memory.

A *store* keeps conversations. To work on one, a process opens its *journal*, and is then the only writer.
"""

from __future__ import annotations

import asyncio
import builtins
import json
import os
import re
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from weakref import ReferenceType, ref

from quorate.core.tuples import filled
from quorate.errors import ConfigError, Conflict, StoreError
from quorate.runs import chain
from quorate.runs.entries import FORMAT, MAX_ENTRY_BYTES, Draft, Entry, Payload
from quorate.runs.erasing import erased
from quorate.runs.ledger import LEDGERS, Balance, Ledgers, balance_of, next_entry

if TYPE_CHECKING:
    from quorate.runs.portable import Artifact, Recording, Stored

LOCAL_OWNER = "local/me"

Redact = Callable[[str, str, Payload], Payload]
"""Is given path, kind and payload of every entry before it is kept, and returns the payload to keep instead."""


_BOOT: int | None = getattr(time, "CLOCK_BOOTTIME", None)  # where there is none, `monotonic` may stand still in a sleep


def redacted(redact: Redact, path: str, kind: str, payload: Payload) -> Payload:
    """Return the payload to keep, marked `redacted` if it was changed; a digest, that is of what was changed, goes."""
    kept = redact(path, kind, payload)
    if kept is payload or json.dumps(kept, default=str) == json.dumps(payload, default=str):
        return payload
    return {**{name: value for name, value in kept.items() if name != "digest"}, "redacted": True}


class Clock(Protocol):
    """Where time comes from."""

    def now_us(self) -> int:
        """Return microseconds since 1970, UTC."""
        ...

    def running_s(self) -> float:
        """Return seconds since some moment; they go on while the process is stopped or the machine sleeps."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def running_s(self) -> float:
        return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Note(NamedTuple):
    """A row of a conversation's inbox: what somebody who does not hold the journal has to say to it.

    `id` makes it unique: for an answer it is the id of the question, so that the first answer is the answer.
    """

    id: str
    kind: str
    payload: Payload
    at: int = 0

    def same(self) -> bytes:
        """Return what all notes have in common that say the same, whoever says it."""
        said = {name: value for name, value in self.payload.items() if name != "by"}
        return json.dumps([self.kind, said], sort_keys=True).encode()


Deliver = Callable[[Sequence[Note]], None]
"""Is told notes that wait in an inbox."""


class OpenQuestion(NamedTuple):
    """A question that waits for an answer: its entry, and what waits in the inbox about it."""

    conversation: str
    entry: Entry
    notes: tuple[Note, ...] = ()


class Head(NamedTuple):
    """How far a journal goes: its number of entries and the hash over all of them (empty where nothing is hashed).

    As text it is `LENGTH:HASH`, to be given out and verified later.
    """

    length: int
    hash: str

    def __str__(self) -> str:
        return f"{self.length}:{self.hash}" if self.hash else ""

    @classmethod
    def of(cls, text: str) -> Head:
        """Return the head that was given out as this text.

        Raises:
            ConfigError: It is none.
        """
        length, _, hash = text.strip().partition(":")
        if not length.isdecimal() or not re.fullmatch("[0-9a-f]{64}", hash):
            raise ConfigError(f"{text!r} is no head. Write LENGTH:HASH, as results and `quorate show` give it out.")
        return cls(int(length), hash)


class Summary(NamedTuple):
    """A conversation in a list. `runs` is how many runs it has, `last_at` when its last entry was written (us)."""

    id: str
    owner: str
    runs: int
    last_at: int


class Journal(Ledgers, Protocol):
    """The open journal of one conversation, held by this process alone until `release`."""

    conversation: str
    owner: str
    durable: bool
    """Whether entries reach a disk, so that a `commit` is needed before an outcome is used."""
    follows_living: bool
    """Whether who held it before may still be alive: it was taken over, or its lease ran out unseen."""

    def append(self, run: int, path: str, kind: str, payload: Payload) -> Entry:
        """Add an entry. It is kept for sure only after `commit`.

        Raises:
            StoreError: The entry is larger than the format allows.
        """
        ...

    async def commit(self, *, sync: bool = False) -> None:
        """Wait until everything appended survives a killed process; with `sync` also a power cut.

        Raises:
            StoreError: It could not be written; nothing of it was.
            Conflict: Somebody else has taken the conversation over.
        """
        ...

    async def entries(self) -> list[Entry]:
        """Return all entries as they were written."""
        ...

    async def inbox(self) -> list[Note]:
        """Return what waits in the inbox, oldest first."""
        ...

    def take(self, note: Note) -> None:
        """Remove a note from the inbox together with the next commit."""
        ...

    def watch(self, deliver: Deliver) -> None:
        """Tell what waits in the inbox, now and as it comes, in the running loop, until the journal is released.

        A note may be told more than once.
        """
        ...

    async def end(self, last: Callable[[], object], known: Collection[str]) -> list[Note]:
        """Add what `last` appends, in one commit with the check that no notes wait but those whose ids are `known`.

        Returns:
            The others. If there are any, `last` was not called.
        """
        ...

    def fingerprint(self, data: bytes) -> str:
        """Return a digest keyed with the owner's secret; empty where nothing is hashed."""
        ...

    def head(self) -> Head: ...

    async def release(self) -> None:
        """Let others write. May be called twice."""
        ...


class Store(Protocol):
    """Keeps conversations. Every call takes the owner, `tenant/user`; alone on a laptop it is one constant."""

    @property
    def clock(self) -> Clock: ...

    @property
    def url(self) -> str:
        """What `open_store` takes to open it again; empty for a store in memory."""
        ...

    def conversation(self, id: str | None = None, *, owner: str = LOCAL_OWNER) -> Conversation:
        """Return the handle of a conversation, new or not. Without an id it gets one."""
        ...

    async def open(self, id: str, *, owner: str = LOCAL_OWNER, take_over: bool = False) -> Journal:
        """Become the writer of a conversation.

        Args:
            id: Of the conversation.
            owner: Whose it is.
            take_over: Take it from a process that lives but does not answer; that one can then write no more. An
                operator's act.

        Raises:
            Conflict: Somebody who is alive holds it.
        """
        ...

    async def read(
        self, id: str, *, owner: str = LOCAL_OWNER, kinds: Sequence[str] = (), after: int = 0, limit: int | None = None
    ) -> list[Entry]:
        """Return a conversation's entries as they were written; empty if there is none.

        Args:
            id: Of the conversation.
            owner: Whose it is.
            kinds: Only these; empty for all.
            after: Only those with a higher sequence.
            limit: At most so many, the first of them.
        """
        ...

    async def fork(
        self, id: str, *, parent: str, upto: int, first: Sequence[Draft | int] = (), owner: str = LOCAL_OWNER
    ) -> Conversation:
        """Begin a conversation that shares the first entries of another; nothing of them is copied.

        Args:
            id: Of the new conversation.
            parent: The one that it branches off. It may be going on; what it writes later stays its own.
            upto: How many of its entries are shared.
            first: What comes after them: entries to write, and the numbers of further entries of the parent that are
                kept here with their path and time, and with their payload by reference.
            owner: Whose both are.

        Raises:
            Conflict: There is a conversation of this id.
            ConfigError: There is no such parent, or it has fewer entries.
        """
        ...

    async def delete(self, id: str, *, owner: str = LOCAL_OWNER) -> bool:
        """Remove a conversation with all that belongs to it; return whether there was one.

        What forks of it share stays theirs. `quorate.runs.keeping` asks what may be deleted, and scrubs afterwards.

        Raises:
            Conflict: Somebody who is alive holds it.
        """
        ...

    async def erase(self, id: str, seqs: Collection[int], *, owner: str = LOCAL_OWNER) -> int:
        """Erase the payloads and salts of entries, in all forks that have them; return how many were not yet.

        What is left is `erasing.erased` of each. The digests stay, so that the chain still verifies; artifacts that no
        other entry refers to are removed. `quorate.runs.keeping` asks what may be erased, and scrubs afterwards.

        Raises:
            Conflict: Somebody who is alive holds it.
        """
        ...

    async def restore(self, recording: Recording, *, id: str | None = None, owner: str = LOCAL_OWNER) -> Conversation:
        """Take in a conversation that was recorded elsewhere, with its numbers, times and chain.

        Args:
            recording: Of a whole conversation.
            id: Under which name, by default its own.
            owner: Whose it is from now on.

        Raises:
            Conflict: There is one of this name.
            Tampered: It is not what was written.
        """
        ...

    async def scrub(self) -> None:
        """Leave no trace of what was deleted or erased where a store keeps its bytes.

        Raises:
            StoreError: Somebody else is in the way; what was removed cannot be read by Quorate, but with other tools.
        """
        ...

    async def conversations(
        self,
        *,
        owner: str = LOCAL_OWNER,
        starting: str = "",
        before: Summary | None = None,
        limit: int | None = None,
    ) -> list[Summary]:
        """Return the owner's conversations that have entries, the latest last.

        Args:
            owner: Whose they are.
            starting: Only those whose id begins so.
            before: Only those that come before this one in the list: with `limit`, the page before.
            limit: At most so many, the latest of them.
        """
        ...

    async def stored(self, id: str, *, owner: str = LOCAL_OWNER) -> tuple[list[Stored], list[Artifact]]:
        """Return a conversation's entries as they are kept, and the artifacts that they refer to.

        Those of a conversation in memory are hashed now.
        """
        ...

    async def verify(self, id: str, *, owner: str = LOCAL_OWNER, given: Head | None = None) -> Head:
        """Recompute the chain of a conversation and return its head.

        Args:
            id: Of the conversation.
            owner: Whose it is.
            given: A head that was given out earlier: it finds a journal that was cut or rewritten as a whole.

        Raises:
            Tampered: It is not what was written; says what was done to which entry.
        """
        ...

    async def post(self, id: str, note: Note, *, owner: str = LOCAL_OWNER) -> None:
        """Put a note in a conversation's inbox; once for each id, so that saying the same again changes nothing.

        Raises:
            ConfigError: There is no such conversation.
            Conflict: There is one with this id, or there was, that says something else.
            StoreError: It is no plain data, or too large.
        """
        ...

    async def notes(self, id: str, *, owner: str = LOCAL_OWNER) -> list[Note]:
        """Return what waits in a conversation's inbox, oldest first."""
        ...

    async def questions(
        self,
        *,
        owner: str = LOCAL_OWNER,
        conversation: str | None = None,
        after: OpenQuestion | None = None,
        most: int = 1000,
    ) -> list[OpenQuestion]:
        """Return the open questions, of one conversation if it is named, those of each in the order they were asked.

        Args:
            owner: Whose.
            conversation: Of which conversation only.
            after: The last of the page before.
            most: How many at most.
        """
        ...

    async def is_held(self, id: str, *, owner: str = LOCAL_OWNER) -> bool:
        """Whether a process that is alive is the writer."""
        ...

    async def close(self) -> None: ...


_ID = re.compile(r"[^\s/\\?*\x00-\x1f]{1,200}")
_RUN_LIKE = re.compile(r".*\.\d+")


def checked_id(id: str) -> str:
    """Return a conversation id that can be used.

    Raises:
        ConfigError: It holds white space or a slash, is too long, or looks like the id of a run.
    """
    if id.isalnum() and len(id) <= 200:  # as those that are drawn
        return id
    if not _ID.fullmatch(id) or id.startswith("-"):
        raise ConfigError(f"{id!r} cannot name a conversation: 1 to 200 characters, no white space, no / \\ ? *.")
    if _RUN_LIKE.fullmatch(id):
        raise ConfigError(f"{id!r} looks like the id of a run (a dot and a number at the end). Name it otherwise.")
    return id


class Conversation:
    """A handle: which conversation, in which store, whose. A value; holding it holds nothing open."""

    __slots__ = ("id", "owner", "store")

    def __init__(self, store: Store, id: str | None = None, *, owner: str = LOCAL_OWNER) -> None:
        self.store, self.owner = store, owner
        self.id = os.urandom(4).hex() if id is None else checked_id(id)

    async def entries(self) -> list[Entry]:
        """Return what was journaled so far, in the order it was written."""
        return await self.store.read(self.id, owner=self.owner)

    def __repr__(self) -> str:
        return f"<conversation {self.id} of {self.owner} in {self.store.url or 'memory'}>"


def check_size(kind: str, payload: Payload) -> None:
    """Refuse a payload that is larger than the format allows.

    Raises:
        StoreError: One of its texts is.
    """
    for name, value in payload.items():
        if type(value) is str and len(value) > MAX_ENTRY_BYTES:
            raise StoreError(
                f"The {name} of a {kind!r} entry has {len(value)} characters; an entry may hold {MAX_ENTRY_BYTES} "
                "bytes. Keep large data in a file and pass its name."
            )


def ready(note: Note, redact: Redact | None) -> tuple[Note, bytes]:
    """Return a note as it may be kept, redacted as an entry is, and the bytes of its payload.

    Raises:
        StoreError: It is no plain data, or too large.
    """
    if redact is not None:
        note = note._replace(payload=redact("", note.kind, note.payload))
    data = chain.plain(note.kind, note.payload)
    if len(data) > MAX_ENTRY_BYTES:
        raise StoreError(
            f"A {note.kind!r} note has {len(data)} bytes; at most {MAX_ENTRY_BYTES} are kept. Keep large data in a "
            "file and pass its name."
        )
    return note, data


def going_on(id: str, *, take_over: bool = False) -> Conflict:
    """Return what to raise where somebody who is alive holds a conversation."""
    hung = " If it hangs: resume with --take-over; it can then write no more." if take_over else ""
    return Conflict(f"A run of conversation {id} is going on in a living process. Wait for it, or stop it there.{hung}")


def unknown_parent(id: str) -> ConfigError:
    """Return what to raise where there is nothing to branch off."""
    return ConfigError(f"There is no conversation {id} here. `quorate conversations` lists them.")


def taken_id(id: str) -> Conflict:
    """Return what to raise where a new conversation has the id of one that is there."""
    return Conflict(f"There is a conversation {id} already. Give the fork another name.")


def check_there(id: str, length: int, upto: int, first: Sequence[Draft | int]) -> None:
    """Make sure that a conversation has the entries that a fork wants of it.

    Raises:
        ConfigError: It does not.
    """
    wanted = [upto, *(item for item in first if isinstance(item, int))]
    if not all(0 <= seq <= length for seq in wanted):
        bad = next(seq for seq in wanted if not 0 <= seq <= length)
        raise ConfigError(f"Conversation {id} has {length} entries, no entry {bad}.")


WITH_TEXT = frozenset({"reply", "result", "value", "answer"})
"""Kinds whose texts come from outside, so that their size is not ours to choose."""


class Link(NamedTuple):
    """What a journal in memory remembers of an entry that was hashed: its salt or, once it was erased, its digest."""

    salt: bytes | None
    hash: bytes
    digest: bytes | None = None


class Kept(NamedTuple):
    """A fold that ended with a completed run, kept so that the next run need not do it again.

    Args:
        of: Whose fold it is.
        length: How many entries it covers; with more it is stale.
        run: The number of the last run in it.
        state: What was folded.
    """

    of: Any
    length: int
    run: int
    state: Any


class MemoryJournal:
    """Entries as plain objects: no serialisation, no hashing, no I/O."""

    durable = False
    follows_living = False

    def __init__(self, conversation: str, owner: str, clock: Clock, redact: Redact | None = None) -> None:
        self.conversation, self.owner, self._clock = conversation, owner, clock
        self._now = None if type(clock) is SystemClock else clock.now_us
        self._redact = redact
        self._entries: list[Entry] = []
        self._inbox: dict[str, Note] = {}
        self._spent: dict[str, Note] = {}
        self._links: list[Link] = []
        self._watcher: Watcher | None = None
        self.held = False
        self.kept: Kept | None = None
        self.store: ReferenceType[MemoryStore] | None = None  # weak: what has ended leaves no cycle behind

    def append(self, run: int, path: str, kind: str, payload: Payload) -> Entry:
        if kind in WITH_TEXT:
            check_size(kind, payload)
        if self._redact is not None:
            payload = redacted(self._redact, path, kind, payload)
        entries, now = self._entries, self._now
        at = time.time_ns() // 1000 if now is None else now()  # a call less: five entries are written each turn
        entry = filled(Entry, (len(entries) + 1, run, path, kind, at, payload, FORMAT))
        entries.append(entry)
        return entry

    def load(self, entries: Sequence[Entry]) -> None:
        """Take in entries that were recorded elsewhere."""
        self._entries = list(entries)

    def opened(self) -> MemoryJournal:
        """Return the same journal for its next holder, whom the release of an earlier one does not concern."""
        journal = object.__new__(type(self))
        journal.__dict__.update(self.__dict__)
        journal.held = True
        return journal

    async def commit(self, *, sync: bool = False) -> None:
        pass

    async def entries(self) -> list[Entry]:
        return self.all()

    def all(self) -> list[Entry]:
        """Return all entries."""
        return list(self._entries)

    def kept_for(self, of: Any) -> Kept | None:
        """Return the fold that was kept for `of`, None where there is none or entries came after it."""
        kept = self.kept
        return kept if kept is not None and kept.of is of and kept.length == len(self._entries) else None

    def last_run(self) -> list[Entry]:
        """Return the entries of the last run."""
        number = self._entries[-1].run
        return list(takewhile(lambda entry: entry.run == number, reversed(self._entries)))

    def last(self) -> Entry | None:
        """Return the last entry, None if there is none."""
        return self._entries[-1] if self._entries else None

    def charge(self, ledger: str, kind: str, said: Payload) -> None:
        book = self._ledger(ledger)
        book.append(0, "", kind, next_entry(_payload(book.last()), kind, said))

    async def reserve(self, ledgers: Sequence[str], decide: Callable[[list[Balance]], None]) -> None:
        decide([balance_of(_payload(self._ledger(id).last())) for id in ledgers])

    def _ledger(self, id: str) -> MemoryJournal:
        store = self.store and self.store()
        if store is None:
            raise ConfigError("Shared budgets are kept in a store, and this journal is in none.")
        return store.ledger(id)

    async def inbox(self) -> list[Note]:
        return list(self._inbox.values())

    def post(self, note: Note) -> None:
        """Put a note in the inbox."""
        note = ready(note, self._redact)[0]._replace(at=self._clock.now_us())
        before = self._spent.setdefault(note.id, note)
        if before is not note:
            if before.same() != note.same():
                raise Conflict(f"{note.id} has been answered already.")
            return
        self._inbox[note.id] = note
        if self._watcher is not None:
            self._watcher.tell(self._waiting)

    def take(self, note: Note) -> None:
        self._inbox.pop(note.id, None)

    def _waiting(self) -> list[Note]:
        return list(self._inbox.values())

    def watch(self, deliver: Deliver) -> None:
        self._watcher = Watcher(deliver, early=self._watcher is None)
        if self._inbox:
            deliver(self._waiting())

    async def end(self, last: Callable[[], object], known: Collection[str]) -> list[Note]:
        left = [note for note in self._waiting() if note.id not in known] if self._inbox else []
        if not left:
            last()
        return left

    def fingerprint(self, data: bytes) -> str:
        return ""

    def head(self) -> Head:
        return Head(len(self._entries), "")

    def stored(self) -> tuple[list[Stored], list[Artifact]]:
        """Return the entries as bytes, with hashes: those of entries that were hashed before stay as they are."""
        from quorate.runs.portable import linked

        return linked(self.conversation, self._own(), self._links)

    def _own(self) -> list[Entry]:
        return self._entries

    def parts(self) -> list[MemoryJournal]:
        """Return the journals that its entries are in."""
        return [self]

    def digest(self, gone: Collection[int]) -> None:
        """Keep the digests of payloads that will be erased; `gone` are their identities."""
        stored = {s.seq: s for s in self.stored()[0]}
        for at, entry in enumerate(self._own()):
            s = stored[entry.seq]
            if id(entry.payload) in gone and s.digest is None:
                self._links[at] = Link(None, s.hash, chain.digest(s.salt or b"", s.data or b""))

    def erase(self, gone: Collection[int]) -> None:
        """Put in the place of payloads what is left of them; whatever was folded of them is forgotten."""
        for at, entry in enumerate(self._entries):
            if id(entry.payload) in gone:
                self._entries[at] = entry._replace(payload=erased(entry.kind, entry.payload))
        self.kept = None
        for note in self._spent.values():
            self._spent[note.id] = note._replace(payload={})

    async def release(self) -> None:
        self.held, self._watcher = False, None


CLOSE_QUESTIONS = ("answer", "result", "value", "reply", "error", "settled")
"""Kinds that close a question at their path."""


def open_questions(entries: Sequence[Entry]) -> list[Entry]:
    """Return the questions that are open, in the order they were asked."""
    found: dict[tuple[int, str], Entry] = {}
    for entry in entries:
        if entry.kind == "question":
            found[entry.run, entry.path] = entry
        elif entry.kind in CLOSE_QUESTIONS:
            found.pop((entry.run, entry.path), None)
        elif entry.kind == "turn" and found:
            inside = entry.path + "/"
            found = {at: q for at, q in found.items() if at[0] != entry.run or not at[1].startswith(inside)}
    return list(found.values())


def about(question: Entry, notes: Sequence[Note]) -> tuple[Note, ...]:
    """Return the notes that are about a question."""
    id = question.payload["id"]
    return tuple(note for note in notes if note.id == id or note.payload.get("question") == id)


class Watcher:
    """Who wants to know what waits in an inbox, in the loop that it was made in.

    One that is made `early`, before anything really waits, can only be told from its own thread: to find out which loop
    runs is a call of the system, which costs more than many a run.
    """

    __slots__ = ("deliver", "loop", "thread")

    def __init__(self, deliver: Deliver, *, early: bool = False) -> None:
        self.deliver, self.thread = deliver, threading.get_ident()
        self.loop = None if early else asyncio.get_running_loop()

    def tell(self, waiting: Callable[[], Sequence[Note]]) -> None:
        """Tell what waits: at once from within the loop, soon from another thread."""

        def now() -> None:
            notes = waiting()
            if notes:
                self.deliver(notes)

        if threading.get_ident() == self.thread:
            now()
            return
        if self.loop is not None:
            with suppress(RuntimeError):  # the loop has ended: whoever opens the journal next is told
                self.loop.call_soon_threadsafe(now)


class ForkedJournal(MemoryJournal):
    """A journal whose first entries are those of another."""

    def __init__(self, id: str, parent: MemoryJournal, upto: int, clock: Clock, redact: Redact | None) -> None:
        super().__init__(id, parent.owner, clock, redact)
        self._parent, self._upto = parent, upto
        self._same: dict[int, int] = {}

    def append(self, run: int, path: str, kind: str, payload: Payload) -> Entry:
        entry = super().append(run, path, kind, payload)
        entry = self._entries[-1] = entry._replace(seq=self._upto + len(self._entries))
        return entry

    def refer(self, source: Entry) -> None:
        """Keep a further entry of the parent, whose payload is read where it is."""
        seq = self._upto + len(self._entries) + 1
        self._same[seq] = source.seq
        self._entries.append(source._replace(seq=seq))

    def all(self) -> list[Entry]:
        before = self._parent.all()
        return before[: self._upto] + self._resolved(before)

    def _resolved(self, before: list[Entry]) -> list[Entry]:
        same = self._same
        return [e._replace(payload=before[same[e.seq] - 1].payload) if e.seq in same else e for e in self._entries]

    def _own(self) -> list[Entry]:
        return self._resolved(self._parent.all()) if self._same else self._entries

    def stored(self) -> tuple[list[Stored], list[Artifact]]:
        from quorate.runs.portable import linked

        before, artifacts = self._parent.stored()
        shared = [s if s.of else s._replace(of=self._parent.conversation) for s in before[: self._upto]]
        last = shared[-1].hash if shared else chain.GENESIS
        own, more = linked(self.conversation, self._own(), self._links, last)
        return shared + own, artifacts + more

    def parts(self) -> list[MemoryJournal]:
        return [*self._parent.parts(), self]

    def kept_for(self, of: Any) -> Kept | None:
        return None  # what may be done in a fork is in its entries

    def last(self) -> Entry | None:
        return super().last() or self._parent.all()[self._upto - 1] if self._upto or self._entries else None

    def head(self) -> Head:
        return Head(self._upto + len(self._entries), "")


def _age(summary: Summary) -> tuple[int, str]:
    """Return the sort key of the list of conversations."""
    return summary.last_at, summary.id


def _payload(entry: Entry | None) -> Payload | None:
    return None if entry is None else entry.payload


class MemoryStore:
    """Conversations that end with the process."""

    url = ""

    def __init__(self, *, clock: Clock | None = None, redact: Redact | None = None) -> None:
        self.clock = clock or SystemClock()
        self._redact = redact
        self._journals: dict[tuple[str, str], MemoryJournal] = {}

    def conversation(self, id: str | None = None, *, owner: str = LOCAL_OWNER) -> Conversation:
        return Conversation(self, id, owner=owner)

    def _journal(self, id: str, owner: str) -> MemoryJournal:
        """Return the journal of a conversation, made at first use, without holding it."""
        journal = self._journals.get((owner, id))
        if journal is None:
            journal = self._new(id, owner)
        return journal

    def ledger(self, id: str) -> MemoryJournal:
        """Return the ledger of a shared scope."""
        return self._journal(id, LEDGERS)

    def _new(self, id: str, owner: str) -> MemoryJournal:
        journal = self._journals[owner, id] = MemoryJournal(id, owner, self.clock, self._redact)
        journal.store = ref(self)
        return journal

    def load(self, id: str, entries: Sequence[Entry], *, owner: str = LOCAL_OWNER) -> None:
        """Take in a conversation as it was recorded elsewhere, in place of what is here under its id."""
        self._new(id, owner).load(entries)

    async def open(self, id: str, *, owner: str = LOCAL_OWNER, take_over: bool = False) -> Journal:
        journal = self._journals.get((owner, id))
        if journal is None:
            journal = self._journal(checked_id(id), owner)
            journal.held = True
        elif journal.held:
            raise Conflict(f"A run of conversation {id} is going on. Wait for it, or use another conversation.")
        else:
            journal = self._journals[owner, id] = journal.opened()
        return journal

    async def read(
        self, id: str, *, owner: str = LOCAL_OWNER, kinds: Sequence[str] = (), after: int = 0, limit: int | None = None
    ) -> list[Entry]:
        journal = self._journals.get((owner, id))
        entries = (await journal.entries())[after:] if journal else []
        return [e for e in entries if e.kind in kinds][:limit] if kinds else entries[:limit]

    async def fork(
        self, id: str, *, parent: str, upto: int, first: Sequence[Draft | int] = (), owner: str = LOCAL_OWNER
    ) -> Conversation:
        found = self.conversation(id, owner=owner)
        source = self._journals.get((owner, parent))
        entries = source.all() if source else []
        if source is None or not entries:
            raise unknown_parent(parent)
        check_there(parent, len(entries), upto, first)
        if (owner, found.id) in self._journals:
            raise taken_id(found.id)
        journal = ForkedJournal(found.id, source, upto, self.clock, self._redact)
        for item in first:
            if isinstance(item, Draft):
                journal.append(*item)
            else:
                journal.refer(entries[item - 1])
        self._journals[owner, found.id] = journal
        return found

    async def conversations(
        self,
        *,
        owner: str = LOCAL_OWNER,
        starting: str = "",
        before: Summary | None = None,
        limit: int | None = None,
    ) -> list[Summary]:
        found: list[Summary] = []
        for (of, id), journal in self._journals.items():
            if of == owner and id.startswith(starting) and (last := journal.last()):
                found.append(Summary(id, of, last.run, last.at))
        found.sort(key=_age)
        if before is not None:
            found = [s for s in found if _age(s) < _age(before)]
        return found if limit is None else found[max(0, len(found) - limit) :]

    async def stored(self, id: str, *, owner: str = LOCAL_OWNER) -> tuple[list[Stored], list[Artifact]]:
        journal = self._journals.get((owner, id))
        return journal.stored() if journal else ([], [])

    async def verify(self, id: str, *, owner: str = LOCAL_OWNER, given: Head | None = None) -> Head:
        from quorate.runs.verifying import verified

        stored, artifacts = await self.stored(id, owner=owner)
        kept = {artifact.digest: artifact.data for artifact in artifacts}
        length, last = verified(id, stored, given=given, load=kept.__getitem__)
        return Head(length, last.hex()) if length else Head(0, "")

    async def post(self, id: str, note: Note, *, owner: str = LOCAL_OWNER) -> None:
        journal = self._journals.get((owner, id))
        if journal is None:
            raise ConfigError(f"There is no conversation {id} in this store in memory.")
        journal.post(note)

    async def notes(self, id: str, *, owner: str = LOCAL_OWNER) -> list[Note]:
        journal = self._journals.get((owner, id))
        return await journal.inbox() if journal else []

    async def questions(
        self,
        *,
        owner: str = LOCAL_OWNER,
        conversation: str | None = None,
        after: OpenQuestion | None = None,
        most: int = 1000,
    ) -> list[OpenQuestion]:
        found: list[OpenQuestion] = []
        for (of, id), journal in list(self._journals.items()):
            if of == owner and conversation in {None, id}:
                notes = await journal.inbox()
                asked = open_questions(await journal.entries())
                found.extend(OpenQuestion(id, entry, about(entry, notes)) for entry in asked)
        places = [(q.conversation, q.entry.seq) for q in found]
        start = 0 if after is None else places.index((after.conversation, after.entry.seq)) + 1
        return found[start : start + most]

    async def is_held(self, id: str, *, owner: str = LOCAL_OWNER) -> bool:
        journal = self._journals.get((owner, id))
        return journal is not None and journal.held

    async def delete(self, id: str, *, owner: str = LOCAL_OWNER) -> bool:
        if await self.is_held(id, owner=owner):
            raise going_on(id)
        return self._journals.pop((owner, id), None) is not None  # forks have hold of what they share

    async def erase(self, id: str, seqs: Collection[int], *, owner: str = LOCAL_OWNER) -> int:
        journal = self._journals.get((owner, id))
        if journal is None:
            return 0
        if journal.held:
            raise going_on(id)
        chosen = [entry.payload for entry in journal.all() if entry.seq in seqs and "erased" not in entry.payload]
        gone = {builtins.id(payload) for payload in chosen}
        theirs = [other for (of, _), other in self._journals.items() if of == owner]
        sharing = [part for other in theirs for part in other.parts()]
        for other in sharing:
            if not gone.isdisjoint(builtins.id(entry.payload) for entry in other.all()):
                other.digest(gone)
        for other in sharing:
            other.erase(gone)
        return len(gone)

    async def restore(self, recording: Recording, *, id: str | None = None, owner: str = LOCAL_OWNER) -> Conversation:
        where = self.conversation(recording.conversation if id is None else id, owner=owner)
        recording.verify()
        if (owner, where.id) in self._journals:
            raise taken_id(where.id)
        self.load(where.id, recording.entries(), owner=owner)
        return where

    async def scrub(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> MemoryStore:
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.close()


def conversation(id: str | None = None, *, clock: Clock | None = None) -> Conversation:
    """Return a new conversation in memory."""
    return Conversation(MemoryStore(clock=clock), id)
