"""Customer support as a swarm: a front desk hands over to who can help. `python examples/support.py "My question"`.

On the embedded model, without a key or network; MODEL=openai:gpt-5 takes another.
"""

import asyncio
import os
import sys

from quorate import (
    AssistantAgent,
    Console,
    Handoff,
    MaxMessageTermination,
    SourceMatchTermination,
    Swarm,
    tool,
)

TASK = "Can I send my chairs back? They came 12 days ago."
ORDERS = {1007: "a blue kettle, sent on Friday, with the carrier since Saturday", 1008: "two chairs, not sent yet"}


@tool(effect="read")
def find_order(number: int) -> str:
    """Find out what an order is and where it is."""
    return f"Order {number}: {ORDERS.get(number, 'there is no such order')}."


@tool(effect="read")
def return_rules(days_since_delivery: int) -> str:
    """Tell whether goods can be sent back so many days after they came."""
    return "They can be sent back." if days_since_delivery <= 30 else "They cannot be sent back after 30 days."


def team(model: str = "embedded") -> Swarm:
    """Return the swarm: who is handed the conversation speaks, and the run is done when a clerk has answered."""
    desk = AssistantAgent(
        "desk", model, description="Finds out who can help.",
        system_message="You are the front desk. Use a tool to hand the customer over to the clerk who can help.",
        handoffs=[
            Handoff("orders", description="For questions about where an order is."),
            Handoff("returns", description="For questions about sending goods back."),
        ],
        max_tokens=60, temperature=0, seed=7,
    )  # fmt: skip
    orders = AssistantAgent(
        "orders", model, description="Knows where orders are.", tools=[find_order],
        system_message="You help with orders. Use the tool.",
        reflect_on_tool_use=False, max_tokens=60, temperature=0, seed=7,
    )  # fmt: skip
    returns = AssistantAgent(
        "returns", model, description="Knows what can be sent back.", tools=[return_rules],
        system_message="You help with returns. Use the tool.",
        reflect_on_tool_use=False, max_tokens=60, temperature=0, seed=7,
    )  # fmt: skip
    answered = SourceMatchTermination(frozenset({"orders", "returns"}))
    return Swarm([desk, orders, returns], termination_condition=answered | MaxMessageTermination(8))


async def main() -> None:
    """Answer one question."""
    task = " ".join(sys.argv[1:]) or TASK
    await Console(team(os.environ.get("MODEL", "embedded")).run_stream(task=task))


if __name__ == "__main__":
    asyncio.run(main())
