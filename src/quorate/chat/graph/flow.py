"""A team whose turns follow a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quorate.chat.agent import Participant
from quorate.chat.ending.stopping import Condition
from quorate.chat.graph.checking import check_bounded
from quorate.chat.graph.explaining import Explanation, explain
from quorate.chat.graph.policy import Graph
from quorate.chat.graph.shape import DiGraph
from quorate.chat.stalls.progress import PATIENCE
from quorate.chat.team import Team
from quorate.core.hosting import AgentRuntime
from quorate.errors import ConfigError, GraphError
from quorate.runs.journal import Store
from quorate.runs.outcome import Limits


class GraphFlow(Team):
    """Members speak as a graph says: one after the other, side by side, again, or not at all.

    It goes in waves: whoever is ready speaks at the same time, and when all of a wave have spoken the edges are asked.
    A member hears the task, and what was said by those from whom a way leads to it.

    Args:
        participants: Who talks: one for each node of the graph.
        graph: Who speaks after whom; made by hand or by `DiGraphBuilder`.
        hear_all: Whether everybody hears everything.
        race: Whether a wave ends as soon as those who still speak could only be late for a join that has enough
            (`"any"`, `quorum(n)`): they are cancelled then. By default; else all finish.

    The other arguments are those of `Team`.

    Raises:
        GraphError: A part of the graph can never work, or may go round for ever and nothing bounds it.
        ConfigError: Participants and nodes are not the same.
    """

    def __init__(
        self,
        participants: Sequence[Participant],
        graph: DiGraph,
        *,
        termination_condition: Condition[Any] | None = None,
        max_turns: int | None = None,
        hear_all: bool = False,
        race: bool = True,
        limits: Limits | None = None,
        patience: int | None = PATIENCE,
        wrap_up: str | None = None,
        runtime: AgentRuntime | None = None,
        name: str | None = None,
        description: str = "A team of agents.",
        share_all: bool = False,
        emit_team_events: bool = False,
    ) -> None:
        super().__init__(
            participants, turns=Graph(graph, hear_all=hear_all, race=race),
            termination_condition=termination_condition, max_turns=max_turns, limits=limits, patience=patience,
            wrap_up=wrap_up, runtime=runtime, name=name, description=description, share_all=share_all,
            emit_team_events=emit_team_events,
        )  # fmt: skip
        self.graph, self.hear_all, self.race = graph, hear_all, race
        if termination_condition is None and self.limits.turns is None:
            check_bounded(graph)
        names = [member.name for member in self.participants]
        absent = [name for name in graph.nodes if name not in names]
        if absent:
            raise ConfigError(f"No participant is named {absent[0]!r}, as a node is. There are: {', '.join(names)}.")
        left = [name for name in names if name not in graph.nodes]
        if left:
            raise GraphError(
                "dead", f"{left[0]} is in no node of the graph, and would never speak.", nodes=tuple(left),
                drawing=graph.mermaid(),
            )  # fmt: skip

    async def explain(self, id: str = "", *, store: Store | None = None, owner: str | None = None) -> Explanation:
        """Tell what became of the edges in a run, and why; by default in the last of the team's own conversation.

        Args:
            id: Of the run, or of the conversation for its last run.
            store: Where it is kept; by default the team's own memory.
            owner: Whose it is.

        Raises:
            ConfigError: There is no such run.
        """
        if store is None:
            own = self.__dict__.get("_own")
            if own is None:
                raise ConfigError("This team has not run yet in a conversation of its own. Say which run: id, store=….")
            id, store = id or own.id, own.store
        assert store is not None
        more = {} if owner is None else {"owner": owner}
        return await explain(id, store=store, graph=self.graph, **more)
