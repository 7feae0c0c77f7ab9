"""Everyone who does not hold a conversation uses its inbox (ENGINE 16)."""

from __future__ import annotations

import asyncio
from typing import Any

from quorate.errors import ConfigError, Conflict, StoreError
from quorate.runs.entries import MAX_ENTRY_BYTES
from quorate.runs.inbox import Note
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
        *(store.post("talk", Note("q1", "answer", {"value": n})) for n in range(10)), return_exceptions=True
    )

    same(sum(result is None for result in found), 1, "How many were taken")
    same(sum(isinstance(result, Conflict) for result in found), 9, "How many were refused")
    [note] = await store.notes("talk")
    same(found[int(note.payload["value"])], None, "What the one who was taken was told")


async def same_answer_again_changes_nothing_whoever_gives_it(open: Open) -> None:
    """ENGINE 16: also after it was taken."""
    store = await open()
    journal = await store.open("talk")
    await store.post("talk", Note("q1", "answer", {"value": {"a": [1], "b": 2}, "by": "ann"}))
    await store.post("talk", Note("q1", "answer", {"value": {"b": 2, "a": [1]}, "by": "bob"}))
    [note] = await journal.inbox()
    journal.take(note)
    await journal.commit()

    await store.post("talk", Note("q1", "answer", {"value": {"a": [1], "b": 2}}))

    same(note.payload["by"], "ann")
    same(await journal.inbox(), [])


async def watcher_is_told_what_waits_and_what_comes_until_release(open: Open) -> None:
    """ENGINE 16."""
    store = await open()
    await written(store, "talk", 1)
    await store.post("talk", Note("n1", "steer", {"text": "a"}))
    journal = await store.open("talk")
    told: asyncio.Queue[list[str]] = asyncio.Queue()

    journal.watch(lambda notes: told.put_nowait([note.id for note in notes]))
    same(await _next(told), ["n1"])
    await store.post("talk", Note("n2", "steer", {"text": "b"}))
    same(await _next(told), ["n1", "n2"])
    await journal.release()
    await store.post("talk", Note("n3", "steer", {"text": "c"}))
    await asyncio.sleep(0)

    same(told.empty(), True, "Whether nobody is told after the release")


async def attempt_ends_only_over_an_inbox_in_which_there_is_nothing_new(open: Open) -> None:
    """ENGINE 16: the entry that ends an attempt is committed only together with the check that the inbox is empty."""
    store = await open()
    journal = await store.open("talk")
    await write(journal, 1)
    await store.post("talk", Note("n1", "steer", {"text": "a"}))
    await store.post("talk", Note("n2", "steer", {"text": "b"}))
    journal.take((await journal.inbox())[0])

    def last() -> None:
        journal.append(1, "", "value", {"value": "last"})

    same([note.id for note in await journal.end(last, set())], ["n2"])
    same(values(await store.read("talk")), [1])
    same(await journal.end(last, {"n2"}), [])

    same(values(await store.read("talk")), [1, "last"])
    same([note.id for note in await store.notes("talk")], ["n2"])


async def open_questions_are_listed_page_by_page(open: Open) -> None:
    """What was answered, and what is in a turn that was closed, is no open question."""
    store = await open()
    for id in ("a", "b", "c"):
        journal = await store.open(id)
        for turn in (1, 2, 3):
            journal.append(1, f"{turn} turn/1 ann/1 ask", "question", {"id": f"{id}.1-q{turn}", "text": "?"})
        journal.append(1, "1 turn/1 ann/1 ask", "answer", {"value": 1})
        journal.append(1, "2 turn", "turn", {"given_up": True})
        await journal.commit()
        await journal.release()
    await store.post("b", Note("b.1-q3", "answer", {"value": 2}))

    first = await store.questions(most=2)
    rest = await store.questions(after=first[-1])

    same([q.entry.payload["id"] for q in (*first, *rest)], ["a.1-q3", "b.1-q3", "c.1-q3"])
    same([note.payload for q in first for note in q.notes], [{"value": 2}])
    same([q.conversation for q in await store.questions(conversation="c")], ["c"])
    same(await store.questions(owner="acme/bob"), [])


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
async def holder_is_told_what_another_process_posts(open: Open) -> None:
    """ENGINE 16: by one timer a store on SQLite, by LISTEN on PostgreSQL."""
    first, second = await open(), await open()
    told: asyncio.Queue[list[Note]] = asyncio.Queue()
    for id in ("a", "b"):
        journal = await first.open(id)
        await write(journal, 1)
        journal.watch(lambda notes: told.put_nowait(list(notes)))

    await second.post("b", Note("n1", "steer", {"text": "shorter"}))
    [note] = await _next(told)

    same((note.id, note.payload), ("n1", {"text": "shorter"}))
    same(told.empty(), True, "Whether nobody else is told")


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


async def _next(told: asyncio.Queue[Any]) -> Any:
    async with asyncio.timeout(60):
        return await told.get()
