"""Who holds a conversation in an SQLite file: a process, for as long as its lock lives."""

from __future__ import annotations

import secrets
from pathlib import Path

from filelock import FileLock, Timeout


class Leases:
    """The lock of this process beside a file, and those of the others.

    Attributes:
        holder: What this process is called in the file.
    """

    def __init__(self, path: Path) -> None:
        self._folder = path.with_name(path.name + "-locks")
        self._lock: FileLock | None = None
        self.holder = secrets.token_hex(8)

    def begin(self) -> None:
        """Hold the lock of this process from here on."""
        if self._lock is None:
            self._lock = self._lock_of(self.holder)
            self._lock.acquire(timeout=0)

    def lives(self, holder: str) -> bool:
        """Whether the process of a holder lives: its lock dies with it."""
        lock = self._lock_of(holder)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        _drop(lock)
        return False

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            _drop(self._lock)
            self._lock = None

    def _lock_of(self, holder: str) -> FileLock:
        self._folder.mkdir(exist_ok=True)
        return FileLock(self._folder / f"{holder}.lock", thread_local=False)


def _drop(lock: FileLock) -> None:
    lock.release()
    Path(lock.lock_file).unlink(missing_ok=True)
