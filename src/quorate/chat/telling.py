"""Telling viewers who was chosen to speak: a view of the choice that the journal has."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quorate.chat.facts import SHOWN, Fact
from quorate.core.lazy import lazy
from quorate.runs.entries import Entry

if TYPE_CHECKING:
    from quorate.chat import messages
else:
    messages = lazy("quorate.chat.messages")


class Telling(NamedTuple):
    """Makes an event of each choice.

    Args:
        source: Whose the event is.
        reasons: Whether it says why, as its metadata's `reason`.
    """

    source: str
    reasons: bool = True

    def fact(self, choice: Entry, run_id: str) -> Fact:
        """Return that somebody was chosen, as what is only shown: nobody folds over it."""
        event = messages.SelectSpeakerEvent(
            id=f"{run_id}/{choice.path}#next",
            content=list(choice.payload["speakers"]),
            source=self.source,
            created_at=messages.at(choice.at),
            metadata={"reason": choice.payload["reason"]} if self.reasons else {},
        )
        return Fact(event=event, at=choice.at, ref=SHOWN)
