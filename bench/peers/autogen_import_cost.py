"""AutoGen: what importing the usual names costs, and building an agent with one tool."""

from collections.abc import Callable, Coroutine
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_client import InstantClient
from autogen_core.tools import FunctionTool

from benchkit.imports import import_figures
from benchkit.script import Watch, emit, expect, options

NAMES = (
    "from autogen_agentchat.agents import AssistantAgent; "
    "from autogen_agentchat.teams import RoundRobinGroupChat; from autogen_core.tools import FunctionTool"
)


def fresh_tool() -> Callable[[str, int], Coroutine[Any, Any, str]]:
    """Return a new function, whose schema nobody can have computed before."""

    async def look(shelf: str, place: int) -> str:
        """Look what stands on a shelf."""
        return f"{shelf} {place}"

    return look


def build_agents(count: int, *, shared: bool) -> float:
    """Return the CPU seconds of building one agent with one tool."""
    client = InstantClient([])
    one = fresh_tool()
    functions = [one if shared else fresh_tool() for _ in range(count)]
    with Watch() as watch:
        for function in functions:
            AssistantAgent("clerk", client, tools=[function])
    return watch.cpu_s / count


def ready_agents(count: int) -> float:
    """Return the CPU seconds of building one agent with a new tool whose schema is asked for at once."""
    client = InstantClient([])
    functions = [fresh_tool() for _ in range(count)]
    with Watch() as watch:
        for function in functions:
            made = FunctionTool(function, description="Look what stands on a shelf.")
            AssistantAgent("clerk", client, tools=[made])
            expect(bool(made.schema), "no schema")
    return watch.cpu_s / count


def main() -> None:
    """Measure imports in processes of their own, agents in this one."""
    given = options()
    build_agents(20, shared=False)
    emit(
        **import_figures({"names": NAMES, "pydantic": "import pydantic"}, rounds=given.scaled(15, at_least=3)),
        agent_us=1e6 * build_agents(given.scaled(500), shared=False),
        agent_shared_tool_us=1e6 * build_agents(given.scaled(500), shared=True),
        ready_agent_us=1e6 * ready_agents(given.scaled(500)),
    )


main()
