"""A LangGraph of two nodes that take turns, each adding one message."""

import time
from collections.abc import Callable, Iterator, Sequence
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


def build(state: Any, replies: Iterator[str], turns: int, saver: BaseCheckpointSaver[Any]) -> Any:
    """Compile the loop of a writer and a critic that ends after `turns` messages."""
    said = 0

    def node(name: str) -> Callable[[Any], dict[str, list[AIMessage]]]:
        def speak(_: Any) -> dict[str, list[AIMessage]]:
            nonlocal said
            said += 1
            return {"messages": [AIMessage(next(replies), name=name)]}

        return speak

    def after(other: str) -> Callable[[Any], str]:
        return lambda _: END if said >= turns else other

    graph = StateGraph(state)
    graph.add_node("writer", node("writer"))
    graph.add_node("critic", node("critic"))
    graph.add_edge(START, "writer")
    graph.add_conditional_edges("writer", after("critic"), ["critic", END])
    graph.add_conditional_edges("critic", after("writer"), ["writer", END])
    return graph.compile(checkpointer=saver)


def converse(state: Any, turns: int, size_bytes: int, saver: BaseCheckpointSaver[Any], **how: Any) -> Watch:
    """Hold one conversation of `turns` messages and return what it took.

    Args:
        state: The state class of the graph.
        turns: How many messages the nodes add.
        size_bytes: Length of each.
        saver: Where the checkpoints go.
        how: Further arguments of `invoke`, such as `durability`.
    """
    graph = build(state, iter(texts(turns, size_bytes)), turns, saver)
    config = {"configurable": {"thread_id": f"talk-{time.monotonic_ns()}"}, "recursion_limit": turns + 5}
    start = {"messages": [HumanMessage("Write about the harbour.")]}
    with Watch() as watch:
        result = graph.invoke(start, config, **how)
    expect(len(result["messages"]) == turns + 1, f"{len(result['messages'])} messages")
    return watch
