"""Where a conversation is cut so that another can branch off it: a pure function of its entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from quorate.errors import ConfigError
from quorate.runs import paths
from quorate.runs.entries import Draft, Entry, Payload
from quorate.runs.history import OUTCOMES

_BEFORE_OUTCOME = frozenset({"intent", "call", "retry"})
_OF_ALL = frozenset({"interrupt", "won"})
"""What says something of all speeches of a turn, and does not hold where some of them are made again."""
_PAID = ("in", "out", "cached", "reasoned", "cost", "by")


class Cut(NamedTuple):
    """What a fork takes over, and what it says in place of something.

    Args:
        run: The number of the run that it goes on with.
        upto: How many entries it shares.
        kept: The numbers of further entries that it keeps: those of a turn that was cut in the middle.
        own: What it says itself, and the numbers of entries that close over it.
        reopens: Whether the run goes on; if not, it is as it was, and the fork takes a new task.
    """

    run: int
    upto: int
    kept: tuple[int, ...] = ()
    own: tuple[Draft | int, ...] = ()
    reopens: bool = True


PLACES = ("run", "turn", "fork")
"""The kinds of entries from which it is known where everything else is."""
OUTLINE = (*PLACES, "choice", "said", "heard", "interrupt")
"""Those from which the messages are known, too."""


def span(outline: Sequence[Entry], number: int, turn: str = "") -> tuple[int, int | None]:
    """Return between which entries a turn of a run lies, by default what follows its last closed one.

    The first is excluded; the last is None for the end of the journal.
    """
    after, ends = 0, None
    for entry in outline:
        if entry.run > number:
            ends = entry.seq - 1
            break
        if entry.run == number and entry.path == turn and entry.kind == "turn":
            return after, entry.seq
        if entry.kind in {"run", "turn"} and "/" not in entry.path:
            after = entry.seq
    return after, ends


def at_end(entries: Sequence[Entry], number: int, after: int) -> Cut:
    """Cut behind a run; where a turn of it is open, before that. `entries` are those after its last closed turn."""
    upto, closed, opened = after, set[str](), set[str]()
    for entry in entries:
        if entry.run > number:
            break
        inside = entry.run == number and not paths.is_wrap_up(entry.path)
        turn = entry.path.partition("/")[0] if inside else ""
        if entry.kind == "turn" and entry.path == turn:
            closed.add(turn)
            opened.discard(turn)
        elif turn and turn not in closed:
            opened.add(turn)
        if not opened:
            upto = entry.seq
    return Cut(number, upto, reopens=False)


def at_task(entries: Sequence[Entry], number: int, index: int, instead: Payload | None = None) -> Cut:
    """Cut behind a message of a run's task; `instead` is what is said in its place, dumped."""
    run = next(entry for entry in entries if entry.run == number and entry.kind == "run")
    task: Sequence[Payload] = run.payload["task"]
    if instead is None and index == len(task) - 1:
        return Cut(number, run.seq)
    said = [*task[:index], task[index] if instead is None else instead]
    return Cut(number, run.seq - 1, own=(Draft(number, paths.ROOT, "run", {**run.payload, "task": said}),))


def at_speech(entries: Sequence[Entry], number: int, path: str, instead: Payload | None = None) -> Cut:
    """Cut behind a closed speech; `instead` is the message that it ends with in place of its own, dumped.

    `entries` are at least those of its turn, and of the whole run meanwhile. Speeches of its wave that were named after
    it are made again.
    """
    turn = _turn(entries, number, path)
    place = _speaker(path)
    closing = next((e for e in turn if e.kind == "turn" and paths.parent(e.path) == paths.ROOT), None)
    speakers = next((e.payload["speakers"] for e in turn if e.kind == "choice"), ())
    whole = closing is not None and not closing.payload.get("interrupted") and place >= len(speakers)
    if closing is not None and whole and instead is None:
        return Cut(number, closing.seq)
    whole_turn = [e for e in turn if e.kind in _OF_ALL and "/" not in e.path]
    kept = [e for e in turn if e is not closing and e not in whole_turn and _speaker(e.path) <= place]
    if instead is None:
        return _cut(entries, number, turn, kept)
    said = next(e for e in kept if e.kind == "said" and e.path == path)
    *items, last = said.payload["items"]
    if last[0] != "reply":
        other = Draft(number, path, "said", {**said.payload, "items": [*items, ["json", instead]]})
        return _cut(entries, number, turn, [e for e in kept if e is not said], other)
    reply = next(e for e in kept if e.kind == "reply" and paths.parent(e.path) == path and _place(e.path) == last[1])
    other = Draft(number, reply.path, "reply", _answer(reply.payload, instead["content"]))
    return _cut(entries, number, turn, [e for e in kept if e is not reply and e is not said], other, said.seq)


def at_person(entries: Sequence[Entry], number: int, path: str, kind: str, instead: str | None = None) -> Cut:
    """Cut behind what a person said on the way: what steered a speech, was heard between turns, or interrupted one."""
    if kind == "steer":
        return at_step(entries, number, path, None if instead is None else lambda: instead)
    turn = _turn(entries, number, path)
    closing = next(e for e in turn if e.kind == "turn")
    later = [e for e in turn if e.kind == kind and paths.sort_key(e.path) > paths.sort_key(path)]
    if instead is None and not later:
        return Cut(number, closing.seq)
    said = next(e for e in turn if e.kind == kind and e.path == path)
    kept = [e for e in turn if e is not closing and e not in later and (instead is None or e is not said)]
    own = [] if instead is None else [Draft(number, path, kind, {**said.payload, "text": instead})]
    return _cut(entries, number, turn, kept, *own, closing.seq)


def at_step(entries: Sequence[Entry], number: int, path: str, instead: Callable[[], Any] | None = None) -> Cut:
    """Cut behind a step; `instead` gives what it came to in place of what it did.

    Its speech is made again from there. Calls of the same reply are kept: they do not depend on each other.

    Raises:
        ConfigError: Nothing came of it yet, or what it is to have come to does not fit.
    """
    turn = _turn(entries, number, path)
    here = [e for e in turn if e.path == path]
    outcome = next((e for e in reversed(here) if e.kind in OUTCOMES or e.kind == "steer"), None)
    if outcome is None:
        raise ConfigError(f"Nothing came of {paths.shown(path)} yet, so that no fork can begin there.")
    scope, place, key = paths.parent(path), _place(path), paths.sort_key(path)
    asked = [_place(e.path) for e in turn if e.kind == "call" and paths.parent(e.path) == scope]
    until = min((n for n in asked if n > place), default=place + 1 if outcome.kind != "result" else len(turn) + place)

    def stays(e: Entry) -> bool:
        if (e.kind == "turn" or e.kind in _OF_ALL) and "/" not in e.path:
            return False
        if _speaker(e.path) != _speaker(path):
            return _speaker(e.path) < _speaker(path)
        if e.path == path or paths.below(e.path, path):
            return instead is None or (e.path == path and e.kind in _BEFORE_OUTCOME)
        if paths.below(path, e.path):  # what closes a scope around it, and the choice that came of it
            of_choice = e.kind == "choice" and path.startswith(f"{paths.child(e.path, 0, 'choose')}/")
            return e.kind not in {"said", "result", "turn", "won", "outcome"} and not of_choice
        beside = paths.below(e.path, scope) and outcome.kind == "result"
        at = _place("/".join(e.path.split("/")[: scope.count("/") + 2])) if beside else 0
        return paths.sort_key(e.path) < key or (beside and place < at < until and asked != [])

    kept = [e for e in turn if stays(e)]
    return _cut(entries, number, turn, kept, *([_other(here, outcome, instead())] if instead is not None else []))


def _turn(entries: Sequence[Entry], number: int, path: str) -> list[Entry]:
    turn = path.partition("/")[0]
    return [e for e in entries if e.run == number and (e.path == turn or paths.below(e.path, turn))]


def _cut(entries: Sequence[Entry], number: int, turn: list[Entry], kept: list[Entry], *own: Draft | int) -> Cut:
    """Cut before a turn and keep some of it, with what was noted of the whole run meanwhile."""
    first, last = turn[0].seq, max((e.seq for e in kept), default=0)
    noted = [e.seq for e in entries if e.run == number and e.path == paths.ROOT and first < e.seq < last]
    return Cut(number, first - 1, tuple(sorted([*noted, *(e.seq for e in kept)])), own)


def _place(path: str) -> int:
    return int(path.rpartition("/")[2].partition(" ")[0])


def _speaker(path: str) -> int:
    """Return the position of the speech that a path is in, 0 for who chooses the speakers."""
    rest = path.partition("/")[2]
    return int(rest.partition(" ")[0]) if rest else 0


def _other(here: Sequence[Entry], outcome: Entry, instead: Any) -> Draft:
    """Return the outcome that a step is to have."""
    said, kind = outcome.payload, outcome.kind
    intent = next((e.payload for e in here if e.kind == "intent"), None)
    if any(e.kind == "call" for e in here):
        kind = "reply"
    elif kind in {"error", "settled"}:
        kind = "value" if intent is None else intent.get("kind", "result")
    if kind == "value":
        return Draft(outcome.run, outcome.path, kind, {"value": instead})
    if not isinstance(instead, str):
        raise ConfigError(f"What {paths.shown(outcome.path)} comes to is a text, not {instead!r}.")
    if kind == "steer":
        return Draft(outcome.run, outcome.path, kind, {**said, "text": instead})
    if kind == "reply":
        return Draft(outcome.run, outcome.path, kind, _answer(said, instead))
    return Draft(
        outcome.run, outcome.path, kind, {n: said[n] for n in ("name", "arguments") if n in said} | {"content": instead}
    )


def _answer(reply: Payload, text: str) -> Payload:
    """Return a reply with other words, that cost what it cost."""
    return {"text": text, "in": 0, "out": 0} | {n: reply[n] for n in _PAID if n in reply}
