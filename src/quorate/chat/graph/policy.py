"""The turn policy of a graph: who is ready speaks, side by side with whoever else is.

What fired is decided once, when its source has spoken, and goes into the note of the choice that came of it: the
memory is folded from those notes, so going on never asks a condition again about what was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from quorate.chat.checks.findings import Finding
from quorate.chat.facts import Choice, Fact, Thread
from quorate.chat.graph.checking import waits_in_vain
from quorate.chat.graph.shape import DiGraph, DiGraphEdge, Way
from quorate.chat.turns import Most, Speak, Stop
from quorate.core.words import counted
from quorate.errors import ConfigError

if TYPE_CHECKING:
    from quorate.chat.messages import BaseChatMessage

Key = tuple[str, str]
Row = tuple[str, int, str, int, str]
"""What an edge came to, in a note: source, number, target, whether it fired, and why."""
MOST_NAMED = 3


class State(Struct, frozen=True):
    """What a graph remembers.

    Args:
        active: Who speaks now, empty before the first and after the last wave.
        said: What they have said, the latest first: `(before, who, message)`, or None.
        fired: By target and group, the edges that have fired since it last started their target; for joins that wait
            for more than one.
        times: How often edges with a bound have fired.
        asked: Whether the last thing that happened is that somebody outside said something.
    """

    active: tuple[str, ...] = ()
    said: tuple[Any, str, BaseChatMessage] | None = None
    fired: Mapping[Key, frozenset[Way]] = {}
    times: Mapping[Way, int] = {}
    asked: bool = False


class Road(Struct, frozen=True):
    """What is known of an edge beforehand.

    Args:
        way: The edge.
        edge: What it says.
        key: Target and name of its group.
        need: How many of that group start the target.
        shown: As people read it.
        yes: What is noted where its condition holds.
        no: What is noted where it does not.
    """

    way: Way
    edge: DiGraphEdge
    key: Key
    need: int
    shown: str
    yes: Row
    no: Row


class Fired(Struct, frozen=True):
    """What the edges of those came to who have spoken.

    Args:
        rows: What each came to.
        roads: Those that fired.
        ready: Who speaks now.
        more: What has fired for joins that have not all yet.
    """

    rows: list[Row]
    roads: list[Road]
    ready: set[str]
    more: Mapping[Key, frozenset[Way]]


class Graph:
    """Who speaks after whom, as a graph says.

    Args:
        graph: The graph; it is checked.
        hear_all: Whether everybody hears everything. By default a node hears what those before it said.
        race: Whether a wave ends as soon as those who speak in it can only be late for a join that has what it waits
            for (`"any"`, `quorum(n)`). By default; else all finish.
    """

    plain = True

    def __init__(self, graph: DiGraph, *, hear_all: bool = False, race: bool = True) -> None:
        if not isinstance(graph, DiGraph):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(f"{graph!r} is no graph. Build one: DiGraphBuilder().add_node(…).add_edge(…).build().")
        graph.graph_validate()
        self.graph, self.hear_all, self.race = graph, hear_all, race
        self.hears, self._heard = None, dict[str, frozenset[str]]()
        if not hear_all:
            self.hears = self._hears
            self._heard = {name: frozenset({"", name, *before}) for name, before in graph.ancestors.items()}
        roads: dict[str, list[Road]] = {name: [] for name in graph.nodes}
        self._counts = False
        for way, edge in graph.edges():
            road = self._road(way, edge)
            roads[way.source].append(road)
            self._counts = self._counts or road.need > 1 or edge.at_most is not None
        self._roads = {name: tuple(found) for name, found in roads.items()}
        self._may_lose = self._losers() if race else set[str]()
        self.enough: Callable[[State, Mapping[str, BaseChatMessage]], bool] | None = None
        if len(self._may_lose) > 1:
            self.enough = self._enough

    def _road(self, way: Way, edge: DiGraphEdge) -> Road:
        (source, number), target, words = way, edge.target, edge.words
        key = (target, edge.activation_group or target)
        yes, no = (f"{words}: yes", f"{words}: no") if words else ("", "")
        need = self.graph.groups[key].need
        rows = (source, number, target, 1, yes), (source, number, target, 0, no)
        return Road(way, edge, key, need, f"{source} → {target}", *rows)

    def _losers(self) -> set[str]:
        """Return who can come too late in a race: those who lead only to joins that do not wait for all."""
        groups = self.graph.groups.values()
        late = {way for group in groups if group.need < len(group.ways) for way in group.ways}
        return {name for name, roads in self._roads.items() if roads and all(road.way in late for road in roads)}

    @property
    def most(self) -> Most | None:
        """The most that a run of it takes; of a graph that goes round only its limits say it."""
        if self.graph.get_has_cycles():
            return None
        times = dict.fromkeys(self.graph.starts, 1)
        depth = dict(times)  # after so many waves, where every edge fires and every join waits for all
        for name in sorted(self.graph.nodes, key=lambda name: len(self.graph.ancestors[name])):  # after its sources
            for group in self.graph.groups.values():
                if group.target == name:
                    each = [times[way.source] for way in group.ways]
                    often = min(each) if group.need == len(each) else sum(each)
                    times[name] = times.get(name, 0) + often
                    depth[name] = 1 + max(depth[way.source] for way in group.ways)
        edges = [road.edge for roads in self._roads.values() for road in roads]
        certain = not any(edge.condition for edge in edges) and not self._may_lose
        return Most(sum(times.values()), sum(times.values()), least=max(depth.values()) if certain else 1)

    @property
    def counts(self) -> bool:
        """Whether what is remembered goes back further than to the latest choice."""
        return self._counts

    def begin(self) -> State:
        return State()

    def see(self, memory: State, fact: Fact) -> State:
        message = fact.message
        if message is None:
            return memory if fact.choice is None else self._chosen(memory, fact.choice)
        m, speaker = memory, fact.speaker
        if not speaker:
            return m if m.asked else State(m.active, m.said, m.fired, m.times, True)
        if speaker not in m.active:
            return m
        return State(m.active, (m.said, speaker, message), m.fired, m.times, False)

    def next(self, memory: State, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        graph, active = self.graph, memory.active
        if not active:
            return Speak(graph.starts, "it begins")
        said = said_last(memory)
        found = self._asked(memory, said)
        fired, ready = found.roads, found.ready
        note: dict[str, Any] = {"edges": found.rows}
        if memory.asked and not self._have_lost(memory, said):
            ready |= {name for name in active if name not in said}  # a person interrupted them
        if ready:
            speakers = tuple(ready) if len(ready) == 1 else tuple([name for name in graph.nodes if name in ready])
            return Speak(speakers, fired[0].shown if len(fired) == 1 else _reason(fired), (), note)
        if memory.asked:
            return Speak(graph.starts, "it was done, and begins anew", (), note | {"anew": True})
        return Stop(self._end(found.more), (), note)

    def check(self, cast: Any) -> Iterator[Finding]:
        """Yield the joins that may wait in vain."""
        for group, name in waits_in_vain(self.graph):
            of = ", ".join(dict.fromkeys(way.source for way in group.ways))
            yield Finding(
                "may-starve", "warning", group.target,
                f"It waits for {group.need} of {of}, which are on different ways from {name}: if only one of those is "
                "taken, it never speaks.",
                'If they exclude each other, let one be enough: activation_condition="any".',
            )  # fmt: skip

    # -- what edges come to -------------------------------------------------------------------------------------------

    def _asked(self, memory: State, said: Mapping[str, BaseChatMessage]) -> Fired:
        """Ask the edges of those who have spoken."""
        rows: list[Row] = []
        fired: list[Road] = []
        ready: set[str] = set()
        more: dict[Key, frozenset[Way]] = {}
        for name in memory.active:
            message = said.get(name)
            if message is None:
                continue
            for road in self._roads[name]:
                way, edge = road.way, road.edge
                if edge.at_most is not None and memory.times.get(way, 0) >= edge.at_most:
                    why = f"it has fired {counted(edge.at_most, 'time')}, its bound"
                    rows.append((name, way.number, edge.target, 0, why))
                elif edge.condition is None or edge.check_condition(message):
                    rows.append(road.yes)
                    fired.append(road)
                    if road.need == 1 or self._joined(way, road.key, road.need, memory.fired, more):
                        ready.add(edge.target)
                else:
                    rows.append(road.no)
        return Fired(rows, fired, ready, {**memory.fired, **more} if more else memory.fired)

    def _joined(
        self, way: Way, key: Key, need: int, fired: Mapping[Key, frozenset[Way]], more: dict[Key, frozenset[Way]]
    ) -> bool:
        """Add an edge that has fired to what its group has, and return whether that is enough."""
        before = more.get(key)
        if before is None:
            before = fired.get(key, frozenset())
        more[key] = before | {way}
        return len(more[key]) >= need

    # -- the memory ---------------------------------------------------------------------------------------------------

    def _chosen(self, memory: State, choice: Choice) -> State:
        """Return what is remembered once it was chosen who speaks: what fired, without what that used up."""
        note: Mapping[str, Any] = choice.note or {}
        if not choice.speakers or "anew" in note:
            return State(choice.speakers)
        if not self._counts:
            return State(choice.speakers, None, memory.fired, memory.times, False)
        times = memory.times
        more: dict[Key, frozenset[Way]] = {}
        rows: Sequence[Row] = note.get("edges", ())
        for source, number, _, fires, _ in rows:
            roads = self._roads.get(source, ())
            if not fires or number >= len(roads):  # the graph may have changed since
                continue
            road = roads[number]
            if road.edge.at_most is not None:
                times = {**times, road.way: times.get(road.way, 0) + 1}
            if road.need > 1:
                self._joined(road.way, road.key, road.need, memory.fired, more)
        if not more:
            return State(choice.speakers, None, memory.fired, times, False)
        left = {**memory.fired, **more}
        fired = {key: ways for key, ways in left.items() if len(ways) < self.graph.groups[key].need}
        return State(choice.speakers, None, fired, times)

    def _hears(self, member: str, fact: Fact) -> bool:
        return fact.speaker in (self._heard.get(member) or ("", member))  # the graph may have changed since

    # -- races --------------------------------------------------------------------------------------------------------

    def _enough(self, memory: State, done: Mapping[str, BaseChatMessage]) -> bool:
        """Whether those who still speak can only come late."""
        left = [name for name in memory.active if name not in done]
        if not all(name in self._may_lose for name in left):
            return False
        found = self._asked(memory, done)
        ones = {road.key for road in found.roads}
        return all(
            road.key in ones if road.need == 1 else len(found.more.get(road.key, ())) >= road.need
            for name in left
            for road in self._roads[name]
        )

    def _have_lost(self, memory: State, said: Mapping[str, BaseChatMessage]) -> bool:
        return self.enough is not None and len(said) < len(memory.active) and self.enough(memory, said)

    # -- in words -----------------------------------------------------------------------------------------------------

    def _end(self, fired: Mapping[Key, frozenset[Way]]) -> str:
        """Return why it is over, with whoever still waits for something that does not come."""
        words = "The graph is complete."
        for key, ways in fired.items():
            group = self.graph.groups[key]
            missing = dict.fromkeys(way.source for way in group.ways if way not in ways)
            words += f" {group.target} waited for {', '.join(missing)} in vain."
        return words


def _reason(fired: Sequence[Road]) -> str:
    more = f", … ({len(fired)} edges)" if len(fired) > MOST_NAMED else ""
    return ", ".join(road.shown for road in fired[:MOST_NAMED]) + more or "it was interrupted"


def said_last(memory: State) -> dict[str, BaseChatMessage]:
    """Return what those have said who spoke last."""
    found: dict[str, BaseChatMessage] = {}
    at = memory.said
    while at is not None:
        before, name, message = at
        found.setdefault(name, message)  # the latest
        at = before
    return found
