"""Conversations in memory: payloads that are made once somebody reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quorate.runs.entries import Payload
from quorate.runs.memory import MemoryStore


def counted(made: list[int], number: int) -> Callable[[], Payload]:
    def make() -> Payload:
        made.append(number)
        return {"number": number}

    return make


async def opened(store: MemoryStore) -> Any:
    return await store.open("talk")


async def test_payload_is_made_when_it_is_read_and_once() -> None:
    made: list[int] = []
    store = MemoryStore()
    journal = await opened(store)
    journal.append(1, "", "run", {"task": []})
    journal.append_later(1, "1 turn", "call", counted(made, 1))
    assert made == []

    first = await store.read("talk")
    journal.append_later(1, "2 turn", "call", counted(made, 2))
    again = await store.read("talk")

    assert [e.payload for e in first] == [{"task": []}, {"number": 1}]
    assert [e.payload for e in again] == [{"task": []}, {"number": 1}, {"number": 2}]
    assert [e.seq for e in again] == [1, 2, 3]
    assert made == [1, 2]


async def test_payload_is_there_for_whoever_reads() -> None:
    store = MemoryStore()
    journal = await opened(store)
    journal.append(1, "", "run", {"task": []})
    journal.append_later(1, "1 turn", "call", counted([], 1))

    stored, _ = await store.stored("talk")
    last, run = journal.last(), journal.last_run()
    await journal.release()
    held_next = await store.open("talk")
    fork = await store.fork("other", parent="talk", upto=2, first=[2])
    held_next.append_later(1, "2 turn", "call", counted([], 2))

    assert b'"number"' in stored[1].data
    assert last.payload == run[0].payload == {"number": 1}
    assert [e.payload for e in await fork.entries()][1:] == [{"number": 1}, {"number": 1}]
    assert [e.payload for e in await store.read("talk")][1:] == [{"number": 1}, {"number": 2}]


async def test_payload_that_is_redacted_is_made_at_once() -> None:
    store = MemoryStore(redact=lambda path, kind, payload: {**payload, "number": 0})
    journal = await opened(store)

    entry = journal.append_later(1, "1 turn", "call", counted([], 1))

    assert entry.payload == {"number": 0, "redacted": True}
    assert (await store.read("talk"))[0].payload == entry.payload


async def test_erased_payload_stays_erased() -> None:
    store = MemoryStore()
    journal = await opened(store)
    journal.append_later(1, "1 turn", "call", lambda: {"model": "secret"})
    await journal.release()

    assert await store.erase("talk", [1]) == 1

    assert (await store.read("talk"))[0].payload["model"] == "[erased]"
