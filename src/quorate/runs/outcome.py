"""How an attempt at a run ended, and within which limits it had to stay."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from quorate.errors import ConfigError

Kind = Literal["completed", "limit", "stalled", "waiting", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The one outcome of an attempt. Only `completed` is final; every other can be continued.

    Args:
        kind: Which of the six.
        reason: In words: which condition and what it saw, which limit, what repeated itself, which error.
        limit: The name of the limit that was reached, for `limit`.
        questions: The ids of the questions that wait for an answer, for `waiting`.
        open_intents: Calls with an unknown effect, in words; somebody has to settle them.
        cause: The path of the step that raised, for `failed`.
    """

    kind: Kind
    reason: str
    limit: str = ""
    questions: tuple[str, ...] = ()
    open_intents: tuple[str, ...] = ()
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a run may use, all finite. Seconds are those it works; waiting for people does not count.

    Money: with a model whose price is unknown the cost shows as unknown and tokens govern. A `cost_usd` that you set
    yourself is then refused before the start.
    """

    turns: int = 100
    model_calls: int = 300
    tool_calls: int = 300
    tokens: int = 2_000_000
    cost_usd: float = 5.0
    active_s: float = 3600.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise ConfigError(f"Limits({field.name}={value!r}): give a number above 0. No limit may be infinite.")

    def but(self, changes: dict[str, Any]) -> Limits:
        """Return these limits with some of them replaced.

        Raises:
            ConfigError: A name is not a limit, or a value is not a number above 0.
        """
        unknown = sorted(set(changes) - {f.name for f in fields(self)})
        if unknown:
            raise ConfigError(f"No limit named {unknown[0]!r}. There are: {', '.join(f.name for f in fields(self))}.")
        return replace(self, **changes)

    def dump(self) -> dict[str, Any]:
        """Return the limits as plain data."""
        return asdict(self)
