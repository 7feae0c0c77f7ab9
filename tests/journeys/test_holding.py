"""One writer (ENGINE 15), and what is left when a real process is killed, stopped, or finds its disk full."""

import asyncio
import importlib.util
import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from quorate import Limits, RoundRobinGroupChat, open_store, replay
from quorate.errors import Conflict
from quorate.runs.sqlite.store import SqliteStore

SCRIPT = Path(__file__).with_name("holding.py")
Start = Callable[..., subprocess.Popen[str]]


def script() -> Any:
    spec = importlib.util.spec_from_file_location("holding", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


holding = script()


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the script; what still runs is killed in the end."""
    running: list[subprocess.Popen[str]] = []

    def begin(*words: object) -> subprocess.Popen[str]:
        running.append(
            subprocess.Popen(
                [sys.executable, str(SCRIPT), *map(str, words)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait(60)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store: whatever holds for one holds for the other."""
    return request.getfixturevalue("postgres") if request.param == "postgres" else f"sqlite:///{tmp_path}/work.db"


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended already, and what it says next tells how
        process.stdin.write("go\n")
        process.stdin.flush()


def team() -> RoundRobinGroupChat:
    return RoundRobinGroupChat([holding.Held("a")], max_turns=2)


@pytest.fixture
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the agent of the script speak at once in this process."""
    monkeypatch.setattr("sys.stdin", io.StringIO())


async def test_process_that_works_on_a_run_keeps_others_from_resuming_it(place: str, start: Start) -> None:
    worker = start("hold", place)
    assert line(worker) == "holding"

    second = start("resume", place)

    assert line(second).startswith("Conflict: A run of conversation talk is going on in a living process")
    async with open_store(place) as store:
        assert await store.is_held("talk")
        with pytest.raises(Conflict, match="talk"):
            await team().run(task="Me too.", conversation=store.conversation("talk"))
    let_go(worker)
    assert line(worker) == "limit: 3 messages"


@pytest.mark.usefixtures("nobody_waits")
async def test_lease_of_a_killed_process_is_free_at_once(place: str, start: Start) -> None:
    worker = start("hold", place)
    assert line(worker) == "holding"
    worker.send_signal(signal.SIGKILL)
    worker.wait(60)
    before = time.perf_counter()

    async with open_store(place) as store:
        held = await store.is_held("talk")
        result = await team().continue_run("talk", store=store)
        took = time.perf_counter() - before
        report = await replay("talk", team=team(), store=store)

    assert not held
    assert [m.to_text() for m in result.messages] == ["Go.", "message 1", "message 2"]
    assert took < 25  # not the 30 seconds after which it would expire
    assert report.identical


async def test_process_that_is_stopped_is_not_dead(place: str, start: Start) -> None:
    worker = start("hold", place)
    assert line(worker) == "holding"
    worker.send_signal(signal.SIGSTOP)

    async with open_store(place) as store:
        with pytest.raises(Conflict, match="--take-over"):
            await team().continue_run("talk", store=store)

    worker.send_signal(signal.SIGCONT)


@pytest.mark.usefixtures("nobody_waits")
async def test_writer_that_was_fenced_out_cannot_append_when_it_wakes(place: str, start: Start) -> None:
    worker = start("hold", place)
    assert line(worker) == "holding"
    worker.send_signal(signal.SIGSTOP)

    async with open_store(place) as store:
        async with team().going_on("talk", store=store, take_over=True) as run:
            result = await run.result()
        head = await store.verify("talk")
        worker.send_signal(signal.SIGCONT)
        let_go(worker)
        told = await asyncio.to_thread(line, worker)

        assert told.startswith("Conflict: Conversation talk was taken over by another process")
        assert result.outcome is not None
        assert result.outcome.limit == "turns"
        assert await store.verify("talk") == head


async def test_ctrl_c_leaves_the_run_cancelled_and_resumable(place: str, start: Start) -> None:
    worker = start("hold", place)
    assert line(worker) == "holding"

    worker.send_signal(signal.SIGINT)
    let_go(worker)
    worker.wait(60)

    async with open_store(place) as store:
        entries = await store.read("talk")
        assert not await store.is_held("talk")
    assert [e.payload["outcome"] for e in entries if e.kind == "ended"] == ["cancelled"]


@pytest.mark.parametrize("size", [110_000, 130_000, 160_000])
async def test_full_disk_is_a_clear_error_and_nothing_is_corrupted(tmp_path: Path, start: Start, size: int) -> None:
    # ENGINE 17: what was committed is there, what was not is not, and the run goes on
    worker = start("starve", tmp_path / "work.db", size)
    told = await asyncio.to_thread(line, worker)
    worker.wait(60)

    async with open_store(tmp_path / "work.db") as store:
        assert isinstance(store, SqliteStore)
        entries = await store.read("talk")
        verified = await store.verify("talk")
        said = sum(e.kind == "reply" for e in entries)
        if entries:
            result = await holding.talking(said).continue_run("talk", store=store, limits=Limits(turns=8))
        else:
            result = await holding.talking().run(task="Go.", conversation=store.conversation("talk"))
        after = await store.verify("talk")

    assert told.startswith("StoreError: ")
    assert "Free some space, then resume: nothing is lost" in told
    assert verified.length == len(entries)
    assert [m.to_text() for m in result.messages][1:] == holding.LINES
    assert after.length > verified.length
