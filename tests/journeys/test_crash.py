"""kill -9 at every moment of a run, in real processes, on SQLite; then another process resumes."""

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("crashing.py")
SPEC = importlib.util.spec_from_file_location("crashing", SCRIPT)
assert SPEC is not None
assert SPEC.loader is not None
crashing = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(crashing)
END = {
    "agent": "It has answered.",
    "called": "4 messages of at most 4",
    "delegate": "3 messages of at most 3",
    "magentic": "8 messages of at most 7",
}
Case = dict[str, Any]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: what is tested is a killed process, and a disk only makes it slow."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        yield Path(name)


def crashed(folder: Path, team: str, effect: str, every: int = 1) -> tuple[Case, list[Case]]:
    """Return what the uninterrupted run came to, and what each killed one did."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), team, effect, str(every)],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    first, *cases = [json.loads(line) for line in done.stdout.splitlines()]
    assert first.get("outcome", first) == ["completed", END.get(team, "7 messages of at most 7")]
    assert first["ledger"]
    assert len(cases) >= (first["count"]["append"] + first["count"]["commit"]) // every
    if every > 1:
        tried = {
            first["count"]["kinds"][int(case["moment"].split()[1]) - 1] for case in cases if "app" in case["moment"]
        }
        assert tried == set(first["count"]["kinds"]), "every kind of position"
    return first, cases


def same_end(whole: Case, end: Case, calls_before: int) -> Iterator[str]:
    """Yield what a resumed run has that the uninterrupted one has not, and the other way around."""
    if "error" in end:
        yield end["error"]
        return
    for name in ("outcome", "entries", "speakers"):
        if end.get(name, whole[name]) != whole[name]:
            yield f"{name} differ: {end[name]}"
    if end["messages"] is not None and end["messages"] != whole["messages"]:
        yield "messages differ"
    if not end["verified"] or not end.get("replayed") or end["notes"]:
        yield f"verified {end['verified']}, replayed {end.get('replayed')}, {end['notes']} notes left"
    made, owed = len(end["calls"]) - calls_before, len(whole["calls"]) - end["replies"]
    if made != owed:
        yield f"{made} model calls, where {owed} had not finished"


def wrong_effects(whole: Case, effect: str, ledger: list[str], *, all_there: bool = True) -> Iterator[str]:
    """Yield what the ledger has twice, or has not, by the class of the tool that wrote it."""
    amounts = Counter(line.split()[0] for line in ledger)
    if all_there and set(amounts) != {line.split()[0] for line in whole["ledger"]}:
        yield f"the ledger lacks something: {ledger}"
    if effect == "unsafe" and max(amounts.values(), default=0) > 1:
        yield f"an unsafe tool ran twice: {ledger}"
    if effect == "idempotent" and len(set(ledger)) > len(amounts):
        yield f"an idempotent tool ran again under another key: {ledger}"


def problems(whole: Case, case: Case, effect: str) -> Iterator[str]:
    if case["signal"] != 9:
        yield f"was not killed: {case}"
        return
    resumed = case["resumed"]
    questions = resumed.get("questions")
    if not questions:
        yield from same_end(whole, resumed, len(case["calls"]))
        yield from wrong_effects(whole, effect, resumed.get("ledger", []))
        if resumed.get("unknown"):
            yield f"went on over {resumed['unknown']}"
        return
    if resumed["outcome"][0] != "waiting" or len(questions) != len(resumed["unknown"]):
        yield f"ends {resumed['outcome']} with {questions}"
    for call in resumed["unknown"]:
        if not any(text.startswith(f"{call} at turn ") for text in resumed["open"]):
            yield f"{call} is not named by {resumed['open']}"
    if (resumed["calls"], resumed["ledger"]) != (case["calls"], case["ledger"]):
        yield "something ran while it waits"
    for name, all_there in (("happened", False), ("did_not", True)):
        for problem in same_end(whole, case[name], len(resumed["calls"])):
            yield f"answered {name}: {problem}"
        yield from wrong_effects(whole, effect, case[name].get("ledger", []), all_there=all_there)


def report(whole: Case, cases: list[Case], effect: str) -> list[str]:
    return [f"{case['moment']}: {problem}" for case in cases for problem in problems(whole, case, effect)]


@pytest.mark.parametrize("effect", ["read", "idempotent"])
def test_team_killed_at_any_moment_ends_as_if_it_had_not_been(folder: Path, effect: str) -> None:
    # ENGINE 1, 2, 12, 13, 15, 17
    whole, cases = crashed(folder, "robin", effect)

    assert report(whole, cases, effect) == []
    assert not any(case["resumed"].get("questions") for case in cases)


def test_unsafe_tool_of_a_team_killed_at_any_moment_never_runs_twice(folder: Path) -> None:
    # ENGINE 6, 7, 17
    whole, cases = crashed(folder, "robin", "unsafe")

    waited = [case for case in cases if case["resumed"].get("questions")]

    assert report(whole, cases, "unsafe") == []
    assert len(waited) >= 6
    assert any(case["ledger"] == ["2"] for case in waited), "killed after an effect, before its outcome was known"
    assert any(case["ledger"] == [] for case in waited), "killed after an intent, before its effect"
    assert any(len(case["resumed"]["questions"]) == 2 for case in waited), "killed in two calls side by side"


CHOOSING = {"selector", "function", "likeness", "race"}
"""Who speaks differs in these, and how a call is settled does not: that is shown by the others."""


@pytest.mark.parametrize(
    ("team", "effect"),
    [(name, "idempotent" if name in CHOOSING else "unsafe") for name in crashing.TEAMS if name != "robin"],
)
def test_every_team_killed_at_every_kind_of_moment_ends_as_if_it_had_not_been(
    folder: Path, team: str, effect: str
) -> None:
    # ENGINE 1, 2, 6, 12: transcript, speakers and outcome; a choice stands, and what a model or a function said to it
    whole, cases = crashed(folder, team, effect, every=20)

    assert report(whole, cases, effect) == []
