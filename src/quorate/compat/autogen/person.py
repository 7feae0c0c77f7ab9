"""AutoGen's user proxy: says what a person says, who is asked by a function or at the terminal."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, Self

from pydantic import BaseModel

from quorate.chat import messages as quorate_messages
from quorate.chat.facts import Fact
from quorate.chat.messages import BaseChatMessage, HandoffMessage, TextMessage, UserInputRequestedEvent
from quorate.compat.autogen import profile
from quorate.compat.autogen.agentchat.base import Response
from quorate.compat.autogen.components import Component
from quorate.compat.autogen.speaking import BaseChatAgent, response_of
from quorate.core.cancellation import CancellationToken
from quorate.errors import WrongState
from quorate.models.blocks import Origin
from quorate.runs.scope import scope_here
from quorate.runs.steps import step
from quorate.tools.threads import in_thread

InputFunc = Callable[[str], str] | Callable[[str, CancellationToken | None], Awaitable[str]]


class UserProxyConfig(BaseModel):
    """A `UserProxyAgent` as configuration."""

    name: str
    description: str = "A human user"
    input_func: str | None = None


class UserProxyAgent(BaseChatAgent, Component[UserProxyConfig]):
    """Says what a person says.

    Args:
        name: Who it is; an identifier.
        description: What the person is for, as others are told.
        input_func: Asks the person: given the prompt, sync (in a thread), or given the prompt and a token, async.
            Without it the terminal is asked.
    """

    component_type: ClassVar[str] = "agent"
    component_config_schema: ClassVar[type[Any]] = UserProxyConfig
    component_provider_override: ClassVar[str | None] = "autogen_agentchat.agents.UserProxyAgent"
    origin: Origin = "person"

    class InputRequestContext:
        """Tells an input function which request it answers."""

        _request: ClassVar[ContextVar[str]] = ContextVar("quorate_autogen_request")

        def __init__(self) -> None:
            raise WrongState("InputRequestContext is not made: ask InputRequestContext.request_id().")

        @classmethod
        @contextmanager
        def populate_context(cls, ctx: str) -> Generator[None, Any, None]:
            """Set the request in the block."""
            token = cls._request.set(ctx)
            try:
                yield
            finally:
                cls._request.reset(token)

        @classmethod
        def request_id(cls) -> str:
            """Return the id of the request.

            Raises:
                WrongState: There is none: this is no input function.
            """
            found = cls._request.get(None)
            if found is None:
                raise WrongState("InputRequestContext.request_id() must be called within the input function.")
            return found

    def __init__(self, name: str, *, description: str = "A human user", input_func: InputFunc | None = None) -> None:
        super().__init__(name, description)
        self.input_func = input_func or _from_terminal
        self._is_async = inspect.iscoroutinefunction(self.input_func)

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage, HandoffMessage)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return await response_of(self.on_messages_stream(messages, cancellation_token))

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Any, None]:
        """Yield the event that a person is asked, then what they answered.

        Raises:
            WrongState: The handoff is to somebody else, or the function failed.
        """
        handoff = self._handed(messages)
        prompt = profile.INPUT_PROMPT
        if handoff is not None:
            prompt = f"Handoff received from {handoff.source}. {prompt}"
        requested = UserInputRequestedEvent(request_id=quorate_messages.new_id(), source=self.name)
        yield requested
        with self.InputRequestContext.populate_context(requested.request_id):
            answer = await self._asked(prompt, cancellation_token)
        if handoff is not None:
            yield Response(chat_message=HandoffMessage(content=answer, target=handoff.source, source=self.name))
        else:
            yield Response(chat_message=TextMessage(content=answer, source=self.name))

    def view_answers_otherwise(self) -> bool:
        return True  # with the answer alone: `run` does not tell that somebody was asked, `run_stream` does

    def _handed(self, messages: Sequence[BaseChatMessage]) -> HandoffMessage | None:
        last = messages[-1] if messages else None
        if not isinstance(last, HandoffMessage):
            return None
        if last.target != self.name:
            raise WrongState(f"Handoff message target {last.target} does not match this agent, {self.name}.")
        return last

    async def _asked(self, prompt: str, token: CancellationToken) -> str:
        """Ask as a step: what was answered is asked for once, whatever crashes after."""
        scope = scope_here()
        try:
            if scope is None:
                return await self._input(prompt, token)
            with scope.run.idle():
                return await step("input", lambda: self._input(prompt, token), effect="read")
        except asyncio.CancelledError:
            raise
        except Exception as error:
            raise WrongState(f"Failed to get user input: {error}") from error

    async def _input(self, prompt: str, token: CancellationToken) -> str:
        ask: Any = self.input_func
        if self._is_async:
            return await ask(prompt, token)
        task = asyncio.get_running_loop().create_task(in_thread(lambda: ask(prompt)))
        return await token.link_future(task)

    async def view_take_up(self, facts: Sequence[Fact]) -> bool:
        return True  # a person remembers by themselves

    async def on_reset(self, cancellation_token: CancellationToken | None = None) -> None:
        """Keep nothing."""

    def _to_config(self) -> UserProxyConfig:
        return UserProxyConfig(name=self.name, description=self.description)

    @classmethod
    def _from_config(cls, config: UserProxyConfig) -> Self:
        return cls(config.name, description=config.description)


async def _from_terminal(prompt: str, token: CancellationToken | None = None) -> str:
    task = asyncio.get_running_loop().create_task(in_thread(lambda: _typed(prompt)))
    return await (task if token is None else token.link_future(task))


def _typed(prompt: str) -> str:
    sys.stdout.write(prompt)
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError("The input has ended.")
    return line.rstrip("\n")
