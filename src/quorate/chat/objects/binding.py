"""Objects that a team is given as they are: one that changes while it is used is bound to its conversation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import ref

from quorate.chat.objects.changes import state_of
from quorate.chat.objects.records import (
    HANDED,
    Home,
    Record,
    has_own,
    home_of,
    kind_of,
    known,
    let_go,
    record_of,
    records,
)
from quorate.errors import Conflict

if TYPE_CHECKING:
    from quorate.chat.talk import Cast
    from quorate.runs.run import Run


def check_free(thing: Any, home: Home) -> None:
    """Refuse an object that is bound to another conversation, or to another place in it where `home` is a place.

    Raises:
        Conflict: It is.
    """
    if is_elsewhere(thing, home):
        raise _taken(thing, record_of(thing), home)


def is_elsewhere(thing: Any, home: Home) -> bool:
    """Whether an object is bound to another conversation than `home`, or to another place."""
    record = known(thing)
    if record is None or record.home is None or record.home[: len(home)] == home:
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
            raise _taken(thing, record_of(thing), home)
    return bool(elsewhere)


def _taken(thing: Any, record: Record, wanted: Home) -> Conflict:
    cls, home = type(thing).__name__, record.home or ()
    where = f"conversation {home[2]}" if len(home) > 2 else "a replay"
    name = getattr(thing, "name", None)
    if not hasattr(thing, "speak"):
        return Conflict(
            f"A {cls} of this team has changed attributes of its own in {where}, so it is for that alone. Keep what it "
            "has to remember in its memory (begin, see), or make a new team, with a new one, for this conversation."
        )
    if home[:-1] == wanted[:-1]:
        return Conflict(
            f"{name} keeps something in attributes of its own, and belongs to another part of this conversation: the "
            "team, one call of a tool, or one speech with a team inside. Each begins afresh: give what makes one, "
            f"{cls} or lambda: {cls}(…), in place of the object. With remember=True a tool goes on from call to call."
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
    for inner in cast.with_inner():
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
