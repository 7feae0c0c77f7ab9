"""Kills a team at every moment of its run, resumes it in another process, and prints what came of each as JSON lines.

    python crashing.py FOLDER TEAM EFFECT [EVERY]

TEAM is one of `TEAMS`; EFFECT is the class of the clerk's tool. A moment is `append 7` (all that led to entry 7 has
happened; the entry itself is in memory only, as it is right after it was appended) or `commit 3` (the third commit has
just returned, and what it allows has not happened yet). With EVERY above 1 only each so many are tried, and of each
kind of entry the first or the last, by turns. This process imports once and never opens a store; each run is a forked
child, ended by SIGKILL.
"""

import asyncio
import hashlib
import itertools
import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import quorate.chat.past.replay
import quorate.chat.placing
import quorate.chat.selector
import quorate.runs.sqlite.store
import quorate.tools.schema
from quorate import (
    Agent,
    AssistantAgent,
    Delegate,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    MaxMessageTermination,
    OperationKey,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
    Team,
    TeamTool,
    TextMessage,
    Turn,
    open_store,
    replay,
    tool,
)
from quorate.chat.facts import Fact, Thread
from quorate.chat.ledgers import FIELDS
from quorate.chat.live import Runnable
from quorate.chat.turns import Speak
from quorate.models import ModelRequest, Reply, ToolCall
from quorate.runs.entries import canonical_order
from quorate.runs.inbox import Note
from quorate.runs.journal import Conversation
from quorate.testing import FakeClock, ScriptedModel

LOADED = quorate.chat.placing, quorate.chat.past.replay, quorate.runs.sqlite.store, quorate.tools.schema
"""Loaded here once, so that no child has to; the rest is loaded by a run in memory."""
NAMES = ("writer", "clerk", "critic")
TASK = TextMessage(content="Keep the books.", source="user", id="task", created_at=datetime(2026, 1, 1, tzinfo=UTC))
AGAIN = frozenset({"resumed", "settled", "question", "answer"})


# -- the team: what a model answers depends on nothing but what it is asked -------------------------------------------


def note(file: Path, line: str) -> None:
    with file.open("a") as out:
        out.write(line + "\n")


def answer(request: ModelRequest, folder: Path) -> object:
    last = request.blocks[-1]
    asked = f"{request.system}\n{last.content}\n{len(request.blocks)}"
    sign = hashlib.sha256(asked.encode()).hexdigest()[:8]
    note(folder / "calls", sign)
    if request.output_schema and "next_speaker" in request.output_schema:
        answers = (False, False, True, NAMES[len(request.blocks) % 3], f"Go on with {sign}.")
        return json.dumps({name: {"reason": sign, "answer": a} for name, a in zip(FIELDS, answers, strict=True)})
    if request.output_schema:
        return json.dumps({"speaker": json.loads(request.output_schema)["properties"]["speaker"]["enum"][-1]})
    if isinstance(last, Reply) and last.results:
        return f"Booked {' and '.join(r.content for r in last.results)} {sign}."
    if request.system == "caller":
        return [ToolCall(f"t{n}{sign}", request.tools[0].name, json.dumps({"task": f"Book {n}."})) for n in range(2)]
    booked = sum(isinstance(block, Reply) and bool(block.results) for block in request.blocks)
    if request.system != "clerk" or booked > 1:
        over = [spec.name for spec in request.tools if spec.name.startswith("transfer_to_")]
        if over:
            return ToolCall(f"h{sign}", over[0], "{}")
        return f"{request.system} thinks {sign} of {last.text[-20:]!r}."
    amounts = (51, 52) if booked else (2,)
    return [ToolCall(f"c{n}{sign}", "book", json.dumps({"amount": n})) for n in amounts]


def bookkeeping(folder: Path, effect: Any) -> Any:
    if effect == "idempotent":

        @tool(effect="idempotent")
        async def book(amount: int, key: OperationKey) -> str:
            """Book an amount."""
            note(folder / "ledger", f"{amount} {key}")
            return f"entry-{amount * 7}"
    else:

        @tool(effect=effect)
        async def book(amount: int) -> str:
            """Book an amount."""
            note(folder / "ledger", f"{amount}")
            return f"entry-{amount * 7}"

    return book


class Waves:
    """All speak side by side, in an order that changes."""

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        return memory + (fact.choice is not None)

    async def next(self, memory: int, thread: Thread, members: Sequence[str]) -> Speak:
        return Speak((*members[memory % 3 :], *members[: memory % 3]), "all at once")


class Racing(Waves):
    """The same, until two have spoken."""

    def enough(self, memory: int, done: Mapping[str, Any]) -> bool:
        return len(done) >= 2


class Sleeping(Agent):
    """Never says anything, so that it is clear who loses."""

    async def speak(self, turn: Turn) -> TextMessage:
        await asyncio.Event().wait()
        raise AssertionError


def by_function(messages: Sequence[Any]) -> str | None:
    """Select a speaker by code: the clerk after the task, later whoever's turn it is by the number of messages."""
    return None if len(messages) == 3 else NAMES[len(messages) % 3]


async def likeness(said: str, described: list[str]) -> list[float]:
    """Stand in for the embedding model, whose weights need not be here."""
    return [int(hashlib.sha256(f"{said}{one}".encode()).hexdigest()[:4], 16) / 65536 for one in described]


def in_a_graph(members: list[Any]) -> GraphFlow:
    """Let the writer go first, then the two others side by side, and both lead back."""
    builder = DiGraphBuilder()
    for member in members:
        builder.add_node(member)
    builder.set_entry_point("writer").add_edge("writer", "clerk").add_edge("writer", "critic")
    builder.add_edge("clerk", "writer", " ").add_edge("critic", "writer", " ")
    return GraphFlow(members, builder.build(), termination_condition=UNTIL)


UNTIL = MaxMessageTermination(7)
TEAMS: dict[str, Callable[[list[Any], Any], Runnable]] = {
    "agent": lambda members, model: members[1],
    "robin": lambda members, model: RoundRobinGroupChat(members, termination_condition=UNTIL),
    "wave": lambda members, model: Team(members, turns=Waves(), termination_condition=UNTIL),
    "race": lambda members, model: Team(
        [*members[:2], Sleeping("critic")], turns=Racing(), termination_condition=UNTIL
    ),
    "selector": lambda members, model: SelectorGroupChat(members, model, termination_condition=UNTIL),
    "function": lambda members, model: SelectorGroupChat(
        members, model, selector_func=by_function, termination_condition=UNTIL
    ),
    "likeness": lambda members, model: SelectorGroupChat(members, termination_condition=UNTIL),
    "graph": lambda members, model: in_a_graph(members),
    "magentic": lambda members, model: MagenticOneGroupChat(members, model, termination_condition=UNTIL),
    "swarm": lambda members, model: Swarm(members, termination_condition=UNTIL),
    "inside": lambda members, model: RoundRobinGroupChat(
        [members[0], Team(members[1:], turns=Waves(), max_turns=2, name="lab")], termination_condition=UNTIL
    ),
    "called": lambda members, model: RoundRobinGroupChat(
        [calling(model, members[1]), members[2]], termination_condition=MaxMessageTermination(4)
    ),
    "delegate": lambda members, model: RoundRobinGroupChat(
        [calling(model), members[2], members[1]], termination_condition=MaxMessageTermination(3)
    ),
}
"""Every preset of a team; `made` gives them a writer, a clerk with a tool, and a critic."""


def calling(model: Any, clerk: Any = None) -> AssistantAgent:
    """Return an agent that gives the clerk tasks, who has a team of his own or is another member."""
    if clerk is None:
        return AssistantAgent("writer", model, system_message="caller", tools=[Delegate("clerk", remember=True)])
    lab = RoundRobinGroupChat([clerk], max_turns=2, name="lab")
    books = TeamTool(lab, "clerk", "Keeps the books.", remember=True)
    return AssistantAgent("writer", model, system_message="caller", tools=[books])


def made(kind: str, effect: str, folder: Path) -> Runnable:
    quorate.chat.selector._scores = likeness
    model = ScriptedModel(itertools.repeat(lambda request: answer(request, folder)))
    book = bookkeeping(folder, effect)
    members = [
        AssistantAgent(
            name,
            model,
            system_message=name,
            tools=[book] if name == "clerk" else [],
            handoffs=[NAMES[(at + 1) % 3]] if kind == "swarm" else [],
        )
        for at, name in enumerate(NAMES)
    ]
    return TEAMS[kind](members, model)


# -- a store that kills its process -----------------------------------------------------------------------------------


class Killing:
    """Wraps a store and its journal, counts what passes, and dies at one moment."""

    def __init__(self, inner: Any, moment: tuple[str, int], count: dict[str, Any]) -> None:
        self._inner, self._moment, self._count = inner, moment, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _pass(self, what: str) -> None:
        self._count[what] += 1
        if (what, self._count[what]) == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)

    async def open(self, id: str, **options: Any) -> Any:
        return Killing(await self._inner.open(id, **options), self._moment, self._count)

    def append(self, *entry: Any) -> Any:
        appended = self._inner.append(*entry)
        self._count["kinds"].append(appended.kind)
        self._pass("append")
        return appended

    async def commit(self, *, sync: bool = False) -> None:
        await self._inner.commit(sync=sync)
        self._pass("commit")


# -- what the children do ---------------------------------------------------------------------------------------------


def store_in(folder: Path) -> Any:
    return open_store(folder / "work.db", clock=FakeClock())


async def work(folder: Path, kind: str, effect: str, moment: tuple[str, int]) -> dict[str, Any]:
    count: dict[str, Any] = {"append": 0, "commit": 0, "kinds": []}
    async with store_in(folder) as store:
        await made(kind, effect, folder).run(TASK, conversation=Conversation(Killing(store, moment, count), "talk"))
    return count


async def go_on(folder: Path, kind: str, effect: str) -> dict[str, Any]:
    """Resume, or begin where nothing was on disk yet, and tell everything about what is there now."""
    team = made(kind, effect, folder)
    async with store_in(folder) as store:
        talk = store.conversation("talk")
        before = await talk.entries()
        closed = {e.path for e in before if e.kind == "result"}
        unsafe = [e for e in before if e.kind == "intent" and e.payload["effect"] == "unsafe" and e.path not in closed]
        told: dict[str, Any] = {
            "replies": sum(e.kind == "reply" for e in before),
            "unknown": [f"{e.payload['name']}({e.payload['arguments']})" for e in unsafe],
            "messages": None,
        }
        if not before or before[-1].kind != "ended" or before[-1].payload["outcome"] == "waiting":
            again = team.continue_run("talk", store=store) if before else team.run(TASK, conversation=talk)
            result = await again
            assert result.outcome is not None
            told["messages"] = [m.dump() for m in result.messages]
            told["speakers"] = Counter(m.source for m in result.messages if isinstance(m, TextMessage))
            told["questions"], told["open"] = result.outcome.questions, result.outcome.open_intents
        entries = await talk.entries()
        ended = entries[-1].payload
        told["outcome"] = [ended["outcome"], ended["reason"]]
        told["entries"] = canonical(entries)
        told["verified"] = (await store.verify("talk")).length == len(entries)
        told["notes"] = len(await store.notes("talk"))
        if ended["outcome"] == "completed":
            told["replayed"] = (await replay("talk", team=team, store=store)).identical
    return told | {"ledger": lines(folder / "ledger"), "calls": lines(folder / "calls")}


async def answered(folder: Path, kind: str, effect: str, questions: list[str], happened: bool) -> dict[str, Any]:
    """Answer what is asked: what is in the ledger happened; for the rest the caller decides what is said."""
    async with store_in(folder) as store:
        asked = {e.payload["id"]: e.payload for e in await store.read("talk", kinds=["question"])}
        for id in questions:
            amount = json.loads(asked[id]["arguments"])["amount"]
            said: dict[str, Any] = {"happened": happened or str(amount) in lines(folder / "ledger")}
            if said["happened"]:
                said["result"] = f"entry-{amount * 7}"
            await store.post("talk", Note(id, "answer", said))
    return await go_on(folder, kind, effect)


def canonical(entries: list[Any]) -> list[Any]:
    """Return the journal in path order without what only says that something was tried again."""
    kept: list[Any] = []
    for entry in sorted(entries, key=canonical_order):
        payload = dict(entry.payload)
        if entry.kind in AGAIN:
            continue
        if entry.kind in {"call", "intent"}:
            payload.pop("attempt", None)
            if any(k[:2] == [entry.path, entry.kind] for k in kept):
                continue
        if not payload.get("error"):
            payload.pop("error", None)
        if entry.kind == "call":  # a resumed process writes its references out in full
            payload = {name: payload[name] for name in ("model", "cap")}
        if entry.kind == "outcome":
            payload = {name: payload[name] for name in ("outcome", "reason", "turns")}
        if entry.kind == "ended":
            kept = [k for k in kept if k[1] != "ended"]
            payload = {name: payload[name] for name in ("outcome", "reason", "turns")}
        kept.append([entry.path, entry.kind, payload])
    return json.loads(json.dumps(kept))


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


# -- the process that forks them --------------------------------------------------------------------------------------


def forked(folder: Path, job: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[int, Any]:
    """Do a job in a child; return the signal that ended it and what it told."""
    out = folder / "told.json"
    out.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            told = asyncio.run(job())
            out.write_text(json.dumps(told))
            code = 0
        except BaseException as error:  # told to the test, which fails with it
            out.write_text(json.dumps({"error": f"{type(error).__name__}: {error}"}))
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status), json.loads(out.read_text()) if out.exists() else None


def moments(count: dict[str, Any], every: int) -> list[tuple[str, int]]:
    """Return when to kill: each moment, or of each kind of entry the first or the last, and else each so many."""
    kinds: list[str] = count["kinds"]
    firsts, lasts = {kind: kinds.index(kind) + 1 for kind in kinds}, {kind: n for n, kind in enumerate(kinds, 1)}
    ends = {(lasts if at % 2 else firsts)[kind] for at, kind in enumerate(firsts)}
    found = [(what, n) for what in ("append", "commit") for n in range(1, count[what] + 1)]
    return [(what, n) for i, (what, n) in enumerate(found) if i % every == 0 or (what == "append" and n in ends)]


def place(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    return folder


def killed_at(root: Path, kind: str, effect: str, moment: tuple[str, int]) -> dict[str, Any]:
    """Kill a run at a moment, go on with it in another process, and answer what that asks, one way and the other."""
    folder = place(root, f"{moment[0]}-{moment[1]}")
    signalled, told = forked(folder, lambda: work(folder, kind, effect, moment))
    case: dict[str, Any] = {"moment": " ".join(map(str, moment)), "signal": signalled, "said": told}
    case["ledger"], case["calls"] = lines(folder / "ledger"), lines(folder / "calls")
    _, case["resumed"] = forked(folder, lambda: go_on(folder, kind, effect))
    questions = case["resumed"].get("questions")
    if questions:
        other = place(root, f"{folder.name}-not")
        shutil.copytree(folder, other, dirs_exist_ok=True)
        _, case["happened"] = forked(folder, lambda: answered(folder, kind, effect, questions, happened=True))
        _, case["did_not"] = forked(other, lambda: answered(other, kind, effect, questions, happened=False))
        shutil.rmtree(other)
    shutil.rmtree(folder)
    return case


def main(root: Path, kind: str, effect: str, every: int) -> None:
    asyncio.run(made(kind, effect, place(root, "warm")).run(TASK))
    whole = place(root, "whole")
    _, count = forked(whole, lambda: work(whole, kind, effect, ("never", 0)))
    fresh = place(root, "fresh")
    _, reference = forked(fresh, lambda: go_on(fresh, kind, effect))
    print(json.dumps({"moment": "none", "count": count, **reference}))
    for moment in () if "error" in count else moments(count, every):
        print(json.dumps(killed_at(root, kind, effect, moment)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 1)
