"""An instant model for AutoGen. Its own replay client counts the words of the whole history each call;
that is the mock's cost and not the framework's, so it is left out here."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from autogen_core import FunctionCall
from autogen_core.models import ChatCompletionClient, CreateResult, ModelFamily, ModelInfo, RequestUsage

_USAGE = RequestUsage(prompt_tokens=10, completion_tokens=10)


class InstantClient(ChatCompletionClient):
    """Answers at once with the next of `replies`: a text, or the calls of tools.

    A stream yields `chunks` and lets the loop turn before each when it is `paced`.
    """

    component_type = "model"

    def __init__(
        self, replies: Iterable[str | list[FunctionCall]], *, chunks: Iterable[str] = (), paced: bool = False
    ) -> None:
        self._replies = iter(replies)
        self._chunks = chunks
        self._paced = paced

    async def create(self, messages: Any, **_: Any) -> CreateResult:
        """Return the next reply."""
        reply = next(self._replies)
        finish = "stop" if isinstance(reply, str) else "function_calls"
        return CreateResult(finish_reason=finish, content=reply, usage=_USAGE, cached=False)

    async def create_stream(self, messages: Any, **_: Any) -> AsyncGenerator[str | CreateResult, None]:
        """Yield the chunks, then the whole of them."""
        for chunk in self._chunks:
            if self._paced:
                await asyncio.sleep(0)
            yield chunk
        yield CreateResult(finish_reason="stop", content="".join(self._chunks), usage=_USAGE, cached=False)

    async def close(self) -> None:
        """Hold nothing."""

    def actual_usage(self) -> RequestUsage:
        """Return a constant."""
        return _USAGE

    def total_usage(self) -> RequestUsage:
        """Return a constant."""
        return _USAGE

    def count_tokens(self, messages: Any, **_: Any) -> int:
        """Return a constant."""
        return 10

    def remaining_tokens(self, messages: Any, **_: Any) -> int:
        """Return a constant."""
        return 10_000

    @property
    def capabilities(self) -> ModelInfo:  # the older name of model_info, which is still abstract
        """Return what this model can do."""
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        """Say that images are fine, or AutoGen walks the whole history each turn to take them out."""
        return ModelInfo(
            vision=True, function_calling=True, json_output=False, family=ModelFamily.UNKNOWN, structured_output=False
        )
