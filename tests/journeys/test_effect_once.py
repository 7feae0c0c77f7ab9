"""Proof `effect_once`: kill -9 around a payment over HTTP: six moments, each class, several seeds (ENGINE 6, 7)."""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SEEDS = {"unsafe": 3, "idempotent": 2, "read": 2}
Case = dict[str, Any]


@pytest.fixture
def port() -> Iterator[int]:
    """A receiver in a process of its own."""
    with subprocess.Popen(
        [sys.executable, str(HERE / "ledger.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as receiver:
        assert receiver.stdout is not None
        yield int(receiver.stdout.readline())
        receiver.communicate()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: what is tested is a killed process, and a disk only makes it slow."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        yield Path(name)


def cases_of(folder: Path, port: int, effect: str) -> list[Case]:
    done = subprocess.run(
        [sys.executable, str(HERE / "effecting.py"), str(folder), str(port), effect, str(SEEDS[effect])],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(cases) == 6 * SEEDS[effect]
    assert all(case["signal"] == 9 for case in cases), "each was killed"
    assert len({len(case["amounts"]) for case in cases}) > 1, "alone and side by side"
    return cases


def finished(case: Case, end: Case) -> Iterator[str]:
    """Yield what is wrong with the end of a run that nothing keeps any more."""
    said = f"Paid: {', '.join(f'receipt-{amount}' for amount in case['amounts'])}."
    if (end.get("outcome"), end.get("limit"), end.get("said")) != ("limit", "turns", said):
        yield f"ends {end}"
    for _, amount, state, *_ in end.get("ledger", ()):
        if state not in {"done", "late"}:
            yield f"the ledger has {amount} {state}"


def counted(records: list[Case]) -> Counter[int]:
    return Counter(record["amount"] for record in records)


def wrong_unsafe(case: Case) -> Iterator[str]:
    target, resumed = case["target"], case["resumed"]
    if max(counted(case["after_true"] if "true" in case else case["after"]).values()) > 1:
        yield "was paid twice"
    if case["point"] in {1, 6}:
        known = counted(case["before"])[target]
        if known != (case["point"] == 6):
            yield f"was killed at another moment: {case['before']}"
    if not resumed.get("questions"):
        yield from finished(case, resumed)
        return
    if resumed["outcome"] != "waiting" or counted(case["after"]) != counted(case["before"]):
        yield f"did not just wait: {resumed}"
    for call in resumed["open"]:
        if not call.startswith('pay({"amount":') or " at turn 1 / clerk / pay " not in call:
            yield f"does not name the exact call: {call}"
    for way in ("true", "false"):
        yield from (f"answered, {way}: {problem}" for problem in finished(case, case[way]))
    attempts = {row[1]: (row[3], row[4]) for row in case["true"]["ledger"]}
    happened = counted(case["before"])[target] == 1
    if attempts[target] != ((1, "a person") if happened else (2, "the call")) and case["point"] != 6:
        yield f"the ledger has {attempts}"


def wrong_idempotent(case: Case) -> Iterator[str]:
    yield from finished(case, case["resumed"])
    if counted(case["after"]) != Counter(case["amounts"]):
        yield f"effects {case['after']}"
    if len({record["key"] for record in case["after"]}) != len(case["amounts"]):
        yield "keys differ from attempt to attempt"
    keys = {row[1]: row[6] for row in case["resumed"].get("ledger", ())}
    if any(keys.get(record["amount"]) != record["key"] for record in case["after"]):
        yield "the receiver was told another key than the journal has"


def wrong_read(case: Case) -> Iterator[str]:
    end = {**case["resumed"], "ledger": []}
    yield from finished(case, end)
    if case["resumed"].get("ledger"):
        yield "a read is in the ledger"
    if set(counted(case["after"])) != set(case["amounts"]):
        yield f"asked for {case['after']}"


def report(cases: list[Case], wrong: Any) -> list[str]:
    return [f"{case['name']}: {problem}" for case in cases for problem in wrong(case)]


def test_unsafe_effect_happens_at_most_once_and_waits_where_it_is_unknown(folder: Path, port: int) -> None:
    # ENGINE 6, 7
    cases = cases_of(folder, port, "unsafe")

    waited = {case["point"] for case in cases if case["resumed"].get("questions")}

    assert report(cases, wrong_unsafe) == []
    assert waited >= {2, 3, 4, 5}


def test_idempotent_effect_is_recorded_exactly_once_and_nobody_is_asked(folder: Path, port: int) -> None:
    # ENGINE 6
    cases = cases_of(folder, port, "idempotent")

    assert report(cases, wrong_idempotent) == []
    assert not any(case["resumed"].get("questions") for case in cases)


def test_read_is_made_as_often_as_it_takes(folder: Path, port: int) -> None:
    # ENGINE 6
    cases = cases_of(folder, port, "read")

    assert report(cases, wrong_read) == []
    assert any(max(counted(case["after"]).values()) > 1 for case in cases)
