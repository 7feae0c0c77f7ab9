"""Ids of tool calls: which a provider takes, and what it is sent in the place of others.

A conversation goes on with another provider, and its ids are those of the one before. Nearly all are taken everywhere,
and some carry more than a name, so an id stays as it is unless it would be refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

from quorate.errors import ConfigError

OPENAI = r"[\s\S]{1,40}"
MISTRAL = "[a-zA-Z0-9]{9}"
ANTHROPIC = "[a-zA-Z0-9_-]{1,64}"

_MADE_OF = "0123456789abcdefl"
"""What ids that are sent in the place of others have: nine of a hexadecimal number, or `call` and five digits."""
_MOST_CHARACTERS = 9
_FORM = re.compile(r"\[[^\[\]]+\]\{\d{1,3}(,\d{0,3})?\}")


def taken_by(model: str, base_url: str | None = "") -> str | None:
    """Return which ids a model takes as far as it is known, as a regular expression of a whole id; None for any.

    Args:
        model: Its name at the provider, or its family's.
        base_url: Where it is asked; None for OpenAI's own server.
    """
    if base_url is None:
        return OPENAI
    # Also behind servers of somebody's own: the templates of these models look at ids, too.
    named = re.search("([sx]tral)|claude", f"{base_url} {model}", re.IGNORECASE)
    return None if named is None else MISTRAL if named[1] else ANTHROPIC


def check_call_ids(taken: str) -> None:
    """Refuse an expression that says no ids, or not those that are sent in the place of others.

    Raises:
        ConfigError: It is none.
    """
    fitting(taken)


@lru_cache(maxsize=64)
def fitting(taken: str | None) -> Callable[[str], str]:
    """Return what gives an id back if it is taken, and else always the same other one for it.

    Raises:
        ConfigError: `taken` is not one class of characters with how many of them, or other ids could not be sent.
    """
    if taken is None:
        return lambda id: id
    try:
        fits = re.compile(taken).fullmatch if _FORM.fullmatch(taken) else None
    except re.error:
        fits = None
    if fits is None:
        raise ConfigError(
            f"call_ids has to say which characters an id of a tool call may have and how many, such as {MISTRAL!r}."
        )
    if not all(fits(one * _MOST_CHARACTERS) for one in _MADE_OF):
        raise ConfigError("call_ids has to allow nine small letters and digits: so ids are sent that do not fit.")
    return lambda id: id if fits(id) else _other(id)


def _other(id: str) -> str:
    return blake2b(id.encode(errors="surrogatepass"), digest_size=5).hexdigest()[:_MOST_CHARACTERS]
