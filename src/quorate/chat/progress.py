"""Whether a conversation gets anywhere: the same again and again, with nothing new between, is a stall.

Three cheap signs, in this order: an exact fingerprint of what was said or done; whether it brings any new word; and
only where it brings none, how much of it was in a recent message already.
"""

from __future__ import annotations

import string
from collections import deque
from collections.abc import Sequence
from typing import Any

from quorate.chat.facts import Fact
from quorate.runs.meter import Halt
from quorate.runs.outcome import Outcome

REPEATS = 3
WINDOW = 16
ALIKE = 0.85
_blank = str.maketrans(dict.fromkeys(string.punctuation, " "))


class Progress:
    """Folds over the facts of a run.

    Args:
        persons: Names of people; what they say is always new.
        polls: Names of tools that may be called again and again with one result.
    """

    __slots__ = ("_asked", "_done", "_known", "_persons", "_polls", "_recent", "_seen", "stalled")

    def __init__(self, persons: frozenset[str] = frozenset(), polls: frozenset[str] = frozenset()) -> None:
        self._persons, self._polls = persons, polls
        self._seen: dict[Any, int] = {}
        self._known: set[str] = set()
        self._done: set[int] = set()
        self._recent: deque[tuple[str, str]] = deque(maxlen=WINDOW)
        self._asked: Sequence[Any] = ()
        self.stalled = ""

    def see(self, fact: Fact) -> None:
        """Take in the next fact."""
        if fact.message is not None:
            self._see_text(fact.speaker, fact.message.to_text())
        elif fact.event is not None:
            kind = getattr(fact.event, "type", "")
            if kind == "ToolCallRequestEvent":
                self._asked = list(fact.event.content)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]: of that event
            elif kind == "ToolCallExecutionEvent":
                self._see_results(fact.speaker, fact.event.content)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]: of that event

    def _see_text(self, speaker: str, text: str) -> None:
        words = _words(text)
        if not speaker or speaker in self._persons:
            self._known.update(words)
            self._fresh()
            return
        if not self._known.issuperset(words):
            self._known.update(words)
            self._fresh()
            self._recent.append((speaker, text))
            self._seen[speaker, text] = 1
            return
        again = self._seen.get((speaker, text), 0) + 1
        self._seen[speaker, text] = again
        if again < REPEATS:
            again = max(again, self._alike(speaker, text))
        self._recent.append((speaker, text))
        if again >= REPEATS:
            self.stalled = (
                self.stalled or f"{speaker} said the same {again} times, and nothing new came between: {_cut(text)}"
            )

    def _alike(self, speaker: str, text: str) -> int:
        """Return how many of the speaker's recent messages, this one included, are nearly the same."""
        words, count = set(_words(text)), 1
        for who, earlier in self._recent:
            if who == speaker:
                said = set(_words(earlier))
                count += len(words & said) >= ALIKE * max(1, len(words | said))
        return count

    def _see_results(self, speaker: str, results: list[Any]) -> None:
        for call, result in zip(self._asked, results, strict=False):
            if call.name in self._polls:
                continue
            sign = hash((speaker, call.name, call.arguments, result.content))  # a long result is not kept for this
            if sign not in self._done:
                self._done.add(sign)
                self._fresh()
            self._seen[sign] = again = self._seen.get(sign, 0) + 1
            if again >= REPEATS:
                self.stalled = self.stalled or (
                    f"{speaker} called {call.name}({_cut(call.arguments)}) {again} times with the same result: "
                    f"{_cut(result.content)}"
                )

    def _fresh(self) -> None:
        """Something new came: what repeated itself before does not count any more."""
        if self._seen:
            self._seen.clear()
        if self._recent:
            self._recent.clear()

    def check(self) -> None:
        """Stop what is going on if it stalls.

        Raises:
            Halt: It does.
        """
        if self.stalled:
            raise Halt(Outcome("stalled", self.stalled))


def _words(text: str) -> list[str]:
    return text.lower().translate(_blank).split()  # half the cost of a regular expression


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "…"
