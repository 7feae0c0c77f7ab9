"""The runtime in this process: agents that talk by direct messages and by topics."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from quorate.core import telemetry
from quorate.core.agents import Agent
from quorate.core.cancellation import CancellationToken
from quorate.core.delivery import Delivery, linked
from quorate.core.directory import Directory
from quorate.core.identity import AgentId, AgentMetadata, AgentType, TopicId, type_name
from quorate.core.interventions import InterventionHandler, dropped, returned
from quorate.core.lazy import lazy
from quorate.core.messaging import MessageContext, Numbers, handling
from quorate.core.policies import DeadLetter, HandlerFailure, SendPolicy
from quorate.core.report import AgentReport, RuntimeReport
from quorate.core.routing import Routes
from quorate.core.serialisation import MessageSerializer, Serializers
from quorate.core.subscriptions import Subscription
from quorate.core.turns import Letter, Seat
from quorate.core.waiting import TimedOut, within
from quorate.errors import CantHandle, ConfigError, MessageDropped, Undeliverable, WrongState

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from quorate.core import observing as _observing
    from quorate.core import spans as _spans
else:
    _observing, _spans = lazy("quorate.core.observing"), lazy("quorate.core.spans")

log = logging.getLogger("quorate.core")
events = logging.getLogger("quorate.core.events")


class LocalRuntime:
    """Keeps agents in this process and brings them messages; no server, no thread.

    Agents are made when they first get a message. Each works on one chain of calls at a time: a request that its
    handler caused, directly or through others, is let in; anything else waits in line, in the order it came.

    Args:
        intervention_handlers: See every message before it is delivered.
        ignore_unhandled_exceptions: Whether to go on after an error in the handling of a published message. If not, the
            runtime drops what it has and raises the error from `stop`, `stop_when_idle` or `process_next`.
        on_error: Told of each such error; without it they are logged.
        on_dead_letter: Told of each message that nobody handled; without it they are logged.
        policy: Time-out and retries of direct sends; none without it.
        policies: The same for single agent types.
        queue_size: With so many messages in line at an agent, senders outside any handler wait.
        queue_limit: With so many, a message from inside a handler fails with `Undeliverable`. Also so many messages
            are kept while the runtime is not started.
        depth_limit: So many handlers may wait for one another.
        tracer_provider: Where spans of its messages go; by default none are made, unless `enable_tracing` was called
            before it starts.
    """

    def __init__(
        self,
        *,
        intervention_handlers: Sequence[InterventionHandler] | None = None,
        ignore_unhandled_exceptions: bool = True,
        on_error: Callable[[HandlerFailure], None] | None = None,
        on_dead_letter: Callable[[DeadLetter], None] | None = None,
        policy: SendPolicy | None = None,
        policies: Mapping[str, SendPolicy] | None = None,
        queue_size: int = 1_000,
        queue_limit: int = 10_000,
        depth_limit: int = 1_000,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        if not 1 <= queue_size <= queue_limit:
            raise ConfigError(f"queue_size={queue_size} must be at least 1 and at most queue_limit={queue_limit}.")
        self._interventions = tuple(intervention_handlers or ())
        self._ignore_errors = ignore_unhandled_exceptions
        self._on_error, self._on_dead_letter = on_error, on_dead_letter
        self._policy, self._policies = policy, dict(policies or {})
        self._held_limit = queue_limit
        self._directory = Directory(self)
        self._routes = Routes(self._directory.find)
        self._serializers = Serializers()
        self._delivery = Delivery(
            self._directory,
            line_size=queue_size,
            line_limit=queue_limit,
            depth_limit=depth_limit,
            failed=self._failed,
            settled=self._settled,
            emptied=self._emptied,
        )
        self._numbers = Numbers("message-")
        self._running = self._closed = False
        self._held: deque[_Held] = deque()
        self._changes: list[asyncio.Future[None]] = []
        self._error: BaseException | None = None
        self._spans = None if tracer_provider is None else _spans.Spans(tracer_provider)
        self._observe()

    # --- messages -----------------------------------------------------------------------------------------------------

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
        policy: SendPolicy | None = None,
    ) -> Any:
        """Send a message to one agent and return its answer.

        The handler runs in the caller's task: cancelling that cancels the handler. Until the runtime is started the
        message waits.

        Args:
            message: Any object; the agent gets this very one.
            recipient: Whom.
            sender: Which agent sends it.
            cancellation_token: Cancels the handler, and this call.
            message_id: The name the handler sees; else one is made up when it is asked for.
            policy: Time-out and retries, instead of those of the runtime.

        Raises:
            Undeliverable: There is no such agent, its queue is full, the runtime was stopped, or the agents would wait
                for one another in a circle.
            CantHandle: The agent has no handler for the message.
            MessageDropped: An intervention dropped the message or the answer.
            TimeoutError: The policy's time was up.
            Exception: Whatever the handler raised.
        """
        if self._observer is not None:
            seen = _observing.Traced(sender, None, True, cancellation_token, message_id or self._numbers)
            send = partial(self._sent, message, recipient, policy=policy, token=cancellation_token)
            return await self._observer.send(send, message, recipient, seen)
        about = MessageContext(sender, None, True, cancellation_token, message_id or self._numbers)
        if self._running and self._directory.knows(recipient.type):
            return await self._send(message, recipient, about, policy, cancellation_token)
        return await self._sent(message, recipient, about, policy=policy, token=cancellation_token)

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Send a message to all agents that subscribe to a topic, but not to `sender`.

        It waits for no handler; outside any handler it waits while a subscriber's queue is full. Errors of handlers
        go to `on_error`.

        Raises:
            Undeliverable: Inside a handler: the queue of a subscriber is full, and nobody got the message.
        """
        if self._observer is not None:
            seen = _observing.Traced(sender, topic_id, False, cancellation_token, message_id or self._numbers)
            await self._observer.publish(partial(self._post, message, token=cancellation_token), message, seen)
            return
        about = MessageContext(sender, topic_id, False, cancellation_token, message_id or self._numbers)
        if self._interventions or not self._running:
            await self._post(message, about, token=cancellation_token)
            return
        letter = Letter(message, about, copy_context(), cancellation_token is not None)
        seats = self._recipients(letter)
        if seats:
            await self._delivery.post(seats, letter)

    async def _post(self, message: Any, about: MessageContext, *, token: CancellationToken | None) -> None:
        for handler in self._interventions:
            after = await handler.on_publish(message, message_context=about)
            before, message = message, returned(after, message, handler, "on_publish")
            if dropped(message):
                self._see_dropped(before, about, about.topic_id)
                return
        letter = Letter(message, about, copy_context(), token is not None)
        if self._running:
            seats = self._recipients(letter)
            if seats:
                await self._delivery.post(seats, letter)
        else:
            self._hold(_Held(letter, None))

    # --- who is there -------------------------------------------------------------------------------------------------

    async def register_factory(
        self, type: str | AgentType, agent_factory: Callable[[], Any], *, expected_class: type[Any] | None = None
    ) -> AgentType:
        """Have agents of a type made by `agent_factory`, sync or async, when they are first needed.

        Raises:
            ConfigError: The type is taken, or the factory takes arguments.
        """
        self._directory.add_factory(type_name(type), agent_factory, expected_class)
        self._routes.changed()
        return AgentType(type_name(type))

    async def register_agent_instance(self, agent_instance: Agent, agent_id: AgentId) -> AgentId:
        """Take up an agent that is ready.

        Raises:
            ConfigError: The id is taken, or its type has a factory or instances of another class.
        """
        self._directory.check_instance(agent_id, agent_instance)
        await agent_instance.bind_id_and_runtime(agent_id, self)
        self._directory.add_instance(agent_id, agent_instance)
        self._routes.changed()
        return agent_id

    async def remove_agent(self, agent: AgentId) -> None:
        """Close an agent when it is free and forget it. Of a type with a factory, the next message makes a new one."""
        seat = self._directory.find(agent)
        if seat is None:
            raise Undeliverable(f"There is no agent {agent} to remove.", recipient=agent)

        async def close(known: Any) -> None:
            seat.agent = None
            await known.close()

        if seat.agent is not None:
            await self._delivery.visit(seat, close)
        elif seat.holder is None:
            self._emptied(seat)

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[Any] = object) -> Any:
        """Return the agent object itself, made if need be.

        Raises:
            Undeliverable: There is no such agent.
            TypeError: It is of another class than `type`.
        """
        agent = await self._delivery.visit(self._directory.seat(id), _itself)
        if not isinstance(agent, type):
            raise TypeError(f"{id} is a {agent.__class__.__name__}, not a {type.__name__}.")
        return agent

    async def get(
        self, id_or_type: AgentId | AgentType | str, /, key: str = "default", *, lazy: bool = True
    ) -> AgentId:
        """Return an agent's id; with `lazy=False` make the agent now, so that what is wrong with it shows."""
        id = id_or_type if isinstance(id_or_type, AgentId) else AgentId(id_or_type, key)
        if not lazy:
            await self._delivery.visit(self._directory.seat(id), _itself)
        return id

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """Return what an agent tells about itself."""
        return (await self.try_get_underlying_agent_instance(agent)).metadata

    async def add_subscription(self, subscription: Subscription) -> None:
        """Add a subscription, for what is published from now on.

        Raises:
            ConfigError: An equal one is there.
        """
        self._routes.add(subscription)

    async def remove_subscription(self, id: str) -> None:
        """Remove a subscription. What was published before is still delivered.

        Raises:
            ConfigError: There is none with this id.
        """
        self._routes.remove(id)

    def add_message_serializer(self, serializer: MessageSerializer | Sequence[MessageSerializer]) -> None:
        """Say how messages of a type are written as bytes, for whoever takes them out of this process."""
        self._serializers.add(serializer)

    @property
    def serializers(self) -> Serializers:
        """How the messages that agents here handle are written as bytes."""
        return self._serializers

    # --- state --------------------------------------------------------------------------------------------------------

    async def save_state(self) -> Mapping[str, Any]:
        """Return the state of every agent that was made, by id, each between two messages."""
        made = [seat for seat in self._directory.seats() if seat.agent is not None]
        return {str(seat.id): await self._delivery.visit(seat, _save) for seat in made}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Give agents the state that `save_state` returned, making them where needed; unknown types are left out."""
        for text, saved in state.items():
            id = AgentId.from_str(text)
            if self._directory.find(id) is not None:
                await self.agent_load_state(id, saved)

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """Return the state of one agent."""
        return await self._delivery.visit(self._directory.seat(agent), _save)

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Give one agent its state."""

        async def load(known: Any) -> None:
            await known.load_state(state)

        await self._delivery.visit(self._directory.seat(agent), load)

    # --- going and stopping -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to deliver, first what waited for that.

        Raises:
            WrongState: It is started, or closed.
        """
        if self._closed:
            raise WrongState("This runtime is closed. Make a new one.")
        if self._running:
            raise WrongState("This runtime is started already.")
        asyncio.get_running_loop()
        self._observe()
        self._running, self._delivery.crew.stays, self._error = True, True, None
        while self._held:
            self._let_go(self._held.popleft())

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """Stop delivering: what is in line is dropped, handlers at work on published messages are waited for.

        Who waits for an answer in line gets `Undeliverable`; what was published becomes dead letters. Handlers of
        direct sends belong to their senders' tasks and go on.

        Args:
            grace_s: Handlers that take longer are cancelled.

        Raises:
            WrongState: It is not started, or this is called in a handler.
        """
        self._check_stop("stop")
        self._drop()
        self._running = False
        await self._delivery.crew.leave(grace_s)
        self._raise_error()

    async def stop_when_idle(self, *, timeout_s: float | None = None) -> None:
        """Stop when no message waits and no handler runs.

        Raises:
            TimeoutError: It was not idle in time; the error says who is busy, and the runtime goes on.
            WrongState: It is not started, or this is called in a handler, which would wait for itself.
        """
        self._check_stop("stop_when_idle")
        try:
            async with asyncio.timeout(timeout_s):
                while self._delivery.open and self._error is None:
                    await self._change()
        except TimeoutError:
            busy = [str(agent.id) for agent in self.describe().agents if agent.busy or agent.queued]
            raise TimeoutError(
                f"Not idle after {timeout_s:g} s: {self._delivery.open} messages unfinished, busy: "
                f"{', '.join(busy[:10]) or 'nobody'}."
            ) from None
        await self.stop()

    async def stop_when(self, condition: Callable[[], bool], *, every_s: float = 1.0) -> None:
        """Stop when `condition()` holds; it is asked after each message, and every so many seconds."""
        self._check_stop("stop_when")
        while not condition() and self._error is None:
            try:
                async with asyncio.timeout(every_s):
                    await self._change()
            except TimeoutError:
                continue
        await self.stop()

    async def process_next(self) -> None:
        """Let one message go that waits for the start, and wait until it was handled or its handler sent another.

        Raises:
            WrongState: The runtime is started, so nothing waits for that.
        """
        if self._running:
            raise WrongState("This runtime is started; process_next() is for one that is not.")
        while not self._held:
            await self._change()
        held = self._held.popleft()
        handled = asyncio.get_running_loop().create_future()
        waiting = len(self._held)
        self._let_go(held, handled)
        while not handled.done() and len(self._held) <= waiting:
            change = asyncio.get_running_loop().create_future()
            self._changes.append(change)
            await asyncio.wait({handled, change}, return_when=asyncio.FIRST_COMPLETED)
        self._raise_error()

    async def close(self) -> None:
        """Stop if started, and close every agent. An error in closing one goes to `on_error`; the others are closed."""
        if self._closed:
            return
        if self._running:
            await self.stop()
        self._closed = True
        self._drop()
        for seat in self._directory.seats():
            agent, seat.agent = seat.agent, None
            if agent is not None:
                try:
                    await agent.close()
                except Exception as error:
                    self._report(HandlerFailure(None, seat.id, None, error))

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        try:
            if self._running and error is None:
                await self.stop_when_idle()
        finally:
            await self.close()

    @property
    def is_running(self) -> bool:
        """Whether it is started."""
        return self._running

    @property
    def unprocessed_messages_count(self) -> int:
        """How many messages wait or are handled."""
        return self._delivery.open + len(self._held)

    def describe(self) -> RuntimeReport:
        """Return who is there, what goes on and how long the queues are; print it to read it."""
        agents = [
            AgentReport(seat.id, type(seat.agent).__name__, seat.holder is not None, seat.queued)
            for seat in self._directory.seats()
            if seat.agent is not None or seat.holder is not None
        ]
        agents.sort(key=lambda agent: (-agent.queued, not agent.busy))
        return RuntimeReport(
            running=self._running,
            unfinished=self.unprocessed_messages_count,
            types=tuple(self._directory.types()),
            agents=tuple(agents),
            subscriptions=tuple((subscription.id, repr(subscription)) for subscription in self._routes),
        )

    def _observe(self) -> None:
        """Look whether anybody wants spans or events."""
        self._observer = None
        if self._spans is not None or telemetry.spans is not None or events.isEnabledFor(logging.INFO):
            self._observer = _observing.observer(self._spans)
        self._delivery.observe(self._observer)

    # --- sending ------------------------------------------------------------------------------------------------------

    async def _before_send(
        self, message: Any, recipient: AgentId, sender: AgentId | None
    ) -> asyncio.Future[None] | None:
        """Refuse what cannot be sent at all; wait for the start, or for a step: then return who waits for its end."""
        if self._closed:
            raise Undeliverable(f"The runtime of {recipient} is closed.", recipient=recipient, reason="stopped")
        if not self._directory.knows(recipient.type):
            try:
                self._directory.seat(recipient)
            except Undeliverable as error:
                self._dead(DeadLetter(message, recipient, None, sender, error.reason, error))
                raise
        go: asyncio.Future[asyncio.Future[None] | None] = asyncio.get_running_loop().create_future()
        held = _Held(None, go)
        self._hold(held)
        try:
            return await go
        except asyncio.CancelledError:
            if held in self._held:
                self._held.remove(held)
            elif go.done() and not go.cancelled() and (handled := go.result()) is not None:
                handled.set_result(None)
            raise

    async def _sent(
        self,
        message: Any,
        recipient: AgentId,
        about: MessageContext,
        *,
        policy: SendPolicy | None,
        token: CancellationToken | None,
    ) -> Any:
        """Send once the runtime is started, or lets this one message go."""
        handled: asyncio.Future[None] | None = None
        if not (self._running and self._directory.knows(recipient.type)):
            handled = await self._before_send(message, recipient, about.sender)
        try:
            return await self._send(message, recipient, about, policy, token)
        finally:
            if handled is not None and not handled.done():
                handled.set_result(None)

    async def _send(
        self,
        message: Any,
        recipient: AgentId,
        about: MessageContext,
        policy: SendPolicy | None,
        token: CancellationToken | None,
    ) -> Any:
        if self._interventions:
            message = await self._intervened_send(message, about, recipient)
        chosen = policy or (self._policies.get(recipient.type, self._policy) if self._policies else self._policy)
        try:
            if chosen is not None:
                answer = await self._tried(chosen, recipient, message, about, token)
            elif token is None:
                answer = await self._delivery.ask(self._directory.seat(recipient), message, about)
            else:
                answer = await self._attempt(recipient, message, about, token)
        except Undeliverable as error:
            if error.recipient == recipient and not error.is_told:
                error.is_told = True
                self._dead(DeadLetter(message, recipient, None, about.sender, error.reason, error))
            raise
        if self._interventions:
            return await self._intervened_response(answer, recipient, about)
        return answer

    async def _tried(
        self,
        policy: SendPolicy,
        recipient: AgentId,
        message: Any,
        about: MessageContext,
        token: CancellationToken | None,
    ) -> Any:
        attempt = 1
        while True:
            try:
                return await self._in_time(policy.timeout_s, recipient, message, about, token)
            except policy.retry_on as error:
                if attempt >= policy.attempts:
                    if not isinstance(error, Undeliverable):
                        self._dead(DeadLetter(message, recipient, None, about.sender, "attempts", error))
                    raise
            attempt += 1
            await asyncio.sleep(policy.pause_before(attempt))
            about = about.again()

    async def _in_time(
        self, timeout_s: float | None, recipient: AgentId, message: Any, about: MessageContext, token: Any
    ) -> Any:
        work = self._attempt(recipient, message, about, token)
        if timeout_s is None:
            return await work
        try:
            return await within(timeout_s, work)
        except TimedOut as error:
            if error.work is not work:
                raise
            raise TimeoutError(f"{recipient} did not answer {type(message).__name__} in {timeout_s:g} s.") from None

    async def _attempt(
        self, recipient: AgentId, message: Any, about: MessageContext, token: CancellationToken | None
    ) -> Any:
        asking = self._delivery.ask(self._directory.seat(recipient), message, about)
        return await (asking if token is None else linked(asking, token))

    async def _intervened_send(self, message: Any, about: MessageContext, recipient: AgentId) -> Any:
        for handler in self._interventions:
            after = await handler.on_send(message, message_context=about, recipient=recipient)
            before, message = message, returned(after, message, handler, "on_send")
            if dropped(message):
                self._see_dropped(before, about, recipient)
                raise MessageDropped(f"An intervention dropped the message to {recipient}.", recipient=recipient)
        return message

    async def _intervened_response(self, answer: Any, recipient: AgentId, about: MessageContext) -> Any:
        for handler in self._interventions:
            after = await handler.on_response(answer, sender=recipient, recipient=about.sender)
            before, answer = answer, returned(after, answer, handler, "on_response")
            if dropped(answer):
                self._see_dropped(before, about, about.sender)
                raise MessageDropped(f"An intervention dropped the answer of {recipient}.", recipient=recipient)
        return answer

    # --- publishing ---------------------------------------------------------------------------------------------------

    def _recipients(self, letter: Letter) -> Sequence[Seat]:
        """Return who gets a published message; what cannot arrive becomes a dead letter."""
        about = letter.about
        seats, missing = self._routes.to(about.topic_id)
        for id in missing:
            error = Undeliverable(f"A subscription maps {about.topic_id} to {id}, which is not there.", recipient=id)
            self._dead(DeadLetter(letter.message, id, about.topic_id, about.sender, "unknown agent", error))
        if not seats and not missing:
            self._dead(DeadLetter(letter.message, None, about.topic_id, about.sender, "no subscriber"))
        sender = about.sender
        if sender is None:
            return seats
        return [seat for seat in seats if seat.id is not sender and seat.id != sender]

    def _hold(self, held: _Held) -> None:
        if self._closed:
            raise Undeliverable("The runtime is closed.", reason="stopped")
        if len(self._held) >= self._held_limit:
            raise Undeliverable(
                f"{len(self._held)} messages wait for the runtime to start. Call start() first.", reason="queue full"
            )
        self._held.append(held)
        self._tell()

    def _let_go(self, held: _Held, handled: asyncio.Future[None] | None = None) -> None:
        if held.go is not None:
            if not held.go.done():
                held.go.set_result(handled)
            elif handled is not None:
                handled.set_result(None)
            return
        letter = held.letter
        assert letter is not None
        seats = self._recipients(letter)
        letter.left, letter.delivered = len(seats), handled
        if not seats and handled is not None:
            handled.set_result(None)
        for seat in seats:
            self._delivery.put(seat, letter)

    # --- what came of it ----------------------------------------------------------------------------------------------

    def _failed(self, seat: Seat, letter: Letter, error: BaseException) -> None:
        topic = letter.about.topic_id
        refused = isinstance(error, CantHandle | Undeliverable) and error.recipient == seat.id
        if refused:
            reason = error.reason if isinstance(error, Undeliverable) else "no handler"
            self._dead(DeadLetter(letter.message, seat.id, topic, letter.about.sender, reason, error))
            return
        if seat.agent is None:
            self._dead(DeadLetter(letter.message, seat.id, topic, letter.about.sender, "not made", error))
        self._report(HandlerFailure(letter.message, seat.id, topic, error))
        if not self._ignore_errors and self._error is None:
            self._error = error
            self._drop()
            self._tell()

    def _report(self, failure: HandlerFailure) -> None:
        if self._on_error is not None:
            try:
                self._on_error(failure)
                return
            except Exception:
                log.exception("The error hook of a runtime failed.")
        what = "closing" if failure.message is None else f"handling {type(failure.message).__name__}"
        log.error("%s failed %s.", failure.agent, what, exc_info=failure.error)

    def _see_dropped(self, message: Any, about: MessageContext, to: AgentId | TopicId | None) -> None:
        if self._observer is not None:
            self._observer.dropped(message, about, to)

    def _dead(self, letter: DeadLetter) -> None:
        if self._observer is not None:
            self._observer.dead(letter)
        if self._on_dead_letter is not None:
            try:
                self._on_dead_letter(letter)
                return
            except Exception:
                log.exception("The dead-letter hook of a runtime failed.")
        level = logging.DEBUG if letter.reason == "no subscriber" or letter.topic_id is None else logging.WARNING
        to = letter.topic_id if letter.recipient is None else letter.recipient
        log.log(level, "%s to %s was not handled: %s.", type(letter.message).__name__, to, letter.reason)

    def _drop(self) -> None:
        """Drop all that waits."""
        for seat, letter in self._delivery.drop(list(self._directory.seats()), _stopped):
            about = letter.about
            self._dead(DeadLetter(letter.message, seat.id, about.topic_id, about.sender, "stopped"))
        held, self._held = self._held, deque()
        for one in held:
            if one.go is not None and not one.go.done():
                one.go.set_exception(Undeliverable("The runtime was closed before it started.", reason="stopped"))
            elif one.letter is not None:
                about = one.letter.about
                self._dead(DeadLetter(one.letter.message, None, about.topic_id, about.sender, "stopped"))

    def _emptied(self, seat: Seat) -> None:
        if self._directory.vacate(seat):
            self._routes.changed()

    def _settled(self) -> None:
        if self._changes:
            self._tell()

    def _tell(self) -> None:
        changes, self._changes = self._changes, []
        for change in changes:
            if not change.done():
                change.set_result(None)

    async def _change(self) -> None:
        """Wait until a message was handled or came."""
        change = asyncio.get_running_loop().create_future()
        self._changes.append(change)
        await change

    def _check_stop(self, name: str) -> None:
        here = handling.get()
        if here is not None and not here.over:
            raise WrongState(f"{name}() inside a handler of {here.agent} would wait for that very handler.")
        if not self._running:
            raise WrongState("This runtime is not started.")

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


class _Held:
    """A message that waits for the start: a published one, or the sender of another."""

    __slots__ = ("go", "letter")

    def __init__(self, letter: Letter | None, go: asyncio.Future[asyncio.Future[None] | None] | None) -> None:
        self.letter, self.go = letter, go


def _stopped(seat: Seat) -> Undeliverable:
    return Undeliverable(
        f"The runtime was stopped while a message waited for {seat.id}.", recipient=seat.id, reason="stopped"
    )


async def _itself(agent: Any) -> Any:
    return agent


async def _save(agent: Any) -> Any:
    return await agent.save_state()
