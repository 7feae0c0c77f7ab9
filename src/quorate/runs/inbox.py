"""What others tell a run that somebody else holds: notes, until they become entries; and the questions they answer."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from msgspec import Struct

from quorate.errors import StoreError
from quorate.runs import chain
from quorate.runs.entries import MAX_ENTRY_BYTES, Entry, Payload, Redact


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


class Watcher(Struct, eq=False):
    """Who wants to know what waits in an inbox, in the loop that it was made in.

    One that is made `early`, before anything really waits, can only be told from its own thread: to find out which loop
    runs is a call of the system, which costs more than many a run.
    """

    deliver: Deliver
    thread: int
    loop: asyncio.AbstractEventLoop | None

    @classmethod
    def here(cls, deliver: Deliver, *, early: bool = False) -> Watcher:
        """Return one for the running thread."""
        return cls(deliver, threading.get_ident(), None if early else asyncio.get_running_loop())

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
