"""What a runtime tells of its messages: events for the event logger, and spans."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from quorate.compat.autogen.core.logging import (
    DeliveryStage,
    MessageDroppedEvent,
    MessageEvent,
    MessageHandlerExceptionEvent,
    MessageKind,
)
from quorate.compat.autogen.names import EVENT_LOGGER_NAME
from quorate.compat.autogen.tracing import Tracing, about_agents, about_handling
from quorate.core.directory import Directory
from quorate.core.identity import AgentId, TopicId
from quorate.core.messaging import MessageContext
from quorate.core.serialisation import JSON_DATA_CONTENT_TYPE, PROTOBUF_DATA_CONTENT_TYPE, Serializers

events = logging.getLogger(EVENT_LOGGER_NAME)

Receiver = AgentId | TopicId | None


class Telling:
    """Tells of messages, where somebody listens.

    Args:
        serializers: Write messages as text.
        directory: Knows the agents that are there.
        tracing: Makes spans, if any are made.
    """

    def __init__(self, serializers: Serializers, directory: Directory, tracing: Tracing | None) -> None:
        self._serializers, self._directory, self._tracing = serializers, directory, tracing

    # --- events -------------------------------------------------------------------------------------------------------

    def message(
        self, message: Any, sender: AgentId | None, receiver: Receiver, kind: MessageKind, stage: DeliveryStage
    ) -> None:
        """Tell that a message was sent or delivered."""
        if events.isEnabledFor(logging.INFO):
            payload = self._text(message)
            events.info(
                MessageEvent(payload=payload, sender=sender, receiver=receiver, kind=kind, delivery_stage=stage)
            )

    def dropped(self, message: Any, sender: AgentId | None, receiver: Receiver, kind: MessageKind) -> None:
        """Tell that an intervention dropped a message."""
        if events.isEnabledFor(logging.INFO):
            payload = self._text(message)
            events.info(MessageDroppedEvent(payload=payload, sender=sender, receiver=receiver, kind=kind))

    def failed(self, message: Any, agent: AgentId, error: BaseException) -> None:
        """Tell that a handler raised."""
        if events.isEnabledFor(logging.INFO):
            payload = self._text(message)
            events.info(MessageHandlerExceptionEvent(payload=payload, handling_agent=agent, exception=error))

    # --- spans --------------------------------------------------------------------------------------------------------

    def span(self, operation: str, destination: Receiver | str, **about: Any) -> AbstractContextManager[Any]:
        """Return a span, or nothing where none are made."""
        return nullcontext() if self._tracing is None else self._tracing.span(operation, destination, **about)

    def processing(
        self, message: Any, about: MessageContext, agent: Any, made: Any, sent: Any
    ) -> AbstractContextManager[Any]:
        """Return a span in which an agent handles a message that was made and sent in two others."""
        if self._tracing is None:
            return nullcontext()
        told = about_handling(self._text(message), agent, self._known(about.sender), about)
        return self._tracing.span("process", agent.id, link=made, parent=sent, **told)

    def acknowledging(
        self, answer: Any, sender: AgentId, recipient: AgentId | None, sent: Any
    ) -> AbstractContextManager[Any]:
        """Return a span in which who waits for an answer gets it."""
        if self._tracing is None:
            return nullcontext()
        told = about_agents(self._text(answer), self._known(recipient), self._known(sender))
        return self._tracing.span("ack", recipient, link=sent, **told)

    def _known(self, id: AgentId | None) -> Any:
        """Return an agent that is there already."""
        seat = None if id is None else self._directory.find(id)
        return None if seat is None else seat.agent

    def _text(self, message: Any) -> str:
        """Return a message as text; telling of it never keeps it from going on."""
        name = self._serializers.type_name(message)
        for media in (JSON_DATA_CONTENT_TYPE, PROTOBUF_DATA_CONTENT_TYPE):
            if self._serializers.is_registered(name, media):
                try:
                    data = self._serializers.serialize(message, type_name=name, data_content_type=media)
                except Exception as error:  # of whatever a message holds
                    return f"{name} cannot be written: {error}"
                return data.decode(errors="replace")
        return f"No serialiser for {name}"
