"""What holds for every test: no network but this machine, no keys of the developer's, no luck in CI."""

import asyncio
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from quorate import Agent, TextMessage, Turn, open_store
from quorate.runs.entries import Entry
from quorate.runs.journal import Conversation
from quorate.testing import FakeClock
from quorate.testing.postgres import postgres_server as server
from quorate.testing.postgres import server_folder

settings.register_profile("quorate", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("quorate")

NUMBERS = count(1)
CHEAP = {"wal_level": "minimal", "max_wal_senders": "0", "full_page_writes": "off"}
"""Settings of a server that no test lets crash: it writes half as much."""
HERE = Path(__file__).parent
JOURNEYS = ("journeys",)
PROOFS = (
    "bench",
    "chat/patterns/test_proofs.py",
    "chat/stalls",
    "chat/test_contexts.py",
    "chat/test_graph_model.py",
    "chat/test_order.py",
    "chat/test_placing.py",
    "chat/test_resuming.py",
    "chat/test_steering_crashes.py",
    "runs/test_budget.py",
    "runs/test_own_tasks.py",
    "runs/test_verifying.py",
    "test_house.py",
    "test_scripts.py",
)
"""Many cases of what is Quorate's alone: they say nothing about the dependencies."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker, places in (("journey", JOURNEYS), ("proof", PROOFS)):
            if any(item.path.is_relative_to(HERE / place) for place in places):
                item.add_marker(marker)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server of this test process; where there is none the test is skipped, but not in CI."""
    if server_folder() is None and "CI" not in os.environ:
        pytest.skip("NO POSTGRESQL: the PostgreSQL store was NOT tested. On Debian: apt-get install postgresql")
    with server(**CHEAP) as url:
        yield url


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """The URL of an empty store in PostgreSQL."""
    return f"{postgres_server}&schema=t{next(NUMBERS)}"


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to other machines, and forget the developer's API keys."""

    def refusing(connect: Any) -> Any:
        def checked(self: socket.socket, address: Any) -> Any:
            if self.family != socket.AF_UNIX and address[0] not in {"127.0.0.1", "::1", "localhost"}:
                raise PermissionError(f"A test wanted to connect to {address}. Tests stay on this machine.")
            return connect(self, address)

        return checked

    monkeypatch.setattr(socket.socket, "connect", refusing(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", refusing(socket.socket.connect_ex))
    for name in [name for name in os.environ if name.endswith("_API_KEY")]:
        monkeypatch.delenv(name)


@pytest.fixture
def later() -> Callable[[float], Awaitable[None]]:
    """Let time pass for the timers of the event loop, at once: what is due by then happens now."""

    async def pass_by(seconds: float) -> None:
        loop: Any = asyncio.get_running_loop()
        now = loop.time
        loop.time = lambda: now() + seconds
        for _ in range(3):
            await asyncio.sleep(0)

    return pass_by


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Is set by a blocking tool that has begun. Its thread is waited for, so that its time runs only from then on."""
    event, start = threading.Event(), threading.Thread.start

    def started(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == "quorate-tool":
            assert event.wait(60)

    monkeypatch.setattr(threading.Thread, "start", started)
    return event


class Doing(Agent):
    """Does something in its turn, and says what came of it."""

    def __init__(self, name: str, act: Callable[[Turn], Awaitable[object]], **tools: Any) -> None:
        super().__init__(name)
        self.act, self.tools = act, tools

    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(content=str(await self.act(turn)), source=self.name)


@pytest.fixture
def doing() -> type[Doing]:
    return Doing


async def left_by(entries: Sequence[Entry], upto: int) -> Conversation:
    """Return a conversation in which only the first entries are: what a process left that was killed there."""
    store: Any = open_store("memory:", clock=FakeClock())
    journal = await store.open("talk")
    for entry in entries[:upto]:
        journal.append(entry.run, entry.path, entry.kind, entry.payload)
    await journal.commit()
    await journal.release()
    return store.conversation("talk")


@pytest.fixture
def killed() -> Callable[..., Awaitable[Conversation]]:
    """Return a journal cut after some entries, or right before the first of a kind (the `nth`, counted from 1)."""

    async def cut(
        entries: Sequence[Entry], *, after: int | None = None, before: str = "", nth: int = 1
    ) -> Conversation:
        if after is None:
            after = [i for i, entry in enumerate(entries) if entry.kind == before][nth - 1]
        return await left_by(entries, after)

    return cut
