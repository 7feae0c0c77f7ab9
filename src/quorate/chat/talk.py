"""The state of a conversation: a fold over what happened, the same live and from the journal."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from quorate.chat.agent import Agent, Speaker
from quorate.chat.ending.stopping import NEVER, PATIENCE, Asking, Condition, Verdict
from quorate.chat.facts import Choice, Fact, Given, Thread
from quorate.chat.hearing import fact_heard
from quorate.chat.objects.keeping import Own
from quorate.chat.objects.records import Kind, home_of, kind_of
from quorate.chat.objects.seating import Seating, take_seats
from quorate.chat.objects.seats import Seat, shown
from quorate.chat.speech import MAKES, RunOf, made_of
from quorate.chat.telling import Telling
from quorate.chat.turns import TurnPolicy
from quorate.core.lazy import lazy
from quorate.errors import Conflict
from quorate.models.blocks import Origin
from quorate.models.calls import Asked
from quorate.models.client import Usage
from quorate.runs import paths
from quorate.runs.entries import Entry, Payload, canonical_order, run_id
from quorate.runs.outcome import NO_LIMITS, Limits
from quorate.runs.run import Again, Run

if TYPE_CHECKING:
    from pydantic import BaseModel

    from quorate.chat import derived as deriving
    from quorate.chat import messages
    from quorate.chat.messages import BaseChatMessage, BaseMessage
    from quorate.chat.stalls import progress as watching
    from quorate.runs import history
else:
    deriving, messages = lazy("quorate.chat.derived"), lazy("quorate.chat.messages")
    watching, history = lazy("quorate.chat.stalls.progress"), lazy("quorate.runs.history")


class Cast(Struct, eq=False):
    """Who talks, in what order, until when, within which limits: what a team is, as a value.

    What follows from the first nine is noted once for all its conversations. Of members that a factory makes there are
    those who are shown, until the seats of a conversation are taken.
    """

    name: str
    members: tuple[Speaker, ...]
    turns: TurnPolicy[Any]
    condition: Condition[Any] = NEVER
    limits: Limits = NO_LIMITS
    document: Payload | None = None
    patience: int | None = PATIENCE
    wrap_up: str | None = None
    runtime: Any = None
    tells: Telling | None = None
    agents: Mapping[str, Limits] = {}
    asked: tuple[Asking, ...] = ()
    spends: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    notes_plainly: bool = False
    persons: frozenset[str] = frozenset()
    polls: frozenset[str] = frozenset()
    enough: Callable[[Any, Mapping[str, BaseChatMessage]], bool] | None = None
    hears: Callable[[str, Fact], bool] | None = None
    wants: Callable[[Any, str], type[BaseModel] | None] | None = None
    seats: Mapping[str, Seat] = {}
    theirs: tuple[Any, ...] = ()
    kinds: tuple[tuple[str, Kind], ...] = ()
    is_seated: bool = False

    def __post_init__(self) -> None:
        names: list[str] = []
        persons: list[str] = []
        polls: list[str] = []
        if Seat in map(type, self.members):
            self.seats = {member.name: member for member in self.members if type(member) is Seat}
            self.members = tuple([shown(member) for member in self.members])
        for member in self.members:
            names.append(member.name)
            if (kind := kind_of(member.__class__)) is not None:
                self.kinds += ((member.name, kind),)
            if getattr(member, "origin", "agent") == "person":
                persons.append(member.name)
            tools: Mapping[str, Any] = getattr(member, "tools", {})
            polls += [tool.name for tool in tools.values() if tool.polls]
            if getattr(member, "limits", None) is not None and isinstance(member, Agent) and member.limits is not None:
                self.agents = {**self.agents, member.name: member.limits}
        self.names, self.persons, self.polls = tuple(names), frozenset(persons), frozenset(polls)
        if kind_of(type(self.turns)) is not None:
            self.theirs = (self.turns,)
        for part in () if self.condition is NEVER else self.condition.parts():
            if kind_of(type(part)) is not None:
                self.theirs += (part,)
            if isinstance(part, Asking):
                self.asked += (part,)
            if part.most_usd is not None:
                self.spends += (part.most_usd,)
        turns = self.turns
        self.notes_plainly = getattr(turns, "plain", False)
        self.enough, self.hears = getattr(turns, "enough", None), getattr(turns, "hears", None)
        self.wants = getattr(turns, "wants", None)

    def seating(self, made: Mapping[str, Speaker]) -> Cast:
        """Return the same with other objects in the seats, by their names."""
        members = tuple([made.get(member.name, member) for member in self.members])
        taken = Cast(
            self.name, members, self.turns, self.condition, self.limits, self.document, self.patience, self.wrap_up,
            self.runtime, self.tells, self.agents,
        )  # fmt: skip
        taken.seats, taken.is_seated = self.seats, True
        return taken

    def with_inner(self) -> Iterator[Cast]:
        """Yield this and those inside it: of teams that are members, or that their tools run."""
        left, seen = [self], list[Any]()
        while left:
            now = left.pop()
            yield now
            for member in now.members:
                for inner in _inner_of(member):
                    if all(inner is not other for other in seen):
                        seen.append(inner)
                        left.append(inner.cast())


def everyone(cast: Cast) -> Iterator[Speaker]:
    """Yield all members of a cast, and of those inside it."""
    for inner in cast.with_inner():
        yield from inner.members


def _inner_of(member: Any) -> list[Any]:
    """Return what a member runs inside its speeches."""
    if (wrapped := getattr(member, "wrapped_agent", None)) is not None:
        return _inner_of(wrapped)
    tools: Mapping[str, Any] = getattr(member, "tools", None) or {}
    own = None if hasattr(member, "model_client") else member  # else its cast is it alone
    found = [own, getattr(member, "team", None), *getattr(member, "teams", ())]
    found += [getattr(tool, "runs", None) for tool in tools.values()]
    return [inner for inner in found if callable(getattr(inner, "cast", None))]


def inside(member: Any) -> list[Any]:
    """Return the teams and agents that a member runs inside its speeches, as far as it says so."""
    return [inner for inner in _inner_of(member) if inner is not member or inner.cast().members != (member,)]


class Member(Struct, eq=False):
    """A member in one conversation: what it remembers of it, and how far it has seen."""

    agent: Speaker
    origin: Origin = "agent"
    folds: Any = None
    memory: Any = None
    seen: int = 0
    heard: int = 0
    state: dict[str, Any] = {}
    asked: Asked | None = None
    part: Part | None = None
    own: Own | None = None
    see_all: Callable[[Any, list[Fact]], Any] | None = None

    def __post_init__(self) -> None:
        agent: Any = self.agent
        self.origin = getattr(agent, "origin", "agent")
        if hasattr(agent, "see") and hasattr(agent, "begin"):
            self.folds, self.memory, self.see_all = agent, agent.begin(), getattr(agent, "see_all", None)


class Part:
    """What a member hears of a thread of which it does not hear all."""

    __slots__ = ("messages", "places", "seen", "told")

    def __init__(self) -> None:
        self.messages: list[BaseChatMessage] = []
        self.places: list[int] = []  # of each in the whole thread
        self.seen = self.told = 0  # how many facts, and how many messages of the whole thread, were looked at


INSIDE = frozenset({"task", "choice", "said", "turn", "outcome"})
"""The kinds of entries that tell of a conversation inside a speech, beside those of its steps."""

Key = tuple[str, ...]
"""The names on the path of a conversation inside another, from that on."""


class Talk:
    """A conversation as its members, its policy and its condition have it.

    Attributes:
        feed: Where it is shown.
        queues: Who waits for a conversation inside it that goes on from call to call.
        inner: Those inside it that go on, by the names on their paths.
        left: What is to be folded of them before they do: the path of each time, and what it holds.
        stale: Which of them have seen what is not closed and will not be.
        seating: For which conversation objects are that have attributes of their own; None until there is one.
    """

    feed: Any = None
    queues: Mapping[Key, Any] = MappingProxyType({})
    inner: Mapping[Key, Talk] = MappingProxyType({})
    left: Mapping[Key, list[tuple[str, list[Entry], list[Fact]]]] = MappingProxyType({})
    stale: frozenset[Key] = frozenset()

    def __init__(self, cast: Cast, seating: Seating | None = None) -> None:
        if cast.seats and not cast.is_seated and seating is not None:
            cast = take_seats(cast, seating)
        self.cast, self.seating = cast, seating
        self.facts: list[Fact] = []
        self.messages: list[BaseChatMessage] = []
        self.members = {m.name: Member(m) for m in cast.members}
        for name, kind in cast.kinds:
            self.members[name].own = Own(kind, is_made=name in cast.seats)
        self.policy: Any = cast.turns.begin()
        self._see_policy = cast.turns.see
        self._patience = cast.patience
        self._see_condition = None if cast.condition is NEVER else cast.condition.see
        self._asks_of_choices = getattr(cast.condition, "sees_choices", False)
        self.begin()

    def seating_in(self, run: Run) -> Seating:
        """Return for which conversation objects are that speak in it, in a run of it."""
        if self.seating is None:
            self.seating = Seating(home_of(run.conversation))
        return self.seating

    def begin(self) -> None:
        """Begin a new run: condition and watch start anew, the policy and the members do not."""
        self.condition: Any = self.cast.condition.begin()
        self.watch_anew()
        self.first, self.turn, self.over = len(self.facts), 0, ""
        self.checked = self.first
        self.decided: frozenset[int] = frozenset()

    def watch_anew(self) -> None:
        """Forget what repeated itself: in an earlier run, or before somebody went on with one that had stalled."""
        self.progress: watching.Progress | None = None
        self._acts, self._since = 0, len(self.facts)

    def _watch(self, fact: Fact, patience: int) -> None:
        """Let what may be a part of a loop be looked at; nothing is one before it came `patience` times."""
        if self.progress is not None:
            self.progress.see(fact)
        elif fact.speaker and getattr(fact.event, "type", "") != "ToolCallRequestEvent":
            self._acts += 1
            if self._acts >= patience:
                self.progress = watching.Progress(self.cast.persons, self.cast.polls, patience)
                for earlier in self.facts[self._since :]:
                    self.progress.see(earlier)

    def see(self, fact: Fact) -> None:
        """Take in the next fact."""
        self.facts.append(fact)
        if fact.message is not None:
            self.messages.append(fact.message)
        see, see_condition = self._see_policy, self._see_condition
        self.policy = see(self.policy, fact)
        if see_condition is not None:
            self.condition = see_condition(self.condition, fact)
        if self._patience is not None:
            self._watch(fact, self._patience)

    def see_task(self, task: Sequence[BaseChatMessage], ref: str, at: int) -> None:
        """Begin a run on a task."""
        if self.facts:
            self.begin()
        for i, message in enumerate(task):
            self.see(Fact(message, None, None, "", "", at, None, 0.0, None, f"{ref}:#{i}"))

    def see_inside(self, facts: Sequence[Fact]) -> None:
        """Begin, or go on with, a conversation inside another, on what it is told there."""
        if self.facts:
            self.begin()
        for fact in facts:
            self.see(fact)

    def remembered(self, member: Member) -> Any:
        """Return what a member remembers, brought up to date."""
        if member.folds is not None:
            memory, hears, new = member.memory, self.cast.hears, self.facts[member.seen :]
            if hears is None and member.see_all is not None:
                memory = member.see_all(memory, new)
            else:
                see = member.folds.see
                for fact in new:
                    if hears is None or hears(member.agent.name, fact):
                        memory = see(memory, fact)
            member.memory = memory
        member.seen = len(self.facts)
        return member.memory

    def news(self, member: Member) -> tuple[Thread, int]:
        """Return the thread as a member hears it, and from which message on it is new; it counts all as heard."""
        heard = self.messages if self.cast.hears is None else self._part_of(member, self.cast.hears).messages
        since, member.heard = member.heard, len(heard)
        return Thread(heard), since

    def _part_of(self, member: Member, hears: Callable[[str, Fact], bool]) -> Part:
        """Return the part of the thread that a member hears, brought up to date."""
        part = member.part = member.part or Part()
        name, told = member.agent.name, part.told
        for fact in self.facts[part.seen :]:
            message = fact.message
            if message is None:
                continue
            if hears(name, fact):
                part.messages.append(message)
                part.places.append(told)
            told += 1
        part.seen, part.told = len(self.facts), told
        return part

    def told(self) -> list[BaseMessage]:
        """Return the messages and events of this run."""
        facts = self.facts[self.first :] if self.first else self.facts
        return [m for fact in facts if (m := fact.message or fact.event) is not None]

    def unasked(self, part: Asking) -> list[BaseMessage]:
        """Return what was said and done since the conditions were asked last."""
        return [
            item
            for fact in self.facts[self.checked :]
            if (fact.speaker or part.sees_task) and (item := fact.message or fact.event) is not None
        ]

    def see_verdict(self, at: int, said: str | None, when: int) -> None:
        """Take in what the condition at this place among those asked has said."""
        if said:
            self.decided |= {at}
        self.condition = self.cast.condition.see(self.condition, Verdict(at=when, of=self.cast.asked[at], why=said))

    def check_purely(self, when: int) -> None:
        """Ask those conditions whose answers follow from what was said alone."""
        for at, part in enumerate(self.cast.asked):
            if part.pure and at not in self.decided and (new := self.unasked(part)):
                self.see_verdict(at, part.verdict(new), when)

    def renew(self, entries: Sequence[Entry], run: Run) -> None:
        """Make this run's facts again from its entries: whoever has its result may have changed the messages."""
        facts, steps = list[Fact](), list[Entry]()
        cut: Entry | None = None
        for entry in _without_losers(sorted(entries, key=canonical_order)):
            if entry.kind == "run":
                task = [messages.load(m) for m in entry.payload["task"]]
                facts += [Fact(message=m, at=entry.at, ref=f"{entry.run}:#{i}") for i, m in enumerate(task)]  # pyright: ignore[reportArgumentType]: a task is messages
            elif entry.kind in MAKES or (entry.kind in INSIDE and entry.path.count("/") > 1) or entry.kind == "outcome":
                steps.append(entry)
            elif entry.kind == "said":
                facts += facts_of(entry, steps, _speaker(entry), run)
                steps.clear()
            elif entry.kind == "choice":
                facts += facts_said(entry)
                if self.cast.tells is not None and entry.payload["speakers"]:
                    facts.append(self.cast.tells.fact(entry, run.id))
            elif entry.kind == "heard":
                facts.append(fact_heard(entry, run.journal.conversation))
            elif entry.kind == "interrupt":
                cut = entry
            elif entry.kind == "turn" and entry.payload.get("interrupted") and cut is not None:
                facts.append(fact_heard(cut, run.journal.conversation))
        said = [fact.message for fact in facts if fact.message is not None]
        self.facts[self.first :] = facts
        self.messages[len(self.messages) - len(said) :] = said
        for member in self.members.values():
            member.part = None

    # -- from the journal ---------------------------------------------------------------------------------------------

    def fold(self, entries: Sequence[Entry], run: Run, base: str = paths.ROOT) -> None:
        """Take in closed entries, in canonical order; `base` is the scope of this conversation."""
        steps: list[Entry] = []
        deep = base.count("/") + 2 if base else 1
        named_at = 0
        cut: Entry | None = None
        for entry in _without_losers(entries):
            kind = entry.kind
            if base and _WRAP_UP in entry.path and paths.is_wrap_up(entry.path[len(base) + 1 :]):
                continue  # beside its thread
            if kind in INSIDE and (entry.path.count("/") > deep or kind in {"task", "outcome"}):
                if entry.path != base:
                    steps.append(entry)
            elif kind == "run":
                task = [messages.load(m) for m in entry.payload["task"]]
                self.see_task(task, str(entry.run), entry.at)  # pyright: ignore[reportArgumentType]: a task is messages
            elif kind == "choice":
                if self.cast.asked:
                    self.check_purely(entry.at)
                    self.checked = len(self.facts)
                if entry.path in run.stalled_at and entry.run == run.number:
                    self.watch_anew()
                self.see_choice(entry, run)
                named_at = len(self.messages)
            elif kind == "said":
                self.see_speech(entry, steps, run, named_at)
                if any(e.kind == "task" for e in steps):
                    self.leave_inside(base, [e for e in steps if f"{e.path}/".startswith(f"{entry.path}/")])
                steps.clear()
            elif kind == "turn":
                steps.clear()
                self.turn = int(
                    entry.path.rpartition("/")[2].partition(" ")[0]
                )  # one that was given up may have no choice
                if entry.payload.get("interrupted") and cut is not None:
                    self.see(fact_heard(cut, history.wrote(cut.seq, run.journal.conversation, run.marks)))
            elif (
                kind == "value" and self.cast.asked and entry.path.count("/") == deep + 1 and paths.is_check(entry.path)
            ):
                self.see_verdict(paths.elements(entry.path)[-1][0] - 1, entry.payload["value"], entry.at)
            elif kind in MAKES:
                steps.append(entry)
            elif kind == "heard":
                self.over = ""
                self.see(fact_heard(entry, history.wrote(entry.seq, run.journal.conversation, run.marks)))
            elif kind == "interrupt":
                cut = entry

    def leave_inside(self, base: str, entries: Sequence[Entry]) -> None:
        """Note what happened in conversations that go on, in a closed speech or tool: it is folded when they do.

        Args:
            base: The scope of this conversation.
            entries: What is closed, in canonical order.
        """
        within = ""
        for entry in entries:
            if entry.kind != "task" or (within and f"{entry.path}/".startswith(f"{within}/")):
                continue
            within = entry.path
            if entry.payload.get("remember"):
                inside = [e for e in entries if paths.below(e.path, within)]
                left = within, inside, self.told_inside(entry)
                key = paths.names(within, base)
                self.left = {**self.left, key: [*self.left.get(key, ()), left]}

    def told_inside(self, task: Entry) -> list[Fact]:
        """Return what a conversation inside this one was told, from its first entry."""
        given: Sequence[str | Payload] = task.payload["task"]
        wanted = {item for item in given if isinstance(item, str)}
        known: dict[str, Fact] = {}
        for fact in reversed(self.facts if wanted else ()):
            if fact.ref in wanted and fact.message is not None:
                known[fact.ref] = fact
                if len(known) == len(wanted):
                    break
        return [_inside(item, known, task, i) for i, item in enumerate(given)]

    def inside(self, key: Key, cast: Callable[[], Cast], run: Run) -> Talk:
        """Return a conversation inside this one that goes on, as it was left.

        Raises:
            Again: It has seen what is not closed, so that the attempt has to be taken up from its journal.
        """
        if key in self.stale:
            raise Again("A conversation that was cut short goes on.")
        talk = self.inner.get(key)
        if talk is None:
            talk = Talk(cast(), self.seating_in(run).inside(*key))
            self.inner = {**self.inner, key: talk}
        left = self.left.get(key)
        if left:
            self.left = {name: found for name, found in self.left.items() if name != key}
            for base, entries, told in left:
                talk.see_inside(told)
                talk.fold(entries, run, base)
        return talk

    def spoil(self, key: Key) -> None:
        """Forget a conversation inside this one that was cut short: what it has seen is not closed."""
        self.inner = {name: talk for name, talk in self.inner.items() if name != key}
        self.stale |= {key}

    def see_choice(self, entry: Entry, run: Run, say: tuple[BaseChatMessage, ...] | None = None) -> Choice:
        """Begin the next turn, now that it was chosen who speaks; `say` is what the policy said, if it is at hand."""
        said = entry.payload
        choice = Choice(tuple(said["speakers"]), said["reason"], said.get("note"))
        self.turn += 1
        usage, cost_usd = (Usage(said["in"], said["out"]), said["cost"]) if "in" in said else (None, 0.0)
        fact = Fact(None, None, choice, "", "", entry.at, usage, cost_usd)  # with what it took to choose
        see, see_condition = self._see_policy, self._see_condition
        self.policy = see(self.policy, fact)
        if (self._asks_of_choices or usage is not None) and see_condition is not None:
            self.condition = see_condition(self.condition, fact)
        if "say" in said:
            for fact in facts_said(entry, say):
                self.see(fact)
        if self.cast.tells is not None and choice.speakers:
            self.facts.append(self.cast.tells.fact(entry, _whose(entry, run).id))
        if said.get("stop"):
            self.over = choice.reason
        return choice

    def see_speech(self, entry: Entry, steps: Sequence[Entry], run: Run, named_at: int) -> None:
        """Take in a closed speech; `steps` are its entries, `named_at` is how many messages came before its turn."""
        name = _speaker(entry)
        for fact in facts_of(entry, steps, name, run):
            self.see(fact)
        self.has_spoken(name, entry, named_at)

    def has_spoken(self, name: str, closing: Entry, named_at: int) -> None:
        """Leave a member as its closed speech left it."""
        member = self.members.get(name)
        if member is not None:
            hears = self.cast.hears
            member.heard = named_at if hears is None else bisect_left(self._part_of(member, hears).places, named_at)
            member.state = closing.payload.get("state", member.state)
            if member.own is not None:
                member.own.see(closing)


def _without_losers(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield entries in canonical order, but none of a speech that lost a race, at any depth."""
    winners: dict[str, Sequence[str]] = {}
    for entry in entries:
        if entry.kind == "won":
            winners[entry.path] = entry.payload["winners"]
        elif winners:
            if entry.kind == "turn":
                winners.pop(entry.path, None)
            elif any(_lost(entry.path, turn, names) for turn, names in winners.items()):
                continue
        yield entry


def _lost(path: str, turn: str, winners: Sequence[str]) -> bool:
    if not paths.below(path, turn):
        return False
    place, name = paths.elements(path[len(turn) + 1 :])[0]
    return bool(place) and name not in winners


def facts_said(choice: Entry, say: tuple[BaseChatMessage, ...] | None = None) -> Iterator[Fact]:
    """Yield as facts what a policy said itself with a choice, made of the entry where it is not given."""
    for i, data in enumerate(choice.payload.get("say", ())):
        message: Any = messages.load(data) if say is None else say[i]
        said = message.__dict__  # pydantic's way to a field is a detour
        used = said["models_usage"]
        usage = used and Usage(used.prompt_tokens, used.completion_tokens)
        ref = f"{choice.run}:{choice.path}#{i}"
        yield Fact(message, None, None, "", said["source"], choice.at, usage, 0.0, None, ref)


def _inside(item: str | Payload, known: Mapping[str, Fact], task: Entry, i: int) -> Fact:
    """Return what a conversation inside another was told, as a fact: nobody of it has said it."""
    if isinstance(item, str):
        if item not in known:
            raise Conflict(f"{paths.shown(task.path)}: the journal refers to {item}, which is not in the thread.")
        before = known[item]
        said = before.message
        assert said is not None
        whole = not isinstance(getattr(said, "content", None), str)  # a text cannot be changed
        copied = said.model_copy(deep=whole, update={"metadata": dict(said.metadata)})
        fact = Given(copied, at=before.at, ref=item)
        fact.origin = before.origin
    else:
        message: Any = messages.load(item)
        fact = Given(message, at=task.at, ref=f"{task.run}:{task.path}#{i}")
        fact.origin = "agent"
    return fact


def _speaker(entry: Entry) -> str:
    return paths.elements(entry.path)[-1][1]


_WRAP_UP = f" {paths.WRAP_UP}/"


def _whose(entry: Entry, run: Run) -> Any:
    """Return the run that an entry belongs to: its id and number."""
    if entry.run == run.number and not run.marks:
        return run
    wrote = history.wrote(entry.seq, run.journal.conversation, run.marks)
    return RunOf(run_id(wrote, entry.run), entry.run)


def facts_of(entry: Entry, steps: Sequence[Entry], name: str, run: Run) -> list[Fact]:
    """Return the facts of a closed speech from its closing entry and those of its steps."""
    of = _whose(entry, run)
    made = made_of(entry, steps, of)
    facts = [deriving.derived(tuple(item), made, entry.path, name, of) for item in entry.payload["items"]]
    for fact in facts if "origin" in entry.payload else ():
        if fact.speaker == name:
            fact.origin = entry.payload["origin"]
    return facts
