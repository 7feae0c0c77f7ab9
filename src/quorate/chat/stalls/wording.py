"""What a text says beside its wording: the words that carry something, without times, ids and phrases of courtesy."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from quorate.chat.stalls.tongues import CHINESE, CHINESE_JOINTS, COURTEOUS, JOINT

LONG = 400
"""Of a longer text only so many characters, from both ends, are looked at for a first impression."""
NEW_SHARE = 8
"""One new word in so many that carry something makes a text new."""
NEW_WORDS = 5
"""So many new words make a text of any length new."""
FEW = 8
"""Of words that carry something one in so many may be new in a text that says the same otherwise."""
HEARD = 0.75
"""A sentence is no news when so much of it was in one sentence before."""
ALIKE = 0.6
"""How large a share of the words that carry something two texts have in common that say the same."""
ALIKE_STOCK = 0.3
"""The same for texts in which no word carries anything and that ask nothing, of all their words."""
ENOUGH = 4
"""So many words make a text of which another may have all."""
NEAR = 0.4
"""How alike two texts look at first sight, by fewer of their words, that may be alike."""

_JOINT = string.punctuation.replace("'", "").replace("`", "").replace("-", "") + string.whitespace
_APART = "¿¡“”„«»…—•·、。「」\u2013\u2039\u203a\uff0c\uff01\uff1f\uff1a\uff1b\uff08\uff09"  # beside those of ASCII
_within = str.maketrans(dict.fromkeys("'`\u2019"))
_words = str.maketrans(dict.fromkeys(_JOINT + "-" + _APART, " ")) | _within
_shapes = str.maketrans(dict.fromkeys(_JOINT + _APART, " ") | dict.fromkeys(string.digits, "0")) | _within
_ascii = bytes(ord(chr(i).lower().translate(_shapes) or " ") for i in range(128)) + bytes(128)

_passing = re.compile(
    r"""
    \b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b                                     # a UUID
    | \b\d{4}-\d\d-\d\d(?:[t ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?\s?(?:z|utc|[+-]\d\d:?\d\d)?)?   # a date, with its time
    | \b\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?\b                                              # a time
    | \b(?=[a-f]*\d)(?=\d*[a-f])(?:0x)?[0-9a-f]{7,}\b                                   # an id in hex
    | \b\d{9,}\b                                                                        # a long id, seconds since 1970
    | \b\d+(?:[.,]\d+)?\s?(?:ns|us|µs|ms|s|secs?|seconds?|mins?|minutes?)\b             # how long it took
    """,
    re.VERBOSE,
)
_unspaced = re.compile(r"[\u2e80-\ud7ff]")  # scripts without spaces between words
_chinese = re.compile(f"([{''.join(sorted(CHINESE))}]+)")
_digit = re.compile(r"\d")
_sentence = re.compile(r"[.!?;:\n]+")
_tries = re.compile(
    r"\b(?:attempt|try|retry|iteration|round|revision|rev|v)\W{0,3}\d+(?:\s?(?:/|of)\s?\d+)?\b|(?<![^\s\"])[(\[]#?\d+[)\]]"
)


def steady(text: str) -> str:
    """Return a text without what differs each time by itself: times, dates, durations, ids, the number of a try."""
    text = text.lower()
    if not any(map(text.__contains__, "0123456789")):
        return text
    text = _passing.sub(" ", text)
    rest = _tries.sub(" ", text)
    return rest if len(rest.split()) >= 3 else text  # where there is little else, its number is what it says


class Wording(NamedTuple):
    """What a text says.

    Args:
        words: Those that carry something, numbers apart.
        sentences: The same, by sentence or line, where there is more than one word.
        numbers: Its numbers, and words with digits.
        all: All its words.
        order: They, in their order.
        asks: Whether there is a question in it.
    """

    words: frozenset[str]
    sentences: frozenset[frozenset[str]]
    numbers: frozenset[str]
    all: frozenset[str]
    order: tuple[str, ...]
    asks: bool

    def is_alike(self, other: Wording, share: float) -> bool:
        """Return whether two texts say the same: so large a share of their words is the same."""
        if is_much(len(self.numbers - other.numbers), len(self.all)):
            return False
        if self.numbers and is_much(len(self.numbers), len(self.all)) and self._figures() != other._figures():
            return False
        if self.words or other.words:
            return len(self.words & other.words) >= share * max(len(self.words), len(other.words))
        both, most = len(self.all & other.all), max(len(self.all), len(other.all))
        if ENOUGH <= both == min(len(self.all), len(other.all)):
            return True  # one says all that the other says, and courtesy
        return both >= (ALIKE if self.asks else ALIKE_STOCK) * most

    def _figures(self) -> list[str]:
        return [word for word in self.order if word in self.numbers]

    def is_new(self, lately: Sequence[Wording], like: Wording) -> bool:
        """Return whether a text says something new to who has heard these, and of these one most like it."""
        new = self.words.difference(*(known.words for known in lately))
        if len(new) * FEW > len(self.words) or (new and self._fills(like, new)):
            return True
        heard = frozenset[frozenset[str]]().union(*(known.sentences for known in lately))
        return any(not any(_is_in(sentence, known) for known in heard) for sentence in self.sentences - heard)

    def _fills(self, other: Wording, new: frozenset[str]) -> bool:
        """Return whether new words stand where another text has other words: one frame, filled in anew."""
        between = {(a, c) for a, b, c in _threes(other.order) if b not in self.all}
        return any((a, c) in between for a, b, c in _threes(self.order) if b in new)


def _threes(words: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    return zip(("", *words), words, (*words[1:], ""), strict=False)


def _is_in(sentence: frozenset[str], other: frozenset[str]) -> bool:
    return len(sentence & other) >= HEARD * len(sentence)


def is_much(new: int, among: int) -> bool:
    """Return whether so many new words make a text new."""
    return new > 0 and (new * NEW_SHARE >= among or new >= NEW_WORDS)


def is_filled_in(words: frozenset[str], other: frozenset[str]) -> bool:
    """Return whether two texts fill one frame with different words, which these are."""
    return bool(words and other) and len(words & other) < ALIKE * max(len(words), len(other))


def is_near(seen: set[str], other: set[str]) -> bool:
    """Return whether two texts may be alike, at first sight."""
    most = max(len(seen), len(other))
    return len(seen & other) >= NEAR * most


def wording(text: str, common: frozenset[str]) -> Wording:
    """Return what a text says beside common words."""
    said, order, asks = set[str](), list[str](), "?" in text or "\uff1f" in text
    sentences = set[frozenset[str]]()
    for sentence in _sentence.split(steady(text)):
        words = _cut_up(sentence.translate(_words))
        said.update(words)
        order += words
        carrying = frozenset([word for word in words if word not in common])
        if len(carrying) > 1:
            sentences.add(carrying)
    numbers = frozenset(word for word in said if _digit.search(word))
    words = said - common - numbers
    return Wording(frozenset(words), frozenset(sentences), numbers, frozenset(said), tuple(order), asks)


def split(text: str) -> list[str]:
    """Return the sentences and lines of a text."""
    return _sentence.split(text)


def shape(text: str) -> str:
    """Return the words of a text with digits as zeros: a cheap first look, at its ends only."""
    if len(text) > LONG:
        text = f"{text[: LONG // 2]} {text[-LONG // 2 :]}"
    if text.isascii():
        return text.encode().translate(_ascii, b"'`").decode()  # a tenth of what translating a str costs
    text = text.lower().translate(_shapes)
    return " ".join(_cut_up(text))


def _cut_up(text: str) -> list[str]:
    words = text.split()
    if text.isascii() or not _unspaced.search(text):
        return words
    return [piece for word in words for piece in (_pieces(word) if _unspaced.search(word) else [word])]


def _pieces(word: str) -> Iterator[str]:
    """Yield pairs of letters of what carries something, and what stands for the rest."""
    for part in _chinese.split(word):
        if not part:
            continue
        if part[0] not in CHINESE:
            yield from (part[i : i + 2] for i in range(max(1, len(part) - 1)))
        else:
            yield JOINT if CHINESE_JOINTS.issuperset(part) else COURTEOUS
