"""Figures that users give, made sure of before anything is done with them."""

from __future__ import annotations

import math

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
