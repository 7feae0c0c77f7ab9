"""The conformance suite of stores: what each must do for the engine's promises to hold.

Whoever writes a store runs it, with a function that opens one:

    async def open_mine(place, *, clock, redact):    # the same place: the same content, as another process has it
        return MyStore(f"my://test/{unique}/{place}", clock=clock, redact=redact)

    async def test_my_store():
        await check_store(open_mine)

    @pytest.mark.parametrize("case", store_cases(), ids=str)    # or one test a case
    async def test_my_store_in_detail(case):
        await case(open_mine)
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from quorate.runs.clock import Clock
from quorate.runs.entries import Redact
from quorate.runs.journal import Store
from quorate.testing.clock import FakeClock
from quorate.testing.store_cases import chain, forks, inbox, keeping, ledgers, reading, removing, writers
from quorate.testing.store_cases.expecting import Check, Open

__all__ = ["MakeStore", "StoreCase", "check_store", "store_cases"]

MakeStore = Callable[..., Store | Awaitable[Store]]
"""Is given a place by name, `clock` and `redact`, and opens the store there. The name of another place: another store.

A second store at one place has what the first has, as a second process would see it; without `lasting` nobody asks."""

ROOMS = (reading, writers, ledgers, inbox, keeping, chain, forks, removing)


@dataclass(frozen=True)
class StoreCase:
    """One promise, called with the function that opens stores; raises AssertionError where it is not kept.

    Args:
        name: The promise.
        check: What asks.
        lasting: Whether it is one only for stores whose content outlives them.
    """

    name: str
    check: Check
    lasting: bool

    async def __call__(self, make: MakeStore) -> None:
        async with AsyncExitStack() as opened:

            async def open(place: str = "here", *, clock: Clock | None = None, redact: Redact | None = None) -> Store:
                made = make(place, clock=clock or FakeClock(), redact=redact)
                store: Any = await made if inspect.isawaitable(made) else made
                opened.push_async_callback(store.close)
                return store

            opener: Open = open
            await self.check(opener)

    def __str__(self) -> str:
        return self.name


def store_cases(*, lasting: bool = True) -> Sequence[StoreCase]:
    """Return the suite, a case for each promise.

    Args:
        lasting: False for a store whose content ends with it, as that in memory: it cannot be opened twice.
    """
    cases = [
        StoreCase(name, check, bool(getattr(check, "lasting", False)))
        for room in ROOMS
        for name, check in vars(room).items()
        if inspect.iscoroutinefunction(check) and check.__module__ == room.__name__ and not name.startswith("_")
    ]
    return [case for case in cases if lasting or not case.lasting]


async def check_store(make: MakeStore, *, lasting: bool = True) -> None:
    """Run the whole suite.

    Args:
        make: Opens a store; it is called with new places for each case.
        lasting: False for a store whose content ends with it.

    Raises:
        ExceptionGroup: Of an error for each promise that is not kept, with its name.
    """
    failed: list[Exception] = []
    for case in store_cases(lasting=lasting):

        def its_own(place: str, case: StoreCase = case, **options: Any) -> Any:
            return make(f"{case}-{place}", **options)

        try:
            await case(its_own)
        except Exception as error:
            error.add_note(f"in {case}")
            failed.append(error)
    if failed:
        raise ExceptionGroup(f"{len(failed)} promises of a store are not kept", failed)
