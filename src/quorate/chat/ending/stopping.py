"""What a condition is: an immutable question about the conversation, asked as a fold. Join them with `|` and `&`.

A condition keeps nothing between calls: what it remembers is a value that the run keeps. So one condition serves any
number of runs at the same time and needs no reset.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from quorate.chat.facts import Fact
from quorate.chat.files.component import Component
from quorate.errors import ConfigError
from quorate.runs.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quorate.chat.messages import BaseMessage

PATIENCE = 3
"""How often the same may come with nothing new between, before it is a stall."""

M = TypeVar("M")


def checked_condition(given: Any, what: str = "") -> Condition[Any]:
    """Return a condition that somebody gave, if that is what it is; `what` names where.

    Raises:
        ConfigError: It is something else.
    """
    if not isinstance(given, Condition):
        raise ConfigError(
            f"{what}{given!r} is no condition. For a word that ends the run: TextMentionTermination('…'); for a "
            "function of your own: FunctionalTermination(…)."
        )
    return given  # pyright: ignore[reportUnknownVariableType]: of any memory


class Condition(Component, ABC, Generic[M]):
    """Says when a run is done.

    Attributes:
        sees_choices: Whether it is also told who was chosen to speak; only the whole condition of a team is.
    """

    sees_choices = False

    @property
    def most_usd(self) -> float | None:
        """What it lets a run cost, so that a model without a known price is refused; None where it does not count."""
        return None

    @abstractmethod
    def begin(self) -> M:
        """Return the memory before anything was said."""

    @abstractmethod
    def see(self, memory: M, fact: Fact) -> M:
        """Return the memory after a fact; changes nothing else."""

    @abstractmethod
    def reason(self, memory: M) -> str | None:
        """Return why to stop, None to go on."""

    def attach(self, run: Run) -> None:
        """Be told of a run that uses this object from now on, to reach it from outside."""

    def parts(self) -> Iterator[Condition[Any]]:
        """Yield the conditions that this one is made of, itself if it is made of none."""
        yield self

    def __or__(self, other: Condition[Any]) -> AnyOf:
        return AnyOf(_members(AnyOf, self, other))

    def __and__(self, other: Condition[Any]) -> AllOf:
        return AllOf(_members(AllOf, self, other))


def _members(kind: type[AnyOf] | type[AllOf], *conditions: Condition[Any]) -> tuple[Condition[Any], ...]:
    for given in conditions:
        checked_condition(given)
    return tuple(m for c in conditions for m in (c.conditions if isinstance(c, kind) else (c,)))


@dataclass(frozen=True)
class _Joined(Condition[tuple[Any, ...]]):
    conditions: tuple[Condition[Any], ...]

    def begin(self) -> tuple[Any, ...]:
        return tuple(c.begin() for c in self.conditions)

    def see(self, memory: tuple[Any, ...], fact: Fact) -> tuple[Any, ...]:
        return tuple([c.see(m, fact) for c, m in zip(self.conditions, memory, strict=True)])

    def reasons(self, memory: tuple[Any, ...]) -> list[str]:
        found = [c.reason(m) for c, m in zip(self.conditions, memory, strict=True)]
        return [reason for reason in found if reason]

    def parts(self) -> Iterator[Condition[Any]]:
        for condition in self.conditions:
            yield from condition.parts()


class AnyOf(_Joined):
    """Stop once one of them says so. Made by `a | b`."""

    def reason(self, memory: tuple[Any, ...]) -> str | None:
        return ", ".join(self.reasons(memory)) or None


class AllOf(_Joined):
    """Stop once all of them have said so. Made by `a & b`."""

    def reason(self, memory: tuple[Any, ...]) -> str | None:
        found = self.reasons(memory)
        return ", ".join(found) if len(found) == len(self.conditions) else None


class Verdict(Fact, eq=False, gc=False, kw_only=True):
    """What a condition said that was asked.

    Attributes:
        of: The condition.
        why: Why to stop, None to go on.
    """

    of: Any = None
    why: str | None = None


class Asking(Condition[str | None]):
    """A condition that is no fold: before each turn it is asked about what was said and done since it was asked last.

    Its answer is taken in as a `Verdict`, so that what follows from it is a fold again. What is asked of the world goes
    through a step and its verdict into the journal; once it has said to stop it is not asked again in the run.

    Attributes:
        sees_task: Whether it is also asked about what no agent said: the task, what people said between turns.
    """

    sees_task: bool = False

    @property
    def pure(self) -> bool:
        """Whether its answer follows from what it is asked about alone: then `verdict` is asked, in no step."""
        return False

    def begin(self) -> str | None:
        return None

    def see(self, memory: str | None, fact: Fact) -> str | None:
        return memory or fact.why if isinstance(fact, Verdict) and fact.of is self else memory

    def reason(self, memory: str | None) -> str | None:
        return memory

    def verdict(self, new: Sequence[BaseMessage]) -> str | None:
        """Return why to stop, None to go on; follows from `new` alone."""
        raise NotImplementedError

    async def ask(self, new: Sequence[BaseMessage]) -> str | None:
        """Return why to stop, None to go on; called in a step of class `read`."""
        raise NotImplementedError


class Never(Condition[None]):
    """Goes on until a limit, or until the policy is done."""

    def begin(self) -> None:
        return None

    def see(self, memory: None, fact: Fact) -> None:
        return None

    def reason(self, memory: None) -> str | None:
        return None


NEVER = Never()
"""Goes on until a limit."""
