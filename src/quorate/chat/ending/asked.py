"""A condition made of a function."""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quorate.chat.ending.stopping import Asking
from quorate.errors import ConfigError
from quorate.tools.threads import in_thread

if TYPE_CHECKING:
    from quorate.chat.messages import BaseMessage

DONE = "Functional termination condition met"


@dataclass(frozen=True)
class FunctionalTermination(Asking):
    """Stop once a function of what is new returns True.

    It is asked before each turn, about the messages and events of agents since it was asked last; the task itself does
    not count. A plain function must be pure: its answer follows from what it is given, and it is asked again when a run
    is resumed or replayed. An async one, and one declared `impure`, may look at the world: it is asked in a step, its
    answer is journaled, and a plain one runs in a thread.

    Args:
        func: Is given the messages and events, oldest first; returns True to stop, False to go on.
        impure: Whether a plain function looks at more than what it is given.

    Raises:
        ConfigError: `func` is no function; when it is asked: it returned something else than True or False.
    """

    func: Callable[[Sequence[BaseMessage]], bool | Awaitable[bool]]
    impure: bool = False

    def __post_init__(self) -> None:
        if not callable(self.func):
            raise ConfigError(f"FunctionalTermination({self.func!r}): give a function of the new messages.")

    @property
    def pure(self) -> bool:
        """Whether it follows from what it is given."""
        return not (self.impure or self._is_async)

    @property
    def _is_async(self) -> bool:
        func = self.func
        return inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(getattr(func, "__call__", None))  # noqa: B004  # an object with an async call

    def verdict(self, new: Sequence[BaseMessage]) -> str | None:
        found = self.func(new)
        if inspect.isawaitable(found):
            if inspect.iscoroutine(found):
                found.close()
            raise ConfigError(f"FunctionalTermination: {self.func!r} returned an awaitable. Write it as `async def`.")
        return self._read(found)

    async def ask(self, new: Sequence[BaseMessage]) -> str | None:
        found = self.func(new) if self._is_async else await in_thread(lambda: self.func(new))
        if inspect.isawaitable(found):
            found = await found
        return self._read(found)

    def _read(self, found: object) -> str | None:
        if not isinstance(found, bool):  # taken for False, what is meant as a yes would let the run go on for ever
            raise ConfigError(
                f"FunctionalTermination: {self.func!r} returned {reprlib.repr(found)}. Return True to stop or False to "
                "go on; bool(…) makes that of other values."
            )
        return DONE if found else None
