"""An agent written for AutoGen, as a speaker in Quorate's teams: it is told what is new, and keeps its own state."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, ClassVar

from pydantic import BaseModel

from quorate.chat import messages as quorate_messages
from quorate.chat.facts import Fact
from quorate.chat.live import Runnable
from quorate.chat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    ModelClientStreamingChunkEvent,
    TaskResult,
    TextMessage,
)
from quorate.chat.speech import Turn
from quorate.chat.talk import Cast
from quorate.chat.turns import RoundRobin
from quorate.compat.autogen import profile
from quorate.compat.autogen.agentchat.base import ChatAgent, Response, Task
from quorate.compat.autogen.agentchat.state import BaseState
from quorate.compat.autogen.components import ComponentBase
from quorate.compat.autogen.spans import trace_create_agent_span, trace_invoke_agent_span
from quorate.compat.autogen.within import Inside, place_of, talking
from quorate.core.cancellation import CancellationToken
from quorate.errors import ConfigError, ModelError, RunFailed
from quorate.runs.scope import Scope, scope_here

MOST_CONVERSATIONS = 64
"""Of so many conversations an agent knows how far it has heard."""

_text = TextMessage.__pydantic_validator__.validate_python

token_of_run: ContextVar[CancellationToken | None] = ContextVar("quorate_autogen_token", default=None)
"""The token that the run was given, for the agents in it."""
token_here = token_of_run.get
turn_here: ContextVar[Turn | None] = ContextVar("quorate_autogen_turn", default=None)
"""The turn of the agent that speaks here."""


class Using:
    """Has a token be the run's, in a generator whose consumer may leave it to another context to close it."""

    __slots__ = ("_before", "_token")

    def __init__(self, token: CancellationToken) -> None:
        self._token = token

    def __enter__(self) -> None:
        self._before = token_of_run.set(self._token)

    def __exit__(self, *raised: object) -> None:
        with suppress(ValueError):  # in another context there is nothing to take back
            token_of_run.reset(self._before)


def check_cancelled(token: CancellationToken, result: TaskResult) -> None:
    """Raise `CancelledError` where a run was cut short because its token was cancelled."""
    if token.is_cancelled() and result.outcome is not None and result.outcome.kind == "cancelled":
        raise asyncio.CancelledError


class Hearing:
    """Somebody who is told what is new: knows how far it has heard of each conversation."""

    _name: str
    _waiting: Sequence[BaseChatMessage] = ()
    """What it was handed with a state, and hears with its next turn."""
    _said_by: Mapping[int, Fact] = MappingProxyType({})
    """What is new to it in the turn that it has, by the identities of the messages: a copy may say something else."""
    _heard: dict[str, int] | None = None

    def begin(self) -> list[Fact]:
        """Return what was said to it and by it before anything was."""
        return []

    def see(self, memory: list[Fact], fact: Fact) -> list[Fact]:
        """Return what was said, with a fact more; the list is shared and only grows."""
        if fact.message is not None or fact.speaker == self._name:
            memory.append(fact)
        return memory

    @property
    def see_all(self) -> Callable[[list[Fact], list[Fact]], list[Fact]] | None:
        """Takes in several facts in one go; None where somebody has a `see` of their own."""
        return self._see_all if type(self).see is Hearing.see else None

    def _see_all(self, memory: list[Fact], facts: list[Fact]) -> list[Fact]:
        name = self._name
        for fact in facts:
            if fact.message is not None or fact.speaker == name:
                memory.append(fact)  # noqa: PERF401 - for two or four of them a comprehension takes longer
        return memory

    def view_new(self, place: str, facts: list[Fact]) -> list[Fact]:
        """Return what is new to it: what it was handed with a state, then what others have said since."""
        name, heard = self._name, self._heard
        unheard = facts[heard.get(place, 0) :] if heard else facts
        new: list[Fact] = []
        for fact in unheard:
            if fact.speaker != name and fact.message is not None:
                new.append(fact)  # noqa: PERF401 - as above
        return [*map(Fact, self._waiting), *new] if self._waiting else new

    def view_unheard(self, place: str, facts: list[Fact]) -> list[BaseChatMessage]:
        """Return the same as messages."""
        new = self.view_new(place, facts)
        self._said_by = {id(fact.message): fact for fact in new}
        return [fact.message for fact in new if fact.message is not None]

    def view_has_heard(self, place: str, count: int) -> None:
        heard = self._heard
        if heard is None:
            heard = self._heard = {}
        heard[place] = count
        if len(heard) > MOST_CONVERSATIONS:
            del heard[next(iter(heard))]
        if self._waiting:
            self._waiting = []

    @property
    def view_heard_of(self) -> dict[str, int]:
        """How many facts of each conversation it has been told; made when needed, not all call `super().__init__`."""
        if self._heard is None:
            self._heard = {}
        return self._heard

    def view_hand(self, waiting: list[BaseChatMessage]) -> None:
        """Keep messages that it will be told when it speaks next."""
        self._waiting = waiting

    def view_forget(self) -> None:
        """Know nothing of conversations any more."""
        self._waiting = []
        self.view_heard_of.clear()


Answers = Callable[[Turn, Sequence[BaseChatMessage], CancellationToken], Coroutine[Any, Any, BaseChatMessage]]


class BaseChatAgent(Hearing, ChatAgent, ABC, ComponentBase[BaseModel]):
    """A base for agents: `on_messages` is given what is new and returns the answer.

    An agent keeps its own state and answers one call at a time.

    Args:
        name: Who it is; an identifier.
        description: What it is for, as others are told.

    Raises:
        ConfigError: The name is no identifier.
    """

    component_type: ClassVar[str] = "agent"
    __quorate_bound__: ClassVar[bool] = False
    """As in AutoGen, in one process it goes on as it is, in whatever conversation."""
    limits = None
    """As Quorate's agents: what it may use in one run; the run's own."""

    def __init__(self, name: str, description: str) -> None:
        with trace_create_agent_span(agent_name=name, agent_id=None, agent_description=description):
            if not name.isidentifier():
                raise ConfigError(f"The agent name must be a valid Python identifier, and {name!r} is none.")
            self._name, self._description = name, description

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return self._description

    @property
    @abstractmethod
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        """The types of messages it answers with."""

    @abstractmethod
    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        """Answer what is new."""

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Any, None]:
        """Answer what is new, and yield what comes, the `Response` last."""
        response = await self.on_messages(messages, cancellation_token)
        for item in response.inner_messages or ():
            yield item
        yield response

    @abstractmethod
    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Be as it was when it was made."""

    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        """Do nothing."""

    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        """Do nothing."""

    async def save_state(self) -> Mapping[str, Any]:
        return BaseState().model_dump()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        BaseState.model_validate(state)

    async def close(self) -> None:
        """Hold nothing."""

    # -- by itself ----------------------------------------------------------------------------------------------------

    async def run(
        self,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> TaskResult:
        found: TaskResult | None = None
        if self.view_answers_otherwise():
            stream = self._work(task, cancellation_token, output_task_messages, at_once=True)
        else:
            stream = self.run_stream(
                task=task, cancellation_token=cancellation_token, output_task_messages=output_task_messages
            )
        async for item in stream:
            if isinstance(item, TaskResult):
                found = item
        assert found is not None  # the last item is one
        return found

    def run_stream(
        self,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> AsyncGenerator[Any, None]:
        """Answer a task in a run of its own, or in the run around; yield what comes, the `TaskResult` last."""
        return self._work(task, cancellation_token, output_task_messages)

    def view_answers_otherwise(self) -> bool:
        """Whether `on_messages`, which `run` asks, is somebody's own, and not what `on_messages_stream` calls."""
        is_ours = str(getattr(self.on_messages, "__module__", "")).startswith("quorate.")
        return not is_ours and type(self).on_messages_stream is not BaseChatAgent.on_messages_stream

    async def _work(
        self,
        task: Task,
        cancellation_token: CancellationToken | None,
        output_task_messages: bool,
        *,
        at_once: bool = False,
    ) -> AsyncGenerator[Any, None]:
        """Work on a task; `at_once` by `on_messages`, else by `on_messages_stream`."""
        given = task_messages(task)
        silent = set[str]() if output_task_messages else {message.id for message in given}
        token = cancellation_token or CancellationToken()
        with trace_invoke_agent_span(agent_name=self.name, agent_description=self.description):
            work = self._run_alone if scope_here() is None else self._run_inside
            stream = work(given, token, Alone(self, at_once=at_once))
            async with aclosing(stream):
                async for item in stream:
                    if isinstance(item, TaskResult):
                        kept = item.messages if output_task_messages else item.messages[len(given) :]
                        yield item.model_copy(update={"messages": kept})
                    elif item.id not in silent:
                        yield item

    async def _run_inside(
        self, given: list[BaseChatMessage], token: CancellationToken, alone: Alone
    ) -> AsyncGenerator[Any, None]:
        """Answer as a part of the run around: in its journal, or of the step around, which is journaled as a whole."""
        told: list[Any] = list(given)
        for message in given:
            yield message
        scope = scope_here()
        if scope is not None and not scope.leaf:
            stream = self._as_part(scope, given, token, alone)
        else:
            stream = self._at_once(given, token) if alone.at_once else self.on_messages_stream(given, token)
        async with aclosing(stream) as items:
            async for item in items:
                last = item.chat_message if isinstance(item, Response) else item
                if not isinstance(last, ModelClientStreamingChunkEvent):
                    told.append(last)
                yield last
                if isinstance(item, Response):
                    break
            else:
                raise ConfigError(f"{self.name}.on_messages_stream() ended without a Response.")
        yield TaskResult(messages=told)

    def _at_once(self, new: Sequence[BaseChatMessage], token: CancellationToken) -> AsyncGenerator[Any, None]:
        return BaseChatAgent.on_messages_stream(self, new, token)

    async def _as_part(
        self, scope: Scope, given: list[BaseChatMessage], token: CancellationToken, alone: Alone
    ) -> AsyncGenerator[Any, None]:
        held: Any = None
        with Using(token):
            async with aclosing(talking(scope, alone.cast(), given, remember=True)) as items:
                async for item in items:
                    if held is not None:
                        yield held if not isinstance(item, Inside) else Response(chat_message=held)
                    held = item

    async def _run_alone(
        self, given: list[BaseChatMessage], token: CancellationToken, alone: Alone
    ) -> AsyncGenerator[Any, None]:
        """Answer in a run of its own, a turn long, within the limits of the profile."""
        with Using(token):
            async with alone.start(given or quorate_messages.GO_ON) as run:
                forget = token.add_callback(run.cancel)
                try:
                    async with aclosing(run.events()) as items:
                        async for item in items:
                            yield item
                    result = await run.result()
                except RunFailed as error:
                    raise cause_of(error) from error
                finally:
                    forget()
        check_cancelled(token, result)
        yield result.model_copy(update={"stop_reason": None})

    # -- in teams -----------------------------------------------------------------------------------------------------

    def speak(self, turn: Turn) -> Coroutine[Any, Any, BaseChatMessage]:
        """Answer what others have said since it spoke last; in another process it first takes up what it knew."""
        return self._spoken(turn, self.view_answer)

    def view_speak_at_once(self, turn: Turn) -> Coroutine[Any, Any, BaseChatMessage]:
        """Do so by `on_messages`."""
        return self._spoken(turn, lambda turn, new, token: self._taken(turn, self._at_once(new, token)))

    async def _spoken(self, turn: Turn, answers: Answers) -> BaseChatMessage:
        place = place_of(turn.run, turn.scope.path)
        if turn.took_up or place not in self.view_heard_of:
            await self.view_catch_up(turn, place)
        facts: list[Fact] = turn.memory
        new = self.view_unheard(place, facts)
        here = turn_here.set(turn)
        try:
            answer = await answers(turn, new, token_here() or CancellationToken())
        finally:
            turn_here.reset(here)
        self.view_has_heard(place, len(facts))
        return answer

    async def view_catch_up(self, turn: Turn, place: str) -> None:
        """Know what it knew of a conversation in another process, or when its state was kept."""
        facts: list[Fact] = turn.memory
        own = [at for at, fact in enumerate(facts, 1) if fact.speaker == self._name]
        if own and (turn.took_up or await self.view_take_up(facts[: own[-1]])):
            self.view_has_heard(place, own[-1])

    async def view_take_up(self, facts: Sequence[Fact]) -> bool:
        """Remember what was said to it and by it in another process; False hears all of it again."""
        return False

    def view_answer(
        self, turn: Turn, new: Sequence[BaseChatMessage], token: CancellationToken
    ) -> Coroutine[Any, Any, BaseChatMessage]:
        """Answer what is new in a turn, and tell there what comes on the way."""
        return self._taken(turn, self.on_messages_stream(new, token))

    async def _taken(self, turn: Turn, stream: AsyncGenerator[Any, None]) -> BaseChatMessage:
        response: Response | None = None
        tells = False
        async for item in stream:
            if isinstance(item, Response):
                response = item
            else:
                tells = self.view_told(turn, item) or tells
        if response is None:
            raise ConfigError(f"{self.name}.on_messages_stream() ended without a Response.")
        if turn.facts:  # what an assistant answered whom somebody's own class lets say something else
            turn.withdraw(response.chat_message, drafts=False)
        if tells:
            turn.only_shown({item.id for item in response.inner_messages or ()})
        return response.chat_message

    def view_told(self, turn: Turn, item: Any) -> bool:
        """Tell an event or a message on the way; return whether it is kept."""
        if isinstance(item, ModelClientStreamingChunkEvent):
            turn.show(item)
            return False
        if not isinstance(item, BaseAgentEvent | BaseChatMessage):
            raise ConfigError(f"{self.name}.on_messages_stream() yielded {item!r}, which is no message or event.")
        turn.emit(item)
        return True


async def response_of(stream: AsyncGenerator[Any, None]) -> Response:
    """Return the `Response` that a stream ends with."""
    async for item in stream:
        if isinstance(item, Response):
            return item
    raise AssertionError("The last item of the stream is a Response.")


class AtOnce:
    """An agent of the view that speaks by its `on_messages`; all else is the agent's."""

    def __init__(self, agent: BaseChatAgent) -> None:
        self._agent, self.speak = agent, agent.view_speak_at_once

    def __getattr__(self, name: str) -> Any:
        return getattr(self._agent, name)


class Alone(Runnable):
    """One agent of the view, for one turn; `at_once` by its `on_messages`."""

    def __init__(self, agent: BaseChatAgent, *, at_once: bool = False) -> None:
        self._agent, self.at_once = agent, at_once

    def cast(self) -> Cast:
        speaker: Any = AtOnce(self._agent) if self.at_once else self._agent
        return Cast(
            self._agent.name, (speaker,), RoundRobin(), profile.Ending(None, 1), profile.LIMITS, None,
            profile.PATIENCE,
        )  # fmt: skip


def cause_of(error: RunFailed) -> BaseException:
    """Return what the user's code raised that a run failed of."""
    cause = error.__cause__ or error
    if isinstance(cause, ModelError) and cause.__cause__ is not None:
        return cause.__cause__
    return cause


def task_messages(task: Task) -> list[BaseChatMessage]:
    """Return the messages of a task.

    Raises:
        ConfigError: It is empty, or has something else than chat messages.
    """
    if task is None:
        return []
    if isinstance(task, str):
        return [_text({"content": task, "source": "user"})]
    if isinstance(task, BaseChatMessage):
        return [task]
    found = list(task) if isinstance(task, Sequence) else []  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
    if not found:
        raise ConfigError("Task list cannot be empty: a task is a text, a message or a list of messages.")
    if not all(isinstance(message, BaseChatMessage) for message in found):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
        raise ConfigError("All messages in task list must be valid BaseChatMessage types.")
    return found
