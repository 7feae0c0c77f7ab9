import asyncio
import hashlib
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from quorate import open_store
from quorate.errors import StoreError
from quorate.runs.chain import INLINE_BYTES
from quorate.runs.inbox import Note
from quorate.runs.sqlite import store as module
from quorate.runs.sqlite.store import SqliteStore
from quorate.testing import FakeClock


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with open_store(tmp_path / "work.db", clock=FakeClock()) as opened:
        assert isinstance(opened, SqliteStore)
        yield opened


async def write(store: SqliteStore, id: str, *values: object, owner: str = "local/me") -> None:
    journal = await store.open(id, owner=owner)
    for value in values:
        journal.append(1, f"{value} turn" if isinstance(value, int) else "1 turn", "value", {"value": value})
        await journal.commit()
    await journal.release()


def sql(store: SqliteStore, *statements: str) -> list[Any]:
    """Do statements from outside, as somebody would who tampers with the file."""
    with sqlite3.connect(store.path) as db:
        found = [row for statement in statements for row in db.execute(statement).fetchall()]
    db.close()
    return found


# -- the chain --------------------------------------------------------------------------------------------------------


async def test_entry_moved_from_another_conversation_is_found(store: SqliteStore) -> None:
    # ENGINE 22
    await write(store, "talk", 1)
    await write(store, "other", 1)
    sql(
        store,
        "UPDATE entries SET (payload, salt, hash) = (SELECT payload, salt, hash FROM entries WHERE place >> 32 = 1) "
        "WHERE place >> 32 = 2",
    )

    with pytest.raises(StoreError, match="Entry 1 of other was altered"):
        await store.verify("other")


async def test_altered_content_of_a_long_entry_is_found(store: SqliteStore) -> None:
    # ENGINE 22, 24
    await write(store, "talk", "x" * (INLINE_BYTES + 1))
    sql(store, "UPDATE artifacts SET data = replace(data, 'x', 'y')")

    with pytest.raises(StoreError, match="Entry 1 of talk"):
        await store.verify("talk")


async def test_same_text_has_another_hash_in_every_entry(store: SqliteStore) -> None:
    # ENGINE 22: salted, so that nobody can guess a short payload from its digest
    await write(store, "talk", "yes", "yes")

    salts = [row[0] for row in sql(store, "SELECT salt FROM entries")]

    assert len({bytes(salt) for salt in salts}) == 2
    assert all(len(salt) == 16 for salt in salts)


# -- artifacts --------------------------------------------------------------------------------------------------------


async def test_long_text_is_stored_once_per_owner_and_read_as_it_was(store: SqliteStore) -> None:
    # ENGINE 24
    text = "ä" * INLINE_BYTES
    for owner in ("acme/ann", "acme/bob"):
        await write(store, "one", text, text, owner=owner)
        await write(store, "two", text, owner=owner)

    kept = sql(store, "SELECT owner, digest, type, length(data) FROM artifacts ORDER BY owner")

    assert [(owner, kind, size) for owner, _, kind, size in kept] == [
        ("acme/ann", "text/plain", 2 * INLINE_BYTES),
        ("acme/bob", "text/plain", 2 * INLINE_BYTES),
    ]
    assert kept[0][1] != kept[1][1], "a digest tells nobody but its owner that the content is the same"
    assert [e.payload["value"] for e in await store.read("one", owner="acme/ann")] == [text, text]


async def test_entry_holds_digest_size_and_media_type_of_its_artifact(store: SqliteStore) -> None:
    # ENGINE 24
    await write(store, "talk", ["x" * INLINE_BYTES])

    ((payload,),) = sql(store, "SELECT payload FROM entries")
    ((digest, kept),) = sql(store, "SELECT digest, data FROM artifacts")

    assert json.loads(payload)["value"] == {
        "$artifact": digest,
        "size": INLINE_BYTES + 4,
        "type": "application/json",
        "sha256": hashlib.sha256(kept).hexdigest(),
    }


async def test_lost_artifact_is_named_and_nothing_else_is_lost(store: SqliteStore) -> None:
    await write(store, "talk", "x" * (INLINE_BYTES + 1))
    await write(store, "other", 1)
    sql(store, "DELETE FROM artifacts")

    with pytest.raises(StoreError, match=r"has lost the content [0-9a-f]{32} of local/me"):
        await store.read("talk")

    assert len(await store.read("other")) == 1


# -- writers ----------------------------------------------------------------------------------------------------------


async def test_many_conversations_share_one_commit(store: SqliteStore) -> None:
    # ENGINE 17
    journals = [await store.open(f"talk-{n}") for n in range(50)]
    for journal in journals:
        journal.append(1, "1 turn", "value", {"value": 1})
    transactions: list[str] = []
    store._db.set_trace_callback(lambda statement: transactions.append(statement))

    await asyncio.gather(*(journal.commit() for journal in journals))

    store._db.set_trace_callback(None)
    assert sum(statement.startswith("BEGIN") for statement in transactions) == 1
    assert [len(await store.read(f"talk-{n}")) for n in range(50)] == [1] * 50


async def test_commit_that_shall_survive_a_power_cut_is_synced_and_others_are_not(store: SqliteStore) -> None:
    # ENGINE 17
    journal = await store.open("talk")
    level: list[int] = []

    async def commit(**options: bool) -> None:
        journal.append(1, "1 turn", "value", {"value": 1})
        statements: list[str] = []
        store._db.set_trace_callback(statements.append)
        await journal.commit(**options)
        store._db.set_trace_callback(None)
        told = [s for s in statements if s.startswith(("PRAGMA synchronous", "COMMIT"))]
        level.append(told.index("COMMIT"))
        assert told[: told.index("COMMIT")] in ([], ["PRAGMA synchronous=FULL"])

    await commit()
    await commit(sync=True)
    await commit()

    assert level == [0, 1, 0]


async def test_intent_that_another_commit_wrote_is_still_synced(store: SqliteStore) -> None:
    # ENGINE 17: a commit beside it must not take an intent's sync away
    journal = await store.open("talk")
    journal.append(1, "1 turn", "intent", {"effect": "unsafe"})
    await journal.commit()
    statements: list[str] = []
    store._db.set_trace_callback(statements.append)

    await journal.commit(sync=True)

    store._db.set_trace_callback(None)
    assert any(s.split()[0] in {"INSERT", "UPDATE", "REPLACE"} for s in statements) or any(
        "wal_checkpoint" in s for s in statements
    ), f"an empty transaction syncs nothing: {statements}"


# -- other programs, and other versions -------------------------------------------------------------------------------


async def test_calls_side_by_side_share_one_sync(store: SqliteStore) -> None:
    # ENGINE 17
    journal = await store.open("talk")
    statements: list[str] = []
    store._db.set_trace_callback(statements.append)

    async def intent(n: int) -> None:
        journal.append(1, f"1 turn/{n} pay", "intent", {"effect": "unsafe"})
        await journal.commit(sync=True)

    await asyncio.gather(*(intent(n) for n in range(10)))

    store._db.set_trace_callback(None)
    assert statements.count("COMMIT") == 1
    assert len(await store.read("talk")) == 10


async def test_file_of_a_newer_version_is_refused_clearly(store: SqliteStore) -> None:
    # ENGINE 24
    sql(store, "UPDATE meta SET value = '2' WHERE name = 'format'")

    with pytest.raises(StoreError, match=r"has format 2; this Quorate reads up to 1. Use a newer Quorate"):
        open_store(store.path)


async def test_entry_of_a_newer_version_is_refused_and_named(store: SqliteStore) -> None:
    # ENGINE 24
    await write(store, "talk", 1, 2)
    sql(store, "UPDATE entries SET version = 2 WHERE place % 4294967296 = 2")

    with pytest.raises(StoreError, match="Entry 2 of talk has version 2; this Quorate reads up to 1"):
        await store.read("talk")


@pytest.mark.parametrize("content", [b"This is no database at all. " * 100, None])
def test_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "thing.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    with pytest.raises(StoreError, match=r"thing\.db cannot be opened as a store"):
        open_store(path)

    assert content is None or path.read_bytes() == content


def test_path_through_a_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(StoreError, match=r"cannot be opened as a store.*A part of its path is no folder: name another"):
        open_store(tmp_path / "file" / "work.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_file_and_folder_that_cannot_be_written_are_refused_with_what_to_do(tmp_path: Path) -> None:
    async with open_store(tmp_path / "work.db") as store:
        await store.read("talk")
    (tmp_path / "work.db").chmod(0o400)
    (tmp_path / "folder").mkdir(mode=0o500)

    for path in (tmp_path / "work.db", tmp_path / "folder" / "new.db"):
        with pytest.raises(StoreError, match="Make sure that you may write to the file and its folder"):
            open_store(path)


def test_format_that_is_no_number_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "work.db") as db:
        db.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        db.execute("INSERT INTO meta VALUES ('format', 'new')")
    db.close()

    with pytest.raises(StoreError, match=r"work\.db cannot be opened as a store"):
        open_store(tmp_path / "work.db")


async def test_database_locked_by_another_program_is_a_clear_error_and_nothing_is_lost(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_MS", 100)
    journal = await store.open("talk")
    journal.append(1, "1 turn", "value", {"value": 1})
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StoreError, match=r"work\.db is locked by another program.*Close it and resume"):
        await journal.commit()
    other.execute("ROLLBACK")
    other.close()
    await journal.commit()

    assert (await store.verify("talk")).length == 1


@pytest.mark.parametrize("conversations", [1, 3])
async def test_waiting_for_a_locked_database_does_not_hold_up_the_event_loop(
    store: SqliteStore, conversations: int
) -> None:
    journals = [await store.open(f"talk-{n}") for n in range(conversations)]
    for journal in journals:
        journal.append(1, "1 turn", "value", {"value": 1})
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    turns = 0

    async def unlock() -> None:
        nonlocal turns
        while turns < 20:
            turns += 1
            await asyncio.sleep(0.001)
        other.execute("ROLLBACK")
        other.close()

    async with asyncio.TaskGroup() as group:
        for journal in journals:
            group.create_task(journal.commit())
        group.create_task(unlock())

    assert turns == 20
    assert [len(await store.read(f"talk-{n}")) for n in range(conversations)] == [1] * conversations


async def test_full_disk_is_a_clear_error_and_the_journal_goes_on_when_there_is_room(store: SqliteStore) -> None:
    journal = await store.open("talk")
    journal.append(1, "1 turn", "value", {"value": "before"})
    await journal.commit()
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count={pages}")
    journal.append(1, "2 turn", "value", {"value": "x" * 20_000})

    with pytest.raises(StoreError, match=r"cannot be written: database or disk is full\. Free some space, then resume"):
        await journal.commit()
    verified = await store.verify("talk")
    store._db.execute("PRAGMA max_page_count=1000000")
    await journal.commit()

    assert verified.length == 1
    assert (await store.verify("talk")).length == 2


async def test_copy_of_a_store_is_a_store(store: SqliteStore, tmp_path: Path) -> None:
    await write(store, "talk", 1, "x" * (INLINE_BYTES + 1))
    await store.close()
    shutil.copy(store.path, tmp_path / "copy.db")

    async with open_store(tmp_path / "copy.db") as copy:
        assert isinstance(copy, SqliteStore)
        assert (await copy.verify("talk")).length == 2


async def test_closed_store_leaves_no_lock_behind(store: SqliteStore, tmp_path: Path) -> None:
    await write(store, "talk", 1)

    await store.close()

    assert await asyncio.to_thread(lambda: list(tmp_path.rglob("*.lock"))) == []


async def test_closed_store_says_so(store: SqliteStore) -> None:
    await write(store, "talk", 1)
    await store.close()

    with pytest.raises(StoreError):
        await store.read("talk")
    with pytest.raises(StoreError):
        await store.post("talk", Note("q", "answer", {}))


def test_many_that_make_one_file_at_the_same_time_all_open_it(tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def opened(path: Path) -> str:
        together.wait(60)
        try:
            SqliteStore(path)._close()
        except StoreError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(4) as pool:
        told = [list(pool.map(opened, [tmp_path / f"{n}.db"] * 4)) for n in range(40)]

    assert {error for errors in told for error in errors} == {""}
