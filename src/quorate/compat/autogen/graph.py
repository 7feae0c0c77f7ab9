"""AutoGen's graphs of speakers, on Quorate's turn policy of a graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field

from quorate.chat.ending.stopping import Condition
from quorate.chat.facts import Fact, Thread
from quorate.chat.graph.policy import Graph, State, said_last
from quorate.chat.graph.shape import DiGraph as QuorateGraph
from quorate.chat.graph.shape import DiGraphEdge as QuorateEdge
from quorate.chat.graph.shape import DiGraphNode as QuorateNode
from quorate.chat.graph.shape import Way
from quorate.chat.messages import BaseChatMessage, BaseMessage
from quorate.chat.turns import Speak, Stop, TurnPolicy
from quorate.compat.autogen import profile
from quorate.compat.autogen.agentchat.base import ChatAgent, TerminationCondition
from quorate.compat.autogen.components import Component, ComponentModel
from quorate.compat.autogen.following import Followed, GraphFlowManager
from quorate.compat.autogen.groupchat import BaseGroupChat
from quorate.compat.autogen.teams import dumped, loaded
from quorate.core.hosting import AgentRuntime
from quorate.errors import ConfigError

Activation = Literal["all", "any"]


class DiGraphEdge(BaseModel):
    """Leads on to `target` when its source has said what fits: a text that is in it, or what a function wants."""

    target: str
    condition: str | Callable[[BaseChatMessage], bool] | None = Field(default=None)
    condition_function: Callable[[BaseChatMessage], bool] | None = Field(default=None, exclude=True)
    activation_group: str = Field(default="")
    activation_condition: Activation = "all"

    def model_post_init(self, context: Any, /) -> None:
        """Keep a function apart from what is written down; edges to one target are one group."""
        if callable(self.condition):
            self.condition_function, self.condition = self.condition, None
        if not self.activation_group:
            self.activation_group = self.target

    def check_condition(self, message: BaseChatMessage) -> bool:
        """Return whether what was said fits."""
        if self.condition_function is not None:
            return self.condition_function(message)
        return self.condition is None or str(self.condition) in message.to_model_text()

    def for_quorates(self) -> str | Callable[[BaseChatMessage], bool] | None:
        """Return the condition as Quorate's policy asks it; of a text both ask the same."""
        if self.condition_function is None and self.condition and isinstance(self.condition, str):
            return self.condition
        return self.check_condition if self.is_conditional else None

    @property
    def is_conditional(self) -> bool:
        """Whether it does not always fire."""
        return self.condition is not None or self.condition_function is not None


class DiGraphNode(BaseModel):
    """A participant, and what comes after it."""

    name: str
    edges: list[DiGraphEdge] = []
    activation: Activation = "all"


class DiGraph(BaseModel):
    """Who speaks after whom, from `default_start_node`, or from all that no edge leads to."""

    nodes: dict[str, DiGraphNode]
    default_start_node: str | None = None

    def get_parents(self) -> dict[str, list[str]]:
        """Return by name who comes before."""
        parents: dict[str, list[str]] = {name: [] for name in self.nodes}
        for node in self.nodes.values():
            for edge in node.edges:
                parents[edge.target].append(node.name)
        return parents

    def get_start_nodes(self) -> set[str]:
        """Return who speaks first."""
        if self.default_start_node:
            return {self.default_start_node}
        return {name for name, before in self.get_parents().items() if not before}

    def get_leaf_nodes(self) -> set[str]:
        """Return those after whom nobody comes."""
        return {name for name, node in self.nodes.items() if not node.edges}

    def has_cycles_with_exit(self) -> bool:
        """Return whether there is a circle.

        Raises:
            ConfigError: One has no condition on its edges, so that nothing would leave it.
        """
        found, path, done = False, list[DiGraphEdge](), set[str]()

        def visit(name: str, way: list[str]) -> None:
            nonlocal found
            if name in way:
                found = True
                inside = path[len(path) - (len(way) - way.index(name)) :]
                if not any(edge.is_conditional for edge in inside):
                    raise ConfigError(f"Cycle detected without exit condition: {' -> '.join([*way, name])}")
                return
            if name in done:
                return
            for edge in self.nodes[name].edges:
                path.append(edge)
                visit(edge.target, [*way, name])
                path.pop()
            done.add(name)

        for name in self.nodes:
            visit(name, [])
        return found

    def get_has_cycles(self) -> bool:
        """Return whether there is a circle."""
        return self.has_cycles_with_exit()

    def graph_validate(self) -> None:
        """Check that it can run.

        Raises:
            ConfigError: It has no nodes, no beginning or no end, mixes edges with and without conditions on one node,
                has a circle that nothing leaves, or a group that is started in two ways.
        """
        if not self.nodes:
            raise ConfigError("Graph has no nodes.")
        if not self.get_start_nodes():
            raise ConfigError("Graph must have at least one start node")
        if not self.get_leaf_nodes():
            raise ConfigError("Graph must have at least one leaf node")
        for node in self.nodes.values():
            if len({edge.is_conditional for edge in node.edges}) > 1:
                raise ConfigError(f"Node '{node.name}' has a mix of conditional and unconditional edges.")
        self.has_cycles_with_exit()
        ways: dict[tuple[str, str], str] = {}
        for node in self.nodes.values():
            for edge in node.edges:
                key = edge.target, edge.activation_group
                if ways.setdefault(key, edge.activation_condition) != edge.activation_condition:
                    raise ConfigError(
                        f"Conflicting activation conditions for target '{edge.target}' group "
                        f"'{edge.activation_group}': say the same on all of its edges."
                    )

    def get_remaining_map(self) -> dict[str, dict[str, int]]:
        """Return by target and group how many edges there are."""
        found: dict[str, dict[str, int]] = {}
        for node in self.nodes.values():
            for edge in node.edges:
                groups = found.setdefault(edge.target, {})
                groups[edge.activation_group] = groups.get(edge.activation_group, 0) + 1
        return found

    def as_quorates(self) -> QuorateGraph:
        """Return the graph as Quorate's policy takes it."""
        return Unchecked(
            {
                name: QuorateNode(
                    name,
                    tuple(
                        Checked(edge.target, edge.for_quorates(), edge.activation_group, edge.activation_condition)
                        for edge in node.edges
                    ),
                )
                for name, node in self.nodes.items()
            },
            self.default_start_node,
        )


class Checked(QuorateEdge):
    """An edge that AutoGen's rules have checked."""

    def __post_init__(self) -> None:
        """Take it as it is."""


class Unchecked(QuorateGraph):
    """A graph that AutoGen's rules have checked: a loop in it is bounded by the team's condition and turns."""

    def graph_validate(self) -> None:
        """Take it as it is."""


class DiGraphBuilder:
    """Puts a graph together, node by node and edge by edge."""

    def __init__(self) -> None:
        self.nodes: dict[str, DiGraphNode] = {}
        self.agents: dict[str, ChatAgent] = {}
        self._default_start_node: str | None = None

    def add_node(self, agent: ChatAgent, activation: Activation = "all") -> DiGraphBuilder:
        """Add a participant; again does nothing."""
        if agent.name not in self.nodes:
            self.nodes[agent.name] = DiGraphNode(name=agent.name, activation=activation)
            self.agents[agent.name] = agent
        return self

    def add_edge(
        self,
        source: str | ChatAgent,
        target: str | ChatAgent,
        condition: str | Callable[[BaseChatMessage], bool] | None = None,
        activation_group: str | None = None,
        activation_condition: Activation | None = None,
    ) -> DiGraphBuilder:
        """Let `target` come after `source`.

        Raises:
            ConfigError: One of the two was not added.
        """
        names = [self._known(one) for one in (source, target)]
        self.nodes[names[0]].edges.append(
            DiGraphEdge(
                target=names[1],
                condition=condition,
                activation_group=activation_group or names[1],
                activation_condition=activation_condition or "all",
            )
        )
        return self

    def _known(self, one: str | ChatAgent) -> str:
        name = one if isinstance(one, str) else one.name
        if name not in self.nodes:
            raise ConfigError(f"The node '{name}' must be added before an edge: add_node(…).")
        return name

    def add_conditional_edges(
        self, source: str | ChatAgent, condition_to_target: dict[str, str | ChatAgent]
    ) -> DiGraphBuilder:
        """Let a target come after `source` for each text that it may say."""
        warnings.warn("add_conditional_edges is the older way: use add_edge(…, condition=…).", DeprecationWarning, 2)
        for text, target in condition_to_target.items():
            self.add_edge(source, target, text)
        return self

    def set_entry_point(self, name: str | ChatAgent) -> DiGraphBuilder:
        """Begin at a node.

        Raises:
            ConfigError: It was not added.
        """
        self._default_start_node = self._known(name)
        return self

    def build(self) -> DiGraph:
        """Return the graph.

        Raises:
            ConfigError: It cannot run.
        """
        graph = DiGraph(nodes=self.nodes, default_start_node=self._default_start_node)
        graph.graph_validate()
        return graph

    def get_participants(self) -> list[ChatAgent]:
        """Return the agents, in the order in which they were added."""
        return list(self.agents.values())


class GraphManagerState(BaseModel):
    """Where in the graph it is."""

    message_thread: list[Mapping[str, Any]] = Field(default_factory=list[Mapping[str, Any]])
    current_turn: int = 0
    remaining: dict[str, dict[str, int]] = Field(default_factory=dict[str, dict[str, int]])
    enqueued_any: dict[str, dict[str, bool]] = Field(default_factory=dict[str, dict[str, bool]])
    ready: list[str] = Field(default_factory=list[str])


LOADED = Way("", 0)
"""In the memory of a graph that was loaded: it begins with those who were ready."""


class Flow(Graph):
    """The policy of AutoGen's graphs: everybody hears everything, and each wave ends with the last of it.

    Args:
        graph: The graph.
        at: Where in it a conversation was whose state was loaded.
    """

    def __init__(self, graph: QuorateGraph, at: GraphManagerState | None) -> None:
        super().__init__(graph, hear_all=True, race=False)
        self._ready = () if at is None else tuple(dict.fromkeys(name for name in at.ready if name in graph.nodes))
        self._first = State()
        if at is not None:
            fired = {
                (target, group): frozenset(
                    Way("", number) for number in range(len(self.graph.groups[target, group].ways) - left)
                )
                for target, groups in at.remaining.items()
                for group, left in groups.items()
                if (target, group) in self.graph.groups and 0 < left < len(self.graph.groups[target, group].ways)
            }
            self._first = State(fired=fired, times={LOADED: 1})

    def begin(self) -> State:
        return self._first

    def next(self, memory: State, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        if not memory.active and self._ready and LOADED in memory.times:
            return Speak(self._ready, "it was ready when the state was saved")
        return super().next(memory, thread, members)

    def where(self, memory: State, state: GraphManagerState) -> None:
        """Say in the state of a graph that has just begun where it is now."""
        for (target, group), ways in memory.fired.items():
            state.remaining[target][group] -= len(ways)
        if not memory.active:
            if LOADED in memory.times:
                state.ready = list(self._ready)
            return
        asked = self._asked(memory, said_last(memory))
        if not asked.ready:
            return
        state.ready = []
        for road in asked.roads:
            target, group = road.key
            if road.edge.activation_condition == "any":
                if not state.enqueued_any[target][group]:
                    state.enqueued_any[target][group] = True
                    state.ready.append(target)
            else:
                state.remaining[target][group] -= 1
                if not state.remaining[target][group]:
                    state.ready.append(target)

    def is_over(self, memory: State) -> bool:
        """Whether nobody comes after those who have spoken."""
        return bool(memory.active) and not self._asked(memory, said_last(memory)).ready

    def _end(self, fired: Mapping[tuple[str, str], frozenset[Way]]) -> str:
        return profile.GRAPH_DONE


class Completing(Condition[tuple[Any, list[Fact]]]):
    """Stops when a condition says so; where the graph is complete as well, that is the reason.

    What happened is only looked at in the end: the list of it is shared and only grows.
    """

    sees_choices = True

    def __init__(self, condition: Condition[Any], flow: Flow) -> None:
        self._condition, self._flow = condition, flow

    def parts(self) -> Iterator[Condition[Any]]:
        yield from self._condition.parts()

    def begin(self) -> tuple[Any, list[Fact]]:
        return self._condition.begin(), []

    def see(self, memory: tuple[Any, list[Fact]], fact: Fact) -> tuple[Any, list[Fact]]:
        kept, seen = memory
        seen.append(fact)
        if fact.choice is None or self._condition.sees_choices:
            kept = self._condition.see(kept, fact)
        return kept, seen

    def reason(self, memory: tuple[Any, list[Fact]]) -> str | None:
        kept, seen = memory
        told = self._condition.reason(kept)
        if told is None:
            return None
        since = 0
        if not self._flow.counts:  # then nothing is known from before the latest choice
            since = next((at for at in range(len(seen) - 1, -1, -1) if seen[at].choice is not None), 0)
        where = reduce(self._flow.see, seen[since:], self._flow.begin())
        return profile.GRAPH_DONE if self._flow.is_over(where) else told


class GraphFlowConfig(BaseModel):
    """A `GraphFlow` as configuration."""

    name: str | None = None
    description: str | None = None
    participants: list[ComponentModel]
    termination_condition: ComponentModel | None = None
    max_turns: int | None = None
    graph: DiGraph


class GraphFlow(BaseGroupChat, Component[GraphFlowConfig]):
    """Members speak as a graph says, those side by side that are ready.

    Raises:
        ConfigError: The graph cannot run, or names somebody who does not take part.
    """

    component_config_schema: ClassVar[type[Any]] = GraphFlowConfig
    component_provider_override: ClassVar[str | None] = "autogen_agentchat.teams.GraphFlow"
    states: ClassVar[type[Any]] = GraphManagerState
    DEFAULT_NAME = "GraphFlow"
    DEFAULT_DESCRIPTION = "A team of agents"

    def __init__(
        self,
        participants: list[ChatAgent],
        graph: DiGraph,
        *,
        name: str | None = None,
        description: str | None = None,
        termination_condition: TerminationCondition | None = None,
        max_turns: int | None = None,
        runtime: AgentRuntime | None = None,
        custom_message_types: list[type[BaseMessage]] | None = None,
    ) -> None:
        super().__init__(
            name or self.DEFAULT_NAME,
            description or self.DEFAULT_DESCRIPTION,
            list(participants),
            "GraphManager",
            None,
            termination_condition,
            max_turns,
            runtime,
            custom_message_types,
        )
        graph.graph_validate()
        strangers = sorted(set(graph.nodes) - {participant.name for participant in participants})
        if strangers:
            raise ConfigError(f"The graph has {', '.join(strangers)}, who does not take part in the team.")
        self.graph = self._graph = graph
        self._at: GraphManagerState | None = None
        self._made: tuple[GraphManagerState | None, Flow] = None, Flow(graph.as_quorates(), None)

    def check_start(self, task: Any) -> None:
        if self.condition is None and self.most_turns is None and self.graph.has_cycles_with_exit():
            raise ConfigError("A termination condition is required for cyclic graphs without a maximum turn limit.")

    def turns(self) -> TurnPolicy[Any]:
        return self._flow()

    def _flow(self) -> Flow:
        """Return its policy from where it begins, made once."""
        if self._made[0] is not self._at:
            self._made = self._at, Flow(self.graph.as_quorates(), self._at)
        return self._made[1]

    def _ending(self) -> Condition[Any]:
        ending = super()._ending()
        if self.condition is None and self.most_turns is None:
            return ending
        if self._managing is not None:
            return Followed(ending, self._managing, self.graph)
        return Completing(ending, self._flow())

    def manager_state(self, memory: Any) -> dict[str, Any]:
        if memory is None and self._at is not None:
            return self._at.model_dump(exclude={"message_thread", "current_turn"})
        remaining = self.graph.get_remaining_map()
        enqueued = {target: dict.fromkeys(groups, False) for target, groups in remaining.items()}
        state = GraphManagerState(
            remaining=remaining, enqueued_any=enqueued, ready=sorted(self.graph.get_start_nodes())
        )
        if memory is not None:
            self._flow().where(memory, state)
        return state.model_dump(exclude={"message_thread", "current_turn"})

    def load_manager(self, state: GraphManagerState | None) -> None:
        self._at = state

    def _to_config(self) -> GraphFlowConfig:
        given = dumped(self)
        del given["emit_team_events"]
        return GraphFlowConfig(**given, graph=self.graph)

    @classmethod
    def _from_config(cls, config: GraphFlowConfig) -> Self:
        return cls(**loaded(config), graph=config.graph)


__all__ = ["DiGraph", "DiGraphBuilder", "DiGraphEdge", "DiGraphNode", "GraphFlow", "GraphFlowManager"]
