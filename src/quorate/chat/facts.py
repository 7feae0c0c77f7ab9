"""What happened in a conversation, as those see it who fold over it: policies, conditions, agents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, overload

from msgspec import Struct

from quorate.models.blocks import Block, Origin, Said

if TYPE_CHECKING:
    from quorate.chat.messages import BaseAgentEvent, BaseChatMessage
    from quorate.models.client import Usage


SHOWN = "#shown"
"""The `ref` of what was only shown to who watches."""


class Choice(Struct, frozen=True):
    """Who was chosen to speak, and why."""

    speakers: tuple[str, ...]
    reason: str
    note: Any = None


class Fact(Struct, eq=False, gc=False):
    """One thing that happened: a message, an event, a choice of speakers, or a request to stop.

    Attributes:
        message: What was said, if it is that.
        event: What an agent did on the way, if it is that; also what was said to it alone.
        choice: Who was chosen, if it is that.
        stop: Why somebody outside asks to stop, if it is that.
        speaker: Whose it is; empty for the task and for what nobody said.
        at: Microseconds since 1970.
        usage: Tokens it cost.
        cost_usd: What it cost; None where no price is known.
    """

    message: BaseChatMessage | None = None
    event: BaseAgentEvent | BaseChatMessage | None = None
    choice: Choice | None = None
    stop: str = ""
    speaker: str = ""
    at: int = 0
    usage: Usage | None = None
    cost_usd: float | None = 0.0
    block: Block | None = None
    ref: str = ""
    _origin: Origin | None = None
    _said: Said | None = None

    @property
    def origin(self) -> Origin:
        """Where its words come from: an agent, a person."""
        return self._origin or ("agent" if self.speaker else "person")

    @origin.setter
    def origin(self, origin: Origin) -> None:
        self._origin = origin

    @property
    def is_task(self) -> bool:
        """Whether it is a message of the task."""
        return self.message is not None and not self.speaker and self.ref.rpartition(":")[2].startswith("#")

    def spoken_by(self, name: str) -> Fact:
        """Return this fact as if it were of somebody of another name."""
        other = copy(self)
        other.speaker = name
        return other

    def said(self) -> Said:
        """Return the message as another agent's model reads it; made once."""
        said = self._said
        if said is None:
            assert self.message is not None
            origin = self._origin or ("agent" if self.speaker else "person")
            said = self._said = self.message.to_block(origin, self.ref)
        return said


class Given(Fact, eq=False, gc=False):
    """What a conversation inside another was told: its task."""

    @property
    def is_task(self) -> bool:
        return True


class PassedOn(Fact, eq=False, gc=False):
    """What a team that is a member says to those around it: it was said inside, and whom it names may be there."""


class Thread(Sequence["BaseChatMessage"]):
    """The messages so far, oldest first; a view that does not grow while it is looked at."""

    __slots__ = ("_count", "_messages")

    def __init__(self, messages: list[BaseChatMessage]) -> None:
        self._messages, self._count = messages, len(messages)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> BaseChatMessage: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[BaseChatMessage]: ...
    def __getitem__(self, index: int | slice) -> BaseChatMessage | Sequence[BaseChatMessage]:
        if isinstance(index, slice):
            return [self._messages[i] for i in range(*index.indices(self._count))]
        return self._messages[range(self._count)[index]]

    def __iter__(self) -> Iterator[BaseChatMessage]:
        for i in range(self._count):
            yield self._messages[i]
