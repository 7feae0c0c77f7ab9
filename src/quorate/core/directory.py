"""Which agents there are: factories, ready instances, and the agents made so far."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from quorate.core.identity import AgentId
from quorate.core.messaging import AgentInstantiationContext
from quorate.core.turns import Seat
from quorate.errors import ConfigError, Undeliverable


class _Kind:
    """Agents of one type. Without a factory only instances that were handed in."""

    __slots__ = ("cls", "factory", "seats")

    def __init__(self, factory: Callable[..., Any] | None, cls: type[Any] | None) -> None:
        self.factory, self.cls = factory, cls
        self.seats: dict[str, Seat] = {}


class Directory:
    """The agents of one runtime."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._kinds: dict[str, _Kind] = {}

    def add_factory(self, type: str, factory: Callable[..., Any], expected: type[Any] | None) -> None:
        """Have agents of a type made when they are first needed.

        Raises:
            ConfigError: The type is taken, or the factory takes arguments.
        """
        AgentId(type, "")
        if type in self._kinds:
            raise ConfigError(f"An agent type {type!r} is registered already. Choose another name.")
        if _needs(factory):
            raise ConfigError(
                f"The factory of {type!r} takes arguments. It is called with none: use a lambda, and "
                "AgentInstantiationContext for the id and the runtime."
            )
        self._kinds[type] = _Kind(factory, expected)

    def check_instance(self, id: AgentId, agent: Any) -> None:
        """Check whether an agent that was made elsewhere can be taken up.

        Raises:
            ConfigError: There is one with this id, its type has a factory, or its instances are of another class.
        """
        kind = self._kinds.get(id.type)
        if kind is None:
            return
        if kind.factory is not None:
            raise ConfigError(f"{id.type!r} has a factory, so no instance can be added to it. Choose another type.")
        if kind.cls is not type(agent):
            expected = "?" if kind.cls is None else kind.cls.__name__
            raise ConfigError(f"Instances of {id.type!r} are {expected}, not {type(agent).__name__}.")
        if id.key in kind.seats:
            raise ConfigError(f"An agent {id} is registered already.")

    def add_instance(self, id: AgentId, agent: Any) -> None:
        """Take up an agent that was made elsewhere; raises as `check_instance` does."""
        self.check_instance(id, agent)
        self._kinds.setdefault(id.type, _Kind(None, agent.__class__)).seats[id.key] = Seat(id, agent)

    def knows(self, type: str) -> bool:
        """Return whether agents of this type can be there."""
        return type in self._kinds

    def find(self, id: AgentId) -> Seat | None:
        """Return the seat of an agent, which need not be made yet; None when there cannot be one."""
        kind = self._kinds.get(id.type)
        if kind is None:
            return None
        seat = kind.seats.get(id.key)
        if seat is None and kind.factory is not None:
            seat = kind.seats[id.key] = Seat(id)
        return seat

    def seat(self, id: AgentId) -> Seat:
        """Return the seat of an agent.

        Raises:
            Undeliverable: There cannot be such an agent.
        """
        seat = self.find(id)
        if seat is None:
            raise Undeliverable(self._unknown(id), recipient=id, reason="unknown agent")
        return seat

    def seats(self) -> Iterator[Seat]:
        """Yield all seats."""
        for kind in list(self._kinds.values()):
            yield from list(kind.seats.values())

    def types(self) -> Iterator[tuple[str, int]]:
        """Yield each type with the number of its agents."""
        for name, kind in self._kinds.items():
            yield name, sum(seat.agent is not None for seat in kind.seats.values())

    def vacate(self, seat: Seat) -> bool:
        """Forget a seat that has no agent, and return whether it was known."""
        kind = self._kinds.get(seat.id.type)
        if kind is not None and kind.seats.get(seat.id.key) is seat:
            del kind.seats[seat.id.key]
            return True
        return False

    async def make(self, seat: Seat) -> Any:
        """Make the agent of a seat.

        Raises:
            Undeliverable: Its type has no factory: it was removed.
            ConfigError: The factory made something else than an agent of the class it was registered with.
        """
        id = seat.id
        kind = self._kinds[id.type]
        if kind.factory is None:
            raise Undeliverable(self._unknown(id), recipient=id, reason="unknown agent")
        with AgentInstantiationContext.populate_context((self._runtime, id)):
            agent = kind.factory()
            if inspect.isawaitable(agent):
                agent = await agent
        expected = kind.cls
        if expected is not None and not isinstance(agent, expected):
            raise ConfigError(f"The factory of {id.type!r} made a {type(agent).__name__}, not a {expected.__name__}.")
        await agent.bind_id_and_runtime(id, self._runtime)
        seat.agent = agent
        return agent

    def _unknown(self, id: AgentId) -> str:
        kind = self._kinds.get(id.type)
        if kind is not None:
            return f"There is no agent {id}: of {id.type!r} only instances are registered, and this is none of them."
        known = ", ".join(sorted(self._kinds)[:20]) or "none"
        return f"There is no agent {id}: no agent type {id.type!r} is registered. Registered: {known}."


def _needs(factory: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return any(parameter.default is parameter.empty and parameter.kind in kinds for parameter in parameters)
