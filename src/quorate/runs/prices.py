"""What a model call costs, from the maintained tables of `genai-prices`."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Protocol


class Priced(Protocol):
    """What a price is looked up by: a name such as `openai:gpt-5`, and whether it runs on the user's own machine."""

    @property
    def name(self) -> str: ...
    @property
    def free(self) -> bool: ...


class Price(NamedTuple):
    """Looks up one model; `known` is False where the tables do not have it."""

    provider: str
    model: str
    known: bool
    free: bool

    def usd(self, prompt: int, completion: int, cached: int = 0) -> float | None:
        """Return the dollars of a call, None where no price is known."""
        if self.free:
            return 0.0
        return _calculated(self.provider, self.model, prompt, completion, cached) if self.known else None


def price_of(info: Priced) -> Price:
    """Return the price of a model."""
    return FREE if info.free else _looked_up(info.name)


FREE = Price("", "", known=True, free=True)


@lru_cache(maxsize=256)
def _looked_up(name: str) -> Price:
    provider, _, model = name.partition(":")
    known = bool(model) and _calculated(provider, model, 1, 1, 0) is not None
    return Price(provider, model, known, free=False)


def _calculated(provider: str, model: str, prompt: int, completion: int, cached: int) -> float | None:
    import genai_prices  # its tables and its HTTP client are loaded only where a model has a price

    usage = genai_prices.Usage(input_tokens=prompt, output_tokens=completion, cache_read_tokens=cached)
    try:
        return float(genai_prices.calc_price(usage, model, provider_id=provider).total_price)
    except LookupError:
        return None
