"""Taking messages to agents: each has its turn, one chain of calls at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from quorate.core.cancellation import CancellationToken
from quorate.core.crew import Crew
from quorate.core.directory import Directory
from quorate.core.driving import in_context
from quorate.core.messaging import Call, MessageContext, handling
from quorate.core.turns import Letter, Seat, Waiting, make_room, wait_for_room, wait_for_turn
from quorate.errors import Undeliverable

if TYPE_CHECKING:
    from quorate.core.observing import Observer

_IN_PLACE = 24
"""So many calls are nested in one task; the next gets one of its own, for Python's stack is finite."""

Action = Callable[[Any], Coroutine[Any, Any, Any]]


class Delivery:
    """Runs handlers.

    A direct send runs the handler in the task of its sender, in a context of its own; a published message is handled by
    the crew.

    Args:
        directory: The agents.
        line_size: When so many messages are in line at an agent, senders outside any handler wait.
        line_limit: When so many are, a send from inside a handler fails.
        depth_limit: So many handlers may wait for one another.
        failed: Told of an error in the handling of a published message.
        settled: Called after each message.
        emptied: Called with a seat that has no agent and no messages.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        line_size: int,
        line_limit: int,
        depth_limit: int,
        failed: Callable[[Seat, Letter, BaseException], None],
        settled: Callable[[], None],
        emptied: Callable[[Seat], None],
    ) -> None:
        self._directory = directory
        self.observe(None)
        self._line_size, self._line_limit, self._depth_limit = line_size, line_limit, depth_limit
        self._failed, self._settled, self._emptied = failed, settled, emptied
        self.crew = Crew(self._handle_letter)
        self.open = 0

    def observe(self, observer: Observer | None) -> None:
        """Have somebody see what is handled and made from here on."""
        self._observer = observer
        self._make = self._directory.make if observer is None else observer.making(self._directory.make)

    async def ask(self, seat: Seat, message: Any, about: MessageContext) -> Any:
        """Have a message handled as soon as it is its turn, and return the answer."""
        return await self._have(seat, self._handle, message, about)

    async def visit(self, seat: Seat, action: Action) -> Any:
        """Call `action` with an agent while it handles nothing else, and return what it returns."""
        return await self._have(seat, self._act, action, None)

    async def post(self, seats: Sequence[Seat], letter: Letter) -> None:
        """Bring a published message on its way; outside any handler, wait for lines that are full.

        Raises:
            Undeliverable: A line is longer than it may ever be; then nobody gets the message.
        """
        here = handling.get()
        outside = here is None or here.over
        crowded = [seat for seat in seats if seat.line is not None and len(seat.line) >= self._line_size]
        if crowded and not outside:
            for seat in crowded:
                self._check(seat)
        letter.left = len(seats)
        for seat in seats:
            if outside and crowded and seat.queued >= self._line_size:
                await wait_for_room(seat, self._line_size)
            self.put(seat, letter)

    def put(self, seat: Seat, letter: Letter) -> None:
        """Put a published message in line."""
        self.open += 1
        if seat.holder is None:
            self.crew.add(seat, letter)
        elif seat.line is None:
            seat.line = deque([letter])
        else:
            seat.line.append(letter)

    def drop(self, seats: list[Seat], why: Callable[[Seat], Undeliverable]) -> list[tuple[Seat, Letter]]:
        """Empty all lines: who sent directly gets an error, what was published is returned."""
        dropped = self.crew.drop()
        for seat, _ in dropped:
            seat.holder = None
        for seat in seats:
            line, seat.line = seat.line, None
            for item in line or ():
                if isinstance(item, Letter):
                    dropped.append((seat, item))
                elif not item.turn.done():
                    item.turn.set_exception(why(seat))
            outside, seat.outside = seat.outside, None
            for room in outside or ():
                if not room.done():
                    room.set_exception(why(seat))
        for _, letter in dropped:
            self._end_letter(letter)
        return dropped

    def _check(self, seat: Seat) -> None:
        if seat.queued >= self._line_limit:
            raise Undeliverable(
                f"The queue of {seat.id} is full: {seat.queued} messages wait there. Send less, await an answer before "
                "sending more, or raise queue_limit= of the runtime.",
                recipient=seat.id,
                reason="queue full",
            )

    async def _have(self, seat: Seat, handle: Callable[..., Coroutine[Any, Any, Any]], what: Any, about: Any) -> Any:
        parent = handling.get()
        while parent is not None and parent.over:  # left behind by a handler that has ended
            parent = parent.parent
        call = Call(seat.id, parent)
        if call.depth > self._depth_limit:
            raise Undeliverable(
                f"{seat.id} would be handler {call.depth + 1} of those that wait for one another. Agents that ask "
                "each other need an end, or raise depth_limit= of the runtime.",
                recipient=seat.id,
                reason="circle",
            )
        self.open += 1
        host: Call | None = None
        try:
            holder = seat.holder
            if holder is None:
                seat.holder = host = call
            elif parent is not None and parent.within(holder):
                holder.guests += 1
                host = holder
            else:
                await self._wait(seat, call)
                host = call
            work = handle(seat, call, what, about)
            if call.depth % _IN_PLACE == _IN_PLACE - 1:
                return await asyncio.get_running_loop().create_task(work)
            return await in_context(copy_context(), work)
        except asyncio.CancelledError:
            if about is not None:
                about.cancelled()
            raise
        finally:
            call.over = True
            if host is not None:
                self._leave(seat, host, call)
            self._end()

    async def _wait(self, seat: Seat, call: Call) -> None:
        if seat.queued >= self._line_size:
            if call.parent is None:
                await wait_for_room(seat, self._line_size)
            else:
                self._check(seat)
        if seat.holder is None:
            seat.holder = call
        else:
            await wait_for_turn(seat, call, self._release)

    async def _handle(self, seat: Seat, call: Call, message: Any, about: MessageContext) -> Any:
        handling.set(call)
        agent = seat.agent
        if agent is None:
            agent = await self._make(seat)
        if self._observer is not None:
            return await self._observer.process(agent, seat.id, message, about)
        return await agent.on_message(message, about)

    async def _act(self, seat: Seat, call: Call, action: Action, about: None) -> Any:
        handling.set(call)
        agent = seat.agent
        if agent is None:
            agent = await self._make(seat)
        return await action(agent)

    async def _handle_letter(self, seat: Seat, letter: Letter) -> None:
        call = seat.holder = Call(seat.id, None)
        try:
            work = in_context(letter.context.copy(), self._handle(seat, call, letter.message, letter.about))
            await (linked(work, letter.about.cancellation_token) if letter.explicit else work)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            if not (letter.explicit and letter.about.cancellation_token.is_cancelled()):
                self._failed(seat, letter, error)
        except Exception as error:
            self._failed(seat, letter, error)
        finally:
            call.over = True
            self._leave(seat, call, call)
            self._end_letter(letter)

    def _leave(self, seat: Seat, host: Call, call: Call) -> None:
        """End a call's time at an agent. A handler may end before what it caused there: the last one frees the seat."""
        if host is not call:
            host.guests -= 1
        if host.over and not host.guests:
            self._release(seat)

    def _release(self, seat: Seat) -> None:
        """Give the seat to the next in line."""
        while seat.line:
            item = seat.line.popleft()
            if not seat.line:
                seat.line = None
            if seat.outside:
                make_room(seat)
            if isinstance(item, Waiting):
                if item.turn.done():
                    continue
                seat.holder = item.call
                item.turn.set_result(None)
            else:
                self.crew.add(seat, item)
            return
        seat.holder = None
        if seat.outside:
            make_room(seat)
        elif seat.agent is None:
            self._emptied(seat)

    def _end_letter(self, letter: Letter) -> None:
        letter.left -= 1
        if not letter.left and letter.delivered is not None and not letter.delivered.done():
            letter.delivered.set_result(None)
        self._end()

    def _end(self) -> None:
        self.open -= 1
        self._settled()


async def linked(work: Coroutine[Any, Any, Any], token: CancellationToken) -> Any:
    """Await work in a task that a token cancels; work whose token is cancelled already does not begin."""
    if token.is_cancelled():
        work.close()
        raise asyncio.CancelledError
    return await token.link_future(asyncio.get_running_loop().create_task(work))
