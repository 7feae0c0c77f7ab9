"""Subscriptions whose ids are unique everywhere, as AutoGen's are."""

from __future__ import annotations

import uuid

from quorate.core import subscriptions
from quorate.core.identity import AgentType
from quorate.core.messaging import SubscriptionInstantiationContext
from quorate.errors import CantHandle, WrongState


class TypeSubscription(subscriptions.TypeSubscription):
    """Sends what is published to one topic type to agents of one type; the source of the topic is the agent's key."""

    __slots__ = ()

    def __init__(self, topic_type: str, agent_type: str | AgentType, id: str | None = None) -> None:
        super().__init__(topic_type, agent_type, id or _new())


class TypePrefixSubscription(subscriptions.TypePrefixSubscription):
    """Like a `TypeSubscription`, for all topic types that start in one way."""

    __slots__ = ()

    def __init__(self, topic_type_prefix: str, agent_type: str | AgentType, id: str | None = None) -> None:
        super().__init__(topic_type_prefix, agent_type, id or _new())


class DefaultSubscription(TypeSubscription):
    """Subscribes the agent type that is being registered to the topic type `default`."""

    __slots__ = ()

    def __init__(self, topic_type: str = "default", agent_type: str | AgentType | None = None) -> None:
        if agent_type is None:
            try:
                agent_type = SubscriptionInstantiationContext.agent_type()
            except WrongState as error:
                raise CantHandle("Give agent_type= where no agent type is being registered.") from error
        super().__init__(topic_type, agent_type)


def _new() -> str:
    return str(uuid.uuid4())  # noqa: TID251  # an id of a subscription is part of no run
