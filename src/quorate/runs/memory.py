"""Conversations in memory: plain objects, no serialisation, no hashing, no I/O."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Sequence
from itertools import takewhile
from time import time_ns
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, ref

from msgspec import Struct
from msgspec.structs import replace

from quorate.errors import ConfigError, Conflict
from quorate.runs import chain
from quorate.runs.clock import Clock, SystemClock
from quorate.runs.entries import LOCAL_OWNER, Draft, Entry, Later, Payload, Redact, check_size, redacted
from quorate.runs.erasing import erased
from quorate.runs.inbox import Deliver, Note, OpenQuestion, Watcher, about, open_questions, ready
from quorate.runs.journal import (
    Conversation,
    Journal,
    Summary,
    check_there,
    checked_id,
    going_on,
    taken_id,
    unknown_parent,
)
from quorate.runs.ledger import LEDGERS, Balance, balance_of, next_entry
from quorate.runs.stored import Artifact, Head, Link, Stored, linked

if TYPE_CHECKING:
    from quorate.runs.portable import Recording
    from quorate.runs.signing import Key

_SYSTEM = SystemClock()

WITH_TEXT = frozenset({"reply", "result", "value", "answer"})
"""Kinds whose texts come from outside, so that their size is not ours to choose."""


class Kept(Struct, frozen=True):
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

    follows_living = False

    def __init__(self, conversation: str, owner: str, clock: Clock, redact: Redact | None = None) -> None:
        self.durable = False  # read in each step, and a field is found faster than what the class has
        self.conversation, self.owner, self._clock = conversation, owner, clock
        self._now = None if type(clock) is SystemClock else clock.now_us
        self._redact = redact
        self._entries: list[Entry] = []
        self._made_upto: list[int] = [0]  # behind it payloads may be that nobody has read yet; shared by its holders
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
        at = time_ns() // 1000 if now is None else now()  # a call less: five entries are written each turn
        entry = Entry(len(entries) + 1, run, path, kind, at, payload)
        entries.append(entry)
        return entry

    def append_later(self, run: int, path: str, kind: str, make: Later) -> Entry:
        if self._redact is not None:
            return self.append(run, path, kind, make())
        entries, now = self._entries, self._now
        at = time_ns() // 1000 if now is None else now()
        entry = Entry(len(entries) + 1, run, path, kind, at, make)  # pyright: ignore[reportArgumentType]: until it is read
        entries.append(entry)
        return entry

    def load(self, entries: Sequence[Entry]) -> None:
        """Take in entries that were recorded elsewhere."""
        self._entries, self._made_upto = list(entries), [len(entries)]

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
        return list(self._made())

    def kept_for(self, of: Any) -> Kept | None:
        """Return the fold that was kept for `of`, None where there is none or entries came after it."""
        kept = self.kept
        return kept if kept is not None and kept.of is of and kept.length == len(self._entries) else None

    def last_run(self) -> list[Entry]:
        """Return the entries of the last run."""
        entries = self._made()
        number = entries[-1].run
        return list(takewhile(lambda entry: entry.run == number, reversed(entries)))

    def last(self) -> Entry | None:
        """Return the last entry, None if there is none."""
        return self._made()[-1] if self._entries else None

    def _made(self) -> list[Entry]:
        """Return the entries with all their payloads made."""
        entries = self._entries
        for at in range(self._made_upto[0], len(entries)):
            payload: Any = entries[at].payload
            if callable(payload):
                entries[at] = replace(entries[at], payload=payload())
        self._made_upto[0] = len(entries)
        return entries

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
        self._watcher = Watcher.here(deliver, early=self._watcher is None)
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
        return linked(self.conversation, self._own(), self._links)

    def _own(self) -> list[Entry]:
        return self._made()

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
        for at, entry in enumerate(self._made()):
            if id(entry.payload) in gone:
                self._entries[at] = replace(entry, payload=erased(entry.kind, entry.payload))
        self.kept = None
        for note in self._spent.values():
            self._spent[note.id] = note._replace(payload={})

    async def release(self) -> None:
        self.held, self._watcher = False, None


class ForkedJournal(MemoryJournal):
    """A journal whose first entries are those of another."""

    def __init__(self, id: str, parent: MemoryJournal, upto: int, clock: Clock, redact: Redact | None) -> None:
        super().__init__(id, parent.owner, clock, redact)
        self._parent, self._upto = parent, upto
        self._same: dict[int, int] = {}

    def append(self, run: int, path: str, kind: str, payload: Payload) -> Entry:
        entry = super().append(run, path, kind, payload)
        entry = self._entries[-1] = replace(entry, seq=self._upto + len(self._entries))
        return entry

    def append_later(self, run: int, path: str, kind: str, make: Later) -> Entry:
        return self.append(run, path, kind, make())

    def refer(self, source: Entry) -> None:
        """Keep a further entry of the parent, whose payload is read where it is."""
        seq = self._upto + len(self._entries) + 1
        self._same[seq] = source.seq
        self._entries.append(replace(source, seq=seq))

    def all(self) -> list[Entry]:
        before = self._parent.all()
        return before[: self._upto] + self._resolved(before)

    def _resolved(self, before: list[Entry]) -> list[Entry]:
        same = self._same
        return [replace(e, payload=before[same[e.seq] - 1].payload) if e.seq in same else e for e in self._made()]

    def _own(self) -> list[Entry]:
        return self._resolved(self._parent.all()) if self._same else self._made()

    def stored(self) -> tuple[list[Stored], list[Artifact]]:
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

    def __init__(
        self, *, clock: Clock | None = None, redact: Redact | None = None, signing_key: Key | None = None
    ) -> None:
        self.clock, self.signing_key = clock or _SYSTEM, signing_key
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
            raise Conflict(
                f"A run of conversation {id} is going on. Wait for it, or use another conversation. A stream that was "
                "left early has to be closed: async with contextlib.aclosing(team.run_stream(…)) as stream."
            )
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


def loaded(recording: Recording, *, clock: Clock | None = None) -> MemoryStore:
    """Return a store in memory that has a recorded conversation, with its numbers and times."""
    store = MemoryStore(clock=clock)
    store.load(recording.conversation, recording.entries())
    return store
