"""The objects that factories make: each conversation has its own, also those inside it, as long as it is here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from quorate.chat.objects.binding import check_free, used_by
from quorate.chat.objects.records import Home, records

if TYPE_CHECKING:
    from quorate.chat.objects.seats import Seat
    from quorate.chat.talk import Cast

MOST_KEPT = 256
"""Of so many conversations in a store that keeps them, the objects wait in this process for the next run."""


class Seating(NamedTuple):
    """Who sits where: the conversation, and the place in it, that objects are for.

    Args:
        home: The conversation.
        place: The way to a conversation inside it.
        anew: Whether they are made anew, whatever there is: as in another process.
    """

    home: Home
    place: tuple[str, ...] = ()
    anew: bool = False

    def inside(self, *way: str) -> Seating:
        """Return where those of a conversation inside this one sit."""
        return Seating(self.home, (*self.place, *way), self.anew)

    @property
    def store(self) -> Any:
        """Where the conversation is kept; None for a replay."""
        found: Any = self.home[0]
        return found() if callable(found) else None

    @property
    def key(self) -> Home:
        """What tells this place in the conversation from others."""
        return *self.home, self.place


_made: WeakKeyDictionary[Any, OrderedDict[Home, dict[Seat, Any]]] = WeakKeyDictionary()


def take_seats(cast: Cast, seating: Seating) -> Cast:
    """Return a team with an object in each seat: the one that its conversation has in this process, or a new one.

    Raises:
        ConfigError: A factory is none.
    """
    there = _there(seating)
    for seat in cast.seats.values():
        if seating.anew or seat not in there:
            there[seat] = seat.make()
    return cast.seating({name: there[seat] for name, seat in cast.seats.items()})


def leave(seating: Seating) -> None:
    """Let go of the objects of a conversation inside another that is over."""
    store = seating.store
    if store is not None:
        _made[store].pop(seating.key, None)


def _there(seating: Seating) -> dict[Seat, Any]:
    """Return the objects of a conversation that are in this process, to add to; those of a replay are nowhere."""
    store = seating.store
    if store is None:
        return {}
    known = _made.setdefault(store, OrderedDict())
    found = known.pop(seating.key, None) or {}
    known[seating.key] = found
    if store.url and len(known) > MOST_KEPT:  # in memory they go with the conversations
        known.popitem(last=False)
    return found


def made_for(cast: Cast, home: Home) -> Iterator[Any]:
    """Yield the objects that a team's factories have made for a conversation, also for those inside it."""
    store: Any = home[0]()
    if store in _made:
        seats = {seat for inner in cast.with_inner() for seat in inner.seats.values()}
        for key, there in list(_made[store].items()):
            if key[: len(home)] == home:
                yield from (made for seat, made in there.items() if seat in seats)


def ready(cast: Cast, seating: Seating) -> tuple[Cast, Seating]:
    """Return a team with an object in each seat, before a run begins.

    Raises:
        Conflict: An object that it uses is bound to another conversation.
        ConfigError: A factory is none.
    """
    if records:
        for thing in used_by(cast):
            check_free(thing, seating.home)
    return (take_seats(cast, seating) if cast.seats else cast), seating
