"""LangGraph: a graph of one node, 98 side by side, and one, each adding a message; no model, agent or checkpoint.

Variants: nothing for its best state, `default` for the state of its examples.
"""

import asyncio
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import END, START, StateGraph
from langgraph_loop import DEFAULT, Lean

from benchkit.script import Watch, emit, expect, median, options
from benchkit.words import texts

WIDTH = 98


def fan(state: Any, said: list[str]) -> Any:
    """Return the graph, ready to run."""

    def node(name: str, text: str) -> Any:
        async def speak(_: Any) -> dict[str, list[AIMessage]]:
            return {"messages": [AIMessage(text, name=name)]}

        return speak

    graph, last = StateGraph(state), f"m{len(said) - 1}"
    for n, text in enumerate(said):
        graph.add_node(f"m{n}", node(f"m{n}", text))
    graph.add_edge(START, "m0")
    middle = [f"m{n}" for n in range(1, len(said) - 1)]
    for name in middle:
        graph.add_edge("m0", name)
    graph.add_edge(middle, last)
    graph.add_edge(last, END)
    return graph.compile()


async def run_once(graph: Any, width: int) -> Watch:
    """Run it."""
    with Watch() as watch:
        result = await graph.ainvoke({"messages": [HumanMessage("Write about the harbour.")]})
    expect(len(result["messages"]) == width + 3, f"{len(result['messages'])} messages")
    return watch


async def main() -> None:
    """Measure after a run that warms everything up."""
    given = options()
    width = given.scaled(WIDTH)
    graph = fan(DEFAULT if given.variant == "default" else Lean, texts(width + 2, given.size_bytes))
    await run_once(graph, width)
    watches = [await run_once(graph, width) for _ in range(given.scaled(15, at_least=3))]
    emit(
        fan_ms=1e3 * median(watch.cpu_s for watch in watches),
        fan_wall_ms=1e3 * median(watch.wall_s for watch in watches),
    )


asyncio.run(main())
