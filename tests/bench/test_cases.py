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

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MAY_BE_0 = {"chain_grown_kb", "peak_mb", "unwanted_modules"}
"""Of what there may be none."""
MAY_BE_LESS = {"basemodel_ms", "model_ms", "names_ms", "pydantic_ms"}
"""What lies above another figure: in a single round that other one may be the larger, by chance."""


def tried(*words: str) -> list[dict[str, Any]]:
    """Return what came of each script, as `trying.py` tells it."""
    paths = os.pathsep.join([str(ROOT / "bench"), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, str(HERE / "trying.py"), *words],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=280,
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
        for name in one["promised"]:
            figure = figures.get(name)
            if figure is None or (figure <= 0 and name not in MAY_BE_LESS and not (figure == 0 and name in MAY_BE_0)):
                told.append(f"{one['script']}: {name} is {figure}")
    return told


@pytest.mark.timeout(300)
def test_each_script_prints_the_figures_that_its_rows_show() -> None:
    found = tried()

    assert problems(found) == []
    used = {one["script"].split()[0] for one in found}
    assert {f"cases/{path.name}" for path in (ROOT / "bench" / "cases").glob("*.py")} - used == {
        "cases/pair.py",  # what they share
        "cases/server.py",
        "cases/turn_postgres.py",  # below
    }


@pytest.mark.timeout(300)
def test_those_on_postgresql_do_too(postgres_server: str) -> None:
    found = tried(postgres_server)

    assert problems(found) == []
    assert {one["script"].split()[0] for one in found} == {"cases/durable.py", "cases/turn_postgres.py"}
