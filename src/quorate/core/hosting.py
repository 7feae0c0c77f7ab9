"""What a runtime is to those who use one: so small a module that a team can name it without loading any."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from quorate.core.agents import Agent
    from quorate.core.cancellation import CancellationToken
    from quorate.core.identity import AgentId, AgentMetadata, AgentType, TopicId
    from quorate.core.serialisation import MessageSerializer
    from quorate.core.subscriptions import Subscription


@runtime_checkable
class AgentRuntime(Protocol):
    """What agents and their users need of a runtime, wherever it is."""

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Send a message to one agent and return its answer, or raise what its handler raised."""
        ...

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Send a message to all agents that subscribe to a topic, but not to its sender, and wait for none."""
        ...

    async def register_factory(
        self, type: str | AgentType, agent_factory: Callable[[], Any], *, expected_class: type[Any] | None = None
    ) -> AgentType:
        """Have agents of a type made by a function, sync or async, when they are first needed."""
        ...

    async def register_agent_instance(self, agent_instance: Agent, agent_id: AgentId) -> AgentId:
        """Take up an agent that is ready."""
        ...

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[Any] = ...) -> Any:
        """Return the agent object itself, where it lives in this process."""
        ...

    async def get(
        self, id_or_type: AgentId | AgentType | str, /, key: str = "default", *, lazy: bool = True
    ) -> AgentId:
        """Return an agent's id; not `lazy`, make the agent now."""
        ...

    async def save_state(self) -> Mapping[str, Any]:
        """Return the state of all agents that were made, by id."""
        ...

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Give agents the state that `save_state` returned, making them where needed."""
        ...

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """Return what an agent tells about itself."""
        ...

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """Return the state of one agent."""
        ...

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Give one agent its state."""
        ...

    async def add_subscription(self, subscription: Subscription) -> None:
        """Add a subscription."""
        ...

    async def remove_subscription(self, id: str) -> None:
        """Remove a subscription."""
        ...

    def add_message_serializer(self, serializer: MessageSerializer | Sequence[MessageSerializer]) -> None:
        """Say how messages of a type are written as bytes."""
        ...
