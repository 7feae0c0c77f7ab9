"""What is left of an entry that was erased (ENGINE 23)."""

import json
import re
from typing import Any

import pytest

from quorate.runs import entries
from quorate.runs.entries import ERASED
from quorate.runs.erasing import erased, erased_bytes, is_tombstone

KINDS = re.findall("`(\\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", str(entries.__doc__), re.MULTILINE)))
WORD = "Ann Smith"
SAID: dict[str, dict[str, Any]] = {
    "run": {
        "task": [{"type": "TextMessage", "source": "u", "content": WORD}],
        "limits": {"turns": 3},
        "document": WORD,
    },
    "choice": {"speakers": ["a"], "reason": WORD, "note": WORD, "say": [{"type": "T", "source": "p", "content": WORD}]},
    "call": {"model": "m", "parts": WORD, "bound": 5, "cap": 7, "blocks": [WORD], "digest": WORD, "worst_usd": 0.5},
    "reply": {"text": WORD, "calls": [["c1", "pay", f'{{"to":"{WORD}"}}']], "thought": [[WORD]], "in": 1, "cost": None},
    "intent": {"name": "pay", "arguments": WORD, "effect": "unsafe", "key": "k", "attempt": 1},
    "result": {"content": WORD, "error": True},
    "value": {"value": {"deep": [WORD]}},
    "error": {"type": "ValueError", "message": WORD, "in": 5},
    "question": {"id": "q1", "text": WORD, "schema": {"title": WORD}},
    "answer": {"happened": True, "result": WORD, "by": WORD},
    "said": {
        "items": [
            ["reply", 1],
            ["summary", 1, "", WORD],
            ["structured", 2, "Key#1", WORD],
            ["json", {"type": "X", "source": "a", "content": WORD}],
        ],
        "state": {"x": WORD},
    },
    "stop": {"reason": WORD},
    "ended": {
        "outcome": "failed",
        "reason": WORD,
        "turns": 3,
        "cost_usd": None,
        "open_intents": [WORD],
        "active_s": 1.5,
    },
}


@pytest.mark.parametrize("kind", sorted({*KINDS, *SAID, "tomorrow"}))
def test_no_word_is_left_of_any_kind(kind: str) -> None:
    # ENGINE 23: kinds and fields that nobody has thought of too
    said = SAID.get(kind, {}) | {"odd": WORD, "deep": {"odd": [WORD]}}

    left = erased(kind, said)

    assert WORD not in json.dumps(left)
    assert left["erased"] is True
    assert erased(kind, left) == left, "what is left is all that is left"
    assert is_tombstone(kind, erased_bytes(kind, said))


def test_shape_and_figures_are_left() -> None:
    # ENGINE 23
    assert erased("run", SAID["run"])["limits"] == {"turns": 3}
    choice = erased("choice", SAID["choice"])
    assert (choice["speakers"], [m["content"] for m in choice["say"]]) == (["a"], [ERASED])
    call, reply, ended = (erased(kind, SAID[kind]) for kind in ("call", "reply", "ended"))
    assert [call[name] for name in ("bound", "cap", "worst_usd")] == [5, 7, 0.5]
    assert (reply["in"], reply["cost"], reply["calls"]) == (1, None, [["c1", "pay", "{}"]])
    assert (ended["outcome"], ended["turns"], ended["active_s"], ended["reason"]) == ("failed", 3, 1.5, ERASED)
    items = erased("said", SAID["said"])["items"]
    assert items[:3] == [["reply", 1], ["summary", 1], ["structured", 2, "Key#1"]]
    assert items[3:] == [["json", {"type": "TextMessage", "source": "a", "content": ERASED}]]


@pytest.mark.parametrize(
    "data", [b"", b"no JSON", b"[]", b"null", b'{"erased":true,"more":"words"}', b'{"value":null}']
)
def test_other_bytes_are_no_tombstone(data: bytes) -> None:
    # ENGINE 22
    assert not is_tombstone("value", data)
