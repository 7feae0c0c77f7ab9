"""A run cut after any entry and taken up by a fresh definition comes to what the uninterrupted run came to.

The same as `tests/journeys/test_crash.py` does with real processes, here in memory, so that it can go through more:
tools of every class, a tool that is a scope, steps and states of a custom agent, several speakers, a selector.
"""

import asyncio
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from quorate import (
    Agent,
    AgentTool,
    AssistantAgent,
    MaxMessageTermination,
    OperationKey,
    RoundRobinGroupChat,
    SelectorGroupChat,
    TaskResult,
    Team,
    TeamTool,
    TextMessage,
    Turn,
    open_store,
    replay,
    step,
    tool,
)
from quorate.chat.facts import Fact, Thread
from quorate.chat.messages import ThoughtEvent
from quorate.chat.turns import Speak
from quorate.models import ModelRequest, ToolCall
from quorate.runs import paths
from quorate.runs.entries import Entry, canonical_order
from quorate.runs.inbox import Note
from quorate.runs.journal import Conversation
from quorate.testing import FakeClock, ScriptedModel

TASK = TextMessage(content="Go.", source="user", id="task", created_at=datetime(2026, 1, 1, tzinfo=UTC))


class World:
    """A definition that depends on nothing but what it sees, and counts what it does to the world."""

    def __init__(self, kind: str) -> None:
        self.asked: list[str] = []
        self.effects: list[str] = []
        self.team = self._made(kind)

    def _made(self, kind: str) -> Team:
        model = ScriptedModel(itertools.repeat(self._answer))
        look, put, pay, work = self._tools()
        members = [
            AssistantAgent("writer", model, system_message="writer", tools=[look, put, pay]),
            Remembering("clerk"),
            AssistantAgent("critic", model, system_message="critic", tools=[work, pay]),
        ]
        until = MaxMessageTermination(9)
        if kind in {"inside", "called"}:
            return self._nested(kind, members, model)
        if kind == "robin":
            return RoundRobinGroupChat(members, termination_condition=until)
        if kind == "waves":
            return Team(members, turns=Waves(), termination_condition=until)
        return SelectorGroupChat(members, model, termination_condition=until)

    def _nested(self, kind: str, members: list[Any], model: ScriptedModel) -> Team:
        desk = Team(members[1:], turns=Waves(), max_turns=2, name="desk")
        if kind == "inside":
            lab = RoundRobinGroupChat([members[0], desk], termination_condition=MaxMessageTermination(4), name="lab")
            members = [AssistantAgent("boss", model, system_message="boss"), lab]
            return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(5))
        tools = [
            TeamTool(RoundRobinGroupChat([members[0], desk], max_turns=2, name="lab"), "lab", "Works."),
            AgentTool(AssistantAgent("helper", model, system_message="helper"), remember=True),
        ]
        boss = AssistantAgent("boss", model, system_message="boss", tools=tools, max_tool_iterations=2)
        return RoundRobinGroupChat([boss, Delegating(members[2], desk)], termination_condition=MaxMessageTermination(4))

    def _answer(self, request: ModelRequest) -> object:
        seen = f"{request.system}{[block.content for block in request.blocks]}{request.output_schema}"
        sign = hashlib.sha256(seen.encode()).hexdigest()[:8]
        self.asked.append(sign)
        if request.output_schema:
            names = json.loads(request.output_schema)["properties"]["speaker"]["enum"]
            return json.dumps({"speaker": names[int(sign, 16) % len(names)]})
        used = sum(bool(getattr(block, "results", ())) for block in request.blocks)
        if not request.tools or used >= 3 or getattr(request.blocks[-1], "results", ()):
            return f"{request.system} says {sign}"
        names = [spec.name for spec in request.tools]
        return [
            ToolCall(f"c{i}{sign}", name, json.dumps({"task": f"do {i}"} if name in CALLED else {"n": 10 * used + i}))
            for i, name in enumerate([names[(i + used) % len(names)] for i in range(1 + used)])
        ]

    def _tools(self) -> list[Any]:
        @tool(effect="read")
        async def look(n: int) -> str:
            """Look."""
            return f"saw {n}"

        @tool(effect="idempotent")
        async def put(n: int, key: OperationKey) -> str:
            """Put."""
            self.effects.append(f"put {n} {key}")
            return f"put {n}"

        @tool
        async def pay(n: int) -> str:
            """Pay."""
            self.effects.append(f"pay {n}")
            return f"paid {n}"

        @tool(scope=True)
        async def work(n: int) -> str:
            """Do several things."""

            async def begin() -> int:
                self.effects.append(f"begin {n}")
                return n

            async def fail() -> None:
                raise ValueError("as always")

            begun = await step("begin", begin)
            try:
                await step("fail", fail, effect="read")
            except ValueError as error:
                return f"{begun} {error}"
            raise AssertionError

        return [look, put, pay, work]


class Remembering(Agent):
    """Keeps a state, makes a step, tells an event, and says all that it knows."""

    async def speak(self, turn: Turn) -> TextMessage:
        turn.state.setdefault("heard", []).append(len(turn.thread))

        async def draw() -> dict[str, Any]:
            return {"drew": [len(turn.thread)]}

        drew = await step("draw", draw, effect="read")
        turn.emit(ThoughtEvent(content=str(drew), source=self.name))
        return TextMessage(content=f"{drew} {turn.state} {[m.source for m in turn.new]}", source=self.name)


class Delegating(Agent):
    """Has others work on parts of what it says: one after the other, and side by side."""

    def __init__(self, agent: AssistantAgent, team: Team) -> None:
        super().__init__("chief")
        self._agent, self._team = agent, team

    async def speak(self, turn: Turn) -> TextMessage:
        first = await self._agent.run(f"part {len(turn.thread)}")
        async with asyncio.TaskGroup() as group:
            parts = [group.create_task(self._team.run(f"{part} {len(turn.thread)}")) for part in ("law", "tax")]
        streamed = [m async for m in self._agent.run_stream(turn.new)]
        said = [first, *(part.result() for part in parts), streamed[-1]]
        return TextMessage(content=f"{[(r.messages[-1].to_text(), r.turns) for r in said]}", source=self.name)


CALLED = ("lab", "helper")
EVERY = {"waves": 2, "selector": 2, "inside": 4, "called": 6}
"""Where not every cut is tried: `tests/journeys/test_crash.py` does."""


class Waves:
    """All at once and one alone, in turn."""

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        return memory + (fact.choice is not None)

    async def next(self, memory: int, thread: Thread, members: Sequence[str]) -> Speak:
        at = memory % len(members)
        if memory % 2:
            return Speak((members[at],), "alone", note={"memory": memory})
        return Speak((*members[at:], *members[:at]), "all at once")


def plain(entries: Sequence[Entry]) -> list[Any]:
    """Return the journal in path order without what only says that something was tried again."""
    kept: dict[tuple[str, str, str], Any] = {}
    for entry in sorted(entries, key=canonical_order):
        said = {name: value for name, value in entry.payload.items() if name != "error" or value}
        if entry.kind in {"resumed", "settled", "question", "answer"}:
            continue
        if entry.kind == "call":  # who takes a run up writes its references out in full
            said = {name: said[name] for name in ("model", "cap")}
        if entry.kind == "intent":
            said.pop("attempt", None)
        if entry.kind in {"ended", "outcome"}:
            said = {name: said[name] for name in ("outcome", "reason", "turns")}
        kept[entry.path, entry.kind, ""] = json.loads(json.dumps(said))
    return list(kept.items())


async def taken_up(world: World, left: Conversation) -> TaskResult:
    """Go on until it is done, saying of every call that it did not happen."""
    while True:
        result = await world.team.continue_run("talk", store=left.store)
        assert result.outcome is not None
        if result.outcome.kind != "waiting":
            return result
        assert result.outcome.questions
        for question in result.outcome.questions:
            await left.store.post("talk", Note(question, "answer", {"happened": False}))


@pytest.mark.parametrize("kind", ["robin", "waves", "selector", "inside", "called"])
async def test_run_cut_after_any_entry_comes_to_what_the_uninterrupted_one_came_to(killed: Any, kind: str) -> None:
    # ENGINE 1, 2, 5, 6, 12, 13
    talk = open_store("memory:", clock=FakeClock()).conversation("talk")
    first = World(kind)
    whole = await first.team.run(TASK, conversation=talk)
    entries = await talk.entries()
    problems: list[str] = []

    for cut in range(1, len(entries), EVERY.get(kind, 1)):
        left = await killed(entries, after=cut)
        world = World(kind)
        replays = (cut - 1) % 3 == 0  # `test_replay.py` cuts anywhere too
        before = not replays or (await replay("talk", team=world.team, store=left.store)).identical
        result = await taken_up(world, left)
        after = not replays or (await replay("talk", team=world.team, store=left.store)).identical
        owed = len(first.asked) - sum(entry.kind == "reply" for entry in entries[:cut])
        for what, holds in {
            "messages": [m.dump() for m in result.messages] == [m.dump() for m in whole.messages],
            "journal": plain(await left.entries()) == plain(entries),
            "model calls": len(world.asked) == owed,
            "effects": Counter(world.effects) <= Counter(first.effects),
            "replay": before and after,
        }.items():
            if not holds:
                problems.append(f"cut after {entries[cut - 1].kind} at {entries[cut - 1].path}: {what}")

    assert problems == []
    assert len(entries) > 50
    assert whole.outcome is not None
    assert whole.outcome.kind == "completed"


# -- agents that make no step -----------------------------------------------------------------------------------------


class Thinks(Agent):
    """Says so at once, or first waits for somebody to look."""

    def __init__(self, name: str, looks: asyncio.Event | None = None) -> None:
        super().__init__(name)
        self.looks = looks
        self.begun = asyncio.Event()

    async def speak(self, turn: Turn) -> TextMessage:
        self.begun.set()
        if self.looks is not None:
            await self.looks.wait()
        return TextMessage(content=f"{self.name} thinks so.", source=self.name)


async def test_what_agents_without_steps_say_is_kept_turn_by_turn_and_the_run_from_its_beginning(
    tmp_path: Path,
) -> None:
    for first, kept in ((0, []), (1, ["ann"])):
        looks = asyncio.Event()
        members = [Thinks(name, looks if at == first else None) for at, name in enumerate(("ann", "bob"))]
        team = RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(3))
        place = tmp_path / f"{first}.db"
        async with open_store(place) as store, open_store(place) as other:
            running = asyncio.create_task(team.run("Go.", conversation=store.conversation("talk")))
            await members[first].begun.wait()

            found = await other.read("talk")  # what a killed process would leave behind

            looks.set()
            await running
        assert found[0].kind == "run"
        assert [paths.speaker(entry.path) for entry in found if entry.kind == "said"] == kept
