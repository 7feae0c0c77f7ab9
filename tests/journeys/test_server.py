"""A PostgreSQL server that crashes in the middle of the work, and recovers."""

import asyncio
import os
from collections.abc import Iterator
from signal import SIGKILL
from typing import Any

import asyncpg
import pytest

from quorate import open_store
from quorate.errors import StoreError
from quorate.runs.postgres.store import PostgresJournal, PostgresStore
from quorate.testing.postgres import postgres_server as server


@pytest.fixture
def own(postgres_server: str) -> Iterator[str]:
    """The URL of a server of the test's own. The other one is only asked for because it skips where there is none."""
    with server() as url:
        yield url


def opened(url: str) -> PostgresStore:
    store = open_store(url)
    assert isinstance(store, PostgresStore)
    return store


async def crash(url: str) -> None:
    """Kill a process of the server that serves somebody: the server throws everybody out, and recovers."""
    async with asyncio.timeout(60):
        while True:
            try:
                connection: Any = await asyncpg.connect(url)
                os.kill(connection.get_server_pid(), SIGKILL)
            except (asyncpg.PostgresError, OSError):  # it recovers from the last crash still
                await asyncio.sleep(0.01)
            else:
                break
    connection.terminate()


async def held(store: PostgresStore, id: str) -> bool:
    """Whether a conversation is held before long: who holds it takes its lock again a moment after the server did."""
    async with asyncio.timeout(60):
        while not await store.is_held(id):  # noqa: ASYNC110  # nothing else tells
            await asyncio.sleep(0.01)
    return True


async def write(journal: PostgresJournal, values: range) -> None:
    for n in values:
        journal.append(1, "1 turn", "value", {"value": n})
        await journal.commit(sync=n % 10 == 0)


async def test_server_that_crashes_loses_nothing_and_the_work_goes_on(own: str) -> None:
    # ENGINE 15, 17
    async with opened(own) as store, opened(own) as other:
        journals = [await store.open(f"talk-{n}") for n in range(3)]
        for at in range(3):
            async with asyncio.TaskGroup() as group:
                for journal in journals:
                    group.create_task(write(journal, range(at * 40, at * 40 + 40)))
                await asyncio.sleep(0.02)
                await crash(own)

        heads = [await other.verify(f"talk-{n}") for n in range(3)]
        values = [[e.payload["value"] for e in await other.read(f"talk-{n}")] for n in range(3)]
        kept = await held(other, "talk-0")

    assert heads == [journal.head() for journal in journals]
    assert values == [list(range(120))] * 3
    assert kept


async def test_server_that_loses_commits_that_it_was_told_not_to_sync_is_noticed_and_nothing_is_torn(own: str) -> None:
    # ENGINE 17: synchronous_commit=off
    async with opened(f"{own}&synchronous_commit=off") as store:
        journal = await store.open("talk")
        await write(journal, range(11))  # the last of them is synced
        for n in range(11, 200):
            journal.append(1, "1 turn", "value", {"value": n})
            await journal.commit()
        await crash(own)
        told = ""
        try:
            await write(journal, range(200, 201))
        except StoreError as error:
            told = str(error)
        await journal.release()

        there = [e.payload["value"] for e in await store.read("talk")]
        again = await store.open("talk")
        await write(again, range(1000, 1001))
        head = await store.verify("talk")

    assert there == list(range(len(there)))
    assert len(there) >= 11, "what was synced is there"
    assert ("Resume from what is there" in told) == (len(there) < 201)
    assert head == again.head()
