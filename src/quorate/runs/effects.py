"""The ledger of effects: each call that is more than a read, with what is known of it; a pure fold over the journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from quorate.errors import ConfigError
from quorate.runs import paths
from quorate.runs.entries import LOCAL_OWNER, Entry, run_id, split_run_id
from quorate.runs.journal import Store
from quorate.runs.steps import Effect

State = Literal["done", "late", "raised", "did not happen", "given up", "unknown", "under way"]
"""`late`: done, as became known when nobody waited any more. `raised`: it failed with an error, which is an outcome."""


@dataclass(frozen=True, slots=True)
class EffectRecord:
    """A call that was announced before it was made.

    Args:
        run_id: Of the run.
        path: Where in the run.
        name: Of the tool or step.
        arguments: Canonical JSON of its arguments; empty for a step.
        effect: `idempotent` or `unsafe`.
        key: The operation key, the same for all attempts.
        attempts: How often it was announced.
        state: What is known of the last attempt.
        by: Who knows: `the call` itself, `reconcile`, `a person`, `a late result`; empty where nobody does.
        result: What it came to, as it was journaled; None where nothing is known.
        question: The id of the question that was asked about it last, if any.
        announced_at: When it was announced first, in microseconds since 1970.
        settled_at: When its state became known; None where it is not.
    """

    run_id: str
    path: str
    name: str
    arguments: str
    effect: Effect
    key: str
    attempts: int
    state: State
    by: str = ""
    result: Any = None
    question: str = ""
    announced_at: int = 0
    settled_at: int | None = None


async def effects(id: str, *, store: Store, owner: str = LOCAL_OWNER) -> list[EffectRecord]:
    """Return what the runs of a conversation did to the world, or one of them, in canonical order.

    Args:
        id: Of a run or a conversation.
        store: Where it is kept.
        owner: Whose it is.

    Raises:
        ConfigError: There is no such run.
    """
    conversation, number = split_run_id(id)
    entries = await store.read(conversation, owner=owner)
    numbers = {entry.run for entry in entries}
    if not entries or (number is not None and number not in numbers):
        raise ConfigError(f"There is no run and no conversation {id} here. `quorate runs` lists them.")
    held = max(numbers) if await store.is_held(conversation, owner=owner) else 0
    return ledger(conversation, (e for e in entries if number in {None, e.run}), held=held)


def ledger(conversation: str, entries: Iterable[Entry], *, held: int = 0) -> list[EffectRecord]:
    """Return the effects that entries tell of; `held` is the number of the run that a living process is at, if any."""
    found: dict[tuple[int, str], EffectRecord] = {}
    for entry in entries:
        at = entry.run, entry.path
        known = found.get(at)
        if entry.kind == "intent":
            found[at] = _announced(conversation, entry, known, under_way=entry.run == held)
        elif known is not None:
            found[at] = _after(known, entry)
    return [found[at] for at in sorted(found, key=lambda at: (at[0], paths.sort_key(at[1])))]


def _announced(conversation: str, entry: Entry, before: EffectRecord | None, *, under_way: bool) -> EffectRecord:
    said = entry.payload
    return EffectRecord(
        run_id(conversation, entry.run), entry.path, said["name"], said["arguments"], said["effect"], said["key"],
        before.attempts + 1 if before else 1,
        "under way" if under_way else "unknown",
        announced_at=before.announced_at if before else entry.at,
    )  # fmt: skip


def _after(known: EffectRecord, entry: Entry) -> EffectRecord:
    """Return what is known of a call after another entry at its path."""
    kind, said = entry.kind, entry.payload
    if kind == "question":
        return replace(known, state="unknown", question=said["id"])
    if kind == "answer" and "happened" in said:
        return replace(known, by="a late result" if said.get("late") else "a person")
    if kind == "settled":
        return replace(known, state="did not happen", by=known.by or said["by"], settled_at=entry.at)
    if kind in {"error", "retry"}:
        text = f"{said['type']}: {said['message']}"
        return replace(known, state="raised", by="the call", result=text, settled_at=entry.at)
    if kind not in {"result", "value"}:
        return known
    if said.get("given_up"):
        return replace(known, state="given up", settled_at=entry.at)
    state: State = "raised" if said.get("error") else "late" if known.by == "a late result" else "done"
    result = said.get("content") if kind == "result" else said.get("value")
    by = known.by or said.get("by", "the call")
    return replace(known, state=state, by=by, result=result, settled_at=entry.at)
