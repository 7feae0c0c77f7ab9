"""Doing an attempt at a run again: every step answers from the journal, and what would be appended is compared with it.

An attempt is taken up just as it was then: what the journal already held is answered and folded as in any resumed run,
and what the attempt wrote itself is still to be met (`unmet`). So nothing but the source of outcomes differs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any, cast

from quorate.core import code
from quorate.core.classes import is_same, plain
from quorate.errors import Divergence
from quorate.runs import paths
from quorate.runs.attempts import Attempt
from quorate.runs.entries import Entry, Payload, canonical_order
from quorate.runs.history import split
from quorate.runs.inbox import Note
from quorate.runs.journal import Conversation
from quorate.runs.memory import MemoryJournal
from quorate.runs.outcome import Limits, Outcome
from quorate.runs.run import Parked, Run, question_id
from quorate.runs.scope import scope_here

FREE = {
    "call": frozenset({"digest", "worst_usd", "base", "blocks", "parts", "ledgers", "near"}),
    "ended": frozenset({"active_s", "needs", "under_way", "wrap_up"}),
}
"""What is not compared: how a call's entry tells its request (that is rebuilt, and compared whole), the price of that
day, seconds, what a call would have taken that was not allowed, and threads that outlived the attempt."""
OF_TEXT = frozenset({"bound", "cap"})
"""What follows from the length of texts, and cannot be compared once one was erased."""
NOTES = {"steer": "steer", "heard": "queue", "interrupt": "interrupt"}
"""Kinds that were notes in the inbox, and of which kind."""
FIGURES = frozenset(
    {"unsettled_tokens", "model_calls", "tool_calls", "prompt_tokens", "completion_tokens", "tokens", "cost_usd"}
)
"""What is not compared of a run with a race in it: how far the losers came, that timing decides."""
SCOPED = frozenset({"said", "turn", "outcome", "result"})
"""Kinds that close a scope, in which nothing may be left."""


class ReplayOver(Parked):
    """The journal ends here, in the middle of a turn; so does the replay."""


@dataclass(frozen=True)
class Wanted:
    """What the code wanted where the journal has nothing: at which path, in words, and which line of code."""

    path: str
    what: str
    where: str


class ReplayJournal(MemoryJournal):
    """Holds nothing. Its inbox has the answers that the attempt took in."""

    def __init__(self, conversation: Conversation, notes: list[Note]) -> None:
        super().__init__(conversation.id, conversation.owner, conversation.store.clock)
        self._notes = notes

    async def inbox(self) -> list[Note]:
        return list(self._notes)


class _Mail(dict[str, Note]):
    """An inbox in which there is, at any moment, what was taken out of it at that place then."""

    def __init__(self, run: ReplayRun) -> None:
        super().__init__()
        self._run = run

    def __bool__(self) -> bool:
        return self._run.was_told

    def values(self) -> Any:
        return list(self._run.told_now())


class ReplayRun(Run):
    """A run whose entries exist already. Appending compares; nothing is written and nothing outside is called.

    Args:
        conversation: What it belongs to.
        attempt: Which one of the run.
        past: What earlier runs closed, in canonical order.
        driver: The code under which everything runs: lines outside of it are not the run's.
        define: Returns where the part of the definition was made that a path belongs to, in words; may be empty.
        given: Who is not asked to speak again: what they said is taken from the journal.
    """

    def __init__(
        self,
        conversation: Conversation,
        attempt: Attempt,
        *,
        past: list[Entry],
        driver: CodeType,
        define: Callable[[str], str],
        given: frozenset[str] = frozenset(),
    ) -> None:
        before = attempt.before
        closed, recorded = split(before)
        speeches = [e for e in attempt.checked if _speaker(e.path) in given]
        said = {e.path for e in speeches if e.kind == "said"}
        for entry in speeches:
            if any(entry.path == path or paths.below(entry.path, path) for path in said):
                recorded.setdefault(entry.path, []).append(entry)
        changed = Limits(**attempt.first.payload.get("limits", {}))
        limits = changed.over(before.limits) if attempt.first.kind == "resumed" else changed
        journal = ReplayJournal(conversation, _answers(attempt, f"{conversation.id}.{attempt.first.run}"))
        super().__init__(
            conversation, journal, attempt.first.run, limits, recorded=recorded, past=past + closed
        )  # fmt: skip
        self.is_replay = True
        here = before.with_entries([attempt.first])
        self.at, self.marks, self.unsure = here.last_at, here.marks, frozenset(here.unsure)
        self.meter.count_on(before.with_entries(speeches).meter() if speeches else before.meter())
        self.prices, self.used_before = here.prices or None, before.meter
        self.budgets = here.budgets
        self.attempt = attempt
        self.open_turns = attempt.open_turns
        self.driver, self.define = driver, define
        self._unmet: dict[str, dict[str, list[Entry]]] = {}
        self.keyed_paths: dict[str, str] = {}
        self.was_told = any(e.kind in NOTES for e in attempt.checked)
        self.mail = _Mail(self)
        for entry in attempt.checked if not speeches else [e for e in attempt.checked if _speaker(e.path) not in given]:
            self._unmet.setdefault(_turn(entry.path), {}).setdefault(entry.path, []).append(entry)
        chosen = (e for e in (*before.entries, *attempt.entries) if e.kind == "choice")
        self._raced = any(e.kind == "won" for e in (*before.entries, *attempt.entries))
        self._waves = {e.path for e in chosen if len(e.payload["speakers"]) != 1}
        stops = [e for e in attempt.checked if e.kind == "stop"]
        self._stop = stops[0] if stops else None
        self._before_stop = sum(_is_turn(e) and e.seq < stops[0].seq for e in attempt.entries) if stops else 0
        self.compared = 1
        there = (*self.past, *before.entries, attempt.first, *attempt.entries, attempt.ended)
        self.erased = [e for e in there if e is not None and e.payload.get("erased")]
        self.wanted: list[Wanted] = []
        self.all_met: asyncio.Future[None] | None = None
        """If set: is told when there is nothing left to meet."""

    def keyed_path(self, path: str) -> str:
        return self.keyed_paths.get(path, path)

    # -- what the journal has ----------------------------------------------------------------------------------------

    @property
    def stop_reason(self) -> str:
        """Why somebody outside asked to stop, once the journal says that they had."""
        if self._stop is not None and self._before_stop == 0:
            self._meet(self._stop)
            self._reason, self._stop = self._stop.payload["reason"], None
        return self._reason

    @stop_reason.setter
    def stop_reason(self, reason: str) -> None:
        self._reason = reason

    def next_recorded(self, path: str, what: str) -> Entry:
        found = self.peek(path)
        if found is None:
            raise self._failed_inside(path) or self.missing(path, what)
        self._meet(found)
        return found

    def _failed_inside(self, path: str) -> Exception | None:
        """Return what a conversation inside the run failed with, where its journal ends with what goes on at a path."""
        within = max((nest for nest in self.nests if paths.below(path, nest)), key=len, default=None)
        ended = None if within is None else self.peek(within)
        if within is None or ended is None or ended.payload.get("outcome") != "failed" or self._left_below(within):
            return None
        name, _, text = ended.payload["reason"].partition(": ")
        return type(name, (Exception,), {})(text)

    def answer_recorded(self, path: str) -> Entry | None:
        found = self.peek(path)
        if found is None or found.kind != "answer":
            return None
        self._meet(found)
        return found

    def has_any(self, path: str) -> bool:
        """Return whether there is anything at a path or below it that was not met yet."""
        return any(p == path or paths.below(p, path) for p in self._unmet.get(_turn(path), ()))

    def freed(self, path: str) -> None:
        """End a loser of a race where its journal ends."""
        for lost, task in self.lost.items():
            if (path == lost or paths.below(path, lost)) and not self.has_any(lost):
                task.cancel()

    def check_lost(self, path: str, *, closing: bool = False) -> None:
        for lost in self.lost:
            inside = path == lost or paths.below(path, lost)
            if inside and ((closing and path == lost) or not self.has_any(lost)):
                raise ReplayOver(f"The journal of {paths.shown(lost)} ends before {paths.shown(path)}: it lost a race.")

    def recorded_cap(self, path: str) -> int:
        found = self.peek(path)
        return found.payload["cap"] if found is not None and found.kind == "call" and self._in_wave(path) else 0

    def _in_wave(self, path: str) -> bool:
        """Whether others speak at the same time as what is at a path."""
        return any(path == wave or paths.below(path, wave) for wave in self._waves)

    def check(self) -> None:
        """Stop a run that was halted, once all that its branches had done by then was met."""
        if not any(self._unmet.values()):
            super().check()
        elif self.nests:
            self.check_nests()

    def check_nests(self) -> None:
        scope = scope_here()
        nest = None if scope is None else self.nests.get(scope.path) or self.nest_at(scope.path)
        if nest is not None and not self._left_below(nest.path):
            super().check_nests()

    def ends_inside(self, path: str) -> Outcome | None:
        """Return why a conversation inside the run ended here then, None if it went on."""
        if self._left_below(path):
            return None
        found = self.peek(path)
        if found is not None:
            own = found.kind == "outcome" and found.payload.get("limit") == "active_s"
            return self.nests[path].meter.reached("active_s").outcome if own else None
        stops = [e for e in self.attempt.checked if e.kind == "stop"]
        if not stops or _turn(path) not in self.open_turns:
            return None
        if self._stop is not None:
            self._meet(self._stop)
            self._reason, self._stop = self._stop.payload["reason"], None
        return Outcome("cancelled", stops[0].payload["reason"])

    def _left_below(self, path: str) -> list[Entry]:
        there = self._unmet.get(_turn(path), {})
        return [e for p, entries in there.items() if paths.below(p, path) for e in entries]

    def told_now(self) -> Iterator[Note]:
        """Yield what people told the run that the journal has at the place where the code is now."""
        scope = scope_here()
        if scope is None:
            return
        inside = scope.path and "/" in scope.path
        if inside:
            found = [self.peek(paths.child(scope.path, scope.count + 1, "steer"))]
        else:
            turn = min((t for t, there in self._unmet.items() if t and there), key=paths.sort_key, default="")
            there = sorted(self._unmet.get(turn, {}), key=paths.sort_key)
            found = [e for path in there for e in self._unmet[turn][path] if e.kind in {"heard", "interrupt"}]
        for entry in found:
            if entry is not None and entry.kind in NOTES:
                said = {name: value for name, value in entry.payload.items() if name != "id"}
                yield Note(entry.payload["id"], NOTES[entry.kind], said, entry.at)

    def take(self, note: Note) -> None:
        """Leave it: what was told is told where the journal has it."""

    def unmet(self) -> list[Entry]:
        """Return what of the attempt was not met yet."""
        return [e for turn in self._unmet.values() for entries in turn.values() for e in entries]

    def peek(self, path: str) -> Entry | None:
        """Return what comes next at a path."""
        return next(iter(self._unmet.get(_turn(path), {}).get(path, ())), None)

    def _meet(self, entry: Entry) -> None:
        turn = self._unmet[_turn(entry.path)]
        entries = turn[entry.path]
        entries.remove(entry)
        if not entries:
            del turn[entry.path]
        if self._stop is not None and _is_turn(entry) and entry.seq < self._stop.seq:
            self._before_stop -= 1
        self.compared += 1
        if self.lost:
            self.freed(entry.path)
        if self.all_met is not None and not self.all_met.done() and not any(self._unmet.values()):
            self.all_met.set_result(None)

    def append(self, path: str, kind: str, payload: Payload) -> Entry:
        """Compare an entry with the recorded one, and return that."""
        if kind in SCOPED:
            self._check_closed(path)
        found = self.peek(path)
        if found is None:
            raise self.missing(path, f"a {kind}", payload)
        if found.kind != kind:
            raise self.diverged(
                f"{paths.shown(path) or 'the run'}: the journal has a {found.kind} (entry {found.seq}), where the code "
                f"now writes a {kind}.",
                found, expected=found.payload, got=payload,
            )  # fmt: skip
        self.compare(found, payload)
        self._meet(found)
        return found

    def _check_closed(self, path: str) -> None:
        """Make sure that nothing is left in a scope that closes."""
        left = self._left_below(path)
        if left:
            first = min(left, key=canonical_order)
            raise self.diverged(
                f"{paths.shown(first.path)}: the journal has a {first.kind} (entry {first.seq}) that the code no "
                f"longer comes to: {paths.shown(path)} ends before it.",
                first, expected=first.payload,
            )  # fmt: skip

    # -- comparing ----------------------------------------------------------------------------------------------------

    def compare(self, entry: Entry, payload: Payload, *, only: frozenset[str] | None = None) -> None:
        """Make sure that a payload is the recorded one; an erased entry is taken as it is.

        Raises:
            Divergence: It is not; names the first field that differs.
        """
        if entry.payload.get("erased") or entry.payload.get("redacted"):
            return
        expected, got = _plain(entry.payload), _plain(payload)
        names = only if only is not None else (set(expected) | set(got)) - FREE.get(entry.kind, frozenset())
        if self._raced and entry.kind == "ended":
            names -= FIGURES
        if self.erased:
            names -= OF_TEXT
        if "cap" in got:
            got["cap"] = self.allowed_cap(entry.path, expected["cap"], got["cap"])
        for name in sorted(names):
            found = _difference(name, expected.get(name), _as_before(expected.get(name), got.get(name)))
            if found is not None:
                field, was, now = found
                raise self.diverged(
                    f"{paths.shown(entry.path) or 'the run'}: the journal's {entry.kind} (entry {entry.seq}) has "
                    f"{field}={shortened(was)}, the code now gives {shortened(now)}.",
                    entry, expected=was, got=now,
                )  # fmt: skip

    def allowed_cap(self, path: str, recorded: int, now: int) -> int:
        """Return what the cap of a call counts as: side by side, a sibling's reservation may have lowered it."""
        return min(recorded, now) if self._in_wave(path) else now

    def diverged(self, message: str, entry: Entry, *, expected: Any = None, got: Any = None) -> Divergence:
        """Return what to raise where the code is at odds with an entry."""
        return Divergence(
            message, path=entry.path, entry=entry.seq, kind=entry.kind, expected=expected, got=got,
            where=self.where(entry.path),
        )  # fmt: skip

    def where(self, path: str) -> str:
        """Return the line of code that is at work, else where the part of the definition was made that it is of."""
        return str(code.under(self.driver) or self.define(path))

    def missing(self, path: str, what: str, got: Any = None) -> Exception:
        """Return what to raise where the code wants something that the journal does not have."""
        if self.lost:
            self.check_lost(path)
        where = self.where(path)
        turn = _turn(path)
        if turn in self.open_turns or (self.attempt.is_cut and not self.unmet()):
            self.wanted.append(Wanted(path, what, where))
            return ReplayOver(f"The journal ends before {what} at {paths.shown(path)}.")
        first = self.first_unmet(path)
        has = f"has a {first.kind} at {paths.shown(first.path) or 'the end'}" if first else "has nothing more"
        return Divergence(
            f"{paths.shown(path)}: the code now makes {what}; the journal {has}"
            + (f" (entry {first.seq})." if first else "."),
            path=first.path if first else path, entry=first.seq if first else 0, kind=first.kind if first else "",
            expected=first.payload if first else None, got=what if got is None else got, where=where,
        )  # fmt: skip

    def first_unmet(self, path: str = paths.ROOT) -> Entry | None:
        """Return the first entry from `path` on, in canonical order, that was not met; of all where there is none."""
        left = self.unmet()
        if self.attempt.ended is not None:
            left.append(self.attempt.ended)
        key = paths.sort_key(path)
        start = (*key[:-1], (key[-1][0], "")) if key else key  # whatever is now at this place
        after = [e for e in left if canonical_order(e)[1] >= start]
        return min(after or left, key=canonical_order, default=None)

    def check_no_more(self, why: str) -> None:
        """Make sure that the journal ends where the code does; `why` says why the code ends.

        Raises:
            Divergence: It goes on.
        """
        left = self.unmet()
        if not left:
            return
        first = min(left, key=canonical_order)
        near = [w for w in self.wanted if paths.parent(w.path) == paths.parent(first.path)] or self.wanted
        got, where = (near[0].what, near[0].where) if near else (why, self.define(first.path))
        raise Divergence(
            f"{paths.shown(first.path) or 'the run'}: the journal goes on with a {first.kind} (entry {first.seq}), "
            + (f"the code now makes {got}." if near else f"where the code now ends: {why}"),
            path=first.path, entry=first.seq, kind=first.kind, expected=first.payload, got=got, where=where,
        )  # fmt: skip


def _answers(attempt: Attempt, run_id: str) -> list[Note]:
    """Return the answers that an attempt took in when it began, as they were in the inbox."""
    found: list[Note] = []
    for entry in attempt.entries:
        if entry.kind == "answer":
            made = sum(e.kind == "intent" and e.path == entry.path for e in attempt.before.entries)
            found.append(Note(question_id(run_id, entry.path, max(made, 1)), "answer", entry.payload, entry.at))
    return found


def _speaker(path: str) -> str:
    """Return who speaks at a path, empty outside of a speech."""
    element = path.partition("/")[2].partition("/")[0]
    return paths.elements(element)[0][1] if element else ""


def _turn(path: str) -> str:
    return path.partition("/")[0]


def _is_turn(entry: Entry) -> bool:
    return entry.path != paths.ROOT and "/" not in entry.path


def _plain(payload: Payload) -> dict[str, Any]:
    return json.loads(json.dumps(payload, default=str))


def _difference(name: str, expected: Any, got: Any) -> tuple[str, Any, Any] | None:
    """Return the name of the innermost field that differs, and both its values; None where nothing does."""
    if expected == got:
        return None
    for field, was, now in _fields(name, expected, got):
        found = _difference(field, was, now)
        if found is not None:
            return found
    return name, expected, got


def _as_before(expected: Any, got: Any) -> Any:
    """Return what the code gives with the names of classes that the journal has, where these mean the same ones.

    A class may have been moved since; and a journal may be from before it said where classes are defined.
    """
    both = (expected, got)
    if all(type(value) is dict for value in both):
        was, now = cast("tuple[dict[str, Any], dict[str, Any]]", both)
        made = {name: _as_before(was.get(name), value) for name, value in now.items()}
        if "class" in now and {"type", "id", "source"} <= was.keys():
            if "class" not in was:
                del made["class"]
            elif is_same(_inside(was["class"]), _inside(now["class"])):
                made |= {"class": was["class"], "type": was["type"]}
        return made
    if all(type(value) is list for value in both) and len(expected) == len(got):
        items: list[Any] = [_as_before(*pair) for pair in zip(expected, got, strict=True)]
        if expected[:1] == ["structured"] == got[:1]:
            (before, _, schema), (today, _, same) = expected[2].partition("#"), got[2].partition("#")
            if schema == same and (is_same(before, today) or before == plain(today)):
                items[2] = expected[2]
        return items
    return got


def _inside(name: str) -> str:
    """Return the class of a structured message's content; of any other its own."""
    return name.removeprefix("StructuredMessage[").removesuffix("]") if name.startswith("StructuredMessage[") else name


def _fields(name: str, expected: Any, got: Any) -> list[tuple[str, Any, Any]]:
    """Return the parts of two values that can be told apart one by one: none where they are of different shape."""
    both = (expected, got)
    if all(type(value) is dict for value in both):
        was, now = cast("tuple[dict[str, Any], dict[str, Any]]", both)
        return [(f"{name}.{key}", was.get(key), now.get(key)) for key in sorted({*was, *now})]
    if all(type(value) is list for value in both) and len(expected) == len(got):
        pairs: list[tuple[Any, Any]] = list(zip(expected, got, strict=True))
        return [(f"{name}[{i}]", *pair) for i, pair in enumerate(pairs)]
    return []


MOST_SHOWN = 300


def shortened(value: Any) -> str:
    """Return a value as a message shows it."""
    text = repr(cast("object", value))
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}… ({len(text)} characters)"
