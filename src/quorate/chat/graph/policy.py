"""The turn policy of a graph: who is ready speaks, side by side with whoever else is.

What fired is decided once, when its source has spoken, and goes into the note of the choice that came of it: the
memory is folded from those notes, so going on never asks a condition again about what was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from quorate.chat.facts import Choice, Fact, Thread
from quorate.chat.graph.shape import DiGraph, Way
from quorate.chat.turns import Speak, Stop

if TYPE_CHECKING:
    from quorate.chat.messages import BaseChatMessage

Key = tuple[str, str]
MOST_NAMED = 3


class State(NamedTuple):
    """What a graph remembers.

    Args:
        active: Who speaks now, empty before the first and after the last wave.
        said: What they have said, the latest first: `(before, who, message)`, or None.
        fired: By target and group, the edges that have fired since it last started their target.
        times: How often edges with a bound have fired.
        asked: Whether the last thing that happened is that somebody outside said something.
    """

    active: tuple[str, ...] = ()
    said: tuple[Any, str, BaseChatMessage] | None = None
    fired: Mapping[Key, frozenset[Way]] = {}
    times: Mapping[Way, int] = {}
    asked: bool = False


class Verdict(NamedTuple):
    """Whether an edge fired after its source had spoken, and why."""

    way: Way
    fired: bool
    why: str = ""


class Graph:
    """Who speaks after whom, as a graph says.

    Args:
        graph: The graph; it is checked.
        hear_all: Whether everybody hears everything. By default a node hears what those before it said.
        race: Whether a wave ends as soon as those who speak in it can only be late for a join that has what it waits
            for (`"any"`, `quorum(n)`). By default; else all finish.
    """

    pure = True

    def __init__(self, graph: DiGraph, *, hear_all: bool = False, race: bool = True) -> None:
        graph.graph_validate()
        self.graph, self.hear_all, self.race = graph, hear_all, race
        self.hears = None if hear_all else self._hears
        late = {way for group in graph.groups.values() if group.need < len(group.ways) for way in group.ways}
        self._may_lose = {
            name
            for name, node in graph.nodes.items()
            if node.edges and all(Way(name, i) in late for i in range(len(node.edges)))
        }
        self.enough: Callable[[State, Mapping[str, BaseChatMessage]], bool] | None = None
        if race and len(self._may_lose) > 1:
            self.enough = self._enough

    def begin(self) -> State:
        return State()

    def see(self, memory: State, fact: Fact) -> State:
        if fact.choice is not None:
            return self._chosen(memory, fact.choice)
        if fact.message is None:
            return memory
        if not fact.speaker:
            return memory if memory.asked else memory._replace(asked=True)
        if fact.speaker not in memory.active:
            return memory
        return memory._replace(said=(memory.said, fact.speaker, fact.message), asked=False)

    async def next(self, memory: State, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        graph, said = self.graph, _said(memory)
        if not memory.active:
            return Speak(graph.starts, "it begins")
        verdicts = list(self._verdicts(memory, [(name, said[name]) for name in memory.active if name in said]))
        fired = self._after(memory.fired, verdicts)
        ready = {target for target, _ in self._ready(fired)}
        note = {"edges": [[*v.way, graph.edge(v.way).target, int(v.fired), v.why] for v in verdicts]}
        if memory.asked and not self._have_lost(memory, said):
            ready |= {name for name in memory.active if name not in said}  # a person interrupted them
        if ready:
            speakers = tuple(name for name in graph.nodes if name in ready) if len(ready) > 1 else tuple(ready)
            return Speak(speakers, self._reason(verdicts), note=note)
        if memory.asked:
            return Speak(graph.starts, "it was done, and begins anew", note=note | {"anew": True})
        return Stop(self._end(fired), note=note)

    # -- what an edge comes to ----------------------------------------------------------------------------------------

    def _verdicts(self, memory: State, said: Sequence[tuple[str, BaseChatMessage]]) -> Iterator[Verdict]:
        """Yield what the edges of those come to who have spoken."""
        for name, message in said:
            for number, edge in enumerate(self.graph.nodes[name].edges):
                way = Way(name, number)
                if edge.at_most is not None and memory.times.get(way, 0) >= edge.at_most:
                    yield Verdict(way, False, f"it has fired {edge.at_most} times, its bound")
                elif edge.condition is None:
                    yield Verdict(way, True)
                else:
                    holds = edge.check_condition(message)
                    yield Verdict(way, holds, f"{edge.words}: {'yes' if holds else 'no'}")

    def _after(self, fired: Mapping[Key, frozenset[Way]], verdicts: Sequence[Verdict]) -> dict[Key, frozenset[Way]]:
        more: dict[Key, set[Way]] = {}
        for way, fires, _ in verdicts:
            if fires:
                edge = self.graph.edge(way)
                more.setdefault((edge.target, edge.activation_group or edge.target), set()).add(way)
        return {**fired, **{key: fired.get(key, frozenset()) | ways for key, ways in more.items()}}

    def _ready(self, fired: Mapping[Key, frozenset[Way]]) -> Iterator[Key]:
        """Yield the groups that start their target."""
        groups = self.graph.groups
        for key, ways in fired.items():
            if len(ways) >= groups[key].need:
                yield key

    # -- the memory ---------------------------------------------------------------------------------------------------

    def _chosen(self, memory: State, choice: Choice) -> State:
        """Return what is remembered once it was chosen who speaks: what fired, without what that used up."""
        note: Mapping[str, Any] = choice.note or {}
        if not choice.speakers or note.get("anew"):
            return State(active=choice.speakers)
        verdicts = [Verdict(Way(source, number), bool(fires)) for source, number, _, fires, _ in note.get("edges", ())]
        known = [v for v in verdicts if v.way.source in self.graph.nodes and v.way.number < len(self._edges(v.way))]
        fired = self._after(memory.fired, known)
        for key in list(self._ready(fired)):
            del fired[key]
        times = memory.times
        bound = [v.way for v in known if v.fired and self.graph.edge(v.way).at_most is not None]
        if bound:
            times = {**times, **{way: times.get(way, 0) + 1 for way in bound}}
        return State(choice.speakers, None, fired, times)

    def _edges(self, way: Way) -> Sequence[Any]:
        return self.graph.nodes[way.source].edges

    def _hears(self, member: str, fact: Fact) -> bool:
        return not fact.speaker or fact.speaker == member or fact.speaker in self.graph.ancestors.get(member, ())

    # -- races --------------------------------------------------------------------------------------------------------

    def _enough(self, memory: State, done: Mapping[str, BaseChatMessage]) -> bool:
        """Whether those who still speak can only come late."""
        left = [name for name in memory.active if name not in done]
        if not all(name in self._may_lose for name in left):
            return False
        fired = self._after(memory.fired, list(self._verdicts(memory, list(done.items()))))
        had = set(self._ready(fired))
        edges = (edge for name in left for edge in self.graph.nodes[name].edges)
        return all((edge.target, edge.activation_group or edge.target) in had for edge in edges)

    def _have_lost(self, memory: State, said: Mapping[str, BaseChatMessage]) -> bool:
        return self.enough is not None and len(said) < len(memory.active) and self.enough(memory, said)

    # -- in words -----------------------------------------------------------------------------------------------------

    def _reason(self, verdicts: Sequence[Verdict]) -> str:
        fired = [self.graph.shown(v.way) for v in verdicts if v.fired]
        more = f", … ({len(fired)} edges)" if len(fired) > MOST_NAMED else ""
        return ", ".join(fired[:MOST_NAMED]) + more or "it was interrupted"

    def _end(self, fired: Mapping[Key, frozenset[Way]]) -> str:
        """Return why it is over, with whoever still waits for something that does not come."""
        words = "The graph is complete."
        for key, ways in fired.items():
            group = self.graph.groups[key]
            missing = dict.fromkeys(way.source for way in group.ways if way not in ways)
            words += f" {group.target} waited for {', '.join(missing)} in vain."
        return words


def _said(memory: State) -> dict[str, BaseChatMessage]:
    found: dict[str, BaseChatMessage] = {}
    at = memory.said
    while at is not None:
        before, name, message = at
        found.setdefault(name, message)  # the latest
        at = before
    return found
