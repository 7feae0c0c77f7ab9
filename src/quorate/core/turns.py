"""Whose turn it is at an agent: one chain of calls at a time, others in line, in the order they came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

from quorate.core.identity import AgentId
from quorate.core.messaging import Call, MessageContext
from quorate.errors import Undeliverable


class Seat:
    """The place of one agent in a runtime; so small because there may be very many.

    Attributes:
        id: The agent's.
        agent: The agent, once it is made.
        holder: The call whose turn it is; None when the agent is free, and then nobody is in line.
        line: Who waits, the next one first; None when nobody does.
        outside: Senders from outside any handler, who wait for room in the line.
    """

    __slots__ = ("agent", "holder", "id", "line", "outside")

    def __init__(self, id: AgentId, agent: Any = None) -> None:
        self.id, self.agent = id, agent
        self.holder: Call | None = None
        self.line: deque[Waiting | Letter] | None = None
        self.outside: deque[asyncio.Future[None]] | None = None

    @property
    def queued(self) -> int:
        """How many messages wait."""
        return 0 if self.line is None else len(self.line)


RESERVED = Call(AgentId("reserved", ""), None)
"""Holds a seat whose next message is a published one that nobody has taken up yet."""


class Waiting:
    """A direct send that waits in line, in the task of its sender."""

    __slots__ = ("call", "turn")

    def __init__(self, call: Call, turn: asyncio.Future[None]) -> None:
        self.call, self.turn = call, turn


class Letter:
    """A published message, the same for all who get it.

    Attributes:
        context: Where it was published; each handler works in a copy.
        left: To how many it has still to go.
        delivered: Done when it has gone to all; None when nobody waits for that.
    """

    __slots__ = ("about", "context", "delivered", "explicit", "left", "message")

    def __init__(self, message: Any, about: MessageContext, context: Context, explicit: bool) -> None:
        self.message, self.about, self.context, self.explicit = message, about, context, explicit
        self.left = 0
        self.delivered: asyncio.Future[None] | None = None


async def wait_for_turn(seat: Seat, call: Call, release: Callable[[Seat], None]) -> None:
    """Wait in line until `call` holds `seat`. A sender cancelled in the moment of its turn gives the seat back.

    Raises:
        Undeliverable: Its turn would never come, because who is before it waits for this call.
    """
    if call.parent is not None and _in_circle(seat, call):
        first = _root(call).agent
        raise Undeliverable(
            f"{seat.id} is busy with a message whose handler waits for {first}, or for an agent that does, "
            f"and {first} would wait for it: neither would ever go on. Publish one of the messages instead.",
            recipient=seat.id,
            reason="circle",
        )
    turn = asyncio.get_running_loop().create_future()
    if seat.line is None:
        seat.line = deque()
    waiting = Waiting(call, turn)
    seat.line.append(waiting)
    noted = _note(call.parent, seat)
    try:
        await turn
    except BaseException:
        if not turn.done() or turn.cancelled():
            _leave(seat, waiting)
        elif turn.exception() is None:
            release(seat)
        raise
    finally:
        _forget(noted, seat)


def _leave(seat: Seat, waiting: Waiting) -> None:
    """Take a sender that gave up out of the line."""
    line = seat.line
    if line is not None and waiting in line:
        line.remove(waiting)
        if not line:
            seat.line = None
        make_room(seat)


async def wait_for_room(seat: Seat, size: int) -> None:
    """Wait until fewer than `size` are in line, behind those who wait for that already."""
    while seat.outside or seat.queued >= size:
        if seat.outside is None:
            seat.outside = deque()
        room = asyncio.get_running_loop().create_future()
        seat.outside.append(room)
        try:
            await room
        except BaseException:
            if room.done() and not room.cancelled() and room.exception() is None:
                make_room(seat)
            elif seat.outside and room in seat.outside:
                seat.outside.remove(room)
            raise
        if seat.queued < size:
            return


def make_room(seat: Seat) -> None:
    """Let in the sender who waits longest for room."""
    outside = seat.outside
    while outside:
        room = outside.popleft()
        if not outside:
            seat.outside = None
        if not room.done():
            room.set_result(None)
            return


def _note(call: Call | None, seat: Seat) -> list[Call]:
    """Write down that a request waits at `seat`, for each call that caused it; return these."""
    noted: list[Call] = []
    while call is not None:
        if call.waits is None:
            call.waits = {}
        call.waits[seat] = call.waits.get(seat, 0) + 1
        noted.append(call)
        call = call.parent
    return noted


def _forget(noted: list[Call], seat: Seat) -> None:
    for call in noted:
        waits = call.waits
        assert waits is not None
        waits[seat] -= 1
        if not waits[seat]:
            del waits[seat]


def _in_circle(seat: Seat, call: Call) -> bool:
    """Return whether the one before at `seat` waits, over however many others, for an agent that `call` holds."""
    seen: set[int] = set()
    todo: list[Seat] = [seat]
    while todo:
        holder = todo.pop().holder
        if holder is None or id(holder) in seen:
            continue
        seen.add(id(holder))
        if call.within(holder):
            return True
        if holder.waits:
            todo.extend(holder.waits)
    return False


def _root(call: Call) -> Call:
    while call.parent is not None:
        call = call.parent
    return call
