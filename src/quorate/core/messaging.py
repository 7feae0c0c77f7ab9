"""What goes with a message, and what a handler may know about where it runs."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from quorate.core.cancellation import CancellationToken
from quorate.core.identity import AgentId, AgentType
from quorate.errors import WrongState

V = TypeVar("V")


class MessageContext:
    """What a handler knows about the message it gets.

    Attributes:
        sender: Which agent sent it; None when it came from outside.
        topic_id: The topic it was published to; None for one sent directly.
        is_rpc: Whether the sender waits for an answer.
    """

    __slots__ = ("_message_id", "_token", "is_rpc", "sender", "topic_id")

    def __init__(
        self,
        sender: AgentId | None,
        topic_id: Any,
        is_rpc: bool,
        cancellation_token: CancellationToken | None,
        message_id: str | Numbers,
    ) -> None:
        self.sender, self.topic_id, self.is_rpc = sender, topic_id, is_rpc
        self._token, self._message_id = cancellation_token, message_id

    @property
    def cancellation_token(self) -> CancellationToken:
        """A token that is cancelled together with the work on this message."""
        token = self._token
        if token is None:
            token = self._token = CancellationToken()
        return token

    @property
    def message_id(self) -> str:
        """What tells this message from others of its runtime; what the sender gave, if anything."""
        found = self._message_id
        if not isinstance(found, str):
            found = self._message_id = found.next()
        return found

    @property
    def trace_context(self) -> Mapping[str, str] | None:
        """The W3C trace context of the span in which the message was sent; None where nobody traces."""
        return None

    def again(self) -> MessageContext:
        """Return what goes with the same message when it is sent once more."""
        return MessageContext(self.sender, self.topic_id, self.is_rpc, self._token, self.message_id)

    def cancelled(self) -> None:
        """Tell who holds the token that the work was cancelled."""
        if self._token is not None:
            self._token.cancel()

    def __repr__(self) -> str:
        about = f"sender={self.sender!s}, topic_id={self.topic_id!s}, is_rpc={self.is_rpc}"
        return f"MessageContext({about}, message_id={self.message_id!r})"


class Numbers:
    """Counts names for messages that somebody asks the name of."""

    __slots__ = ("_last", "_prefix")

    def __init__(self, prefix: str) -> None:
        self._prefix, self._last = prefix, 0

    def next(self) -> str:
        """Return a name that was not given before."""
        self._last += 1
        return f"{self._prefix}{self._last}"


class _Ambient(Generic[V]):
    """A value that code finds where it runs, and that code around it put there."""

    def __init__(self, name: str, missing: str) -> None:
        self._var: ContextVar[V | None] = ContextVar(name, default=None)
        self._missing = missing

    def get(self) -> V:
        found = self._var.get()
        if found is None:
            raise WrongState(self._missing)
        return found

    def get_or_none(self) -> V | None:
        return self._var.get()

    @contextmanager
    def put(self, value: V) -> Generator[None]:
        token = self._var.set(value)
        try:
            yield
        finally:
            self._var.reset(token)


_making: _Ambient[tuple[Any, AgentId]] = _Ambient(
    "quorate_agent_made", "No agent is being made here; this works inside a registered factory only."
)
_subscribing: _Ambient[AgentType] = _Ambient(
    "quorate_subscribing", "No agent type is being registered here; name the type."
)


class Call:
    """One handler at work, and which handler's request it answers.

    Attributes:
        agent: Whose handler it is.
        parent: The call whose handler caused this one; None for a published message and for one from outside.
        depth: How many calls caused this one.
        guests: How many calls that it caused are at work at its own agent.
        over: Whether it has ended. Work that it left behind is no part of it.
        waits: The lines in which requests of this call, or of calls it caused, now wait, with their number.
    """

    __slots__ = ("agent", "depth", "guests", "over", "parent", "waits")

    def __init__(self, agent: AgentId, parent: Call | None) -> None:
        self.agent, self.parent = agent, parent
        self.depth = 0 if parent is None else parent.depth + 1
        self.guests = 0
        self.over = False
        self.waits: dict[Any, int] | None = None

    def within(self, other: Call) -> bool:
        """Return whether `other` caused this call, or is it."""
        call: Call | None = self
        while call is not None:
            if call is other:
                return True
            call = call.parent
        return False


handling: ContextVar[Call | None] = ContextVar("quorate_handling", default=None)
"""The handler that runs."""


class _OnlyNames:
    def __init__(self) -> None:
        raise WrongState(f"{type(self).__name__} is never made; call its methods on the class.")


class AgentInstantiationContext(_OnlyNames):
    """What a factory knows about the agent it makes."""

    @staticmethod
    def populate_context(ctx: tuple[Any, AgentId]) -> Any:
        """Return a context manager in which `ctx` is the runtime and the id."""
        return _making.put(ctx)

    @staticmethod
    def current_runtime() -> Any:
        """Return the runtime that makes the agent.

        Raises:
            WrongState: No factory is running.
        """
        return _making.get()[0]

    @staticmethod
    def current_agent_id() -> AgentId:
        """Return the id the agent will have; raises as `current_runtime` does."""
        return _making.get()[1]

    @staticmethod
    def is_in_factory_call() -> bool:
        """Return whether a factory is running."""
        return _making.get_or_none() is not None


class SubscriptionInstantiationContext(_OnlyNames):
    """For which agent type subscriptions are being made."""

    @staticmethod
    def populate_context(ctx: AgentType) -> Any:
        """Return a context manager in which `ctx` is the type."""
        return _subscribing.put(ctx)

    @staticmethod
    def agent_type() -> AgentType:
        """Return the type.

        Raises:
            WrongState: None is being registered.
        """
        return _subscribing.get()


class MessageHandlerContext(_OnlyNames):
    """Whose handler is running."""

    @staticmethod
    @contextmanager
    def populate_context(ctx: AgentId) -> Generator[None]:
        """Make `ctx` the agent whose handler runs."""
        token = handling.set(Call(ctx, None))
        try:
            yield
        finally:
            handling.reset(token)

    @staticmethod
    def agent_id() -> AgentId:
        """Return the agent.

        Raises:
            WrongState: No handler is running.
        """
        found = handling.get()
        if found is None:
            raise WrongState("No handler is running here.")
        return found.agent
