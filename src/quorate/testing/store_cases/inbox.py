"""Everyone who does not hold a conversation uses its inbox (ENGINE 16)."""

from __future__ import annotations

import asyncio

from quorate.errors import ConfigError, Conflict, StoreError
from quorate.runs.entries import MAX_ENTRY_BYTES
from quorate.runs.journal import Note
from quorate.testing.clock import FakeClock
from quorate.testing.store_cases.expecting import Open, lasting, refused, same, starred, values, write, written


async def note_waits_until_it_is_taken(open: Open) -> None:
    """ENGINE 16: a note says who wrote what when, and is there for whoever holds the conversation."""
    store = await open()
    journal = await store.open("talk")
    await write(journal, 1)
    await store.post("talk", Note("q1", "answer", {"happened": True, "result": ["ä", None]}))

    [note] = await journal.inbox()
    same(note, Note("q1", "answer", {"happened": True, "result": ["ä", None]}, FakeClock().now_us()))
    same(await store.notes("talk"), [note])
    journal.take(note)
    await journal.commit()

    same(await journal.inbox(), [])
    same(await store.notes("talk"), [])


async def notes_come_oldest_first(open: Open) -> None:
    """ENGINE 16."""
    clock = FakeClock()
    store = await open(clock=clock)
    await written(store, "talk", 1)
    for id in ("c", "a", "b"):
        clock.advance(1)
        await store.post("talk", Note(id, "steer", {"text": id}))

    same([note.id for note in await store.notes("talk")], ["c", "a", "b"])


async def first_answer_is_the_answer_even_after_it_was_taken(open: Open) -> None:
    """ENGINE 16: first answer or Conflict is decided by the row."""
    store = await open()
    journal = await store.open("talk")
    await store.post("talk", Note("q1", "answer", {"happened": True}))

    with refused(Conflict, "q1 has been answered already"):
        await store.post("talk", Note("q1", "answer", {"happened": False}))
    [note] = await journal.inbox()
    same(note.payload, {"happened": True})
    journal.take(note)
    await journal.commit()

    with refused(Conflict, "q1 has been answered already"):
        await store.post("talk", Note("q1", "answer", {"happened": False}))
    same(await store.notes("talk"), [])


async def of_many_answers_at_once_one_is_the_answer(open: Open) -> None:
    """ENGINE 16."""
    store = await open()
    await written(store, "talk", 1)

    found = await asyncio.gather(
        *(store.post("talk", Note("q1", "answer", {"by": n})) for n in range(10)), return_exceptions=True
    )

    same(sum(result is None for result in found), 1, "How many were taken")
    same(sum(isinstance(result, Conflict) for result in found), 9, "How many were refused")
    [note] = await store.notes("talk")
    same(found[int(note.payload["by"])], None, "What the one who was taken was told")


async def note_to_nobody_is_refused(open: Open) -> None:
    """A note that nobody will read is a mistake of who writes it."""
    store = await open()

    with refused(ConfigError, "nothing"):
        await store.post("nothing", Note("q1", "answer", {}))
    same(await store.conversations(), [])


async def notes_are_the_owners(open: Open) -> None:
    """ENGINE 24: the same id at another owner, or in another conversation, is another note."""
    store = await open()
    for owner in ("acme/ann", "acme/bob"):
        await written(store, "talk", 1, owner=owner)
        await written(store, "other", 1, owner=owner)
    await store.post("talk", Note("q1", "answer", {"n": 1}), owner="acme/ann")
    await store.post("other", Note("q1", "answer", {"n": 2}), owner="acme/ann")

    same(await store.notes("talk", owner="acme/bob"), [])
    same([note.payload for note in await store.notes("talk", owner="acme/ann")], [{"n": 1}])
    same([note.payload for note in await store.notes("other", owner="acme/ann")], [{"n": 2}])


async def note_is_redacted_as_an_entry_is(open: Open) -> None:
    """ENGINE 24: what waits in an inbox is kept too."""
    store = await open(redact=starred)
    await written(store, "talk", 1)

    await store.post("talk", Note("q1", "answer", {"result": "open sesame"}))

    same([note.payload for note in await store.notes("talk")], [{"result": "open ******"}])


async def note_that_cannot_be_kept_is_refused_when_it_is_written(open: Open) -> None:
    """ENGINE 24: a size cap that is enforced, and plain data only; nobody reads half a note."""
    store = await open()
    await written(store, "talk", 1)

    with refused(StoreError, str(MAX_ENTRY_BYTES)):
        await store.post("talk", Note("q1", "answer", {"result": "x" * (MAX_ENTRY_BYTES + 1)}))
    with refused(StoreError, "plain JSON data"):
        await store.post("talk", Note("q1", "answer", {"result": float("nan")}))
    with refused(StoreError, "plain JSON data"):
        await store.post("talk", Note("q1", "answer", {"result": object()}))
    await store.post("talk", Note("q1", "answer", {"result": "short"}))

    same([note.payload for note in await store.notes("talk")], [{"result": "short"}])


async def note_comes_back_whatever_is_in_it(open: Open) -> None:
    """Nothing in a note is taken for a mark of the store's own."""
    store = await open()
    await written(store, "talk", 1)
    odd = {"a": {"$artifact": "00", "type": "text/plain"}, "b": {"$literal": 1}, "c": "\ud800", "d": "\x00"}

    await store.post("talk", Note("q1", "answer", odd))

    same([note.payload == odd for note in await store.notes("talk")], [True])


@lasting
async def note_of_another_process_is_there_at_once(open: Open) -> None:
    """ENGINE 16: acknowledged once on disk."""
    first, second = await open(), await open()
    journal = await first.open("talk")
    await write(journal, 1)

    await second.post("talk", Note("q1", "answer", {"happened": True}))

    [note] = await journal.inbox()
    journal.take(note)
    journal.append(1, "1 turn", "answer", note.payload)
    await journal.commit()
    same(await second.notes("talk"), [])
    with refused(Conflict, "q1"):
        await second.post("talk", Note("q1", "answer", {"happened": False}))


@lasting
async def note_taken_by_a_process_that_died_before_its_commit_waits_still(open: Open) -> None:
    """ENGINE 16: the row becomes an entry and is removed in one commit, so it is never lost and never seen twice."""
    first, second = await open(), await open()
    journal = await first.open("talk")
    await write(journal, 1)
    await second.post("talk", Note("q1", "answer", {"happened": True}))
    journal.take((await journal.inbox())[0])
    journal.append(1, "1 turn", "answer", {"happened": True})
    await journal.release()

    same([note.id for note in await second.notes("talk")], ["q1"])
    same(values(await second.read("talk")), [1])


@lasting
async def late_holder_takes_nothing_out_of_the_inbox(open: Open) -> None:
    """ENGINE 15, 16."""
    first, second = await open(), await open()
    late = await first.open("talk")
    await write(late, 1)
    await second.post("talk", Note("q1", "answer", {"happened": True}))
    taken = await second.open("talk", take_over=True)
    late.take((await late.inbox())[0])

    with refused(Conflict, "talk"):
        await late.commit()

    same([note.id for note in await taken.inbox()], ["q1"])
