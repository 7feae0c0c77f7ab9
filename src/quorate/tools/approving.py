"""Calls that a person has to approve before they are made."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from quorate.errors import Expired, ToolError
from quorate.models.blocks import ToolCall
from quorate.runs import paths
from quorate.runs.entries import Payload
from quorate.runs.questions import deadline_at, put
from quorate.runs.run import Interrupted, question_id
from quorate.runs.scope import Scope
from quorate.runs.shapes import Shape
from quorate.tools.tool import Tool

ANSWER: Payload = {"anyOf": [{"type": "boolean"}, {"type": "string", "minLength": 1}]}
"""True approves; False refuses, and so does any text, which is why."""


async def is_approved(scope: Scope, path: str, tool: Tool[..., Any], call: ToolCall) -> bool | str:
    """Ask a person to approve a call, or read what was answered.

    The approval is of exactly this call: it stands in the journal at the call's own path, before its intent, with tool
    and canonical arguments.

    Returns:
        True, or why the call is not to be made.
    """
    assert tool.approval is not None
    try:
        canonical = tool.read(call.arguments)[1]
    except ToolError:
        return True  # it is refused anyway
    who, id = (
        paths.elements(scope.path)[-1][1] if scope.path else "The run",
        question_id(scope.run.id, f"{path}/approval"),
    )
    said: Payload = {
        "text": f"{who} asks to call {_legible(tool.name, canonical)}Approve it?",
        "name": tool.name, "arguments": canonical, "approval": True, "schema": ANSWER,
    }  # fmt: skip
    if tool.approval.to:
        said["to"] = tool.approval.to
    if tool.approval.deadline is not None:
        said["deadline"] = deadline_at(tool.approval.deadline, scope.at)
    try:
        answer = await put(scope, path, id, said, Shape(ANSWER))
    except Expired:
        answer = "Nobody approved it in time."
    except Interrupted:
        return True  # no step is made any more, this one neither
    if answer is True:
        return True
    why = f": {answer.rstrip('.')}" if answer else ""
    return f"{tool.name} was not approved{why}. Ask for something smaller, or go on without."


def _legible(name: str, canonical: str) -> str:
    """Return a call as a person reads it: on a line, or, where an argument has lines, such as code, with those."""
    leaves = list(_leaves(json.loads(canonical), "")) if "\\n" in canonical else []
    if not any(isinstance(value, str) and "\n" in value for _, value in leaves):
        return f"{name}({canonical}). "
    return "\n".join([f"{name}:", *(line for at, value in leaves for line in _lines(at, value)), ""])


def _leaves(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    """Yield what is in arguments, each with where it is: `blocks[0].code`."""
    inside: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        inside = [(f"{at}.{key}" if at else str(key), part) for key, part in value.items()]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]: it is JSON
    elif isinstance(value, list):
        inside = [(f"{at}[{i}]", part) for i, part in enumerate(value)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]: the same
    if not inside:
        yield at, value
    for where, part in inside:
        yield from _leaves(part, where)


def _lines(at: str, value: Any) -> Iterator[str]:
    """Yield the lines that show an argument; no line of a text can pass for one of the question."""
    if not (isinstance(value, str) and "\n" in value):
        yield f"  {_plain(at)} = {json.dumps(value, ensure_ascii=False)}"
        return
    yield f"  {_plain(at)} ="
    yield from (f"  | {_plain(line)}" for line in value.removesuffix("\n").split("\n"))


def _plain(text: str) -> str:
    """Return a text without what a terminal would obey, or would show elsewhere than it stands."""
    return "".join(c if c.isprintable() or c == "\t" else ascii(c)[1:-1] for c in text)


def refusing(error: ToolError) -> Callable[[str], Coroutine[Any, Any, Any]]:
    """Return what makes a call that is refused."""

    async def refuse(key: str) -> Any:
        raise error

    return refuse
