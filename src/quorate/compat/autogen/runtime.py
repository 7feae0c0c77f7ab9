"""AutoGen's runtime: one queue, and each message handled in a task of its own, so handlers run at the same time."""

from __future__ import annotations

import asyncio
import inspect
import logging
import warnings
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import nullcontext, suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any

from quorate.compat.autogen.core.logging import AgentConstructionExceptionEvent, DeliveryStage, MessageKind
from quorate.compat.autogen.names import EVENT_LOGGER_NAME, ROOT_LOGGER_NAME
from quorate.compat.autogen.telling import Telling
from quorate.compat.autogen.tracing import tracing_with
from quorate.core.agents import Agent
from quorate.core.cancellation import CancellationToken
from quorate.core.directory import Directory
from quorate.core.identity import AgentId, AgentMetadata, AgentType, TopicId, type_name
from quorate.core.interventions import InterventionHandler, dropped
from quorate.core.messaging import AgentInstantiationContext, MessageContext, MessageHandlerContext, Numbers
from quorate.core.routing import Routes
from quorate.core.serialisation import MessageSerializer, Serializers
from quorate.core.subscriptions import Subscription
from quorate.errors import ConfigError, MessageDropped, Undeliverable, WrongState

log = logging.getLogger(ROOT_LOGGER_NAME)
events = logging.getLogger(EVENT_LOGGER_NAME)


@dataclass(slots=True, eq=False)
class _Send:
    message: Any
    recipient: AgentId
    about: MessageContext
    answer: asyncio.Future[Any]
    context: Context
    made: Any  # the span in which the message was made, None without tracing
    sent: Any = None


@dataclass(slots=True, eq=False)
class _Publish:
    message: Any
    topic: TopicId
    about: MessageContext
    context: Context
    made: Any
    sent: Any = None


@dataclass(slots=True, eq=False)
class _Response:
    message: Any
    sender: AgentId
    recipient: AgentId | None
    answer: asyncio.Future[Any]
    sent: Any


_Envelope = _Send | _Publish | _Response


class SingleThreadedAgentRuntime:
    """Keeps agents in this process and brings them messages, in the order they were sent, without waiting for handlers.

    An agent gets its next message while it still works on others. For one message at a time, and several times the
    rate, use `quorate.core.LocalRuntime`.

    Args:
        intervention_handlers: See every message before it is delivered; each gets what the one before returned.
        tracer_provider: Makes the spans of this runtime; the global one by default.
        ignore_unhandled_exceptions: Whether to go on after an error in the handling of a published message. If not,
            the first one is raised by `process_next`, `stop` and `stop_when_idle`.
    """

    def __init__(
        self,
        *,
        intervention_handlers: list[InterventionHandler] | None = None,
        tracer_provider: Any = None,
        ignore_unhandled_exceptions: bool = True,
    ) -> None:
        self._interventions = list(intervention_handlers or ())
        self._ignore_errors = ignore_unhandled_exceptions
        self._directory = Directory(self)
        self._routes = Routes(self._directory.find)
        self._serializers = Serializers()
        self._telling = Telling(self._serializers, self._directory, tracing_with(tracer_provider))
        self._numbers = Numbers("message-")
        self._queue: deque[_Envelope] = deque()
        self._open = 0
        self._loop: asyncio.Task[None] | None = None
        self._stopping = False
        self._error: BaseException | None = None
        self._changes: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._making: dict[AgentId, asyncio.Lock] = {}

    # --- messages -----------------------------------------------------------------------------------------------------

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Send a message to one agent and return its answer, or raise what its handler raised.

        The token cancels this call; a handler ends with it where it links its own work to the token.

        Raises:
            UndeliverableException: There is no such agent, or the runtime was stopped.
            MessageDroppedException: An intervention dropped the message or the answer.
        """
        self._telling.message(message, sender, recipient, MessageKind.DIRECT, DeliveryStage.SEND)
        if not self._directory.knows(recipient.type):
            raise Undeliverable(
                f"Recipient not found: no agent type {recipient.type!r} is registered.", recipient=recipient
            )
        about = MessageContext(sender, None, True, cancellation_token, message_id or self._numbers.next())
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        about.cancellation_token.link_future(answer)
        with self._telling.span("create", recipient, messaging__message__type=type(message).__name__) as made:
            self._put(_Send(message, recipient, about, answer, copy_context(), made))
        return await answer

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Send a message to all agents that subscribe to a topic, but not to `sender`, and wait for none."""
        self._telling.message(message, sender, topic_id, MessageKind.PUBLISH, DeliveryStage.SEND)
        about = MessageContext(sender, topic_id, False, cancellation_token, message_id or self._numbers.next())
        with self._telling.span("create", topic_id, messaging__message__type=type(message).__name__) as made:
            self._put(_Publish(message, topic_id, about, copy_context(), made))

    # --- who is there -------------------------------------------------------------------------------------------------

    async def register_factory(
        self, type: str | AgentType, agent_factory: Callable[..., Any], *, expected_class: type[Any] | None = None
    ) -> AgentType:
        """Have agents of a type made by `agent_factory`, sync or async, when they are first needed.

        Raises:
            ConfigError: The type is taken, or the factory takes neither no argument nor two.
        """
        self._directory.add_factory(type_name(type), _without_arguments(agent_factory), expected_class)
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

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[Any] = Agent) -> Any:
        """Return the agent object itself, made if need be.

        Raises:
            LookupError: There is no such agent type.
            TypeError: It is of another class than `type`.
        """
        agent = await self._agent(id)
        if not isinstance(agent, type):
            raise TypeError(f"{id} is a {agent.__class__.__name__}, not a {type.__name__}.")
        return agent

    async def get(
        self, id_or_type: AgentId | AgentType | str, /, key: str = "default", *, lazy: bool = True
    ) -> AgentId:
        """Return an agent's id; with `lazy=False` make the agent now."""
        id = id_or_type if isinstance(id_or_type, AgentId) else AgentId(id_or_type, key)
        if not lazy:
            await self._agent(id)
        return id

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """Return what an agent tells about itself."""
        return (await self._agent(agent)).metadata

    async def add_subscription(self, subscription: Subscription) -> None:
        """Add a subscription.

        Raises:
            ConfigError: An equal one is there.
        """
        self._routes.add(subscription)

    async def remove_subscription(self, id: str) -> None:
        """Remove a subscription.

        Raises:
            ConfigError: There is none with this id.
        """
        self._routes.remove(id)

    def add_message_serializer(self, serializer: MessageSerializer | Sequence[MessageSerializer]) -> None:
        """Say how messages of a type are written as bytes."""
        self._serializers.add(serializer)

    # --- state --------------------------------------------------------------------------------------------------------

    async def save_state(self) -> Mapping[str, Any]:
        """Return the state of every agent that was made, by id."""
        made = [seat for seat in self._directory.seats() if seat.agent is not None]
        return {str(seat.id): dict(await seat.agent.save_state()) for seat in made}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Give agents the state that `save_state` returned, making them where needed; unknown types are left out."""
        for text, saved in state.items():
            id = AgentId.from_str(text)
            if self._directory.knows(id.type):
                await self.agent_load_state(id, saved)

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """Return the state of one agent."""
        return await (await self._agent(agent)).save_state()

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Give one agent its state."""
        await (await self._agent(agent)).load_state(state)

    # --- going and stopping -------------------------------------------------------------------------------------------

    @property
    def unprocessed_messages_count(self) -> int:
        """How many messages and answers are in the queue."""
        return len(self._queue)

    async def process_next(self) -> None:
        """Take the next message or answer from the queue, waiting for one, and begin to handle it.

        Raises:
            Exception: What a handler of a published message raised, unless such errors are ignored.
        """
        while not self._queue and self._error is None:
            await self._change()
        self._raise_error()
        await self._take(self._queue.popleft())
        await asyncio.sleep(0)

    def start(self) -> None:
        """Begin to process the queue.

        Raises:
            RuntimeError: It is started.
        """
        if self._loop is not None:
            raise WrongState("Runtime is already started")
        self._stopping = False
        self._loop = asyncio.get_running_loop().create_task(self._run(), name="autogen_core runtime")

    async def stop(self) -> None:
        """Stop processing. What is in the queue is dropped: who waits for it gets `UndeliverableException`.

        Raises:
            RuntimeError: It is not started.
        """
        loop = self._started()
        self._loop, self._stopping = None, True
        self._drop()
        self._wake()
        await loop

    async def stop_when_idle(self) -> None:
        """Stop when the queue is empty and no handler runs.

        Raises:
            RuntimeError: It is not started.
        """
        loop = self._started()
        while self._open and self._error is None and not loop.done():
            await self._change()
        await self.stop()

    async def stop_when(self, condition: Callable[[], bool]) -> None:
        """Stop when `condition()` holds; it is asked when something has happened, and every second.

        Raises:
            RuntimeError: It is not started.
        """
        loop = self._started()
        while not condition() and not loop.done():
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._change()
        await self.stop()

    async def close(self) -> None:
        """Stop if started, and close every agent that was made."""
        if self._loop is not None:
            await self.stop()
        for seat in self._directory.seats():
            if seat.agent is not None:
                await seat.agent.close()

    # --- the queue ----------------------------------------------------------------------------------------------------

    def _put(self, envelope: _Envelope) -> None:
        self._open += 1
        self._queue.append(envelope)
        self._wake()

    def _done(self) -> None:
        self._open -= 1
        self._wake()

    async def _run(self) -> None:
        while not self._stopping:
            if self._queue or self._error is not None:
                await self.process_next()
            else:
                await self._change()
        self._raise_error()

    async def _take(self, envelope: _Envelope) -> None:
        if isinstance(envelope, _Publish):
            await self._take_publish(envelope)
        elif isinstance(envelope, _Send):
            await self._take_send(envelope)
        else:
            await self._take_response(envelope)

    async def _take_send(self, send: _Send) -> None:
        sender, recipient = send.about.sender, send.recipient
        try:
            send.message = await self._intervened(
                "on_send", send.message, send.made, message_context=send.about, recipient=recipient
            )
        except Exception as error:
            if isinstance(error, MessageDropped):
                self._telling.dropped(send.message, sender, recipient, MessageKind.DIRECT)
            _fail(send.answer, error)
            self._done()
        else:
            with self._telling.span("send", recipient, link=send.made) as send.sent:
                self._begin(self._handle_send(send), send.context)

    async def _take_publish(self, publish: _Publish) -> None:
        try:
            publish.message = await self._intervened(
                "on_publish", publish.message, publish.made, message_context=publish.about
            )
        except MessageDropped:
            self._telling.dropped(publish.message, publish.about.sender, publish.topic, MessageKind.PUBLISH)
            self._done()
        except Exception:
            log.exception("An intervention failed on a message to %s, which is lost.", publish.topic)
            self._done()
        else:
            with self._telling.span("publish", publish.topic, link=publish.made) as publish.sent:
                self._begin(self._handle_publish(publish), publish.context)

    async def _take_response(self, response: _Response) -> None:
        sender, recipient = response.sender, response.recipient
        try:
            answer = await self._intervened("on_response", response.message, sender=sender, recipient=recipient)
        except Exception as error:
            if isinstance(error, MessageDropped):
                self._telling.dropped(response.message, sender, recipient, MessageKind.RESPOND)
            _fail(response.answer, error)
        else:
            self._telling.message(answer, sender, recipient, MessageKind.RESPOND, DeliveryStage.DELIVER)
            with self._telling.acknowledging(answer, sender, recipient, response.sent):
                if not response.answer.done():
                    response.answer.set_result(answer)
        finally:
            self._done()

    async def _intervened(self, method: str, message: Any, made: Any = None, **about: Any) -> Any:
        """Return what the interventions make of a message; with the span that made it, in spans of their own.

        Raises:
            MessageDropped: One of them dropped it.
        """
        for handler in self._interventions:
            name = type(handler).__name__
            with nullcontext() if made is None else self._telling.span("intercept", name, link=made):
                message = await getattr(handler, method)(message, **about)
            if dropped(message):
                raise MessageDropped(f"{name}.{method} dropped the message.")
            if message is None:
                warnings.warn(
                    f"{name}.{method} returned None, and that goes on as the message. Return the "
                    "message, another one, or DropMessage.",
                    RuntimeWarning,
                    stacklevel=2,
                )
        return message

    def _begin(self, work: Coroutine[Any, Any, None], context: Context) -> None:
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- handling -----------------------------------------------------------------------------------------------------

    async def _handle_send(self, send: _Send) -> None:
        sender, recipient = send.about.sender, send.recipient
        try:
            agent = await self._agent(recipient)
            self._telling.message(send.message, sender, recipient, MessageKind.DIRECT, DeliveryStage.DELIVER)
            with (
                MessageHandlerContext.populate_context(agent.id),
                self._telling.processing(send.message, send.about, agent, send.made, send.sent),
            ):
                answer = await agent.on_message(send.message, send.about)
        except asyncio.CancelledError:
            send.answer.cancel()
            raise
        except BaseException as error:  # whatever it is, the sender waits for it
            self._telling.failed(send.message, recipient, error)
            _fail(send.answer, error)
            if not isinstance(error, Exception):
                raise
        else:
            self._telling.message(answer, recipient, sender, MessageKind.RESPOND, DeliveryStage.SEND)
            self._put(_Response(answer, recipient, sender, send.answer, send.sent))
        finally:
            self._done()

    async def _handle_publish(self, publish: _Publish) -> None:
        try:
            seats, missing = self._routes.to(publish.topic)
            made: list[Any] = []
            for id in [*(seat.id for seat in seats), *missing]:
                if id == publish.about.sender:
                    continue
                try:
                    made.append(await self._agent(id))
                except Exception as error:
                    self._failed(publish.message, id, error)
            await asyncio.gather(*(self._deliver(publish, agent) for agent in made))
        except Exception as error:  # of a subscription
            self._failed(publish.message, publish.topic, error)
        finally:
            self._done()

    async def _deliver(self, publish: _Publish, agent: Any) -> None:
        """Have one subscriber handle a published message."""
        try:
            self._telling.message(
                publish.message, publish.about.sender, None, MessageKind.PUBLISH, DeliveryStage.DELIVER
            )
            with (
                MessageHandlerContext.populate_context(agent.id),
                self._telling.processing(publish.message, publish.about, agent, publish.made, publish.sent),
            ):
                await agent.on_message(publish.message, publish.about)
        except asyncio.CancelledError as error:
            if not publish.about.cancellation_token.is_cancelled():
                self._failed(publish.message, agent.id, error)
        except BaseException as error:  # whatever it is, nobody else would hear of it
            self._failed(publish.message, agent.id, error)
            if not isinstance(error, Exception):
                raise

    def _failed(self, message: Any, where: AgentId | TopicId, error: BaseException) -> None:
        log.error("%s failed handling a published %s.", where, type(message).__name__, exc_info=error)
        if isinstance(where, AgentId):
            self._telling.failed(message, where, error)
        if not self._ignore_errors and self._error is None:
            self._error = error
            self._drop()
            self._wake()

    async def _agent(self, id: AgentId) -> Any:
        """Return an agent, made by its factory if it is not there yet.

        Raises:
            LookupError: There is no such type.
            RuntimeError: Of this type there are only instances, and this is none of them.
        """
        seat = self._directory.find(id)
        if seat is None:
            if self._directory.knows(id.type):
                raise WrongState(f"There is no agent {id}: of {id.type!r} only other instances are registered.")
            raise Undeliverable(f"There is no agent type {id.type!r}.", recipient=id)
        if seat.agent is None:
            async with self._making.setdefault(id, asyncio.Lock()):
                if seat.agent is None:
                    try:
                        await self._directory.make(seat)
                    except Exception as error:
                        log.exception("%s could not be made.", id)
                        events.info(AgentConstructionExceptionEvent(agent_id=id, exception=error))
                        raise
            self._making.pop(id, None)
        return seat.agent

    # --- what came of it ----------------------------------------------------------------------------------------------

    def _drop(self) -> None:
        """Drop all that is in the queue."""
        queue, self._queue = self._queue, deque()
        for envelope in queue:
            if not isinstance(envelope, _Publish):
                _fail(envelope.answer, Undeliverable("The runtime was stopped before the message.", reason="stopped"))
            self._open -= 1

    def _wake(self) -> None:
        changes, self._changes = self._changes, []
        for change in changes:
            if not change.done():
                change.set_result(None)

    async def _change(self) -> None:
        change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changes.append(change)
        await change

    def _started(self) -> asyncio.Task[None]:
        if self._loop is None:
            raise WrongState("Runtime is not started")
        return self._loop

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


def _fail(answer: asyncio.Future[Any], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)


def _without_arguments(factory: Callable[..., Any]) -> Callable[[], Any]:
    """Return a factory that takes nothing for one that takes the runtime and the id."""
    parameters = inspect.signature(factory).parameters.values()
    needed = [p for p in parameters if p.default is p.empty and p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}]
    if not needed:
        return factory
    if len(needed) != 2:
        raise ConfigError(f"A factory of agents takes no arguments, not {len(needed)}.")
    warnings.warn(
        "Factories that take the runtime and the id are deprecated: use AgentInstantiationContext.",
        DeprecationWarning,
        stacklevel=3,
    )
    return lambda: factory(AgentInstantiationContext.current_runtime(), AgentInstantiationContext.current_agent_id())
