"""The llama.cpp engine inside this process: each model file is loaded once, and answers one request at a time.

One at a time is no loss where requests would share the same cores, and it keeps answers exact: requests that llama.cpp
computes side by side change each other's rounding, and then a seed no longer gives the same text.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from quorate.core.extras import require
from quorate.errors import ConfigError, ModelError
from quorate.models import weights

Chunk = dict[str, Any]
"""A piece of an answer as the engine gives it, in the form of an OpenAI chunk."""

BATCH_TOKENS = 32
"""How much of a prompt is computed in one go, which cannot be stopped: 0.3 s of the small model on one core."""

CACHE_MIB = 256
"""What may be kept of earlier prompts, so that agents who take turns do not compute theirs again and again."""


def cores() -> int:
    """Return how many threads compute: one less than there are, since llama.cpp's wait for each other spinning."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, usable - 1)


def parameters(library: ModuleType, path: Path, context_window: int) -> Any:
    """Return the settings that a model is loaded with, here and in a server of its own.

    Raises:
        ConfigError: There is no such file, or it is no GGUF.
    """
    weights.check_gguf(path)
    chosen = library.CommonParams()
    chosen.model.path = str(path)
    chosen.n_ctx, chosen.n_parallel = context_window, 1
    chosen.n_batch = chosen.n_ubatch = BATCH_TOKENS
    chosen.cpuparams.n_threads = chosen.cpuparams_batch.n_threads = cores()
    chosen.cache_ram_mib = CACHE_MIB
    chosen.warmup, chosen.ui, chosen.verbosity = False, False, 0
    return chosen


def listen_at(settings: Any, host: str) -> None:
    """Set where a server listens: a host, or the path of a socket that ends in `.sock`."""
    if hasattr(settings, "hostnames"):
        settings.hostnames = [host]
    else:  # before xllamacpp 2026.10
        settings.hostname = host


class Engine:
    """A model file, loaded at its first request in the thread that then computes its answers."""

    def __init__(self, path: Path, context_window: int) -> None:
        self.path = path
        self.users = 0
        self._context_window = context_window
        self._library = require("xllamacpp", extra="embedded")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="quorate-embedded")
        self._server: Any = None

    def generate(self, body: dict[str, Any]) -> Generation:
        """Return the answer to a request; its context starts it, and stops it when left."""
        return Generation(self, body)

    def submit(self, body: dict[str, Any], tell: Callable[[Chunk], bool]) -> Future[None]:
        """Queue a request; `tell` is called in the engine's thread, and stops the answer by returning True."""
        return self._thread.submit(self._answer, body, tell)

    def unload(self) -> None:
        """Free the memory after the requests that are queued."""
        self._thread.submit(self._drop)
        self._thread.shutdown(wait=False)

    def _answer(self, body: dict[str, Any], tell: Callable[[Chunk], bool]) -> None:
        if self._server is None:
            self._server = self._load()
        try:
            self._server.handle_chat_completions(body, tell)
        except (RuntimeError, ValueError, TypeError) as error:
            raise ModelError(f"The engine refused the request: {error}") from error

    def _load(self) -> Any:
        chosen = parameters(self._library, self.path, self._context_window)
        # The engine insists on listening. Nobody is to reach it there: it asks for a key that nobody knows, and
        # where that is possible its socket is a file that is gone once the engine has opened it.
        chosen.api_keys = [secrets.token_urlsafe(32)]
        chosen.cors_origins = ""
        try:
            if not hasattr(socket, "AF_UNIX") or os.name == "nt":
                return self._library.Server(chosen)
            with tempfile.TemporaryDirectory(prefix="quorate-") as hidden:
                listen_at(chosen, str(Path(hidden) / "s.sock"))
                return self._library.Server(chosen)
        except RuntimeError as error:
            raise ConfigError(
                f"{self.path} could not be loaded: {error} It may be cut off, of a kind that llama.cpp does not know, "
                "or too big for the memory."
            ) from error

    def _drop(self) -> None:
        self._server = None


class Generation:
    """One answer, chunk by chunk. Leaving its context stops it and waits until the engine is free of it."""

    def __init__(self, engine: Engine, body: dict[str, Any]) -> None:
        self._engine, self._body = engine, body
        self._left = threading.Event()
        self._chunks: asyncio.Queue[Chunk | None] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._job = self._engine.submit(self._body, self._tell)
        self._job.add_done_callback(lambda job: self._put(None))
        return self

    async def __aexit__(self, *error: object) -> None:
        self._left.set()
        if not self._job.cancel() and not self._job.done():
            ended = asyncio.wrap_future(self._job)
            await asyncio.wait([ended])
            ended.exception()  # whoever leaves early does not want to know it

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        chunk = await self._chunks.get()
        if chunk is not None:
            return chunk
        self._job.result()
        raise StopAsyncIteration

    def _tell(self, chunk: Chunk) -> bool:
        return self._left.is_set() or not self._put(chunk)

    def _put(self, chunk: Chunk | None) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)
        except RuntimeError:  # the loop is closed, so nobody listens
            return False
        return True


_engines: dict[tuple[Path, int], Engine] = {}
_sharing = threading.Lock()


def share(path: Path, context_window: int) -> Engine:
    """Return the engine of a file, the same for all who ask for it; each gives it back by `release`."""
    with _sharing:
        key = path.resolve(), context_window
        if key not in _engines:
            _engines[key] = Engine(*key)
        _engines[key].users += 1
        return _engines[key]


def release(engine: Engine) -> None:
    """Give an engine back; the last who does unloads it."""
    with _sharing:
        engine.users -= 1
        if engine.users == 0:
            _engines.pop(next(key for key, value in _engines.items() if value is engine))
            engine.unload()
