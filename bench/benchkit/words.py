"""Varied text of an exact length, the same on every machine and in every framework."""

import random
from functools import cache

_SYLLABLES = ("ba", "cor", "den", "fi", "gal", "ho", "jun", "ki", "lor", "mi", "nau", "pe", "qui", "ras", "so", "tel")


@cache
def vocabulary(size: int = 2000) -> tuple[str, ...]:
    """Return `size` different made-up words, shortest about two letters."""
    rng = random.Random(2000)
    words: dict[str, None] = {}
    while len(words) < size:
        words["".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4)))] = None
    return tuple(words)


def texts(count: int, size_bytes: int, *, seed: int = 1) -> list[str]:
    """Return `count` different sentences of exactly `size_bytes` ASCII characters."""
    rng = random.Random(seed)
    words = vocabulary()
    return [_sentence(rng, words, size_bytes) for _ in range(count)]


def _sentence(rng: random.Random, words: tuple[str, ...], size_bytes: int) -> str:
    text = " ".join(rng.choices(words, k=size_bytes // 2 + 1))
    return text[: size_bytes - 1] + "."
