"""A process that is stopped for a while (a laptop's lid, a machine that hangs) and wakes up after another went on."""

import asyncio
import os
import subprocess
import sys
import time
from asyncio import to_thread
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from signal import SIGCONT, SIGKILL
from typing import Any

import asyncpg
import pytest

from quorate import open_store
from quorate.errors import Conflict
from quorate.runs.portable import record
from quorate.runs.postgres.wire import Address
from quorate.runs.steps import FRESH_S

SCRIPT = Path(__file__).with_name("paying.py")
AGED = "UPDATE {schema}.holders SET beat = beat - interval '1 hour'"
Start = Callable[..., subprocess.Popen[str]]
Way = tuple[str, str, Sequence[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the script; what still runs is killed in the end."""
    running: list[subprocess.Popen[str]] = []

    def begin(what: str, url: str, *words: str, name: str = "ledger") -> subprocess.Popen[str]:
        command = [sys.executable, str(SCRIPT), what, url, str(tmp_path / name), *words]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate(timeout=60)


@pytest.fixture
def ways(postgres: str, tmp_path: Path) -> list[Way]:
    """Names, the URLs of stores, and the words with which a second process may go on with a run of a stopped one."""
    return [
        ("sqlite, taken over", f"sqlite:///{tmp_path}/work.db", ["take"]),
        ("postgres, taken over", f"{postgres}a", ["take"]),
        ("postgres, expired", f"{postgres}b&lease=expiry", []),
    ]


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def stopped(process: subprocess.Popen[str]) -> None:
    """Wait until the process has stopped itself."""
    assert line(process) == "announced"
    os.waitpid(process.pid, os.WUNTRACED)


async def expire(url: str) -> None:
    """Let the last sign of life of everybody in a store be long ago."""
    address = Address.of(url)
    connection: Any = await asyncpg.connect(address.dsn)
    await connection.execute(AGED.format(schema=address.schema))
    await connection.close()


async def at_once(ways: list[Way], check: Callable[[Way], Coroutine[Any, Any, None]]) -> None:
    """Check every way, side by side: each takes its 5 seconds."""
    async with asyncio.TaskGroup() as group:
        for way in ways:
            group.create_task(check(way), name=way[0])


async def test_stopped_process_neither_writes_nor_pays_twice_when_it_wakes(
    ways: list[Way], start: Start, tmp_path: Path
) -> None:
    # ENGINE 9, 15: its intent was on disk when it was stopped, right before the call
    async def check(way: Way) -> None:
        name, url, words = way
        began = time.monotonic()
        late = start("begin", url, "stop", name=name)
        await to_thread(stopped, late)
        if not words:
            async with open_store(url) as store:
                with pytest.raises(Conflict, match="A run of conversation talk is going on"):
                    await store.open("talk")
            await expire(url)

        told = await to_thread(line, start("resume", url, *words, name=name))
        took = time.monotonic() - began
        async with open_store(url) as store:
            before = await record(store, "talk")
            late.send_signal(SIGCONT)
            woken = [await to_thread(line, late), await to_thread(line, late)]
            after = await record(store, "talk")
            verified = await store.verify("talk")

        assert told == "completed: It is paid.", name
        assert took > FRESH_S, f"{name}: it has to leave the first one its time (ENGINE 9)."
        assert woken[0] == "awake", name
        assert woken[1].startswith("Conflict: Conversation talk was taken over by another process"), name
        assert after.stored == before.stored, name
        assert verified.length == len(after.stored), name
        paid = (tmp_path / name).read_text().splitlines()
        assert len(paid) == 1, name
        assert f"by {late.pid} " not in paid[0], name

    await at_once(ways, check)


async def test_stopped_process_that_nobody_followed_announces_its_call_again_before_it_makes_it(
    ways: list[Way], start: Start, tmp_path: Path
) -> None:
    # ENGINE 9: nothing was paid while it slept, and what it announced is too old
    async def check(way: Way) -> None:
        name, url, _ = way
        late = start("begin", url, "stop", name=name)
        await to_thread(stopped, late)
        await asyncio.sleep(5.5)

        late.send_signal(SIGCONT)
        woken = [await to_thread(line, late)]
        await to_thread(stopped, late)  # as it does at every intent
        late.send_signal(SIGCONT)
        woken += [await to_thread(line, late), await to_thread(line, late)]

        assert woken == ["awake", "awake", "completed: It is paid."], name
        assert len((tmp_path / name).read_text().splitlines()) == 1, name

    await at_once(ways, check)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_killed_process_is_followed_at_once(
    kind: str, start: Start, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    # ENGINE 9, 15: killed between intent and call; it is known to be dead, so nobody waits for it
    url = request.getfixturevalue("postgres") if kind == "postgres" else f"sqlite:///{tmp_path}/work.db"
    first = start("begin", url, "stop")
    stopped(first)
    first.send_signal(SIGKILL)
    first.wait(60)

    async with open_store(url) as store:
        journal = await store.open("talk")
        follows_living = journal.follows_living
        await journal.release()
    told = line(start("resume", url))

    assert not follows_living
    assert told == "completed: It is paid."
    assert len((tmp_path / "ledger").read_text().splitlines()) == 1


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_of_processes_that_resume_at_once_exactly_one_goes_on(
    kind: str, start: Start, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    # ENGINE 15
    url = request.getfixturevalue("postgres") if kind == "postgres" else f"sqlite:///{tmp_path}/work.db"
    first = start("begin", url, "stop")
    assert line(first) == "announced"
    first.send_signal(SIGKILL)
    first.wait(60)

    told = sorted(map(line, [start("resume", url) for _ in range(4)]))

    assert [text for text in told if not text.startswith("Conflict: ")] == ["completed: It is paid."]
    assert len((tmp_path / "ledger").read_text().splitlines()) == 1
