"""A model client that answers with what it was given, in order."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import BaseModel

from quorate.compat.autogen.components import Component
from quorate.compat.autogen.core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
    validate_model_info,
)
from quorate.core.cancellation import CancellationToken
from quorate.errors import ConfigError

__all__ = ["ReplayChatCompletionClient"]

_BUDGET = 10_000
"""Tokens that `remaining_tokens` counts down from."""


class ReplayChatCompletionClientConfig(BaseModel):
    """A `ReplayChatCompletionClient` as configuration."""

    chat_completions: Sequence[str | CreateResult]
    model_info: ModelInfo | None = None


class ReplayChatCompletionClient(ChatCompletionClient, Component[ReplayChatCompletionClientConfig]):
    """Answers with texts or whole results, in their order; words count as tokens.

    Args:
        chat_completions: The answers.
        model_info: What it is said to be able to do; by default nothing.
    """

    component_type: ClassVar[str] = "replay_chat_completion_client"
    component_provider_override: ClassVar[str | None] = "autogen_ext.models.replay.ReplayChatCompletionClient"
    component_config_schema: ClassVar[type[Any]] = ReplayChatCompletionClientConfig

    def __init__(self, chat_completions: Sequence[str | CreateResult], model_info: ModelInfo | None = None) -> None:
        self.chat_completions = list(chat_completions)
        self.provided_message_count = len(self.chat_completions)
        self._model_info = model_info or ModelInfo(
            vision=False, function_calling=False, json_output=False, family=ModelFamily.UNKNOWN, structured_output=False
        )
        validate_model_info(self._model_info)
        self._total_available_tokens = _BUDGET
        self._cur_usage = self._total_usage = RequestUsage(0, 0)
        self._current_index = 0
        self._cached = True
        self._create_calls: list[dict[str, Any]] = []
        self._counted: tuple[Sequence[Any], int, int] = ((), 0, 0)

    @property
    def create_calls(self) -> list[dict[str, Any]]:
        """The arguments of each `create`."""
        return self._create_calls

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Any] = [],
        tool_choice: Any = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """Return the next answer.

        Raises:
            ConfigError: There is none left.
        """
        result = self._answer(messages)
        self._current_index += 1
        self._create_calls.append(
            {
                "messages": messages,
                "tools": tools,
                "json_output": json_output,
                "extra_create_args": extra_create_args,
                "cancellation_token": cancellation_token,
            }
        )
        return result

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Any] = [],
        tool_choice: Any = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Yield the next answer word by word where it is a text, then the whole.

        Raises:
            ConfigError: There is none left.
        """
        result = self._answer(messages)
        if isinstance(self.chat_completions[self._current_index], str) and isinstance(result.content, str):
            words = result.content.split()  # what is between them becomes one blank, as AutoGen's has it
            for at, word in enumerate(words):
                yield word + " " if at < len(words) - 1 else word
        self._current_index += 1
        yield result

    def _answer(self, messages: Sequence[LLMMessage]) -> CreateResult:
        if self._current_index >= len(self.chat_completions):
            raise ConfigError("No more mock responses available")
        found = self.chat_completions[self._current_index]
        if isinstance(found, str):
            usage = RequestUsage(self._words_of(messages), len(found.split()))
            result = CreateResult(finish_reason="stop", content=found, usage=usage, cached=self._cached)
        else:
            result = found
        self._cur_usage = result.usage
        total = self._total_usage
        self._total_usage = RequestUsage(
            total.prompt_tokens + result.usage.prompt_tokens, total.completion_tokens + result.usage.completion_tokens
        )
        return result

    def _words_of(self, messages: Sequence[LLMMessage]) -> int:
        """Count the words of messages; of a conversation that has grown only the new ones."""
        before, count, words = self._counted
        if count > len(messages) or any(messages[at] is not before[at] for at in {0, count // 2, count - 1} if count):
            count, words = 0, 0
        for message in messages[count:]:
            if isinstance(message.content, str):
                words += len(message.content.split())
        self._counted = messages, len(messages), words
        return words

    def set_cached_bool_value(self, value: bool) -> None:
        """Say whether its texts come back as `cached`."""
        self._cached = value

    def reset(self) -> None:
        """Begin with the first answer again, and with no usage."""
        self._cur_usage = self._total_usage = RequestUsage(0, 0)
        self._current_index = 0
        self._create_calls.clear()

    async def close(self) -> None:
        """Hold nothing."""

    def actual_usage(self) -> RequestUsage:
        return self._cur_usage

    def total_usage(self) -> RequestUsage:
        return self._total_usage

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = []) -> int:
        """Return the number of words."""
        return self._words_of(list(messages))

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = []) -> int:
        used = self._total_usage
        return max(0, self._total_available_tokens - used.prompt_tokens - used.completion_tokens)

    @property
    def capabilities(self) -> Any:
        """As `model_info`, which replaced it."""
        warnings.warn("capabilities is the older name of model_info.", DeprecationWarning, stacklevel=2)
        return self._model_info

    @property
    def model_info(self) -> ModelInfo:
        return self._model_info

    def _to_config(self) -> ReplayChatCompletionClientConfig:
        return ReplayChatCompletionClientConfig(chat_completions=self.chat_completions, model_info=self._model_info)

    @classmethod
    def _from_config(cls, config: ReplayChatCompletionClientConfig) -> Self:
        return cls(config.chat_completions, config.model_info)
