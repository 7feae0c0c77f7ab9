"""What runs offline opens no connection and starts no process, whatever way it takes (ENGINE 4)."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from quorate.errors import Divergence
from quorate.runs.offline import OutsideCall, offline

HERE = ("127.0.0.1", 9)


def udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", HERE)


def tcp() -> None:
    with socket.socket() as sock:
        sock.connect(HERE)


def bound() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))


WAYS: dict[str, Callable[[], Any]] = {
    "a connection": tcp,
    "a connection by name": lambda: socket.create_connection(("localhost", 9)),
    "a datagram": udp,
    "a port": bound,
    "a host's address": lambda: socket.getaddrinfo("localhost", 9),
    "a process": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
    "a shell": lambda: os.system("true"),
    "a spawned process": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "a forked process": os.fork,
    "another program": lambda: os.execv("/bin/true", ["true"]),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_out_is_refused(way: Callable[[], Any]) -> None:
    with offline() as block, pytest.raises(OutsideCall, match="A replay makes no call outside") as raised:
        way()

    assert block.refused == [raised.value]
    assert isinstance(raised.value, Divergence)
    assert raised.value.where  # of the test suite: its own guard wraps sockets


@pytest.mark.parametrize("way", [tcp, WAYS["a process"]], ids=["connection", "process"])
def test_refusal_that_somebody_caught_is_told_at_the_end(way: Callable[[], Any]) -> None:
    with offline() as block:
        with suppress(Exception):  # what careful user code does
            way()

        with pytest.raises(OutsideCall):
            block.check()


def test_what_stays_inside_is_let_through() -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        return await asyncio.to_thread(lambda: "done")

    with offline() as block:
        one, two = socket.socketpair()
        one.close()
        two.close()
        told = asyncio.run(work())  # makes an event loop of its own, with its pipe

    assert told == "done"
    assert block.refused == []


def test_nobody_else_is_refused() -> None:
    seen: list[str] = []

    def other() -> None:
        try:
            tcp()
        except OSError as error:
            seen.append(type(error).__name__)

    waiting, go = threading.Event(), threading.Event()
    before = threading.Thread(target=lambda: (waiting.set(), go.wait(60), other()))
    before.start()
    waiting.wait(60)
    with offline() as block:
        go.set()
        before.join()
    other()

    assert seen == ["ConnectionRefusedError"] * 2
    assert block.refused == []


def test_thread_started_in_there_is_refused_too() -> None:
    def quietly() -> None:
        with suppress(OutsideCall):
            tcp()

    with offline() as block:
        with ThreadPoolExecutor() as pool, pytest.raises(OutsideCall):
            pool.submit(tcp).result()
        thread = threading.Thread(target=quietly)
        thread.start()
        thread.join()

    assert len(block.refused) == 2


async def test_task_and_subprocess_of_asyncio_are_refused() -> None:
    async def connected() -> None:
        await asyncio.open_connection(*HERE)

    with offline() as block:
        task = asyncio.get_running_loop().create_task(connected())
        with pytest.raises(OutsideCall):
            await task
        with pytest.raises(OutsideCall):
            await asyncio.create_subprocess_exec("true")

    assert len(block.refused) >= 2
