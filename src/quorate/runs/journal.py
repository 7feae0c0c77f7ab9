"""Journals and stores, as protocols.

A *store* keeps conversations. To work on one, a process opens its *journal*, and is then the only writer.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from quorate.errors import ConfigError, Conflict, StoreError
from quorate.runs.entries import FORMAT, LOCAL_OWNER, Draft, Entry, Later, Payload
from quorate.runs.ledger import Ledgers

if TYPE_CHECKING:
    from quorate.runs.clock import Clock
    from quorate.runs.inbox import Deliver, Note, OpenQuestion
    from quorate.runs.portable import Recording
    from quorate.runs.signing import Key
    from quorate.runs.stored import Artifact, Head, Stored


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

    @property
    def append_later(self) -> Callable[[int, str, str, Later], Entry] | None:
        """Adds an entry whose payload is made once somebody reads it; the one it returns may have none yet.

        None where a payload is needed at once.
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
    if not isinstance(id, str):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
        raise ConfigError(f"{id!r} cannot name a conversation: it is no text.")
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


def given_out(conversation: Conversation, head: Head) -> Head:
    """Return a head as it is given out: signed, if the store has a key."""
    key: Key | None = getattr(conversation.store, "signing_key", None)  # not every store signs
    return head if key is None or not head.hash else key.signed(conversation.id, head, owner=conversation.owner)


def going_on(id: str, *, take_over: bool = False) -> Conflict:
    """Return what to raise where somebody who is alive holds a conversation."""
    hung = " If it hangs: resume with --take-over; it can then write no more." if take_over else ""
    return Conflict(f"A run of conversation {id} is going on in a living process. Wait for it, or stop it there.{hung}")


def unknown_parent(id: str) -> ConfigError:
    """Return what to raise where there is nothing to branch off."""
    return ConfigError(f"There is no conversation {id} here. `quorate conversations` lists them.")


def taken_id(id: str) -> Conflict:
    """Return what to raise where a new conversation has the id of one that is there."""
    return Conflict(f"There is a conversation {id} already. Give the new one another name.")


def too_new(what: str, version: int) -> StoreError:
    """Return what to raise where an entry was written by a later Quorate."""
    return StoreError(f"{what} has version {version}; this Quorate reads up to {FORMAT}. Use a newer Quorate.")


def check_there(id: str, length: int, upto: int, first: Sequence[Draft | int]) -> None:
    """Make sure that a conversation has the entries that a fork wants of it.

    Raises:
        ConfigError: It does not.
    """
    wanted = [upto, *(item for item in first if isinstance(item, int))]
    if not all(0 <= seq <= length for seq in wanted):
        bad = next(seq for seq in wanted if not 0 <= seq <= length)
        raise ConfigError(f"Conversation {id} has {length} entries, no entry {bad}.")
