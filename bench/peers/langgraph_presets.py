"""LangGraph: one turn of a loop of two nodes, and of a swarm, by the length of the conversation.

Variants: `best` and `default` for a loop of two nodes with a condition, in its best state and in that of its examples;
`swarm` for two agents of langgraph-swarm, where each says something, then hands over: these with the in-memory
checkpointer; `bare` for the swarm without. Each with the longest conversation: `swarm-100`.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from langgraph_loop import DEFAULT, Lean, Loop
from langgraph_swarm import create_handoff_tool, create_swarm

from benchkit.lengths import Talk, emit_turn_costs, variant_of
from benchkit.script import options
from benchkit.words import texts

NAMES = ("writer", "critic")


class InstantModel(BaseChatModel):
    """Answers at once with the next reply."""

    replies: Any

    @property
    def _llm_type(self) -> str:
        return "instant"

    def bind_tools(self, tools: Any, **_: Any) -> "InstantModel":
        """Take no notice of the tools."""
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=next(self.replies))])

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return self._generate(messages)


def loop(state: Any, turns: int, size_bytes: int) -> Talk:
    """Return a loop of two nodes that return a message and call no model."""
    ready = Loop(state, turns, size_bytes).ready(InMemorySaver())

    async def hold() -> int:
        return answers(await ready())

    return hold


def answers(state: Any) -> int:
    """Count what was answered."""
    return sum(isinstance(message, AIMessage) for message in state["messages"])


def replies(turns: int, size_bytes: int) -> Iterable[AIMessage]:
    """Return texts and handoffs by turns."""
    said = texts(turns, size_bytes)
    for n in range(turns):
        call = ToolCall(name=f"transfer_to_{NAMES[1 - n // 2 % 2]}", args={}, id=f"c{n}")
        yield AIMessage("", tool_calls=[call]) if n % 2 else AIMessage(said[n])


def swarm(saver: InMemorySaver | None, turns: int, size_bytes: int) -> Talk:
    """Return a swarm; it ends when somebody has said something, so that it is called again for each two turns.

    Without a checkpointer it is given all of its state again.
    """
    model = InstantModel(replies=iter([*replies(turns + 1, size_bytes)]))
    agents = [
        create_agent(model, [create_handoff_tool(agent_name=NAMES[1 - n])], name=name) for n, name in enumerate(NAMES)
    ]
    app = create_swarm(agents, default_active_agent=NAMES[0]).compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "talk"}, "recursion_limit": 100}

    async def hold() -> int:
        state = await app.ainvoke({"messages": [HumanMessage("Write about the harbour.")]}, config)
        while (held := answers(state)) < turns:
            state = await app.ainvoke({"messages": []} if saver else state, config)
        return held

    return hold


async def main() -> None:
    """Measure."""
    given = options()
    variant, longest = variant_of(given)

    def ready(turns: int) -> Talk:
        if variant in {"swarm", "bare"}:
            return swarm(InMemorySaver() if variant == "swarm" else None, turns, given.size_bytes)
        return loop(DEFAULT if variant == "default" else Lean, turns, given.size_bytes)

    await emit_turn_costs(given, ready, longest=longest)


asyncio.run(main())
