"""AutoGen's manager of a graph, for programs that subclass it; `GraphFlow` itself is a turn policy."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, MutableSequence, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from quorate.chat.ending.stopping import Condition
from quorate.chat.facts import Fact
from quorate.chat.messages import BaseChatMessage, BaseMessage, StopMessage
from quorate.compat.autogen import profile
from quorate.compat.autogen.agentchat.base import TerminationCondition
from quorate.compat.autogen.agentchat.messages import MessageFactory
from quorate.compat.autogen.managers import BaseGroupChatManager
from quorate.errors import ConfigError

if TYPE_CHECKING:
    from quorate.compat.autogen.graph import DiGraph, DiGraphEdge
    from quorate.compat.autogen.managing import Managing

Counts = dict[str, dict[str, int]]
Marks = dict[str, dict[str, bool]]


def started(graph: DiGraph) -> list[str]:
    """Return who speaks first, in the graph's order."""
    first = graph.get_start_nodes()
    return [name for name in graph.nodes if name in first]


def follow(
    edges: Iterable[DiGraphEdge],
    message: BaseChatMessage,
    remaining: Counts,
    enqueued_any: Marks,
    ready: MutableSequence[str],
) -> None:
    """Count what fires after a message, and add to `ready` whoever may speak because of it."""
    for edge in edges:
        if not edge.check_condition(message):
            continue
        target, group = edge.target, edge.activation_group
        if edge.activation_condition == "all":
            remaining[target][group] -= 1
            if not remaining[target][group]:
                ready.append(target)
        elif not enqueued_any[target][group]:
            enqueued_any[target][group] = True
            ready.append(target)


class GraphFlowManager(BaseGroupChatManager):
    """Lets those speak who are ready.

    `_ready` has who they are, `_remaining` how many edges of a group have yet to fire, `_enqueued_any` which groups
    have fired that wait for one.

    Args:
        graph: The graph.

    The other arguments are those of `BaseGroupChatManager`.

    Raises:
        ConfigError: The graph cannot run, or goes round without an end.
    """

    def __init__(
        self,
        name: str,
        group_topic_type: str,
        output_topic_type: str,
        participant_topic_types: list[str],
        participant_names: list[str],
        participant_descriptions: list[str],
        output_message_queue: asyncio.Queue[Any],
        termination_condition: TerminationCondition | None,
        max_turns: int | None,
        message_factory: MessageFactory,
        graph: DiGraph,
    ) -> None:
        super().__init__(
            name,
            group_topic_type,
            output_topic_type,
            participant_topic_types,
            participant_names,
            participant_descriptions,
            output_message_queue,
            termination_condition,
            max_turns,
            message_factory,
        )
        graph.graph_validate()
        if graph.get_has_cycles() and termination_condition is None and max_turns is None:
            raise ConfigError("A termination condition is required for cyclic graphs without a maximum turn limit.")
        self._graph, self._parents = graph, graph.get_parents()
        self._edges = {name: node.edges for name, node in graph.nodes.items()}
        self._origin_remaining: Counts = graph.get_remaining_map()
        self._reset_execution_state()

    def _reset_execution_state(self) -> None:
        """Be where the graph begins."""
        self._remaining: Counts = deepcopy(self._origin_remaining)
        self._enqueued_any: Marks = {
            target: dict.fromkeys(groups, False) for target, groups in self._origin_remaining.items()
        }
        self._ready = deque(started(self._graph))

    async def validate_group_state(self, messages: list[BaseChatMessage] | None) -> None:
        """Accept everything."""

    async def update_message_thread(self, messages: Sequence[BaseMessage]) -> None:
        await super().update_message_thread(messages)
        message = messages[-1]
        if isinstance(message, BaseChatMessage) and message.source in self._edges:
            follow(self._edges[message.source], message, self._remaining, self._enqueued_any, self._ready)

    async def select_speaker(self, thread: Sequence[Any]) -> list[str] | str:
        speakers = list(dict.fromkeys(self._ready))
        self._ready.clear()
        for speaker in speakers:
            for group, left in self._remaining.get(speaker, {}).items():
                self._enqueued_any[speaker][group] = False
                if left <= 0:
                    self._remaining[speaker][group] = self._origin_remaining[speaker][group]
        return speakers

    async def view_next(self) -> list[str]:
        if self._ready:
            return await super().view_next()
        self._reset_execution_state()
        if not self._current_turn:  # the condition had the last word before
            return await super().view_next()
        await self._signal_termination(StopMessage(content=profile.GRAPH_DONE, source=self._name))
        return []

    def view_end(self) -> None:
        super().view_end()
        if not self._ready:
            self._reset_execution_state()

    async def reset(self) -> None:
        self._current_turn = 0
        self._message_thread.clear()
        if self._termination_condition is not None:
            await self._termination_condition.reset()
        self._reset_execution_state()

    async def save_state(self) -> Mapping[str, Any]:
        return {
            "message_thread": [message.dump() for message in self._message_thread],
            "current_turn": self._current_turn,
            "remaining": deepcopy(self._remaining),
            "enqueued_any": deepcopy(self._enqueued_any),
            "ready": list(self._ready),
        }

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self._message_thread = [self._message_factory.create(message) for message in state["message_thread"]]
        self._current_turn = state["current_turn"]
        self._remaining, self._enqueued_any = deepcopy(state["remaining"]), deepcopy(state["enqueued_any"])
        self._ready = deque(state["ready"])


class Place(NamedTuple):
    """What a condition remembers, where the graph was at its manager's last choice, and what was said since."""

    kept: Any
    state: Mapping[str, Any] = {}
    said: tuple[BaseChatMessage, ...] = ()


class Followed(Condition[Place]):
    """Stops when a condition says so; where the graph that a manager follows is complete as well, that is the reason.

    Args:
        condition: The condition.
        managing: Knows what the manager's state was after a choice.
        graph: The graph.
    """

    sees_choices = True

    def __init__(self, condition: Condition[Any], managing: Managing, graph: DiGraph) -> None:
        self._condition, self._managing = condition, managing
        self._edges = {name: node.edges for name, node in graph.nodes.items()}

    def parts(self) -> Iterator[Condition[Any]]:
        yield from self._condition.parts()

    def begin(self) -> Place:
        return Place(self._condition.begin())

    def see(self, memory: Place, fact: Fact) -> Place:
        kept, state, said = memory
        if fact.choice is None or self._condition.sees_choices:
            kept = self._condition.see(kept, fact)
        if fact.choice is not None:
            return Place(kept, self._managing.after(fact.choice))
        if fact.message is not None and fact.speaker in self._edges:
            said = (*said, fact.message)
        return Place(kept, state, said)

    def reason(self, memory: Place) -> str | None:
        told = self._condition.reason(memory.kept)
        return profile.GRAPH_DONE if told is not None and self._is_over(memory) else told

    def _is_over(self, memory: Place) -> bool:
        """Whether nobody comes after those who have spoken."""
        state = deepcopy(dict(memory.state))
        if not memory.said or not {"remaining", "enqueued_any", "ready"} <= state.keys():
            return False  # it has begun just now, or its manager keeps something else
        for message in memory.said:
            follow(self._edges[message.source], message, state["remaining"], state["enqueued_any"], state["ready"])
        return not state["ready"]


__all__ = ["Followed", "GraphFlowManager", "follow", "started"]
