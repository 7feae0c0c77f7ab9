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

from benchkit.planning import plan
from benchkit.script import Watch, emit, expect, median, options
from benchkit.words import texts

NAMES = ("writer", "critic")
LENGTHS = (10, 100, 1000)
WORK = 100


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


async def turn_s(variant: str, turns: int, size_bytes: int) -> float:
    """Hold conversations of so many turns, one after another, and return the CPU seconds per turn."""
    working = [team(variant, turns, size_bytes) for _ in range(max(1, WORK // turns))]
    with Watch() as watch:
        results = [await each.run(task="Write about the harbour.") for each in working]
    for result in results:
        said = [m for m in result.messages if isinstance(m, BaseChatMessage) and m.source in NAMES]
        expect(len(said) == turns, f"{len(said)} messages, {result.stop_reason}")
    return watch.cpu_s / turns / len(results)


async def main() -> None:
    """Measure after short conversations that warm everything up."""
    given = options()
    await turn_s(given.variant, LENGTHS[0], given.size_bytes)
    figures: dict[str, float] = {}
    for length in LENGTHS:
        turns = length if length == LENGTHS[0] else given.scaled(length)
        times = [
            await turn_s(given.variant, turns, given.size_bytes)
            for _ in range(3 if turns > 200 else given.scaled(9, at_least=1))
        ]
        figures[f"turn_{length}_us"] = 1e6 * median(times)
    emit(**figures)


asyncio.run(main())
