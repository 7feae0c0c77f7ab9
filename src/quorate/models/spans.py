"""What a span says of a model call; loaded only where spans are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from quorate.core.spans import Attributes, Spans
from quorate.models.client import Answer, Folding, ModelRequest
from quorate.runs.meter import Halt
from quorate.runs.run import Parked

T = TypeVar("T")


def seen(
    spans: Spans, work: Awaitable[T], model: str, request: ModelRequest, answer: Callable[[T], Answer]
) -> Coroutine[Any, Any, T]:
    """Return `work`, a call of a model, in a span; `answer` makes the answer of what it returns."""

    def answered(found: T) -> Attributes:
        return _answered(answer(found))

    asked = {
        "gen_ai.request.max_tokens": request.max_tokens,
        "gen_ai.request.temperature": request.temperature,
        "gen_ai.request.seed": request.seed,
    }
    return spans.chat(work, model, asked, answered, expected=(Parked, Halt))


def seen_taking(
    spans: Spans, work: Awaitable[None], model: str, request: ModelRequest, folding: Folding
) -> Coroutine[Any, Any, None]:
    """Return `work`, which has `folding` take in what a model says, in a span."""
    return seen(spans, work, model, request, lambda _: folding.answer())


def _answered(answer: Answer) -> Attributes:
    usage = answer.usage
    return {
        "gen_ai.response.model": answer.model or None,
        "gen_ai.response.finish_reasons": (answer.finish,),
        "gen_ai.usage.input_tokens": usage and usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage and usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": (usage and usage.cached_tokens) or None,
        "gen_ai.usage.reasoning.output_tokens": (usage and usage.reasoning_tokens) or None,
    }
