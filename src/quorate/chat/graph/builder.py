"""Building a graph step by step, with the participants themselves."""

from __future__ import annotations

from quorate.chat.agent import Participant, Speaker
from quorate.chat.graph.shape import Activation, DiGraph, DiGraphEdge, DiGraphNode, Predicate, checked_activation
from quorate.chat.objects.seats import Seat
from quorate.chat.team import checked_member
from quorate.errors import ConfigError


class DiGraphBuilder:
    """Collects nodes and edges; all but `build` and `get_participants` return the builder.

    builder = DiGraphBuilder()
    builder.add_node(writer).add_node(critic).add_edge(writer, critic)
    team = GraphFlow(builder.get_participants(), builder.build())
    """

    def __init__(self) -> None:
        self._agents: dict[str, Speaker] = {}
        self._activations: dict[str, Activation] = {}
        self._edges: dict[str, list[DiGraphEdge]] = {}
        self._start: str | None = None

    def add_node(self, agent: Participant, activation: Activation = "all") -> DiGraphBuilder:
        """Add a participant; again: with another `activation`, for edges that do not say theirs.

        Raises:
            ConfigError: Somebody else has its name.
        """
        agent = self._seat_of(agent) or checked_member(agent)
        if self._agents.setdefault(agent.name, agent) is not agent:
            raise ConfigError(f"Two participants are named {agent.name!r}. Each needs a name of its own.")
        self._activations[agent.name] = checked_activation(activation)
        self._edges.setdefault(agent.name, [])
        return self

    def add_edge(
        self,
        source: str | Participant,
        target: str | Participant,
        condition: str | Predicate | None = None,
        activation_group: str | None = None,
        activation_condition: Activation | None = None,
        *,
        at_most: int | None = None,
    ) -> DiGraphBuilder:
        """Let `target` come after `source`; see `DiGraphEdge`.

        Raises:
            ConfigError: One of them was not added, or the edge is none.
        """
        edge = DiGraphEdge(self._known(target), condition, activation_group or "", activation_condition, at_most)
        self._edges[self._known(source)].append(edge)
        return self

    def set_entry_point(self, name: str | Participant) -> DiGraphBuilder:
        """Say where it begins, instead of at every node that no edge leads to.

        Raises:
            ConfigError: It was not added.
        """
        self._start = self._known(name)
        return self

    def build(self) -> DiGraph:
        """Return the graph.

        Raises:
            GraphError: A part of it can never work, or never ends.
        """
        nodes = {
            name: DiGraphNode(name, tuple(self._edges[name]), activation)
            for name, activation in self._activations.items()
        }
        graph = DiGraph(nodes, self._start)
        graph.graph_validate()
        return graph

    def get_participants(self) -> list[Speaker]:
        """Return the participants in the order in which they were added."""
        return list(self._agents.values())

    def _seat_of(self, who: object) -> Seat | None:
        """Return the seat of a participant that a factory makes, if it was added."""
        return next((one for one in self._agents.values() if isinstance(one, Seat) and one.factory is who), None)

    def _known(self, who: str | Participant) -> str:
        name: str = who if isinstance(who, str) else getattr(self._seat_of(who) or who, "name", repr(who))
        if name not in self._agents:
            raise ConfigError(
                f"{name!r} is no node yet. add_node(…) comes first. There are: {', '.join(self._agents)}."
            )
        return name
