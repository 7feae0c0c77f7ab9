"""Ctrl-C: once stops a run cleanly, twice ends the process at once. Either way the run can go on later."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from quorate.cli import INTERRUPTED


@contextmanager
def on_signals(stop: Callable[[], object], resume: str) -> Generator[None]:
    """Let the first Ctrl-C, or request to terminate, stop the run cleanly, and the second end the process at once.

    Args:
        stop: Is called in the event loop at the first.
        resume: The command that goes on afterwards, for the second.
    """
    loop = asyncio.get_running_loop()
    asked = False

    def on_signal(number: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            _leave_at_once(resume)
        asked = True
        loop.call_soon_threadsafe(stop)

    try:
        before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread, where signals come in
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_at_once(resume: str) -> None:
    """End the process as a kill would: the journal is whole, and nothing can hold this up."""
    cursor = "\x1b[?25h" if sys.stdout.isatty() else ""
    goodbye = f"{cursor}\nStopped at once." + (f" Go on with: {resume}" if resume else "") + "\n"
    os.write(2, goodbye.encode(errors="replace"))
    os._exit(INTERRUPTED)
