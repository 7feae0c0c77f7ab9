"""The late outcome of an unsafe call: one that nobody waits for any more still tells what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from quorate.errors import ConfigError, Conflict, StoreError
from quorate.runs.entries import Payload
from quorate.runs.inbox import Note
from quorate.runs.journal import Conversation
from quorate.runs.open import open_store
from quorate.runs.run import Run, question_id

Shown = Callable[[object, BaseException | None], tuple[str, Payload] | None]
"""Turns what a call returned, or raised, into kind and payload of the entry to journal; None if it tells nothing."""

_under_way: set[tuple[str, str, str]] = set()
"""Calls of this process that run on though nobody waits for them: threads, which cannot be stopped."""


class Late:
    """Follows an unsafe call that runs in a thread.

    Args:
        run: Whose call it is.
        path: Of the call.
        shown: What to journal for what it came to.
        begin: Is asked right before the call, in its thread, and may refuse it.
    """

    __slots__ = ("_begin", "_key", "_note", "_over", "_path", "_run", "_shown")

    def __init__(self, run: Run, path: str, shown: Shown, begin: Callable[[], None]) -> None:
        self._run, self._path, self._shown, self._begin = run, path, shown, begin
        self._over = False
        self._key, self._note = _key_of(run, path), question_id(run.id, path, run.attempts.get(path, 1))

    def begin(self) -> None:
        """Make sure that the call may still be made.

        Raises:
            Stale: It may not.
        """
        self._begin()

    def left(self) -> None:
        """Note that nobody waits for it any more."""
        _under_way.add(self._key)
        self._run.under_way.add(self._path)
        if self._over:  # while this was noted
            self._end()

    def __call__(self, value: object, error: BaseException | None) -> None:
        """Put its outcome into the inbox, where it settles its intent. Called in its thread."""
        try:
            shown = self._shown(value, error)
            if shown is not None:
                asyncio.run(report(self._run.conversation, self._note, *shown))
        finally:
            self._over = True
            self._end()

    def _end(self) -> None:
        _under_way.discard(self._key)
        self._run.under_way.discard(self._path)


def is_under_way(run: Run, path: str) -> bool:
    """Whether this process is still at a call that a run has left."""
    return bool(_under_way) and _key_of(run, path) in _under_way


def _key_of(run: Run, path: str) -> tuple[str, str, str]:
    store = run.conversation.store
    return store.url or str(id(store)), run.conversation.owner, f"{run.id}/{path}"


async def report(conversation: Conversation, id: str, kind: str, payload: Payload) -> None:
    """Post a late outcome; who answered before, stands."""
    note = Note(id, "answer", {"happened": True, "late": True, "kind": kind, "payload": payload})
    store, owner = conversation.store, conversation.owner
    with suppress(Conflict, StoreError, ConfigError):  # a person was first, or the store is gone: the question stands
        if store.url:  # the run's own may be closed by now, or belong to another event loop
            async with open_store(store.url, clock=store.clock) as fresh:
                await fresh.post(conversation.id, note, owner=owner)
        else:
            await store.post(conversation.id, note, owner=owner)
