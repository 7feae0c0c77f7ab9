"""What is erased, deleted and due, and that no byte of it is left in the file."""

from pathlib import Path
from typing import Any

import pytest

from quorate import Agent, RoundRobinGroupChat, TextMessage, Turn, open_store
from quorate.errors import ConfigError, Conflict, StoreError
from quorate.runs import keeping
from quorate.runs.chain import INLINE_BYTES
from quorate.runs.journal import Store
from quorate.testing import FakeClock

SECRET = "Ann Smith lives in Elm Street"


async def write(store: Store, id: str, *values: object, ended: str = "completed") -> None:
    journal = await store.open(id)
    journal.append(1, "", "run", {"task": [], "limits": {}})
    for value in values:
        journal.append(1, "1 turn", "value", {"value": value})
    if ended:
        journal.append(1, "", "ended", {"outcome": ended, "reason": "Done.", "active_s": 1.0})
    await journal.commit()
    await journal.release()


def left_in(folder: Path) -> list[str]:
    """Return the files in which the secret can be found."""
    return [file.name for file in folder.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


@pytest.mark.parametrize("how", ["erase", "delete"])
async def test_no_byte_of_what_was_removed_is_left_in_any_file_of_the_store(tmp_path: Path, how: str) -> None:
    # ENGINE 23: not in a page, used or free, and not in the log
    async with open_store(tmp_path / "work.db") as store:
        for n in range(30):
            await write(store, f"talk-{n}", f"{n} " + SECRET * (n % 5), SECRET + "x" * INLINE_BYTES, f"{SECRET} {n}")
            await write(store, f"other-{n}", "Nothing to see. " * 50)
        for n in range(30):
            await store.post(f"talk-{n}", _note(n))
            await take(store, f"talk-{n}")
        assert left_in(tmp_path)
        for n in range(30):
            if how == "erase":
                await store.erase(f"talk-{n}", range(1, 10))
            else:
                await store.delete(f"talk-{n}")
        await store.scrub()

        assert left_in(tmp_path) == []
        assert [len(await store.read(f"other-{n}")) for n in range(30)] == [3] * 30
        if how == "erase":
            assert [(await store.verify(f"talk-{n}")).length for n in range(30)] == [6] * 30


def _note(n: int) -> Any:
    from quorate.runs.inbox import Note

    return Note(f"q{n}", "answer", {"said": SECRET})


async def take(store: Store, id: str) -> None:
    journal = await store.open(id)
    [note] = await journal.inbox()
    journal.take(note)
    journal.append(1, "1 turn", "answer", note.payload)
    await journal.commit()
    await journal.release()


async def test_who_reads_the_file_holds_up_the_clearing_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    from quorate.runs.sqlite import store as module

    monkeypatch.setattr(module, "BUSY_MS", 100)
    async with open_store(tmp_path / "work.db") as store:
        await write(store, "talk", SECRET)
        other = sqlite3.connect(tmp_path / "work.db", isolation_level=None)
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM entries").fetchall()

        with pytest.raises(StoreError, match=r"traces of it may be left in .*work\.db: another program uses it"):
            await keeping.erase(store, "talk")
        assert [e.payload.get("value") for e in await store.read("talk", kinds=["value"])] == [None]
        other.execute("ROLLBACK")
        other.close()
        again = await keeping.erase(store, "talk")

        assert again.entries == 0
        assert left_in(tmp_path) == []


async def test_open_effect_cannot_be_erased_before_it_is_settled(tmp_path: Path) -> None:
    # ENGINE 6, 23
    async with open_store(tmp_path / "work.db") as store:
        journal = await store.open("talk")
        journal.append(1, "", "run", {"task": [], "limits": {}})
        said = {"name": "pay", "arguments": '{"cents":5}', "effect": "unsafe", "key": "k", "attempt": 1}
        journal.append(1, "1 turn/1 a/2 pay", "intent", said)
        journal.append(1, "", "ended", {"outcome": "cancelled", "reason": "Ctrl-C", "active_s": 1.0})
        await journal.commit()
        await journal.release()

        with pytest.raises(Conflict, match=r"Entry 2 of talk is an open intent.*`quorate resume talk\.1` settles it"):
            await keeping.erase(store, "talk")

        assert (await keeping.erase(store, "talk", entries=[1])).entries == 0, "there is no word in it"


async def test_conversation_that_is_going_on_is_neither_erased_nor_deleted(tmp_path: Path) -> None:
    async with open_store(tmp_path / "work.db") as one, open_store(tmp_path / "work.db") as two:
        await write(one, "talk", SECRET)
        journal = await one.open("talk")

        for removing in (keeping.erase(two, "talk"), keeping.delete(two, "talk")):
            with pytest.raises(Conflict, match="talk is going on in a living process"):
                await removing
        await journal.release()
        await keeping.delete(two, "talk")

        with pytest.raises(ConfigError, match="There is no conversation talk here"):
            await keeping.delete(two, "talk")


async def test_only_what_finished_long_ago_is_due(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_store(tmp_path / "work.db", clock=clock) as store:
        for ended in ("completed", "limit", "failed", "cancelled", "stalled", "waiting", ""):
            await write(store, ended or "interrupted", 1, ended=ended)
            clock.advance(1)
        await write(store, "held", 1)
        journal = await store.open("held")
        clock.advance(86_400)
        await write(store, "new", 1)

        found = [summary.id async for summary in keeping.due(store, clock.now_us() - 3_600_000_000)]

        assert found == ["stalled", "cancelled", "failed", "limit", "completed"]
        await journal.release()


async def test_due_goes_by_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "PAGE", 3)
    clock = FakeClock()
    async with open_store("memory:", clock=clock) as store:
        for n in range(10):
            await write(store, f"talk-{n}", 1)
        clock.advance(1)

        found = [summary.id async for summary in keeping.due(store, clock.now_us())]

        assert sorted(found) == [f"talk-{n}" for n in range(10)]


async def test_run_in_memory_goes_on_from_what_is_left(tmp_path: Path) -> None:
    # ENGINE 23: what was folded of it is forgotten too
    class Echo(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            return TextMessage(content=" | ".join(m.to_text() for m in turn.thread), source=self.name)

    async with open_store("memory:") as store:
        team = RoundRobinGroupChat([Echo("echo")], max_turns=1)
        await team.run(task=SECRET, conversation=store.conversation("talk"))
        await keeping.erase(store, "talk")

        result = await team.run(task="And now?", conversation=store.conversation("talk"))

        assert SECRET not in result.messages[-1].to_text()
        assert result.messages[-1].to_text() == "[erased] | [erased] | And now?"
