"""Texts of people that say yes."""

from __future__ import annotations

import re

YES = frozenset({
    "accept", "accepted", "agree", "agreed", "allow", "allowed", "approve", "approved", "fine", "good", "great", "lgtm",
    "ok", "okay", "perfect", "sure", "true", "y", "yeah", "yep", "yes", "ja", "passt", "einverstanden", "oui",
    "sí", "si", "是", "是的", "好", "好的", "可以", "同意",
})  # fmt: skip
BESIDE_YES = frozenset({
    "a", "ahead", "am", "and", "as", "be", "can", "for", "go", "i", "is", "it", "live", "looks", "m", "me", "please",
    "proposal", "ready", "s", "send", "sounds", "thank", "thanks", "that", "the", "this", "to", "us", "very", "we",
    "well", "with", "work", "works", "you",
})  # fmt: skip
"""Words that add nothing to a yes. Not one of doubt, or of what else there is to do."""


def says_yes(text: str) -> bool:
    """Return whether a plain text is agreement and nothing else: whoever says more, such as `OK, but`, wants more."""
    words = {word.casefold() for word in re.findall(r"\w+", text)}
    return not words.isdisjoint(YES) and words <= YES | BESIDE_YES and "?" not in text
