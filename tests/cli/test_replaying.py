"""`quorate replay` and `quorate export`, as somebody types them."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def done(cli: Any) -> Any:
    """A run that is completed."""
    return cli("run", "team.yaml", "What is x?")


def altered(sql: str) -> None:
    with sqlite3.connect(".quorate/quorate.db") as db:
        db.execute(sql)


def test_exported_run_replays_from_its_file(cli: Any, done: Any) -> None:
    exported = cli("export", done.run_id, "talk.jsonl")
    ran = cli("replay", "talk.jsonl")
    as_data = cli("replay", "talk.jsonl", "--json")

    assert exported.code == 0
    assert exported.out.startswith(f"Run {done.run_id} and what was before it are in talk.jsonl: ")
    assert ran.code == 0
    assert ran.out.startswith(f"Run {done.run_id} replays identically: ")
    assert json.loads(as_data.out)["identical"] is True


def test_export_prints_with_a_dash(cli: Any, done: Any) -> None:
    cli("export", done.run_id, "talk.jsonl")

    ran = cli("export", done.run_id, "-")

    assert ran.code == 0
    assert ran.out == Path("talk.jsonl").read_text()


def test_export_does_not_write_over_a_file_unless_told_to(cli: Any, done: Any) -> None:
    Path("talk.jsonl").write_text("mine")

    refused = cli("export", done.run_id, "talk.jsonl")
    forced = cli("export", done.run_id, "talk.jsonl", "--force")

    assert refused.code == 2
    assert "talk.jsonl exists. Name another file, or write over it with --force." in refused.err
    assert forced.code == 0
    assert "mine" not in Path("talk.jsonl").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["export", "nope", "x.jsonl"], "No run and no conversation begins with 'nope'"),
        (["export", "RUN", "no/such/folder/x.jsonl"], "cannot be written: No such file"),
        (["replay", "none.jsonl"], "none.jsonl cannot be read: No such file"),
        (["replay", "team.yaml.jsonl"], "cannot be read"),
    ],
)
def test_wrong_input_is_a_clear_error(cli: Any, done: Any, words: list[str], told: str) -> None:
    ran = cli(*[done.run_id if word == "RUN" else word for word in words])

    assert ran.code in {1, 2}
    assert told in ran.err
    assert "Traceback" not in ran.err


def test_edited_file_and_altered_store_name_the_entry(cli: Any, done: Any) -> None:
    cli("export", done.run_id, "talk.jsonl")
    text = Path("talk.jsonl").read_text()
    Path("talk.jsonl").write_text(text.replace('"kind":"reply","version":1', '"kind":"reply","version":0', 1))

    edited = cli("replay", "talk.jsonl")
    altered("UPDATE entries SET payload = CAST(replace(payload, 'in', 'on') AS BLOB) WHERE kind = 'reply'")
    changed = cli("replay", done.run_id)
    altered("UPDATE entries SET payload = 'no bytes' WHERE kind = 'reply'")
    broken = cli("replay", done.run_id)

    for ran in (edited, changed, broken):
        assert ran.code == 1
        assert "was altered" in ran.err
        assert "Traceback" not in ran.err
