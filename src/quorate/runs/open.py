"""Opening a store by its URL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from quorate.errors import ConfigError
from quorate.runs.clock import Clock
from quorate.runs.entries import Redact
from quorate.runs.memory import MemoryStore

if TYPE_CHECKING:
    from quorate.runs.postgres.store import PostgresStore
    from quorate.runs.sqlite.store import SqliteStore

POSTGRES = ("postgresql://", "postgres://")


def open_store(
    url: str | Path,
    *,
    durability: str = "process",
    clock: Clock | None = None,
    redact: Redact | None = None,
    signing_key: str | Path | None = None,
) -> SqliteStore | PostgresStore | MemoryStore:
    """Open the store at a URL.

    Args:
        url: `sqlite:///work.db` (relative), `sqlite:////var/work.db` (absolute), the path of a SQLite file,
            `postgresql://user@host/database`, or `memory:`.
        durability: What a commit survives: `process`, a killed process; `power`, a power cut too.
        clock: Where time comes from.
        redact: Sees every entry before it is kept.
        signing_key: The file of a key that signs the heads which are given out; see `runs.signing`.

    Raises:
        ConfigError: The URL is of no kind that is known, or the key cannot be used.
        StoreError: It cannot be opened. PostgreSQL is connected to at `async with`, or at the first call.
    """
    text: str = getattr(url, "full", str(url))
    options: dict[str, Any] = {"clock": clock, "redact": redact}
    if signing_key is not None:
        from quorate.runs.signing import Key  # who has no key does not load what reads one

        key = options["signing_key"] = Key(signing_key)
        key.check_signs()
    if durability not in {"process", "power"}:
        raise ConfigError(f"durability={durability!r} is neither 'process' nor 'power'.")
    level: Literal["process", "power"] = "power" if durability == "power" else "process"
    if text == "memory:":
        return MemoryStore(**options)
    if text.startswith(POSTGRES):
        from quorate.runs.postgres.store import PostgresStore

        return PostgresStore(text, durability=level, **options)
    if isinstance(url, Path) or "://" not in text:
        path = text
    elif text.startswith("sqlite:///"):
        path = text.removeprefix("sqlite:///")
    else:
        raise ConfigError(
            f"{text!r} is no store. Write sqlite:///work.db (a file here), postgresql://user@host/database or memory:."
        )
    if path in {"", ":memory:"}:
        raise ConfigError("The store's URL names no file. Write sqlite:///work.db, or memory: to keep nothing.")
    from quorate.runs.sqlite.store import SqliteStore

    return SqliteStore(path, durability=level, **options)
