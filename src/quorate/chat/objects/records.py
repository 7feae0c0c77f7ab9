"""What this process knows of objects with attributes of their own: of their classes, and of those that were used."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from inspect import iscoroutinefunction, isfunction
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

from quorate.chat.objects.changes import package_of

if TYPE_CHECKING:
    from quorate.runs.journal import Conversation
    from quorate.runs.run import Run

MOST_PLACES = 64
"""Of so many conversations it is known where an object that serves many of them stopped."""

HANDED = ("load_state", "on_reset")
"""The methods by which somebody gives an object another state."""

Home = tuple[Any, ...]
"""What tells a conversation from others: its store, its owner and its id; with a place in it, one item more."""


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


def home_of(where: Conversation) -> Home:
    """Return what tells a conversation from others."""
    return ref(where.store), where.owner, where.id


class Record:
    """What this process knows of an object that was used.

    Attributes:
        home: The conversation, and the place in it, that it is bound to.
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


def has_spoken_in(thing: Any, home: Home) -> bool:
    """Whether an object has spoken in a conversation, in this process."""
    record = known(thing)
    return record is not None and any(place[: len(home)] == home for place in record.spoken)


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
