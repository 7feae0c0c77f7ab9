"""Who gets what is published: a subscription matches topics and maps them to agents."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, Protocol, TypeVar, overload, runtime_checkable

from quorate.core.identity import AgentId, AgentType, TopicId, type_name
from quorate.core.messaging import SubscriptionInstantiationContext, handling
from quorate.errors import CantHandle, WrongState

C = TypeVar("C", bound=type[Any])
_numbers = count(1)


@runtime_checkable
class Subscription(Protocol):
    """Says for any topic whether an agent shall get what is published there, and which.

    Both answers depend on the topic alone: a runtime remembers them.
    """

    @property
    def id(self) -> str:
        """What it is removed by."""
        ...

    def is_match(self, topic_id: TopicId) -> bool:
        """Return whether messages of this topic are wanted."""
        ...

    def map_to_agent(self, topic_id: TopicId) -> AgentId:
        """Return who gets them.

        Raises:
            CantHandle: The topic does not match.
        """
        ...


class TypeSubscription:
    """Sends what is published to one topic type to agents of one type; the source of the topic is the agent's key."""

    __slots__ = ("_agent_type", "_id", "_topic_type")

    def __init__(self, topic_type: str, agent_type: str | AgentType, id: str | None = None) -> None:
        self._topic_type, self._agent_type = topic_type, type_name(agent_type)
        self._id = id or f"subscription-{next(_numbers)}"

    @property
    def id(self) -> str:
        return self._id

    @property
    def topic_type(self) -> str:
        """The topic type, as a whole."""
        return self._topic_type

    @property
    def agent_type(self) -> str:
        """The agents' type."""
        return self._agent_type

    def is_match(self, topic_id: TopicId) -> bool:
        return topic_id.type == self._topic_type

    def map_to_agent(self, topic_id: TopicId) -> AgentId:
        if not self.is_match(topic_id):
            raise CantHandle(f"{self!r} does not match the topic {topic_id}.")
        return AgentId(self._agent_type, topic_id.source)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TypeSubscription):
            same = (self._topic_type, self._agent_type) == (other._topic_type, other._agent_type)
            return same or self._id == other._id
        return NotImplemented

    def __repr__(self) -> str:
        return f"TypeSubscription({self._topic_type!r} -> {self._agent_type})"


class TypePrefixSubscription:
    """Like a `TypeSubscription`, for all topic types that start in one way."""

    __slots__ = ("_agent_type", "_id", "_prefix")

    def __init__(self, topic_type_prefix: str, agent_type: str | AgentType, id: str | None = None) -> None:
        self._prefix, self._agent_type = topic_type_prefix, type_name(agent_type)
        self._id = id or f"subscription-{next(_numbers)}"

    @property
    def id(self) -> str:
        return self._id

    @property
    def topic_type_prefix(self) -> str:
        """How the topic types start."""
        return self._prefix

    @property
    def agent_type(self) -> str:
        """The agents' type."""
        return self._agent_type

    def is_match(self, topic_id: TopicId) -> bool:
        return topic_id.type.startswith(self._prefix)

    def map_to_agent(self, topic_id: TopicId) -> AgentId:
        if not self.is_match(topic_id):
            raise CantHandle(f"{self!r} does not match the topic {topic_id}.")
        return AgentId(self._agent_type, topic_id.source)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TypePrefixSubscription):
            same = (self._prefix, self._agent_type) == (other._prefix, other._agent_type)
            return same or self._id == other._id
        return NotImplemented

    def __repr__(self) -> str:
        return f"TypePrefixSubscription({self._prefix!r}... -> {self._agent_type})"


class DefaultSubscription(TypeSubscription):
    """Subscribes the agent type that is being registered to the topic type `default`."""

    __slots__ = ()

    def __init__(self, topic_type: str = "default", agent_type: str | AgentType | None = None) -> None:
        if agent_type is None:
            try:
                agent_type = SubscriptionInstantiationContext.agent_type()
            except WrongState as error:
                raise CantHandle(
                    "A DefaultSubscription needs agent_type= where no type is being registered."
                ) from error
        super().__init__(topic_type, agent_type)


class DefaultTopicId(TopicId):
    """The topic `default`, whose source is the key of the agent whose handler runs, else `default`."""

    __slots__ = ()

    def __init__(self, type: str = "default", source: str | None = None) -> None:
        if source is None:
            here = handling.get()
            source = "default" if here is None else here.agent.key
        super().__init__(type, source)


def type_subscription(topic_type: str) -> Callable[[C], C]:
    """Subscribe an agent class to a topic type, whatever type name it is registered under."""

    def decorate(cls: C) -> C:
        cls.add_class_subscription(lambda: [DefaultSubscription(topic_type)])
        return cls

    return decorate


@overload
def default_subscription(cls: C) -> C: ...
@overload
def default_subscription(cls: None = None) -> Callable[[C], C]: ...
def default_subscription(cls: Any = None) -> Any:
    """Subscribe an agent class to the topic type `default`. Works with and without brackets."""
    decorate = type_subscription("default")
    return decorate if cls is None else decorate(cls)
