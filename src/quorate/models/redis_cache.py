"""A cache store on a Redis server, for many machines."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import urlsplit

from quorate.core.extras import require
from quorate.errors import ConfigError, StoreError
from quorate.models.cache import as_json

URL_ENVIRONMENT = "REDIS_URL"
MONTH_S = 30 * 24 * 3600


class RedisStore:
    """Keeps values on a Redis server, by the official client.

    Args:
        url: The server, `redis://…`, `rediss://…` (TLS) or `unix://…`; None takes what `url_environment` names.
        url_environment: The environment variable that holds the URL: the place for one with a password.
        prefix: What the keys of this cache begin with, so that others may use the same server.
        expires_s: After so many seconds a value is forgotten.
        timeout_s: How long an answer of the server may take.

    Raises:
        MissingExtra: `quorate[redis]` is not installed.
        ConfigError: There is no URL, or it is none of Redis, or a figure is not above 0.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        url_environment: str = URL_ENVIRONMENT,
        prefix: str = "quorate:",
        expires_s: int = MONTH_S,
        timeout_s: float = 5.0,
    ) -> None:
        found = url or os.environ.get(url_environment)
        if not found:
            raise ConfigError(
                f"RedisStore needs a URL. Set {url_environment}, or give one: 'redis://localhost:6379/0'."
            )
        if expires_s < 1 or not timeout_s > 0:
            raise ConfigError(f"expires_s={expires_s} and timeout_s={timeout_s} must be above 0.")
        self.url, self.url_environment, self.prefix = url, url_environment, prefix
        self.expires_s, self.timeout_s = expires_s, timeout_s
        self._redis = require("redis", extra="redis")
        self._where = _shown(found)
        try:
            self._client: Any = require("redis.asyncio", extra="redis").from_url(
                found, decode_responses=True, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
            )
        except ValueError as error:
            raise ConfigError(f"{self._where} is no URL of Redis: {error}") from error

    def __repr__(self) -> str:
        return f"RedisStore({self._where!r})"

    async def get(self, key: str) -> Any | None:
        try:
            text = await self._client.get(self.prefix + key)
        except (self._redis.RedisError, OSError, UnicodeDecodeError) as error:
            raise self._error(error) from error
        try:
            return None if text is None else json.loads(text)
        except ValueError:  # somebody else's
            return None

    async def set(self, key: str, value: Any) -> None:
        text = as_json(value)
        try:
            await self._client.set(self.prefix + key, text, ex=self.expires_s)
        except (self._redis.RedisError, OSError) as error:
            raise self._error(error) from error

    async def close(self) -> None:
        await self._client.aclose()

    def _error(self, error: Exception) -> StoreError:
        return StoreError(f"{self._where}: {error}")


def _shown(url: str) -> str:
    """Return a URL without what is secret in it; nothing of what is none."""
    if "://" not in url:
        return "This"
    parts = urlsplit(url)
    host = f"…@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else parts.netloc
    return f"{parts.scheme}://{host}{parts.path}"
