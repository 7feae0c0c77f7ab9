"""What speakers said lately and what tools answered: what the next is compared with. All of it is bounded."""

from __future__ import annotations

from collections.abc import Hashable

from quorate.chat.stock import stock
from quorate.chat.wording import ALIKE, Wording, is_much, is_near, shape, steady, wording

LATELY = 8
"""How many different texts of a speaker are compared with the next."""
CALLS = 64
"""How many different calls are remembered."""
ANSWERS = 4
"""How many different answers to each."""
LONG = 4000
"""Of a longer answer, what lies between its ends is compared letter by letter."""


class _Text:
    """Something said lately.

    Args:
        text: The text.
        sign: Equal for texts that repeat each other.
        seen: The words that carry something, at first sight.
        said: What it says, if somebody has asked.
    """

    __slots__ = ("_said", "seen", "sign", "text")

    def __init__(self, text: str, sign: Hashable, seen: set[str], said: Wording | None) -> None:
        self.text, self.sign, self.seen, self._said = text, sign, seen, said

    def wording(self) -> Wording:
        """Return what it says; looked at once."""
        if self._said is None:
            self._said = wording(self.text)
        return self._said


class Voice:
    """What one speaker said lately, or asked of tools.

    Args:
        name: Of the voice, no other's.
        alike: How large a share of their words two of its texts have in common that say the same.
    """

    __slots__ = ("_alike", "_before", "_heard", "_known", "_name", "_stock", "_texts")

    def __init__(self, name: tuple[str, str], alike: float = ALIKE) -> None:
        self._name, self._alike = name, alike
        self._texts: dict[str, _Text] = {}
        self._stock = stock()
        self._known: set[str] = set()
        self._before: set[str] = set()
        self._heard = 0

    def hear(self, text: str) -> tuple[Hashable, bool]:
        """Return the sign of a text, and whether it is new: else the sign is that of the one it repeats."""
        texts = self._texts
        heard = texts.pop(text, None)
        if heard is not None:
            texts[text] = heard
            return heard.sign, False
        shaped = shape(text)
        seen = set(shaped.split()) - self._stock
        if "0" in shaped:
            seen = {word for word in seen if "0" not in word}
        new = seen - self._known - self._before
        self._heard += 1
        if self._heard % LATELY:
            self._known |= seen
        else:
            self._before, self._known = self._known, set(seen)
        said = like = None
        if texts and not is_much(len(new), len(seen)):
            near = [t for t in texts.values() if is_near(seen, t.seen)]
            if near:
                said = wording(text)
                like = self._like(said, near)
        sign = (self._name, self._heard) if like is None else like
        texts[text] = _Text(text, sign, seen, said)
        if len(texts) > LATELY:
            del texts[next(iter(texts))]
        return sign, like is None

    def _like(self, said: Wording, near: list[_Text]) -> Hashable:
        """Return the sign of the latest text that this one says again, None if it says something else."""
        known = (text.sign for text in reversed(near) if said.is_alike(text.wording(), self._alike))
        sign = next(known, None)
        if sign is None or said.is_new([text.wording() for text in self._texts.values()]):
            return None
        return sign


class Answers:
    """What tools answered lately."""

    __slots__ = ("_calls", "_count")

    def __init__(self) -> None:
        self._calls: dict[Hashable, dict[str, int]] = {}
        self._count = 0

    def sign(self, call: Hashable, answer: str) -> Hashable:
        """Return the sign of a call with its answer: equal for those that repeat each other."""
        known = self._calls.pop(call, {})
        self._calls[call] = known
        if len(self._calls) > CALLS:
            del self._calls[next(iter(self._calls))]
        sign = known.get(answer)
        if sign is None and known:
            same = _steady_ends(answer)
            sign = next((number for earlier, number in known.items() if _steady_ends(earlier) == same), None)
        if sign is None:
            self._count = sign = self._count + 1
        known[answer] = sign
        if len(known) > ANSWERS:
            del known[next(iter(known))]
        return sign


def _steady_ends(answer: str) -> tuple[str, ...]:
    if len(answer) <= LONG:
        return (steady(answer),)
    half = LONG // 2
    return steady(answer[:half]), answer[half:-half], steady(answer[-half:])
