"""Microsoft Agent Framework: one turn of each pattern with two agents, in memory, by the length of the conversation.

Variants: `groupchat` (the next speaker by a function), `handoff` (each says something, then hands over), `graph` (a
loop of two agents with a condition), `magentic` (a progress ledger before each turn); each with the longest
conversation: `groupchat-100`.
"""

import asyncio
import logging
from typing import Any

from agent_framework import Agent, AgentExecutor, Content, Workflow, WorkflowBuilder
from agent_framework_orchestrations import GroupChatBuilder, GroupChatState, HandoffBuilder, MagenticBuilder
from maf_client import InstantClient, KeepingClient

from benchkit.lengths import Talk, emit_turn_costs, variant_of
from benchkit.planning import plan
from benchkit.script import expect, options
from benchkit.words import texts

NAMES = ("writer", "critic")


def other(state: GroupChatState) -> str:
    """Choose who did not speak last."""
    return NAMES[state.conversation[-1].author_name == NAMES[0]]


def wider(workflow: Workflow, turns: int) -> Workflow:
    """Return the same with room for so many turns: what the builders make stops after 100 steps, two to most turns."""
    parts, heard = workflow.executors, workflow.get_output_executors()
    start = workflow.get_start_executor()
    builder = WorkflowBuilder(max_iterations=2 * turns + 5, start_executor=start, output_from=[*heard])
    for edge in [edge for group in workflow.edge_groups for edge in group.edges if edge.target_id in parts]:
        if edge.source_id in parts:  # the others bring answers from outside
            builder.add_edge(parts[edge.source_id], parts[edge.target_id])
    return builder.build()


def group_chat(turns: int, size_bytes: int) -> Talk:
    """Return a group chat that ends after so many turns."""
    client = InstantClient(replies=texts(turns, size_bytes))
    members = [Agent(client=client, name=name, instructions="You work on the text.") for name in NAMES]
    workflow = GroupChatBuilder(participants=members, selection_func=other, max_rounds=turns).build()
    return talk(wider(workflow, turns), client)


def handoff(turns: int, size_bytes: int) -> Talk:
    """Return agents that say something and hand over by turns."""
    said = texts(turns, size_bytes)
    calls = [Content.from_function_call(f"c{n}", f"handoff_to_{NAMES[1 - n // 2 % 2]}") for n in range(turns)]
    client = KeepingClient(replies=[calls[n] if n % 2 else said[n] for n in range(turns)])
    members = [Agent(client=client, name=name, require_per_service_call_history_persistence=True) for name in NAMES]
    builder = HandoffBuilder(participants=members, termination_condition=lambda _: client.calls >= turns)
    return talk(wider(builder.with_start_agent(members[0]).with_autonomous_mode().build(), turns), client)


def graph(turns: int, size_bytes: int) -> Talk:
    """Return a loop of two agents; each passes on its own answer only and keeps the history in its session."""
    client = InstantClient(replies=texts(turns, size_bytes))
    writer, critic = (
        AgentExecutor(Agent(client=client, name=name, instructions="You work on the text."), context_mode="last_agent")
        for name in NAMES
    )

    def more(_: Any) -> bool:
        return client.calls < turns

    flow = WorkflowBuilder(start_executor=writer, max_iterations=turns + 5, output_from=[writer, critic])
    return talk(flow.add_edge(writer, critic, condition=more).add_edge(critic, writer, condition=more).build(), client)


def magentic(turns: int, size_bytes: int) -> Talk:
    """Return a planner with two agents."""
    client = InstantClient(replies=texts(turns, size_bytes))
    members = [Agent(client=client, name=name, instructions="You work on the text.") for name in NAMES]
    planning = InstantClient(replies=plan(turns, texts(turns, size_bytes, seed=2), NAMES))
    planner = Agent(client=planning, name="planner")
    workflow = MagenticBuilder(participants=members, manager_agent=planner, max_round_count=turns).build()
    hold = talk(wider(workflow, turns), client)

    async def planned() -> int:
        held = await hold()
        expect(planning.calls == turns + 2, f"{planning.calls} calls of the planner")
        return held

    return planned


def talk(workflow: Workflow, client: InstantClient) -> Talk:
    """Return what holds the conversation and counts the answers."""

    async def hold() -> int:
        await workflow.run("Write about the harbour.")
        return client.calls

    return hold


async def main() -> None:
    """Measure."""
    logging.getLogger("agent_framework_orchestrations").setLevel(logging.CRITICAL)  # that the rounds are over
    given = options()
    variant, longest = variant_of(given)
    made = {"groupchat": group_chat, "handoff": handoff, "graph": graph, "magentic": magentic}[variant]
    await emit_turn_costs(given, lambda turns: made(turns, given.size_bytes), longest=longest)


asyncio.run(main())
