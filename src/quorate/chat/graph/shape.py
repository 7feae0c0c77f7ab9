"""What a graph of speakers is: nodes, edges that fire when what was said fits, groups that start their target."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from quorate.core.figures import check_count
from quorate.errors import ConfigError

if TYPE_CHECKING:
    from quorate.chat.messages import BaseChatMessage

Activation = Literal["all", "any"] | int
"""How many edges of a group have to fire before its target speaks: all, any one of them, or so many."""
Predicate = Callable[["BaseChatMessage"], bool]


def quorum(n: int) -> int:
    """Return the activation condition that `n` edges of a group suffice."""
    return checked_activation(n)


def checked_activation(value: Any) -> Any:
    """Return an activation condition, if it is one.

    Raises:
        ConfigError: It is not.
    """
    if value in ("all", "any") or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ConfigError(f"activation_condition={value!r} is none of 'all', 'any' and quorum(n) with n of at least 1.")


@dataclass(frozen=True)
class DiGraphEdge:
    """Leads on to `target` when its source has spoken.

    Args:
        target: The name of the node it leads to.
        condition: What the source's message must be for it to fire: a text that is in it, or a function of the message.
            Such a function is pure. None: it always fires.
        activation_group: Edges of one group start the target together; by default all edges to it are one group.
        activation_condition: How many edges of the group it takes: `"all"`, `"any"` or `quorum(n)`; by default as its
            target's node says. All edges of a group say the same.
        at_most: How often it may fire before the graph is done; then it does not fire any more.
    """

    target: str
    condition: str | Predicate | None = None
    activation_group: str = ""
    activation_condition: Activation | None = None
    at_most: int | None = None

    def __post_init__(self) -> None:
        if self.activation_condition is not None:
            checked_activation(self.activation_condition)
        if self.condition is not None and not isinstance(self.condition, str) and not callable(self.condition):
            raise ConfigError(
                f"The condition of an edge to {self.target!r} is {self.condition!r}: give a text that the message has "
                "in it, or a function of the message."
            )
        if self.condition == "":
            raise ConfigError(
                f"An edge to {self.target!r} has an empty text as its condition, which is in any message."
            )
        if callable(self.condition) and inspect.iscoroutinefunction(self.condition):
            raise ConfigError(
                f"The condition of an edge to {self.target!r} is async. A condition is a pure function of the message: "
                "let the agent before it find out, and say what it found."
            )
        if self.at_most is not None:
            check_count(f"An edge to {self.target!r}: at_most", self.at_most)

    def check_condition(self, message: BaseChatMessage) -> bool:
        """Return whether what was said fits."""
        if self.condition is None:
            return True
        if isinstance(self.condition, str):
            return self.condition in message.to_model_text()
        return bool(self.condition(message))

    @property
    def words(self) -> str:
        """The condition as people read it; empty where there is none."""
        if self.condition is None:
            return ""
        if isinstance(self.condition, str):
            return f"has {self.condition!r}"
        name = str(getattr(self.condition, "__name__", type(self.condition).__name__))
        return "its condition" if name == "<lambda>" else name


@dataclass(frozen=True)
class DiGraphNode:
    """A participant in the graph, and what comes after it.

    Args:
        name: Of the participant.
        edges: What comes after it.
        activation: How many edges to it have to fire, where they do not say themselves.
    """

    name: str
    edges: tuple[DiGraphEdge, ...] = ()
    activation: Activation = "all"

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", tuple(self.edges))
        checked_activation(self.activation)


class Way(NamedTuple):
    """An edge by its source and its number there, from 0."""

    source: str
    number: int


class Group(NamedTuple):
    """Edges that start their target together, once `need` of them have fired."""

    target: str
    name: str
    ways: tuple[Way, ...]
    need: int
    activation: Activation


@dataclass(frozen=True)
class DiGraph:
    """Who speaks after whom.

    Args:
        nodes: By name, in the order in which those speak that are named together.
        default_start_node: Where it begins; by default at every node that no edge leads to.
    """

    nodes: Mapping[str, DiGraphNode]
    default_start_node: str | None = None
    _checked: list[bool] = field(default_factory=list[bool], repr=False, compare=False)

    def edges(self) -> Iterator[tuple[Way, DiGraphEdge]]:
        """Yield all edges."""
        for name, node in self.nodes.items():
            for number, edge in enumerate(node.edges):
                yield Way(name, number), edge

    def edge(self, way: Way) -> DiGraphEdge:
        """Return an edge."""
        return self.nodes[way.source].edges[way.number]

    def shown(self, way: Way) -> str:
        """Return an edge as people read it."""
        return f"{way.source} → {self.edge(way).target}"

    @cached_property
    def groups(self) -> dict[tuple[str, str], Group]:
        """The groups of edges, by target and name."""
        ways: dict[tuple[str, str], list[Way]] = {}
        for way, edge in self.edges():
            ways.setdefault((edge.target, edge.activation_group or edge.target), []).append(way)
        return {key: self._group(*key, tuple(found)) for key, found in ways.items()}

    def _group(self, target: str, name: str, ways: tuple[Way, ...]) -> Group:
        node = self.nodes.get(target)
        activation: Activation = "all" if node is None else node.activation
        for edge in map(self.edge, ways):
            activation = edge.activation_condition or activation
        need = len(ways) if activation == "all" else 1 if activation == "any" else activation
        return Group(target, name, ways, need, activation)

    @cached_property
    def starts(self) -> tuple[str, ...]:
        """Where it begins."""
        if self.default_start_node is not None:
            return (self.default_start_node,)
        targets = {edge.target for _, edge in self.edges()}
        return tuple(name for name in self.nodes if name not in targets)

    @cached_property
    def ancestors(self) -> dict[str, frozenset[str]]:
        """From whom a way leads to each node: what these say it hears. A node of a loop is among its own."""
        parents = self.get_parents()
        return {name: frozenset(reaching(name, parents)) for name in self.nodes}

    def get_parents(self) -> dict[str, list[str]]:
        """Return from which nodes edges lead to each."""
        found: dict[str, dict[str, None]] = {name: {} for name in self.nodes}
        for way, edge in self.edges():
            found.setdefault(edge.target, {})[way.source] = None
        return {target: list(sources) for target, sources in found.items()}

    def get_start_nodes(self) -> set[str]:
        """Return where it begins."""
        return set(self.starts)

    def get_leaf_nodes(self) -> set[str]:
        """Return after which nodes nothing comes."""
        return {name for name, node in self.nodes.items() if not node.edges}

    def get_has_cycles(self) -> bool:
        """Return whether it goes round anywhere."""
        return bool(cycle((w.source, e.target) for w, e in self.edges()))

    def graph_validate(self) -> None:
        """Make sure that every part of it can work; see `quorate.chat.graph.checking`.

        Raises:
            GraphError: One cannot; says which, by which rule, and draws it.
        """
        from quorate.chat.graph.checking import check  # which needs this module

        if not self._checked:
            check(self)
            self._checked.append(True)

    def mermaid(self, *, marked: Iterable[str] = ()) -> str:
        """Return a drawing as Mermaid text; nodes that are `marked` stand out."""
        from quorate.chat.graph.drawing import draw  # which needs this module

        return draw(self, marked)


def reaching(name: str, before: Mapping[str, Iterable[str]]) -> set[str]:
    """Return from where a way leads to a node, itself only if one leads round to it."""
    found: set[str] = set()
    left = list(before.get(name, ()))
    while left:
        at = left.pop()
        if at not in found:
            found.add(at)
            left += before.get(at, ())
    return found


def cycle(edges: Iterable[tuple[str, str]]) -> list[str]:
    """Return the nodes of a cycle in order, none if there is none."""
    after: dict[str, list[str]] = {}
    for source, target in edges:
        after.setdefault(source, []).append(target)
    done: set[str] = set()
    for start in after:
        path: list[str] = []
        left: list[tuple[str, bool]] = [(start, False)]
        while left:
            name, leaving = left.pop()
            if leaving:
                done.add(path.pop())
            elif name in path:
                return path[path.index(name) :]
            elif name not in done:
                path.append(name)
                left += [(name, True), *[(target, False) for target in after.get(name, ())]]
    return []
