"""Conversations that share the first entries of another (ENGINE 21)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quorate.errors import ConfigError, Conflict, StoreError
from quorate.runs.entries import Draft
from quorate.runs.journal import Store
from quorate.testing.clock import FakeClock
from quorate.testing.store_cases.expecting import Open, refused, same, starred, values, write, written


def _draft(value: object) -> Draft:
    return Draft(1, "1 turn", "value", {"value": value})


async def _all(store: Store, ids: Sequence[str]) -> dict[str, list[Any]]:
    return {id: values(await store.read(id)) for id in ids}


async def fork_has_the_first_entries_of_its_parent_and_goes_on_alone(open: Open) -> None:
    """ENGINE 21: neither sees what the other writes after it."""
    store = await open()
    await written(store, "a", 1, 2, 3)

    await store.fork("b", parent="a", upto=2)
    await written(store, "b", "mine")
    await written(store, "a", "theirs")

    same(await _all(store, "ab"), {"a": [1, 2, 3, "theirs"], "b": [1, 2, "mine"]})
    same([entry.seq for entry in await store.read("b")], [1, 2, 3], "How they are numbered")


async def fork_of_a_fork_reads_through_all_segments(open: Open) -> None:
    """ENGINE 21: cut before, at and behind the place where its parent branched off."""
    store = await open()
    await written(store, "a", 1, 2, 3)
    await store.fork("b", parent="a", upto=2, first=[_draft("b3"), _draft("b4")])
    await store.fork("c", parent="b", upto=3, first=[_draft("c4")])
    await store.fork("d", parent="c", upto=1, first=[_draft("d2")])
    await store.fork("e", parent="c", upto=4)
    await store.fork("f", parent="b", upto=2)

    expected = {"c": [1, 2, "b3", "c4"], "d": [1, "d2"], "e": [1, 2, "b3", "c4"], "f": [1, 2]}
    same(await _all(store, "cdef"), expected)


async def pages_of_a_fork_go_over_its_segments(open: Open) -> None:
    """ENGINE 21."""
    store = await open()
    await written(store, "a", 1, 2, 3)
    await store.fork("b", parent="a", upto=2, first=[_draft("b3"), _draft("b4")])
    await store.fork("c", parent="b", upto=3, first=[_draft("c4"), Draft(1, "", "stop", {"reason": "x"})])

    whole = await store.read("c")

    for after in range(6):
        for limit in range(1, 6):
            same(await store.read("c", after=after, limit=limit), whole[after : after + limit], "A page")
    same([e.kind for e in await store.read("c", kinds=["stop"])], ["stop"])
    same(values(await store.read("c", kinds=["value"], after=1, limit=2)), [2, "b3"])


async def entries_that_a_fork_keeps_are_those_of_its_parent_with_their_time(open: Open) -> None:
    """ENGINE 21: speeches of a turn that was cut in the middle; kept again by a fork of the fork."""
    clock = FakeClock()
    store = await open(clock=clock)
    await written(store, "a", 1, 2, 3, 4)
    clock.advance(60)
    await store.fork("b", parent="a", upto=1, first=[3, _draft("new"), 4])
    await store.fork("c", parent="b", upto=1, first=[2, 4])

    a, b, c = [await store.read(id) for id in "abc"]

    same([values(b), values(c)], [[1, 3, "new", 4], [1, 3, 4]])
    same([entry.seq for entry in b], [1, 2, 3, 4], "How they are numbered")
    same([b[1].at, c[1].at, b[2].at], [a[2].at, a[2].at, clock.now_us()], "When they were written")


async def fork_of_nothing_of_its_parent_begins_anew(open: Open) -> None:
    """ENGINE 21: where the very first message is another."""
    store = await open()
    await written(store, "a", 1, 2)

    await store.fork("b", parent="a", upto=0, first=[2, _draft("b")])
    await store.fork("c", parent="b", upto=1)

    same(await _all(store, "bc"), {"b": [2, "b"], "c": [2]})
    same((await store.verify("b")).length, 2)


async def forks_are_listed(open: Open) -> None:
    """A fork is a conversation like any other, from the start."""
    store = await open()
    await written(store, "a", 1, 2)
    await store.fork("b", parent="a", upto=2, first=[Draft(2, "", "stop", {"reason": "x"})])
    await store.fork("c", parent="a", upto=1)

    same({(s.id, s.runs) for s in await store.conversations()}, {("a", 1), ("b", 2), ("c", 1)})


async def conversation_that_is_going_on_can_be_forked(open: Open) -> None:
    """ENGINE 21: what was committed is shared; the writer is not in the way."""
    store = await open()
    journal = await store.open("a")
    await write(journal, 1, 2)

    await store.fork("b", parent="a", upto=2)
    await written(store, "b", "mine")

    await write(journal, "late")
    same(await _all(store, "ab"), {"a": [1, 2, "late"], "b": [1, 2, "mine"]})


async def fork_of_entries_that_are_not_there_is_refused(open: Open) -> None:
    """It says how many there are, and leaves nothing behind."""
    store = await open()
    await written(store, "a", 1, 2)

    for upto, first in ((3, ()), (1, (3,)), (-1, ()), (1, (-1,))):
        with refused(ConfigError, "Conversation a has 2 entries"):
            await store.fork("b", parent="a", upto=upto, first=first)
    with refused(ConfigError, "There is no conversation x here"):
        await store.fork("b", parent="x", upto=0)
    with refused(ConfigError, "There is no conversation a here"):
        await store.fork("b", parent="a", upto=1, owner="acme/ann")

    same([s.id for s in await store.conversations()], ["a"])


async def fork_with_the_id_of_a_conversation_is_refused(open: Open) -> None:
    """Or every command would have to ask which."""
    store = await open()
    await written(store, "a", 1, 2)
    await store.fork("b", parent="a", upto=1)

    for id in "ab":
        with refused(Conflict, f"There is a conversation {id} already"):
            await store.fork(id, parent="a", upto=1)

    same(await _all(store, "ab"), {"a": [1, 2], "b": [1]})


async def chain_of_a_fork_starts_from_the_hash_of_its_parent_there(open: Open) -> None:
    """ENGINE 21, 22: so that its head covers what it shares, and verifies."""
    store = await open()
    await written(store, "a", 1, 2, 3, 4)
    there = await store.verify("a")
    await store.fork("b", parent="a", upto=2, first=[4, _draft("b4")])
    await store.fork("c", parent="b", upto=4, first=[_draft("c5")])
    await store.fork("d", parent="a", upto=4)

    heads = [await store.verify(id) for id in "abcd"]

    same([head.length for head in heads], [4, 4, 5, 4])
    same(heads[3], there, "The head of a fork that adds nothing")
    same(len({head.hash for head in heads}), 3, "How many heads there are")


async def what_a_fork_writes_first_is_redacted(open: Open) -> None:
    """ENGINE 24: one hook that every entry passes."""
    store = await open(redact=starred)
    await written(store, "a", 1)

    await store.fork("b", parent="a", upto=1, first=[_draft("open sesame")])

    same(values(await store.read("b")), [1, "open ******"])


async def fork_that_cannot_be_written_leaves_nothing_behind(open: Open) -> None:
    """All of it or nothing."""
    store = await open()
    await written(store, "a", 1)

    with refused(StoreError):
        await store.fork("b", parent="a", upto=1, first=[_draft(2), _draft("x" * (17 << 20))])

    same([s.id for s in await store.conversations()], ["a"])
    await store.fork("b", parent="a", upto=1)
