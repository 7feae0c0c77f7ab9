"""What speakers said lately and what tools answered: what the next is compared with. All of it is bounded."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Hashable, Set

from msgspec import Struct

from quorate.chat.stalls.stock import all_joints, all_stock, feelings, joints, plain, stock
from quorate.chat.stalls.tongues import HINTS
from quorate.chat.stalls.wording import ALIKE, FEW, Wording, is_filled_in, is_near, shape, split, steady, wording

LATELY = 8
"""How many different texts of a speaker are compared with the next."""
CALLS = 64
"""How many different calls are remembered."""
ANSWERS = 4
"""How many different answers to each."""
LONG = 4000
"""Of a longer answer, what lies between its ends is compared letter by letter."""
HEARD = 8
"""With how many texts of all speakers a courtesy is compared."""
HOLLOW = 3
"""At most one in so many words of a courtesy carries something."""
SHORT = 40
"""A text of more words is no courtesy."""
FRAME = 6
"""Among so many texts, words that one in three of them has are a frame."""
FELT = 120
"""In a text of more words nobody tells how they feel."""
SATELLITE = 4
"""Where somebody tells how they feel, one word in so many may be any."""
ODD, ODD_AMONG = 2, 5
"""So many new words, and one in so many, may be a turn of phrase."""
THING = 3
"""A word that comes fewer words after an article is the name of a thing."""
SLOTS = 32
"""With how many such sentences the next is compared."""
_APART = re.compile(r"[?\uff1f=<>|\\]")
"""What is in questions and in code is no courtesy."""
_ARTICLES = frozenset(["the", "every", "each", "another", "next"])
_NOTHING = frozenset[str]()
_ELISIONS = str.maketrans("'\u2019", "  ")


class _Text(Struct, gc=False):
    """Something said lately.

    Args:
        text: The text.
        sign: Equal for texts that repeat each other.
        seen: The words that carry something, at first sight.
        hollow: Whether it is nothing but courtesy.
        said: What it says, if somebody has asked.
    """

    text: str
    sign: Hashable
    seen: set[str]
    hollow: bool
    said: Wording | None = None

    def wording(self, common: frozenset[str]) -> Wording:
        """Return what it says; looked at once."""
        if self.said is None:
            self.said = wording(self.text, common)
        return self.said


class Room:
    """What all who speak share: their language, and what was said lately."""

    __slots__ = ("abroad", "feelings", "heard", "joints", "names", "plain", "recent", "stock")

    def __init__(self) -> None:
        self.stock, self.joints, self.plain, self.feelings = stock(), joints(), plain(), feelings()
        self.names: set[str] = set()
        self.abroad = False
        self.heard = 0
        self.recent: deque[set[str]] = deque(maxlen=HEARD)

    def meet(self, who: str) -> None:
        """Learn the name of somebody."""
        self.names.update(re.findall(r"\w+", who.lower().replace("_", " ")))

    def apart(self, text: str) -> str:
        """Return a text with its elisions taken apart."""
        return text.translate(_ELISIONS)

    def listen(self, words: list[str]) -> None:
        """Learn whether they speak another language than English."""
        self.heard += 1
        if self.heard <= HEARD or not self.heard % 4:
            self.abroad = len(HINTS.intersection(words)) > 1
            if self.abroad:
                self.stock, self.joints = all_stock(), all_joints()

    def is_hollow(self, text: str, words: list[str], seen: set[str]) -> bool:
        """Return whether a text is courtesy that brings nothing new.

        Args:
            text: The text.
            words: Its words.
            seen: Those that may carry something.
        """
        if not words or _APART.search(text):
            return False
        seen = seen - self.names
        if seen and not any(seen <= other for other in self.recent):
            return False
        said = [word for word in words if word in self.stock and word not in self.joints and word not in self.names]
        plain = sum(map(self.plain.__contains__, said))
        return 2 * plain <= len(said)


class Voice:
    """What one speaker said lately, or asked of tools.

    Args:
        name: Of the voice, no other's.
        room: Where others speak too.
        alike: How large a share of their words two of its texts have in common that say the same.
    """

    __slots__ = ("_alike", "_before", "_empty", "_heard", "_known", "_name", "_room", "_slots", "_texts")

    def __init__(self, name: tuple[str, str], room: Room, alike: float = ALIKE) -> None:
        self._name, self._room, self._alike = name, room, alike
        self._empty = (*name, "")
        self._texts: dict[str, _Text] = {}
        self._slots: dict[tuple[str, ...], set[str]] = {}
        self._known: set[str] = set()
        self._before: set[str] = set()
        self._heard = 0

    def hear(self, text: str) -> tuple[Hashable, bool, bool, bool]:
        """Return the sign of a text, equal for texts that repeat each other, and whether it is new, hollow or odd.

        An odd one repeats another but for a word or two. Now and then that is a turn of phrase, each time an item.
        """
        texts = self._texts
        known = texts.pop(text, None)
        if known is not None:
            texts[text] = known
            return known.sign, False, known.hollow, False
        room, whole = self._room, text
        if room.abroad:
            text = room.apart(text)
        shaped = shape(text)
        words = shaped.split()
        if not room.abroad:
            room.listen(words)
        seen = set(words) - room.stock
        digits = "0" in shaped
        if digits:
            seen = {word for word in seen if "0" not in word}
        felt = _NOTHING if room.feelings.isdisjoint(words) else self._felt(text, words, seen)
        if felt:
            seen = seen - felt
            text = "".join(word for word in re.split(r"(\W+)", text) if word.lower() not in felt)
        fresh = seen - self._known - self._before
        unknown = len(fresh)
        self._learn(seen, felt)
        said = sign = None
        if texts and unknown * FEW <= len(seen):
            near = [t for t in texts.values() if is_near(seen, t.seen)]
            if near:
                said = wording(text, room.stock)
                sign = self._like(said, near)
        hollow = sign == self._empty
        if sign is None and len(seen) * HOLLOW <= len(words) <= SHORT and room.is_hollow(text, words, seen):
            if digits:
                said = said or wording(text, room.stock)
            if said is None or said.numbers <= room.names:
                sign, hollow = self._empty, True
        room.recent.append(seen | felt if felt else seen)
        odd = sign is None and unknown <= ODD and unknown * ODD_AMONG <= len(words) >= 2 * len(seen)
        if odd and (felt or unknown) and not room.abroad and self._alike < 1.0 and not _are_things(words, fresh):
            said = said or wording(text, room.stock)
            sign = self._nearly(said)
            hollow = sign == self._empty
        new, odd = sign is None, odd and sign is not None
        if sign is None:
            sign = (self._name, self._heard)
        texts[whole] = _Text(text, sign, seen, hollow, said)
        if len(texts) > LATELY:
            del texts[next(iter(texts))]
        return sign, new, hollow, odd

    def _nearly(self, said: Wording) -> Hashable:
        """Return the sign of the latest text that has half of the words, and all of the numbers."""
        common = self._room.stock
        for text in reversed(self._texts.values()):
            like = text.wording(common)
            both = len(said.all & like.all)
            if said.numbers <= like.numbers and 2 * both >= max(len(said.all), len(like.all)):
                return text.sign
        return None

    def _learn(self, seen: set[str], felt: Set[str]) -> None:
        """Remember the words of a text."""
        self._heard += 1
        if self._heard % LATELY:
            self._known |= seen
        else:
            self._before, self._known = self._known, set(seen)
        if felt:
            self._known |= felt

    def _felt(self, text: str, words: list[str], seen: set[str]) -> Set[str]:
        """Return the words that are no news: one in a sentence that tells how its speaker feels.

        What stands where another word stood in such a sentence is an item, and news.
        """
        if not seen or self._room.abroad or len(words) > FELT:
            return _NOTHING
        felt = set[str]()
        for sentence in split(text):
            parts = shape(sentence).split()
            odd = seen.intersection(parts)
            if not odd or len(odd) * SATELLITE > len(parts) or self._room.feelings.isdisjoint(parts):
                continue
            if _are_things(parts, odd):
                continue
            frame = tuple("" if word in odd else word for word in parts)
            known = self._slots.setdefault(frame, odd)
            if len(self._slots) > SLOTS:
                del self._slots[next(iter(self._slots))]
            if known == odd and not _APART.search(sentence):
                felt |= odd
        return felt

    def _like(self, said: Wording, near: list[_Text]) -> Hashable:
        """Return the sign of the latest text that this one says again, None if it says something else."""
        common = self._room.stock
        frame = self._frame()
        for text in reversed(near):
            like = text.wording(common)
            if said.is_alike(like, self._alike) and not is_filled_in(said.words - frame, like.words - frame):
                break
        else:
            return None
        return None if said.is_new([t.wording(common) for t in self._texts.values()], like) else text.sign

    def _frame(self) -> set[str]:
        """Return the words that many texts have."""
        texts = self._texts.values()
        if len(texts) < FRAME:
            return set()
        count = Counter(word for text in texts for word in text.seen)
        return {word for word, times in count.items() if times * 3 >= len(texts)}


def _are_things(words: list[str], odd: set[str]) -> bool:
    """Return whether some of these words name a thing: they come soon after an article."""
    since = THING
    for word in words:
        since = 0 if word in _ARTICLES else since + 1
        if since < THING and word in odd:
            return True
    return False


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
