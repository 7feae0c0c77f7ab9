"""How an attempt at a run ended, and within which limits it had to stay."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from quorate.errors import ConfigError

Kind = Literal["completed", "limit", "stalled", "waiting", "cancelled", "failed"]


class Outcome(Struct, frozen=True, gc=False):
    """The one outcome of an attempt. Only `completed` is final; every other can be continued.

    Args:
        kind: Which of the six.
        reason: In words: which condition and what it saw, which limit, what repeated itself, which error.
        limit: The name of the limit that was reached, for `limit`.
        questions: The ids of the questions that wait for an answer, for `waiting`.
        open_intents: Calls with an unknown effect, in words; somebody has to settle them.
        cause: The path of the step that raised, for `failed`.
        until: For `waiting` without a question: from when on it can be resumed, in microseconds since 1970.
    """

    kind: Kind
    reason: str
    limit: str = ""
    questions: tuple[str, ...] = ()
    open_intents: tuple[str, ...] = ()
    cause: str = ""
    until: int = 0


DEFAULT_LIMITS: dict[str, float] = {
    "turns": 100,
    "model_calls": 300,
    "tool_calls": 300,
    "tokens": 2_000_000,
    "cost_usd": 5.0,
    "active_s": 3600.0,
}

WHOLE = frozenset({"turns", "model_calls", "tool_calls", "tokens"})
"""Those that count things."""

_MOST = 1e300
"""Above it a whole number soon is too large to be reckoned with."""

WARN_AT = 0.8
"""The share of a limit at which a warning is told, unless the limits say otherwise."""


class Limits(Struct, frozen=True, gc=False, kw_only=True):
    """What a run may use, all finite.

    What is left out keeps the team's value, else 100 turns, 300 model calls, 300 tool calls, 2 million tokens, 5 US
    dollars, an hour. Seconds are those it works; waiting for people does not count.

    `warn_at` is the share of a limit at which a warning is told, once; 0.8 if it is left out, 1 for none.

    Money: with a model whose price is unknown the cost shows as unknown and tokens govern. A `cost_usd` that you set
    yourself is then refused before the start.

    Raises:
        ConfigError: A limit is not a finite number above 0, one of turns, calls or tokens not a whole one, or `warn_at`
            is above 1.
    """

    turns: int | None = None
    model_calls: int | None = None
    tool_calls: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    active_s: float | None = None
    warn_at: float | None = None

    def __post_init__(self) -> None:
        for name, value in self.given().items():
            number = isinstance(value, int if name in WHOLE else int | float) and not isinstance(value, bool)
            if not number or not 0 < value <= _MOST:
                what = "a whole number" if name in WHOLE else "a number"
                raise ConfigError(f"Limits({name}={value!r}): give {what} above 0. No limit may be infinite.")
        if self.warn_at is not None and self.warn_at > 1:
            raise ConfigError(f"Limits(warn_at={self.warn_at!r}): give the share of a limit, such as 0.8; 1 for none.")

    def given(self) -> dict[str, Any]:
        """Return the limits that were set, as plain data."""
        return {name: value for name in (*DEFAULT_LIMITS, "warn_at") if (value := getattr(self, name)) is not None}

    def over(self, other: Limits) -> Limits:
        """Return `other` with what is set here in its place."""
        if other == NO_LIMITS:
            return self
        return other if self == NO_LIMITS else Limits(**(other.given() | self.given()))

    def complete(self) -> dict[str, float]:
        """Return all limits as plain data, what is not set at its default."""
        found = DEFAULT_LIMITS | self.given()
        found.pop("warn_at", None)
        return found


NO_LIMITS = Limits()


def checked_limits(given: Limits) -> Limits:
    """Return limits that somebody gave, if that is what they are.

    Raises:
        ConfigError: They are something else.
    """
    if not isinstance(given, Limits):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
        raise ConfigError(f"limits={given!r} are no limits. Write limits=Limits(turns=30).")
    return given


def limits_of(given: dict[str, Any]) -> Limits:
    """Return limits given by name, such as on a command line.

    Raises:
        ConfigError: A name is not a limit, or a value is not a finite number above 0.
    """
    unknown = sorted(set(given) - {*DEFAULT_LIMITS, "warn_at"})
    if unknown:
        raise ConfigError(f"No limit is named {unknown[0]!r}. There are: {', '.join(DEFAULT_LIMITS)}.")
    return Limits(**given)
