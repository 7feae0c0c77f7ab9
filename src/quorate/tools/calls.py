"""Making the tool calls of one reply: side by side, each a step."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quorate.core.lazy import lazy
from quorate.core.tuples import filled
from quorate.errors import ConfigError, Conflict, Denied, Divergence, StoreError, ToolError
from quorate.models.blocks import ToolCall, ToolResult
from quorate.runs import paths
from quorate.runs.entries import MAX_ENTRY_BYTES, Payload
from quorate.runs.journal import Note
from quorate.runs.meter import Halt
from quorate.runs.run import Interrupted, Parked, Run, question_id
from quorate.runs.scope import Scope, current, entered
from quorate.runs.steps import Call, perform
from quorate.tools.approving import is_approved, refusing
from quorate.tools.tool import Tool

if TYPE_CHECKING:
    from quorate.tools import schema
else:
    schema = lazy("quorate.tools.schema")


async def call_tools(tools: Mapping[str, Tool[..., Any]], calls: Sequence[ToolCall]) -> list[ToolResult]:
    """Make all calls of a reply, side by side, and return their results in the order of the calls.

    An unknown tool, arguments that do not fit and whatever a tool raises become results that tell the model.

    Raises:
        Parked: The outcome of a call is unknown; its siblings have finished.
    """
    scope = current.get()
    if scope is None or scope.leaf:
        return [await _directly(tools, call) for call in calls]
    scope.run.check()
    places = [scope.next(call.name) for call in calls]
    if len(calls) == 1:
        return [await _one(scope, places[0], tools, calls[0])]
    found: list[ToolResult | Exception] = [Parked("")] * len(calls)

    async def make(at: int) -> None:
        try:
            found[at] = await _one(scope, places[at], tools, calls[at])
        except Exception as error:  # siblings finish first; raised below
            found[at] = error

    async with asyncio.TaskGroup() as group:
        for at in range(len(calls)):
            group.create_task(make(at))
    for result in found:
        if isinstance(result, Exception):
            raise result
    return [result for result in found if isinstance(result, ToolResult)]


async def _one(scope: Scope, path: str, tools: Mapping[str, Tool[..., Any]], call: ToolCall) -> ToolResult:
    tool = tools.get(call.name)
    approved = tool is None or tool.approval is None or await is_approved(scope, path, tool, call)
    if tool is not None and tool.scope and approved:
        return await _scope(scope, path, tools, call)
    todo = _prepared(scope.run, path, tools, call)
    if approved is not True:
        todo = replace(todo, effect="read", make=refusing(Denied(approved)))
    elif tool is not None and tool.approval is not None:
        todo.approved = True
    said = await perform(scope, path, todo)
    return filled(ToolResult, (call.id, call.name, said["content"], bool(said.get("error"))))


async def _scope(scope: Scope, path: str, tools: Mapping[str, Tool[..., Any]], call: ToolCall) -> ToolResult:
    """Call a tool that is a scope: its steps are journaled each, and when it ends its result closes it."""
    run = scope.run
    closed = next((e for e in run.recorded.get(path, ()) if e.kind == "result"), None)
    if closed is not None and not run.is_replay:
        for inside in [p for p in run.recorded if p == path or paths.below(p, path)]:
            run.recall(inside)
        said = closed.payload
    else:
        run.meter.add_tool_call()
        with entered(Scope(run, path, scope.at)):
            try:
                result = await _directly(tools, call)
            except Interrupted as cut:
                result = ToolResult(call.id, call.name, f"{call.name} was not finished: {cut}", is_error=True)
        run.check_all_met(path)
        entry = run.append(path, "result", {"name": call.name, "content": result.content, "error": result.is_error})
        said, scope.at = entry.payload, max(scope.at, entry.at)
    return ToolResult(call.id, call.name, said["content"], bool(said.get("error")))


def _prepared(run: Run, path: str, tools: Mapping[str, Tool[..., Any]], call: ToolCall) -> Call:
    tool = tools.get(call.name)
    try:
        if tool is None:
            raise ToolError(f"There is no tool {call.name!r}. There are: {', '.join(sorted(tools)) or 'none'}.")
        values, canonical = tool.read(call.arguments)
    except ToolError as error:
        return Call(
            name=call.name, arguments=call.arguments, effect="read", make=refusing(error), outcome=_content,
            kind="result", failed=_problem, counts=True,
        )  # fmt: skip

    def make(key: str) -> Coroutine[Any, Any, Any]:
        if tool.effect != "unsafe":
            return tool.run(values, key)
        attempt = run.attempts.get(path, 1)
        return tool.run(values, key, lambda value: _report_late(run, question_id(run.id, path, attempt), value))

    return Call(
        name=tool.name,
        arguments=canonical,
        effect=tool.effect,
        make=make,
        outcome=_content,
        kind="result",
        failed=_problem,
        reconcile=tool.reconcile,
        timeout_s=tool.timeout_s,
        counts=True,
    )


async def _directly(tools: Mapping[str, Tool[..., Any]], call: ToolCall) -> ToolResult:
    """Call without a step of its own: outside a run, inside a leaf, and for tools that are scopes."""
    if call.name in tools and tools[call.name].approval is not None and not _asked_already():
        raise ConfigError(
            f"A call of {call.name} has to be approved by a person, and inside a step nobody can be asked. Declare the "
            "tool around it @tool(scope=True)."
        )
    try:
        if call.name not in tools:
            raise ToolError(f"There is no tool {call.name!r}. There are: {', '.join(sorted(tools)) or 'none'}.")
        tool = tools[call.name]
        values, _ = tool.read(call.arguments)
        said = _content(await tool.run(values, ""))
    except (Parked, StoreError, Divergence, Halt):
        raise
    except Exception as error:
        said = _problem(error)
    return ToolResult(call.id, call.name, said["content"], bool(said.get("error")))


def _asked_already() -> bool:
    """Whether this is the inside of a tool that is a scope, whose call was approved before."""
    scope = current.get()
    return scope is not None and not scope.leaf


def _content(value: Any) -> Payload:
    text = schema.shown(value)
    if len(text) * 6 > MAX_ENTRY_BYTES:  # a character may take six bytes
        size = len(json.dumps(text, ensure_ascii=False).encode(errors="surrogatepass"))
        if size > MAX_ENTRY_BYTES:
            raise ToolError(
                f"The call was made, but its result has {size} bytes; at most {MAX_ENTRY_BYTES} are kept. "
                "Ask for less, or for a file."
            )
    return {"content": text}


def _problem(error: Exception) -> Payload:
    text = str(error) if isinstance(error, ToolError) else f"{type(error).__name__}: {error}"
    return {"content": text, "error": True}


def _report_late(run: Run, question: str, value: Any) -> None:
    """Put the result of an unsafe call that nobody waits for any more into the inbox, where it settles its intent."""
    note = Note(question, "answer", {"happened": True, "result": schema.shown(value), "late": True})
    with suppress(Conflict, StoreError):  # a person was first, or the store is gone: the question stands
        asyncio.run(run.conversation.store.post(run.conversation.id, note, owner=run.conversation.owner))


def describe(call: ToolCall) -> str:
    """Return a call as a person reads it."""
    try:
        arguments = json.loads(call.arguments)
        inside = ", ".join(f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in arguments.items())
    except (ValueError, AttributeError):
        inside = call.arguments
    return f"{call.name}({inside})"
