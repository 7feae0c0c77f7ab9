"""Looking at messages on their way, changing or dropping them."""

from __future__ import annotations

from typing import Any, Protocol

from quorate.core.identity import AgentId
from quorate.core.messaging import MessageContext
from quorate.errors import ConfigError


class DropMessage:
    """What an intervention returns, the class or an instance, to have a message dropped."""


class InterventionHandler(Protocol):
    """Sees every message before it is delivered; each handler gets what the one before returned.

    What it raises goes to the sender.
    """

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        """Return what is sent instead of `message`, or `DropMessage`: then the sender gets `MessageDropped`."""
        ...

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        """Return what is published instead, or `DropMessage`: then nobody gets anything."""
        ...

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
        """Return the answer that goes to `recipient` instead, or `DropMessage` as for `on_send`."""
        ...


class DefaultInterventionHandler:
    """Changes nothing; a base for handlers that look at one kind only."""

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        return message

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        return message

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
        return message


def dropped(message: Any) -> bool:
    """Return whether an intervention asked to drop."""
    return message is DropMessage or isinstance(message, DropMessage)


def returned(message: Any, before: Any, handler: object, method: str) -> Any:
    """Return what a handler returned.

    Raises:
        ConfigError: It returned nothing for something, as a method without `return` does.
    """
    if message is None and before is not None:
        raise ConfigError(
            f"{type(handler).__name__}.{method} returned None: return the message, another one, or DropMessage."
        )
    return message
