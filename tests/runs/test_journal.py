"""What every store promises, asked of each one there is."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from quorate import conversation, open_store
from quorate.errors import ConfigError, Conflict, StoreError
from quorate.runs.entries import FORMAT, MAX_ENTRY_BYTES
from quorate.runs.journal import LOCAL_OWNER, Journal, Note, Store
from quorate.testing import FakeClock

Opened = Callable[..., Any]


@pytest.fixture(params=["memory", "sqlite"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    """Opens stores of one kind, and closes them."""
    stores: list[Any] = []

    def open(**options: Any) -> Any:
        url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/{len(stores)}.db"
        stores.append(open_store(url, **{"clock": FakeClock(), **options}))
        return stores[-1]

    yield open
    for store in stores:
        await store.close()


@pytest.fixture
def store(opened: Opened) -> Store:
    return opened()


async def write(journal: Journal, *values: object) -> None:
    for value in values:
        journal.append(1, "1 turn", "value", {"value": value})
    await journal.commit()


async def test_entries_come_back_as_they_were_written(store: Store) -> None:
    journal = await store.open("talk")
    entry = journal.append(1, "1 turn/1 writer", "value", {"value": {"ä": [1, 2.5, None, True, "x"]}})
    await journal.commit()

    assert await journal.entries() == [entry] == await store.read("talk")
    assert entry == (
        1,
        1,
        "1 turn/1 writer",
        "value",
        FakeClock().now_us(),
        {"value": {"ä": [1, 2.5, None, True, "x"]}},
        1,
    )
    assert entry.version == FORMAT


async def test_kind_that_nobody_knows_is_kept_untouched(store: Store) -> None:
    # ENGINE 24
    journal = await store.open("talk")
    journal.append(1, "1 turn", "tomorrow", {"what": {"deep": ["thing"]}})
    await journal.commit()

    (entry,) = await store.read("talk")

    assert (entry.kind, entry.payload) == ("tomorrow", {"what": {"deep": ["thing"]}})


async def test_entries_are_numbered_without_a_gap_whoever_writes(store: Store) -> None:
    for _ in range(3):
        journal = await store.open("talk")
        await write(journal, 1, 2)
        await journal.release()

    assert [entry.seq for entry in await store.read("talk")] == [1, 2, 3, 4, 5, 6]


async def test_reading_can_ask_for_kinds(store: Store) -> None:
    journal = await store.open("talk")
    journal.append(1, "", "run", {})
    await write(journal, 1)

    assert [entry.kind for entry in await store.read("talk", kinds=["value", "ended"])] == ["value"]


async def test_conversation_that_does_not_exist_is_empty(store: Store) -> None:
    assert await store.read("nothing") == []
    assert await store.notes("nothing") == []
    assert not await store.is_held("nothing")
    assert await store.conversations() == []


async def test_only_one_holds_a_conversation_at_a_time(store: Store) -> None:
    # ENGINE 15
    journal = await store.open("talk")

    with pytest.raises(Conflict, match="talk"):
        await store.open("talk")

    assert await store.is_held("talk")
    other = await store.open("other")
    await other.release()
    await journal.release()
    assert not await store.is_held("talk")
    await (await store.open("talk")).release()


async def test_owners_have_conversations_of_the_same_name_without_meeting(store: Store) -> None:
    # ENGINE 24
    for owner in ("acme/ann", "acme/bob"):
        journal = await store.open("talk", owner=owner)
        await write(journal, owner)

    assert [e.payload["value"] for e in await store.read("talk", owner="acme/ann")] == ["acme/ann"]
    assert [e.payload["value"] for e in await store.read("talk", owner="acme/bob")] == ["acme/bob"]
    assert await store.read("talk") == []
    assert [s.owner for s in await store.conversations(owner="acme/ann")] == ["acme/ann"]
    assert await store.conversations(owner=LOCAL_OWNER) == []


async def test_conversations_are_listed_with_the_latest_last(opened: Opened) -> None:
    clock = FakeClock()
    store = opened(clock=clock)
    for id in ("a", "b", "a"):
        clock.advance(1)
        journal = await store.open(id)
        journal.append(3 if id == "a" else 1, "", "run", {})
        await journal.commit()
        await journal.release()

    found = await store.conversations()

    assert [(s.id, s.runs) for s in found] == [("b", 1), ("a", 3)]
    assert found[1].last_at == clock.now_us()


async def test_note_waits_in_the_inbox_until_it_is_taken(store: Store) -> None:
    # ENGINE 16
    journal = await store.open("talk")
    await write(journal, 1)
    await store.post("talk", Note("q1", "answer", {"happened": True, "result": ["ä"]}))

    (note,) = await journal.inbox()
    journal.take(note)
    await journal.commit()

    assert note == Note("q1", "answer", {"happened": True, "result": ["ä"]}, FakeClock().now_us())
    assert await journal.inbox() == []
    assert await store.notes("talk") == []


async def test_first_answer_is_the_answer_even_after_it_was_taken(store: Store) -> None:
    # ENGINE 16
    journal = await store.open("talk")
    await store.post("talk", Note("q1", "answer", {"happened": True}))

    with pytest.raises(Conflict, match="q1 has been answered already"):
        await store.post("talk", Note("q1", "answer", {"happened": False}))
    journal.take((await journal.inbox())[0])
    await journal.commit()

    with pytest.raises(Conflict, match="q1 has been answered already"):
        await store.post("talk", Note("q1", "answer", {"happened": False}))


async def test_notes_are_the_owners(store: Store) -> None:
    # ENGINE 24
    for owner in ("acme/ann", "acme/bob"):
        await (await store.open("talk", owner=owner)).release()
    await store.post("talk", Note("q1", "answer", {"happened": True}), owner="acme/ann")

    assert await store.notes("talk", owner="acme/bob") == []
    assert len(await store.notes("talk", owner="acme/ann")) == 1


async def test_redaction_sees_every_entry_before_it_is_kept(opened: Opened) -> None:
    # ENGINE 24
    seen: list[tuple[str, str]] = []

    def redact(path: str, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
        seen.append((path, kind))
        return {name: re.sub(r"\d{4}", "****", v) if isinstance(v, str) else v for name, v in payload.items()}

    store = opened(redact=redact)
    journal = await store.open("talk")

    entry = journal.append(1, "1 turn/1 pay", "result", {"content": "card 1234", "error": False})
    await write(journal, "pin 9876")

    assert entry.payload["content"] == "card ****"
    assert [e.payload for e in await store.read("talk")] == [entry.payload, {"value": "pin ****"}]
    assert seen == [("1 turn/1 pay", "result"), ("1 turn", "value")]


async def test_entry_above_the_size_cap_is_refused_and_the_rest_is_kept(store: Store) -> None:
    # ENGINE 24
    journal = await store.open("talk")
    await write(journal, "before")

    with pytest.raises(StoreError, match="16777216"):
        journal.append(1, "1 turn", "value", {"value": "x" * (MAX_ENTRY_BYTES + 1)})
    await write(journal, "after")

    assert [(e.seq, e.payload["value"]) for e in await store.read("talk")] == [(1, "before"), (2, "after")]


async def test_clock_of_the_store_gives_entries_their_time(opened: Opened) -> None:
    clock = FakeClock()
    journal = await opened(clock=clock).open("talk")
    first = journal.append(1, "", "run", {})
    clock.advance(2.5)
    second = journal.append(1, "", "ended", {})

    assert second.at - first.at == 2_500_000


async def test_store_may_be_closed_twice_and_gives_back_what_was_held(opened: Opened) -> None:
    store = opened()
    await write(await store.open("talk"), 1)

    await store.close()
    await store.close()


@pytest.mark.parametrize("id", ["", "a b", "a/b", "a\\b", "a*", "a?", "a\n", "x" * 201, "-a", "talk.3"])
def test_id_that_cannot_name_a_conversation_is_refused(id: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(repr(id))):
        conversation(id)


@pytest.mark.parametrize("id", ["ticket-17", "über", "a.b", "v1.2b", "会話", "x" * 200])
def test_id_may_be_in_any_script(id: str) -> None:
    assert conversation(id).id == id


def test_conversation_without_an_id_gets_one_of_its_own() -> None:
    assert len({conversation().id for _ in range(100)}) == 100
