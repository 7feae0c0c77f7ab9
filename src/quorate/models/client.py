"""The one protocol every model adapter fills: a request in, a stream of events out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from quorate.errors import ModelError
from quorate.models.blocks import Block, Blocks, Reasoning, Reply, ToolCall

Finish = Literal["stop", "length", "tool_calls", "content_filter", "unknown"]


class Usage(Struct, frozen=True, gc=False):
    """Tokens of one call. `cached_tokens` are part of `prompt_tokens`, `reasoning_tokens` of `completion_tokens`."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    def plus(self, other: Usage) -> Usage:
        """Return the sum of both."""
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


class ToolSpec(Struct, frozen=True, gc=False):
    """A tool as a model sees it; `parameters` is a JSON schema of type object, as JSON text."""

    name: str
    description: str
    parameters: str


class ModelRequest(Struct, frozen=True):
    """One question to a model.

    Args:
        blocks: The conversation so far, oldest first.
        system: The standing instruction, if any.
        tools: What the model may call.
        tool_choice: `auto`, `none`, `required`, or the name of the one tool it must call.
        output_schema: JSON schema (as JSON text) that the text of the reply must follow, if any.
        max_tokens: The most tokens the reply may have. Always finite.
        temperature: None leaves it to the client.
        seed: None leaves it to the client.
    """

    blocks: Blocks
    system: str | None = None
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    output_schema: str | None = None
    max_tokens: int = 4096
    temperature: float | None = None
    seed: int | None = None

    def capped(self, max_tokens: int) -> ModelRequest:
        """Return this request with another cap on the reply."""
        return replace(self, max_tokens=max_tokens)


class TextDelta(Struct, frozen=True, gc=False):
    """A piece of the reply's text."""

    text: str


class ReasoningDelta(Struct, frozen=True, gc=False):
    """A piece of the model's thought; a signature, if any, comes with its last piece."""

    text: str
    signature: str = ""


class CallDelta(Struct, frozen=True, order=True, gc=False):
    """A piece of a tool call: id and name come with the first piece of its `index`, arguments piece by piece."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Finished(Struct, frozen=True, gc=False):
    """The last event of every complete stream. `usage` is None where the provider does not tell."""

    usage: Usage | None
    finish: Finish = "stop"
    model: str = ""


ModelEvent = TextDelta | ReasoningDelta | CallDelta | Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What is known about a model.

    Args:
        name: Provider and model, such as `openai:gpt-5` or `embedded:smollm2-135m`; prices are looked up by it.
        context_window: Tokens of prompt and reply together, None if the client does not know; `window_of` in
            `quorate.runs.prices` then looks it up by the name.
        max_output: The most tokens of one reply.
        free: Runs on the user's own machine: its calls cost nothing.
        timeout_s: How long one call may take before it counts as failed.
        attempts: How often a call is made at most, when it fails in a way that may pass.
        vision: Whether it is shown images; one that is not reads in the text that there is one.
        call_ids: Which ids of tool calls it takes, where not any: characters and how many, as `[a-zA-Z0-9]{9}`; for
            `in_order`.
    """

    name: str
    context_window: int | None = None
    max_output: int = 4096
    free: bool = False
    timeout_s: float = 300.0
    attempts: int = 3
    vision: bool = False
    call_ids: str | None = None


class ModelClient(Protocol):
    """A model that answers. Any object with this shape will do."""

    @property
    def info(self) -> ModelInfo: ...

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Ask, and yield the answer piece by piece, `Finished` last.

        Raises:
            ModelError: The call failed; `retryable` says whether trying again may help.
        """
        ...

    async def close(self) -> None:
        """Give back what the client holds. May be called twice."""
        ...


class Answer(Struct, frozen=True, gc=False):
    """A whole reply with its cost in tokens; `usage` is None where the provider does not tell."""

    reply: Reply
    usage: Usage | None
    finish: Finish
    model: str


AT_ONCE: set[type[AtOnce]] = set()
"""The classes of such streams; to look here takes a third of what `isinstance` does."""


class AtOnce(Struct, kw_only=True, eq=False):
    """The stream of a client that has its answer whole: its events need not be waited for one by one."""

    _left: Iterator[ModelEvent] | None = None

    def __init_subclass__(cls) -> None:
        AT_ONCE.add(cls)

    def now(self) -> Answer | Sequence[ModelEvent] | None:
        """Ask, and return the answer or all its events; None where these have to be waited for, by `events`.

        An answer is made for who asks: nobody else has its reply.
        """
        return None

    async def events(self) -> Sequence[ModelEvent]:
        """Ask, and return all events."""
        raise NotImplementedError

    def __aiter__(self) -> AtOnce:
        return self

    async def __anext__(self) -> ModelEvent:  # by hand: the event loop keeps a book of async generators
        if self._left is None:
            self._left = iter(await self.events())
        for event in self._left:
            return event
        raise StopAsyncIteration


class Folding(Struct, eq=False):
    """Folds the events of one stream into an `Answer`, the same for every provider."""

    _text: list[str] = []
    _thought: list[str] = []
    _signature: str = ""
    _calls: dict[int, CallDelta] = {}
    _end: Finished | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing has come yet."""
        return not (self._text or self._thought or self._calls)

    async def take(self, stream: AsyncIterator[ModelEvent]) -> None:
        """Take in a whole stream; one that breaks off is closed."""
        if isinstance(stream, AtOnce):
            self.take_in(await stream.events())
            return
        text = self._text
        try:
            async for event in stream:
                if type(event) is TextDelta:  # nearly all are
                    text.append(event.text)
                elif type(event) is Finished:
                    self._end = event
                else:
                    self.see(event)
        except BaseException:
            await closed(stream)
            raise

    def take_in(self, events: Sequence[ModelEvent]) -> None:
        """Take in all events of a stream."""
        for event in events:
            if type(event) is TextDelta:  # nearly all are
                self._text.append(event.text)
            elif type(event) is Finished:
                self._end = event
            else:
                self.see(event)

    def see(self, event: ModelEvent) -> None:
        """Take in the next event."""
        if type(event) is TextDelta:
            self._text.append(event.text)
        elif type(event) is CallDelta:
            have = self._calls.get(event.index)
            if have is not None:
                id, name = have.id or event.id, have.name or event.name
                event = CallDelta(event.index, id, name, have.arguments + event.arguments)
            self._calls[event.index] = event
        elif type(event) is ReasoningDelta:
            self._thought.append(event.text)
            self._signature = event.signature or self._signature
        elif type(event) is Finished:
            self._end = event
        else:
            raise ModelError(f"The model client yielded {event!r}, which is no model event.")

    def answer(self, ref: str = "") -> Answer:
        """Return the whole reply.

        Raises:
            ModelError: The stream ended without `Finished`; retryable.
        """
        if self._end is None:
            raise ModelError("The model's stream was cut before its end.", retryable=True)
        calls: tuple[ToolCall, ...] = ()
        if self._calls:
            pieces = sorted(self._calls.values()) if len(self._calls) > 1 else self._calls.values()
            calls = tuple([ToolCall(p.id or f"call{p.index:05}", p.name, p.arguments or "{}") for p in pieces])
        reasoning: tuple[Reasoning, ...] = ()
        if self._thought or self._signature:
            reasoning = (Reasoning("".join(self._thought), self._signature),)
        end = self._end
        return Answer(Reply("".join(self._text), calls, reasoning, (), ref), end.usage, end.finish, end.model)


async def closed(stream: AsyncIterator[ModelEvent]) -> None:
    """Let a stream that nobody reads to its end give back what it holds."""
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()


async def collect(client: ModelClient, request: ModelRequest) -> Answer:
    """Ask and return the whole answer at once, outside of any run.

    Raises:
        ModelError: The call failed or its stream was cut.
    """
    folding = Folding()
    await folding.take(client.stream(request))
    return folding.answer()


__all__ = [
    "Answer",
    "AtOnce",
    "Block",
    "CallDelta",
    "Finish",
    "Finished",
    "Folding",
    "ModelClient",
    "ModelEvent",
    "ModelInfo",
    "ModelRequest",
    "ReasoningDelta",
    "TextDelta",
    "ToolSpec",
    "Usage",
    "closed",
    "collect",
]
