"""A conversation in one file: whole, verifiable by itself, readable by anything (ENGINE 22, 24)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quorate import open_store
from quorate.errors import ConfigError, StoreError
from quorate.runs import portable
from quorate.runs.entries import canonical_export, tombstone
from quorate.runs.memory import loaded
from quorate.runs.sqlite.store import SqliteStore
from quorate.testing import FakeClock

LONG = "line\n" * 20_000
SAID: list[tuple[int, str, str, dict[str, Any]]] = [
    (1, "", "run", {"task": [{"content": "Grüße, \ud800 and \u2028"}], "limits": {}}),
    (1, "1 turn/1 a,\"payload\":b/1 model", "call", {"parts": '{"system":"Be brief."}', "blocks": ["1:#0"]}),
    (1, "1 turn/1 a,\"payload\":b/1 model", "reply", {"text": LONG, "cost": 1e-7, "in": 1.0}),
    (1, "1 turn", "turn", {}),
    (1, "", "ended", {"outcome": "completed", "reason": ',"payload":{"$artifact":"00"}'}),
    (2, "", "run", {"task": [], "limits": {}, "odd": {"$artifact": "ab", "$literal": 1}}),
]  # fmt: skip


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    async with open_store(tmp_path / "work.db", clock=FakeClock()) as opened:
        await fill(opened)
        yield opened


async def fill(store: Any) -> None:
    journal = await store.open("talk")
    for entry in SAID:
        journal.append(*entry)
    await journal.commit()
    await journal.release()


async def test_file_holds_every_entry_and_every_long_text(store: SqliteStore, tmp_path: Path) -> None:
    portable.save(await portable.record(store, "talk"), tmp_path / "talk.jsonl")

    found = portable.load(tmp_path / "talk.jsonl")

    assert found.entries() == await store.read("talk")
    assert found.head.hex() == (await store.verify("talk")).hash
    assert found.run == 2


async def test_file_is_json_lines_that_anything_can_read(store: SqliteStore, tmp_path: Path) -> None:
    portable.save(await portable.record(store, "talk"), tmp_path / "talk.jsonl")

    lines = [json.loads(line) for line in (tmp_path / "talk.jsonl").read_bytes().split(b"\n")[:-1]]

    assert lines[0]["quorate"] == "conversation"
    assert lines[0]["length"] == len(SAID)
    assert [line["text"] for line in lines if "artifact" in line] == ['{"system":"Be brief."}', LONG]
    assert [line["kind"] for line in lines if "seq" in line] == [kind for _, _, kind, _ in SAID]


async def test_conversation_in_memory_is_hashed_when_it_is_exported(tmp_path: Path) -> None:
    # ENGINE 22
    memory = open_store("memory:", clock=FakeClock())
    await fill(memory)
    portable.save(await portable.record(memory, "talk"), tmp_path / "talk.jsonl")

    found = portable.load(tmp_path / "talk.jsonl")

    assert found.entries() == await memory.read("talk")
    assert len(found.head) == 32


async def test_recording_in_memory_reads_as_the_original(store: SqliteStore) -> None:
    there = loaded(await portable.record(store, "talk"))

    assert await there.read("talk") == await store.read("talk")
    assert canonical_export(await there.read("talk")) == canonical_export(await store.read("talk"))


async def test_recording_goes_up_to_the_end_of_a_run(store: SqliteStore, tmp_path: Path) -> None:
    portable.save(await portable.record(store, "talk", run=1), tmp_path / "one.jsonl")

    found = portable.load(tmp_path / "one.jsonl")

    assert [s.kind for s in found.stored] == ["run", "call", "reply", "turn", "ended"]
    assert found.run == 1
    with pytest.raises(ConfigError, match=r"has no run 3. It has: 1, 2"):
        await portable.record(store, "talk", run=3)
    with pytest.raises(ConfigError, match="no conversation nothing"):
        await portable.record(store, "nothing")


async def test_erased_entry_is_in_the_file_without_its_payload_and_the_chain_holds(
    store: SqliteStore, tmp_path: Path
) -> None:
    # ENGINE 23
    whole = await portable.record(store, "talk")
    body = portable.chain.digest(whole.stored[2].salt or b"", whole.stored[2].data or b"")
    gone = whole.stored[2]._replace(data=None, salt=None, digest=body)
    erased = portable.Recording("talk", [*whole.stored[:2], gone, *whole.stored[3:]], whole.artifacts)

    portable.save(erased, tmp_path / "talk.jsonl")
    found = portable.load(tmp_path / "talk.jsonl")

    assert found.entries()[2].payload == tombstone("reply") == {"erased": True, "text": "[erased]", "in": 0, "out": 0}
    assert LONG not in (tmp_path / "talk.jsonl").read_text()


Change = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: lines[:-1], r"ends at entry 5; its first line says that there are 6"),
        (lambda lines: lines[:6] + lines[7:], r"Entry 4 of talk is missing"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], r"Entry 2 of talk is missing"),
        (lambda lines: [line.replace(b'"in":1.0', b'"in":2.0') for line in lines], r"Entry 3 of talk was altered"),
        (lambda lines: [line.replace(b'"at":17', b'"at":18') for line in lines], r"Entry 1 of talk was altered"),
        (lambda lines: [*lines[:-1], b"{\n"], r"line 9 is no JSON"),
        (lambda lines: [*lines[:-1], b"[]\n"], r"line 9 is no JSON object"),
        (lambda lines: [*lines[:-1], b"{}\n"], r"line 9 is no line of a recorded conversation"),
        (lambda lines: lines[1:], r"is no recorded conversation: its first line must be"),
        (lambda lines: [b'{"quorate":"conversation","version":1}\n', *lines[1:]], r"line 1 is no header"),
        (lambda lines: [], r"line 1 is no JSON"),
        (lambda lines: [lines[0].replace(b'"version":1', b'"version":2')], r"has format 2; this Quorate reads up to 1"),
    ],
)
async def test_file_that_is_not_what_was_written_is_refused(
    store: SqliteStore, tmp_path: Path, change: Change, told: str
) -> None:
    file = tmp_path / "talk.jsonl"
    portable.save(await portable.record(store, "talk"), file)
    lines = [line + b"\n" for line in file.read_bytes().split(b"\n")[:-1]]

    file.write_bytes(b"".join(change(lines)))

    with pytest.raises(StoreError, match=told):
        portable.load(file)


async def test_file_that_is_not_there_or_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read: No such file"):
        portable.load(tmp_path / "none.jsonl")
    with pytest.raises(StoreError, match="cannot be written: No such file"):
        portable.save(portable.Recording("talk", []), tmp_path / "none" / "talk.jsonl")
