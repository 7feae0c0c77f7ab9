"""AutoGen: one turn of each preset with two assistant agents, in conversations of 10, 100 and 1,000 turns.

Variants as in `cases/presets.py`.
"""

import asyncio
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_client import InstantClient
from autogen_core import FunctionCall

from benchkit.lengths import Talk, emit_turn_costs
from benchkit.planning import plan
from benchkit.script import expect, options
from benchkit.words import texts

NAMES = ("writer", "critic")


def team(variant: str, turns: int, size_bytes: int) -> Any:
    """Return a team that ends after so many turns."""
    until = MaxMessageTermination(turns + 1)
    if variant == "swarm":
        # with events counted, as AutoGen does only where it is told to, a turn would be three messages
        tools = [f"transfer_to_{NAMES[1 - n // 2 % 2]}" for n in range(turns)]
        calls = [FunctionCall(id=f"c{n}", name=name, arguments="{}") for n, name in enumerate(tools)]
        said = texts(turns, size_bytes)
        client = InstantClient([[calls[n]] if n % 2 else said[n] for n in range(turns)])
        members = [AssistantAgent(name, client, handoffs=[NAMES[1 - i]]) for i, name in enumerate(NAMES)]
        return Swarm(list(members), termination_condition=until)
    client = InstantClient(texts(turns, size_bytes))
    members = [AssistantAgent(name, client, system_message="You work on the text.") for name in NAMES]
    if variant == "roundrobin":
        return RoundRobinGroupChat(list(members), termination_condition=until)
    if variant == "selector":
        return SelectorGroupChat(
            list(members), client, selector_func=lambda m: NAMES[m[-1].source == NAMES[0]], termination_condition=until
        )
    if variant == "magentic":
        planner = InstantClient(plan(turns, texts(turns, size_bytes, seed=2), NAMES))
        return MagenticOneGroupChat(list(members), planner, max_turns=turns - 1)  # it lets one more speak
    last = AssistantAgent("printer", client)
    builder = DiGraphBuilder()
    builder.add_node(members[0]).add_node(members[1]).add_node(last)
    builder.set_entry_point("writer").add_edge("writer", "critic")
    builder.add_edge("critic", "writer", condition=".").add_edge("critic", "printer", condition="APPROVE")
    return GraphFlow(builder.get_participants(), builder.build(), termination_condition=until)


def ready(variant: str, turns: int, size_bytes: int) -> Talk:
    """Return a conversation of so many turns."""
    working = team(variant, turns, size_bytes)

    async def talk() -> int:
        result = await working.run(task="Write about the harbour.")
        said = [m for m in result.messages if isinstance(m, BaseChatMessage) and m.source in NAMES]
        expect(len(said) == turns, f"{len(said)} messages, {result.stop_reason}")
        return len(said)

    return talk


async def main() -> None:
    """Measure one preset at each length."""
    given = options()
    await emit_turn_costs(given, lambda turns: ready(given.variant, turns, given.size_bytes), times=3)


asyncio.run(main())
