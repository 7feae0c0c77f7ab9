"""One writer for each conversation, and many conversations at once (ENGINE 15, 17)."""

from __future__ import annotations

import asyncio

from quorate.errors import ConfigError, Conflict
from quorate.testing.clock import FakeClock
from quorate.testing.store_cases.expecting import Open, lasting, refused, same, values, write, written


async def only_one_holds_a_conversation_at_a_time(open: Open) -> None:
    """ENGINE 15."""
    store = await open()
    journal = await store.open("talk")

    with refused(Conflict, "talk"):
        await store.open("talk")

    same(await store.is_held("talk"), True)
    other = await store.open("other")
    await other.release()
    await journal.release()
    same(await store.is_held("talk"), False)
    again = await store.open("talk")
    await again.release()


async def journal_released_twice_lets_its_next_holder_be(open: Open) -> None:
    """ENGINE 15."""
    store = await open()
    first = await store.open("talk")
    await first.release()
    second = await store.open("talk")

    await first.release()

    same(await store.is_held("talk"), True)
    with refused(Conflict):
        await store.open("talk")
    await second.release()


async def store_does_not_take_over_from_itself(open: Open) -> None:
    """ENGINE 15: who takes over stops a process that hangs, and never its own run."""
    store = await open()
    await store.open("talk")

    with refused(Conflict):
        await store.open("talk", take_over=True)


async def name_that_cannot_be_a_conversations_is_refused(open: Open) -> None:
    """Ids go into file names, URLs and commands."""
    store = await open()

    for id in ("", "a b", "a/b", "-a", "talk.3", "x" * 201):
        with refused(ConfigError, repr(id)):
            await store.open(id)
    same(await store.conversations(), [])


async def clock_of_the_store_gives_entries_their_time(open: Open) -> None:
    """Time is handed in."""
    clock = FakeClock()
    store = await open(clock=clock)
    journal = await store.open("talk")
    first = journal.append(1, "", "run", {})
    clock.advance(2.5)
    second = journal.append(1, "", "ended", {})

    same(second.at - first.at, 2_500_000)


async def store_may_be_closed_twice(open: Open) -> None:
    """Closing gives back what was held."""
    store = await open()
    await write(await store.open("talk"), 1)

    await store.close()
    await store.close()


async def commit_of_nothing_is_fine(open: Open) -> None:
    """With and without a sync."""
    store = await open()
    journal = await store.open("talk")
    await journal.commit()
    await journal.commit(sync=True)
    await write(journal, 1)
    await journal.commit(sync=True)

    same(values(await store.read("talk")), [1])


async def many_conversations_are_written_at_once(open: Open) -> None:
    """ENGINE 17: tasks side by side, each with commits of its own, with and without a sync."""
    store = await open()

    async def work(n: int) -> None:
        journal = await store.open(f"talk-{n}")
        for turn in range(5):
            journal.append(1, f"{turn} turn", "value", {"value": [n, turn]})
            await journal.commit(sync=turn == 2)
        await journal.release()

    async with asyncio.TaskGroup() as group:
        for n in range(20):
            group.create_task(work(n))

    for n in range(20):
        same(values(await store.read(f"talk-{n}")), [[n, turn] for turn in range(5)], f"Conversation {n}")
        same((await store.verify(f"talk-{n}")).length, 5)


async def branches_of_one_run_write_side_by_side(open: Open) -> None:
    """ENGINE 12: append order is whatever came first, and nothing is lost."""
    store = await open()
    journal = await store.open("talk")

    async def branch(n: int) -> None:
        for turn in range(10):
            journal.append(1, f"{n} branch/{turn} step", "value", {"value": turn})
            await journal.commit(sync=turn == n % 10)

    async with asyncio.TaskGroup() as group:
        for n in range(10):
            group.create_task(branch(n))

    found = await store.read("talk")
    same(sorted(e.path for e in found), sorted(f"{n} branch/{t} step" for n in range(10) for t in range(10)))
    same([e.seq for e in found], list(range(1, 101)))
    same((await store.verify("talk")).length, 100)


@lasting
async def what_was_not_committed_is_gone_with_its_holder(open: Open) -> None:
    """A crash before a commit: nothing of it is there, and the chain goes on from what is."""
    first = await open()
    journal = await first.open("talk")
    await write(journal, "kept")
    journal.append(1, "2 turn", "value", {"value": "lost"})
    second = await open()
    same(values(await second.read("talk")), ["kept"], "What another process sees before the commit")
    await journal.release()

    await written(second, "talk", "next")

    same([(e.seq, e.payload["value"]) for e in await first.read("talk")], [(1, "kept"), (2, "next")])
    same((await first.verify("talk")).length, 2)


@lasting
async def journal_that_was_released_can_write_no_more(open: Open) -> None:
    """ENGINE 15: only who holds it appends."""
    store = await open()
    journal = await store.open("talk")
    await write(journal, 1)
    await journal.release()
    journal.append(1, "2 turn", "value", {"value": "late"})

    with refused(Conflict, "talk"):
        await journal.commit()

    same(values(await store.read("talk")), [1])


@lasting
async def closing_a_store_gives_its_conversations_back(open: Open) -> None:
    """ENGINE 15: a lease dies with its process."""
    first, second = await open(), await open()
    await write(await first.open("talk"), 1)
    same(await second.is_held("talk"), True, "Whether another process sees it held")
    with refused(Conflict, "talk"):
        await second.open("talk")

    await first.close()

    same(await second.is_held("talk"), False, "Whether another process sees it held after that")
    await written(second, "talk", 2)
    same(values(await second.read("talk")), [1, 2])


@lasting
async def living_holder_is_asked_for_unless_an_operator_takes_over(open: Open) -> None:
    """ENGINE 15: every append carries its holder's fencing number; the late holder can write no more."""
    first, second = await open(), await open()
    late = await first.open("talk")
    await write(late, "first")
    with refused(Conflict, "--take-over"):
        await second.open("talk")

    taken = await second.open("talk", take_over=True)
    late.append(1, "2 turn", "value", {"value": "late"})
    for _ in range(2):
        with refused(Conflict, "talk"):
            await late.commit()
    with refused(Conflict, "talk"):
        await late.commit(sync=True)
    await write(taken, "second")

    same(values(await second.read("talk")), ["first", "second"])
    same((await second.verify("talk")).length, 2)


@lasting
async def late_holder_is_told_before_an_unsafe_call(open: Open) -> None:
    """ENGINE 15, 17: the sync of an intent that was committed already is refused too: the call must not be made."""
    first, second = await open(), await open()
    late = await first.open("talk")
    await write(late, "intent")
    await second.open("talk", take_over=True)

    with refused(Conflict, "talk"):
        await late.commit(sync=True)


@lasting
async def release_of_a_late_holder_leaves_the_new_one_in_place(open: Open) -> None:
    """ENGINE 15."""
    first, second, third = await open(), await open(), await open()
    late = await first.open("talk")
    taken = await second.open("talk", take_over=True)

    await late.release()
    await first.close()

    same(await third.is_held("talk"), True)
    with refused(Conflict):
        await third.open("talk")
    await write(taken, 1)
    await taken.release()


@lasting
async def late_holder_does_not_take_others_down_that_commit_with_it(open: Open) -> None:
    """ENGINE 15, 17: what shares a commit does not share its failure."""
    first, second = await open(), await open()
    journals = [await first.open(id) for id in ("a", "late", "b")]
    await second.open("late", take_over=True)
    for journal in journals:
        journal.append(1, "1 turn", "value", {"value": 1})

    found = await asyncio.gather(*(journal.commit() for journal in journals), return_exceptions=True)

    same([type(result) for result in found], [type(None), Conflict, type(None)])
    same([len(await second.read(id)) for id in ("a", "late", "b")], [1, 0, 1])


@lasting
async def processes_side_by_side_do_not_lose_each_others_entries(open: Open) -> None:
    """ENGINE 15: they write at the same time, to conversations of their own."""
    stores = [await open() for _ in range(3)]

    async def work(n: int) -> None:
        journal = await stores[n % 3].open(f"talk-{n}")
        for turn in range(5):
            await write(journal, [n, turn])
        await journal.release()

    async with asyncio.TaskGroup() as group:
        for n in range(9):
            group.create_task(work(n))

    for n in range(9):
        same(values(await stores[0].read(f"talk-{n}")), [[n, turn] for turn in range(5)])
        same((await stores[1].verify(f"talk-{n}")).length, 5)


@lasting
async def of_many_who_open_a_conversation_one_gets_it(open: Open) -> None:
    """ENGINE 15: also where they all ask at once."""
    stores = [await open() for _ in range(4)]

    found = await asyncio.gather(*(store.open("talk") for store in stores), return_exceptions=True)

    same(sorted(isinstance(result, Conflict) for result in found), [False, True, True, True])
