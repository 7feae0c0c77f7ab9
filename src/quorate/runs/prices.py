"""What a model call costs: by a price that the user gave, else by the maintained tables of `genai-prices`.

The same tables know how much fits into many models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, cast

from msgspec import Struct

from quorate.errors import ConfigError

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation


class Priced(Protocol):
    """What a price is looked up by: a name such as `openai:gpt-5`, and whether it runs on the user's own machine."""

    @property
    def name(self) -> str: ...
    @property
    def free(self) -> bool: ...


class Sized(Priced, Protocol):
    """What a window is looked up by: as a price, and the window that its client knows itself."""

    @property
    def context_window(self) -> int | None: ...


class Rate(Protocol):
    """Says what calls of one model cost; `known` is False where nobody knows."""

    @property
    def known(self) -> bool: ...
    @property
    def free(self) -> bool: ...
    def usd(self, prompt: int, completion: int, cached: int = 0) -> float | None:
        """Return the dollars of a call, None where no price is known. `cached` tokens are part of `prompt`."""
        ...


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs, in US dollars per million tokens; for models that the tables do not have, or to correct them.

    Args:
        input_usd: Of prompts.
        output_usd: Of replies.
        cached_usd: Of the part of a prompt that the provider had in its cache; by default as the rest.

    Raises:
        ConfigError: A price is not a finite number of at least 0, or what is cached costs more than what is not.
    """

    input_usd: float
    output_usd: float
    cached_usd: float | None = None

    def __post_init__(self) -> None:
        for name, value in self.given().items():
            if type(value) not in {int, float} or not 0 <= value < float("inf"):
                raise ConfigError(f"Price({name}={value!r}): give US dollars per million tokens, 0 for what is free.")
        if self.cached_usd is not None and self.cached_usd > self.input_usd:
            raise ConfigError(f"Price(cached_usd={self.cached_usd}) is more than input_usd={self.input_usd}.")

    @property
    def known(self) -> bool:
        """Whether anybody knows it: yes."""
        return True

    @property
    def free(self) -> bool:
        """Whether calls cost nothing."""
        return not (self.input_usd or self.output_usd or self.cached_usd)

    def usd(self, prompt: int, completion: int, cached: int = 0) -> float:
        cached_usd = self.input_usd if self.cached_usd is None else self.cached_usd
        return ((prompt - cached) * self.input_usd + cached * cached_usd + completion * self.output_usd) / 1e6

    def given(self) -> dict[str, float]:
        """Return it as plain data, without what was left out."""
        said = {"input_usd": self.input_usd, "output_usd": self.output_usd, "cached_usd": self.cached_usd}
        return {name: value for name, value in said.items() if value is not None}


def price_from(model: str, data: Any) -> Price:
    """Return the price of a model that plain data says.

    Raises:
        ConfigError: It has a field that prices do not have, or lacks one.
    """
    names = ("input_usd", "output_usd", "cached_usd")
    fields = cast("Mapping[str, Any]", data) if isinstance(data, Mapping) else dict[str, Any]()
    if not {"input_usd", "output_usd"} <= set(fields) <= set(names):
        raise ConfigError(
            f"The price of {model}: {data!r}; give {', '.join(names[:2])} and, if it differs, {names[2]}: US dollars "
            "per million tokens."
        )
    return Price(**fields)


class Tabled(Struct, frozen=True, gc=False):
    """Looks one model up in the tables; `known` is False where they do not have it."""

    provider: str
    model: str
    known: bool
    free: bool

    def usd(self, prompt: int, completion: int, cached: int = 0) -> float | None:
        if self.free:
            return 0.0
        return _calculated(self.provider, self.model, prompt, completion, cached) if self.known else None


def price_of(info: Priced, prices: Mapping[str, Price] | None = None) -> Rate:
    """Return what a model costs: by the user's own prices, by name, else by the tables."""
    if prices and info.name in prices:
        return prices[info.name]
    return FREE if info.free else _looked_up(info.name)


def window_of(info: Sized) -> int | None:
    """Return how many tokens of prompt and reply together a model takes, None if nobody knows.

    What its client says counts, else what the tables have of its name. They know nothing of models on the user's own
    machine.
    """
    if info.context_window is not None or info.free:
        return info.context_window
    return _tabled_window(info.name)


FREE = Tabled("", "", known=True, free=True)


@lru_cache(maxsize=256)
def _looked_up(name: str) -> Tabled:
    provider, _, model = name.partition(":")
    known = bool(model) and _calculated(provider, model, 1, 1, 0) is not None
    return Tabled(provider, model, known, free=False)


@lru_cache(maxsize=256)
def _tabled_window(name: str) -> int | None:
    provider, _, model = name.partition(":")
    found = _entry(provider, model, 1, 1, 0) if model else None
    return None if found is None else found.model.context_window


def _calculated(provider: str, model: str, prompt: int, completion: int, cached: int) -> float | None:
    found = _entry(provider, model, prompt, completion, cached)
    return None if found is None else float(found.total_price)


def _entry(provider: str, model: str, prompt: int, completion: int, cached: int) -> PriceCalculation | None:
    """Return what the tables have of a model, with the price of a call; None if they do not have it."""
    import genai_prices  # its tables and its HTTP client are loaded only where a model has a price

    usage = genai_prices.Usage(input_tokens=prompt, output_tokens=completion, cache_read_tokens=cached)
    try:
        return genai_prices.calc_price(usage, model, provider_id=provider)
    except LookupError:
        return None
