"""Who speaks next: turn policies. A policy is a value that decides; what it remembers is folded from facts."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec import Struct

from quorate.chat.facts import Fact, Given, PassedOn, Thread
from quorate.errors import ConfigError

if TYPE_CHECKING:
    from quorate.chat.messages import BaseChatMessage

S = TypeVar("S")
_NOBODY: Mapping[str, str] = MappingProxyType({})


class Speak(Struct, frozen=True):
    """These speak next, side by side when they are several; journaled before anybody does.

    Args:
        speakers: Members, at least one, each once.
        reason: Why, in words.
        say: What the policy itself puts into the thread before they speak.
        note: Plain JSON data that comes back to the policy in the choice's fact: its memory is folded from it.
    """

    speakers: tuple[str, ...]
    reason: str
    say: tuple[BaseChatMessage, ...] = ()
    note: Any = None


class Stop(Struct, frozen=True):
    """The policy is done; `say` and `note` are as in `Speak`: the last words, and what led to the end."""

    reason: str
    say: tuple[BaseChatMessage, ...] = ()
    note: Any = None


class Most(Struct, frozen=True):
    """The most that a run under a policy takes, as long as nobody interrupts it.

    Args:
        turns: Its turns.
        answers: Its answers; one that has to be of a form counts twice, since it may be asked for again.
        asked: What the policy itself asks a model.
        least: The fewest turns in which it can come to its end.
    """

    turns: int
    answers: int
    asked: int = 0
    least: int = 1


class TurnPolicy(Protocol[S]):
    """Chooses who speaks next.

    A policy whose notes are JSON data that nobody changes any more may say `plain = True`; they are then journaled as
    they are, not as a checked copy. Three more methods are asked where a policy has them; all are pure:

    - `enough(memory, done) -> bool` makes a race of speakers named together. It is asked whenever one of them has
      finished; `done` has what those said who have, by name, in the order in which they finished. True ends the wave:
      they are the winners, the others are cancelled and leave no word.
    - `hears(member, fact) -> bool` keeps from a member what it need not know: it sees only the messages, and folds only
      over the facts, for which this is True.
    - `wants(memory, member) -> type | None` is the pydantic model that a member's answer is to be of. An
      `AssistantAgent` holds its model to it; whatever does not fit twice comes as plain text, and the policy decides.
    """

    def begin(self) -> S:
        """Return the memory of a new conversation."""
        ...

    def see(self, memory: S, fact: Fact) -> S:
        """Return the memory after a fact; changes nothing else."""
        ...

    def next(self, memory: S, thread: Thread, members: Sequence[str]) -> Speak | Stop | Awaitable[Speak | Stop]:
        """Return who of `members` speaks and why, or that the policy is done.

        One that makes steps, such as asking a model, or waits for anything is an `async def`; its steps get a scope of
        their own. One that decides by what it is given, and is asked again after a crash, is a plain function.
        """
        ...


class RoundRobin:
    """Members speak in the order given, and start again after the last."""

    def begin(self) -> str | None:
        return None  # who had the last turn

    def see(self, memory: str | None, fact: Fact) -> str | None:
        return fact.choice.speakers[-1] if fact.choice is not None else memory

    def next(self, memory: str | None, thread: Thread, members: Sequence[str]) -> Speak:
        at = members.index(memory) + 1 if memory in members else 0
        return Speak((members[at % len(members)],), "next in order")


def target_of(message: BaseChatMessage) -> str | None:
    """Return whom a message hands the conversation to, if it does.

    Its fields are looked into: to ask pydantic for one that is not there costs more than to make a message.
    """
    target = message.__dict__.get("target")
    return target if isinstance(target, str) else None


class Holder(Struct, frozen=True, gc=False):
    """Who has a conversation that is handed over.

    Args:
        by: Who had the last turn.
        to: To whom it was handed since.
        must: Whether that has to be a member; else, where it is none, who had it last goes on.
        inside: The member in which somebody spoke who was heard out of a team, by their name.

    Who is handed a conversation gives it back to the name that it heard, which may be one inside a member.
    """

    by: str | None = None
    to: str | None = None
    must: bool = False
    inside: Mapping[str, str] = _NOBODY

    def heard(self, fact: PassedOn) -> Mapping[str, str]:
        """Return `inside` after somebody more was heard."""
        assert fact.message is not None
        source, member = fact.message.source, fact.speaker
        return self.inside if self.inside.get(source, source) == member else {**self.inside, source: member}

    def named(self, members: Sequence[str]) -> str | None:
        """Return to whom it was handed: a member, or the one in which somebody of that name was heard."""
        return self.inside.get(self.to, self.to) if self.must and self.to and self.to not in members else self.to


class Handoffs:
    """Who was handed the conversation speaks, until they hand it on; the first member begins.

    A team also has it when somebody is named who was heard out of it.
    What is told from around this conversation, or passed on by a team that is a member, may hand over to somebody
    there: that is theirs. A new task, or a word of a person, answers for whoever outside was handed it.
    """

    def begin(self) -> Holder:
        return Holder()

    def see(self, memory: Holder, fact: Fact) -> Holder:
        if fact.choice is not None:
            who = fact.choice.speakers[-1]
            return memory if memory.by == who and memory.to is None else Holder(who, None, False, memory.inside)
        message = fact.message
        if message is None:
            return memory
        target = target_of(message)
        if type(fact) is PassedOn:
            inside = memory.heard(fact)
            if target is not None:
                return Holder(memory.by, target, False, inside)
            return memory if inside is memory.inside else Holder(memory.by, memory.to, memory.must, inside)
        if target is not None:
            return Holder(memory.by, target, type(fact) is not Given, memory.inside)
        return memory if fact.speaker or not memory.must else Holder(memory.by, memory.to, False, memory.inside)

    def next(self, memory: Holder, thread: Thread, members: Sequence[str]) -> Speak:
        target = memory.named(members)
        if target is not None and target in members:
            last = thread[-1] if len(thread) else None
            handed = last is not None and target_of(last) == memory.to
            return Speak((target,), f"{last.source} handed over" if last and handed else "nobody else was named")
        if memory.must:
            raise ConfigError(
                f"The conversation was handed to {target!r}, who is no member: {', '.join(members)}. To end there, "
                f"and let the caller take it up, stop at HandoffTermination({target!r}); the next task is then a "
                "HandoffMessage to a member, or any text to who had it last."
            )
        if memory.by is not None and memory.by in members:
            return Speak((memory.by,), "nobody else was named")
        return Speak((members[0],), "it begins")


class Once:
    """Each member speaks once on a task, side by side."""

    def begin(self) -> bool:
        return False

    def see(self, memory: bool, fact: Fact) -> bool:
        if fact.choice is not None:
            return True
        return memory if fact.message is None else bool(fact.speaker)  # after a new task, or a person's word: anew

    def next(self, memory: bool, thread: Thread, members: Sequence[str]) -> Speak | Stop:
        return Stop("It has answered.") if memory else Speak(tuple(members), "asked")
