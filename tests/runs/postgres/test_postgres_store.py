"""What only PostgreSQL can get wrong: connections that break, locks, proxies, several versions of a schema.

What every store promises is in tests/testing/test_stores.py."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from quorate import open_store
from quorate.errors import ConfigError, Conflict, MissingExtra, StoreError
from quorate.runs.chain import INLINE_BYTES
from quorate.runs.inbox import Note
from quorate.runs.postgres import inbox, schema, wire
from quorate.runs.postgres.store import PostgresJournal, PostgresStore

Sql = Callable[..., Any]
BREAK_LOCK = schema.Statements("x").break_lock


def opened(url: str, **options: Any) -> PostgresStore:
    store = open_store(url, **options)
    assert isinstance(store, PostgresStore)
    return store


@pytest.fixture
async def store(postgres: str) -> AsyncIterator[PostgresStore]:
    async with opened(postgres) as one:
        yield one


@pytest.fixture
async def other(postgres: str) -> AsyncIterator[PostgresStore]:
    """The same store, as another process has it."""
    async with opened(postgres) as one:
        yield one


@pytest.fixture
async def sql(postgres_server: str, store: PostgresStore) -> AsyncIterator[Sql]:
    """Do a statement from outside, as an administrator would; {s} is the schema."""
    import asyncpg

    connection = await asyncpg.connect(postgres_server)

    async def do(text: str, *values: Any) -> Any:
        return await connection.fetch(text.replace("{s}", store.address.schema), *values)

    yield do
    await connection.close()


def add(journal: PostgresJournal, *values: object) -> None:
    for value in values:
        journal.append(1, "1 turn", "value", {"value": value})


async def values(store: PostgresStore, id: str = "talk") -> list[object]:
    await store.verify(id)
    return [entry.payload["value"] for entry in await store.read(id)]


async def cut(sql: Sql, store: PostgresStore) -> None:
    """End the connection on which a store holds its lock and writes."""
    ended = await sql(BREAK_LOCK, store.holder)
    assert ended == [(True,)]


async def lose(sql: Sql, store: PostgresStore) -> None:
    """End that connection for good, as the death of the process does: nobody is there to connect again."""
    store._writer.on_lost = None
    if store._beat_at is not None:
        store._beat_at.cancel()
    if store._beating is not None:
        await store._beating  # under way since the store opened a conversation, it would connect again
    await cut(sql, store)


# -- one writer -------------------------------------------------------------------------------------------------------


async def test_of_many_that_open_at_once_exactly_one_wins(postgres: str) -> None:
    # ENGINE 15
    stores = [opened(postgres) for _ in range(6)]

    found = await asyncio.gather(*(one.open("talk") for one in stores), return_exceptions=True)

    assert sorted(type(result).__name__ for result in found) == ["Conflict"] * 5 + ["PostgresJournal"]
    for one in stores:
        await one.close()


async def test_many_conversations_are_held_by_one_lock_and_one_sign_of_life(store: PostgresStore, sql: Sql) -> None:
    # ENGINE 15
    for n in range(20):
        await store.open(f"talk-{n}")

    locks = await sql("SELECT FROM pg_locks WHERE locktype = 'advisory'")
    holders = await sql("SELECT holder FROM {s}.holders")

    assert len(locks) == 1
    assert [row["holder"] for row in holders] == [store.holder]


async def test_conversation_of_a_store_that_is_gone_is_free_at_once(
    store: PostgresStore, other: PostgresStore, sql: Sql
) -> None:
    # ENGINE 15: as after kill -9, where nobody gives anything back
    await store.open("talk")
    await lose(sql, store)

    held = await other.is_held("talk")
    journal = await other.open("talk")

    assert not held
    assert journal.fence == 2


async def test_conversation_of_a_dead_process_is_free_before_the_server_has_noticed(
    store: PostgresStore, other: PostgresStore
) -> None:
    # ENGINE 15
    await store.open("talk")
    assert await other.is_held("talk")
    assert store._mark._lock is not None
    store._mark._lock.release()  # as the system does when a process dies

    held = await other.is_held("talk")
    journal = await other.open("talk")

    assert not held
    assert (journal.fence, journal.follows_living) == (2, False)


async def test_connection_that_is_lost_while_nobody_writes_is_made_again_with_its_lock(
    store: PostgresStore, other: PostgresStore, sql: Sql
) -> None:
    # ENGINE 15
    journal = await store.open("talk")
    await cut(sql, store)
    async with asyncio.timeout(60):
        while not await other.is_held("talk"):  # noqa: ASYNC110  # nothing else tells
            await asyncio.sleep(0.01)

    with pytest.raises(Conflict, match="going on in a living process"):
        await other.open("talk")
    add(journal, 1)
    await journal.commit()

    assert await values(store) == [1]


async def test_who_was_taken_over_while_its_connection_was_lost_can_write_no_more(
    store: PostgresStore, other: PostgresStore, sql: Sql
) -> None:
    # ENGINE 15
    late = await store.open("talk")
    add(late, "first")
    await late.commit()
    await lose(sql, store)
    add(await other.open("talk"), "ours")
    add(late, "late")

    with pytest.raises(Conflict, match="talk was taken over"):
        await late.commit(sync=True)

    assert await values(store) == ["first"]


async def test_lock_that_a_lost_connection_still_holds_is_taken_from_it(store: PostgresStore, sql: Sql) -> None:
    # ENGINE 15: the network is gone, and the server has not noticed
    journal = await store.open("talk")
    lost, store._writer._connection = store._writer._connection, None

    add(journal, 1)
    await journal.commit()

    assert await values(store) == [1]
    assert len(await sql("SELECT FROM pg_locks WHERE locktype = 'advisory'")) == 1
    lost.terminate()


async def test_holder_whose_lock_cannot_be_seen_lives_until_its_last_sign_of_life_expires(
    postgres: str, store: PostgresStore, sql: Sql
) -> None:
    # ENGINE 15
    async with opened(f"{postgres}&lease=expiry") as behind:
        late = await behind.open("talk")
        add(late, 1)
        await late.commit()
        with pytest.raises(Conflict, match="going on in a living process"):
            await store.open("talk")
        await sql("UPDATE {s}.holders SET beat = beat - interval '29 s'")
        assert await store.is_held("talk")
        await sql("UPDATE {s}.holders SET beat = beat - interval '2 s'")
        assert not await store.is_held("talk")

        add(await store.open("talk"), 2)
        add(late, 3)

        with pytest.raises(Conflict, match="talk was taken over"):
            await late.commit()
    assert await values(store) == [1]


# -- connections that break -------------------------------------------------------------------------------------------


async def test_no_entry_is_lost_or_written_twice_when_connections_are_cut_at_any_time(
    store: PostgresStore, sql: Sql
) -> None:
    # ENGINE 15, 17
    journals = [await store.open(f"talk-{n}") for n in range(4)]
    working, chance, cuts = True, random.Random(7), 0
    written = [0] * len(journals)

    async def write(at: int) -> None:
        while working:
            add(journals[at], written[at])
            written[at] += 1
            await journals[at].commit(sync=written[at] % 5 == 0)

    async with asyncio.TaskGroup() as group:
        for at in range(len(journals)):
            group.create_task(write(at))
        while cuts < 8:
            await asyncio.sleep(chance.uniform(0.05, 0.15))
            cuts += len(await sql(BREAK_LOCK, store.holder))
        working = False

    for at, journal in enumerate(journals):
        assert written[at] > 8
        assert await values(store, f"talk-{at}") == list(range(written[at]))
        assert await store.verify(f"talk-{at}") == journal.head()


@pytest.mark.parametrize("told", [True, False], ids=["after it was done", "before it was done"])
async def test_commit_whose_answer_is_lost_is_done_once(store: PostgresStore, told: bool) -> None:
    # ENGINE 17
    journal = await store.open("talk")
    send, lost = store._send, []

    async def losing(db: Any, *rest: Any) -> Any:
        if lost:
            return await send(db, *rest)
        lost.append(await send(db, *rest) if told else None)
        db.terminate()
        raise ConnectionResetError

    store._send = losing
    add(journal, 1, 2)
    await store.post("talk", Note("n", "steer", {}))
    journal.take((await store.notes("talk"))[0])

    await journal.commit()
    add(journal, 3)
    await journal.commit()

    assert lost
    assert await values(store) == [1, 2, 3]
    assert await store.notes("talk") == []


async def test_commit_that_was_given_up_and_had_been_done_is_not_done_again(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # ENGINE 17
    journal = await store.open("talk")
    send = store._send

    async def losing(db: Any, *rest: Any) -> Any:
        await send(db, *rest)
        raise ConnectionResetError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(wire, "AGAIN_S", 0.0)
        store._send = losing
        add(journal, 1)
        with pytest.raises(StoreError, match="gone"):
            await journal.commit()
    store._send = send
    add(journal, 2)
    await journal.commit()

    assert await values(store) == [1, 2]


async def test_note_whose_acknowledgement_is_lost_is_posted_once_and_is_no_conflict(
    store: PostgresStore, other: PostgresStore
) -> None:
    # ENGINE 16
    await store.open("talk")
    apply, lost = other._driver.apply, []

    async def losing(db: Any, work: Any) -> Any:
        done = await apply(db, work)
        if lost:
            return done
        lost.append(done)
        raise ConnectionResetError

    other._driver.apply = losing

    await other.post("talk", Note("q", "answer", {"text": "yes"}))

    assert [note.payload for note in await store.notes("talk")] == [{"text": "yes"}]
    with pytest.raises(Conflict, match="answered already"):
        await other.post("talk", Note("q", "answer", {"text": "no"}))


async def test_cancelling_who_waits_for_a_commit_does_not_cut_the_commit(store: PostgresStore, sql: Sql) -> None:
    journal = await store.open("talk")
    for n in range(20):
        add(journal, n)
        waiting = asyncio.ensure_future(journal.commit())
        for _ in range(n % 4):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    await journal.commit()

    assert await values(store) == list(range(20))
    assert await store.verify("talk") == journal.head()


async def test_server_that_has_lost_what_it_had_is_noticed_before_anything_is_written(
    store: PostgresStore, sql: Sql
) -> None:
    # ENGINE 17: restored from a backup, or a second server that had not got everything
    journal = await store.open("talk")
    add(journal, 1, 2)
    await journal.commit()
    await sql("DELETE FROM {s}.entries WHERE seq = 2")
    await sql("UPDATE {s}.conversations SET count = 1, head = (SELECT hash FROM {s}.entries WHERE seq = 1)")
    add(journal, 3)

    with pytest.raises(StoreError, match=r"has 1 entries of talk where 2 were written.*Resume from what is there"):
        await journal.commit()

    assert await values(store) == [1]


async def test_server_that_stays_away_is_a_clear_error_and_nothing_is_lost(
    store: PostgresStore, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = await store.open("talk")
    add(journal, 1)
    connect, store._driver.connect = store._driver.connect, refused
    with monkeypatch.context() as patch:
        patch.setattr(wire, "AGAIN_S", 0.1)
        await cut(sql, store)

        with pytest.raises(StoreError, match=r"postgresql://quorate@/postgres.*refused. Check that the server runs"):
            await journal.commit()
    store._driver.connect = connect
    await journal.commit()

    assert await values(store) == [1]


async def refused() -> Any:
    raise ConnectionRefusedError("refused")


async def test_one_that_was_fenced_out_does_not_take_down_those_that_commit_with_it(
    store: PostgresStore, sql: Sql
) -> None:
    # ENGINE 15, 17
    journals = [await store.open(id) for id in ("a", "late", "b")]
    await sql("UPDATE {s}.conversations SET fence = fence + 1 WHERE id = 'late'")
    for journal in journals:
        add(journal, 1)

    found = await asyncio.gather(*(journal.commit() for journal in journals), return_exceptions=True)

    assert [type(result) for result in found] == [type(None), Conflict, type(None)]
    assert [len(await store.read(id)) for id in ("a", "late", "b")] == [1, 0, 1]


# -- commits ----------------------------------------------------------------------------------------------------------


async def test_conversations_that_commit_together_share_one_transaction(store: PostgresStore, sql: Sql) -> None:
    # ENGINE 17
    journals = [await store.open(f"talk-{n}") for n in range(50)]
    for journal in journals:
        add(journal, 1)

    await asyncio.gather(*(journal.commit() for journal in journals))

    assert len(await sql("SELECT DISTINCT xmin::text FROM {s}.entries")) == 1
    assert len(await sql("SELECT FROM {s}.entries")) == 50


@pytest.mark.parametrize(
    ("setting", "durability", "sync", "level"),
    [
        ("off", "process", False, "off"),
        ("off", "process", True, "on"),
        ("off", "power", False, "on"),
        ("on", "process", False, "on"),
        ("local", "process", True, "local"),
        ("remote_apply", "power", True, "remote_apply"),
    ],
)
async def test_intent_survives_a_power_cut_and_the_rest_what_the_server_says(
    postgres: str, store: PostgresStore, sql: Sql, setting: str, durability: str, sync: bool, level: str
) -> None:
    # ENGINE 17
    await sql("CREATE TABLE {s}.levels (level text)")
    await sql(
        "CREATE FUNCTION {s}.note() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN INSERT INTO {s}.levels VALUES (current_setting('synchronous_commit')); RETURN NULL; END$$"
    )
    await sql(
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON {s}.entries DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION {s}.note()"
    )
    async with opened(f"{postgres}&synchronous_commit={setting}", durability=durability) as one:
        journal = await one.open("talk")
        add(journal, 1)
        await journal.commit(sync=sync)

    assert [row["level"] for row in await sql("SELECT level FROM {s}.levels")] == [level]


async def test_entries_of_two_runs_and_of_one_are_written_alike(store: PostgresStore) -> None:
    journal = await store.open("talk")
    for run in (1, 1, 2):
        journal.append(run, f"{run} turn", "value", {"value": run})
    await journal.commit()
    for _ in range(3):
        add(journal, 3)
    await journal.commit()
    await journal.commit(sync=True)

    assert [(e.seq, e.run, e.path) for e in await store.read("talk")] == [
        (1, 1, "1 turn"), (2, 1, "1 turn"), (3, 2, "2 turn"), (4, 1, "1 turn"), (5, 1, "1 turn"), (6, 1, "1 turn"),
    ]  # fmt: skip
    assert await store.verify("talk") == journal.head()


async def test_entry_comes_back_whatever_its_path_and_text_hold(store: PostgresStore) -> None:
    journal = await store.open("talk")
    told = journal.append(1, "1 turn/1 \x00 \ud800 ä", "value", {"value": "\x00\ud800ä"})
    await journal.commit()

    assert await store.read("talk") == [told]
    assert await store.verify("talk") == journal.head()


async def test_altered_content_is_found(store: PostgresStore, sql: Sql) -> None:
    # ENGINE 22, 24
    journal = await store.open("talk")
    add(journal, "x" * (INLINE_BYTES + 1))
    await journal.commit()
    await sql("UPDATE {s}.artifacts SET data = overlay(data PLACING 'y' FROM 7)")

    with pytest.raises(StoreError, match=r"Entry 1 of talk.*was altered"):
        await store.verify("talk")


TAMPERING = {
    "a payload": ("Entry 2 of talk was altered", "UPDATE {s}.entries SET payload = '{\"value\":9}' WHERE seq = 2"),
    "a path": ("Entry 2 of talk was altered", "UPDATE {s}.entries SET path = '9 turn' WHERE seq = 2"),
    "a kind": ("Entry 2 of talk was altered", "UPDATE {s}.entries SET kind = 'said' WHERE seq = 2"),
    "a time": ("Entry 2 of talk was altered", "UPDATE {s}.entries SET at = at + 1 WHERE seq = 2"),
    "a salt": ("Entry 2 of talk was altered", "UPDATE {s}.entries SET salt = '\\x00' WHERE seq = 2"),
    "a missing one": ("Entry 3 of talk is missing", "DELETE FROM {s}.entries WHERE seq = 3"),
    "a missing last": ("Entry 5 of talk is missing", "DELETE FROM {s}.entries WHERE seq = 5"),
    "an inserted one": (
        "Entry 6 of talk was inserted",
        (
            "INSERT INTO {s}.entries SELECT key, at, 6, run, version, path, kind, payload, salt, hash "
            "FROM {s}.entries WHERE seq = 5"
        ),
    ),
    "two that changed places": (
        "Entry 3 of talk was altered",
        (
            "UPDATE {s}.entries a SET (payload, salt, hash) = (SELECT payload, salt, hash FROM {s}.entries b "
            "WHERE b.seq = 7 - a.seq) WHERE a.seq IN (3, 4)"
        ),
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
async def test_verify_names_the_first_entry_that_is_not_what_was_written(
    store: PostgresStore, sql: Sql, what: str
) -> None:
    # ENGINE 22
    journal = await store.open("talk")
    add(journal, *range(5))
    await journal.commit()
    told, statement = TAMPERING[what]
    await sql(statement)

    with pytest.raises(StoreError, match=told):
        await store.verify("talk")


# -- opening ----------------------------------------------------------------------------------------------------------


async def test_schema_of_an_older_version_is_brought_up_to_date_once_and_keeps_its_content(
    postgres: str, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # ENGINE 24
    journal = await store.open("talk")
    add(journal, 1)
    await journal.commit()
    await journal.release()
    newer = (*schema.STEPS, "CREATE TABLE {s}.news (x integer)")
    monkeypatch.setattr(schema, "STEPS", newer)
    stores = [opened(postgres) for _ in range(4)]

    await asyncio.gather(*(one.__aenter__() for one in stores))

    assert await values(stores[0]) == [1]
    for one in stores:
        await one.close()


async def test_schema_of_a_newer_version_is_refused_clearly(postgres: str, store: PostgresStore, sql: Sql) -> None:
    # ENGINE 24
    await sql("INSERT INTO {s}.steps VALUES (99, now())")

    with pytest.raises(StoreError, match=r"has schema version 99; this Quorate reads up to \d+. Use a newer Quorate"):
        await opened(postgres).__aenter__()


async def test_entry_of_a_newer_version_is_refused_and_named(store: PostgresStore, sql: Sql) -> None:
    # ENGINE 24
    journal = await store.open("talk")
    add(journal, 1, 2)
    await journal.commit()
    await sql("UPDATE {s}.entries SET version = 2 WHERE seq = 2")

    with pytest.raises(StoreError, match="Entry 2 of talk has version 2; this Quorate reads up to 1"):
        await store.read("talk")


def test_store_serves_one_event_loop_after_another(postgres: str) -> None:
    store = opened(postgres)

    async def write(n: int) -> None:
        journal = await store.open("talk")
        add(journal, n)
        await journal.commit()
        await journal.release()

        await store._writer.close()
        await store._other.close()

    for n in range(3):
        asyncio.run(write(n))

    async def end() -> list[object]:
        found = await values(store)
        await store.close()
        return found

    assert asyncio.run(end()) == [0, 1, 2]


async def test_holder_behind_a_proxy_is_told_what_comes_in_and_one_that_lost_its_connection_too(
    postgres: str, store: PostgresStore, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # ENGINE 16
    monkeypatch.setattr(inbox, "LOOK_S", 0.01)
    async with opened(f"{postgres}&lease=expiry") as behind:
        told: asyncio.Queue[str] = asyncio.Queue()
        for one, id in ((behind, "a"), (store, "b")):
            journal = await one.open(id)
            journal.watch(lambda notes: told.put_nowait(notes[0].id))
        await store.read("b")
        await sql("SELECT pg_terminate_backend($1, 5000)", store._other._connection.get_server_pid())

        await store.post("a", Note("to a", "steer", {}))
        first = await asyncio.wait_for(told.get(), 60)
        await behind.post("b", Note("to b", "steer", {}))
        while (second := await asyncio.wait_for(told.get(), 60)) == first:
            pass

    assert [first, second] == ["to a", "to b"]


async def test_note_that_comes_while_an_attempt_ends_comes_before_or_after_but_is_never_overlooked(
    store: PostgresStore, other: PostgresStore
) -> None:
    # ENGINE 16
    for n in range(30):
        journal = await store.open(f"talk-{n}")
        left, _ = await asyncio.gather(
            journal.end(partial(add, journal, "ended"), set()), other.post(f"talk-{n}", Note("n", "steer", {}))
        )
        [ended] = await store.read(f"talk-{n}") or [None]
        [waits] = await store.notes(f"talk-{n}")

        assert (ended is None) == bool(left)
        assert waits.id == "n"


async def test_closed_store_says_so_and_has_left_nothing_behind(postgres: str, sql: Sql) -> None:
    store = opened(postgres)
    await store.open("talk")
    before = asyncio.all_tasks()

    await store.close()
    await store.close()

    assert asyncio.all_tasks() <= before
    assert await sql("SELECT FROM {s}.holders") == []
    assert await sql("SELECT FROM {s}.conversations WHERE holder IS NOT NULL") == []
    with pytest.raises(StoreError, match="is closed"):
        await store.read("talk")


@pytest.mark.parametrize(
    ("url", "error", "told"),
    [
        ("postgresql://127.0.0.1:1/x", StoreError, "Check that the server runs and that the URL is right"),
        ("postgresql://127.0.0.1:port/x", ConfigError, "is no address of a store"),
        ("postgresql://x?schema=a;b", ConfigError, "schema='a;b' cannot name a schema"),
        ("postgresql://x?lease=long", ConfigError, "neither 'lock' nor 'expiry'"),
        ("postgresql://x?expires_s=soon", ConfigError, "is no number of seconds"),
        ("postgresql://x?expires_s=0.1", ConfigError, "from 1 second to a day"),
    ],
)
async def test_wrong_url_is_a_clear_error(url: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        await opened(url).__aenter__()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("/postgres?", "/nothing?"), "Make the database first: createdb"),
        (("quorate@", "nobody_there@"), "Check the user"),
        (("?", "?wrong=1&"), 'unrecognized configuration parameter "wrong"'),
    ],
)
async def test_what_the_server_refuses_is_told_with_advice(postgres: str, change: tuple[str, str], told: str) -> None:
    with pytest.raises(StoreError, match=told):
        await opened(postgres.replace(*change)).__aenter__()


def test_password_is_in_no_url_that_is_shown_and_the_url_of_a_store_opens_it_again() -> None:
    store = opened("postgresql://ann:hush%40@db:5432/work?password=hush&schema=mine&sslmode=require")

    again = opened(store.url)

    assert "hush" not in f"{store.url} {store.url!r} {store.address.name} {store.conversation('talk')}"
    assert store.url == "postgresql://ann@db:5432/work?sslmode=require&schema=mine"
    assert again.address == store.address


def test_driver_that_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)

    with pytest.raises(MissingExtra, match=r"pip install 'quorate\[postgres\]'"):
        open_store("postgresql://x")
