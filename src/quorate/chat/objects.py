"""Objects with attributes of their own: each belongs to one conversation.

Those that a factory makes do by themselves. Of those that a team is given, it shows when one changes while it speaks:
then it is bound to the conversation that it spoke in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, wraps
from inspect import iscoroutinefunction, isfunction
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary, ref

from quorate.chat.own import package_of, state_of
from quorate.errors import Conflict

if TYPE_CHECKING:
    from quorate.chat.seats import Seat
    from quorate.chat.talk import Cast
    from quorate.runs.journal import Conversation
    from quorate.runs.run import Run

MOST_PLACES = 64
"""Of so many conversations it is known where an object that serves many of them stopped."""
MOST_KEPT = 256
"""Of so many conversations in a store that keeps them, the objects wait in this process for the next run."""

HANDED = ("load_state", "on_reset")
"""The methods by which somebody gives an object another state."""

Home = tuple[Any, ...]
"""What tells a conversation from others: its store, its owner and its id."""


class Kind(NamedTuple):
    """What there is to know of a class of objects that may have attributes of their own.

    Args:
        saves: Whether it has a `save_state` of its own.
        bound: Whether an object is for one conversation.
    """

    saves: bool
    bound: bool


@lru_cache(maxsize=512)
def kind_of(cls: type[Any]) -> Kind | None:
    """Return what there is to know of a class; None if its objects are definitions: frozen ones, and Quorate's own."""
    made_of = cls.__dict__.get("__dataclass_params__")
    if package_of(cls) == "quorate" or (made_of is not None and made_of.frozen):
        return None
    return Kind(has_own(cls, "save_state"), getattr(cls, "__quorate_bound__", True))


def has_own(thing: Any, method: str) -> bool:
    """Whether a class or its object has a method that is not Quorate's."""
    found = getattr(thing, method, None)
    return callable(found) and not getattr(found, "__module__", "quorate").startswith("quorate.")


# -- what this process knows of objects -------------------------------------------------------------------------------


class Record:
    """What this process knows of an object that was used.

    Attributes:
        home: The conversation that it is bound to.
        run: The run that used it last.
        spoken: Its last closed speech, by conversation and place in it.
        is_open: Whether it began a speech that is not closed.
        is_handed: Whether somebody has given it another state since.
        left: What its attributes were after its last speech, where only that shows that it was given another state.
    """

    __slots__ = ("home", "is_handed", "is_open", "left", "run", "spoken")

    def __init__(self) -> None:
        self.home: Home | None = None
        self.run: ref[Run] | None = None
        self.spoken: dict[Home, str] = {}
        self.is_open = self.is_handed = False
        self.left: Any = None

    def has_spoken(self, place: Home, speech: str) -> None:
        """Note a closed speech."""
        self.is_open = False
        self.spoken[place] = speech
        if len(self.spoken) > MOST_PLACES:
            del self.spoken[next(iter(self.spoken))]

    @property
    def is_used(self) -> bool:
        """Whether a run that goes on has used it."""
        run = None if self.run is None else self.run()
        return run is not None and not run.ended and not run.deaf


records: dict[int, tuple[ref[Any], Record]] = {}
"""What is known of objects, by their identity; empty in a program that has none."""


def known(thing: Any) -> Record | None:
    """Return what is known of an object, None if it was never used."""
    found = records.get(id(thing))
    return found[1] if found is not None and found[0]() is thing else None


def record_of(thing: Any) -> Record:
    """Return what is known of an object; of one that nothing can refer to weakly, nothing stays known."""
    record = known(thing)
    if record is None:
        record, place = Record(), id(thing)
        try:
            records[place] = ref(thing, lambda _: records.pop(place, None) and None), record
        except TypeError:
            return record
    return record


def let_go(thing: Any, *, is_handed: bool = True) -> None:
    """Take an object for free again, which was given another state. While a run uses it it stays where it is."""
    record = known(thing)
    if record is not None and not record.is_used:
        record.home, record.is_handed = None, is_handed


def tell_of(cls: type[Any]) -> None:
    """Have a class tell when its own `load_state` or `on_reset` was called; both may be asynchronous."""
    cls.__quorate_tells__ = True
    for name in HANDED:
        method = cls.__dict__.get(name)
        if isfunction(method) and package_of(cls) != "quorate" and not hasattr(method, "__wrapped__"):
            setattr(cls, name, _telling(method))


def _telling(method: Callable[..., Any]) -> Callable[..., Any]:
    if iscoroutinefunction(method):

        @wraps(method)
        async def told_later(self: Any, *given: Any, **named: Any) -> Any:
            found = await method(self, *given, **named)
            let_go(self)
            return found

        return told_later

    @wraps(method)
    def told(self: Any, *given: Any, **named: Any) -> Any:
        found = method(self, *given, **named)
        let_go(self)
        return found

    return told


def home_of(where: Conversation) -> Home:
    """Return what tells a conversation from others."""
    return ref(where.store), where.owner, where.id


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


def check_free(thing: Any, home: Home) -> None:
    """Refuse an object that is bound to another conversation.

    Raises:
        Conflict: It is.
    """
    if is_elsewhere(thing, home):
        raise _taken(thing, record_of(thing))


def is_elsewhere(thing: Any, home: Home) -> bool:
    """Whether an object is bound to another conversation than `home`."""
    record = known(thing)
    if record is None or record.home in (None, home):
        return False
    if record.left is not None and not record.is_used and state_of(thing) != record.left:
        let_go(thing)
        return False
    return True


def is_not_there(cast: Cast, member: Any, home: Home) -> bool:
    """Whether a member, or somebody in it, belongs to another conversation than `home`, and nothing says what it was.

    Raises:
        Conflict: It belongs to another, and would have to be given the state that it had in this one.
    """
    if not records or member.name in cast.seats:
        return False
    alone = type(cast)(cast.name, (member,), cast.turns)
    elsewhere = [thing for thing in used_by(alone) if hasattr(thing, "speak") and is_elsewhere(thing, home)]
    for thing in elsewhere:
        if has_own(type(thing), "save_state"):
            raise _taken(thing, record_of(thing))
    return bool(elsewhere)


def _taken(thing: Any, record: Record) -> Conflict:
    cls, home = type(thing).__name__, record.home or ()
    where = f"conversation {home[-1]}" if len(home) > 1 else "a replay"
    name = getattr(thing, "name", None)
    if not hasattr(thing, "speak"):
        return Conflict(
            f"A {cls} of this team has changed attributes of its own in {where}, so it is for that alone. Keep what it "
            "has to remember in its memory (begin, see), or make a new team, with a new one, for this conversation."
        )
    using = " A run there goes on with it." if record.is_used else ""
    own = [f"{method}()" for method in HANDED if has_own(thing, method)]
    free = f" Or call its {' or '.join(own)} first, when no run uses it." if own else ""
    return Conflict(
        f"{name} keeps something in attributes of its own, and belongs to {where}.{using} Give the team what makes "
        f"one, {cls} or lambda: {cls}(…), in place of the object: then each conversation has its own. Or keep what it "
        f"has to remember in turn.state.{free}"
    )


def used_by(cast: Cast) -> Iterable[Any]:
    """Yield the objects of somebody's own classes that a team uses as they were given to it."""
    from quorate.chat.talk import casts  # which needs what is here

    for inner in casts(cast):
        for name, member in zip(inner.names, inner.members, strict=True):
            if name not in inner.seats and kind_of(type(member)) is not None:
                yield member
        yield from inner.theirs


def watched(cast: Cast) -> list[tuple[Any, Any]]:
    """Return a team's policy and conditions of somebody's own classes, with what their attributes are."""
    return [(thing, state_of(thing)) for thing in cast.theirs]


def bind_changed(before: Sequence[tuple[Any, Any]], run: Run) -> None:
    """Bind those to the conversation of a run whose attributes have changed in it."""
    for thing, state in before:
        if state_of(thing) != state:
            record = record_of(thing)
            record.home, record.run = record.home or home_of(run.conversation), ref(run)


# -- the objects that factories make ----------------------------------------------------------------------------------


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
        return *self.home, *self.place


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
        from quorate.chat.talk import casts  # which needs what is here

        seats = {seat for inner in casts(cast) for seat in inner.seats.values()}
        for key, there in list(_made[store].items()):
            if key[: len(home)] == home:
                yield from (made for seat, made in there.items() if seat in seats)


def has_spoken_in(thing: Any, home: Home) -> bool:
    """Whether an object has spoken in a conversation, in this process."""
    record = known(thing)
    return record is not None and any(place[: len(home)] == home for place in record.spoken)
