"""What an agent is to a runtime, and the base of agents that are written as classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Protocol, TypeVar, final, runtime_checkable

from quorate.core.cancellation import CancellationToken
from quorate.core.hosting import AgentRuntime
from quorate.core.identity import AgentId, AgentMetadata, AgentType, TopicId
from quorate.core.messaging import AgentInstantiationContext, MessageContext, SubscriptionInstantiationContext
from quorate.core.serialisation import MessageSerializer, serializers_of
from quorate.core.subscriptions import Subscription, TypePrefixSubscription, TypeSubscription
from quorate.errors import ConfigError, WrongState

C = TypeVar("C", bound="type[BaseAgent]")


@runtime_checkable
class Agent(Protocol):
    """Anything that a runtime can bring messages to."""

    @property
    def metadata(self) -> AgentMetadata:
        """What the agent tells about itself."""
        ...

    @property
    def id(self) -> AgentId:
        """The agent's address."""
        ...

    async def bind_id_and_runtime(self, id: AgentId, runtime: AgentRuntime) -> None:
        """Take the address and the runtime; called once, before the first message."""
        ...

    async def on_message(self, message: Any, ctx: MessageContext) -> Any:
        """Handle a message and return the answer, which only a direct send has."""
        ...

    async def save_state(self) -> Mapping[str, Any]:
        """Return what the agent needs to go on elsewhere, as data for JSON."""
        ...

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `save_state` returned."""
        ...

    async def close(self) -> None:
        """Let go of what the agent holds; its runtime closes."""
        ...


class BaseAgent(ABC):
    """An agent with an id and a runtime; `on_message_impl` handles its messages.

    Args:
        description: What the agent is for.

    Raises:
        ConfigError: The description is no text.
    """

    class_subscriptions: ClassVar[tuple[Callable[[], Sequence[Subscription]], ...]] = ()
    handled_types: ClassVar[tuple[tuple[type[Any], tuple[MessageSerializer, ...]], ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # What decorators add to a class is for that class only.
        cls.class_subscriptions, cls.handled_types = (), ()

    def __init__(self, description: str) -> None:
        if not isinstance(description, str):  # pyright: ignore[reportUnnecessaryIsInstance]: checked for those without types
            raise ConfigError(f"The description of an agent is text, not {description!r}.")
        self._description = description
        self._id: AgentId | None = None
        self._runtime: Any = None
        if AgentInstantiationContext.is_in_factory_call():
            self._runtime = AgentInstantiationContext.current_runtime()
            self._id = AgentInstantiationContext.current_agent_id()

    @property
    def id(self) -> AgentId:
        """The agent's address.

        Raises:
            WrongState: It was made outside a factory and not registered yet.
        """
        if self._id is None:
            raise WrongState(f"This {type(self).__name__} has no id yet. Register it with a runtime first.")
        return self._id

    @property
    def type(self) -> str:
        """The type part of the id."""
        return self.id.type

    @property
    def runtime(self) -> Any:
        """The runtime the agent lives in; raises as `id` does."""
        if self._runtime is None:
            raise WrongState(f"This {type(self).__name__} has no runtime yet. Register it with a runtime first.")
        return self._runtime

    @property
    def metadata(self) -> AgentMetadata:
        id = self.id
        return AgentMetadata(type=id.type, key=id.key, description=self._description)

    async def bind_id_and_runtime(self, id: AgentId, runtime: Any) -> None:
        if self._id is not None and self._id != id:
            raise WrongState(f"{self._id} cannot become {id}: an agent keeps its id.")
        if self._runtime is not None and self._runtime is not runtime:
            raise WrongState(f"{id} is in another runtime already: an agent lives in one.")
        self._id, self._runtime = id, runtime

    @final
    async def on_message(self, message: Any, ctx: MessageContext) -> Any:
        return await self.on_message_impl(message, ctx)

    @abstractmethod
    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        """Handle a message and return the answer."""

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Send a message to another agent and return its answer."""
        return await self.runtime.send_message(
            message, recipient, sender=self._id, cancellation_token=cancellation_token, message_id=message_id
        )

    async def publish_message(
        self, message: Any, topic_id: TopicId, *, cancellation_token: CancellationToken | None = None
    ) -> None:
        """Publish a message to a topic."""
        await self.runtime.publish_message(message, topic_id, sender=self._id, cancellation_token=cancellation_token)

    async def save_state(self) -> Mapping[str, Any]:
        """Return nothing: this agent has no state."""
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027  # most agents have no state
        """Take nothing up."""

    async def close(self) -> None:  # noqa: B027  # most agents hold nothing
        """Let go of nothing."""

    @classmethod
    def add_class_subscription(cls, subscriptions: Callable[[], Sequence[Subscription]]) -> None:
        """Subscribe every type that this class is registered under; called anew at each registration."""
        cls.class_subscriptions = (*cls.class_subscriptions, subscriptions)

    @classmethod
    def add_handled_type(cls, type: type[Any], serializers: Sequence[MessageSerializer]) -> None:
        """Say that the class handles a type, besides those its handlers are annotated with."""
        cls.handled_types = (*cls.handled_types, (type, tuple(serializers)))

    @classmethod
    def message_types(cls) -> Sequence[tuple[type[Any], Sequence[MessageSerializer]]]:
        """Return the types of message that the class handles, and how each is written as bytes."""
        return cls.handled_types

    @classmethod
    async def register(
        cls,
        runtime: Any,
        type: str,
        factory: Callable[[], Any],
        *,
        skip_class_subscriptions: bool = False,
        skip_direct_message_subscription: bool = False,
    ) -> AgentType:
        """Register a factory, with the subscriptions of the class and the serialisers of its messages.

        Args:
            runtime: Where the agents shall live.
            type: Under which name.
            factory: Makes an agent; sync or async, no arguments.
            skip_class_subscriptions: Leave out those that decorators added to the class.
            skip_direct_message_subscription: Leave out the one to all topic types that start with `type:`.

        Raises:
            ConfigError: The type is taken, or a message type cannot be written as bytes.
        """
        name = AgentType(type)
        subscriptions = [] if skip_class_subscriptions else _class_subscriptions(cls, name)
        serializers = _serializers(cls)
        registered = await runtime.register_factory(name, factory, expected_class=cls)
        if not skip_direct_message_subscription:
            subscriptions.append(TypePrefixSubscription(type + ":", type))
        for subscription in subscriptions:
            await runtime.add_subscription(subscription)
        runtime.add_message_serializer(serializers)
        return registered

    async def register_instance(
        self,
        runtime: Any,
        agent_id: AgentId,
        *,
        skip_class_subscriptions: bool = True,
        skip_direct_message_subscription: bool = False,
    ) -> AgentId:
        """Register this very object; like `register`, and subscribed to the topic type that is its key."""
        cls = self.__class__
        subscriptions = [] if skip_class_subscriptions else _class_subscriptions(cls, AgentType(agent_id.type))
        serializers = _serializers(cls)
        registered = await runtime.register_agent_instance(self, agent_id)
        subscriptions.append(TypeSubscription(agent_id.key, agent_id.type))
        for subscription in subscriptions:
            await runtime.add_subscription(subscription)
        if not skip_direct_message_subscription:
            with suppress(ConfigError):  # another instance of the type has it already
                await runtime.add_subscription(TypePrefixSubscription(agent_id.type + ":", agent_id.type))
        runtime.add_message_serializer(serializers)
        return registered


class AgentProxy:
    """An agent that may be anywhere, as an object to call."""

    def __init__(self, agent: AgentId, runtime: AgentRuntime) -> None:
        self._agent, self._runtime = agent, runtime

    @property
    def id(self) -> AgentId:
        """The agent's address."""
        return self._agent

    @property
    def metadata(self) -> Any:
        """An awaitable of what the agent tells about itself."""
        return self._runtime.agent_metadata(self._agent)

    async def send_message(
        self,
        message: Any,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Send the agent a message and return its answer."""
        return await self._runtime.send_message(
            message, self._agent, sender=sender, cancellation_token=cancellation_token, message_id=message_id
        )

    async def save_state(self) -> Mapping[str, Any]:
        """Return the agent's state."""
        return await self._runtime.agent_save_state(self._agent)

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Give the agent its state."""
        await self._runtime.agent_load_state(self._agent, state)


def handles(
    type: type[Any], serializer: MessageSerializer | Sequence[MessageSerializer] | None = None
) -> Callable[[C], C]:
    """Say that an agent class handles a message type that no handler of it is annotated with."""

    def decorate(cls: C) -> C:
        if serializer is None:
            found = serializers_of(type)
        else:
            found = [serializer] if isinstance(serializer, MessageSerializer) else serializer
        cls.add_handled_type(type, found)
        return cls

    return decorate


def _class_subscriptions(cls: type[BaseAgent], name: AgentType) -> list[Subscription]:
    with SubscriptionInstantiationContext.populate_context(name):
        return [subscription for make in cls.class_subscriptions for subscription in make()]


def _serializers(cls: type[BaseAgent]) -> list[MessageSerializer]:
    found: list[MessageSerializer] = []
    for kind, serializers in cls.message_types():
        if not serializers:
            raise ConfigError(
                f"{cls.__name__} handles {kind.__name__}, which cannot be written as bytes. Make it a dataclass or a "
                "pydantic model, or give a serialiser with @handles."
            )
        found += serializers
    return found
