"""AutoGen's conditions: objects that are called with what is new, remember it, and are reset.

Each is a condition of Quorate's too. Those that come with AutoGen are values with a memory beside them: teams use the
value, so one object serves many teams. Conditions of users' own are called, in a step, by the team that uses them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self, cast

from pydantic import BaseModel

from quorate.chat.ending.stopping import AllOf, AnyOf, Asking, Condition
from quorate.chat.facts import Fact
from quorate.chat.messages import BaseMessage, StopMessage
from quorate.compat.autogen.components import Component, ComponentBase, ComponentModel
from quorate.compat.autogen.profile import UNSEEN, Question
from quorate.errors import WrongState


class TerminatedException(WrongState):
    """A condition was called again after it had said to stop, without a reset."""


class TerminationCondition(ComponentBase[BaseModel], Condition[Any], ABC):  # pyright: ignore[reportIncompatibleMethodOverride]: a component is AutoGen's here
    """Says when to stop: called with what is new since the last call."""

    component_type: ClassVar[str] = "termination"

    @property
    @abstractmethod
    def terminated(self) -> bool:
        """Whether it has said to stop."""

    @abstractmethod
    async def __call__(self, messages: Sequence[BaseMessage]) -> StopMessage | None:
        """Return a `StopMessage` to stop, None to go on.

        Raises:
            TerminatedException: It has said to stop already.
        """

    @abstractmethod
    async def reset(self) -> None:
        """Forget everything."""

    def __and__(self, other: Condition[Any]) -> Any:
        if isinstance(other, TerminationCondition):
            return AndTerminationCondition(self, other)
        return AllOf((self, other))

    def __or__(self, other: Condition[Any]) -> Any:
        if isinstance(other, TerminationCondition):
            return OrTerminationCondition(self, other)
        return AnyOf((self, other))

    def question(self) -> Question | None:
        """Return the value that says the same, None where only a call of this object can say it."""
        return None

    # -- as a condition of Quorate's -----------------------------------------------------------------------------------

    def begin(self) -> Any:
        return self._asking().begin()

    def see(self, memory: Any, fact: Fact) -> Any:
        return self._asking().see(memory, fact)

    def reason(self, memory: Any) -> str | None:
        return self._asking().reason(memory)

    def parts(self) -> Iterator[Condition[Any]]:
        yield self._asking()

    def _asking(self) -> Calling:
        found: Calling | None = self.__dict__.get("_asked")
        if found is None:
            found = self._asked = Calling(self)
        return found


class Calling(Asking):
    """Calls a condition of a user's own, in a step.

    Args:
        condition: The condition.
        unheard: Who says what it does not see. With any, it is only called after somebody else has spoken.
    """

    sees_task = True

    def __init__(self, condition: TerminationCondition, unheard: frozenset[str] = frozenset()) -> None:
        self.condition, self._unheard = condition, unheard
        self.sees_task = "" not in unheard

    async def ask(self, new: Sequence[BaseMessage]) -> str | None:
        if self.condition.terminated:
            await self.condition.reset()
        seen = [item for item in new if getattr(item, "type", "") not in UNSEEN and item.source not in self._unheard]
        if self._unheard and not seen:
            return None
        said = await self.condition(seen)
        return None if said is None else said.content


class KeptCondition(TerminationCondition):
    """A condition that follows from what is new and from what it made of that before."""

    _memory: Any = None
    _fired = False
    _begun = False

    def question(self) -> Question:
        return self

    @abstractmethod
    def first(self) -> Any:
        """Return the memory before anything was said."""

    @abstractmethod
    def after(self, memory: Any, new: Sequence[BaseMessage]) -> Any:
        """Return the memory after what is new."""

    @abstractmethod
    def told(self, memory: Any) -> tuple[str, str] | None:
        """Return why to stop and who says so, None to go on."""

    @property
    def terminated(self) -> bool:
        return self._fired

    async def __call__(self, messages: Sequence[BaseMessage]) -> StopMessage | None:
        if self._fired:
            raise TerminatedException("Termination condition has already been reached. Call reset() to use it again.")
        if not self._begun:
            self._memory, self._begun = self.first(), True
        self._memory = self.after(self._memory, messages)
        told = self.told(self._memory)
        if told is None:
            return None
        self._fired = True
        return StopMessage(content=told[0], source=told[1])

    async def reset(self) -> None:
        self._memory, self._fired, self._begun = None, False, False

    def begin(self) -> Any:
        return self.first()

    def see(self, memory: Any, fact: Fact) -> Any:
        item = fact.message or fact.event
        return memory if item is None else self.after(memory, (item,))

    def reason(self, memory: Any) -> str | None:
        told = self.told(memory)
        return None if told is None else told[0]

    def parts(self) -> Iterator[Condition[Any]]:
        yield self


class JoinedConfig(BaseModel):
    """Conditions that are joined, as configuration."""

    conditions: list[ComponentModel]


class Joined(TerminationCondition, Component[JoinedConfig]):
    """Conditions of which one is made."""

    component_config_schema: ClassVar[type[Any]] = JoinedConfig

    def __init__(self, *conditions: TerminationCondition) -> None:
        self._conditions = list(conditions)
        self._fired: list[StopMessage] = []

    async def reset(self) -> None:
        self._fired.clear()
        for condition in self._conditions:
            await condition.reset()

    def question(self) -> Question | None:
        questions = [condition.question() for condition in self._conditions]
        found = [one for one in questions if one is not None]
        return self._joined(found) if len(found) == len(questions) else None

    def _joined(self, questions: Sequence[Question]) -> Question:
        raise NotImplementedError

    def attach(self, run: Any) -> None:
        for condition in self._conditions:
            condition.attach(run)

    def begin(self) -> Any:
        return tuple(condition.begin() for condition in self._conditions)

    def see(self, memory: Any, fact: Fact) -> Any:
        return tuple([c.see(m, fact) for c, m in zip(self._conditions, memory, strict=True)])

    def parts(self) -> Iterator[Condition[Any]]:
        for condition in self._conditions:
            yield from condition.parts()

    def _reasons(self, memory: Any) -> list[str]:
        found = [c.reason(m) for c, m in zip(self._conditions, memory, strict=True)]
        return [reason for reason in found if reason]

    def _to_config(self) -> JoinedConfig:
        return JoinedConfig(conditions=[condition.dump_component() for condition in self._conditions])

    @classmethod
    def _from_config(cls, config: JoinedConfig) -> Self:
        loaded = [TerminationCondition.load_component(one) for one in config.conditions]
        return cls(*cast("list[TerminationCondition]", loaded))


def _one(messages: Sequence[StopMessage]) -> StopMessage:
    return StopMessage(content=", ".join(m.content for m in messages), source=", ".join(m.source for m in messages))


class AndTerminationCondition(Joined):
    """Says to stop once all of its conditions have said so."""

    component_provider_override: ClassVar[str | None] = "autogen_agentchat.base.AndTerminationCondition"

    @property
    def terminated(self) -> bool:
        return all(condition.terminated for condition in self._conditions)

    async def __call__(self, messages: Sequence[BaseMessage]) -> StopMessage | None:
        if self.terminated:
            raise TerminatedException("Termination condition has already been reached. Call reset() to use it again.")
        for condition in self._conditions:
            if not condition.terminated and (said := await condition(messages)) is not None:
                self._fired.append(said)
        return _one(self._fired) if self.terminated and self._fired else None

    def reason(self, memory: Any) -> str | None:
        found = self._reasons(memory)
        return ", ".join(found) if len(found) == len(self._conditions) else None

    def _joined(self, questions: Sequence[Question]) -> Question:
        return AllSay(questions)


class OrTerminationCondition(Joined):
    """Says to stop once one of its conditions says so."""

    component_provider_override: ClassVar[str | None] = "autogen_agentchat.base.OrTerminationCondition"

    @property
    def terminated(self) -> bool:
        return any(condition.terminated for condition in self._conditions)

    async def __call__(self, messages: Sequence[BaseMessage]) -> StopMessage | None:
        if self.terminated:
            raise TerminatedException("Termination condition has already been reached. Call reset() to use it again.")
        found = [said for condition in self._conditions if (said := await condition(messages)) is not None]
        return _one(found) if found else None

    def reason(self, memory: Any) -> str | None:
        return ", ".join(self._reasons(memory)) or None

    def _joined(self, questions: Sequence[Question]) -> Question:
        return AnySays(questions)


class AllSay:
    """All questions have been answered; one that was is not asked again."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = tuple(questions)

    def first(self) -> Any:
        return tuple((question.first(), None) for question in self.questions), ()

    def after(self, memory: Any, new: Sequence[BaseMessage]) -> Any:
        kept, order = memory
        found: list[Any] = []
        for at, (question, (inside, said)) in enumerate(zip(self.questions, kept, strict=True)):
            if said is None:
                inside = question.after(inside, new)
                said = question.told(inside)
                if said is not None:
                    order = (*order, at)
            found.append((inside, said))
        return tuple(found), order

    def told(self, memory: Any) -> tuple[str, str] | None:
        kept, order = memory
        if len(order) < len(kept):
            return None
        said = [kept[at][1] for at in order]
        return ", ".join(text for text, _ in said), ", ".join(who for _, who in said)


class AnySays:
    """One of the questions is answered."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = tuple(questions)

    def first(self) -> Any:
        return tuple(question.first() for question in self.questions)

    def after(self, memory: Any, new: Sequence[BaseMessage]) -> Any:
        return tuple([q.after(m, new) for q, m in zip(self.questions, memory, strict=True)])

    def told(self, memory: Any) -> tuple[str, str] | None:
        said = [told for q, m in zip(self.questions, memory, strict=True) if (told := q.told(m)) is not None]
        return (", ".join(text for text, _ in said), ", ".join(who for _, who in said)) if said else None
