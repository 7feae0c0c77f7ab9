"""What happens in a runtime, as log records that hold values and not only text.

The logger `quorate.core.events` gets them at level INFO; `record.msg` is the event and `str()` of it one line of JSON.
A runtime looks once, when it starts, whether anybody wants them. What was said is in the event and not in its text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

from quorate.core.identity import AgentId, TopicId

EVENT_LOGGER_NAME = "quorate.core.events"


class MessageKind(Enum):
    """Which way a message goes."""

    DIRECT = "direct"
    PUBLISH = "publish"
    RESPOND = "respond"


class DeliveryStage(Enum):
    """How far it has come."""

    SEND = "send"
    DELIVER = "deliver"


class _Event:
    def __str__(self) -> str:
        told = {name: _told(name, value) for name, value in vars(self).items()}
        return json.dumps({"type": type(self).__name__.removesuffix("Event"), **told}, ensure_ascii=False)


def _told(name: str, value: Any) -> Any:
    if name == "message":
        return type(value).__name__
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    return None if value is None else str(value)


@dataclass(frozen=True)
class MessageEvent(_Event):
    """A message was sent, or is delivered now; of an answer, it was sent back."""

    message: Any
    sender: AgentId | None
    receiver: AgentId | TopicId | None
    kind: MessageKind
    delivery_stage: DeliveryStage
    message_id: str

    __str__ = _Event.__str__


@dataclass(frozen=True)
class MessageDroppedEvent(_Event):
    """A message is not delivered; `reason` is that of a dead letter, or `intervention`."""

    message: Any
    sender: AgentId | None
    receiver: AgentId | TopicId | None
    kind: MessageKind
    reason: str

    __str__ = _Event.__str__


@dataclass(frozen=True)
class MessageHandlerExceptionEvent(_Event):
    """A handler raised."""

    message: Any
    handling_agent: AgentId
    exception: BaseException

    __str__ = _Event.__str__


@dataclass(frozen=True)
class AgentConstructionExceptionEvent(_Event):
    """A factory raised."""

    agent_id: AgentId
    exception: BaseException

    __str__ = _Event.__str__
