"""Whether a process of this machine is dead. A server only sees that a connection is gone, whose process may live."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

DAY_S = 86_400


class Mark:
    """A file, locked as long as the process lives, by which others on this machine know that it does."""

    def __init__(self) -> None:
        self._lock: FileLock | None = None

    def set(self, holder: int) -> None:
        """Begin to show that the process lives."""
        with suppress(OSError):  # nobody will know that it died, and wait a little for it
            if self._lock is None:
                lock = _lock_of(holder)
                Path(lock.lock_file).parent.mkdir(mode=0o700, exist_ok=True)
                lock.acquire(timeout=0)
                self._lock = lock
                _sweep(Path(lock.lock_file).parent)

    @staticmethod
    def known_dead(holder: int) -> bool:
        """Whether a holder was a process of this machine and is no more."""
        lock = _lock_of(holder)
        if not Path(lock.lock_file).exists():
            return False
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            return False
        lock.release()
        return True

    def remove(self) -> None:
        """End it. May be called twice."""
        if self._lock is not None:
            _remove(self._lock)
            self._lock = None


def _lock_of(holder: int) -> FileLock:
    return FileLock(Path(tempfile.gettempdir(), "quorate-holders", f"{holder:x}.lock"), thread_local=False)


def _sweep(folder: Path) -> None:
    """Remove what processes left that died a day ago or more."""
    for path in folder.glob("*.lock"):
        with suppress(OSError, Timeout):
            if path.stat().st_mtime < time.time() - DAY_S:  # noqa: TID251  # it is compared with a file's
                lock = FileLock(path, thread_local=False)
                lock.acquire(timeout=0)
                _remove(lock)


def _remove(lock: FileLock) -> None:
    lock.release()
    with suppress(OSError):
        Path(lock.lock_file).unlink()
