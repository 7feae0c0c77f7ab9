"""The spans of AutoGen's runtime: creating, sending, intercepting, processing and answering messages."""

from __future__ import annotations

import importlib
import json
import os
import sys
from contextlib import AbstractContextManager
from typing import Any

from quorate.core.identity import AgentId, TopicId
from quorate.core.messaging import MessageContext

_OPERATIONS = {
    "ack": ("CONSUMER", "receive"),
    "create": ("PRODUCER", "create"),
    "intercept": ("CONSUMER", "receive"),
    "process": ("CONSUMER", "process"),
    "publish": ("PRODUCER", "publish"),
    "send": ("PRODUCER", "publish"),
}


class Tracing:
    """Makes spans.

    Args:
        tracer_provider: Where they go; by default OpenTelemetry's global provider.
    """

    def __init__(self, tracer_provider: Any) -> None:
        self._trace = importlib.import_module("opentelemetry.trace")
        provider = tracer_provider or self._trace.get_tracer_provider()
        self._tracer = provider.get_tracer("autogen SingleThreadedAgentRuntime")

    def span(
        self,
        operation: str,
        destination: AgentId | TopicId | str | None,
        *,
        link: Any = None,
        parent: Any = None,
        **attributes: str | None,
    ) -> AbstractContextManager[Any]:
        """Return a context manager that gives a span.

        Args:
            operation: What is done.
            destination: Whom it is for; None for somebody outside.
            link: The span in which the message was made.
            parent: The span that this one is in.
            attributes: More of them; those that are None are left out.
        """
        kind, said = _OPERATIONS[operation]
        to = _named(destination)
        known = {"messaging.operation": said, "messaging.destination": to}
        return self._tracer.start_as_current_span(
            f"autogen {operation} {to}".strip(),
            context=None if parent is None else self._trace.set_span_in_context(parent),
            kind=self._trace.SpanKind[kind],
            attributes=known | {key.replace("__", "."): value for key, value in attributes.items() if value},
            links=None if link is None else [self._trace.Link(link.get_span_context())],
        )


def tracing_with(tracer_provider: Any) -> Tracing | None:
    """Return what makes spans, or None where nobody can want them."""
    if os.environ.get("AUTOGEN_DISABLE_RUNTIME_TRACING", "").lower() == "true":
        return None
    return Tracing(tracer_provider) if tracer_provider is not None or "opentelemetry" in sys.modules else None


def about_handling(message: str, recipient: Any, sender: Any, about: MessageContext) -> dict[str, str | None]:
    """Return the attributes of a span in which a message is handled; `message` is JSON."""
    told = {
        "sender": str(about.sender),
        "topic_id": str(about.topic_id),
        "is_rpc": about.is_rpc,
        "message_id": about.message_id,
    }
    return {**about_agents(message, recipient, sender), "message_context": json.dumps(told)}


def about_agents(message: str, recipient: Any, sender: Any) -> dict[str, str | None]:
    """Return what tells from whom to whom a message goes."""
    return {
        "sender_agent_type": None if sender is None else sender.id.type,
        "sender_agent_class": None if sender is None else type(sender).__name__,
        "recipient_agent_type": None if recipient is None else recipient.id.type,
        "recipient_agent_class": None if recipient is None else type(recipient).__name__,
        "message": message,
    }


def _named(destination: AgentId | TopicId | str | None) -> str:
    if destination is None or isinstance(destination, str):
        return destination or ""
    if isinstance(destination, AgentId):
        return f"{destination.type}.({destination.key})-A"
    return f"{destination.type}.({destination.source})-T"
