"""Stands over a command and everything it starts: run as a program of its own, that imports nothing of Quorate.

It takes in whatever the command leaves behind (a *subreaper*, on Linux), so that nothing gets away by letting its
parent die. It ends all of it when the command ends, when a limit is passed, and when its own input ends: that is so
when whoever started it wants that, or was killed.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

LOOK_S = 0.05
KILL_S = 10.0
CANNOT_RUN, STOPPED = 127, 137
SUBREAPER = 36
"""Of Linux's `prctl`."""
PROC = Path("/proc")


def main() -> int:
    """Run the command that the first argument describes, and return its exit code."""
    said: dict[str, Any] = json.loads(sys.argv[1])
    _take_in_orphans()
    awake, wake = os.pipe()
    for end in (awake, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _noted)
    command = os.fork()
    if command == 0:
        _become(said)
    code, why = _watched(command, awake, said)
    _end_all(command)
    if why:
        sys.stdout.write(f"\n[{why}]\n")
        sys.stdout.flush()
    return code


def _noted(number: int, frame: Any) -> None:
    """Take a signal: it wakes `select` up."""


def _take_in_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def _become(said: dict[str, Any]) -> None:
    """Turn into the command."""
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for name, most in said["limits"].items():
            limit = getattr(resource, name, None)
            if limit is not None:
                hard = resource.getrlimit(limit)[1]
                most = most if hard == resource.RLIM_INFINITY else min(most, hard)
                resource.setrlimit(limit, (most, most))
        os.execvp(said["command"][0], said["command"])  # noqa: S606  # code is what this is for
    except (OSError, ValueError) as error:
        sys.stdout.write(f"{said['command'][0]} cannot be run: {error}\n")
        sys.stdout.flush()
    finally:
        os._exit(CANNOT_RUN)


def _watched(command: int, awake: int, said: dict[str, Any]) -> tuple[int, str]:
    """Wait for the command's end; return its exit code, and why it was stopped if it was."""
    while True:
        ready = select.select([0, awake], [], [], LOOK_S)[0]
        if 0 in ready and not os.read(0, 1):
            return STOPPED, "stopped"
        if awake in ready:
            os.read(awake, 512)
        for pid, status in _reaped():
            if pid == command:
                return os.waitstatus_to_exitcode(status) % 256, ""
        family = _below(os.getpid())
        if len(family) > said["processes"]:
            return STOPPED, f"stopped: more than {said['processes']} processes"
        if sum(map(_memory, family)) > said["memory_bytes"]:
            return STOPPED, f"stopped: more than {said['memory_bytes']} bytes of memory"


def _reaped() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def _below(root: int) -> list[int]:
    """Return all processes under one; none where the system does not tell."""
    children: dict[int, list[int]] = {}
    for place in PROC.iterdir() if PROC.is_dir() else ():
        if place.name.isdecimal():
            try:
                parent = int((place / "stat").read_bytes().rpartition(b")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            children.setdefault(parent, []).append(int(place.name))
    found: list[int] = []
    left = [root]
    while left:
        inside = children.get(left.pop(), [])
        found += inside
        left += inside
    return found


def _memory(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_bytes().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


def _end_all(command: int) -> None:
    """Kill everything that is left, those that were started meanwhile too."""
    until = time.monotonic() + KILL_S
    while time.monotonic() < until:
        family = _below(os.getpid())
        for pid in family:
            _signal(pid, signal.SIGSTOP)  # so that nobody starts more meanwhile
        for pid in family:
            _signal(pid, signal.SIGKILL)
        with suppress(OSError):
            os.killpg(command, signal.SIGKILL)
        for _ in _reaped():
            pass
        if not _below(os.getpid()):
            return
        time.sleep(0.005)


def _signal(pid: int, number: int) -> None:
    with suppress(OSError):
        os.kill(pid, number)


if __name__ == "__main__":
    sys.exit(main())
