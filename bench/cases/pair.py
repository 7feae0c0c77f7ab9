"""The team that the cases measure: two assistant agents in a round robin, all features at their defaults."""

from typing import Any

from quorate import AssistantAgent, Limits, MaxMessageTermination, RoundRobinGroupChat

TASK = "Write about the harbour."
WIDE = Limits(turns=10**6, model_calls=10**6, tool_calls=10**6, tokens=10**12)
"""Limits that the work does not reach. They are counted and checked as always."""


def pair(model: Any, turns: int) -> RoundRobinGroupChat:
    """Return a writer and a critic who end after `turns` messages."""
    members = [AssistantAgent(name, model, system_message="You work on the text.") for name in ("writer", "critic")]
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(turns + 1))
