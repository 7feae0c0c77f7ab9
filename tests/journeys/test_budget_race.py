"""Processes that share a budget, killed at random: never over the cap, and the ledger is the provider's own count."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.journeys.spending import BUDGET, PRICES

from quorate import Price, open_store
from quorate.runs.ledger import LEDGERS, NANO, balance_of

pytestmark = pytest.mark.journey

PROCESSES = int(os.environ.get("QUORATE_RACE_PROCESSES", "6"))


def _race(folder: Path, seed: int) -> list[int]:
    """Let processes share the budget, kill half of them at random moments, and return their exit codes."""
    dice = random.Random(seed)
    script = Path(__file__).with_name("spending.py")
    started = [
        subprocess.Popen([sys.executable, str(script), str(folder), str(seed * 100 + n)], stderr=subprocess.PIPE)
        for n in range(PROCESSES)
    ]
    book = folder / "book"
    while not book.exists() or len(book.read_text().splitlines()) < 8:
        time.sleep(0.01)
    victims = dice.sample(started, PROCESSES // 2)
    for victim in victims:
        time.sleep(dice.random() * 0.3)
        victim.kill()
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == (-9 if process in victims and process.returncode else 0), errors.decode()

    return [process.returncode for process in started]


@pytest.mark.parametrize("seed", range(int(os.environ.get("QUORATE_RACE_SEEDS", "1"))))
async def test_budget_race_of_processes_that_are_killed_never_goes_over_the_cap(tmp_path: Path, seed: int) -> None:
    # ENGINE 18, 19: processes with 4 runs each
    assert BUDGET.tokens is not None
    codes = _race(tmp_path, seed)

    async with open_store(tmp_path / "work.db") as store:
        entries = await store.read("acme/ann", owner=LEDGERS)
        await store.verify("acme/ann", owner=LEDGERS)
    took: dict[str, int] = {}
    served: dict[str, tuple[int, int]] = {}
    for line in (tmp_path / "book").read_text().splitlines():
        kind, call, *numbers = line.split()
        if kind == "took":
            took[call] = int(numbers[0])
        else:
            served[call] = int(numbers[0]), int(numbers[1])
    for entry in entries:
        now = balance_of(entry.payload)
        assert now.all_tokens <= BUDGET.tokens
        assert now.nano_usd + now.held_nano_usd <= 20 * NANO
    end = balance_of(entries[-1].payload)
    price: Price = PRICES["my:model"]
    used = sum(p + c for p, c in served.values())
    money = sum(round(price.usd(p, c) * NANO) for p, c in served.values())
    # What was served and not settled before its process died counts at its worst case; all else to the token.
    assert used <= end.all_tokens <= BUDGET.tokens
    assert money <= end.nano_usd + end.held_nano_usd <= 20 * NANO
    settled = [tuple(e.payload["used"]) for e in entries if e.kind == "settled"]
    provider = [(p + c, round(price.usd(p, c) * NANO)) for p, c in served.values()]
    for amount in settled:
        provider.remove(amount)
    assert end.calls == len(settled)
    assert end.held_calls >= len(provider)
    assert len(took) <= end.calls + end.held_calls <= len(took) + PROCESSES * 4
    if not any(codes):
        assert end.tokens == used
