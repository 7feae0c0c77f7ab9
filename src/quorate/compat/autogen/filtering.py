"""An agent that is told only a part of what is said."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel

from quorate.chat.facts import Fact
from quorate.chat.messages import BaseChatMessage
from quorate.compat.autogen.agentchat.base import ChatAgent, Response
from quorate.compat.autogen.components import Component, ComponentModel
from quorate.compat.autogen.speaking import BaseChatAgent
from quorate.core.cancellation import CancellationToken
from quorate.errors import ConfigError


class PerSourceFilter(BaseModel):
    """Which messages of a source are passed on: the first or last so many, or all."""

    source: str
    position: Literal["first", "last"] | None = None
    count: int | None = None


class MessageFilterConfig(BaseModel):
    """What is passed on, source by source; of other sources nothing is."""

    per_source: list[PerSourceFilter]


class MessageFilterAgentConfig(BaseModel):
    """A `MessageFilterAgent` as configuration."""

    name: str
    wrapped_agent: ComponentModel
    filter: MessageFilterConfig


class MessageFilterAgent(BaseChatAgent, Component[MessageFilterAgentConfig]):
    """Passes a part of what is new on to another agent, grouped by source, and answers what that answers.

    Args:
        name: Who it is; an identifier.
        wrapped_agent: Who answers.
        filter: What is passed on.
    """

    component_config_schema: ClassVar[type[Any]] = MessageFilterAgentConfig
    component_provider_override: ClassVar[str | None] = "autogen_agentchat.agents.MessageFilterAgent"

    def __init__(self, name: str, wrapped_agent: BaseChatAgent, filter: MessageFilterConfig) -> None:
        super().__init__(name, f"{wrapped_agent.description} (with message filtering)")
        self._wrapped_agent, self._filter = wrapped_agent, filter

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return self._wrapped_agent.produced_message_types

    def _apply_filter(self, messages: Sequence[BaseChatMessage]) -> Sequence[BaseChatMessage]:
        found: list[BaseChatMessage] = []
        for one in self._filter.per_source:
            said = [message for message in messages if message.source == one.source]
            if one.position == "first" and one.count:
                said = said[: one.count]
            elif one.position == "last" and one.count:
                said = said[-one.count :]
            found += said
        return found

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return await self._wrapped_agent.on_messages(self._apply_filter(messages), cancellation_token)

    def view_answers_otherwise(self) -> bool:
        return super().view_answers_otherwise() or self._wrapped_agent.view_answers_otherwise()

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Any, None]:
        """Answer what is passed on, and yield what comes, the `Response` last."""
        async for item in self._wrapped_agent.on_messages_stream(self._apply_filter(messages), cancellation_token):
            yield item

    async def view_take_up(self, facts: Sequence[Fact]) -> bool:
        kept: list[Fact] = []
        new: dict[str, Fact] = {}
        for fact in facts:
            if fact.speaker == self.name:
                passed = self._apply_filter([one.message for one in new.values() if one.message is not None])
                kept += [*(new[message.id] for message in passed), fact.spoken_by(self._wrapped_agent.name)]
                new = {}
            elif fact.message is not None:
                new[fact.message.id] = fact
        return await self._wrapped_agent.view_take_up(kept)

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        await self._wrapped_agent.on_reset(cancellation_token)

    async def save_state(self) -> Mapping[str, Any]:
        return await self._wrapped_agent.save_state()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        await self._wrapped_agent.load_state(state)

    def _to_config(self) -> MessageFilterAgentConfig:
        return MessageFilterAgentConfig(
            name=self.name, wrapped_agent=self._wrapped_agent.dump_component(), filter=self._filter
        )

    @classmethod
    def _from_config(cls, config: MessageFilterAgentConfig) -> Self:
        wrapped = ChatAgent.load_component(config.wrapped_agent)
        if not isinstance(wrapped, BaseChatAgent):
            raise ConfigError(f"{config.name} wraps {type(wrapped).__name__}, which is no BaseChatAgent.")
        return cls(config.name, wrapped, config.filter)
