"""Figures, texts and lists that users give, made sure of before anything is done with them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from quorate.errors import ConfigError


def check_count(what: str, given: object, *, least: int = 1) -> None:
    """Make sure that a number of things is one.

    Args:
        what: Its name, as the user wrote it.
        given: What the user gave.
        least: The least that it may be.

    Raises:
        ConfigError: It is no whole number, or less.
    """
    if isinstance(given, bool) or not isinstance(given, int):
        raise ConfigError(f"{what}={given!r} must be a whole number.")
    if given < least:
        raise ConfigError(f"{what}={given!r} must be at least {least}.")


def check_amount(what: str, given: object) -> None:
    """Make sure that an amount, such as of seconds or dollars, is a finite number above 0.

    Raises:
        ConfigError: It is not.
    """
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given) or given <= 0:
        raise ConfigError(f"{what}={given!r} must be a number above 0.")


def check_text(what: str, given: object) -> None:
    """Make sure that a text is one; it may be empty.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(given, str):
        raise ConfigError(f"{what}={given!r} must be a text.")


def check_list(what: str, given: object) -> None:
    """Make sure that what can be gone through is that, and no text or mapping, whose parts nobody means.

    Args:
        what: Its name, as the user wrote it, behind whose it is: `ann: tools`.
        given: What the user gave.

    Raises:
        ConfigError: It is not.
    """
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise ConfigError(f"{what}={given!r} is no list. Write {what.rpartition(' ')[2]}=[…], or leave it out.")
