"""Each script of ours in the bench runs, with next to no work, and prints the figures that its rows show.

What the peers print is not tried: they need an environment of their own, which `make bench` installs.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MAY_BE_0 = {"chain_grown_kb", "peak_mb", "unwanted_modules"}
"""What good figures may be none of."""


def tried(*words: str) -> list[dict[str, Any]]:
    """Return what came of each script, as `trying.py` tells it."""
    paths = os.pathsep.join([str(ROOT / "bench"), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, str(HERE / "trying.py"), *words],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def problems(found: Sequence[dict[str, Any]]) -> list[str]:
    told: list[str] = []
    for one in found:
        if one["exit"]:
            told.append(f"{one['script']} failed:\n{one['errors']}")
            continue
        figures = json.loads(one["last"])
        told += [
            f"{one['script']}: {name} is {figures.get(name)}"
            for name in one["promised"]
            if not (figures.get(name, -1) > 0 or (name in MAY_BE_0 and figures.get(name) == 0))
        ]
    return told


def test_each_script_prints_the_figures_that_its_rows_show() -> None:
    found = tried()

    assert problems(found) == []
    used = {one["script"].split()[0] for one in found}
    assert {f"cases/{path.name}" for path in (ROOT / "bench" / "cases").glob("*.py")} - used == {
        "cases/pair.py",  # what they share
        "cases/server.py",
        "cases/turn_postgres.py",  # below
    }


def test_those_on_postgresql_do_too(postgres_server: str) -> None:
    found = tried(postgres_server)

    assert problems(found) == []
    assert {one["script"].split()[0] for one in found} == {"cases/durable.py", "cases/turn_postgres.py"}
