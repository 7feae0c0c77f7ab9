"""The journal's format, version 1: what an entry is and which kinds there are.

An entry is never changed. Its payload is plain JSON data, so that another language can read it:

| kind | path | payload |
|---|---|---|
| `run` | root | begins: `task` (dumped messages), `limits`, `definition`, `budgets` that it shares, `prices`, `fresh` |
| `resumed` | root | goes on: `limits`, `effects`, `budgets`, `prices` if new, `fresh` (who starts without its state) |
| `fork` | root | here a fork begins, what is before it is shared: `of`, `effects`, `reopens`, `message`, `replaced` |
| `definition` | root | from here on this definition: `document`, or `app` |
| `choice` | turn | who speaks: `speakers`, `reason`, `note`, `say` (messages), `stop` if nobody, `in`, `out`, `cost` |
| `won` | turn | its wave was a race, and these were enough: `winners`, in the order in which they finished |
| `call` | model step | `model`, `parts`, `base`, `blocks`, `bound`, `cap`, `attempt`, `ledgers`, `near`, `digest` |
| `reply` | model step | what it answered: `text`, `calls`, `thought`, `in`, `out`, `cost` |
| `retry` | step | an attempt failed, another follows: `type`, `message`, `until` (not before); a model's also `in` |
| `intent` | step | about to have an effect: `name`, `arguments`, `effect`, `key`, `attempt`, `timeout_s` |
| `result` | tool step | what the tool said: `content`, `error`; `name` and `arguments` where there was no intent |
| `value` | step | what any other step came to: `value` |
| `error` | step | it raised: `type`, `message` |
| `settled` | step | an open intent did not happen: `by` |
| `question` | step | asked of a person: `id`, `text`, `schema`, `to`, `deadline`, `on_expiry`; `name`, `arguments` |
| `answer` | step | what they said: `value`, `by`; or `expired`, `withdrawn`; of an unknown effect `happened` |
| `assigned` | step | a question was given to somebody else: `to`, `by` |
| `steer` | step of a speech | a person told an agent something on the way: `id`, `text`, `by`, `to` |
| `heard` | in a turn of its own | a person told everybody something between turns: `id`, `text`, `by`, `to` |
| `interrupt` | turn | a person cut the turn short: `id`, `by`, `text` |
| `task` | conversation inside | it begins: `task` (dumped messages, or their places), `remember` if it goes on |
| `outcome` | conversation inside | as `ended`, `wrap_up` in it, or `unwrapped`; one that `failed` can go on |
| `said` | speech | a speech is closed: `items`, `state`, `own`, `unkept`, `origin` where its words are no agent's |
| `turn` | turn | a turn is closed: `given_up` if nobody will finish it, `interrupted` if a person cut it short |
| `stop` | root | somebody outside asked to stop: `reason`, empty with `late`, where the attempt had ended already |
| `pause`, `unpause` | root | a person paused the attempt, or took that back: `id`, `by` |
| `unwrapped` | root | the wrap-up of a run at a limit could not be had: `reason` |
| `ended` | root | an attempt ended: `outcome`, `reason`, figures, `wrap_up` (its step), `needs` (what was too much) |

`own` is what makes what the agent's `save_state` returned of what it returned before (`core/difference.py`); `unkept`
says that it changed attributes that nothing keeps.
An entry that a redaction hook changed has `redacted`.
An erased entry is read with the payload of `tombstone`: `erased`, and what every reader of its kind needs.

A reader lifts older versions, refuses newer ones clearly and keeps kinds that it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from msgspec import Struct

from quorate.errors import ConfigError, StoreError
from quorate.runs import paths

FORMAT = 1
MAX_ENTRY_BYTES = 16 * 1024 * 1024
CLOSING = frozenset({"said", "turn", "outcome", "ended"})
_LAST = CLOSING | {"resumed", "fork"}
"""What comes last on its path in canonical order."""

ERASED = "[erased]"
"""What stands where a text was."""

Payload = dict[str, Any]

_TOMBSTONES: dict[str, Payload] = {
    "run": {"task": [], "limits": {}},
    "choice": {"speakers": [], "reason": ERASED},
    "won": {"winners": []},
    "call": {"model": ERASED, "bound": 0, "cap": 0, "blocks": []},
    "reply": {"text": ERASED, "in": 0, "out": 0},
    "retry": {"type": "ModelError", "message": ERASED},
    "intent": {"name": ERASED, "arguments": ERASED, "effect": "unsafe", "key": ""},
    "result": {"content": ERASED},
    "value": {"value": None},
    "error": {"type": "QuorateError", "message": ERASED},
    "settled": {"by": ERASED},
    "question": {"id": "", "text": ERASED},
    "answer": {"happened": False, "value": None},
    "assigned": {"to": ""},
    "steer": {"id": "", "text": ERASED},
    "heard": {"id": "", "text": ERASED},
    "interrupt": {"id": "", "text": ERASED},
    "task": {"task": []},
    "outcome": {"outcome": "cancelled", "reason": ERASED},
    "said": {"items": []},
    "stop": {"reason": ERASED},
    "ended": {"outcome": "cancelled", "reason": ERASED, "active_s": 0.0},
}


def tombstone(kind: str) -> Payload:
    """Return the payload with which an entry of a kind is read whose own was erased."""
    return {"erased": True, **json.loads(json.dumps(_TOMBSTONES.get(kind, {})))}


LOCAL_OWNER = "local/me"

Later = Callable[[], Payload]
"""Makes a payload, always the same, once somebody reads it."""

Redact = Callable[[str, str, Payload], Payload]
"""Is given path, kind and payload of every entry before it is kept, and returns the payload to keep instead."""


class Entry(Struct, frozen=True, gc=False):
    """One thing that happened.

    `seq` counts the conversation's entries in the order they were written, from 1. `at` is in microseconds since 1970.
    """

    seq: int
    run: int
    path: str
    kind: str
    at: int
    payload: Payload
    version: int = FORMAT


class Draft(NamedTuple):
    """An entry to be written."""

    run: int
    path: str
    kind: str
    payload: Payload


def canonical_order(entry: Entry) -> tuple[int, tuple[tuple[int, str], ...], int]:
    """Return the sort key of canonical order: by run, by path, and on one path as written."""
    return entry.run, paths.sort_key(entry.path, closing=entry.kind in _LAST), entry.seq


def canonical_export(entries: Iterable[Entry]) -> bytes:
    """Return entries as JSON lines in canonical order, without what may vary: sequence, digest, salt and chain.

    Two runs of one definition on the same outcomes and a fake clock give the same bytes, whatever finished first.
    """
    lines: list[str] = []
    for entry in sorted(entries, key=canonical_order):
        said = {name: value for name, value in entry.payload.items() if name != "digest"}
        line = {"run": entry.run, "path": entry.path, "kind": entry.kind, "at": entry.at, "payload": said}
        lines.append(json.dumps(line, ensure_ascii=False, sort_keys=True))
    return "".join(f"{line}\n" for line in lines).encode(errors="surrogatepass")


def run_id(conversation: str, number: int) -> str:
    """Return the id of a conversation's run."""
    return f"{conversation}.{number}"


def split_run_id(text: str) -> tuple[str, int | None]:
    """Return conversation and run number; a text that names no run gives None for the number.

    Raises:
        ConfigError: It is no text.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
        raise ConfigError(f"{text!r} is no id of a run or a conversation: give a text, such as result.run_id.")
    conversation, dot, number = text.rpartition(".")
    return (conversation, int(number)) if dot and number.isdecimal() else (text, None)


def redacted(redact: Redact, path: str, kind: str, payload: Payload) -> Payload:
    """Return the payload to keep, marked `redacted` if it was changed; then a digest, that is of what it was, goes.

    The digest is not shown to the redaction: its digits tell nothing, and may look like what a pattern searches for.
    """
    shown = {name: value for name, value in payload.items() if name != "digest"} if "digest" in payload else payload
    kept = redact(path, kind, shown)
    if kept is shown or json.dumps(kept, default=str) == json.dumps(shown, default=str):
        return payload
    return {**{name: value for name, value in kept.items() if name != "digest"}, "redacted": True}


def check_size(kind: str, payload: Payload) -> None:
    """Refuse a payload that is larger than the format allows.

    Raises:
        StoreError: One of its texts is.
    """
    for name, value in payload.items():
        if type(value) is str and len(value) > MAX_ENTRY_BYTES:
            raise StoreError(
                f"The {name} of a {kind!r} entry has {len(value)} characters; an entry may hold {MAX_ENTRY_BYTES} "
                "bytes. Keep large data in a file and pass its name."
            )
