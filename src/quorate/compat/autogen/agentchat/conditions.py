"""AutoGen's conditions, with the texts they stop with."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Self
from weakref import WeakSet

from pydantic import BaseModel

from quorate.chat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    BaseMessage,
    HandoffMessage,
    StopMessage,
    TextMessage,
    ToolCallExecutionEvent,
)
from quorate.compat.autogen import profile
from quorate.compat.autogen.components import Component
from quorate.compat.autogen.stopping import KeptCondition, TerminatedException, TerminationCondition
from quorate.errors import ConfigError
from quorate.runs.clock import SystemClock
from quorate.runs.run import Run

__all__ = [
    "ExternalTermination",
    "FunctionCallTermination",
    "FunctionalTermination",
    "HandoffTermination",
    "MaxMessageTermination",
    "SourceMatchTermination",
    "StopMessageTermination",
    "TextMentionTermination",
    "TextMessageTermination",
    "TimeoutTermination",
    "TokenUsageTermination",
]

_HOME = "autogen_agentchat.conditions."
_clock = SystemClock()


class EmptyConfig(BaseModel):
    """No settings."""


class MaxMessageConfig(BaseModel):
    """A `MaxMessageTermination` as configuration."""

    max_messages: int
    include_agent_event: bool = False


class MaxMessageTermination(KeptCondition, Component[MaxMessageConfig]):
    """Stop at so many messages, those of the task included; events count when asked."""

    component_config_schema: ClassVar[type[Any]] = MaxMessageConfig
    component_provider_override: ClassVar[str | None] = _HOME + "MaxMessageTermination"

    def __init__(self, max_messages: int, include_agent_event: bool = False) -> None:
        self._max_messages, self._include_agent_event = max_messages, include_agent_event
        self._counts = (BaseChatMessage, BaseAgentEvent) if include_agent_event else BaseChatMessage

    def first(self) -> int:
        return 0

    def after(self, memory: int, new: Sequence[BaseMessage]) -> int:
        for item in new:
            if isinstance(item, self._counts):
                memory += 1
        return memory

    def told(self, memory: int) -> tuple[str, str] | None:
        if memory < self._max_messages:
            return None
        return profile.MAX_MESSAGES.format(self._max_messages, memory), "MaxMessageTermination"

    def _to_config(self) -> MaxMessageConfig:
        return MaxMessageConfig(max_messages=self._max_messages, include_agent_event=self._include_agent_event)

    @classmethod
    def _from_config(cls, config: MaxMessageConfig) -> Self:
        return cls(config.max_messages, config.include_agent_event)


class TokenUsageConfig(BaseModel):
    """A `TokenUsageTermination` as configuration."""

    max_total_token: int | None = None
    max_prompt_token: int | None = None
    max_completion_token: int | None = None


class TokenUsageTermination(KeptCondition, Component[TokenUsageConfig]):
    """Stop once messages and events have cost so many tokens: in all, of prompts, or of replies.

    Raises:
        ConfigError: None of the three is given.
    """

    component_config_schema: ClassVar[type[Any]] = TokenUsageConfig
    component_provider_override: ClassVar[str | None] = _HOME + "TokenUsageTermination"

    def __init__(
        self,
        max_total_token: int | None = None,
        max_prompt_token: int | None = None,
        max_completion_token: int | None = None,
    ) -> None:
        if max_total_token is max_prompt_token is max_completion_token is None:
            raise ConfigError(
                "TokenUsageTermination needs one of max_total_token, max_prompt_token, max_completion_token."
            )
        self._most = max_total_token, max_prompt_token, max_completion_token

    def first(self) -> tuple[int, int, int]:
        return 0, 0, 0

    def after(self, memory: tuple[int, int, int], new: Sequence[BaseMessage]) -> tuple[int, int, int]:
        total, prompt, completion = memory
        for item in new:
            used = item.models_usage
            if used is not None:
                prompt += used.prompt_tokens
                completion += used.completion_tokens
                total += used.prompt_tokens + used.completion_tokens
        return total, prompt, completion

    def told(self, memory: tuple[int, int, int]) -> tuple[str, str] | None:
        if any(most is not None and used >= most for used, most in zip(memory, self._most, strict=True)):
            return profile.TOKENS_USED.format(*memory), "TokenUsageTermination"
        return None

    def _to_config(self) -> TokenUsageConfig:
        total, prompt, completion = self._most
        return TokenUsageConfig(max_total_token=total, max_prompt_token=prompt, max_completion_token=completion)

    @classmethod
    def _from_config(cls, config: TokenUsageConfig) -> Self:
        return cls(config.max_total_token, config.max_prompt_token, config.max_completion_token)


class First(KeptCondition):
    """Stop at the first message or event of some kind."""

    def first(self) -> tuple[str, str] | None:
        return None

    def after(self, memory: tuple[str, str] | None, new: Sequence[BaseMessage]) -> tuple[str, str] | None:
        if memory is None:
            for item in new:
                reason = self.sign(item)
                if reason is not None:
                    return reason, type(self).__name__
        return memory

    def told(self, memory: tuple[str, str] | None) -> tuple[str, str] | None:
        return memory

    @abstractmethod
    def sign(self, item: BaseMessage) -> str | None:
        """Return why this is a reason to stop, None if it is none."""


class TextMentionConfig(BaseModel):
    """A `TextMentionTermination` as configuration."""

    text: str
    sources: list[str] | None = None


class TextMentionTermination(First, Component[TextMentionConfig]):
    """Stop once `text` is in a message or event, of one of `sources` where they are given. The task counts."""

    component_config_schema: ClassVar[type[Any]] = TextMentionConfig
    component_provider_override: ClassVar[str | None] = _HOME + "TextMentionTermination"

    def __init__(self, text: str, sources: Sequence[str] | None = None) -> None:
        self._termination_text, self._sources = text, sources

    def sign(self, item: BaseMessage) -> str | None:
        if self._sources is not None and item.source not in self._sources:
            return None
        return (
            profile.TEXT_MENTIONED.format(self._termination_text) if self._termination_text in item.to_text() else None
        )

    def _to_config(self) -> TextMentionConfig:
        return TextMentionConfig(
            text=self._termination_text, sources=None if self._sources is None else list(self._sources)
        )

    @classmethod
    def _from_config(cls, config: TextMentionConfig) -> Self:
        return cls(config.text, config.sources)


class StopMessageTermination(First, Component[EmptyConfig]):
    """Stop at a `StopMessage`."""

    component_config_schema: ClassVar[type[Any]] = EmptyConfig
    component_provider_override: ClassVar[str | None] = _HOME + "StopMessageTermination"

    def sign(self, item: BaseMessage) -> str | None:
        return profile.STOP_MESSAGE if isinstance(item, StopMessage) else None

    def _to_config(self) -> EmptyConfig:
        return EmptyConfig()

    @classmethod
    def _from_config(cls, config: EmptyConfig) -> Self:
        return cls()


class HandoffConfig(BaseModel):
    """A `HandoffTermination` as configuration."""

    target: str


class HandoffTermination(First, Component[HandoffConfig]):
    """Stop at a handoff to `target`."""

    component_config_schema: ClassVar[type[Any]] = HandoffConfig
    component_provider_override: ClassVar[str | None] = _HOME + "HandoffTermination"

    def __init__(self, target: str) -> None:
        self._target = target

    def sign(self, item: BaseMessage) -> str | None:
        if isinstance(item, HandoffMessage) and item.target == self._target:
            return profile.HANDOFF.format(item.target, item.source)
        return None

    def _to_config(self) -> HandoffConfig:
        return HandoffConfig(target=self._target)

    @classmethod
    def _from_config(cls, config: HandoffConfig) -> Self:
        return cls(config.target)


class SourceMatchConfig(BaseModel):
    """A `SourceMatchTermination` as configuration."""

    sources: list[str]


class SourceMatchTermination(First, Component[SourceMatchConfig]):
    """Stop once one of `sources` has said or done something."""

    component_config_schema: ClassVar[type[Any]] = SourceMatchConfig
    component_provider_override: ClassVar[str | None] = _HOME + "SourceMatchTermination"

    def __init__(self, sources: list[str]) -> None:
        self._sources = sources

    def sign(self, item: BaseMessage) -> str | None:
        return profile.SOURCE.format(item.source) if item.source in self._sources else None

    def _to_config(self) -> SourceMatchConfig:
        return SourceMatchConfig(sources=self._sources)

    @classmethod
    def _from_config(cls, config: SourceMatchConfig) -> Self:
        return cls(config.sources)


class TextMessageConfig(BaseModel):
    """A `TextMessageTermination` as configuration."""

    source: str | None = None


class TextMessageTermination(First, Component[TextMessageConfig]):
    """Stop at a `TextMessage`, of `source` where it is given."""

    component_config_schema: ClassVar[type[Any]] = TextMessageConfig
    component_provider_override: ClassVar[str | None] = _HOME + "TextMessageTermination"

    def __init__(self, source: str | None = None) -> None:
        self._source = source

    def sign(self, item: BaseMessage) -> str | None:
        if isinstance(item, TextMessage) and self._source in {None, item.source}:
            return profile.TEXT_MESSAGE.format(item.source)
        return None

    def _to_config(self) -> TextMessageConfig:
        return TextMessageConfig(source=self._source)

    @classmethod
    def _from_config(cls, config: TextMessageConfig) -> Self:
        return cls(config.source)


class FunctionCallConfig(BaseModel):
    """A `FunctionCallTermination` as configuration."""

    function_name: str


class FunctionCallTermination(First, Component[FunctionCallConfig]):
    """Stop once the tool `function_name` was called."""

    component_config_schema: ClassVar[type[Any]] = FunctionCallConfig
    component_provider_override: ClassVar[str | None] = _HOME + "FunctionCallTermination"

    def __init__(self, function_name: str) -> None:
        self._function_name = function_name

    def sign(self, item: BaseMessage) -> str | None:
        if isinstance(item, ToolCallExecutionEvent) and any(r.name == self._function_name for r in item.content):
            return profile.FUNCTION.format(self._function_name)
        return None

    def _to_config(self) -> FunctionCallConfig:
        return FunctionCallConfig(function_name=self._function_name)

    @classmethod
    def _from_config(cls, config: FunctionCallConfig) -> Self:
        return cls(config.function_name)


class TimeoutConfig(BaseModel):
    """A `TimeoutTermination` as configuration."""

    timeout_seconds: float


class TimeoutTermination(KeptCondition, Component[TimeoutConfig]):
    """Stop at the first check `timeout_seconds` or more after a run began, or called by itself after it was made."""

    component_config_schema: ClassVar[type[Any]] = TimeoutConfig
    component_provider_override: ClassVar[str | None] = _HOME + "TimeoutTermination"

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._since_us = _clock.now_us()

    def first(self) -> tuple[int, int]:
        return 0, 0

    def after(self, memory: tuple[int, int], new: Sequence[BaseMessage]) -> tuple[int, int]:
        times = [int(item.created_at.timestamp() * 1e6) for item in new]
        return (memory[0] or min(times), max(memory[1], *times)) if times else memory

    def told(self, memory: tuple[int, int]) -> tuple[str, str] | None:
        return self._over(memory[1] - memory[0]) if memory[0] else None

    async def __call__(self, messages: Sequence[BaseMessage]) -> StopMessage | None:
        if self._fired:
            raise TerminatedException("Termination condition has already been reached. Call reset() to use it again.")
        told = self._over(_clock.now_us() - self._since_us)
        if told is None:
            return None
        self._fired = True
        return StopMessage(content=told[0], source=told[1])

    async def reset(self) -> None:
        self._since_us, self._fired = _clock.now_us(), False

    def _over(self, microseconds: int) -> tuple[str, str] | None:
        if microseconds < self._timeout_seconds * 1e6:
            return None
        return profile.TIMEOUT.format(self._timeout_seconds), "TimeoutTermination"

    def _to_config(self) -> TimeoutConfig:
        return TimeoutConfig(timeout_seconds=self._timeout_seconds)

    @classmethod
    def _from_config(cls, config: TimeoutConfig) -> Self:
        return cls(config.timeout_seconds)


class ExternalTermination(KeptCondition, Component[EmptyConfig]):
    """Stop at the next check after `set()` was called."""

    component_config_schema: ClassVar[type[Any]] = EmptyConfig
    component_provider_override: ClassVar[str | None] = _HOME + "ExternalTermination"

    def __init__(self) -> None:
        self._setted = False
        self._runs: WeakSet[Run] = WeakSet()

    def set(self) -> None:
        """Say to stop, to who asks next and to every run that uses this object now."""
        self._setted = True
        for run in list(self._runs):
            run.stop(profile.EXTERNAL)

    def attach(self, run: Run) -> None:
        self._runs.add(run)

    def first(self) -> None:
        return None

    def after(self, memory: None, new: Sequence[BaseMessage]) -> None:
        return None

    def told(self, memory: None) -> tuple[str, str] | None:
        return (profile.EXTERNAL, "ExternalTermination") if self._setted else None

    async def reset(self) -> None:
        await super().reset()
        self._setted = False

    def _to_config(self) -> EmptyConfig:
        return EmptyConfig()

    @classmethod
    def _from_config(cls, config: EmptyConfig) -> Self:
        return cls()


Predicate = Callable[[Sequence[Any]], bool] | Callable[[Sequence[Any]], Awaitable[bool]]


class FunctionalTermination(TerminationCondition):
    """Stop when a function, sync or async, returns True for what is new."""

    def __init__(self, func: Predicate) -> None:
        self._func, self._fired = func, False

    @property
    def terminated(self) -> bool:
        return self._fired

    async def __call__(self, messages: Sequence[BaseMessage]) -> StopMessage | None:
        if self._fired:
            raise TerminatedException("Termination condition has already been reached. Call reset() to use it again.")
        found: Any = self._func(messages)
        if inspect.isawaitable(found):
            found = await found
        if found is not True:
            return None
        self._fired = True
        return StopMessage(content=profile.FUNCTIONAL, source="FunctionalTermination")

    async def reset(self) -> None:
        self._fired = False
