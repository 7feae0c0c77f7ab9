"""What is removed from a store: entries that are erased, conversations that are deleted, and those that are due."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from typing import NamedTuple

from quorate.errors import ConfigError, Conflict
from quorate.runs import paths
from quorate.runs.entries import LOCAL_OWNER, Entry, run_id
from quorate.runs.erasing import erased
from quorate.runs.history import RunRecord, fold
from quorate.runs.journal import Store, Summary

PAGE = 500
ATTEMPTS = ("run", "resumed", "fork", "ended")
"""The entries that say how runs began and ended."""


class Erased(NamedTuple):
    """What was erased of a conversation: how many entries, and how many of those that were meant had been before."""

    entries: int
    before: int


async def erase(
    store: Store,
    conversation: str,
    *,
    run: int | None = None,
    under: Sequence[str] = (),
    entries: Collection[int] = (),
    owner: str = LOCAL_OWNER,
) -> Erased:
    """Erase the words of a conversation, and what was computed from them; its shape and figures stay.

    Args:
        store: Where it is.
        conversation: Its id.
        run: Only of this run.
        under: Only what is at these paths, or below them.
        entries: Only these, by their numbers.
        owner: Whose it is.

    Raises:
        ConfigError: There is no such conversation, run, path or entry.
        Conflict: It is going on, or an entry is needed to settle an effect or to answer a question.
        StoreError: Traces may be left, since another program uses the store; nothing of it can be read, though.
    """
    there = await store.read(conversation, owner=owner)
    chosen = _chosen(conversation, there, run, under, entries)
    for record in fold(there).values():
        _check_settled(conversation, record, chosen)
    left = [e for e in chosen if "erased" not in e.payload]
    with_words = [e for e in left if erased(e.kind, e.payload) != {**e.payload, "erased": True}]
    count = await store.erase(conversation, [e.seq for e in with_words], owner=owner)
    await store.scrub()
    return Erased(count, len(chosen) - len(left))


def _chosen(
    conversation: str, there: Sequence[Entry], run: int | None, under: Sequence[str], entries: Collection[int]
) -> list[Entry]:
    if not there:
        raise ConfigError(f"There is no conversation {conversation} here. `quorate conversations` lists them.")
    chosen = [e for e in there if run is None or e.run == run]
    for path in under:
        if not any(_is_under(e.path, path) for e in chosen):
            raise ConfigError(f"{conversation} has nothing at the path {path!r}. `quorate show --entries` lists paths.")
    missing = sorted(set(entries) - {e.seq for e in chosen})
    if missing:
        where = conversation if run is None else run_id(conversation, run)
        raise ConfigError(f"{where} has no entry {missing[0]}. `quorate show --entries` lists them.")
    if entries or under:
        chosen = [e for e in chosen if e.seq in entries or any(_is_under(e.path, path) for path in under)]
    return chosen


def _is_under(path: str, top: str) -> bool:
    return path == top or paths.below(path, top)


def _check_settled(conversation: str, record: RunRecord, chosen: Sequence[Entry]) -> None:
    """Refuse to erase what is needed to settle an effect or to answer a question."""
    numbers = {e.seq for e in chosen}
    for entry in (*record.intents.values(), *record.questions.values()):
        if entry.seq in numbers and not (entry.kind == "intent" and entry.payload["effect"] == "read"):
            run = run_id(conversation, record.number)
            raise Conflict(
                f"Entry {entry.seq} of {conversation} is an open {entry.kind}: without it nobody can settle it. "
                f"`quorate resume {run}` settles it, or asks. Then erase, or delete the conversation."
            )


async def delete(store: Store, conversation: str, *, owner: str = LOCAL_OWNER) -> None:
    """Delete a conversation; what forks of it share stays theirs.

    Raises:
        ConfigError: There is none.
        Conflict: It is going on.
        StoreError: Traces may be left, since another program uses the store.
    """
    if not await store.delete(conversation, owner=owner):
        raise ConfigError(f"There is no conversation {conversation} here. `quorate conversations` lists them.")
    await store.scrub()


async def due(store: Store, before_us: int, *, owner: str = LOCAL_OWNER) -> AsyncGenerator[Summary]:
    """Yield the finished conversations whose last entry is older, the latest first.

    Finished is one whose last run ended, and neither waits nor leaves an effect open; one that was interrupted is not.
    """
    before = Summary("", owner, 0, before_us)
    while page := await store.conversations(owner=owner, before=before, limit=PAGE):
        before = page[0]
        for summary in reversed(page):
            records = fold(await store.read(summary.id, owner=owner, kinds=ATTEMPTS))
            if all(_is_finished(record) for record in records.values()):
                if not await store.is_held(summary.id, owner=owner):
                    yield summary


def _is_finished(record: RunRecord) -> bool:
    outcome = record.outcome
    return outcome is not None and outcome.kind != "waiting" and not (outcome.questions or outcome.open_intents)
