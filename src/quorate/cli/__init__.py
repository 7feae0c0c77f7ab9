"""The command line. What a command needs is loaded when that command runs."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from io import TextIOWrapper

from quorate.errors import ConfigError, QuorateError

FAILED, USAGE, CUT_SHORT, WAITING, INTERRUPTED = 1, 2, 3, 4, 130
"""What it exits with: the run failed, what was written cannot work, `limit` or `stalled`, `waiting`, Ctrl-C."""


def main(words: Sequence[str] | None = None) -> None:
    """Run the command `quorate` and exit with its code.

    Args:
        words: Those after `quorate`; by default those of the process.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = _run(list(sys.argv[1:] if words is None else words))
    if words is None and any(thread.daemon for thread in threading.enumerate()):
        # A blocking call that nobody waits for any more; reading the terminal, it would crash the interpreter's end.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run(words: list[str]) -> int:
    debug = _taken(words, "--debug")
    from quorate.cli import trouble
    from quorate.cli.app import command

    trouble.shows_all.set(debug)
    try:
        command()(words, prog_name="quorate")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(bool(done.code))
    except (QuorateError, OSError) as error:
        if debug:
            raise
        for line in (_sentence(error), *getattr(error, "__notes__", ())):
            print(line, file=sys.stderr)
        return USAGE if isinstance(error, ConfigError) else FAILED
    return 0


def _taken(words: list[str], flag: str) -> bool:
    """Take a flag that may stand anywhere before a lone `--`; return whether it was there."""
    end = words.index("--") if "--" in words else len(words)
    if flag not in words[:end]:
        return False
    words.remove(flag)
    return True


def _sentence(error: Exception) -> str:
    from quorate.chat.shown import clean

    if isinstance(error, OSError) and not isinstance(error, QuorateError):
        what = error.strerror or type(error).__name__
        return clean(f"quorate: {error.filename}: {what}." if error.filename else f"quorate: {error}.")
    return clean(f"quorate: {error}" if str(error) else f"quorate: {type(error).__name__}. --debug shows where.")
