"""Participants that are made by a factory: each conversation has its own.

A factory is called once when a team is defined: that agent tells the name and what else is to be known of it, and never
speaks. Those who speak are made when a conversation begins, is resumed, forked or replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from inspect import isawaitable, iscoroutine
from typing import TYPE_CHECKING, Any, cast
from weakref import ref

from quorate.errors import ConfigError

if TYPE_CHECKING:
    from quorate.chat.agent import Participant, Speaker


class Seat:
    """The place of a participant that a factory makes.

    Args:
        factory: Takes nothing, and returns a new agent, always of the same name.

    Attributes:
        shown: The agent that is shown where somebody asks what there is; it never speaks.

    Raises:
        ConfigError: The factory raises, or returns no agent.
    """

    def __init__(self, factory: Callable[[], Any]) -> None:
        self.factory = factory
        self.shown = self._called()
        self.name: str = self.shown.name
        self._out: dict[int, ref[Any]] = {}

    @property
    def description(self) -> str:
        return getattr(self.shown, "description", "")

    async def speak(self, turn: Any) -> Any:
        """Nobody sits here yet."""
        raise ConfigError(f"{self.name} is made by {self._words()} when a team runs. Give the factory to the team.")

    def make(self) -> Any:
        """Return a new agent.

        Raises:
            ConfigError: The factory raises, returns no agent, one of another name, or one that it returned before.
        """
        agent = self._called()
        if agent.name != self.name:
            raise ConfigError(
                f"{self._words()} made an agent named {agent.name!r}, and one named {self.name!r} before. A factory "
                "makes agents of one name: who it is in the thread has to be known before the run."
            )
        known = self._out.get(id(agent))
        if agent is self.shown or (known is not None and known() is agent):
            raise ConfigError(
                f"{self._words()} returned the same {type(agent).__name__} {self.name!r} again, in which "
                f"conversations would mix. Make a new one with each call, as lambda: {type(agent).__name__}(…) does. "
                "One that keeps nothing in attributes of its own needs no factory: give the agent itself."
            )
        self._note(agent)
        return agent

    def _note(self, agent: Any) -> None:
        """Remember as long as it lives that an agent was handed out."""
        place, out = id(agent), self._out
        try:
            out[place] = ref(agent, lambda _: out.pop(place, None) and None)
        except TypeError:  # of a class with slots and no place for that
            out.pop(place, None)

    def _called(self) -> Any:
        try:
            agent = self.factory()
        except Exception as error:
            raise ConfigError(
                f"{self._words()} raised {type(error).__name__}: {error}. A factory takes nothing and returns an "
                f"agent: for one that needs arguments write {self._written()}."
            ) from error
        if isawaitable(agent):
            if iscoroutine(agent):
                agent.close()
            raise ConfigError(f"{self._words()} is asynchronous. A factory is a plain function that returns an agent.")
        if not speaks(agent):
            raise ConfigError(
                f"{self._words()} made {agent!r}, which cannot take part: a participant has a name and "
                "`async def speak(self, turn)`."
            )
        return agent

    def _written(self) -> str:
        """Return how an agent that needs arguments is made by a factory."""
        name = self.factory.__name__ if isinstance(self.factory, type) else "Counter"
        return f"lambda: {name}(…)"

    def _words(self) -> str:
        factory: Any = self.factory
        kind = "class" if isinstance(factory, type) else "factory"
        return f"The {kind} {getattr(factory, '__qualname__', None) or repr(factory)}"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "shown":
            raise AttributeError(name)
        return getattr(self.shown, name)

    def __repr__(self) -> str:
        return f"<seat of {self.name}>"


def speaks(thing: Any) -> bool:
    """Whether something can take part as it is."""
    return (
        not isinstance(thing, type)
        and isinstance(getattr(thing, "name", None), str)
        and callable(getattr(thing, "speak", None))
    )


def seated(given: Participant) -> Speaker:
    """Return a participant as it was given, or the seat of one that a factory makes.

    What is neither stays what it is: whoever takes it in says what is wrong with it.
    """
    if type(given) is Seat or not callable(given) or speaks(given):
        return cast("Speaker", given)
    return Seat(given)


def all_seated(given: Sequence[Participant]) -> list[Speaker]:
    """Return participants, each as `seated` does."""
    if isinstance(given, str) or not isinstance(given, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
        raise ConfigError(f"{given!r} is no list of participants. Write [writer, critic].")
    return [seated(one) for one in given]


def shown(given: Speaker) -> Speaker:
    """Return a participant as it is shown to who asks: of a factory's, the one that never speaks."""
    return given.shown if isinstance(given, Seat) else given


__all__ = ["Seat", "all_seated", "seated", "shown", "speaks"]
