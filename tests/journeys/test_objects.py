"""Objects with attributes in real processes: a run is killed with kill -9, resumed and replayed by the command."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

TEAM = f"{Path(__file__).with_name('counting.py')}:team"
QUORATE = [sys.executable, "-m", "quorate"]


def told(folder: Path, *words: str) -> list[Any]:
    """Return what a command prints with `--json`."""
    done = subprocess.run([*QUORATE, *words, "--json"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_who_saves_goes_on_after_a_kill_and_who_does_not_is_named_as_starting_afresh(tmp_path: Path) -> None:
    # DESIGN 5, ENGINE 1, 4
    command = [*QUORATE, "run", TEAM, "Go.", "--conversation", "talk"]
    stops = {**os.environ, "STOP_AT": "6"}
    with subprocess.Popen(command, cwd=tmp_path, env=stops, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        shown: list[str] = []
        for line in first.stdout:
            shown.append(line)
            if line == "in the call\n":
                first.kill()

    resumed = told(tmp_path, "resume", "talk", "--app", TEAM)
    [report] = told(tmp_path, "replay", "talk", "--app", TEAM)

    assert first.returncode == -signal.SIGKILL, shown
    said = [item["content"] for item in resumed if item.get("type") == "TextMessage"]
    assert shown[-1] == "in the call\n"
    assert said == ["clerk heard 6", "saver 3", "counter 1", "clerk heard 9"]
    assert [item["agents"] for item in resumed if item.get("type") == "FreshStartEvent"] == [["counter"]]
    assert (report["identical"], report["unchecked"]) == (True, [])
