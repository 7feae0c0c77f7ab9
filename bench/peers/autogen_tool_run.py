"""AutoGen: a run of one agent that asks its model, calls a tool and asks its model again."""

import asyncio
from collections.abc import Awaitable, Callable

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_client import InstantClient
from autogen_core import CancellationToken, FunctionCall
from autogen_core.tools import FunctionTool

from benchkit.script import Watch, emit, expect, options
from benchkit.words import texts


def make_tool(number: int) -> FunctionTool:
    """Return a tool with two arguments, named by its number."""

    async def look(shelf: str, place: int) -> str:
        return f"{shelf} {place}"

    return FunctionTool(look, name=f"look_{number}", description="Look what stands on a shelf.")


def replies(runs: int, size_bytes: int) -> list[str | list[FunctionCall]]:
    """Return a call and an answer for each run."""
    script: list[str | list[FunctionCall]] = []
    for number, text in enumerate(texts(runs, size_bytes)):
        call = FunctionCall(
            id=f"call-{number}", name="look_0", arguments=f'{{"shelf": "s{number}", "place": {number}}}'
        )
        script += [[call], text]
    return script


async def measure(tools: int, runs: int, size_bytes: int) -> float:
    """Return the CPU seconds of one run with that many tools attached."""
    agent = AssistantAgent(
        "clerk",
        InstantClient(replies(runs, size_bytes)),
        tools=[make_tool(number) for number in range(tools)],
        reflect_on_tool_use=True,
    )

    async def run() -> None:
        result = await agent.run(task="What stands on the shelf?")
        expect(isinstance(result.messages[-1], TextMessage), "no final answer")
        await agent.on_reset(CancellationToken())

    return await per_run(run, runs)


async def per_run(run: Callable[[], Awaitable[None]], runs: int) -> float:
    """Return the CPU seconds of one of `runs` calls, the first left out."""
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
