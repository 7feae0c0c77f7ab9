"""What importing the usual names costs, which modules that loads, and building an agent with one tool."""

import sys
from collections.abc import Callable, Coroutine
from typing import Any

from benchkit.imports import import_figures, loaded_by
from benchkit.script import Watch, emit, expect, options
from quorate import AssistantAgent, tool
from quorate.testing import ScriptedModel

NAMES = "from quorate import AssistantAgent, RoundRobinGroupChat, tool"
UNWANTED = {
    *("openai", "anthropic", "google.genai", "ollama", "mistralai", "litellm", "xllamacpp", "tiktoken"),
    *("httpx", "httpx2", "httpcore", "requests", "urllib3", "aiohttp", "http.client", "urllib.request"),
    *("sqlalchemy", "opentelemetry.sdk", "rich", "numpy"),
}


def fresh_tool() -> Callable[[str, int], Coroutine[Any, Any, str]]:
    """Return a new function, whose schema nobody can have computed before."""

    async def look(shelf: str, place: int) -> str:
        """Look what stands on a shelf."""
        return f"{shelf} {place}"

    return look


def build_agents(count: int, *, shared: bool) -> float:
    """Return the CPU seconds of building one agent with one tool."""
    model = ScriptedModel([])
    one = fresh_tool()
    functions = [one if shared else fresh_tool() for _ in range(count)]
    with Watch() as watch:
        for function in functions:
            AssistantAgent("clerk", model, tools=[function])
    return watch.cpu_s / count


def ready_agents(count: int) -> float:
    """Return the CPU seconds of building one agent with a new tool whose schema is asked for at once."""
    model = ScriptedModel([])
    functions = [fresh_tool() for _ in range(count)]
    with Watch() as watch:
        for function in functions:
            made = tool(function)
            AssistantAgent("clerk", model, tools=[made])
            expect(bool(made.spec.parameters), "no schema")
    return watch.cpu_s / count


def main() -> None:
    """Measure imports in processes of their own, agents in this one."""
    given = options()
    build_agents(20, shared=False)
    statements = {
        "names": NAMES,
        "pydantic": "import pydantic",  # loads little: pydantic fetches its own names when they are first used
        "basemodel": "from pydantic import BaseModel",
        "model": "from pydantic import BaseModel; type('M', (BaseModel,), {})",
    }
    unwanted = sorted(UNWANTED.intersection(loaded_by(f"import asyncio; {NAMES}")))
    print("unwanted:", *unwanted, file=sys.stderr)
    emit(
        **import_figures(statements, rounds=given.scaled(15, at_least=1)),
        unwanted_modules=len(unwanted),
        agent_us=1e6 * build_agents(given.scaled(500), shared=False),
        agent_shared_tool_us=1e6 * build_agents(given.scaled(500), shared=True),
        ready_agent_us=1e6 * ready_agents(given.scaled(500)),
    )


main()
