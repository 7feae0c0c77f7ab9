"""An agent that does what a test says, and journals as a killed process leaves them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from quorate import Agent, TextMessage, Turn, open_store
from quorate.runs.entries import Entry
from quorate.runs.journal import Conversation
from quorate.testing import FakeClock


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
        journal.append(*entry[1:4], entry.payload)
    await journal.commit()
    await journal.release()
    return store.conversation("talk")


@pytest.fixture
def killed() -> Callable[..., Awaitable[Conversation]]:
    """Return a journal cut after some entries, or right before the first of a kind (the `nth`, counted from 1)."""

    async def cut(entries: Sequence[Entry], *, after: int | None = None, before: str = "", nth: int = 1) -> Conversation:
        if after is None:
            after = [i for i, entry in enumerate(entries) if entry.kind == before][nth - 1]
        return await left_by(entries, after)

    return cut
