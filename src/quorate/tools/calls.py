"""Making the tool calls of one reply: side by side, each a step."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from quorate.core import telemetry
from quorate.core.lazy import lazy
from quorate.core.waiting import TimedOut, is_cancelled, stray, within
from quorate.errors import ConfigError, Denied, Divergence, OutcomeUnknown, StoreError, ToolError
from quorate.models.blocks import ToolCall, ToolResult
from quorate.runs import paths
from quorate.runs.entries import MAX_ENTRY_BYTES, Payload
from quorate.runs.meter import Halt, Spent
from quorate.runs.run import Interrupted, Parked, Run
from quorate.runs.scope import Scope, entered, scope_here
from quorate.runs.settling import late_outcome
from quorate.runs.steps import Call, Stale, check_fresh, perform
from quorate.tools.tool import Tool

if TYPE_CHECKING:
    from quorate.runs import late
    from quorate.tools import approving, schema
else:
    late, approving = lazy("quorate.runs.late"), lazy("quorate.tools.approving")
    schema = lazy("quorate.tools.schema")


async def call_tools(tools: Mapping[str, Tool[..., Any]], calls: Sequence[ToolCall]) -> list[ToolResult]:
    """Make all calls of a reply, side by side, and return their results in the order of the calls.

    An unknown tool, arguments that do not fit and whatever a tool raises become results that tell the model.

    Raises:
        Parked: The outcome of a call is unknown; its siblings have finished.
    """
    scope = scope_here()
    if scope is None or scope.leaf:
        if scope is None and len(calls) > 1:
            return _whole(await _together(calls, lambda at: _directly(tools, calls[at])))
        return [await _inside(scope, tools, call) for call in calls]
    scope.run.check()
    if len(calls) == 1:
        return [await _one(scope, _place(scope, tools, calls[0]), tools, calls[0])]
    places = [_place(scope, tools, call) for call in calls]
    found = await _together(calls, lambda at: _one(scope, places[at], tools, calls[at]))
    for at, result in enumerate(found):
        if isinstance(result, Parked):
            found[at] = result = await _late(scope, places[at], calls[at]) or result
        if isinstance(result, Exception):
            raise result
    return _whole(found)


async def _together(
    calls: Sequence[ToolCall], one: Callable[[int], Coroutine[Any, Any, ToolResult]]
) -> list[ToolResult | Exception]:
    """Make calls side by side, each to its end, and return what each came to."""
    found: list[ToolResult | Exception] = [Parked("")] * len(calls)

    async def make(at: int) -> None:
        try:
            found[at] = await one(at)
        except Exception as error:  # siblings finish first; whoever asked raises it
            found[at] = error
        except asyncio.CancelledError as raised:
            if is_cancelled():
                raise
            found[at] = error = stray(calls[at].name)  # a task group would not tell of it
            error.__cause__ = raised

    async with asyncio.TaskGroup() as group:
        for at in range(len(calls)):
            group.create_task(make(at))
    return found


def _whole(found: Sequence[ToolResult | Exception]) -> list[ToolResult]:
    for result in found:
        if isinstance(result, Exception):
            raise result
    return [result for result in found if isinstance(result, ToolResult)]


def _place(scope: Scope, tools: Mapping[str, Tool[..., Any]], call: ToolCall) -> str:
    """Return the path of a call; what a task of user code calls is told apart by the canonical arguments."""
    return scope.next(call.name, _call_digest, (tools, call))


def _call_digest(of: tuple[Mapping[str, Tool[..., Any]], ToolCall], fingerprint: Callable[[bytes], str]) -> str:
    tools, call = of
    try:
        arguments = tools[call.name].read(call.arguments)[1]
    except (KeyError, ToolError):
        arguments = call.arguments
    return fingerprint(asked_of(call.name, arguments))


def asked_of(name: str, arguments: str) -> bytes:
    """Return what tells a call from others."""
    return f"{name}\n{arguments}".encode(errors="surrogatepass")


async def _late(scope: Scope, path: str, call: ToolCall) -> ToolResult | None:
    """Return the result of a call that came while its siblings were at theirs, None if it did not come yet."""
    said = await late_outcome(scope.run, path)
    return None if said is None else ToolResult(call.id, call.name, said["content"], bool(said.get("error")))


async def _one(scope: Scope, path: str, tools: Mapping[str, Tool[..., Any]], call: ToolCall) -> ToolResult:
    tool = tools.get(call.name)
    approved = tool is None or tool.approval is None or await approving.is_approved(scope, path, tool, call)
    if tool is not None and tool.scope and approved:
        return await _scope(scope, path, tools, call)
    todo = _prepared(scope.run, path, tools, call)
    if approved is not True:
        todo = replace(todo, effect="read", make=approving.refusing(Denied(approved)))
    elif tool is not None and tool.approval is not None:
        todo.approved = True
    said = await perform(scope, path, todo)
    return ToolResult(call.id, call.name, said["content"], bool(said.get("error")))


async def _scope(scope: Scope, path: str, tools: Mapping[str, Tool[..., Any]], call: ToolCall) -> ToolResult:
    """Call a tool that is a scope: its steps are journaled each, and when it ends its result closes it."""
    run = scope.run
    closed = next((e for e in run.recorded.get(path, ()) if e.kind == "result"), None)
    if closed is not None:
        held = [e for p in list(run.recorded) if p == path or paths.below(p, path) for e in run.recall(p)]
        if run.on_recall is not None:
            run.on_recall(run, path, held)
        said = closed.payload
    else:
        run.meter_at(path).add_tool_call()
        with entered(Scope.here(run, path, scope.at)) as inside:
            try:
                result = await _directly(tools, call)
            except Interrupted as cut:
                result = ToolResult(call.id, call.name, f"{call.name} was not finished: {cut}", is_error=True)
        scope.at = max(scope.at, inside.at)
        run.check_all_met(path)
        said: Payload = {"name": call.name, "arguments": call.arguments, "content": result.content}
        entry = run.append(path, "result", said | {"error": result.is_error})
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
            call.name,
            call.arguments,
            "read",
            approving.refusing(error),
            _content,
            kind="result",
            failed=_problem,
            counts=True,
        )

    def make(key: str) -> Coroutine[Any, Any, Any]:
        return tool.run(values, key)

    made = Call(  # in order: by name it takes twice as long
        tool.name, canonical, tool.effect, make, _content, "result", _problem, tool.reconcile, tool.timeout_s,
        tool.attempts, True,
    )  # fmt: skip
    if tool.effect == "unsafe" and not tool.is_async:  # apart: what refers to itself waits for the garbage collector
        made.make = _in_thread(run, path, tool, values, made)
    if telemetry.spans is not None:
        working = made.make
        made.make = lambda key: _seen(working(key), tool, call)
    return made


def _in_thread(
    run: Run, path: str, tool: Tool[..., Any], values: dict[str, Any], call: Call
) -> Callable[[str], Coroutine[Any, Any, Any]]:
    return lambda key: tool.run(values, key, late.Late(run, path, _shown_late, lambda: check_fresh(run, call)))


async def _inside(scope: Scope | None, tools: Mapping[str, Tool[..., Any]], call: ToolCall) -> ToolResult:
    """Call as a part of the step around it: counted with that."""
    if scope is not None:
        scope.run.meter.add_tool_call()
        scope.spend(Spent(0, 0, 0.0, model_calls=0, tool_calls=1))
    return await _directly(tools, call)


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
        made = tool.run(values, "")
        if telemetry.spans is not None:
            made = _seen(made, tool, call)
        said = _content(await (made if tool.scope else within(tool.timeout_s, made)))
    except TimedOut as error:
        said = _problem(TimeoutError(str(error) or f"no answer within {tools[call.name].timeout_s} s"))
    except (Parked, StoreError, Divergence, Halt):
        raise
    except Exception as error:
        said = _problem(error)
    return ToolResult(call.id, call.name, said["content"], bool(said.get("error")))


def _seen(working: Coroutine[Any, Any, Any], tool: Tool[..., Any], call: ToolCall) -> Coroutine[Any, Any, Any]:
    """Return the work on a call in a span."""
    assert telemetry.spans is not None
    return telemetry.spans.tool(working, tool.name, tool.description, call.id, expected=(Parked, Halt, Stale))


def _asked_already() -> bool:
    """Whether this is the inside of a tool that is a scope, whose call was approved before."""
    scope = scope_here()
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


def _shown_late(value: object, error: BaseException | None) -> tuple[str, Payload] | None:
    """Return what to journal of a call that ended when nobody waited for it any more, None if it tells nothing."""
    if isinstance(error, OutcomeUnknown | Stale) or not (error is None or isinstance(error, Exception)):
        return None
    try:
        return "result", _content(value) if error is None else _problem(error)
    except ToolError as large:
        return "result", _problem(large)


def describe(call: ToolCall) -> str:
    """Return a call as a person reads it."""
    try:
        arguments = json.loads(call.arguments)
        inside = ", ".join(f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in arguments.items())
    except (ValueError, AttributeError):
        inside = call.arguments
    return f"{call.name}({inside})"
