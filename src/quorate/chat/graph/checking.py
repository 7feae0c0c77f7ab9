"""What is refused when a graph is built, by the rule's name: parts that can never work, or never end.

unknown     an edge leads to nobody, or a start is nobody
ambiguous   nobody can tell what it means: conditions beside edges without, or two things said of one group
dead        no way leads there from a start
starving    a join that can never have what it waits for
unbounded   it can go round for ever
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from quorate.chat.graph.shape import DiGraph, Group, Way, cycle, reaching
from quorate.errors import GraphError

MOST_NAMED = 6


def check(graph: DiGraph) -> None:
    """Make sure that every part of a graph can work.

    Raises:
        GraphError: One cannot.
    """
    for rule, marked, text in _wrong(graph):
        raise GraphError(rule, text, nodes=tuple(marked), drawing=graph.mermaid(marked=marked))


def check_bounded(graph: DiGraph) -> None:
    """Make sure that every loop has a bound of its own.

    Raises:
        GraphError: One has none.
    """
    around = cycle((way.source, edge.target) for way, edge in graph.edges() if edge.at_most is None)
    if around:
        raise GraphError(
            "unbounded",
            f"{_round(around)} goes round as often as its conditions hold. Give an edge of it a bound (at_most=3), or "
            "the team a termination_condition or max_turns.",
            nodes=tuple(around),
            drawing=graph.mermaid(marked=around),
        )


def _wrong(graph: DiGraph) -> Iterator[tuple[str, list[str], str]]:
    """Yield rule, nodes and words of what is wrong, the simplest first: what comes later relies on what came before."""
    yield from _unknown(graph)
    yield from _ambiguous(graph)
    around = cycle((w.source, e.target) for w, e in graph.edges() if e.condition is None and e.at_most is None)
    if around:
        yield (
            "unbounded",
            around,
            (
                f"{_round(around)} goes round for ever: no edge of it has a condition. Give one a condition or a bound "
                "(at_most=3)."
            ),
        )
    if not graph.starts:
        yield (
            "dead",
            list(graph.nodes),
            (
                "There is no start: an edge leads to every node. Say where it begins: set_entry_point(…), or "
                "default_start_node."
            ),
        )
    yield from _dead(graph)
    yield from _starving(graph)


def _unknown(graph: DiGraph) -> Iterator[tuple[str, list[str], str]]:
    known = f"There are: {_some(graph.nodes)}." if graph.nodes else "There are none: add_node(…) first."
    if not graph.nodes:
        yield "unknown", [], "A graph needs at least one node."
    if graph.default_start_node is not None and graph.default_start_node not in graph.nodes:
        yield "unknown", [graph.default_start_node], f"The start {graph.default_start_node!r} is no node. {known}"
    for name, node in graph.nodes.items():
        if node.name != name:
            yield "unknown", [name], f"The node at {name!r} is named {node.name!r}. Use one name."
    for way, edge in graph.edges():
        if edge.target not in graph.nodes:
            yield (
                "unknown",
                [edge.target],
                f"An edge leads from {way.source} to {edge.target!r}, which is no node. {known}",
            )


def _ambiguous(graph: DiGraph) -> Iterator[tuple[str, list[str], str]]:
    for name, node in graph.nodes.items():
        if len({edge.condition is None for edge in node.edges}) > 1:
            yield (
                "ambiguous",
                [name],
                (
                    f"{name} has edges with conditions beside edges without: are those for all cases, or for the "
                    "others? Give each a condition."
                ),
            )
        seen: set[tuple[str, str, object]] = set()
        for edge in node.edges:
            same = (edge.target, edge.activation_group or edge.target, edge.condition)
            if same in seen:
                yield "ambiguous", [name, edge.target], f"The same edge leads from {name} to {edge.target} twice."
            seen.add(same)
    for group in graph.groups.values():
        said = {edge.activation_condition for edge in map(graph.edge, group.ways)} - {None}
        if len(said) > 1:
            yield (
                "ambiguous",
                [group.target],
                (
                    f"The edges to {group.target} in group {group.name!r} say different things of when it starts: "
                    f"{', '.join(sorted(map(repr, said)))}. Say one, or use two groups (activation_group)."
                ),
            )


def _dead(graph: DiGraph) -> Iterator[tuple[str, list[str], str]]:
    after: dict[str, list[str]] = {}
    for way, edge in graph.edges():
        after.setdefault(way.source, []).append(edge.target)
    alive = set(graph.starts).union(*(reaching(start, after) for start in graph.starts))
    dead = [name for name in graph.nodes if name not in alive]
    if dead:
        yield (
            "dead",
            dead,
            (
                f"No way leads to {_some(dead)} from the start {_some(graph.starts)}. Add an edge, or leave "
                f"{'it' if len(dead) == 1 else 'them'} out."
            ),
        )


def _starving(graph: DiGraph) -> Iterator[tuple[str, list[str], str]]:
    for group in graph.groups.values():
        if group.need > len(group.ways):
            yield (
                "starving",
                [group.target],
                (
                    f"{group.target} waits for {group.need} of the edges in group {group.name!r}, which has only "
                    f"{len(group.ways)}."
                ),
            )
    ran = _can_run(graph)
    starved = [name for name in graph.nodes if name not in ran]
    if starved:
        name = next((n for n in starved if any(w.source in ran for g in _of(graph, n) for w in g.ways)), starved[0])
        group = next(g for g in _of(graph, name) if any(w.source in ran for w in g.ways))
        late = list(dict.fromkeys(w.source for w in group.ways if w.source not in ran))
        waits = "all" if group.activation == "all" else str(group.need)
        yield (
            "starving",
            starved,
            (
                f"{name} waits for {waits} of {_some(dict.fromkeys(w.source for w in group.ways))}, but {_some(late)} "
                f"{'comes' if len(late) == 1 else 'come'} only after {name} has spoken. Put the edges that lead back "
                'into a group of their own (activation_group), or let one be enough (activation_condition="any").'
            ),
        )


def waits_in_vain(graph: DiGraph) -> Iterator[tuple[Group, str]]:
    """Yield the joins that never have what they wait for if some node takes only one of its ways, and that node.

    That is legal: conditions need not exclude each other.
    """
    for name, node in graph.nodes.items():
        if len(node.edges) < 2 or node.edges[0].condition is None or name in graph.ancestors[name]:
            continue
        ways = {Way(name, number) for number in range(len(node.edges))}
        could = [_can_run(graph, without=ways - {way}) for way in ways]
        for group in graph.groups.values():
            each = [_count(group, ran, ways - {way}) for way, ran in zip(ways, could, strict=True)]
            if group.need > 1 and max(each) < group.need:
                yield group, name


def _count(group: Group, ran: set[str], without: Set[Way]) -> int:
    return sum(way.source in ran and way not in without for way in group.ways)


def _can_run(graph: DiGraph, *, without: Set[Way] = frozenset()) -> set[str]:
    """Return who speaks at all if every condition holds, of those `without` alone none."""
    ran = set(graph.starts)
    while True:
        more = {
            group.target
            for group in graph.groups.values()
            if group.target not in ran and _count(group, ran, without) >= group.need
        }
        if not more:
            return ran
        ran |= more


def _of(graph: DiGraph, name: str) -> list[Group]:
    return [group for group in graph.groups.values() if group.target == name]


def _some(names: Iterable[str]) -> str:
    found = list(names)
    more = f", … ({len(found)} in all)" if len(found) > MOST_NAMED else ""
    return ", ".join(found[:MOST_NAMED]) + more


def _round(around: list[str]) -> str:
    return " → ".join([*around, around[0]])
