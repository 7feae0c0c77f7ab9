"""Agents as AutoGen's: what is not handled is logged, and state that is not kept warns."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from quorate.compat.autogen.names import ROOT_LOGGER_NAME
from quorate.core import agents, closures, handlers
from quorate.core.messaging import MessageContext
from quorate.core.serialisation import MessageSerializer, serializers_of

log = logging.getLogger(ROOT_LOGGER_NAME)


class BaseAgent(agents.BaseAgent):
    """An agent that says so when it is asked for state and keeps none."""

    async def save_state(self) -> Mapping[str, Any]:
        warnings.warn(f"{type(self).__name__} keeps no state: save_state is not implemented.", stacklevel=2)
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        warnings.warn(f"{type(self).__name__} takes no state up: load_state is not implemented.", stacklevel=2)


class RoutedAgent(handlers.RoutedAgent, BaseAgent):
    """An agent whose methods are chosen by the type of the message."""

    async def on_unhandled_message(self, message: Any, ctx: MessageContext) -> Any:
        """Log a message that no handler wants, and answer None."""
        log.info("%s has no handler for %s.", self.id, message)


class ClosureAgent(closures.ClosureAgent, BaseAgent):
    """An agent whose function handles all its messages; it has no state."""

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        if self._unknown == "warn" and type(message) not in self._takes:
            warnings.warn(
                f"{self.id} takes no {type(message).__name__}. With unknown_type_policy= that is an error, or ignored.",
                stacklevel=2,
            )
            return None
        return await super().on_message_impl(message, ctx)

    async def save_state(self) -> Mapping[str, Any]:
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Take nothing up."""


def try_get_known_serializers_for_type(cls: type[Any]) -> Sequence[MessageSerializer]:
    """Return how messages of a type are written: pydantic models, flat dataclasses and protobuf; nothing for others.

    Raises:
        ConfigError: A dataclass that cannot be read back.
    """
    return [] if cls in (str, int, float, bool, list, dict) else serializers_of(cls)
