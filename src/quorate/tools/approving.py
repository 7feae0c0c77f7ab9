"""Calls that a person has to approve before they are made."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
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
        "text": f"{who} asks to call {tool.name}({canonical}). Approve it?",
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


def refusing(error: ToolError) -> Callable[[str], Coroutine[Any, Any, Any]]:
    """Return what makes a call that is refused."""

    async def refuse(key: str) -> Any:
        raise error

    return refuse
