"""Tools that come together: those that stay, and those that are asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from quorate import AssistantAgent, replay, tool
from quorate.errors import ConfigError, ToolError
from quorate.models.blocks import ToolCall
from quorate.models.client import ToolSpec
from quorate.runs.memory import MemoryStore
from quorate.testing import ScriptedModel
from quorate.tools.workbench import StaticWorkbench, ToolOverride

SCHEMA = '{"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"integer"}},"required":["a"]}'


@tool(effect="read")
async def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


class Server:
    """A workbench elsewhere."""

    effects: Mapping[str, str] = {"double": "read"}

    def __init__(self, *names: str) -> None:
        self.names = names or ("double", "wipe")
        self.listed = 0
        self.calls: list[tuple[str, Mapping[str, Any]]] = []

    async def list_tools(self) -> Sequence[ToolSpec]:
        self.listed += 1
        return [ToolSpec(name, "", SCHEMA) for name in self.names]

    async def call_tool(self, name: str, arguments: Mapping[str, Any]) -> Any:
        self.calls.append((name, arguments))
        if arguments["a"] < 0:
            raise ToolError("Not below 0.")
        return {"is": arguments["a"] * 2}


def call(name: str, arguments: str, id: str = "1") -> ToolCall:
    return ToolCall(id, name, arguments)


def agent(lines: Any, bench: Any, **options: Any) -> AssistantAgent:
    return AssistantAgent("a", ScriptedModel(lines), workbench=bench, **options)


def results(one: AssistantAgent, request: int = 1) -> list[tuple[str, bool]]:
    model: Any = one.model_client
    return [(r.content, r.is_error) for r in model.requests[request].blocks[-1].results]


async def test_static_tools_are_the_agents_own_under_other_names() -> None:
    bench = StaticWorkbench([add], {"add": ToolOverride(name="plus", description="Sum up.")})
    one = agent([call("plus", '{"a": 2}'), "3"], [bench, StaticWorkbench([len_of])])

    await one.run("Add.")

    model: Any = one.model_client
    assert [(s.name, s.description) for s in model.requests[0].tools] == [("plus", "Sum up."), ("len_of", "Measure.")]
    assert results(one) == [("3", False)]
    assert [s.name for s in await bench.list_tools()] == ["plus"]
    assert await bench.call_tool("plus", {"a": 5, "b": 2}) == 7
    with pytest.raises(ToolError, match="no tool 'add'"):
        await bench.call_tool("add", {})


@tool(effect="read")
def len_of(text: str) -> int:
    """Measure."""
    return len(text)


async def test_tools_of_a_server_are_offered_checked_and_called() -> None:
    server = Server()
    calls = [call("double", '{"a": 2}'), call("double", '{"a": "x"}', "2"), call("wipe", '{"a": -1}', "3")]
    one = agent([calls, "Done."], server, tools=[add])

    await one.run("Go.")

    model: Any = one.model_client
    assert [s.name for s in model.requests[0].tools] == ["add", "double", "wipe"]
    first, second, third = results(one)
    assert (json.loads(first[0]), third) == ({"is": 4}, ("Not below 0.", True))
    assert "The arguments of double do not fit: " in second[0]
    assert server.calls == [("double", {"a": 2}), ("wipe", {"a": -1})]


async def test_it_is_asked_again_each_turn_and_may_have_other_tools_then() -> None:
    server = Server("double")
    one = agent(["Hello.", "Hello again."], server)

    await one.run("Hi.")
    server.names = ("triple",)
    await one.run("Hi.")

    model: Any = one.model_client
    assert [[s.name for s in r.tools] for r in model.requests] == [["double"], ["triple"]]


async def test_replay_asks_and_calls_nothing() -> None:
    # ENGINE 4: what tools there were, and what they came to, is in the journal; ENGINE 2: the canonical arguments too
    store, server = MemoryStore(), Server()
    lines = [[call("double", '{"b": 1, "a": 2}'), call("wipe", '{"a": 3}', "2")], "Done."]
    await agent(lines, server).run("Go.", conversation=store.conversation("talk"))
    gone = Server("other")

    report = await replay("talk", team=agent([], gone), store=store)

    assert report.identical
    assert (gone.listed, gone.calls) == (0, [])
    intents = [e.payload for e in await store.read("talk") if e.kind == "intent"]
    assert [(i["name"], i["effect"]) for i in intents] == [("wipe", "unsafe")], "what only reads has none"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: agent([], object()), "is no workbench"),
        (lambda: agent([], StaticWorkbench([add]), tools=[add]), "two tools named 'add'"),
        (lambda: StaticWorkbench([add, len_of], {"add": ToolOverride(name="len_of")}), "would be named 'len_of'"),
        (lambda: StaticWorkbench([add], {"ad": ToolOverride()}), "there is no tool 'ad'"),
    ],
)
def test_what_does_not_go_together_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()


async def test_names_that_clash_at_run_time_are_an_error() -> None:
    with pytest.raises(ConfigError, match="a has two tools named 'add'"):
        await agent(["x"], Server("add"), tools=[add]).run("Go.")
