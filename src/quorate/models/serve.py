"""An embedded model as an OpenAI-compatible HTTP server of its own, for tests and for other programs on this machine.

    QUORATE_SERVE_KEY=… python -m quorate.models.embedded --port 8080

It runs in a process of its own, since the engine's server ends with its process only.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from quorate.core.extras import require
from quorate.errors import ConfigError, QuorateError
from quorate.models import engine, weights

KEY_ENVIRONMENT = "QUORATE_SERVE_KEY"
READY = "listening on "


class Served(NamedTuple):
    """A server that runs: its `base_url` for an OpenAI client, the model's name there, and its process."""

    base_url: str
    model: str
    process: subprocess.Popen[str]


@contextmanager
def serve(
    path: str | Path | None = None, *, api_key: str, port: int = 0, context_window: int = 8192, cors_origins: str = ""
) -> Generator[Served]:
    """Run a server in a child process as long as the context is open.

    Args:
        path: A GGUF file; None takes the small model that `quorate models pull` fetches.
        api_key: What a client has to show.
        port: 0 takes a free one.
        context_window: Tokens of prompt and reply together.
        cors_origins: Which web pages may ask, separated by commas; none by default.

    Raises:
        ConfigError: The server did not start; its own words are in the message.
    """
    options = [
        "--port",
        str(port),
        "--context-window",
        str(context_window),
        "--cors-origins",
        cors_origins,
        "--until-eof",
    ]
    command = [sys.executable, "-m", "quorate.models.embedded", *options, *([str(path)] if path else [])]
    # The key travels by the environment: everybody on a machine can read command lines.
    process = subprocess.Popen(
        command, env={**os.environ, KEY_ENVIRONMENT: api_key}, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        lines: list[str] = []
        for line in process.stdout:
            if line.startswith(READY):
                url, _, model = line.removeprefix(READY).strip().partition(" ")
                yield Served(f"{url}/v1", model, process)
                return
            lines.append(line)
        raise ConfigError(f"The server did not start: {''.join(lines).strip() or 'it said nothing.'}")
    finally:
        process.kill()  # it has nothing to save
        process.communicate()


def main(arguments: Sequence[str]) -> None:
    """Serve until a signal says to stop."""
    parser = argparse.ArgumentParser(prog="python -m quorate.models.embedded", description=serve.__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="a GGUF file; the small model without")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--context-window", type=int, default=8192)
    parser.add_argument("--cors-origins", default="", help="which web pages may ask, separated by commas")
    parser.add_argument("--until-eof", action="store_true", help="end when the standard input does")
    chosen = parser.parse_args(arguments)
    key = os.environ.get(KEY_ENVIRONMENT)
    try:
        if not key:
            raise ConfigError(f"Put the key that clients have to show into the environment, as {KEY_ENVIRONMENT}.")
        server, name = start(chosen, key)
    except QuorateError as error:
        _say(str(error))
        sys.exit(1)
    _say(f"{READY}{server.listening_address} {name}")
    _wait(until_eof=chosen.until_eof)
    os._exit(0)  # the engine's threads have no other end


def start(chosen: argparse.Namespace, key: str) -> tuple[Any, str]:
    """Load the model and listen; return the server and the model's name there."""
    library = require("xllamacpp", extra="embedded")
    path = chosen.path or weights.locate(weights.CHAT)
    name = chosen.path.stem if chosen.path else weights.CHAT
    settings = engine.parameters(library, path, chosen.context_window)
    engine.listen_at(settings, chosen.host)
    settings.port = chosen.port
    settings.api_keys, settings.cors_origins, settings.model_alias = [key], chosen.cors_origins, {name}
    try:
        return library.Server(settings), name
    except RuntimeError as error:
        raise ConfigError(f"{path} could not be served on {chosen.host}:{chosen.port}: {error}") from error


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _wait(*, until_eof: bool) -> None:
    stopped = threading.Event()

    def stop(*_: object) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    if until_eof:
        threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    stopped.wait()
