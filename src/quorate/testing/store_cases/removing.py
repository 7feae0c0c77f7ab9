"""Deleting, erasing, and taking in what another store gave out (ENGINE 21, 23)."""

from __future__ import annotations

from quorate.errors import Conflict, Tampered
from quorate.runs.entries import ERASED, Draft
from quorate.runs.inbox import Note
from quorate.runs.portable import record
from quorate.testing.store_cases.expecting import Open, lasting, refused, same, values, write, written

LONG = "Nobody knows the trouble I've seen. " * 5000


async def deleted_conversation_is_gone(open: Open) -> None:
    """With its inbox; another one of its name begins anew, and other conversations and owners keep theirs."""
    store = await open()
    for id in ("talk", "other"):
        await written(store, id, 1, LONG)
    await written(store, "talk", "hers", LONG, owner="acme/ann")
    await store.post("talk", Note("q1", "answer", {}))

    same(await store.delete("talk"), True)
    await store.scrub()

    same(await store.delete("talk"), False, "Whether it is there to be deleted again")
    same(await store.read("talk"), [])
    same([s.id for s in await store.conversations()], ["other"])
    same(values(await store.read("other")) == [1, LONG], True, "Whether another conversation has its long text")
    same(values(await store.read("talk", owner="acme/ann")) == ["hers", LONG], True)
    await written(store, "talk", "new")
    same([(e.seq, e.payload["value"]) for e in await store.read("talk")], [(1, "new")])
    same(await store.notes("talk"), [])
    same((await store.verify("talk")).length, 1)


async def conversation_that_is_going_on_is_neither_deleted_nor_erased(open: Open) -> None:
    """ENGINE 15: who holds it would write on."""
    store = await open()
    journal = await store.open("talk")
    await write(journal, 1)

    with refused(Conflict, "talk"):
        await store.delete("talk")
    with refused(Conflict, "talk"):
        await store.erase("talk", [1])

    same(values(await store.read("talk")), [1])
    await journal.release()


async def deleting_keeps_what_forks_share(open: Open) -> None:
    """ENGINE 21: their chains hold, and the last one that is deleted takes it along."""
    store = await open()
    await written(store, "a", 1, 2, LONG, 4)
    await store.fork("b", parent="a", upto=2, first=[4, Draft(1, "1 turn", "value", {"value": "b"})])
    await store.fork("c", parent="b", upto=3)

    await store.delete("a")
    same([s.id for s in await store.conversations()], ["b", "c"])
    await store.delete("b")
    await store.scrub()

    same(values(await store.read("c")), [1, 2, 4])
    same((await store.verify("c")).length, 3)
    await written(store, "a", "new")
    same(values(await store.read("a")), ["new"])
    await store.delete("c")
    same([s.id for s in await store.conversations()], ["a"])
    same((await store.verify("a")).length, 1)


async def erased_entry_keeps_its_place_and_its_chain(open: Open) -> None:
    """ENGINE 23: its words are gone, its shape and figures stay, and the head is what it was."""
    store = await open()
    journal = await store.open("talk")
    journal.append(
        1, "", "run", {"task": [{"type": "TextMessage", "source": "user", "content": "secret"}], "limits": {}}
    )
    journal.append(1, "1 turn/1 a/1 model", "reply", {"text": LONG, "in": 7, "out": 3, "cost": 0.5})
    journal.append(1, "1 turn/1 a", "said", {"items": [["reply", 1]], "state": {"secret": 1}})
    journal.append(1, "2 turn", "value", {"value": "kept"})
    await journal.commit()
    await journal.release()
    head = await store.verify("talk")

    same(await store.erase("talk", [1, 2, 3]), 3, "How many were erased")
    same(await store.erase("talk", [1, 2, 9]), 0, "How many were erased when asked again")
    await store.scrub()

    run, reply, said, other = await store.read("talk")
    same([e.payload.get("erased", False) for e in (run, reply, said, other)], [True, True, True, False])
    same(run.payload["task"], [{"type": "TextMessage", "source": "user", "content": ERASED}])
    same([reply.payload[name] for name in ("text", "in", "out", "cost")], [ERASED, 7, 3, 0.5])
    same((said.payload["items"], "state" in said.payload), ([["reply", 1]], False))
    same(other.payload, {"value": "kept"})
    same(await store.verify("talk", given=head), head)
    await written(store, "talk", "more")
    same((await store.verify("talk", given=head)).length, 5)
    stored, artifacts = await store.stored("talk")
    same([s.salt is None for s in stored], [True, True, True, False, False], "Which salts are gone")
    same(artifacts, [], "The long texts that are left")


async def erasing_reaches_every_fork(open: Open) -> None:
    """ENGINE 21, 23: whichever of them it is asked of, and also for an entry that is kept by reference."""
    store = await open()
    await written(store, "a", "one", "two", "three", "four")
    await store.fork("b", parent="a", upto=2, first=[4])
    await store.fork("c", parent="b", upto=3)
    heads = {id: await store.verify(id) for id in "abc"}

    same(await store.erase("c", [1, 3]), 2)

    same(values(await store.read("a")), [None, "two", "three", None])
    same(values(await store.read("b")), [None, "two", None])
    same(values(await store.read("c")), [None, "two", None])
    for id, head in heads.items():
        same(await store.verify(id), head, f"The head of {id}")


async def text_that_another_entry_needs_is_not_erased_with_one(open: Open) -> None:
    """ENGINE 23, 24: an artifact is stored once, and stays as long as an entry refers to it."""
    store = await open()
    await written(store, "one", LONG)
    await written(store, "two", LONG)

    await store.erase("one", [1])
    same(values(await store.read("two")) == [LONG], True, "Whether the other conversation has its text")
    await written(store, "three", LONG)
    await store.delete("two")

    same(values(await store.read("three")) == [LONG], True, "Whether a later one has it")
    same((await store.verify("three")).length, 1)


@lasting
async def text_that_is_removed_while_another_process_writes_it_again_is_there(open: Open) -> None:
    """ENGINE 24: what a process has written once it may not take for there for ever."""
    first, second = await open(), await open()
    await written(first, "one", LONG)
    await second.delete("one")

    await written(first, "two", LONG)

    same(values(await second.read("two")) == [LONG], True)


async def conversation_goes_from_store_to_store(open: Open) -> None:
    """ENGINE 21: with its numbers and times, its erased entries, and a chain that goes on."""
    here, there = await open("here"), await open("there")
    await written(here, "talk", 1, LONG, {"deep": ["ä"]}, "secret")
    await here.erase("talk", [4])
    recording = await record(here, "talk")

    where = await there.restore(recording, owner="acme/ann")

    same((where.id, where.owner), ("talk", "acme/ann"))
    same(
        await there.read("talk", owner="acme/ann") == await here.read("talk"), True, "Whether the entries are the same"
    )
    same((await there.verify("talk", owner="acme/ann")).length, 4)
    await written(there, "talk", "more", owner="acme/ann")
    same((await there.verify("talk", owner="acme/ann")).length, 5)
    with refused(Conflict, "talk"):
        await there.restore(recording, owner="acme/ann")


async def conversation_is_taken_in_under_another_name(open: Open) -> None:
    """Also beside its original, and a fork with all that it shares."""
    store = await open()
    await written(store, "a", 1, LONG)
    await store.fork("b", parent="a", upto=2, first=[Draft(1, "1 turn", "value", {"value": "b"})])
    recording = await record(store, "b")

    for name in ("copy", "other"):
        await store.restore(recording, id=name)
        same(values(await store.read(name)) == [1, LONG, "b"], True, f"Whether {name} has its entries")
        same((await store.verify(name)).length, 3)
    await written(store, "copy", "more")
    await store.delete("a")
    await store.delete("b")

    same(len(values(await store.read("copy"))), 4)
    same((await store.verify("copy")).length, 4)
    same(sorted(s.id for s in await store.conversations()), ["copy", "other"])


async def recording_that_was_altered_is_not_taken_in(open: Open) -> None:
    """ENGINE 22."""
    store = await open()
    await written(store, "talk", 1, LONG, 3)
    recording = await record(store, "talk")
    one, two, three = recording.stored
    odd = [
        [one, two._replace(data=b'{"value":9}'), three],
        [one, three],
        [one, three._replace(seq=2), two._replace(seq=3)],
    ]

    for stored in odd:
        with refused(Tampered, "talk"):
            await store.restore(type(recording)("talk", stored, recording.artifacts), id="copy")
    changed = {digest: a._replace(data=b"else") for digest, a in recording.artifacts.items()}
    with refused(Tampered, "talk"):
        await store.restore(type(recording)("talk", recording.stored, changed), id="copy")

    same(await store.read("copy"), [])
    same([s.id for s in await store.conversations()], ["talk"])


@lasting
async def head_of_what_was_taken_in_is_the_one_that_was_given_out(open: Open) -> None:
    """ENGINE 22: under any name."""
    here, there = await open("here"), await open("there")
    await written(here, "talk", 1, LONG)
    head = await here.verify("talk")
    recording = await record(here, "talk")

    await there.restore(recording)
    await there.restore(recording, id="copy")

    same(await there.verify("talk", given=head), head)
    same(await there.verify("copy", given=head), head)
