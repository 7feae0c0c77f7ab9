"""A LangGraph of two nodes that take turns, each adding one message."""

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, MessagesState, StateGraph

from benchkit.script import Watch, expect
from benchkit.words import texts

DEFAULT = MessagesState
"""The state of LangGraph's own examples: the whole list of messages goes into each checkpoint."""


def extend(messages: Sequence[AnyMessage], writes: Sequence[Sequence[AnyMessage]]) -> list[AnyMessage]:
    """Put the messages of all writes at the end."""
    return [*messages, *(message for write in writes for message in write)]


class Lean(TypedDict):
    """LangGraph at its best: a checkpoint holds only what is new, with a full copy now and then."""

    messages: Annotated[list[AnyMessage], DeltaChannel(extend)]


class Loop:
    """One conversation of a writer and a critic that ends after `turns` messages.

    Args:
        state: The state class of the graph.
        turns: How many messages the nodes add.
        size_bytes: Length of each.
        how: Further arguments of `invoke`, such as `durability`.
    """

    def __init__(self, state: Any, turns: int, size_bytes: int, **how: Any) -> None:
        self.state, self.turns, self.how = state, turns, how
        self._replies: Iterator[str] = iter(texts(turns, size_bytes))
        self._said = 0
        self._start = {"messages": [HumanMessage("Write about the harbour.")]}
        self._config = {
            "configurable": {"thread_id": f"talk-{time.monotonic_ns()}"},
            "recursion_limit": turns + 5,
        }

    def invoke(self, saver: BaseCheckpointSaver[Any]) -> Watch:
        """Hold it with LangGraph's blocking API, which is the cheaper one, and return what it took."""
        graph = self._graph(saver, self._blocking_node)
        with Watch() as watch:
            result = graph.invoke(self._start, self._config, **self.how)
        return self._checked(watch, result)

    async def ainvoke(self, saver: BaseCheckpointSaver[Any]) -> Watch:
        """Hold it with LangGraph's async API, the like of ours, and return what it took."""
        hold = self.ready(saver)
        with Watch() as watch:
            result = await hold()
        return self._checked(watch, result)

    def ready(self, saver: BaseCheckpointSaver[Any]) -> Callable[[], Awaitable[Any]]:
        """Return what holds it with the async API, when called, and returns the last state."""
        graph = self._graph(saver, self._async_node)
        return lambda: graph.ainvoke(self._start, self._config, **self.how)

    def _checked(self, watch: Watch, result: Any) -> Watch:
        expect(len(result["messages"]) == self.turns + 1, f"{len(result['messages'])} messages")
        return watch

    def _blocking_node(self, name: str) -> Callable[[Any], dict[str, list[AIMessage]]]:
        def speak(_: Any) -> dict[str, list[AIMessage]]:
            self._said += 1
            return {"messages": [AIMessage(next(self._replies), name=name)]}

        return speak

    def _async_node(self, name: str) -> Callable[[Any], Awaitable[dict[str, list[AIMessage]]]]:
        blocking = self._blocking_node(name)

        async def speak(state: Any) -> dict[str, list[AIMessage]]:
            return blocking(state)

        return speak

    def _graph(self, saver: BaseCheckpointSaver[Any], node: Callable[[str], Any]) -> Any:
        def after(other: str) -> Callable[[Any], str]:
            return lambda _: END if self._said >= self.turns else other

        graph = StateGraph(self.state)
        graph.add_node("writer", node("writer"))
        graph.add_node("critic", node("critic"))
        graph.add_edge(START, "writer")
        graph.add_conditional_edges("writer", after("critic"), ["critic", END])
        graph.add_conditional_edges("critic", after("writer"), ["writer", END])
        return graph.compile(checkpointer=saver)
