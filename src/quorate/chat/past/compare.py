"""Comparing two runs: how they ended, what they cost, where their paths part, and which words differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from typing import Any, Literal, NamedTuple

from quorate.chat import messages
from quorate.chat.derived import derived
from quorate.chat.speech import RunOf, made_of
from quorate.errors import ConfigError
from quorate.models.blocks import ToolCall
from quorate.runs import paths
from quorate.runs.entries import ERASED, LOCAL_OWNER, Entry, run_id, split_run_id
from quorate.runs.history import RunRecord, figures, fold, sorted_entries
from quorate.runs.journal import Store, unknown_parent
from quorate.tools.calls import describe

MOST_WORDS = 4000
"""Texts with more words than this are compared line by line."""
_LAST = 1 << 60
Key = tuple[int, ...]
Words = list[tuple[Literal["=", "-", "+"], str]]


class Item(NamedTuple):
    """A part of a run that can differ.

    Args:
        path: Where it is; empty for the task.
        kind: `task`, `choice`, `call` (of a tool), `step`, or `said`.
        who: The speaker; for a choice those who were chosen.
        text: What was said, why who was chosen, or a call with what it came to.
    """

    path: str
    kind: str
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two runs differ.

    Args:
        kind: `text`: the same speaker said or did something else; `path`: somebody or something else is there; `only`:
            one run has nothing there.
        a: What the first has there, None for nothing.
        b: What the second has there.
    """

    kind: Literal["text", "path", "only"]
    a: Item | None
    b: Item | None

    @property
    def path(self) -> str:
        """Where it is."""
        item = self.a or self.b
        return item.path if item else ""


@dataclass(frozen=True, slots=True)
class Side:
    """One of two runs in figures; `outcome` is empty while it goes on, `cost_usd` None where a price is unknown."""

    run_id: str
    outcome: str
    reason: str
    turns: int
    model_calls: int
    tool_calls: int
    tokens: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    active_s: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs beside each other, in canonical order.

    Args:
        a: The first in figures.
        b: The second.
        shared: How many items at their beginning are the same; `turns_shared` whole turns are in them.
        same: How many items after that are the same.
        differences: Where they differ, the first first.
    """

    a: Side
    b: Side
    shared: int
    turns_shared: int
    same: int
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Whether they say and do the same, and end the same."""
        return not self.differences and (self.a.outcome, self.a.reason) == (self.b.outcome, self.b.reason)

    def words(self) -> Words:
        """Return the first texts that differ, word by word: what both have, only the first, only the second."""
        first = next((d for d in self.differences if d.kind == "text" and d.a and d.b), None)
        return words(first.a.text, first.b.text) if first and first.a and first.b else []

    def data(self) -> dict[str, Any]:
        """Return it as plain data."""
        found = asdict(self) | {"identical": self.identical, "words": self.words()}
        found["differences"] = [
            {"kind": d.kind, "path": d.path, "a": d.a and d.a._asdict(), "b": d.b and d.b._asdict()}
            for d in self.differences
        ]
        return found


async def compare(store: Store, a: str, b: str, *, owner: str = LOCAL_OWNER) -> Comparison:
    """Compare two runs.

    Args:
        store: Where both are kept.
        a: A run, or a conversation for its last run.
        b: The other.
        owner: Whose they are.

    Raises:
        ConfigError: There is no such run.
    """
    return compared(*[await _run(store, of, owner) for of in (a, b)])


async def _run(store: Store, of: str, owner: str) -> tuple[str, RunRecord]:
    conversation, number = split_run_id(of)
    runs = fold(await store.read(conversation, owner=owner))
    if not runs:
        raise unknown_parent(conversation)
    if number is not None and number not in runs:
        raise ConfigError(
            f"Conversation {conversation} has no run {number}. It has: {', '.join(map(str, sorted(runs)))}."
        )
    return conversation, runs[max(runs) if number is None else number]


def compared(a: tuple[str, RunRecord], b: tuple[str, RunRecord]) -> Comparison:
    """Compare two runs, each given with its conversation's id."""
    ours, theirs = dict(items(a[1])), dict(items(b[1]))
    shared = same = turns = 0
    differences: list[Difference] = []
    for key in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(key), theirs.get(key)
        if one == other:
            shared, same = (shared, same + 1) if differences else (shared + 1, same)
            turns = key[0] if not differences else turns
        else:
            differences.append(Difference(_kind(one, other), one, other))
    parted = _turn(differences[0]) if differences else turns + 1
    return Comparison(_side(*a), _side(*b), shared, max(0, min(turns, parted - 1)), same, tuple(differences))


def _turn(difference: Difference) -> int:
    return paths.elements(difference.path)[0][0] if difference.path else 0


def _kind(a: Item | None, b: Item | None) -> Literal["text", "path", "only"]:
    if a is None or b is None:
        return "only"
    return "text" if (a.path, a.kind, a.who) == (b.path, b.kind, b.who) else "path"


def _side(conversation: str, record: RunRecord) -> Side:
    used, outcome = figures(record), record.outcome
    names = Side.__dataclass_fields__.keys() - {"run_id", "outcome", "reason"}
    return Side(
        run_id(conversation, record.number),
        outcome.kind if outcome else "",
        outcome.reason if outcome else "",
        **{name: used[name] for name in names},
    )


# -- a run as items ---------------------------------------------------------------------------------------------------


def items(record: RunRecord) -> Iterator[tuple[Key, Item]]:
    """Yield the items of a run, each with its place in canonical order."""
    for i, message in enumerate(record.task):
        yield (0, i), Item("", "task", str(message.get("source", "")), _text(message))
    entries = sorted_entries(record.entries)
    intents = {e.path: e.payload for e in entries if e.kind == "intent"}
    speeches: dict[str, list[Entry]] = {}
    for entry in entries:
        if not entry.path or entry.seq in record.void:
            continue
        places = paths.elements(entry.path)
        key = tuple(n for n, _ in places)
        who = places[1][1] if len(places) > 1 else ""
        speech = speeches.setdefault("/".join(entry.path.split("/")[:2]), [])
        speech.append(entry)
        said = entry.payload
        if entry.kind == "choice":
            note = f" {json.dumps(said['note'], ensure_ascii=False)}" if "note" in said else ""
            yield key, Item(entry.path, "choice", ", ".join(said["speakers"]), said["reason"] + note)
            for i, message in enumerate(said.get("say", ())):
                yield (*key, -1, i), Item(entry.path, "said", str(message.get("source", "")), _text(message))
        elif entry.kind == "said":
            yield (*key, _LAST), Item(entry.path, "said", places[-1][1], _spoken(entry, speech, places[-1][1]))
        elif entry.kind == "result":
            called = said if "arguments" in said else {"arguments": "{}", "name": places[-1][1], **said}
            called = intents.get(entry.path, called)
            mark = "error: " if said.get("error") else ""
            text = f"{describe(ToolCall('', called['name'], called['arguments']))} → {mark}{said['content']}"
            yield key, Item(entry.path, "call", who, text)
        elif entry.kind in {"value", "error"}:
            text = json.dumps(said["value"], ensure_ascii=False) if entry.kind == "value" else said["message"]
            yield key, Item(entry.path, "step", who, f"{places[-1][1]} → {text}")


def _spoken(entry: Entry, speech: Sequence[Entry], who: str) -> str:
    """Return the words that a speech ended with."""
    if not entry.payload["items"]:
        return ERASED
    *_, last = entry.payload["items"]
    if last[0] == "json":
        return _text(last[1])
    run: Any = RunOf("", entry.run)
    fact = derived(tuple(last), made_of(entry, speech, run), entry.path, who, run)
    return fact.message.to_text() if fact.message is not None else ""


def _text(data: dict[str, Any]) -> str:
    try:
        return messages.load(data).to_text()
    except ValueError:  # of a type that is not known here
        return str(data.get("content", ""))


# -- words ------------------------------------------------------------------------------------------------------------


def words(a: str, b: str) -> Words:
    """Return what two texts have in common and what only one has, word by word; long ones line by line."""
    ours, theirs = _pieces(a, r"\s+|\w+|[^\w\s]"), _pieces(b, r"\s+|\w+|[^\w\s]")
    if max(len(ours), len(theirs)) > MOST_WORDS:
        ours, theirs = _pieces(a, r"[^\n]*\n|[^\n]+"), _pieces(b, r"[^\n]*\n|[^\n]+")
    if max(len(ours), len(theirs)) > MOST_WORDS:
        return [("-", a), ("+", b)]
    found: Words = []
    for same, mine, yours in _parts(ours, theirs):
        pieces: Words = [("=", same), ("-", mine), ("+", yours)]
        found += [piece for piece in pieces if piece[1]]
    return found


def _parts(a: Sequence[str], b: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield what both have, then what each has in its place; a space between two changes belongs to them."""
    same = mine = yours = ""
    for kind, i, j, m, n in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        ours, theirs = "".join(a[i:j]), "".join(b[m:n])
        if kind != "equal":
            mine, yours = mine + ours, yours + theirs
        elif not ours.strip() and (mine or yours) and j < len(a):
            mine, yours = mine + ours, yours + ours
        else:
            yield same, mine, yours
            same, mine, yours = ours, "", ""
    yield same, mine, yours


def _pieces(text: str, pattern: str) -> list[str]:
    return re.findall(pattern, text)


__all__ = ["Comparison", "Difference", "Item", "Side", "compare"]
