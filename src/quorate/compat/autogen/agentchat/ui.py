"""A conversation in the terminal, as AutoGen prints it."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from quorate.chat.messages import (
    BaseMessage,
    ModelClientStreamingChunkEvent,
    RequestUsage,
    TaskResult,
    UserInputRequestedEvent,
)
from quorate.compat.autogen.agentchat.base import Response
from quorate.compat.autogen.agentchat.messages import MultiModalMessage
from quorate.compat.autogen.person import UserProxyAgent
from quorate.core.cancellation import CancellationToken
from quorate.errors import ConfigError
from quorate.runs.clock import SystemClock
from quorate.tools.threads import in_thread

__all__ = ["Console", "UserInputManager"]

_clock = SystemClock()


class UserInputManager:
    """Lets an input function wait until the event that a person is asked was printed.

    Args:
        callback: The input function: given a prompt, or a prompt and a token.
    """

    def __init__(self, callback: Callable[..., str] | Callable[..., Awaitable[str]]) -> None:
        self._callback = callback
        self._printed: dict[str, asyncio.Event] = {}

    def get_wrapped_callback(self) -> Callable[[str, CancellationToken | None], Awaitable[str]]:
        """Return the function to give to a `UserProxyAgent`."""

        async def wrapped(prompt: str, cancellation_token: CancellationToken | None) -> str:
            request = UserProxyAgent.InputRequestContext.request_id()
            await self._event(request).wait()
            del self._printed[request]
            callback: Any = self._callback
            if inspect.iscoroutinefunction(callback):
                return await callback(prompt, cancellation_token)
            return await in_thread(lambda: callback(prompt))

        return wrapped

    def notify_event_received(self, request_id: str) -> None:
        """Be told that the event of a request was printed."""
        self._event(request_id).set()

    def _event(self, request: str) -> asyncio.Event:
        return self._printed.setdefault(request, asyncio.Event())


class _Printed:
    """What was printed of a stream, and its figures."""

    def __init__(self, *, inline: bool, output_stats: bool) -> None:
        self._inline, self._stats = inline, output_stats
        self._began_us = _clock.now_us()
        self.usage = RequestUsage(0, 0)
        self._streamed: str | None = None
        self._streams = False

    def chunk(self, item: ModelClientStreamingChunkEvent) -> None:
        """Print a piece of a message."""
        if not self._streams:
            self._head(item)
            self._streams = True
        self._streamed = item.full_message_id
        sys.stdout.write(item.content)
        sys.stdout.flush()

    def message(self, item: BaseMessage, title: str | None = None) -> None:
        """Print a message or event under a title; what was streamed of it is not printed again."""
        used = item.models_usage
        if used is not None:
            self.usage.prompt_tokens += used.prompt_tokens
            self.usage.completion_tokens += used.completion_tokens
        if self._streams and self._streamed in {None, item.id}:
            sys.stdout.write("\n")
        else:
            if self._streams:
                sys.stdout.write("\n")
            self._head(item, title)
            print(item.to_text(iterm=self._inline) if isinstance(item, MultiModalMessage) else item.to_text())  # noqa: T201  # it prints
        self._streams, self._streamed = False, None
        if self._stats and used is not None:
            print(f"[Prompt tokens: {used.prompt_tokens}, Completion tokens: {used.completion_tokens}]")  # noqa: T201  # as above

    def _head(self, item: BaseMessage, title: str | None = None) -> None:
        title = title or f"{type(item).__name__} ({item.source})"
        print(f"{'-' * 10} {title} {'-' * 10}", flush=True)  # noqa: T201  # as above

    def summary(self, lines: list[str]) -> None:
        """Print lines, with tokens and time, where they are wanted."""
        if self._stats:
            lines += [
                f"Total prompt tokens: {self.usage.prompt_tokens}",
                f"Total completion tokens: {self.usage.completion_tokens}",
                f"Duration: {(_clock.now_us() - self._began_us) / 1e6:.2f} seconds",
            ]
            print(f"{'-' * 10} Summary {'-' * 10}", *lines, sep="\n")  # noqa: T201  # as above


async def Console(  # AutoGen's name
    stream: AsyncGenerator[Any, None],
    *,
    no_inline_images: bool = False,
    output_stats: bool = False,
    user_input_manager: UserInputManager | None = None,
) -> TaskResult | Response:
    """Print what comes, and return what it came to.

    Args:
        stream: Of `run_stream` or `on_messages_stream`.
        no_inline_images: Whether images are only named, where the terminal could show them.
        output_stats: Whether tokens and time are printed.
        user_input_manager: Is told of requests to people once they are printed.

    Raises:
        ConfigError: The stream ended with no result.
    """
    inline = not no_inline_images and os.environ.get("TERM_PROGRAM") == "iTerm.app" and sys.stdout.isatty()
    printed = _Printed(inline=inline, output_stats=output_stats)
    last: TaskResult | Response | None = None
    async for item in stream:
        if isinstance(item, TaskResult):
            printed.summary([f"Number of messages: {len(item.messages)}", f"Finish reason: {item.stop_reason}"])
            last = item
        elif isinstance(item, Response):
            printed.message(item.chat_message, item.chat_message.source)
            printed.summary([f"Number of inner messages: {len(item.inner_messages or ())}"])
            last = item
        elif isinstance(item, UserInputRequestedEvent):
            if user_input_manager is not None:
                user_input_manager.notify_event_received(item.request_id)
        elif isinstance(item, ModelClientStreamingChunkEvent):
            printed.chunk(item)
        else:
            printed.message(item)
    if last is None:
        raise ConfigError("No TaskResult or Response was processed.")
    return last
