"""A pipeline as a graph: two analysts side by side, a writer when both are done. `python examples/pipeline.py`.

On the embedded model, without a key or network; MODEL=openai:gpt-5 takes another.
"""

import asyncio
import os
import sys

from quorate import AssistantAgent, Console, DiGraphBuilder, GraphFlow, tool

TASK = "Which orders are large, and which are late?"
ORDERS = {1007: (120, 2), 1008: (2400, 0), 1009: (90, 9), 1010: (1800, 1)}
"""Number of an order: its worth in dollars, and how many days it is late."""


@tool(effect="read")
def large_orders() -> str:
    """List the orders of 1,000 dollars or more."""
    found = [str(number) for number, (worth, _) in ORDERS.items() if worth >= 1000]
    return f"Orders of 1,000 dollars or more: {', '.join(found) or 'none'}."


@tool(effect="read")
def late_orders(least_days: int) -> str:
    """List the orders that are late by so many days or more."""
    found = [str(number) for number, (_, late) in ORDERS.items() if late >= least_days]
    return f"Orders late by {least_days} days or more: {', '.join(found) or 'none'}."


def team(model: str = "embedded") -> GraphFlow:
    """Return the pipeline; the numbers come from the tools, and what to ask them from the model."""

    def analyst(name: str, asks: str, using: object) -> AssistantAgent:
        return AssistantAgent(
            name, model, tools=[using], system_message=asks, reflect_on_tool_use=False,
            max_tokens=60, temperature=0, seed=7,
        )  # fmt: skip

    sizes = analyst("sizes", "Use the tool to list the large orders.", large_orders)
    delays = analyst("delays", "Use the tool to list the orders that are late by 2 days or more.", late_orders)
    writer = AssistantAgent(
        "writer", model, system_message="Say in one sentence what the analysts found.",
        max_tokens=60, temperature=0, seed=7,
    )  # fmt: skip
    graph = DiGraphBuilder()
    for agent in (sizes, delays, writer):
        graph.add_node(agent)
    graph.add_edge(sizes, writer).add_edge(delays, writer)
    return GraphFlow(graph.get_participants(), graph.build())


async def main() -> None:
    """Run the pipeline once, and show its drawing."""
    flow = team(os.environ.get("MODEL", "embedded"))
    print(flow.graph.mermaid(), end="\n\n")
    await Console(flow.run_stream(task=" ".join(sys.argv[1:]) or TASK))


if __name__ == "__main__":
    asyncio.run(main())
