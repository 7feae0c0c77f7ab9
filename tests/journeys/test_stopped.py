"""A process that is stopped around an unsafe call, and one that takes its run over (ENGINE 9, 15)."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from quorate.runs.steps import FRESH_S

HERE = Path(__file__).parent


@pytest.fixture
def start() -> Iterator[Any]:
    """Start a script of this folder; what still runs is killed in the end."""
    with ExitStack() as stack:

        def begin(name: str, *words: object) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, str(HERE / name), *map(str, words)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield begin


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def paid(port: str) -> list[Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stopped") as answer:
        return json.load(answer)


def test_late_first_process_can_neither_write_nor_pay_twice(tmp_path: Path, start: Any) -> None:
    # ENGINE 6, 8, 9, 15
    with ThreadPoolExecutor() as side_by_side:  # each takes its 5 seconds
        list(side_by_side.map(lambda place: follow(tmp_path / place, start, place), ["announced", "answered"]))


def follow(folder: Path, start: Any, place: str) -> None:
    """Stop a process at a place, let another go on, and wake the first up."""
    folder.mkdir()
    port = line(start("ledger.py"))
    began = time.monotonic()
    first = start("stopping.py", "work", folder / "work.db", port, place)
    assert line(first) == "stopping"
    os.waitpid(first.pid, os.WUNTRACED)
    before = len(paid(port))

    told = line(start("stopping.py", "follow", folder / "work.db", port))
    took = time.monotonic() - began
    first.send_signal(signal.SIGCONT)
    after = [line(first), line(first)]

    assert before == (place == "answered")
    assert took > FRESH_S, "it waited until the first one could not call any more"
    kinds = ["intent", "settled", "intent", "result"] if place == "announced" else ["intent", "result"]
    assert told == f"Paid. {kinds}"
    assert after[0] == "going on"
    assert after[1].startswith("Conflict: Conversation talk was taken over by another process")
    assert len(paid(port)) == 1
