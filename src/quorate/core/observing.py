"""Seeing what a runtime does: spans and events of its messages. A runtime that nobody looks at has no observer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from quorate.core import telemetry
from quorate.core.events import (
    EVENT_LOGGER_NAME,
    AgentConstructionExceptionEvent,
    DeliveryStage,
    MessageDroppedEvent,
    MessageEvent,
    MessageHandlerExceptionEvent,
    MessageKind,
)
from quorate.core.identity import AgentId, TopicId
from quorate.core.messaging import MessageContext
from quorate.core.policies import DeadLetter
from quorate.core.turns import Seat

if TYPE_CHECKING:
    from quorate.core.spans import Spans

log = logging.getLogger(EVENT_LOGGER_NAME)


class Traced(MessageContext):
    """A message context that carries the span in which the message was sent."""

    __slots__ = ("_carried",)

    _carried: Mapping[str, str] | None

    @property
    def trace_context(self) -> Mapping[str, str] | None:
        return getattr(self, "_carried", None)

    def carry(self, carried: Mapping[str, str] | None) -> None:
        """Take up the context of a span."""
        self._carried = carried

    def again(self) -> MessageContext:
        other = Traced(self.sender, self.topic_id, self.is_rpc, self._token, self.message_id)
        other.carry(self.trace_context)
        return other


class Observer:
    """Makes spans, events or both of what a runtime does.

    Args:
        spans: None for no spans.
        events: None for no events.
    """

    def __init__(self, spans: Spans | None, events: logging.Logger | None) -> None:
        self._spans, self._events = spans, events

    async def send(
        self, deliver: Callable[[MessageContext], Awaitable[Any]], message: Any, recipient: AgentId, about: Traced
    ) -> Any:
        """Send a message with `deliver` and return the answer."""
        with self._messaging("send", "send", "PRODUCER", message, about, recipient, recipient.type):
            self._carry(about)
            self._tell(message, about, recipient, MessageKind.DIRECT, DeliveryStage.SEND)
            answer = await deliver(about)
            if self._events is not None:
                said = MessageEvent(
                    answer, recipient, about.sender, MessageKind.RESPOND, DeliveryStage.SEND, about.message_id
                )
                self._events.info(said)
            return answer

    async def publish(self, post: Callable[[MessageContext], Awaitable[None]], message: Any, about: Traced) -> None:
        """Publish a message with `post`."""
        topic: TopicId = about.topic_id
        with self._messaging("publish", "send", "PRODUCER", message, about, topic, topic.type):
            self._carry(about)
            self._tell(message, about, topic, MessageKind.PUBLISH, DeliveryStage.SEND)
            await post(about)

    async def process(self, agent: Any, id: AgentId, message: Any, about: MessageContext) -> Any:
        """Have an agent handle a message."""
        to = about.topic_id or id
        kind = MessageKind.PUBLISH if about.topic_id else MessageKind.DIRECT
        with self._messaging("process", "process", "CONSUMER", message, about, to, to.type, agent=id):
            self._tell(message, about, id, kind, DeliveryStage.DELIVER)
            try:
                return await agent.on_message(message, about)
            except Exception as error:
                if self._events is not None:
                    self._events.info(MessageHandlerExceptionEvent(message, id, error))
                raise

    def making(self, make: Callable[[Seat], Awaitable[Any]]) -> Callable[[Seat], Awaitable[Any]]:
        """Return what makes agents as `make` does, seen."""

        async def seen(seat: Seat) -> Any:
            block = nullcontext() if self._spans is None else self._spans.agent_made(seat.id.type, str(seat.id))
            with block:
                try:
                    return await make(seat)
                except Exception as error:
                    if self._events is not None:
                        self._events.info(AgentConstructionExceptionEvent(seat.id, error))
                    raise

        return seen

    def dropped(self, message: Any, about: MessageContext, to: AgentId | TopicId | None) -> None:
        """Be told that an intervention dropped a message."""
        if self._events is not None:
            kind = MessageKind.PUBLISH if about.topic_id else MessageKind.DIRECT
            self._events.info(MessageDroppedEvent(message, about.sender, to, kind, "intervention"))

    def dead(self, letter: DeadLetter) -> None:
        """Be told of a message that nobody handled."""
        if self._events is not None:
            kind = MessageKind.PUBLISH if letter.topic_id else MessageKind.DIRECT
            to = letter.recipient or letter.topic_id
            self._events.info(MessageDroppedEvent(letter.message, letter.sender, to, kind, letter.reason))

    def _carry(self, about: Traced) -> None:
        about.carry(None if self._spans is None else self._spans.carried())

    def _tell(
        self, message: Any, about: MessageContext, to: AgentId | TopicId, kind: MessageKind, stage: DeliveryStage
    ) -> None:
        if self._events is not None:
            self._events.info(MessageEvent(message, about.sender, to, kind, stage, about.message_id))

    def _messaging(
        self,
        operation: str,
        operation_type: str,
        kind: str,
        message: Any,
        about: MessageContext,
        to: AgentId | TopicId,
        template: str,
        *,
        agent: AgentId | None = None,
    ) -> AbstractContextManager[Any]:
        spans = self._spans
        if spans is None:
            return nullcontext()
        published = agent is not None and about.topic_id is not None
        here = spans.here()
        attributes = {
            "messaging.system": "quorate",
            "messaging.operation.name": operation,
            "messaging.operation.type": operation_type,
            "messaging.destination.name": str(to),
            "messaging.destination.template": template,
            "messaging.message.id": about.message_id,
            "messaging.consumer.group.name": agent.type if published and agent else None,
            "gen_ai.agent.id": None if agent is None else str(agent),
            "gen_ai.agent.name": None if agent is None else agent.type,
            "quorate.message.type": type(message).__name__,
            "quorate.sender": None if about.sender is None else str(about.sender),
        }
        links = [here] if published and here.is_valid else []
        return spans.span(f"{operation} {template}", kind, attributes, parent=about.trace_context, links=links)


def observer(spans: Spans | None) -> Observer | None:
    """Return who looks at a runtime that starts now, None if nobody does."""
    spans = spans or telemetry.spans
    events = log if log.isEnabledFor(logging.INFO) else None
    return None if spans is None and events is None else Observer(spans, events)
