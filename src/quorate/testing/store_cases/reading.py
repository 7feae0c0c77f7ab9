"""Entries come back as they were written, whole or by pages, and only to their owner (ENGINE 12, 24)."""

from __future__ import annotations

from quorate.runs.entries import FORMAT, LOCAL_OWNER, Entry
from quorate.testing.clock import FakeClock
from quorate.testing.store_cases.expecting import Open, lasting, same, values, write, written


async def entries_come_back_as_they_were_written(open: Open) -> None:
    """ENGINE 24: an entry has sequence, run, path, kind, time, payload and version."""
    store = await open()
    journal = await store.open("talk")
    payload = {"value": {"ä": [1, 2.5, None, True, "x", {"": -(2**53)}]}, "text": '\x00 \u2028 \U0001f600 "\\'}
    entry = journal.append(2, "1 turn/1 writer", "value", payload)
    await journal.commit()

    found = await store.read("talk")

    same(found, [entry], "What is read")
    same(await journal.entries(), [entry], "What the journal has")
    same(entry, Entry(1, 2, "1 turn/1 writer", "value", FakeClock().now_us(), payload, FORMAT), "The entry")


async def kind_that_nobody_knows_is_kept_untouched(open: Open) -> None:
    """ENGINE 24."""
    store = await open()
    journal = await store.open("talk")
    journal.append(1, "1 turn", "tomorrow", {"what": {"deep": ["thing"]}})
    await journal.commit()

    [entry] = await store.read("talk")

    same((entry.kind, entry.payload), ("tomorrow", {"what": {"deep": ["thing"]}}))


async def entries_are_numbered_without_a_gap_whoever_writes(open: Open) -> None:
    """ENGINE 12: append order carries the sequence."""
    store = await open()
    for _ in range(3):
        await written(store, "talk", 1, 2)

    same([entry.seq for entry in await store.read("talk")], [1, 2, 3, 4, 5, 6])


async def reading_can_ask_for_kinds(open: Open) -> None:
    """Whoever lists runs need not read what was said in them."""
    store = await open()
    journal = await store.open("talk")
    journal.append(1, "", "run", {})
    await write(journal, 1)
    journal.append(1, "", "ended", {})
    await journal.commit()

    same([e.kind for e in await store.read("talk", kinds=["value"])], ["value"])
    same([e.kind for e in await store.read("talk", kinds=["ended", "run"])], ["run", "ended"])
    same(await store.read("talk", kinds=["reply"]), [])


async def reading_goes_by_pages(open: Open) -> None:
    """A page begins after a sequence and has at most so many entries, of the kinds that were asked for."""
    store = await open()
    journal = await store.open("talk")
    for n in range(10):
        journal.append(1, "", "even" if n % 2 == 0 else "odd", {"value": n})
    await journal.commit()

    same(values(await store.read("talk", limit=3)), [0, 1, 2], "The first page")
    same(values(await store.read("talk", after=3, limit=3)), [3, 4, 5], "The second")
    same(values(await store.read("talk", after=9, limit=3)), [9], "The last")
    same(await store.read("talk", after=10, limit=3), [], "The one after the last")
    same(await store.read("talk", limit=0), [], "A page of nothing")
    same(values(await store.read("talk", after=7)), [7, 8, 9], "All after the seventh")
    same(values(await store.read("talk", kinds=["odd"], after=3, limit=2)), [3, 5], "A page of one kind")


async def conversation_that_does_not_exist_is_empty(open: Open) -> None:
    """Asking makes nothing."""
    store = await open()

    same(await store.read("nothing"), [])
    same(await store.notes("nothing"), [])
    same(await store.is_held("nothing"), False)
    same((await store.verify("nothing")).length, 0)
    same(await store.conversations(), [])


async def conversation_without_entries_is_not_listed(open: Open) -> None:
    """Who opened one and wrote nothing leaves nothing to see."""
    store = await open()
    journal = await store.open("talk")
    await journal.release()

    same(await store.conversations(), [])


async def owners_have_conversations_of_the_same_name_without_meeting(open: Open) -> None:
    """ENGINE 24: every call takes the owner."""
    store = await open()
    for owner in ("acme/ann", "acme/bob"):
        await written(store, "talk", owner, owner=owner)
    held = await store.open("talk", owner="acme/bob")

    same(values(await store.read("talk", owner="acme/ann")), ["acme/ann"])
    same(values(await store.read("talk", owner="acme/bob")), ["acme/bob"])
    same(await store.read("talk"), [])
    same([s.owner for s in await store.conversations(owner="acme/ann")], ["acme/ann"])
    same(await store.conversations(owner=LOCAL_OWNER), [])
    same(await store.is_held("talk", owner="acme/ann"), False)
    same(await store.is_held("talk", owner="acme/bob"), True)
    same((await store.verify("talk", owner="acme/carl")).length, 0)
    await held.release()


async def conversations_are_listed_with_the_latest_last(open: Open) -> None:
    """A conversation is as old as its last entry, and has as many runs as that entry's number."""
    clock = FakeClock()
    store = await open(clock=clock)
    for id in ("a", "b", "a"):
        clock.advance(1)
        journal = await store.open(id)
        await write(journal, id, run=3 if id == "a" else 1)
        await journal.release()

    found = await store.conversations()

    same([(s.id, s.runs) for s in found], [("b", 1), ("a", 3)])
    same(found[1].last_at, clock.now_us())


async def conversations_are_listed_by_pages(open: Open) -> None:
    """The latest first page by page, each in order; those of one moment come in the order of their ids."""
    clock = FakeClock()
    store = await open(clock=clock)
    for n, id in enumerate("abcdefg"):
        if n % 2:
            clock.advance(1)
        await written(store, id, n)

    latest = await store.conversations(limit=3)
    middle = await store.conversations(limit=3, before=latest[0])
    first = await store.conversations(limit=3, before=middle[0])

    same(["".join(s.id for s in page) for page in (first, middle, latest)], ["a", "bcd", "efg"])
    same(await store.conversations(before=first[0]), [], "What is before the first")
    same(await store.conversations(limit=0), [], "A page of nothing")
    same("".join(s.id for s in await store.conversations(before=middle[0])), "a", "All before one")


async def conversations_are_found_by_how_their_ids_begin(open: Open) -> None:
    """What a beginning holds is text and no pattern."""
    store = await open()
    for id in ("ticket-1", "ticket-17", "Ticket-2", "tacket", "t%cket", "t_cket"):
        await written(store, id, 1)

    same([s.id for s in await store.conversations(starting="ticket-1")], ["ticket-1", "ticket-17"])
    same([s.id for s in await store.conversations(starting="t%")], ["t%cket"])
    same([s.id for s in await store.conversations(starting="t_")], ["t_cket"])
    same(await store.conversations(starting="z"), [])


@lasting
async def what_was_committed_is_there_for_another_process(open: Open) -> None:
    """Payloads are the store's own: what becomes of the object that was appended changes nothing."""
    first = await open()
    payload = {"value": {"list": [1]}, "text": "half a pair: \ud800", "long": "\udfff" * 40_000}
    journal = await first.open("talk")
    journal.append(1, "1 turn", "value", payload)
    payload["value"] = "changed"
    await journal.commit()
    await first.close()

    second = await open()

    [entry] = await second.read("talk")
    expected = {"value": {"list": [1]}, "text": "half a pair: \ud800", "long": "\udfff" * 40_000}
    same(entry.payload == expected, True, "Whether half a surrogate pair came back, short and long,")
    same(len(await second.conversations()), 1)
