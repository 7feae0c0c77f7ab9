"""`quorate explain`: why each spoke, which edges of a graph fired, and why a run ended; read from the journal alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from msgspec import structs

from quorate.chat import shown
from quorate.chat.console import View, watching
from quorate.chat.graph.explaining import Decided, decided
from quorate.chat.shown import Line
from quorate.cli.place import Place, find
from quorate.cli.printing import print_json
from quorate.cli.project import find_project
from quorate.cli.transcript import status
from quorate.errors import ConfigError
from quorate.runs import paths
from quorate.runs.entries import Entry, Payload
from quorate.runs.history import RunRecord, sorted_entries

TEXT_CHARS = 200
EDGES = "edges"
STEPS = frozenset({"reply", "value", "error", "retry"})
_CHOOSE = f"/0 {paths.CHOOSE}/"


@dataclass
class Why:
    """Why somebody spoke in a turn, or nobody did any more.

    Attributes:
        turn: Its number, from 1, in its conversation.
        within: The speakers on the way to it, where it is a turn of a team inside.
        speakers: Who was chosen; nobody where the policy ended the conversation.
        reason: Why.
        note: What the policy noted beside it, without the edges.
        asked: What was asked to choose: the step, the model, what it answered, its tokens.
        edges: What the edges came to that were asked before it, in a graph.
        winners: Who was enough, where it was a race.
        lost: Who was not waited for any more.
        state: `closed`, `open`, `given up` or `interrupted`.
    """

    turn: int
    within: tuple[str, ...]
    speakers: tuple[str, ...]
    reason: str
    note: Payload = field(default_factory=Payload)
    asked: list[Payload] = field(default_factory=list[Payload])
    edges: list[Decided] = field(default_factory=list[Decided])
    winners: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    state: str = "open"


@dataclass
class End:
    """Why a conversation ended: that of the run, each of its attempts, or one inside; `within` as for `Why`."""

    within: tuple[str, ...]
    outcome: str
    reason: str
    limit: str = ""


async def explain(run: str, turn: int | None, store: str | None, *, as_json: bool) -> int:
    """Tell why each spoke and why it ended, or of one turn why it was, and return the exit code."""
    place = Place.of(store, find_project())
    async with place.there() as opened:
        found = await find(opened, run)
        held = await opened.is_held(found.conversation)
    record, id = found.record, found.run_id
    told = explained(record)
    if turn is not None:
        told = _of_turn(told, turn, id)
    held = held and record.number == found.latest
    if as_json:
        for one in told:
            print_json(run_id=id, **_data(one))
        if turn is None:
            print_json(run_id=id, **_ended(record, held=held))
        return 0
    with watching(live=False) as view:
        if not told:
            view.tell([("Nobody was chosen to speak.", "")])
        for one in told:
            _show(view, one)
        if turn is None:
            view.tell([], *_end_lines(record, held=held))
    return 0


def explained(record: RunRecord) -> list[Why | End]:
    """Return why each turn of a run was, and each end of a conversation inside it or of an attempt, in their order."""
    found: list[Why | End] = []
    turns: dict[str, Why] = {}
    models: dict[str, str] = {}
    spoke: dict[str, dict[str, int]] = {}
    for entry in sorted_entries(record.entries):
        said, path = entry.payload, entry.path
        if entry.kind in {"choice", "heard", "interrupt"} and path not in turns:
            turns[path] = why = _why(entry)
            why.edges = decided(said.get("note"), spoke.get(paths.parent(path), {}), why.turn)
            found.append(why)
        elif _CHOOSE in path:
            if entry.kind == "call":
                models[path] = said.get("model", "")
            elif entry.kind in STEPS and path.partition(_CHOOSE)[0] in turns:
                turns[path.partition(_CHOOSE)[0]].asked.append(_asked(entry, models.get(path, "")))
        elif entry.kind == "said":
            turn = paths.parent(path)
            spoke.setdefault(paths.parent(turn), {})[paths.names(path)[-1]] = paths.elements(turn)[-1][0]
        elif entry.kind == "won":
            why = turns[path]
            why.winners = tuple(said["winners"])
            why.lost = tuple(name for name in why.speakers if name not in why.winners)
        elif entry.kind == "turn" and path in turns:
            turns[path].state = _state(said)
        elif entry.kind == "outcome":
            found.append(End(_within(path), said["outcome"], said["reason"], said.get("limit", "")))
        elif entry.kind == "ended":
            found.append(End((), said["outcome"], said["reason"], said.get("limit", "")))
    if found and isinstance(found[-1], End) and not found[-1].within and record.outcome is not None:
        found.pop()  # how it ended is told at the end
    return found


def _why(entry: Entry) -> Why:
    said, path = entry.payload, entry.path
    number, within = paths.elements(path)[-1][0], _within(paths.parent(path))
    if entry.kind != "choice":
        what = "cut the turn short" if entry.kind == "interrupt" else "had something to say"
        return Why(number, within, (said.get("by") or "user",), f"{said.get('by') or 'somebody'} {what}")
    note: Any = said.get("note")
    plain: Payload = note if isinstance(note, dict) else {} if note is None else {"note": note}  # pyright: ignore[reportUnknownVariableType]: it is JSON
    told = {name: value for name, value in plain.items() if name != EDGES}
    return Why(number, within, tuple(said["speakers"]), said["reason"], told)


def _within(path: str) -> tuple[str, ...]:
    """Return who is on the way to a conversation, from the outside: its turns, and who speaks or what is called."""
    return tuple(f"turn {n}" if name == "turn" else name for n, name in paths.elements(path))


def _state(said: Payload) -> str:
    return "given up" if said.get("given_up") else "interrupted" if said.get("interrupted") else "closed"


def _asked(entry: Entry, model: str) -> Payload:
    said = entry.payload
    step: Payload = {"step": paths.shown(entry.path).rpartition(" / ")[2]}
    if entry.kind == "reply":
        return {**step, "model": model, "answer": said["text"], "tokens": said["in"] + said["out"]}
    if entry.kind == "value":
        return {**step, "answer": said["value"]}
    return {**step, "error": f"{said['type']}: {said['message']}"}


def _of_turn(told: Sequence[Why | End], turn: int, id: str) -> list[Why | End]:
    """Return what is of one turn, with what is inside it.

    Raises:
        ConfigError: There is no such turn.
    """
    inside = f"turn {turn}"
    kept = [o for o in told if o.within[:1] == (inside,) or (isinstance(o, Why) and not o.within and o.turn == turn)]
    if kept:
        return kept
    known = [one.turn for one in told if isinstance(one, Why) and not one.within]
    there = f"It has turns {known[0]} to {known[-1]}." if known else "Nobody was chosen to speak in it."
    raise ConfigError(f"Run {id} has no turn {turn}. {there}")


# -- as people read it ------------------------------------------------------------------------------------------------


def _show(view: View, one: Why | End) -> None:
    deep = "  " * sum(part.startswith("turn ") for part in one.within)
    around = shown.inline(" / ".join(one.within))
    if isinstance(one, End):
        limit = f" (limit {one.limit})" if one.limit else ""
        view.tell([(f"{deep}{around or 'an attempt'} ended {one.outcome}{limit}: {shown.inline(one.reason)}", "")])
        return
    state = "" if one.state == "closed" or not one.speakers else f" ({_states(one)})"
    who = ", ".join(map(shown.inline, one.speakers)) or "nobody any more"
    view.tell(
        [(f"{deep}{around}{around and ' / '}turn {one.turn}: ", "dim"), (who, "bold"),
         (f"{state}: {shown.inline(one.reason)}", "")],
        *([(f"{deep}  {line}", "dim")] for line in _details(one)),
    )  # fmt: skip


def _states(one: Why) -> str:
    return "not finished" if one.state == "open" else one.state


def _details(one: Why) -> Iterator[str]:
    for edge in one.edges:
        yield f"edge {shown.inline(str(edge))}"
    for asked in one.asked:
        tokens = f" · {shown.tokens(asked['tokens'])}" if "tokens" in asked else ""
        who = " ".join(part for part in (asked["step"], asked.get("model", "")) if part)
        said = asked["error"] if "error" in asked else asked["answer"]
        words = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        yield f"asked {shown.inline(who)}: {shown.cut(words, TEXT_CHARS)}{tokens}"
    if one.winners:
        lost = f"; not waited for: {', '.join(map(shown.inline, one.lost))}" if one.lost else ""
        yield f"a race, enough: {', '.join(map(shown.inline, one.winners))}{lost}"
    for name, value in one.note.items():
        words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield f"{shown.inline(name)}: {shown.cut(words, TEXT_CHARS)}"


def _end_lines(record: RunRecord, *, held: bool) -> Iterator[Line]:
    kind = status(record, held=held)
    outcome = record.outcome
    why = outcome.reason if outcome else "A living process is at it." if held else "Its process ended without a word."
    yield [(kind, f"bold {shown.STYLES[kind]}"), (f": {shown.inline(why)}", "")]
    if outcome is None:
        return
    if outcome.limit:
        yield [(f"  the limit: {shown.inline(_limit(record))}", "dim")]
    if outcome.cause:
        yield [(f"  at: {shown.inline(paths.shown(outcome.cause))}", "dim")]
    for question in record.questions.values():
        yield [(f"  {question.payload['id']}: {shown.cut(question.payload['text'], TEXT_CHARS)}", "dim")]
    for intent in outcome.open_intents:
        yield [(f"  effect unknown: {shown.cut(intent, TEXT_CHARS)}", "dim")]


def _limit(record: RunRecord) -> str:
    """Return the limit that was reached, with what it is where it is one of the run."""
    assert record.outcome is not None
    name = record.outcome.limit
    most = record.limits.complete().get(name)
    return name if most is None else f"{name}={most:,.10g}"


# -- as data ----------------------------------------------------------------------------------------------------------


def _data(one: Why | End) -> Payload:
    if isinstance(one, End):
        return {"kind": "end", **asdict(one)}
    return {"kind": "turn", **asdict(one), "edges": [edge._asdict() for edge in one.edges]}


def _ended(record: RunRecord, *, held: bool) -> dict[str, Any]:
    return {
        "kind": "run",
        "status": status(record, held=held),
        "outcome": structs.asdict(record.outcome) if record.outcome else None,
        "limits": record.limits.complete(),
        "questions": [entry.payload for entry in record.questions.values()],
    }


__all__ = ["End", "Why", "explain", "explained"]
