"""What to do next with a run that is not completed: the exact commands."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from quorate.chat import shown
from quorate.cli import definition as definitions
from quorate.cli.place import Place
from quorate.cli.project import find_project
from quorate.runs.budget import Budget
from quorate.runs.entries import Payload
from quorate.runs.history import RunRecord
from quorate.runs.outcome import DEFAULT_LIMITS, WHOLE, Outcome


@dataclass(frozen=True)
class Again:
    """How to go on with a run.

    Args:
        run_id: Of the run.
        place: Where it is kept, None for nowhere.
        words: What names the definition where the journal does not have it.
    """

    run_id: str
    place: Place | None
    words: tuple[str, ...] = ()

    @classmethod
    def of(cls, run_id: str, place: Place, record: RunRecord) -> Again:
        """Return how to go on with a run that a journal tells of."""
        return cls(run_id, place, in_python(record, place))

    def command(self, *more: str) -> str:
        """Return the command, empty for a run that is kept nowhere."""
        return self.place.command("resume", self.run_id, *self.words, *more) if self.place else ""

    def hint(self, *more: str) -> str:
        """Return the line that says it."""
        return f"Go on with: {self.command(*more)}" if self.place else "It was kept nowhere, so it cannot go on."

    def lines(self, outcome: Outcome | None, record: RunRecord) -> Iterator[str]:
        """Yield what to do next, a line each; nothing after `completed`."""
        if outcome is not None and outcome.kind == "completed":
            return
        for entry in record.questions.values():
            yield from self._question(entry.payload)
        reached = outcome.limit if outcome else ""
        budget = next((b for b in record.budgets if b.limit == reached), None)
        if budget is not None:
            later = f" or the next {budget.per}" if budget.per else ""
            yield f"Wait for calls under way{later}, or give it more. " + self.hint("--budget", _more(budget))
        elif reached in DEFAULT_LIMITS:
            yield self.hint("--limits", f"{reached}={_wider(record, reached)}")
        elif reached:
            who, _, name = reached.rpartition(".")
            changed = () if self.words else ("--team", "FILE")
            what = f"{shown.inline(who)} more" if who else f"it more {shown.inline(name)}"
            yield f"Give {what} in the definition of the team. " + self.hint(*changed)
        else:
            yield self.hint()

    def _question(self, said: Payload) -> Iterator[str]:
        yield f"{said['id']}: {shown.clean(said['text'])}"
        if self.place is not None:
            yield from ways(said, self.place)


def in_python(record: RunRecord, place: Place) -> tuple[str, ...]:
    """Return the words that name the team of a run that was built in Python, none for another."""
    if record.document is not None or not record.app:
        return ()
    return "--app", definitions.here(record.app, place, find_project().root)


def _more(budget: Budget) -> str:
    return replace(budget, **{name: 2 * value for name, value in budget.amounts().items()}).words()


def _wider(record: RunRecord, name: str) -> str:
    """Return a value of a limit with which a run can go on that reached it."""
    used = record.active_s if name == "active_s" else record.meter().figures()[name] or 0.0
    least = max(2 * used, used + 4 * record.needs)
    value = 2 * (getattr(record.limits, name) or DEFAULT_LIMITS[name])
    if value < least:
        step = 10.0 ** (math.floor(math.log10(least)) - 1)
        value = math.ceil(least / step) * step
    return f"{value:.0f}" if name in WHOLE else f"{value:g}"


def ways(said: dict[str, Any], place: Place) -> list[str]:
    """Return the commands that answer a question, from the payload of its entry."""
    id = said["id"]
    if "permit" in said:
        given = '{"result": "…"}'
        return [
            f"  Allow it:   {place.command('answer', id, 'yes')}",
            f"  Its result: {place.command('answer', id, given)}",
            f"  Refuse it:  {place.command('answer', id, 'no')}, or why not instead of no",
        ]
    if "approval" in said:
        return [
            f"  Approve: {place.command('answer', id, 'yes')}",
            f"  Refuse:  {place.command('answer', id, 'no')}, or why not instead of no",
        ]
    if "name" in said:
        return [
            f"  It did:     {place.command('answer', id, '--happened', 'RESULT')}",
            f"  It did not: {place.command('answer', id, '--did-not')}",
        ]
    return [f"  Answer: {place.command('answer', id, 'ANSWER')}"]
