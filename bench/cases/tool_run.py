"""A run of one agent that asks its model, calls a tool and asks its model again."""

import asyncio
from typing import Any

from benchkit.script import Watch, emit, expect, options
from benchkit.words import texts
from quorate import AssistantAgent, conversation, tool
from quorate.models.blocks import ToolCall
from quorate.testing import ScriptedModel


def make_tool(number: int) -> Any:
    """Return a tool with two arguments, named by its number."""

    async def look(shelf: str, place: int) -> str:
        return f"{shelf} {place}"

    return tool(name=f"look_{number}", description="Look what stands on a shelf.")(look)


def replies(runs: int, size_bytes: int) -> list[str | list[ToolCall]]:
    """Return a call and an answer for each run."""
    script: list[str | list[ToolCall]] = []
    for number, text in enumerate(texts(runs, size_bytes)):
        call = ToolCall(id=f"call-{number}", name="look_0", arguments=f'{{"shelf": "s{number}", "place": {number}}}')
        script += [[call], text]
    return script


async def measure(tools: int, runs: int, size_bytes: int) -> float:
    """Return the CPU seconds of one run with that many tools attached, the first left out."""
    model = ScriptedModel(replies(runs, size_bytes))
    agent = AssistantAgent("clerk", model, tools=[make_tool(number) for number in range(tools)])

    async def run() -> None:
        result = await agent.run(task="What stands on the shelf?", conversation=conversation())
        expect(len(result.messages) == 4, f"{len(result.messages)} messages")

    await run()
    with Watch() as watch:
        for _ in range(runs - 1):
            await run()
    return watch.cpu_s / (runs - 1)


async def main() -> None:
    """Measure with one tool and with twenty."""
    given = options()
    one = await measure(1, given.scaled(300), given.size_bytes)
    twenty = await measure(20, given.scaled(100), given.size_bytes)
    emit(one_tool_us=1e6 * one, twenty_tools_us=1e6 * twenty)


asyncio.run(main())
