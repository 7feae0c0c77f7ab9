"""A condition for conversations that say nothing new any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from quorate.chat.ending.stopping import Condition
from quorate.chat.facts import Fact
from quorate.chat.stalls.stock import all_stock
from quorate.chat.stalls.wording import ALIKE, Wording, is_much, wording
from quorate.core.figures import check_count
from quorate.core.words import counted

LATELY = 12
"""How many texts the next is compared with."""
RESULTS = 64
"""How many results of tools are remembered."""


class Lately(NamedTuple):
    """What was said and found lately, and how many messages have brought nothing new since."""

    texts: tuple[Wording, ...] = ()
    results: tuple[str, ...] = ()
    idle: int = 0
    found: bool = False


@dataclass(frozen=True)
class NoProgressTermination(Condition[Lately]):
    """Stop once `messages` messages in a row have said nothing new, in whatever words, and no tool found anything new.

    It completes the run, where stall detection would end it as `stalled`; and it needs no loop: small talk is enough.
    What people say is always new.
    """

    messages: int = 3

    def __post_init__(self) -> None:
        check_count("NoProgressTermination: messages", self.messages)

    def begin(self) -> Lately:
        return Lately()

    def see(self, memory: Lately, fact: Fact) -> Lately:
        if fact.message is not None:
            if not fact.speaker or fact.origin == "person":
                return memory._replace(idle=0, found=False)
            said = wording(fact.message.to_text(), all_stock())
            new = memory.found or _is_new(said, memory.texts)
            return memory._replace(
                texts=(*memory.texts, said)[-LATELY:], idle=0 if new else memory.idle + 1, found=False
            )
        if getattr(fact.event, "type", "") != "ToolCallExecutionEvent":
            return memory
        told = [f"{r.name} {r.content}" for r in getattr(fact.event, "content", ()) if not r.is_error]
        fresh = [sign for sign in told if sign not in memory.results]
        return memory._replace(results=(*memory.results, *fresh)[-RESULTS:], found=memory.found or bool(fresh))

    def reason(self, memory: Lately) -> str | None:
        return f"{counted(memory.idle, 'message')} in a row said nothing new" if memory.idle >= self.messages else None


def _is_new(said: Wording, lately: tuple[Wording, ...]) -> bool:
    """Return whether a text says something that none of those before it did."""
    if not said.words and not said.numbers:
        return False  # courtesy
    if not lately:
        return True
    numbers = said.numbers.difference(*(known.numbers for known in lately))
    if is_much(len(numbers), len(said.all)):
        return True
    if any(said.is_alike(known, ALIKE) for known in lately):
        return False
    return said.is_new(lately, max(lately, key=lambda known: len(known.all & said.all)))
