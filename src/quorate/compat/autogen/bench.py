"""The calls of an assistant's tools: found in its workbenches, made through the door."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, cast

from quorate.chat.messages import BaseAgentEvent, BaseChatMessage
from quorate.compat.autogen.agentchat.base import Handoff
from quorate.compat.autogen.core.models import FunctionExecutionResult
from quorate.compat.autogen.toolbase import StreamTool, ToolSchema
from quorate.compat.autogen.values import FunctionCall
from quorate.compat.autogen.within import pumped
from quorate.compat.autogen.workbench import StaticWorkbench, StreamWorkbench, ToolResult, Workbench
from quorate.compat.autogen.yielding import Tell
from quorate.core.cancellation import CancellationToken
from quorate.errors import ToolError
from quorate.models.blocks import ToolCall
from quorate.models.blocks import ToolResult as NativeResult
from quorate.models.client import ToolSpec
from quorate.runs.scope import scope_here
from quorate.tools.calls import call_tools
from quorate.tools.tool import Tool


class Calls:
    """Knows which tool is where, and makes the calls of a reply side by side.

    Args:
        benches: Where tools are looked for, in order.
        handoffs: Those that hand over, by name.

    Attributes:
        known: What a model is offered, as `offered` returns it, once that stays the same.
    """

    def __init__(self, benches: Sequence[Workbench], handoffs: Mapping[str, Handoff]) -> None:
        self._benches, self._handoffs = benches, handoffs
        self._static = all(type(bench).__module__.startswith("quorate.") for bench in benches)
        self._found: tuple[list[Any], tuple[ToolSpec, ...], dict[str, Workbench]] | None = None
        self.known: tuple[list[Any], tuple[ToolSpec, ...]] | None = None
        if not handoffs and self._static and all(isinstance(b, StaticWorkbench) and b.is_empty for b in benches):
            self._found, self.known = ([], (), {}), ([], ())

    async def offered(self) -> tuple[list[Any], tuple[ToolSpec, ...]]:
        """Return what a model is offered: schemas of tools, then the tools that hand over; and the same as specs."""
        return (await self._listed())[:2]

    async def _listed(self) -> tuple[list[Any], tuple[ToolSpec, ...], dict[str, Workbench]]:
        if self._found is not None:
            return self._found
        tools: list[Any] = []
        places: dict[str, Workbench] = {}
        for bench in self._benches:
            for schema in await bench.list_tools():
                tools.append(schema)
                places.setdefault(schema["name"], bench)
        handing = [handoff.handoff_tool for handoff in self._handoffs.values()]
        specs = tuple([_spec(schema) for schema in [*tools, *(tool.schema for tool in handing)]])
        found = [*tools, *handing], specs, places
        if self._static:  # tools that stay the same are looked at once
            self._found, self.known = found, found[:2]
        return found

    async def make(
        self, calls: Sequence[FunctionCall], token: CancellationToken, tell: Tell
    ) -> list[FunctionExecutionResult]:
        """Make calls side by side and return their results; what streaming tools tell is told as they run."""
        _, _, places = await self._listed()
        told: asyncio.Queue[Any] | None = None
        if any(_may_stream(places.get(call.name), call.name) for call in calls):
            told = asyncio.Queue()
        ids: dict[tuple[str, str], list[str]] = {}
        for call in calls:
            ids.setdefault((call.name, call.arguments), []).append(call.id)
        tools: dict[str, Tool[..., Any]] = {
            call.name: Bound(call.name, places.get(call.name), self._handoffs.get(call.name), told, token, ids)
            for call in calls
        }
        asked = [ToolCall(call.id, call.name, call.arguments) for call in calls]
        if told is not None:
            done: Any = None
            async for item in pumped(_lent(tools, asked), told):
                if isinstance(item, tuple):
                    done = cast("Any", item)[0]  # what it came to
                else:
                    await tell(item)
        else:
            done = await call_tools(tools, asked)
        return [FunctionExecutionResult.of(result) for result in cast("Sequence[NativeResult]", done)]


async def _lent(tools: Mapping[str, Tool[..., Any]], calls: Sequence[ToolCall]) -> Any:
    scope = scope_here()
    if scope is None or scope.leaf:
        return await call_tools(tools, calls)
    with scope.lent():
        return await call_tools(tools, calls)


def _may_stream(bench: Workbench | None, name: str) -> bool:
    if not isinstance(bench, StreamWorkbench):
        return False
    if isinstance(bench, StaticWorkbench):
        return isinstance(bench.find(name), StreamTool)
    return True


def _spec(schema: ToolSchema) -> ToolSpec:
    parameters: Any = schema.get("parameters") or {"type": "object", "properties": {}}
    return ToolSpec(schema["name"], schema.get("description", ""), json.dumps(parameters))


class Running:
    """Marks tools that run agents: what is done in them is journaled step by step, and they make no step themselves."""


class Arguments(dict[str, Any]):
    """Arguments, with the text that they were read from."""

    __slots__ = ("text",)

    def __init__(self, found: Mapping[str, Any], text: str) -> None:
        super().__init__(found)
        self.text = text


class Bound(Tool[..., Any]):
    """A tool in a workbench, a handoff, or what is in neither, as Quorate's calls take it."""

    def __init__(
        self,
        name: str,
        bench: Workbench | None,
        handoff: Handoff | None,
        told: asyncio.Queue[Any] | None,
        token: CancellationToken,
        ids: Mapping[tuple[str, str], list[str]],
    ) -> None:
        self._ids = ids
        self.name, self.description, self.parameters = name, "", ()
        self.effect = "read" if bench is None else "unsafe"
        self.timeout_s = None  # AutoGen's tools have no limit but their run's
        self.reconcile, self.polls, self.attempts = None, False, 1
        self.scope = isinstance(bench, StaticWorkbench) and isinstance(bench.find(name), Running)
        self.approval, self.is_async = None, True
        self._bench, self._handoff, self._told, self._token = bench, handoff, told, token

    def read(self, text: str) -> tuple[dict[str, Any], str]:
        if self._bench is None and self._handoff is None:
            raise ToolError(f"Error: tool '{self.name}' not found in any workbench")
        try:
            found: Any = json.loads(text)
            return Arguments(cast("dict[str, Any]", found), text) if isinstance(found, dict) else found, text
        except ValueError as error:
            raise ToolError(f"Error: {error}") from error

    def run(self, values: dict[str, Any], key: str, late: Any = None) -> Coroutine[Any, Any, Any]:
        return self._run(values)

    def _id_of(self, values: dict[str, Any]) -> str | None:
        """Return the id of a call that is about to be made; of those that are alike, of one that was not made yet."""
        ids = self._ids.get((self.name, values.text)) if isinstance(values, Arguments) else None
        return ids.pop(0) if ids else None

    async def _run(self, values: dict[str, Any]) -> str:
        if self._handoff is not None:
            return self._handoff.message
        bench = self._bench
        assert bench is not None
        result: Any = None
        if self._told is not None and _may_stream(bench, self.name):
            assert isinstance(bench, StreamWorkbench)
            async for result in bench.call_tool_stream(self.name, values, self._token, call_id=self._id_of(values)):
                if isinstance(result, BaseAgentEvent | BaseChatMessage):
                    self._told.put_nowait(result)
                elif not isinstance(result, ToolResult):
                    warnings.warn(
                        f"{self.name} told {type(result).__name__!r} while it ran: only messages and events are shown.",
                        stacklevel=2,
                    )
        else:
            result = await bench.call_tool(self.name, values, self._token, call_id=self._id_of(values))
        assert isinstance(result, ToolResult)
        text = result.to_text()
        if result.is_error:
            raise ToolError(text)
        return text
