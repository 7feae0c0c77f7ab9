"""What goes on in a runtime, for people to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from quorate.core.identity import AgentId
from quorate.core.words import counted

_SHOWN = 50


@dataclass(frozen=True)
class AgentReport:
    """One agent: whether a handler of it runs, and how many messages wait for it."""

    id: AgentId
    cls: str
    busy: bool
    queued: int


@dataclass(frozen=True)
class RuntimeReport:
    """A runtime at one moment; `str()` is a page about it.

    Attributes:
        running: Whether it is started.
        unfinished: Messages that wait or are handled.
        types: Each registered type with the number of agents made.
        agents: The agents made, the longest queue first, busy ones before idle ones.
        subscriptions: Each subscription by id, in words.
    """

    running: bool
    unfinished: int
    types: tuple[tuple[str, int], ...]
    agents: tuple[AgentReport, ...]
    subscriptions: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{'running' if self.running else 'not running'}, {counted(self.unfinished, 'message')} unfinished"
        yield f"agents: {len(self.agents)} of {len(self.types)} types"
        busy = [agent for agent in self.agents if agent.busy or agent.queued]
        yield from _some(f"  {a.id} ({a.cls}): {'busy' if a.busy else 'free'}, {a.queued} queued" for a in busy)
        yield from _some(f"  {name}: {count} made" for name, count in self.types)
        yield f"subscriptions: {len(self.subscriptions)}"
        yield from _some(f"  {id}: {words}" for id, words in self.subscriptions)


def _some(lines: Iterable[str]) -> Iterator[str]:
    every = list(lines)
    yield from every[:_SHOWN]
    if len(every) > _SHOWN:
        yield f"  and {len(every) - _SHOWN} more"
