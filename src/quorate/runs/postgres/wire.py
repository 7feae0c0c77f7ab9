"""Connections to PostgreSQL: where it is, what its errors mean, and what happens when a connection is lost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from quorate.core.extras import require
from quorate.errors import ConfigError, QuorateError, StoreError

CONNECT_S = 10.0
COMMAND_S = 30.0
"""A statement that takes longer is given up with its connection."""
AGAIN_S = 30.0
"""For so long a lost connection is made again before the caller is told."""
EXPIRES_S = 30.0

Lease = Literal["lock", "expiry", ""]
T = TypeVar("T")
Work = Callable[[Any], Awaitable[T]]
"""Is given a connection. It may be called again after the connection was lost, so doing it twice must be harmless."""

_LEASES: dict[str, Lease] = {"": "", "lock": "lock", "expiry": "expiry"}
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class StoreUrl(str):
    """The URL of a store as it may be shown. `open_store` opens it again with what is not shown: the password."""

    __slots__ = ("full",)

    full: str


@dataclass(frozen=True)
class Address:
    """Where a store is, and how its leases work.

    Args:
        dsn: What the driver takes: a URL without our own options.
        name: The URL without password and options, for people.
        schema: The PostgreSQL schema that holds the tables.
        lease: `lock` or `expiry`; empty to find out.
        expires_s: How long after its last sign of life a holder is taken for dead, where its lock cannot be seen.
    """

    dsn: str
    name: str
    schema: str = "quorate"
    lease: Lease = ""
    expires_s: float = EXPIRES_S

    @classmethod
    def of(cls, url: str) -> Address:
        """Read a URL such as `postgresql://ann@db.example:5432/work?schema=quorate`.

        Raises:
            ConfigError: An option has no meaning.
        """
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        schema, asked = options.pop("schema", "quorate"), options.pop("lease", "")
        lease = _LEASES.get(asked)
        expires = options.pop("expires_s", str(EXPIRES_S))
        if not _SCHEMA.fullmatch(schema):
            raise ConfigError(
                f"schema={schema!r} cannot name a schema: small letters, digits and _, as in quorate_test."
            )
        if lease is None:
            raise ConfigError(f"lease={asked!r} is neither 'lock' nor 'expiry'.")
        try:
            expires_s = float(expires)
        except ValueError as error:
            raise ConfigError(f"expires_s={expires!r} is no number of seconds.") from error
        if not 1 <= expires_s <= 86_400:
            raise ConfigError(f"expires_s={expires} must be from 1 second to a day.")
        user, at, host = parts.netloc.rpartition("@")
        dsn = parts._replace(query=urlencode(options, safe="/,")).geturl()
        options.pop("password", None)
        name = parts._replace(netloc=user.partition(":")[0] + at + host, query=urlencode(options, safe="/,")).geturl()
        return cls(dsn, name, schema, lease, expires_s)

    @property
    def url(self) -> StoreUrl:
        """What opens the store again, shown without its password."""
        ours = {"schema": self.schema, "lease": self.lease, "expires_s": f"{self.expires_s:g}"}
        usual = {"schema": "quorate", "lease": "", "expires_s": f"{EXPIRES_S:g}"}
        given = {name: value for name, value in ours.items() if value != usual[name]}
        shown, full = (
            text + ("&" if "?" in text else "?") * bool(given) + urlencode(given) for text in (self.name, self.dsn)
        )
        url = StoreUrl(shown)
        url.full = full
        return url


class Driver:
    """The driver, and what its errors mean.

    Raises:
        MissingExtra: It is not installed.
    """

    def __init__(self, address: Address) -> None:
        self.address, self.lease = address, address.lease
        self._asyncpg: Any = require("asyncpg", extra="postgres")
        known: Any = self._asyncpg.exceptions
        self._passing: tuple[type[Exception], ...] = (
            OSError,  # which time-outs are too
            known.PostgresConnectionError,
            known.AdminShutdownError,
            known.CrashShutdownError,
            known.CannotConnectNowError,
            known.IdleSessionTimeoutError,
            known.TooManyConnectionsError,
            known.ReadOnlySQLTransactionError,  # what was the first server is now a second one
            known.DeadlockDetectedError,
            known.SerializationError,
        )
        self._advice: tuple[tuple[type[Exception], str], ...] = (
            (known.InvalidPasswordError, "Give the password in PGPASSWORD or a password file."),
            (
                known.InvalidAuthorizationSpecificationError,
                "Check the user, and what the server's pg_hba.conf lets in.",
            ),
            (known.InvalidCatalogNameError, "Make the database first: createdb NAME."),
            (known.InsufficientPrivilegeError, "Let an owner of the database open the store once, or GRANT CREATE."),
            (known.DiskFullError, "Free some space on the server, then resume: nothing is lost."),
            (known.ReadOnlySQLTransactionError, "Name the first server, or add ?target_session_attrs=read-write."),
            (known.TooManyConnectionsError, "Raise max_connections, or go through a pooling proxy."),
            (known.PostgresError, "When it is mended, resume: nothing is lost."),
            (TimeoutError, "It did not answer. Check that the server runs, then resume: nothing is lost."),
            (OSError, "Check that the server runs and that the URL is right."),
        )

    async def connect(self) -> Any:
        """Return a new connection, and find out which lease goes there."""
        connection = await self._connect()
        if not self.lease:
            # the status tells how many rows: a proxy hands out process numbers of its own
            text = f"SELECT FROM generate_series(1, 1) WHERE pg_backend_pid() <> {connection.get_server_pid()}"
            self.lease = "expiry" if await connection.execute(text) == "SELECT 1" else "lock"
            if self.lease == "expiry":
                await connection.close()
                connection = await self._connect()
        return connection

    async def _connect(self) -> Any:
        # a proxy may give each transaction another backend, which then does not know a statement that was prepared
        cache = {"statement_cache_size": 0} if self.lease == "expiry" else {}
        return await self._asyncpg.connect(
            self.address.dsn,
            timeout=CONNECT_S,
            command_timeout=COMMAND_S,
            server_settings={"application_name": "quorate"},
            **cache,
        )

    async def apply(self, connection: Any, work: Work[T]) -> T:
        """Do work on a connection; behind a proxy in a transaction, which keeps it on one backend."""
        if self.lease != "expiry":
            return await work(connection)
        async with connection.transaction():
            return await work(connection)

    def passes(self, error: Exception, connection: Any) -> bool:
        """Whether the same may work on a new connection, or a moment later."""
        return isinstance(error, self._passing) or (connection is not None and connection.is_closed())

    def told(self, error: Exception) -> QuorateError:
        """Return what to raise for an error of the driver."""
        said = str(error).strip().rstrip(".") or type(error).__name__
        if isinstance(error, ValueError) and not isinstance(error, OSError):  # the driver could not read the URL
            return ConfigError(f"{self.address.name} is no address of a store: {said}.")
        advice = next((text for kind, text in self._advice if isinstance(error, kind)), "")
        return StoreError(f"{self.address.name}: {said}. {advice}".rstrip())


class Line:
    """One connection, used by one at a time, and made again when it was lost.

    Args:
        driver: Makes it.
        greet: Is done on every new connection before it is used.
    """

    def __init__(self, driver: Driver, greet: Work[None]) -> None:
        self._driver, self._greet = driver, greet
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()
        self._connection: Any = None
        self.known = False
        self.on_lost: Callable[[], None] | None = None

    async def do(self, work: Work[T], *, transaction: bool = True) -> T:
        """Do work on the connection; again on a new one, for a while, when it was lost meanwhile.

        Args:
            work: What to do.
            transaction: Whether it may be in one, which it is behind a proxy.

        Raises:
            StoreError: It failed for another reason, or for too long.
            ConfigError: The URL does not say where the server is.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._drop()
            self._loop, self._turn = loop, asyncio.Lock()
        pause, until = 0.0, 0.0
        async with self._turn:
            while True:
                try:
                    if self._connection is None or self._connection.is_closed():
                        await self._connect()
                    if transaction:
                        return await self._driver.apply(self._connection, work)
                    return await work(self._connection)
                except QuorateError:
                    raise
                except Exception as error:
                    passes = self._driver.passes(error, self._connection)
                    if isinstance(error, OSError):
                        self._drop()  # a statement may still be under way on it
                    until = until or loop.time() + AGAIN_S
                    if not passes or not self.known or loop.time() + pause > until:
                        raise self._driver.told(error) from error
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2 or 0.05)

    async def _connect(self) -> None:
        connection = await self._driver.connect()
        try:
            await self._driver.apply(connection, self._greet)
        except BaseException:
            connection.terminate()
            raise
        self._connection, self.known = connection, True
        connection.add_termination_listener(self._lost)

    def _lost(self, connection: Any) -> None:
        if connection is self._connection and self.on_lost is not None:
            self.on_lost()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(RuntimeError):  # the loop it belonged to is closed
                connection.terminate()

    async def close(self) -> None:
        """Close the connection. May be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None and self._loop is asyncio.get_running_loop():
            try:
                await connection.close(timeout=CONNECT_S)
            except Exception:  # it is gone either way
                connection.terminate()
        elif connection is not None:
            with suppress(RuntimeError):
                connection.terminate()
