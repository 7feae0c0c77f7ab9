"""No way out: code that runs in here opens no connection and starts no process.

An audit hook cannot be removed, so one is installed with the first use, and a context variable tells it whom to refuse.
Tasks inherit the variable, and so do threads that copy the context. Others are marked when they are started from in
here; for that `Thread.start` is wrapped with the first use too. The threads of a pool that was there before, and that
is handed work without its context, are out of reach.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from quorate.core import code
from quorate.errors import Divergence

REFUSED = {
    "socket.connect": "connect a socket",
    "socket.bind": "open a port",
    "socket.sendto": "send a datagram",
    "socket.sendmsg": "send a message on a socket",
    "socket.getaddrinfo": "look up a host",
    "socket.gethostbyname": "look up a host",
    "socket.gethostbyaddr": "look up a host",
    "subprocess.Popen": "start a process",
    "os.system": "start a process",
    "os.posix_spawn": "start a process",
    "os.spawn": "start a process",
    "os.startfile": "start a process",
    "os.exec": "start a process",
    "os.fork": "start a process",
    "os.forkpty": "start a process",
    "pty.spawn": "start a process",
    "webbrowser.open": "open a browser",
}
"""The audit events that are refused, and what each is in words."""


class OutsideCall(Divergence):
    """Code wanted to reach the world outside in a replay. It was refused."""


class Offline:
    """What was refused in one block, in order; `active` is False after its end."""

    def __init__(self) -> None:
        self.refused: list[OutsideCall] = []
        self.active = True

    def check(self) -> None:
        """Tell of what was refused, whatever code caught that.

        Raises:
            OutsideCall: Something was.
        """
        if self.refused:
            raise self.refused[0]


_here: ContextVar[Offline | None] = ContextVar("quorate_offline", default=None)
_threads: WeakKeyDictionary[threading.Thread, Offline] = WeakKeyDictionary()
_installed = False
_MOST_TOLD = 100


@contextmanager
def offline() -> Generator[Offline]:
    """Refuse connections and processes to what runs in the block."""
    global _installed
    if not _installed:
        _installed = True
        _install()
    block = Offline()
    token = _here.set(block)
    try:
        yield block
    finally:
        block.active = False
        _here.reset(token)


def _install() -> None:
    start = threading.Thread.start

    @wraps(start)
    def marked(self: threading.Thread) -> None:
        block = _current()
        if block is not None:
            _threads[self] = block
        start(self)

    threading.Thread.start = marked
    sys.addaudithook(_hook)


def _current() -> Offline | None:
    block = _here.get() or _threads.get(threading.current_thread())
    return block if block is not None and block.active else None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    what = REFUSED.get(event)
    if what is None:
        return
    block = _current()
    if block is None or _is_own_pipe(event):
        return
    said = _told(event, arguments)
    where = code.caller()
    error = OutsideCall(
        f"A replay makes no call outside, but the code wanted to {what}{said}. Make it a step: then its outcome is in "
        "the journal.",
        path="",
        got=f"{event}{said}",
        where=str(where or ""),
    )
    if len(block.refused) < _MOST_TOLD:
        block.refused.append(error)
    raise error


def _is_own_pipe(event: str) -> bool:
    """Whether a new event loop makes the pipe that it wakes itself by, where there is no socketpair to make it of."""
    return event in {"socket.connect", "socket.bind"} and _called_by("_fallback_socketpair")


def _told(event: str, arguments: tuple[Any, ...]) -> str:
    """Return in brackets what an event is about; the first argument of some is the socket."""
    of_socket = event in {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"}
    told = arguments[1:2] if of_socket else arguments[:1]
    return f" ({told[0]!r:.200})" if told else ""


def _called_by(name: str) -> bool:
    frame = sys._getframe(3)  # pyright: ignore[reportPrivateUsage]: the stack, as everybody reads it
    return frame.f_code.co_name == name
