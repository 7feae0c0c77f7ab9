"""Notice of what comes into an inbox: by LISTEN, or where there is a proxy by looking."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from quorate.errors import ConfigError, StoreError
from quorate.runs.inbox import Note, Watcher
from quorate.runs.postgres.schema import Statements
from quorate.runs.postgres.wire import Driver, Line

LOOK_S = 0.5
"""How often a store behind a proxy looks whether anybody has posted to its runs."""


class Inbox:
    """Tells the runs of one store what waits for them, and what comes.

    Args:
        driver: Knows whether there is a proxy.
        line: Is listened on.
        sql: The statements.
    """

    def __init__(self, driver: Driver, line: Line, sql: Statements) -> None:
        self._driver, self._line, self._sql = driver, line, sql
        self._watchers: dict[int, Watcher] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        line.on_lost = self._tell_all

    def watch(self, key: int, watcher: Watcher) -> None:
        """Tell who watches what waits in the inbox of a conversation, now and as it comes."""
        self._watchers[key] = watcher
        self._start(key)

    def forget(self, key: int) -> None:
        """Tell no more."""
        self._watchers.pop(key, None)

    def _start(self, *keys: int, if_any: bool = False) -> None:
        if keys:
            task = asyncio.get_running_loop().create_task(self._tell(keys, if_any), name="quorate inbox")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _tell_all(self) -> None:
        """Tell everybody, since what came while nobody listened was told to nobody."""
        self._start(*self._watchers)

    async def _tell(self, keys: Sequence[int], if_any: bool) -> None:
        async def fetch(db: Any) -> list[tuple[int, list[Note]]]:
            if self._driver.lease == "lock":
                await db.add_listener(self._sql.channel, self._heard)  # which is done once a connection
            elif if_any:
                return [(row[0], noted(await db.fetch(self._sql.untaken, row[0])))
                        for row in await db.fetch(self._sql.waiting, keys)]  # fmt: skip
            return [(key, noted(await db.fetch(self._sql.untaken, key))) for key in keys]

        with suppress(StoreError, ConfigError):  # who writes next is told
            for key, notes in await self._line.do(fetch):
                watcher = self._watchers.get(key)
                if notes and watcher is not None:
                    watcher.deliver(notes)
        if self._driver.lease == "expiry" and self._timer is None and self._watchers:
            self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        key = int(str(payload))
        if key in self._watchers:
            self._start(key)

    def _look(self) -> None:
        self._timer = None
        self._start(*self._watchers, if_any=True)

    async def close(self) -> None:
        """Tell nobody any more."""
        self._watchers.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


def noted(rows: Iterable[Any]) -> list[Note]:
    """Return notes as they are read from the inbox."""
    return [Note(id, kind, json.loads(data), at) for id, kind, data, at in rows]
