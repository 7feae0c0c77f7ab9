"""An agent: something with a name that speaks when it is its turn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from quorate.chat.files.component import Component
from quorate.chat.objects.records import tell_of
from quorate.chat.speech import Turn
from quorate.core.code import caller
from quorate.core.lazy import lazy
from quorate.errors import ConfigError

if TYPE_CHECKING:
    from quorate.chat import alone, chats
    from quorate.chat.agents.person import Answers
    from quorate.chat.ending.stopping import Condition
    from quorate.chat.live import Runnable
    from quorate.chat.messages import BaseChatMessage, BaseMessage, TaskResult
    from quorate.runs.journal import Conversation
    from quorate.runs.outcome import Limits
else:
    alone, chats = lazy("quorate.chat.alone"), lazy("quorate.chat.chats")


@runtime_checkable
class Speaker(Protocol):
    """What a team accepts as a member: any object with this shape."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    def speak(self, turn: Turn) -> BaseChatMessage | Awaitable[BaseChatMessage]: ...


Participant = Speaker | Callable[[], Speaker]
"""Who takes part: an agent, or what makes one: its class, or any function that takes nothing and returns one."""


class Agent(Component, ABC):
    """A base for agents: subclass it and write `speak`.

    An agent is a definition and keeps nothing between turns. What it must remember goes into `turn.state`, or is
    folded: with `begin()` and `see(memory, fact)`, both pure, `turn.memory` holds what they make of all facts so far.
    One that does keep something in attributes is for one conversation: give teams its class, or a function that makes
    it; with `save_state()` and `load_state(state)` what it keeps survives the process.

    Args:
        name: Who it is in the thread; any text in any script, without control characters.
        description: What it is for, as others are told.

    Raises:
        ConfigError: The name cannot be one.
    """

    limits: Limits | None = None
    """What it may use in one run, within the run's own limits."""

    def __init__(self, name: str, *, description: str = "") -> None:
        if not isinstance(description, str):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(f"{name}: description={description!r} must be a text.")
        self.name, self.description = checked_name(name), description
        self.made_at = caller()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        tell_of(cls)

    @abstractmethod
    def speak(self, turn: Turn) -> BaseChatMessage | Awaitable[BaseChatMessage]:
        """Return what to say. One that waits for anything, such as a model, is an `async def`.

        Args:
            turn: What the agent sees, and where it reports what it does on the way.
        """

    async def chat(
        self,
        other: Participant,
        task: str | BaseChatMessage,
        *,
        max_turns: int = 10,
        termination_condition: Condition[Any] | None = None,
        limits: Limits | None = None,
        conversation: Conversation | None = None,
        emit_team_events: bool = False,
    ) -> TaskResult:
        """Talk with another agent: say it the task, hear its answer, and so on; see `quorate.chat.chats.chat`.

        Args:
            other: With whom: an agent, or what makes one.
            task: What about.
            max_turns: How often each of the two may speak after the task.
            termination_condition: When it is completed before that.
            limits: What it may use.
            conversation: Where to keep it; by default a new one in memory. Inside a run it is a part of that.
            emit_team_events: Whether it is told who speaks next, and why, before they do.
        """
        return await chats.chat(
            self, other, task, max_turns=max_turns, termination_condition=termination_condition, limits=limits,
            conversation=conversation, emit_team_events=emit_team_events,
        )  # fmt: skip

    async def run(
        self,
        task: str | BaseChatMessage | Sequence[BaseChatMessage],
        *,
        conversation: Conversation | None = None,
        limits: Limits | None = None,
        answer: Answers | None = None,
    ) -> TaskResult:
        """Work on a task alone, as a team of one; for all options give it to a team, or to `alone.runnable`.

        Args:
            task: A text, a message, or several.
            conversation: Where it belongs; by default the agent's own, in memory, which goes on from run to run.
            limits: What it may use.
            answer: Answers questions to people at once.

        Raises:
            RunFailed: It failed.
        """
        return await self._alone.run(task, conversation=conversation, limits=limits, answer=answer)

    def run_stream(
        self,
        task: str | BaseChatMessage | Sequence[BaseChatMessage],
        *,
        conversation: Conversation | None = None,
        limits: Limits | None = None,
        answer: Answers | None = None,
    ) -> AsyncGenerator[BaseMessage | TaskResult]:
        """Work on a task alone, and yield what is said and done, then the result; see `run`."""
        return self._alone.run_stream(task, conversation=conversation, limits=limits, answer=answer)

    @cached_property
    def _alone(self) -> Runnable:
        return alone.runnable(self)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {getattr(self, 'name', 'without a name: super().__init__(name) was not called')}>"
        )


_JOINERS = {0x200C: None, 0x200D: None}
"""What joins letters and parts of emoji in many scripts; not printed itself."""


def checked_name(name: str, of: str = "an agent") -> str:
    """Return a name that can be used.

    Args:
        name: Of somebody who speaks in a thread.
        of: What the name is for, as an error says.

    Raises:
        ConfigError: It is empty, longer than 200 characters, blank at an end, or has control characters or half a
            surrogate pair; or it is no text.
    """
    fits = isinstance(name, str) and 0 < len(name) <= 200 and name == name.strip()  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
    if not fits or not name.translate(_JOINERS).isprintable():
        raise ConfigError(f"{name!r} cannot name {of}: 1 to 200 printable characters, none blank at an end.")
    return name
