"""A run taken apart into its attempts: what each began with, what it wrote, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from quorate.runs import paths
from quorate.runs.entries import Entry, Payload
from quorate.runs.history import RunRecord

FROM_OUTSIDE = frozenset({"run", "resumed", "definition", "fork", "unwrapped", "ended"})
"""Kinds at the root that are no part of what an attempt does on its own."""


CONTROLS = frozenset({"pause", "unpause", "interrupt", "assigned"})


@dataclass
class Attempt:
    """One attempt at a run: from `run` or `resumed` to `ended`, or to the last entry of a process that was killed.

    Args:
        first: Its first entry.
        before: What the journal held of the run when it began.
        definition: What it ran with: `document`, `app`, or nothing.
        wrap_up: What its wrap-up wrote, that belongs to the result.
        entries: What else it wrote after the first, without its end.
        ended: How it ended; None where nobody was left to say so.
        given_up: The turns of the run that nobody finished: an operator closed them, or a new task did.
    """

    first: Entry
    before: RunRecord
    definition: Payload
    wrap_up: list[Entry] = field(default_factory=list[Entry])
    entries: list[Entry] = field(default_factory=list[Entry])
    ended: Entry | None = None
    given_up: frozenset[str] = frozenset()

    @property
    def open_turns(self) -> frozenset[str]:
        """The turns that it left unfinished."""
        there = (*self.before.entries, *self.entries)
        turns = {e.path.partition("/")[0] for e in there if e.path and not paths.is_wrap_up(e.path)}
        return frozenset(turns - {e.path for e in (*self.before.entries, *self.entries) if e.kind == "turn"})

    @property
    def checked(self) -> list[Entry]:
        """What it wrote that can be done again: a turn is given up where different code could not finish it."""
        cut = {e.path for e in self.entries if e.kind == "turn" and e.payload.get("interrupted")}
        return [
            e
            for e in self.entries
            if not (_is_control(e) and e.path not in cut) and e.path.partition("/")[0] not in self.given_up
        ]  # an interrupt that is followed by the end of its turn was taken in by the attempt; others ended it

    @property
    def is_cut(self) -> bool:
        """Whether it ended from outside, at a moment that nothing in the journal decides."""
        if self.ended is None or self.open_turns & self.given_up:
            return True
        said = self.ended.payload
        if said["outcome"] == "waiting" and not any(said.get(why) for why in ("questions", "open_intents", "until")):
            return True  # paused
        stops = [e.payload["reason"] for e in self.entries if e.kind == "stop"]
        shared = {budget.limit for budget in self.before.with_entries([self.first]).budgets}
        if said.get("limit") in shared:
            return True  # what others left of a budget is not in this journal
        by_caller = said["outcome"] == "cancelled" and said["reason"] not in stops
        return by_caller or said.get("limit") == "active_s"


def attempts(run: RunRecord) -> Iterator[Attempt]:
    """Yield the attempts of one run."""
    entries = run.entries
    record: RunRecord | None = None
    now: Attempt | None = None
    definition: Payload = {}
    given_up = frozenset(e.path for e in entries if e.kind == "turn" and e.payload.get("given_up"))
    for i, entry in enumerate(entries):
        if entry.kind in {"run", "definition"} and ("document" in entry.payload or "app" in entry.payload):
            definition = {name: entry.payload[name] for name in ("document", "app") if name in entry.payload}
        if entry.kind in {"run", "resumed"}:
            if now is not None:
                yield now
            record = RunRecord(entry.run, marks=[mark for mark in run.marks if mark[0] < entries[0].seq])
            for earlier in entries[:i]:
                record.see(earlier)
            now = Attempt(entry, record, definition, given_up=given_up)
        elif now is not None:
            _see(now, entry)
    if now is not None:
        yield now


def _is_control(entry: Entry) -> bool:
    """Whether an entry only says that somebody wanted to hold or to cut the run, at whatever moment."""
    return entry.kind in CONTROLS or bool(entry.kind == "stop" and entry.payload.get("late"))


def _see(attempt: Attempt, entry: Entry) -> None:
    if entry.payload.get("given_up") and entry.path.partition("/")[0] in attempt.given_up:
        return  # by an operator, or by a new task, after the attempt
    if paths.is_wrap_up(entry.path):
        attempt.wrap_up.append(entry)
    elif entry.kind == "ended" and not entry.payload.get("closed"):
        attempt.ended = entry
    elif entry.path != paths.ROOT or entry.kind not in FROM_OUTSIDE:
        attempt.entries.append(entry)
