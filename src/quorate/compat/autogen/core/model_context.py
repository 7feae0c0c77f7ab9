"""What of a conversation a model is shown, as AutoGen has it: lists of messages, cut by their number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

from pydantic import BaseModel, Field

from quorate.compat.autogen.components import Component, ComponentBase, ComponentModel
from quorate.compat.autogen.core.models import (
    AssistantMessage,
    ChatCompletionClient,
    FunctionExecutionResultMessage,
    LLMMessage,
    UserMessage,
)
from quorate.compat.autogen.toolbase import ToolSchema
from quorate.errors import ConfigError

__all__ = [
    "BufferedChatCompletionContext",
    "ChatCompletionContext",
    "ChatCompletionContextState",
    "HeadAndTailChatCompletionContext",
    "TokenLimitedChatCompletionContext",
    "UnboundedChatCompletionContext",
]


class ChatCompletionContextState(BaseModel):
    """The messages of a context."""

    messages: list[LLMMessage] = Field(default_factory=list)


class ChatCompletionContext(ABC, ComponentBase[BaseModel]):
    """Keeps messages, and chooses what a model is shown of them.

    Args:
        initial_messages: What it begins with; only these are part of its configuration.
    """

    component_type: ClassVar[str] = "chat_completion_context"

    def __init__(self, initial_messages: list[LLMMessage] | None = None) -> None:
        self._messages: list[LLMMessage] = list(initial_messages or ())
        self._initial_messages = initial_messages

    async def add_message(self, message: LLMMessage) -> None:
        """Keep a message."""
        self._messages.append(message)

    @abstractmethod
    async def get_messages(self) -> list[LLMMessage]:
        """Return what the model is shown."""

    async def clear(self) -> None:
        """Forget all messages, those it began with too."""
        self._messages = []

    async def save_state(self) -> Mapping[str, Any]:
        """Return the messages, as data for JSON."""
        return ChatCompletionContextState.model_construct(messages=self._messages).model_dump()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on with what `save_state` returned."""
        self._messages = ChatCompletionContextState.model_validate(state).messages


class UnboundedConfig(BaseModel):
    """A context without settings."""

    initial_messages: list[LLMMessage] | None = None


class UnboundedChatCompletionContext(ChatCompletionContext, Component[UnboundedConfig]):
    """Shows all messages."""

    component_provider_override: ClassVar[str | None] = "autogen_core.model_context.UnboundedChatCompletionContext"
    component_config_schema: ClassVar[type[Any]] = UnboundedConfig

    async def get_messages(self) -> list[LLMMessage]:
        return list(self._messages)

    def _to_config(self) -> UnboundedConfig:
        return UnboundedConfig(initial_messages=self._initial_messages)

    @classmethod
    def _from_config(cls, config: UnboundedConfig) -> Self:
        return cls(config.initial_messages)


def kept_by(context: ChatCompletionContext) -> list[LLMMessage] | None:
    """Return the list in which a context keeps all that it shows; None where it chooses, or is somebody's own."""
    own = type(context) is UnboundedChatCompletionContext
    return context._messages if own else None  # pyright: ignore[reportPrivateUsage]: the view's own, not its users'


class BufferedConfig(BaseModel):
    """A `BufferedChatCompletionContext` as configuration."""

    buffer_size: int
    initial_messages: list[LLMMessage] | None = None


class BufferedChatCompletionContext(ChatCompletionContext, Component[BufferedConfig]):
    """Shows the last messages, but none that begins with the results of calls that are not shown.

    Raises:
        ConfigError: `buffer_size` is not above 0.
    """

    component_provider_override: ClassVar[str | None] = "autogen_core.model_context.BufferedChatCompletionContext"
    component_config_schema: ClassVar[type[Any]] = BufferedConfig

    def __init__(self, buffer_size: int, initial_messages: list[LLMMessage] | None = None) -> None:
        super().__init__(initial_messages)
        _check("buffer_size", buffer_size)
        self._buffer_size = buffer_size

    async def get_messages(self) -> list[LLMMessage]:
        return _without_lone_results(self._messages[-self._buffer_size :])

    def _to_config(self) -> BufferedConfig:
        return BufferedConfig(buffer_size=self._buffer_size, initial_messages=self._initial_messages)

    @classmethod
    def _from_config(cls, config: BufferedConfig) -> Self:
        return cls(config.buffer_size, config.initial_messages)


class HeadAndTailConfig(BaseModel):
    """A `HeadAndTailChatCompletionContext` as configuration."""

    head_size: int
    tail_size: int
    initial_messages: list[LLMMessage] | None = None


class HeadAndTailChatCompletionContext(ChatCompletionContext, Component[HeadAndTailConfig]):
    """Shows the first and the last messages, and between them how many are left out.

    Raises:
        ConfigError: A size is not above 0.
    """

    component_provider_override: ClassVar[str | None] = "autogen_core.model_context.HeadAndTailChatCompletionContext"
    component_config_schema: ClassVar[type[Any]] = HeadAndTailConfig

    def __init__(self, head_size: int, tail_size: int, initial_messages: list[LLMMessage] | None = None) -> None:
        super().__init__(initial_messages)
        _check("head_size", head_size)
        _check("tail_size", tail_size)
        self._head_size, self._tail_size = head_size, tail_size

    async def get_messages(self) -> list[LLMMessage]:
        skipped = len(self._messages) - self._head_size - self._tail_size
        if skipped <= 0:
            return list(self._messages)
        head, tail = self._messages[: self._head_size], self._messages[-self._tail_size :]
        if isinstance(head[-1], AssistantMessage) and isinstance(head[-1].content, list):
            head = head[:-1]  # its calls have no results here
        note = UserMessage(content=f"Skipped {skipped} messages.", source="System")
        return [*head, note, *_without_lone_results(tail)]

    def _to_config(self) -> HeadAndTailConfig:
        return HeadAndTailConfig(
            head_size=self._head_size, tail_size=self._tail_size, initial_messages=self._initial_messages
        )

    @classmethod
    def _from_config(cls, config: HeadAndTailConfig) -> Self:
        return cls(config.head_size, config.tail_size, config.initial_messages)


class TokenLimitedConfig(BaseModel):
    """A `TokenLimitedChatCompletionContext` as configuration."""

    model_client: ComponentModel
    token_limit: int | None = None
    tool_schema: list[dict[str, Any]] | None = None
    initial_messages: list[LLMMessage] | None = None


class TokenLimitedChatCompletionContext(ChatCompletionContext, Component[TokenLimitedConfig]):
    """Leaves out messages in the middle until the rest has few enough tokens; calls go with their results.

    Args:
        model_client: Counts the tokens.
        token_limit: The most tokens; without it, what is left in the model's window must not be below 0.
        tool_schema: The tools that are counted too.
        initial_messages: What it begins with.

    Raises:
        ConfigError: The limit is not above 0.
    """

    component_provider_override: ClassVar[str | None] = "autogen_core.model_context.TokenLimitedChatCompletionContext"
    component_config_schema: ClassVar[type[Any]] = TokenLimitedConfig

    def __init__(
        self,
        model_client: ChatCompletionClient,
        *,
        token_limit: int | None = None,
        tool_schema: list[ToolSchema] | None = None,
        initial_messages: list[LLMMessage] | None = None,
    ) -> None:
        super().__init__(initial_messages)
        if token_limit is not None:
            _check("token_limit", token_limit)
        self._model_client, self._token_limit = model_client, token_limit
        self._tool_schema = tool_schema or []

    async def get_messages(self) -> list[LLMMessage]:
        shown = list(self._messages)
        while shown and self._too_many(shown):
            middle = len(shown) // 2
            first, end = middle, middle + 1
            if isinstance(shown[middle], FunctionExecutionResultMessage) and middle:
                first = middle - 1
            elif end < len(shown) and isinstance(shown[end], FunctionExecutionResultMessage):
                end += 1
            del shown[first:end]
        return _without_lone_results(shown)

    def _too_many(self, messages: list[LLMMessage]) -> bool:
        if self._token_limit is None:
            return self._model_client.remaining_tokens(messages, tools=self._tool_schema) < 0
        return self._model_client.count_tokens(messages, tools=self._tool_schema) > self._token_limit

    def _to_config(self) -> TokenLimitedConfig:
        return TokenLimitedConfig(
            model_client=self._model_client.dump_component(),
            token_limit=self._token_limit,
            tool_schema=[dict(schema) for schema in self._tool_schema],
            initial_messages=self._initial_messages,
        )

    @classmethod
    def _from_config(cls, config: TokenLimitedConfig) -> Self:
        return cls(
            ChatCompletionClient.load_component(config.model_client),
            token_limit=config.token_limit,
            tool_schema=cast("list[ToolSchema] | None", config.tool_schema),
            initial_messages=config.initial_messages,
        )


def _check(name: str, size: int) -> None:
    if size <= 0:
        raise ConfigError(f"{name} must be greater than 0.")


def _without_lone_results(messages: list[LLMMessage]) -> list[LLMMessage]:
    """Return messages without results at their beginning, whose calls are not there."""
    return messages[1:] if messages and isinstance(messages[0], FunctionExecutionResultMessage) else messages
