"""Instant models for Microsoft Agent Framework."""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any

from agent_framework import (
    BaseChatClient,
    ChatMiddlewareLayer,
    ChatResponse,
    Content,
    FunctionInvocationLayer,
    Message,
)


class _Instant(BaseChatClient[Any]):
    def __init__(self, *, replies: Iterable[str | Content], **more: Any) -> None:
        super().__init__(**more)
        self._replies = iter(replies)
        self.calls = 0

    def _inner_get_response(
        self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **_: Any
    ) -> Awaitable[ChatResponse]:
        return self._answer()

    async def _answer(self) -> ChatResponse:
        self.calls += 1
        return ChatResponse(messages=[Message(role="assistant", contents=[next(self._replies)])])


class InstantClient(FunctionInvocationLayer[Any], _Instant):
    """Answers at once with the next of `replies`: a text, or the call of a tool."""


class KeepingClient(FunctionInvocationLayer[Any], ChatMiddlewareLayer[Any], _Instant):
    """The same, able to keep the history around each call, as handoffs want it: without, agents forget it."""
