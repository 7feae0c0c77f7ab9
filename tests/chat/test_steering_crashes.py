"""Whatever people tell a team and whenever its process is killed: each thing is journaled once and heard once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from quorate import AssistantAgent, Limits, MaxMessageTermination, RoundRobinGroupChat, replay, tool
from quorate.chat.past.audit import requests
from quorate.models import ModelInfo, ModelRequest, Reply, Said
from quorate.models.client import CallDelta, Finished, ModelEvent, TextDelta, Usage
from quorate.runs.entries import Entry
from quorate.runs.inbox import Note
from quorate.runs.memory import MemoryStore
from quorate.testing import FakeClock

CALLS = 2
HEARD = ("steer", "heard", "interrupt")


class Model:
    """Calls its tool twice and then says something new: what, depends on nothing but what it is asked."""

    def __init__(self) -> None:
        self.info = ModelInfo(name="pure", free=True, attempts=1)
        self.asked: list[ModelRequest] = []

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        self.asked.append(request)
        replies = [b for b in request.blocks if isinstance(b, Reply)]
        made = sum(bool(r.results) for r in replies)
        spoken = len(replies) - made
        if made < CALLS * (spoken + 1) and request.tool_choice == "auto":
            yield CallDelta(0, f"c{made}", "look", f'{{"n": {made}}}')
            yield Finished(Usage(1, 1), "tool_calls")
            return
        yield TextDelta(f"thing{len(request.blocks)} word{spoken}")
        yield Finished(Usage(1, 1))


@dataclass
class Plan:
    """What is said at which call of the tool; each thing has its own id, so that saying it again changes nothing."""

    notes: dict[int, list[tuple[str, str]]]
    store: MemoryStore = field(default_factory=lambda: MemoryStore(clock=FakeClock()))
    posted: dict[str, tuple[int, Note]] = field(default_factory=dict[str, tuple[int, Note]])
    models: list[Model] = field(default_factory=list[Model])
    calls: int = 0

    async def say(self, at: int) -> None:
        for i, (kind, to) in enumerate(self.notes.get(at, [])):
            note = Note(f"n{at}-{i}", kind, {"run": 1, "text": f"note {at}.{i}", "to": to, "by": "ann"})
            if note.id in self.posted:  # said before the crash, in a call that is made again
                continue
            length = len(await self.store.read("talk"))
            self.posted.setdefault(note.id, (length, note))
            await self.store.post("talk", note)

    def team(self) -> RoundRobinGroupChat:
        @tool(effect="read")
        async def look(n: int) -> str:
            """Look."""
            at, self.calls = self.calls, self.calls + 1
            await self.say(at)
            await asyncio.sleep(0)
            return f"seen {n}"

        self.models = [Model(), Model()]
        members = [AssistantAgent(name, model, tools=[look]) for name, model in zip("ab", self.models, strict=True)]
        return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(6), limits=Limits(turns=40))


def said_once(entries: list[Entry], posted: dict[str, Any]) -> None:
    found = Counter(e.payload["id"] for e in entries if e.kind in HEARD)
    assert found == dict.fromkeys(posted, 1), "each thing that was said is journaled once"


def heard_once(entries: list[Entry]) -> None:
    """In the last request of each agent each thing stands once, though it came in a step, a turn or an interrupt."""
    asked = requests("talk", entries)
    for path in asked:
        texts = Counter(b.text for b in asked[path][-1].request.blocks if isinstance(b, Said) and b.source == "ann")
        assert not texts or max(texts.values()) == 1, path


async def crashed(plan: Plan, entries: list[Entry], at: int) -> Plan:
    """Return what is there after a kill: the first entries, and in the inbox what was said by then and not taken in."""
    left = Plan(plan.notes, calls=sum(e.kind == "result" for e in entries[:at]))
    journal = await left.store.open("talk")
    for entry in entries[:at]:
        journal.append(entry.run, entry.path, entry.kind, entry.payload)
    await journal.release()
    taken = {e.payload["id"] for e in entries[:at] if e.kind in HEARD}
    for length, note in plan.posted.values():
        if length <= at and note.id not in taken:
            left.posted[note.id] = length, note
            await left.store.post("talk", note)
        elif length <= at:
            left.posted[note.id] = length, note
    return left


notes = st.dictionaries(
    st.integers(0, 7),
    st.lists(
        st.tuples(st.sampled_from(["steer", "queue", "steer", "interrupt"]), st.sampled_from(["", "a", "b"])),
        min_size=1, max_size=2,
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=30)
@given(notes, st.data())
def test_what_is_said_is_journaled_once_and_heard_once_whatever_crashes(said: Any, data: st.DataObject) -> None:
    # ENGINE 16, 4: never lost, never seen twice, also across a crash; and a replay finds the same
    async def go() -> None:
        plan = Plan(said)
        await plan.team().run(task="Go.", conversation=plan.store.conversation("talk"))
        entries = await plan.store.read("talk")
        said_once(entries, plan.posted)
        heard_once(entries)
        assert (await replay("talk", team=plan.team(), store=plan.store)).identical

        at = data.draw(st.integers(2, len(entries) - 1), label="killed after")
        left = await crashed(plan, entries, at)
        result = await left.team().continue_run("talk", store=left.store)

        entries = await left.store.read("talk")
        assert result.outcome is not None
        assert result.outcome.kind == "completed"
        said_once(entries, left.posted)
        heard_once(entries)
        assert (await replay("talk", team=left.team(), store=left.store)).identical

    asyncio.run(go())
