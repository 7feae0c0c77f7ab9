"""A cache store in a file, for all processes of a machine."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from quorate.errors import ConfigError, StoreError
from quorate.models.cache import as_json
from quorate.runs.sqlite.schema import patiently

T = TypeVar("T")

WAIT_S = 10.0
"""How long to wait for another process that writes."""
_TABLE = (
    "CREATE TABLE IF NOT EXISTS cache (key TEXT PRIMARY KEY, value TEXT NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS cache_used ON cache (used)",
)


class DiskCacheStore:
    """Keeps values in an SQLite file; the ones that were not used for longest go first.

    Args:
        path: The file; it is made when it is first needed.
        max_bytes: About how large the file may become.

    Raises:
        ConfigError: `max_bytes` is too small for anything.
    """

    def __init__(self, path: str | Path, *, max_bytes: int = 1_000_000_000) -> None:
        if max_bytes < 100_000:
            raise ConfigError(f"max_bytes={max_bytes} must be at least 100000.")
        self.path, self.max_bytes = Path(path), max_bytes
        self._lock = threading.Lock()
        self._file: sqlite3.Connection | None = None

    async def get(self, key: str) -> Any | None:
        return await asyncio.to_thread(self._with_file, lambda file: _get(file, key))

    async def set(self, key: str, value: Any) -> None:
        text = as_json(value)
        await asyncio.to_thread(self._with_file, lambda file: _set(file, key, text, self.max_bytes))

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _with_file(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._lock:
                if self._file is None:
                    self._file = _opened(self.path)
                return work(self._file)
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}.") from error

    def _close(self) -> None:
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                file.close()


def _opened(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, timeout=WAIT_S, check_same_thread=False, isolation_level=None)
    try:
        patiently(lambda: _prepare(file), for_s=WAIT_S)
    except BaseException:
        file.close()
        raise
    return file


def _prepare(file: sqlite3.Connection) -> None:
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = NORMAL")
    for statement in _TABLE:
        file.execute(statement)


def _get(file: sqlite3.Connection, key: str) -> Any | None:
    found = file.execute("SELECT value FROM cache WHERE key = ?", (key,)).fetchone()
    if found is None:
        return None
    with suppress(sqlite3.OperationalError):  # it is busy or full: the value is there all the same
        file.execute(f"UPDATE cache SET used = ({_NEXT}) WHERE key = ?", (key,))  # noqa: S608  # a constant
    try:
        return json.loads(found[0])
    except ValueError:
        return None


def _set(file: sqlite3.Connection, key: str, text: str, max_bytes: int) -> None:
    file.execute("BEGIN IMMEDIATE")
    try:
        file.execute(f"REPLACE INTO cache VALUES (?, ?, ({_NEXT}))", (key, text))  # noqa: S608  # a constant
        while _size(file) > max_bytes and file.execute(_FORGET).rowcount:
            pass
        file.execute("COMMIT")
    except BaseException:
        file.execute("ROLLBACK")
        raise


def _size(file: sqlite3.Connection) -> int:
    """Return how many bytes of the file are in use."""
    pages, free, each = (
        file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * each


_NEXT = "SELECT coalesce(max(used), 0) + 1 FROM cache"
_FORGET = (
    "DELETE FROM cache WHERE key IN (SELECT key FROM cache ORDER BY used LIMIT (SELECT 1 + count(*) / 10 FROM cache))"
)
