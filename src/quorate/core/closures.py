"""Agents that are one function."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, Protocol, cast

from quorate.core.agents import BaseAgent
from quorate.core.cancellation import CancellationToken
from quorate.core.handlers import annotated
from quorate.core.identity import AgentId, AgentType, TopicId
from quorate.core.messaging import AgentInstantiationContext, MessageContext, SubscriptionInstantiationContext
from quorate.core.serialisation import serializers_of
from quorate.core.subscriptions import Subscription, TypePrefixSubscription
from quorate.errors import CantHandle, ConfigError, WrongState

log = logging.getLogger("quorate.core")

Closure = Callable[["ClosureContext", Any, MessageContext], Awaitable[Any]]
Unknown = Literal["error", "warn", "ignore"]


class ClosureContext(Protocol):
    """What the function may use of its agent."""

    @property
    def id(self) -> AgentId:
        """The agent's address."""
        ...

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Send a message to another agent and return its answer."""
        ...

    async def publish_message(
        self, message: Any, topic_id: TopicId, *, cancellation_token: CancellationToken | None = None
    ) -> None:
        """Publish a message to a topic."""
        ...


class ClosureAgent(BaseAgent):
    """An agent whose function handles all its messages.

    Args:
        description: What the agent is for.
        closure: `async def name(agent: ClosureContext, message: T, ctx: MessageContext) -> R`.
        unknown_type_policy: What to do with a message of another type than T: `warn` logs it and answers None, `error`
            raises `CantHandle`, `ignore` calls the function all the same.

    Raises:
        ConfigError: The function has other arguments or no annotations.
        WrongState: Made outside a factory; use `register_closure`.
    """

    def __init__(self, description: str, closure: Closure, *, unknown_type_policy: Unknown = "warn") -> None:
        if not AgentInstantiationContext.is_in_factory_call():
            raise WrongState("A ClosureAgent is made by a runtime. Use ClosureAgent.register_closure(...).")
        super().__init__(description)
        self._closure = closure
        self._takes = _takes(closure)
        self._unknown: Unknown = unknown_type_policy

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        if type(message) not in self._takes and self._unknown != "ignore":
            wanted = " or ".join(kind.__name__ for kind in self._takes)
            text = f"{self.id} takes {wanted}, not {type(message).__name__}."
            if self._unknown == "error":
                raise CantHandle(text, recipient=self.id)
            log.warning("%s", text)
            return None
        return await self._closure(self, message, ctx)

    @classmethod
    async def register_closure(
        cls,
        runtime: Any,
        type: str,
        closure: Closure,
        *,
        unknown_type_policy: Unknown = "warn",
        skip_direct_message_subscription: bool = False,
        description: str = "",
        subscriptions: Callable[[], Sequence[Subscription] | Awaitable[Sequence[Subscription]]] | None = None,
    ) -> AgentType:
        """Register a function as an agent type; `subscriptions` makes those it shall have."""
        takes = _takes(closure)
        with SubscriptionInstantiationContext.populate_context(AgentType(type)):
            wanted: Any = [] if subscriptions is None else subscriptions()
            if inspect.isawaitable(wanted):
                wanted = await wanted
        registered = await runtime.register_factory(
            type, lambda: cls(description, closure, unknown_type_policy=unknown_type_policy), expected_class=cls
        )
        more = [] if skip_direct_message_subscription else [TypePrefixSubscription(type + ":", type)]
        for subscription in [*cast("Sequence[Subscription]", wanted), *more]:
            await runtime.add_subscription(subscription)
        for kind in takes:
            runtime.add_message_serializer(serializers_of(kind))
        return registered


def _takes(closure: Closure) -> tuple[type[Any], ...]:
    parameters = list(inspect.signature(closure).parameters)
    if len(parameters) != 3:
        raise ConfigError(f"A closure takes three arguments, (agent, message, ctx), not ({', '.join(parameters)}).")
    return annotated(closure, parameters[1])[0]
