"""One turn of each preset with two assistant agents, in memory, in conversations of 10, 100 and 1,000 turns.

Variants: `roundrobin`, `selector` (by a function), `swarm` (each says something, then hands over), `graph` (a loop of
two nodes with a condition), `magentic` (a progress ledger before each turn, a speech after it: both count as one turn).
"""

import asyncio
from collections.abc import Sequence

from benchkit.lengths import Talk, emit_turn_costs
from benchkit.planning import plan
from benchkit.script import expect, options
from benchkit.words import texts
from pair import TASK, WIDE
from quorate import (
    AssistantAgent,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    MaxMessageTermination,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
    Team,
    conversation,
)
from quorate.chat.messages import BaseChatMessage
from quorate.models import ToolCall
from quorate.testing import ScriptedModel

NAMES = ("writer", "critic")


def team(variant: str, turns: int, size_bytes: int) -> Team:
    """Return a team that ends after so many turns."""
    said = texts(turns, size_bytes)
    until = MaxMessageTermination(turns + 1)
    if variant == "swarm":
        calls = [ToolCall(f"c{n}", f"transfer_to_{NAMES[1 - n // 2 % 2]}", "{}") for n in range(turns)]
        model = ScriptedModel([calls[n] if n % 2 else said[n] for n in range(turns)])
        members = [AssistantAgent(name, model, handoffs=[NAMES[1 - i]]) for i, name in enumerate(NAMES)]
        return Swarm(members, termination_condition=until)
    model = ScriptedModel(said)
    members = [AssistantAgent(name, model, system_message="You work on the text.") for name in NAMES]
    if variant == "roundrobin":
        return RoundRobinGroupChat(members, termination_condition=until)
    if variant == "selector":

        def other(messages: Sequence[BaseChatMessage]) -> str:
            return NAMES[messages[-1].source == NAMES[0]]

        return SelectorGroupChat(members, model, selector_func=other, termination_condition=until)
    if variant == "magentic":
        planner = ScriptedModel(plan(turns, texts(turns, size_bytes, seed=2), NAMES))
        return MagenticOneGroupChat(members, planner, max_turns=turns)
    last = AssistantAgent("printer", model)
    builder = DiGraphBuilder().add_node(members[0]).add_node(members[1]).add_node(last)
    builder.set_entry_point("writer").add_edge("writer", "critic")
    builder.add_edge("critic", "writer", ".").add_edge("critic", "printer", "APPROVE")
    return GraphFlow(builder.get_participants(), builder.build(), termination_condition=until)


def ready(variant: str, turns: int, size_bytes: int) -> Talk:
    """Return a conversation of so many turns."""
    working = team(variant, turns, size_bytes)

    async def talk() -> int:
        result = await working.run(task=TASK, conversation=conversation(), limits=WIDE)
        expect(result.turns == turns, f"{result.turns} turns, {result.stop_reason}")
        return result.turns

    return talk


async def main() -> None:
    """Measure one preset at each length."""
    given = options()
    await emit_turn_costs(given, lambda turns: ready(given.variant, turns, given.size_bytes), times=3)


asyncio.run(main())
