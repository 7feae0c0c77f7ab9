"""Numbers in sentences."""

from __future__ import annotations


def counted(number: float, word: str, several: str = "") -> str:
    """Return a number and its noun, whose plural has an `s` if nothing else is said."""
    return f"{number:,.0f} {word if number == 1 else several or word + 's'}"
