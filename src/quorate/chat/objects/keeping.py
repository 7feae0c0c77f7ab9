"""What objects keep in attributes of their own: how it gets into the journal, and back.

What `save_state` returns is kept with each speech in a store that keeps, as what makes it of the state before. In a new
process, and wherever an object is not what the journal says, its `load_state` is given what the differences fold to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable
from copy import deepcopy
from inspect import isawaitable, signature
from typing import TYPE_CHECKING, Any
from weakref import ref

from quorate.chat.objects.binding import check_free, is_elsewhere, used_by
from quorate.chat.objects.changes import state_of
from quorate.chat.objects.records import (
    HANDED,
    Home,
    Kind,
    Record,
    has_own,
    has_spoken_in,
    kind_of,
    known,
    let_go,
    record_of,
)
from quorate.chat.objects.seating import Seating, made_for
from quorate.core.cancellation import CancellationToken
from quorate.core.difference import changed, difference
from quorate.core.plain import plain
from quorate.errors import ConfigError, StoreError
from quorate.runs import paths
from quorate.runs.run import Parked

if TYPE_CHECKING:
    from quorate.chat.speech import Turn
    from quorate.chat.talk import Cast, Talk
    from quorate.runs.entries import Entry, Payload
    from quorate.runs.run import Run


class Own:
    """What the object of a member keeps in attributes of its own, in one conversation.

    Attributes:
        is_made: Whether a factory has made it for this conversation.
        kept: What its `save_state` returned last, as the journal has it.
        last: Its last closed speech, as the journal has it; empty before the first.
        is_lost: Whether its attributes have changed in a closed speech with nothing that keeps them.
    """

    __slots__ = ("first", "has_changed", "is_lost", "is_made", "kept", "kind", "last")

    def __init__(self, kind: Kind, *, is_made: bool) -> None:
        self.kind, self.is_made = kind, is_made
        self.is_lost = self.has_changed = False
        self.kept: Any = None
        self.first: Any = None
        self.last = ""

    def see(self, closing: Entry) -> None:
        """Take in a closed speech."""
        said = closing.payload
        if "own" in said:
            self.kept = changed(self.kept, said["own"])
        elif said.get("erased"):
            self.kept = None
        if "unkept" in said:
            self.is_lost = True
        self.last = f"{closing.run}:{closing.path}"

    async def speaking(self, speaking: Awaitable[Any], agent: Any, turn: Turn, talk: Talk) -> Any:
        """Let an object speak, once it is what it was after its last closed speech.

        Raises:
            Conflict: It is bound to another conversation.
            ConfigError: Its `load_state` raised.
        """
        try:
            seating = talk.seating_in(turn.run)
            record = await self._ready(agent, turn, seating)
            before = state_of(agent) if self._may_change(record, turn.run) else None
        except BaseException:
            if hasattr(speaking, "close"):
                speaking.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]: it is a coroutine
            raise
        try:
            return await speaking
        finally:
            self.has_changed = before is not None and state_of(agent) != before
            if self.has_changed and not self.is_made and record.home is None:
                record.home = seating.key

    def _may_change(self, record: Record, run: Run) -> bool:
        """Whether it has to be known if a speech changes the attributes."""
        if not self.kind.bound:
            return False
        loses = run.journal.durable and not self.kind.saves and not self.is_lost
        return loses or (not self.is_made and record.home is None)

    async def _ready(self, agent: Any, turn: Turn, seating: Seating) -> Record:
        """Make an object what it was after its last closed speech here, unless it is."""
        run, record = turn.run, record_of(agent)
        if self.kind.bound and not self.is_made:
            if run.is_replay and is_elsewhere(agent, seating.home):
                raise Parked("What it says is taken as given, and this it did not say to its end.")
            check_free(agent, seating.key)
        if record.is_handed:
            record.is_handed = False
        elif self.kind.saves:
            is_there = record.spoken.get(seating.key, "") == self.last
            exact = self.kind.bound and run.journal.durable
            if not is_there or (exact and record.is_open):
                state = self.first if self.kept is None else self.kept
                if state is not None:
                    home = record.home
                    await _load(agent, state)
                    record.home, record.is_handed, turn.took_up = home, False, True
            elif exact and self.kept is None and self.first is None:
                self.first = await _saved(agent)
        record.run, record.is_open = ref(run), True
        return record

    async def saved(self, agent: Any, turn: Turn, talk: Talk) -> Payload:
        """Return what the closing entry of a speech says of the attributes.

        Raises:
            Conflict: Another conversation has used the object meanwhile.
            ConfigError: Its `save_state` raised, or returned what is no JSON.
        """
        run = turn.run
        if self.kind.bound and not self.is_made:
            check_free(agent, talk.seating_in(run).key)
        closing = run.peek(turn.scope.path) if run.is_replay else None
        there = frozenset[str]() if closing is None else closing.payload.keys()
        if self.kind.saves:
            if run.journal.durable or "own" in there:
                return {"own": difference(self.kept, await _saved(agent))}
        elif "unkept" in there or (run.journal.durable and self.has_changed and not self.is_lost):
            return {"unkept": True}
        return {}

    def closed(self, agent: Any, closing: Entry, talk: Talk) -> None:
        """Note that a speech is closed, and the object is what the journal says."""
        self.see(closing)
        record = record_of(agent)
        if talk.seating is not None:
            record.has_spoken(talk.seating.key, self.last)
        if record.home is not None and not _tells(agent) and any(has_own(agent, name) for name in HANDED):
            record.left = state_of(agent)


def _tells(agent: Any) -> bool:
    """Whether the class of an object tells when its `load_state` or `on_reset` is called."""
    return hasattr(agent, "__quorate_tells__")


async def _saved(agent: Any) -> dict[str, Any]:
    """Return the state of an object, as JSON data that is no more its own.

    Raises:
        ConfigError: Its `save_state` raised, or returned something else.
    """
    name = f"{agent.name}.save_state()"
    try:
        state: Any = agent.save_state()
        if isawaitable(state):
            state = await state
    except StoreError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{name} raised {type(error).__name__}: {error}. Its speech is not closed; what its steps came to is kept."
        ) from error
    if state is not None and not hasattr(state, "keys"):
        raise ConfigError(f"{name} returned {state!r}; it must return a dictionary of JSON data.")
    return plain(name, dict(state or {}))


async def _load(agent: Any, state: Any) -> None:
    if not callable(getattr(agent, "load_state", None)):
        raise ConfigError(
            f"{agent.name} has a save_state, and no load_state(state) to go on with what it returned. Write one."
        )
    try:
        found: Any = agent.load_state(deepcopy(state))  # it may go on with what it is given
        if isawaitable(found):
            await found
    except StoreError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{agent.name}.load_state() raised {type(error).__name__}: {error}. It was given what save_state() had "
            "returned in this conversation, maybe by an older version of the class."
        ) from error


# -- who starts afresh ------------------------------------------------------------------------------------------------


def lost(cast: Cast, seating: Seating, found: list[str], entries: Iterable[Entry]) -> list[str]:
    """Add to `found` who starts afresh: they have changed attributes that nothing kept, and are not here; return it."""
    gone = {paths.names(e.path)[-1] for e in entries if e.kind == "said" and "unkept" in e.payload}
    if gone:
        there = [*used_by(cast), *(() if seating.anew else made_for(cast, seating.home))]
        here = {getattr(one, "name", "") for one in there if has_spoken_in(one, seating.home)}
        found += sorted(gone - here)
    return found


# -- states of teams --------------------------------------------------------------------------------------------------


async def states(cast: Cast, home: Home) -> dict[str, Any]:
    """Return what those say that have a `save_state` and spoke in a conversation, by the last speech of each."""
    found: dict[str, Any] = {}
    for agent in (*used_by(cast), *made_for(cast, home)):
        record, kind = known(agent), kind_of(agent.__class__)
        if record is not None and kind is not None and kind.saves:
            for place, speech in record.spoken.items():
                if place[: len(home)] == home:
                    found[speech] = await _saved(agent)
    return found


def let_go_of(cast: Cast, names: Collection[str]) -> None:
    """Take the objects with these names for free again, of which there is a state in a conversation."""
    for thing in used_by(cast):
        if getattr(thing, "name", None) in names and (kind := kind_of(thing.__class__)) is not None and kind.saves:
            let_go(thing, is_handed=False)


async def reset(cast: Cast, home: Home) -> None:
    """Have the objects that are bound to a conversation be as they were made, where they have an `on_reset`."""
    for thing in used_by(cast):
        record = known(thing)
        if record is None or (record.home or ())[: len(home)] != home or not has_own(type(thing), "on_reset"):
            continue
        given = (CancellationToken(),) if signature(thing.on_reset).parameters else ()  # as AutoGen's agents have it
        found: Any = thing.on_reset(*given)
        if isawaitable(found):
            await found
        let_go(thing)
