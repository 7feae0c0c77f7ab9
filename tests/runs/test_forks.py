"""What forks are on disk; what they are in every store is in the conformance suite."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from quorate import open_store
from quorate.errors import StoreError
from quorate.runs import portable
from quorate.runs.entries import Draft, Entry
from quorate.runs.journal import Store
from quorate.testing import FakeClock


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Any]:
    async with open_store(tmp_path / "work.db", clock=FakeClock()) as opened:
        yield opened


async def write(store: Store, id: str, *values: object) -> None:
    journal = await store.open(id)
    for value in values:
        journal.append(1, "1 turn", "value", {"value": value})
    await journal.commit()
    await journal.release()


def draft(value: object) -> Draft:
    return Draft(1, "1 turn", "value", {"value": value})


def values(entries: list[Entry]) -> list[object]:
    return [entry.payload["value"] for entry in entries]


async def forked(store: Store) -> None:
    await write(store, "a", 1, 2, 3, 4)
    await store.fork("b", parent="a", upto=2, first=[4, draft("b4")])
    await store.fork("c", parent="b", upto=4, first=[draft("c5")])


@pytest.mark.parametrize(("seq", "broken"), [(1, "abc"), (3, "a"), (4, "abc")])
async def test_entry_altered_in_the_parent_is_found_in_every_fork_that_has_it(kept: Any, seq: int, broken: str) -> None:
    # ENGINE 21, 22: entry 4 is entry 3 of the forks, kept by reference
    await forked(kept)
    with sqlite3.connect(kept.path) as db:
        db.execute("UPDATE entries SET payload = ? WHERE place = ?", (b'{"value":9}', 1 << 32 | seq))
    db.close()

    for id in "abc":
        if id in broken:
            with pytest.raises(StoreError, match="was altered"):
                await kept.verify(id)
        else:
            await kept.verify(id)


async def test_payload_is_stored_once_however_many_forks_have_it(kept: Any) -> None:
    # ENGINE 21
    await write(kept, "a", "x" * 20_000)
    for i in range(20):
        await kept.fork(f"fork{i}", parent="a", upto=i % 2, first=[draft(i)] if i % 2 else [1, draft(i)])

    with sqlite3.connect(kept.path) as db:
        [(size,)] = db.execute("SELECT sum(length(payload)) FROM entries")
    db.close()

    assert size < 20_000 * 1.1
    assert {values(await kept.read(f"fork{i}"))[0] for i in range(20)} == {"x" * 20_000}


async def test_fork_in_a_file_of_its_own_verifies_and_says_whose_its_entries_are(kept: Any, tmp_path: Path) -> None:
    # ENGINE 21: across stores a fork is export and import
    await forked(kept)

    portable.save(await portable.record(kept, "c"), tmp_path / "c.jsonl")
    read = portable.load(tmp_path / "c.jsonl")

    assert [stored.of for stored in read.stored] == ["a", "a", "b", "b", ""]
    assert values(read.entries()) == [1, 2, 4, "b4", "c5"]
