"""Whoever finishes first: the canonical journal is the same to the byte (ENGINE 12, 13, 14)."""

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from quorate import AssistantAgent, MaxMessageTermination, Team, open_store, replay, step, tool
from quorate.chat.facts import Fact, Thread
from quorate.chat.turns import Speak
from quorate.models import Finished, ModelEvent, ModelInfo, ModelRequest, TextDelta, Usage
from quorate.models.blocks import Reply
from quorate.models.client import CallDelta
from quorate.runs.entries import canonical_export
from quorate.runs.portable import record
from quorate.testing import FakeClock

NAMES = ("ann", "bob", "cy")


class Timing:
    """Lets others go first, a random number of times."""

    def __init__(self) -> None:
        self.random = random.Random(0)

    async def wait(self) -> None:
        for _ in range(self.random.randrange(6)):
            await asyncio.sleep(0)


class Scattered:
    """A model whose answer depends on what it is asked only, and whose time on nothing."""

    def __init__(self, timing: Timing) -> None:
        self.info = ModelInfo(name="scattered", free=True)
        self.timing = timing

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        await self.timing.wait()
        last = request.blocks[-1]
        sign = hashlib.sha256(f"{request.system}{last.content}{len(request.blocks)}".encode()).hexdigest()[:6]
        if (isinstance(last, Reply) and last.results) or request.system == "cy":
            yield TextDelta(f"{request.system} {sign}")
            yield Finished(Usage(10, 5))
            return
        for i in range(3):
            yield CallDelta(i, f"c{i}{sign}", ("look", "book", "deep")[i], json.dumps({"n": i}))
        yield Finished(Usage(10, 20), "tool_calls")

    async def close(self) -> None:
        pass


class Waves:
    """All speak side by side, in an order that changes; who begins is found out by a step."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        return memory + (fact.choice is not None)

    async def next(self, memory: int, thread: Thread, members: Sequence[str]) -> Speak:
        async def draw() -> int:
            await self.timing.wait()
            return (memory * 2) % 3

        at = await step("draw", draw, effect="read")
        return Speak((*members[at:], *members[:at]), f"{members[at]} begins", note={"wave": memory})


def scattered(timing: Timing) -> Team:
    @tool(effect="read")
    async def look(n: int) -> str:
        """Look."""
        await timing.wait()
        return f"saw {n}"

    @tool
    async def book(n: int) -> str:
        """Book."""
        await timing.wait()
        if n % 2:
            raise ValueError(f"{n} is odd")
        return f"booked {n}"

    @tool(scope=True)
    async def deep(n: int) -> str:
        """Look deeper, in steps."""

        async def dig() -> int:
            await timing.wait()
            return n * 2

        first = await step("dig", dig, effect="read")
        await timing.wait()
        return str(first + await step("dig", dig, effect="idempotent"))

    model = Scattered(timing)
    members = [AssistantAgent(name, model, system_message=name, tools=[look, book, deep]) for name in NAMES]
    return Team(members, turns=Waves(timing), termination_condition=MaxMessageTermination(7))


@pytest.fixture(scope="module")
def timing() -> Timing:
    return Timing()


@pytest.fixture(scope="module")
def team(timing: Timing) -> Team:
    return scattered(timing)


async def exported(team: Team, timing: Timing, seed: int, url: Any = "memory:") -> tuple[bytes, list[int]]:
    timing.random.seed(seed)
    async with open_store(url, clock=FakeClock()) as store:
        talk = store.conversation("talk")
        await team.run(task="Go.", conversation=talk)
        entries = await talk.entries()
        if seed % 100 == 0:
            assert (await replay("talk", team=team, store=store)).identical
    order = [hash((e.path, e.kind)) for e in entries]
    return canonical_export(entries), order


async def test_canonical_export_is_the_same_bytes_under_a_thousand_timings(team: Team, timing: Timing) -> None:
    # ENGINE 12, 13: append order varies, path order does not, nor ids, references, figures and times
    first, _ = await exported(team, timing, 0)
    orders: set[tuple[int, ...]] = set()

    for seed in range(1, 1001):
        found, order = await exported(team, timing, seed)
        orders.add(tuple(order))
        if found != first:
            pytest.fail(f"seed {seed} differs: {_first_difference(first, found)}")

    assert len(orders) > 900, "the timings were not random: most appended in the same order"
    assert len(first.splitlines()) > 60


async def test_canonical_export_from_sqlite_is_the_same_bytes_too(team: Team, timing: Timing, tmp_path: Path) -> None:
    # ENGINE 12, 13
    first, _ = await exported(team, timing, 1)

    for seed in range(2, 12):
        found, _ = await exported(team, timing, seed, tmp_path / f"{seed}.db")
        assert found == first


def _first_difference(one: bytes, two: bytes) -> str:
    pairs = zip(one.splitlines(), two.splitlines(), strict=False)
    return next((f"{a.decode()}\n{b.decode()}" for a, b in pairs if a != b), "one is longer")


async def test_ids_derive_from_run_and_path(team: Team) -> None:
    # ENGINE 13
    async with open_store("memory:", clock=FakeClock()) as store:
        result = await team.run(task="Go.", conversation=store.conversation("talk"))

    ids = [message.id for message in result.messages]
    assert len(set(ids)) == len(ids)
    assert all(id.startswith("talk.1") for id in ids)
    assert "talk.1/1 turn/1 ann/5 model" in ids


async def test_nothing_is_written_twice(team: Team) -> None:
    # ENGINE 14: neither a reply, nor a result, nor the standing parts of a request; and no request
    async with open_store("memory:", clock=FakeClock()) as store:
        result = await team.run(task="Just once.", conversation=store.conversation("talk"))
        entries = await store.read("talk")
        standing = {artifact.data for artifact in (await record(store, "talk")).artifacts.values()}

    written = canonical_export(entries).decode()
    said = [m.to_text() for m in result.messages[1:] if type(m).__name__ == "TextMessage"]
    assert len(said) == 6
    for text in ["Just once.", *said]:
        assert written.count(json.dumps(text)) == 1, text
    assert written.count('"saw 0"') == sum(e.kind == "result" and e.payload["content"] == "saw 0" for e in entries)
    assert len(standing) == len(NAMES)
