"""A speech: what one agent does and says in its turn, and how it is written down and read again.

What comes from steps is not written twice: the closing entry of a speech says `["reply", 1]`, and the message is made
of the reply of step 1 whenever it is needed, live and when folding, by the same function.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from quorate.chat.facts import SHOWN, Fact, Thread
from quorate.chat.feed import Feed
from quorate.core.lazy import lazy
from quorate.models.blocks import Blocks, Origin
from quorate.models.calls import Asked, answer_of
from quorate.runs import paths
from quorate.runs.entries import Entry, Payload
from quorate.runs.inbox import Note
from quorate.runs.run import Run, said_by
from quorate.runs.scope import Scope

if TYPE_CHECKING:
    from pydantic import BaseModel

    from quorate.chat import derived as deriving
    from quorate.chat.messages import BaseAgentEvent, BaseChatMessage
    from quorate.chat.stalls import progress as watching
else:
    deriving, watching = lazy("quorate.chat.derived"), lazy("quorate.chat.stalls.progress")

Item = tuple[Any, ...]
"""`("reply", n)`, `("thought", n)`, `("aside", n)` (text beside tool calls), `("request", n)`, `("results", n)`,
`("steer", n)` (what a person said on the way), `("summary", n, format, text)`, `("handoff", n, target, tools)`,
`("structured", n, key, format)` (a reply as data), `("draft", n)` (one that did not fit), `("unsaid", n)` (one
in whose place something else was said), of model step n and the tool
steps after it; `("memory", n)`, what a memory found, and `("changed", n)`, what an intervention said instead, in step
n; `("compacted", n, head, upto)` (a summary of blocks),
`("generated", n, attempt, languages…)` (code to run), `("decision", n)` (whether to try again), `("ran", n,
attempt)` and `("output", n)` (what running code in step n came to), or `("json", data)`, a message or event dumped
whole; `("told", data)`, a message that only this agent was told, and `("shown", data)`, what was only shown to who
watches."""

INNER = "inner"
"""The item `("inner", place, own)`: what was said at a place in the conversation of a team that speaks, as the team's
own word or as what it was."""

MAKES = frozenset({"reply", "result", "steer", "value"})
"""The kinds of entries that items are made of."""


VALUES = frozenset({" intervention", " memory"})
"""The steps whose values items are made of."""


REPLIES = frozenset({"reply", "structured"})
ANSWERS = REPLIES | {"summary", "handoff"}
"""The items that are an agent's message, unless it says something else in the end."""


class Made(Struct, frozen=True, gc=False):
    """What a step came to, and when."""

    value: Any
    at: int
    cost_usd: float | None = 0.0


class RunOf(Struct):
    """Stands for the run that an entry belongs to, which need not be the one that reads it."""

    id: str
    number: int
    marks: tuple[tuple[int, str], ...] = ()

    @property
    def prefix(self) -> str:
        return f"{self.number}:"


class Turn(Struct, eq=False):
    """What an agent is given to speak.

    Attributes:
        thread: The conversation as it was when the agent was named.
        memory: What the agent remembers, folded by its own `begin` and `see` if it has them.
        state: A dictionary of its own, journaled at the end of the speech if it changed.
        scope: Where in the run it speaks; steps find it by themselves.
        form: The pydantic model that the answer is to be of, if the turn policy wants one.
        took_up: Whether the agent's `load_state` was given for this turn what its `save_state` had returned before.
    """

    name: str
    scope: Scope
    thread: Thread
    since: int
    memory: Any
    state: dict[str, Any]
    _emit: Feed
    _polls: frozenset[str]
    asked: Asked | None
    _patience: int | None = None
    items: list[Item] = []
    facts: list[Fact] = []
    steps: dict[int, Made] = {}
    form: type[BaseModel] | None = None
    took_up: bool = False
    _watch: watching.Progress | None = None

    @property
    def new(self) -> Sequence[BaseChatMessage]:
        """What was said since the agent spoke last."""
        return self.thread[self.since :]

    @property
    def run(self) -> Run:
        return self.scope.run

    @property
    def watched(self) -> bool:
        """Whether anybody looks on, so that chunks are worth making."""
        return self._emit.watched

    def show(self, item: Any) -> None:
        """Show a chunk to who looks on. It is not kept."""
        self._emit.push(item)

    def emit(self, event: BaseAgentEvent | BaseChatMessage) -> None:
        """Tell an event on the way, or what somebody said to this agent alone; it is kept with the speech."""
        kind = "told" if isinstance(event, deriving.messages.BaseChatMessage) else "json"
        self._keep((kind, event.journaled()), Fact(event=event, speaker=self.name, at=self.scope.at))
        self._emit.happens(event)

    def only_shown(self, kept: Collection[str]) -> None:
        """Take what was told of the speech so far for shown only to who watches, but what has one of these ids."""
        for at, (item, fact) in enumerate(zip(self.items, self.facts, strict=True)):
            if item[0] in {"json", "told"} and fact.event is not None and fact.event.id not in kept:
                self.items[at] = ("shown", *item[1:])
                fact.ref = SHOWN

    def pass_on(self, message: BaseChatMessage) -> None:
        """Say something before the last word: a team that speaks passes on what its members have said."""
        ref = self.run.prefix + self.scope.path
        self._keep(("json", message.journaled()), Fact(message=message, speaker=self.name, at=self.scope.at, ref=ref))
        self._emit.happens(message)

    def derive(self, kind: str, step: Any, *more: Any) -> Fact:
        """Tell what a step came to, as an event or as the message; kept by reference."""
        item = (kind, step, *more)
        scope = self.scope
        fact = deriving.derived(item, self.steps, scope.path, self.name, scope.run)
        self.items.append(item)
        self.facts.append(fact)
        if fact.event is not None:
            if self._patience is not None and len(self.facts) > self._patience:
                self._watch_for_loops(fact, self._patience)
            self._emit.happens(fact.event)
        return fact

    def hear(self, blocks: Blocks) -> Blocks:
        """Return `blocks` with what people told this agent meanwhile behind them; ask before each call of a model."""
        run, scope = self.run, self.scope
        while True:
            path = paths.child(scope.path, scope.count + 1, "steer")
            if path in run.recorded:
                entry = run.recall(path)[0]
            else:
                note = self._steered()
                if note is None:
                    return blocks
                run.take(note)
                entry = run.append(path, "steer", said_by(note))
            scope.next("steer")
            scope.at = max(scope.at, entry.at)
            self.steps[scope.count] = Made(entry.payload, entry.at)
            fact = self.derive("steer", scope.count)
            if fact.message is not None:
                self._emit.happens(fact.message)
            blocks = blocks.plus(fact.said())

    def _steered(self) -> Note | None:
        """Return what waits for this agent, None while steps of an earlier attempt are still to be met."""
        run = self.run
        if run.gate is not None or any(paths.below(path, self.scope.path) for path in run.recorded):
            return None
        to = {"", self.name}
        return next((n for n in run.mail.values() if n.kind == "steer" and n.payload.get("to", "") in to), None)

    def see_only(self, positions: Sequence[int]) -> None:
        """Leave out of the thread, and of what is new in it, all but the messages at some positions."""
        new = sum(at >= self.since for at in positions)
        self.thread, self.since = Thread([self.thread[at] for at in positions]), len(positions) - new

    def leave(self) -> None:
        """End a speech that was cut short with what was done; a call that nobody answered is left out."""
        while self.items and self.items[-1][0] in {"request", "aside", "thought"}:
            self.items.pop()
            self.facts.pop()

    def take_back(self, message: BaseChatMessage | None) -> None:
        """Leave out what was the last word, if `message` is it."""
        if message is not None and self.facts and self.facts[-1].message is message:
            self.items.pop()
            self.facts.pop()

    def withdraw(self, message: BaseChatMessage, *, drafts: bool = True) -> None:
        """Leave out what was made of replies, where `message` is said in the end.

        What a model answered becomes an event that counts what it cost, or nothing without `drafts`.
        """
        if not any(item[0] in ANSWERS and fact.message is not message for item, fact in self._made()):
            return
        before = list(self._made())
        self.items.clear()
        self.facts.clear()
        for item, fact in before:
            if item[0] not in ANSWERS or fact.message is message:
                self.items.append(item)
                self.facts.append(fact)
            elif drafts and item[0] in REPLIES:
                self.derive("unsaid", item[1])

    def _made(self) -> Iterator[tuple[Item, Fact]]:
        return zip(self.items, self.facts, strict=True)

    def changed(self, value: Any) -> BaseChatMessage:
        """Say what an intervention put in the place of the answer, in the step before."""
        scope = self.scope
        self.steps[scope.count] = Made({"value": value}, scope.at)
        message = self.derive("changed", scope.count).message
        assert message is not None
        return message

    def _keep(self, item: Item, fact: Fact) -> None:
        self.items.append(item)
        self.facts.append(fact)
        patience = self._patience
        if patience is not None and fact.event is not None and len(self.facts) > patience:
            self._watch_for_loops(fact, patience)

    def _watch_for_loops(self, fact: Fact, patience: int) -> None:
        if self._watch is None:
            self._watch = watching.Progress(polls=self._polls, patience=patience)
            for earlier in self.facts[:-1]:
                self._watch.see(earlier)
        self._watch.see(fact)
        stalls = self.run.stalled_at
        if stalls and f"{self.scope.path}:{self.scope.count}" in stalls:
            self._watch = watching.Progress(polls=self._polls, patience=patience)
        self._watch.check()

    def reread(self, items: Sequence[Item], origin: Origin) -> None:
        """Tell what the journal has of the speech instead of what was said."""
        scope = self.scope
        self.facts = [deriving.derived(tuple(item), self.steps, scope.path, self.name, scope.run) for item in items]
        for fact in self.facts:
            fact.origin = origin

    def close(self, message: BaseChatMessage) -> None:
        """End the speech with a message, unless it was derived already."""
        if self.facts and (len(self.facts) > 1 or self.facts[0].message is not message):
            self.withdraw(message)
        if not self.facts or self.facts[-1].message is not message:
            ref = self.run.prefix + self.scope.path
            self._keep(
                ("json", message.journaled()), Fact(message=message, speaker=self.name, at=self.scope.at, ref=ref)
            )


async def spoken(said: BaseChatMessage | Awaitable[BaseChatMessage]) -> BaseChatMessage:
    """Return what an agent said, whether its `speak` is to be awaited or a plain function."""
    return await said if isinstance(said, Awaitable) else said


def made_of(closing: Entry, entries: Sequence[Entry], run: Any) -> dict[int, Made]:
    """Return what the items of a closed speech are made of: its steps, and what was said inside it."""
    made = steps_of(entries, closing.path)
    for item in closing.payload["items"]:
        if item[0] == INNER:
            made[item[1]] = _inner(closing.path, item[1], entries, run)
    return made


def _inner(path: str, place: str, entries: Sequence[Entry], run: Any) -> Made:
    """Return what was said at a place in the conversation in the speech at `path`, with the figures of all of it."""
    said = next((e for e in entries if e.kind == "said" and e.path == f"{path}/{place}"), None)
    outcome = next((e for e in reversed(entries) if e.kind == "outcome" and e.path == path), None)
    figures: Payload = {} if outcome is None else outcome.payload
    if said is None:  # the turn policy itself has said it
        choice, data = _own_word(f"{path}/{place}", entries)
        return Made((deriving.derived(("json", data), {}, choice.path, data["source"], run), figures), choice.at)
    name = paths.names(said.path)[-1]
    last = tuple(said.payload["items"][-1])
    fact = deriving.derived(last, made_of(said, entries, run), said.path, name, run)
    return Made((fact, figures), said.at)


def _own_word(place: str, entries: Sequence[Entry]) -> tuple[Entry, Payload]:
    """Return the choice with which a turn policy has said something, and what it said, dumped."""
    path, _, number = place.rpartition("#")
    choice = next(e for e in entries if e.kind == "choice" and e.path == path)
    return choice, choice.payload["say"][int(number)]


def steps_of(entries: Sequence[Entry], path: str) -> dict[int, Made]:
    """Return what the steps of the speech at `path` came to, by position, from its entries."""
    found: dict[int, Made] = {}
    for entry in entries:
        head, _, last = entry.path.rpartition("/")
        if head != path:
            continue
        n = int(last.partition(" ")[0])
        if entry.kind == "reply":
            cost = entry.payload.get("cost", 0.0)
            found[n] = Made(answer_of(entry, f"{entry.run}:{entry.path}"), entry.at, cost)
        elif entry.kind in {"result", "steer"} or (entry.kind == "value" and last[last.find(" ") :] in VALUES):
            found[n] = Made(entry.payload, entry.at)
    return found
