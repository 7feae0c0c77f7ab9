"""What is left of an entry whose payload was erased: no word of it, but its shape and its figures.

The shape keeps the folds whole: who spoke in which turn, which calls there were, what it cost. The digest of what was
there stays in the chain; what is left beside it is not covered by the chain, so it is held to exactly this form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from quorate.runs.entries import ERASED, Payload, tombstone

_KEPT: dict[str, tuple[str, ...]] = {
    "run": ("limits", "app"),
    "resumed": ("limits", "effects"),
    "definition": ("app",),
    "fork": ("of", "effects", "reopens", "message", "step", "replaced"),
    "choice": ("speakers", "stop"),
    "won": ("winners",),
    "intent": ("name", "effect", "kind", "key"),
    "result": ("error", "given_up"),
    "settled": ("by",),
    "question": ("id",),
    "answer": ("happened", "expired", "withdrawn"),
    "steer": ("id",),
    "heard": ("id",),
    "interrupt": ("id",),
    "said": ("origin", "interrupted"),
    "turn": ("given_up", "interrupted"),
    "stop": ("late",),
    "ended": ("outcome", "limit", "cause", "closed", "questions"),
}
"""What is kept of a kind whatever it holds: names and ids, and how it ended."""
_WITH_FIGURES = frozenset({"call", "reply", "retry", "error", "ended"})
_FIGURE = (int, float, bool, type(None))


def erased(kind: str, payload: Payload) -> Payload:
    """Return what is left of a payload. Of what is left, the same is left."""
    left = tombstone(kind)
    left |= {name: payload[name] for name in _KEPT.get(kind, ()) if name in payload}
    if kind in _WITH_FIGURES:
        left |= {name: value for name, value in payload.items() if type(value) in _FIGURE}
    if kind in _SHAPES:
        left |= _SHAPES[kind](payload)
    return {**left, "erased": True}


def _run(payload: Payload) -> Payload:
    return {"task": [_message(message) for message in payload.get("task", ())]}


def _reply(payload: Payload) -> Payload:
    calls = payload.get("calls", ())
    return {"calls": [[call[0], call[1], "{}"] for call in calls]} if calls else {}


def _said(payload: Payload) -> Payload:
    """Keep what items refer to; those that hold a message themselves say that it was erased."""
    items = payload.get("items", ())
    return {"items": [_item(item) for item in items]}


_WORDLESS = {"summary": 2, "structured": 3}
"""How much of an item is no words of somebody."""


def _item(item: Sequence[Any]) -> list[Any]:
    if item[0] == "json":
        return ["json", _message(item[1])]
    return list(item[: _WORDLESS.get(item[0])])


def _choice(payload: Payload) -> Payload:
    return {"say": [_message(message) for message in payload["say"]]} if "say" in payload else {}


def _message(message: Mapping[str, Any]) -> Payload:
    kind = "ThoughtEvent" if str(message.get("type", "")).endswith("Event") else "TextMessage"
    kept = {name: message[name] for name in ("id", "created_at") if name in message}
    return {"type": kind, "source": str(message.get("source", "?")), "content": ERASED, **kept}


_SHAPES: dict[str, Callable[[Payload], Payload]] = {"run": _run, "reply": _reply, "said": _said, "choice": _choice}


def erased_bytes(kind: str, payload: Payload) -> bytes:
    """Return what is left of a payload as a store keeps it."""
    return json.dumps(erased(kind, payload), ensure_ascii=True, separators=(",", ":")).encode()


def is_tombstone(kind: str, data: bytes) -> bool:
    """Whether bytes are what an erasure leaves, and nothing else."""
    try:
        found: Any = json.loads(data)
        return isinstance(found, dict) and erased(kind, cast("Payload", found)) == found
    except (ValueError, TypeError, LookupError, AttributeError):
        return False
