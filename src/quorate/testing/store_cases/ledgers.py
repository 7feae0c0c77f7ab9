"""The ledgers of budgets that runs share: looked up and added to in the transaction of the call (ENGINE 18, 19)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from quorate.errors import Conflict
from quorate.runs.journal import Journal, Store
from quorate.runs.ledger import LEDGERS, Balance, balance_of
from quorate.testing.store_cases.expecting import Open, lasting, refused, same, values, write


class _Spent(Exception):
    """Nothing is left."""


def _take(journal: Journal, tokens: int, cap: int, ledger: str = "ann") -> Callable[[list[Balance]], None]:
    """Return a decision: hold tokens where the cap allows it, and journal the call."""

    def decide(found: list[Balance]) -> None:
        if found[0].all_tokens + tokens > cap:
            raise _Spent
        journal.append(1, "1 turn", "value", {"value": tokens})
        journal.charge(ledger, "held", {"by": journal.conversation, "held": [tokens, 0]})

    return decide


async def _balance(store: Store, ledger: str = "ann") -> Balance:
    entries = await store.read(ledger, owner=LEDGERS)
    return balance_of(entries[-1].payload if entries else None)


async def ledger_counts_what_is_held_and_what_was_used(open: Open) -> None:
    """ENGINE 19: a balance in every entry, the chain over all of them."""
    store = await open()
    journal = await store.open("talk")

    await journal.reserve(["ann"], _take(journal, 100, 100))
    held = await _balance(store)
    journal.charge("ann", "settled", {"by": "talk", "held": [100, 0], "used": [30, None]})
    journal.append(1, "2 turn", "value", {"value": "reply"})
    await journal.commit()

    same((held.held_calls, held.held_tokens, held.tokens), (1, 100, 0))
    same(await _balance(store), Balance(calls=1, tokens=30, unpriced=1))
    same([e.kind for e in await store.read("ann", owner=LEDGERS)], ["held", "settled"])
    same((await store.verify("ann", owner=LEDGERS)).length, 2)
    same(values(await store.read("talk")), [100, "reply"])


async def ledgers_are_in_no_list_of_conversations(open: Open) -> None:
    """They are the store's, whoever's runs they count."""
    store = await open()
    journal = await store.open("talk")
    await journal.reserve(["ann@2026-11-21", "team"], _take(journal, 1, 1, "team"))

    same([s.id for s in await store.conversations()], ["talk"])
    same([s.id for s in await store.conversations(owner=LEDGERS)], ["team"])


async def decision_that_raises_writes_nothing(open: Open) -> None:
    """What was appended before is neither lost nor committed by it."""
    store = await open()
    journal = await store.open("talk")
    journal.append(1, "1 turn", "value", {"value": "before"})

    for _ in range(2):
        try:
            await journal.reserve(["ann"], _take(journal, 100, 99))
        except _Spent:
            continue
        raise AssertionError("What decides raised, and reserve did not.")
    await journal.commit()

    same(values(await store.read("talk")), ["before"])
    same(await store.read("ann", owner=LEDGERS), [])


async def reservation_sees_what_others_charged_before(open: Open) -> None:
    """ENGINE 19: many conversations, one scope: all at once, and never over the cap."""
    store = await open()
    spent = 0

    async def work(n: int) -> None:
        nonlocal spent
        journal = await store.open(f"talk-{n}")
        try:
            await journal.reserve(["ann"], _take(journal, 10, 95))
        except _Spent:
            spent += 1
        await journal.release()

    async with asyncio.TaskGroup() as group:
        for n in range(20):
            group.create_task(work(n))

    same(spent, 11)
    same((await _balance(store)).held_tokens, 90)


@lasting
async def two_processes_share_a_ledger(open: Open) -> None:
    """ENGINE 19: anyone appends, under a lock on the head."""
    stores = [await open(), await open(), await open()]
    spent = 0

    async def work(n: int) -> None:
        nonlocal spent
        journal = await stores[n % 3].open(f"talk-{n}")
        for _ in range(5):
            try:
                await journal.reserve(["ann"], _take(journal, 10, 205))
            except _Spent:
                spent += 1
                continue
            journal.charge("ann", "settled", {"by": journal.conversation, "held": [10, 0], "used": [7, 0]})
            await journal.commit()
        await journal.release()

    async with asyncio.TaskGroup() as group:
        for n in range(9):
            group.create_task(work(n))

    end = await _balance(stores[0])
    same((end.held_tokens, end.tokens, end.calls + spent), (0, 7 * end.calls, 45))
    if not 20 <= end.calls <= 28 + 1:  # 20 where all are held at once; after 28 settled ones, 205 - 196 is below 10
        raise AssertionError(f"{end.calls} calls of 10 reserved and 7 used tokens went within 205.")
    same((await stores[1].verify("ann", owner=LEDGERS)).length, 2 * end.calls)


@lasting
async def late_holder_can_reserve_nothing(open: Open) -> None:
    """ENGINE 15, 18: the reservation is in the transaction of the call, and that is refused."""
    first, second = await open(), await open()
    late = await first.open("talk")
    await write(late, "first")
    await second.open("talk", take_over=True)

    with refused(Conflict, "talk"):
        await late.reserve(["ann"], _take(late, 10, 100))

    same(await second.read("ann", owner=LEDGERS), [])
    same(values(await second.read("talk")), ["first"])
