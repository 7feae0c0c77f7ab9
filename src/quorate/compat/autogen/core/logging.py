"""What goes to the event logger: objects whose `str()` is JSON, with their fields in `kwargs`."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

from quorate.core.identity import AgentId, TopicId
from quorate.core.messaging import handling

__all__ = [
    "AgentConstructionExceptionEvent",
    "DeliveryStage",
    "LLMCallEvent",
    "LLMStreamEndEvent",
    "LLMStreamStartEvent",
    "MessageDroppedEvent",
    "MessageEvent",
    "MessageHandlerExceptionEvent",
    "MessageKind",
    "ToolCallEvent",
]


class MessageKind(Enum):
    """How a message goes."""

    DIRECT = 1
    PUBLISH = 2
    RESPOND = 3


class DeliveryStage(Enum):
    """How far a message is."""

    SEND = 1
    DELIVER = 2


class _Event:
    def __init__(self, fields: dict[str, Any]) -> None:
        self.kwargs = fields

    def __str__(self) -> str:
        return json.dumps(self.kwargs)


class _Usage(_Event):
    @property
    def prompt_tokens(self) -> int:
        """How many tokens the question had."""
        return self.kwargs["prompt_tokens"]

    @property
    def completion_tokens(self) -> int:
        """How many tokens the answer had."""
        return self.kwargs["completion_tokens"]


class LLMCallEvent(_Usage):
    """A model was asked and answered."""

    def __init__(
        self,
        *,
        messages: list[dict[str, Any]],
        response: dict[str, Any],
        prompt_tokens: int,
        completion_tokens: int,
        **kwargs: Any,
    ) -> None:
        more = {
            "type": "LLMCall",
            "messages": messages,
            "response": response,
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "agent_id": _here(),
        }
        super().__init__(kwargs | more)


class LLMStreamStartEvent(_Event):
    """A model was asked for an answer in pieces."""

    def __init__(self, *, messages: list[dict[str, Any]], **kwargs: Any) -> None:
        super().__init__(kwargs | {"type": "LLMStreamStart", "messages": messages, "agent_id": _here()})


class LLMStreamEndEvent(_Usage):
    """The last piece of an answer came."""

    def __init__(self, *, response: dict[str, Any], prompt_tokens: int, completion_tokens: int, **kwargs: Any) -> None:
        more = {
            "type": "LLMStreamEnd",
            "response": response,
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "agent_id": _here(),
        }
        super().__init__(kwargs | more)


class ToolCallEvent(_Event):
    """A tool was called."""

    def __init__(self, *, tool_name: str, arguments: dict[str, Any], result: str) -> None:
        super().__init__({
            "type": "ToolCall",
            "tool_name": tool_name,
            "arguments": arguments,
            "result": result,
            "agent_id": _here(),
        })  # fmt: skip


class MessageEvent(_Event):
    """A message was sent or delivered."""

    def __init__(
        self,
        *,
        payload: str,
        sender: AgentId | None,
        receiver: AgentId | TopicId | None,
        kind: MessageKind,
        delivery_stage: DeliveryStage,
        **kwargs: Any,
    ) -> None:
        more = {
            "payload": payload,
            "sender": _text(sender),
            "receiver": _text(receiver),
            "kind": str(kind),
            "delivery_stage": str(delivery_stage),
            "type": "Message",
        }
        super().__init__(kwargs | more)


class MessageDroppedEvent(_Event):
    """An intervention dropped a message."""

    def __init__(
        self,
        *,
        payload: str,
        sender: AgentId | None,
        receiver: AgentId | TopicId | None,
        kind: MessageKind,
        **kwargs: Any,
    ) -> None:
        more = {
            "payload": payload,
            "sender": _text(sender),
            "receiver": _text(receiver),
            "kind": str(kind),
            "type": "MessageDropped",
        }
        super().__init__(kwargs | more)


class MessageHandlerExceptionEvent(_Event):
    """A handler raised."""

    def __init__(self, *, payload: str, handling_agent: AgentId, exception: BaseException, **kwargs: Any) -> None:
        more = {
            "payload": payload,
            "handling_agent": str(handling_agent),
            "exception": str(exception),
            "type": "MessageHandlerException",
        }
        super().__init__(kwargs | more)


class AgentConstructionExceptionEvent(_Event):
    """A factory raised."""

    def __init__(self, *, agent_id: AgentId, exception: BaseException, **kwargs: Any) -> None:
        more = {"agent_id": str(agent_id), "exception": str(exception), "type": "AgentConstructionException"}
        super().__init__(kwargs | more)


def _here() -> str | None:
    found = handling.get()
    return None if found is None else str(found.agent)


def _text(id: AgentId | TopicId | None) -> str | None:
    return None if id is None else str(id)
