import json
import re
from typing import Any

from quorate.runs.entries import Entry, canonical_export, canonical_order, redacted, run_id, split_run_id


def entry(seq: int, run: int, path: str, kind: str) -> Entry:
    return Entry(seq, run, path, kind, 0, {})


def test_canonical_order_is_by_run_then_path_then_writing() -> None:
    # ENGINE 12
    written = [
        entry(1, 1, "", "run"),
        entry(2, 1, "1 turn", "choice"),
        entry(3, 1, "1 turn/2 b/1 model", "call"),
        entry(4, 1, "1 turn/1 a/1 model", "call"),
        entry(5, 1, "1 turn/2 b/1 model", "reply"),
        entry(6, 1, "1 turn/2 b", "said"),
        entry(7, 1, "1 turn/1 a/1 model", "reply"),
        entry(8, 1, "1 turn/1 a", "said"),
        entry(9, 1, "1 turn", "turn"),
        entry(10, 1, "", "ended"),
        entry(11, 2, "", "run"),
    ]

    found = [e.seq for e in sorted(written, key=canonical_order)]

    assert found == [1, 2, 4, 7, 8, 3, 5, 6, 9, 10, 11]


def test_run_id_is_taken_apart_again() -> None:
    assert run_id("ticket-17", 3) == "ticket-17.3"
    assert split_run_id("ticket-17.3") == ("ticket-17", 3)


def test_text_that_names_no_run_is_a_conversation() -> None:
    assert split_run_id("ticket-17") == ("ticket-17", None)
    assert split_run_id("v1.x") == ("v1.x", None)


def test_canonical_export_is_the_same_whatever_was_written_first() -> None:
    # ENGINE 13
    one = [entry(1, 1, "1 turn/1 a", "said"), entry(2, 1, "1 turn/2 b", "said")]
    two = [entry(1, 1, "1 turn/2 b", "said"), entry(2, 1, "1 turn/1 a", "said")]

    exported = canonical_export(one)

    assert exported == canonical_export(two)
    assert [json.loads(line)["path"] for line in exported.splitlines()] == ["1 turn/1 a", "1 turn/2 b"]


def test_a_pattern_of_digits_does_not_take_a_digest() -> None:
    # ENGINE 24
    payload = {"model": "m", "digest": "ab4711"}

    def numbers(path: str, kind: str, payload: Any) -> Any:
        return json.loads(re.sub("[0-9]+", "#", json.dumps(payload)))

    assert redacted(numbers, "1", "call", payload) is payload
    assert redacted(numbers, "1", "call", {**payload, "model": "m4"}) == {"model": "m#", "redacted": True}
