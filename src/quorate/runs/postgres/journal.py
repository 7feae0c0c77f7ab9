"""The open journal of one conversation in a PostgreSQL store, and what a commit writes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from quorate.errors import Conflict, StoreError
from quorate.runs import chain
from quorate.runs.chained import ChainedJournal, Keeps
from quorate.runs.inbox import Note
from quorate.runs.ledger import Balance


class Writing(Keeps["PostgresJournal"], Protocol):
    """What a journal needs of its store."""

    async def spend(
        self,
        journal: PostgresJournal,
        ledgers: Sequence[str] = (),
        decide: Callable[[list[Balance]], None] | None = None,
        *,
        sync: bool = False,
    ) -> None: ...


class PostgresJournal(ChainedJournal[Writing]):
    """The open journal of one conversation in a PostgreSQL store.

    Attributes:
        taken: The ids of notes that entries have now, with digests of what they said.
    """

    def __init__(self, store: Writing, lease: Any, id: str, owner: str, secret: bytes) -> None:
        super().__init__(store, id, owner, secret=secret, count=lease["count"], last=lease["head"])
        self.key, self.fence = lease["key"], lease["fence"] + 1
        self.written, self.head_written = self._count, self._last
        self.taken: list[tuple[str, bytes]] = []

    def row(self, seq: int, run: int, path: str, *entry: Any) -> tuple[Any, ...]:
        return seq, run, path.encode(errors="surrogatepass"), *entry

    def refer(self, source: Any) -> None:
        """Keep a further entry of the parent."""
        body = source["digest"] or chain.digest(source["salt"] or b"", source["payload"] or b"")
        path = source["path"].decode(errors="surrogatepass")
        self.refer_to(source["run"], path, source["kind"], source["version"], source["at"], body)

    async def commit(self, *, sync: bool = False) -> None:
        if self.charges:
            await self._store.spend(self, sync=sync)
        elif self.rows or self.taken or sync:
            await self._store.commit(self, sync=sync)

    async def reserve(self, ledgers: Sequence[str], decide: Callable[[list[Balance]], None]) -> None:
        await self._store.spend(self, ledgers, decide)

    def take(self, note: Note) -> None:
        self.taken.append((note.id, chain.keyed(self._secret, note.same()).encode()))


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
