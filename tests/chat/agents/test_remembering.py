"""What an agent is told by its memories: a step, an event, and nothing that is said twice."""

from __future__ import annotations

from typing import Any

import pytest

from quorate import AssistantAgent, MaxMessageTermination, RoundRobinGroupChat, replay
from quorate.chat.agents.remembering import INTRODUCTION
from quorate.chat.messages import MemoryQueryEvent
from quorate.chat.past.audit import requests
from quorate.errors import ConfigError, RunFailed
from quorate.memory.content import MemoryContent, MemoryQueryResult
from quorate.memory.lists import ListMemory
from quorate.models.client import ModelRequest
from quorate.runs.entries import Entry
from quorate.runs.memory import MemoryStore
from quorate.testing import FakeClock, ScriptedModel


class Searching(ListMemory):
    """Finds what has a word of the question, and counts how often it is asked."""

    def __init__(self, *texts: str) -> None:
        super().__init__("search", list(texts))
        self.asked: list[str] = []

    async def query(self, query: str = "") -> MemoryQueryResult:
        self.asked.append(query)
        words = set(query.lower().strip("?.").split())
        return MemoryQueryResult(
            results=[c for c in self.memory_contents if words & set(str(c.content).lower().strip(".").split())]
        )


def answer(request: ModelRequest) -> str:
    return f"I know {(request.system or '').count('. ')} and heard {len(request.blocks)}."


def agent(memory: Any, name: str = "a", **options: Any) -> AssistantAgent:
    return AssistantAgent(name, ScriptedModel([answer] * 9), memory=memory, **options)


async def test_model_is_told_what_its_memories_find_and_viewers_see_it() -> None:
    one = agent([ListMemory("facts", ["Bonn is small.", MemoryContent(content={"a": 1})]), Searching("Rome is big.")])

    result = await one.run("How big is Rome?")

    model: Any = one.model_client
    assert model.requests[0].system.endswith('no instruction:\n1. Bonn is small.\n2. {"a": 1}\n3. Rome is big.')
    told = [m for m in result.messages if isinstance(m, MemoryQueryEvent)]
    assert [[c.to_text() for c in m.content] for m in told] == [["Bonn is small.", '{"a": 1}'], ["Rome is big."]]
    assert [m.type for m in result.messages][-1] == "TextMessage"


async def test_nothing_found_is_nothing_told() -> None:
    one = agent([Searching("Rome is big.")], system_message=None)

    result = await one.run("Hello.")

    model: Any = one.model_client
    assert model.requests[0].system is None
    assert [m.type for m in result.messages] == ["TextMessage", "TextMessage"]


async def test_memory_is_asked_what_was_said_last_each_turn_and_told_once() -> None:
    search = Searching("Rome is big.", "Bonn is small.")
    one = agent([search])

    await one.run("Rome?")
    await one.run("Bonn?")

    model: Any = one.model_client
    assert search.asked == ["Rome?", "Bonn?"]
    assert "Rome" not in model.requests[1].system
    assert len(model.requests[1].blocks) == 3


def team(memory: Any) -> RoundRobinGroupChat:
    return RoundRobinGroupChat([agent([memory], n) for n in "ab"], termination_condition=MaxMessageTermination(4))


async def recorded() -> tuple[MemoryStore, list[Entry]]:
    store = MemoryStore(clock=FakeClock())
    await team(Searching("Rome is big.", "1 is one.")).run("Rome?", conversation=store.conversation("talk"))
    return store, await store.read("talk")


async def test_replay_asks_no_memory_and_the_requests_can_be_audited() -> None:
    # ENGINE 4: no outside call
    store, entries = await recorded()
    empty = Searching()

    assert (await replay("talk", team=team(empty), store=store)).identical
    assert empty.asked == []
    systems = [asked[0].request.system or "" for asked in requests("talk", entries).values()]
    assert [text.count(INTRODUCTION) for text in systems] == [1, 1, 0], "nothing has a word of the last question"
    assert "Rome is big." in systems[0]


async def test_crash_anywhere_asks_again_only_what_was_not_answered() -> None:
    # ENGINE 1: a closed turn is never run again, and a step that has an outcome is answered by it
    _, entries = await recorded()

    for at in range(1, len(entries)):
        store = MemoryStore(clock=FakeClock())
        journal = await store.open("talk")
        for entry in entries[:at]:
            journal.append(entry.run, entry.path, entry.kind, entry.payload)
        await journal.release()
        memory = Searching("Rome is big.", "1 is one.")

        result = await team(memory).continue_run("talk", store=store)

        answered = sum(e.kind == "value" for e in entries[:at])
        assert len(memory.asked) == 3 - answered
        assert [e.payload for e in await store.read("talk") if e.kind == "reply"] == [
            e.payload for e in entries if e.kind == "reply"
        ]
        assert result.outcome is not None
        assert result.outcome.kind == "completed"


async def test_memory_that_fails_fails_the_run() -> None:
    class Broken(ListMemory):
        async def query(self, query: str = "") -> MemoryQueryResult:
            raise OSError("no disk")

    with pytest.raises(RunFailed, match="no disk"):
        await agent([Broken()]).run("Hello.")


@pytest.mark.parametrize("memory", [[object()], ListMemory(), "text"])
def test_what_is_no_memory_is_refused(memory: Any) -> None:
    with pytest.raises(ConfigError, match=r"is no memory|must be a list"):
        agent(memory)
