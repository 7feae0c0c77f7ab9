"""Races: a wave that ends before all have spoken, because what was said is enough.

Here, and nowhere else, timing decides. So who won is journaled before it is used, and resuming and replaying follow it.
The others are cancelled; one that is inside an unsafe call finishes it first. A loser leaves no word, and what it did
stays in the journal: it was paid for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from quorate.chat.facts import Fact
from quorate.chat.talk import Talk
from quorate.core.code import place_of
from quorate.errors import Divergence, StoreError
from quorate.runs import paths
from quorate.runs.entries import Entry
from quorate.runs.meter import Halt
from quorate.runs.scope import Scope

if TYPE_CHECKING:
    from quorate.chat.messages import BaseChatMessage

Enough = Callable[[Any, Mapping[str, "BaseChatMessage"]], bool]

NOT_DROPPED = (StoreError, Divergence, Halt)
"""What ends the run, even where it comes out of a loser."""


class Race:
    """A wave that `enough` may end.

    Args:
        scope: Of its turn.
        speakers: In the order in which the policy named them.
        talk: The conversation; its policy is the one that is asked.
        enough: Asks it.
        won: The entry that says who won, in a run that goes on after that.

    Attributes:
        tasks: Who is speaking, filled in by whoever lets them speak.
    """

    def __init__(
        self, scope: Scope, speakers: Sequence[str], talk: Talk, enough: Enough, won: Entry | None = None
    ) -> None:
        run = self._run = scope.run
        self._path, self._speakers, self._enough, self._memory = scope.path, speakers, enough, talk.policy
        self._places = {name: paths.child(scope.path, i, name) for i, name in enumerate(speakers, 1)}
        self._members = {name: talk.members[name] for name in speakers if name in talk.members}
        self._heard = {name: member.heard for name, member in self._members.items()}
        self.tasks: dict[str, asyncio.Task[Any]] = {}
        self._done: dict[str, BaseChatMessage] = {}
        self.winners: tuple[str, ...] = ()
        self._known = won
        if won is None and run.is_replay:
            found = run.peek(scope.path)
            self._known = found if found is not None and found.kind == "won" else None
        if self._known is not None:
            self.winners = tuple(self._known.payload["winners"])
        self._to_come = self._known is not None and won is None  # in a replay: the entry is still to be met
        self._finished = self._closed()

    def _closed(self) -> list[str]:
        """Return whose speech the journal has whole, in the order in which they finished."""
        found: list[tuple[int, str]] = []
        for name, place in self._places.items():
            entries = [*self._run.recorded.get(place, ()), self._run.peek(place)]
            found += [(entry.seq, name) for entry in entries if entry is not None and entry.kind == "said"]
        return [name for _, name in sorted(found)]

    def order(self) -> Iterator[int]:
        """Yield the places of those who speak, or have spoken, in the order in which to begin with them."""
        first = [self._speakers.index(name) for name in self._finished]
        for at in (*first, *[at for at in range(len(self._speakers)) if at not in first]):
            name = self._speakers[at]
            if not self._is_loser(name) or (self._to_come and self._run.has_any(self._places[name])):
                yield at

    def begin(self) -> None:
        """Let those who lost, as the journal says, come to where their journal ends."""
        for name, task in self.tasks.items():
            if self._is_loser(name):
                self._run.lose(self._places[name], task)

    def finished(self, name: str, facts: Sequence[Fact]) -> None:
        """Take in what somebody said, and end the race if that is enough."""
        message = facts[-1].message if facts else None
        if message is None:
            return
        self._done[name] = message
        run = self._run
        if self.winners or run.is_replay or len(self._done) == len(self._speakers):
            return
        if self._enough(self._memory, MappingProxyType(self._done)):
            self.winners = tuple(self._done)
            run.append(self._path, "won", {"winners": self.winners})
            self.begin()

    def _is_loser(self, name: str) -> bool:
        return bool(self.winners) and name not in self.winners

    def may_drop(self, name: str, error: Exception) -> bool:
        """Whether an error says only how a loser ended."""
        return self._is_loser(name) and not isinstance(error, NOT_DROPPED)

    def losers(self) -> list[int]:
        """Return the places of those who lost."""
        return [at for at, name in enumerate(self._speakers) if self._is_loser(name)]

    def over(self) -> None:
        """Forget the losers: all tasks have ended."""
        places = self._places.values()
        self._run.lost = {path: task for path, task in self._run.lost.items() if path not in places}

    async def close(self, *, whole: bool) -> None:
        """End the race when all its tasks have ended; `whole` says whether nobody failed or waits.

        Raises:
            Parked: It is not known what came of a call of a loser: a person is asked before the turn goes on.
            Divergence: In a replay: what was enough then is not now, or the other way round.
        """
        run = self._run
        for at in self.losers():
            name = self._speakers[at]
            place = self._places[name]
            for left in [p for p in run.recorded if p == place or paths.below(p, place)]:
                run.recall(left)
            self._take_back(place)
            if name in self._members:
                self._members[name].heard = self._heard[name]
        if run.open_intents:
            await run.check_effects(self._path)
        if run.is_replay and whole:
            self._compare()

    def _take_back(self, place: str) -> None:
        """Withdraw what a loser has asked of people, and what it waits for."""
        run = self._run
        for path in [p for p in run.waiting if paths.below(p, place) and p not in run.open_intents]:
            run.append(path, "answer", {"withdrawn": True})
            del run.waiting[path]
        for path in [p for p in run.parked if paths.below(p, place)]:
            del run.parked[path]

    def _compare(self) -> None:
        """Make sure that the policy would have ended the race where it ended."""
        if self._to_come:
            self._run.append(self._path, "won", {"winners": self.winners})
        elif self._known is not None:
            return
        order = self.winners or self._finished
        known: dict[str, BaseChatMessage] = {}
        for i, name in enumerate(order, 1):
            if name in self._done:
                known[name] = self._done[name]
            last = i == len(order)
            if last and not self.winners:
                return  # nobody was left to be asked about
            if self._enough(self._memory, MappingProxyType(known)) != last:
                entry = self._known
                raise Divergence(
                    f"{paths.shown(self._path)}: what {', '.join(known)} said was {'' if last else 'not '}enough to "
                    f"end the wave, now it is{' not' if last else ''}.",
                    path=self._path, entry=0 if entry is None else entry.seq, kind="won" if entry else "",
                    expected=list(order), got=list(known) if not last else [], where=str(place_of(self._enough) or ""),
                )  # fmt: skip
