"""Settling calls whose outcome is unknown: what a run that is opened again does before anything else."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from quorate.runs import paths
from quorate.runs.entries import Entry, Payload
from quorate.runs.inbox import Note
from quorate.runs.pause import pause
from quorate.runs.run import Parked, Run, answers, question_id
from quorate.runs.steps import FRESH_S, Happened, Settlement, reconciled

Reconcile = Callable[[str, Payload], Awaitable[Settlement]]
"""Is given the path of a call and what its intent says, and finds out what happened."""

CLOSED = frozenset({"result", "value", "error", "settled", "retry"})


async def settle(run: Run, reconcile: Reconcile) -> None:
    """Settle the open intents of a run that was opened again, before anything else runs.

    What cannot be settled stays a question in `run.waiting`, or in `run.parked` until somebody who may still be at it
    has had his time.
    """
    for path, entries in sorted(run.recorded.items(), key=lambda item: paths.sort_key(item[0])):
        intents = [e for e in entries if e.kind == "intent"]
        if not intents or entries[-1].kind in CLOSED:
            continue
        run.attempts[path] = len(intents)
        if intents[-1].payload["effect"] == "unsafe":
            await _settle_one(run, path, entries, intents[-1], reconcile)
    await run.journal.commit()


async def _settle_one(run: Run, path: str, entries: list[Entry], last: Entry, reconcile: Reconcile) -> None:
    intent = last.payload
    run.open_intents[path] = intent["name"], intent["arguments"]
    note = await _said(run, path)
    if path in run.unsure and not (note and note.payload.get("late")):
        try:
            await pause(run, path, _over_at(last), f"{intent['name']} may still be under way in another process.")
        except Parked:
            return
        note = await _said(run, path)
    if note is not None:
        entries += take_in(run, path, note)
        return
    known, doubt = await reconciled(run, path, lambda: reconcile(path, intent))
    if known is None:
        asked = next((e for e in entries if e.kind == "question" and e.seq > last.seq), None)
        if asked is not None:
            run.waiting[path] = asked.payload["id"]
        else:
            why = "the process ended during the call"
            await run.ask_about(path, intent["name"], intent["arguments"], f"{why}; {doubt}" if doubt else why)
    elif isinstance(known, Happened):
        entries.append(_happened(run, path, intent.get("kind", "result"), known.result, by="reconcile"))
    else:
        entries.append(_close(run, path, "settled", {"by": "reconcile"}))


def _over_at(intent: Entry) -> int:
    """Return the time by which a call is over that somebody may have made on an intent."""
    return intent.at + round((FRESH_S + intent.payload.get("timeout_s", 0.0)) * 1e6)


async def _said(run: Run, path: str) -> Note | None:
    """Return what the inbox says about an open call: a person's answer, or what came of it late."""
    return (await answers(run.journal)).get(question_id(run.id, path, run.attempts.get(path, 1)))


async def late_outcome(run: Run, path: str) -> Payload | None:
    """Return what came of an open call since nobody waited for it any more, None if nothing did."""
    note = await _said(run, path) if path in run.waiting else None
    if note is None or not note.payload.get("late"):
        return None
    return take_in(run, path, note)[-1].payload


def take_in(run: Run, path: str, note: Note) -> list[Entry]:
    """Take an answer out of the inbox, let it settle the call at a path, and return what was journaled."""
    said = note.payload
    run.take(note)
    answer = run.append(path, "answer", said)
    run.waiting.pop(path, None)
    if not said["happened"]:
        return [answer, _close(run, path, "settled", {"by": "a person"})]
    if "payload" in said:
        return [answer, _close(run, path, said["kind"], said["payload"])]
    intent = next((e for e in run.recorded.get(path, ()) if e.kind == "intent"), None)
    kind = intent.payload.get("kind", "result") if intent else "result"
    return [answer, _happened(run, path, kind, said.get("result"))]


def _happened(run: Run, path: str, kind: str, result: Any, **more: str) -> Entry:
    text = result if isinstance(result, str) else _json(result)
    payload: Payload = {"value": result} if kind == "value" else {"content": text, "error": False}
    return _close(run, path, kind, payload | more)


def _close(run: Run, path: str, kind: str, payload: Payload) -> Entry:
    run.open_intents.pop(path, None)
    return run.append(path, kind, payload)


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)
