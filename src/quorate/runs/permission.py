"""Calls that a person allows before they are made: in a fork what is done once more may be one time too many."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quorate.runs.entries import Payload
from quorate.runs.history import OUTCOMES
from quorate.runs.questions import put
from quorate.runs.run import Interrupted, question_id
from quorate.runs.scope import Scope
from quorate.runs.shapes import Shape

if TYPE_CHECKING:
    from quorate.runs.steps import Call

PERMIT: Payload = {
    "anyOf": [
        {"type": "boolean"},
        {"type": "object", "properties": {"result": {}}, "required": ["result"], "additionalProperties": False},
        {"type": "string", "minLength": 1},
    ]
}
"""True allows the call; `{"result": …}` is what it comes to instead; False refuses it, and so does any text: why."""
_MADE = OUTCOMES | {"intent"}


async def permission(scope: Scope, path: str, call: Call) -> tuple[str, Payload] | None:
    """Return None once the call at a path may be made, else kind and payload of what it comes to instead.

    Raises:
        Parked: A person was asked and has not answered.
        Conflict: Another call was put before a person here.
    """
    run = scope.run
    recorded = run.recorded.get(path, ())
    if any(entry.kind in _MADE for entry in recorded):
        return None
    said: Payload = {
        "text": f"May {call.name}({call.arguments}) be called? This is a fork: it may have been done before.",
        "name": call.name, "arguments": call.arguments, "approval": True, "permit": True, "schema": PERMIT,
    }  # fmt: skip
    try:
        answer = await put(scope, path, question_id(run.id, f"{path}/permission"), said, Shape(PERMIT))
    except Interrupted:
        return None  # no step is made any more, this one neither
    return None if answer is True else _instead(call, answer)


def _instead(call: Call, answer: Any) -> tuple[str, Payload]:
    """Return what a call comes to that is not made."""
    given = isinstance(answer, dict)
    value: Any = answer["result"] if given else None  # pyright: ignore[reportUnknownVariableType]: it is JSON
    refusal = f"{call.name} was refused by a person{f': {answer}' if answer else ''}."
    if call.kind == "value":
        return ("value", {"value": value}) if given else ("error", {"type": "Denied", "message": refusal})
    said: Payload = {"name": call.name, "arguments": call.arguments}
    if not given:
        return call.kind, said | {"content": refusal, "error": True}
    return call.kind, said | {"content": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}
