"""A model that says what a test tells it to."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import cast

from quorate.errors import QuorateError
from quorate.models.blocks import Reply, Said, ToolCall
from quorate.models.client import (
    Answer,
    AtOnce,
    CallDelta,
    Finished,
    ModelEvent,
    ModelInfo,
    ModelRequest,
    TextDelta,
    Usage,
)


class Unscripted(QuorateError, AssertionError):
    """The script and what was asked do not agree."""


class ScriptedModel:
    """Answers with the lines of a script, one a call, in order. For tests, and for benches: it takes no time.

    Args:
        lines: Each a text, a tool call or several, an exception to raise, a list of model events to stream as they are
            (leave `Finished` out to cut the stream), or a function of the request that returns a text.
        name: The model's name.
        chunks: In how many pieces a text is streamed.
        vision: Whether it is shown images.

    Use it as a context manager, or call `check`, to be told of lines that nobody asked for.

    Raises:
        Unscripted: It is asked more often than there are lines.
    """

    def __init__(
        self, lines: Iterable[object], *, name: str = "scripted", chunks: int = 1, vision: bool = False
    ) -> None:
        self.info = ModelInfo(name=name, free=True, attempts=3, vision=vision)
        self.requests: list[ModelRequest] = []
        self._lines: Iterator[object] = iter(lines)
        self._chunks = chunks
        self._calls = 0

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        return _Events(answer=self._answered, request=request)

    def _answered(self, request: ModelRequest) -> Sequence[ModelEvent]:
        self.requests.append(request)
        line = next(self._lines, _END)
        if line is _END:
            raise Unscripted(f"Call {len(self.requests)} of {self.info.name} is not in its script: {_asked(request)}")
        if type(line) is not str and callable(line) and not isinstance(line, type):
            line = line(request)
        prompt = request.blocks.size_bytes // 4
        if isinstance(line, str):
            end = Finished(Usage(prompt, len(line) // 4 + 1))
            if self._chunks <= 1:
                return TextDelta(line), end
            return (*map(TextDelta, self._pieces(line)), end)
        if isinstance(line, BaseException):
            raise line
        parts: list[object] = [line] if isinstance(line, ToolCall) else list(line)  # pyright: ignore[reportArgumentType, reportUnknownVariableType]: a sequence, as documented
        if parts and isinstance(parts[0], ToolCall):
            asked = cast("list[ToolCall]", parts)
            calls = [CallDelta(index, call.id, call.name, call.arguments) for index, call in enumerate(asked)]
            return (*calls, Finished(Usage(prompt, 8 * len(parts)), "tool_calls"))
        return parts  # pyright: ignore[reportReturnType]: model events, as documented

    def _pieces(self, text: str) -> Iterator[str]:
        size = -(-len(text) // self._chunks) or 1
        for start in range(0, len(text), size):
            yield text[start : start + size]

    def check(self) -> None:
        """Make sure that every line was used.

        Raises:
            Unscripted: Some were not.
        """
        left = list(itertools.islice(self._lines, 3))
        if left:
            raise Unscripted(f"Nobody asked {self.info.name} for these lines: {left!r}")

    async def close(self) -> None:
        """Nothing to give back."""

    def __enter__(self) -> ScriptedModel:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            self.check()


class _Events(AtOnce, eq=False):
    """What comes of a request: all at once."""

    answer: Callable[[ModelRequest], Sequence[ModelEvent]]
    request: ModelRequest

    def now(self) -> Answer | Sequence[ModelEvent]:
        events = self.answer(self.request)
        if len(events) == 2:
            text, end = events
            if isinstance(text, TextDelta) and isinstance(end, Finished) and type(text.text) is str:
                return Answer(Reply(text.text), end.usage, end.finish, end.model)
        return events

    async def events(self) -> Sequence[ModelEvent]:
        return self.answer(self.request)


_END = object()


def _asked(request: ModelRequest) -> str:
    last = request.blocks[-1] if len(request.blocks) else None
    if isinstance(last, Said):
        return f"{last.source}: {last.text[:200]!r}"
    return f"after a reply: {last.text[:200]!r}" if isinstance(last, Reply) else "an empty request"
