"""A model inside this process: no key, no server, no network. SmolLM2-135M by default, or any GGUF file."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from quorate.core.extras import require
from quorate.errors import ModelError
from quorate.models import engine, weights
from quorate.models.blocks import Reply
from quorate.models.client import CallDelta, Finish, Finished, ModelEvent, ModelInfo, ModelRequest, TextDelta, Usage
from quorate.models.order import CALL
from quorate.models.prompt import REPLY, SAMPLING, Sampling, decides, to_wire

ENVIRONMENT = "QUORATE_EMBEDDED_MODEL"
CONTEXT_WINDOW = 8192
JSON_BEGINS = frozenset('{["-0123456789tfn') | {""}


class EmbeddedModel:
    """Answers with a GGUF file that is loaded into this process, once for all clients that name it.

    Args:
        path: The file; None takes `QUORATE_EMBEDDED_MODEL`, else the small model that `quorate models pull` fetches.
        context_window: Tokens of prompt and reply together. More takes more memory.
        sampling: How freely it writes where a request does not say.

    Raises:
        MissingExtra: `quorate[embedded]` is not installed.
    """

    def __init__(
        self, path: str | Path | None = None, *, context_window: int = CONTEXT_WINDOW, sampling: Sampling = SAMPLING
    ) -> None:
        chosen = str(path or os.environ.get(ENVIRONMENT) or weights.CHAT)
        small = chosen == weights.CHAT
        self.info = info_for(path, context_window)
        self.path, self.sampling = None if path is None else str(path), sampling
        self._path = None if small else Path(chosen).expanduser()
        self._engine: engine.Engine | None = None
        require("xllamacpp", extra="embedded")

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Ask, and yield the answer piece by piece.

        Raises:
            ConfigError: The weights were not pulled, or the file is no model.
            ModelError: The conversation is too long for the model, or a schema cannot be followed. Not retryable.
        """
        shared = self._shared()
        reading = Reading(request, self.info)
        for words in (False, True) if decides(request) else (True,):
            async with shared.generate(to_wire(request, self.sampling, words=words)) as chunks:
                async for chunk in chunks:
                    for event in reading.see(chunk):
                        yield event
            if not reading.replies:
                break
        yield reading.finished()

    async def close(self) -> None:
        """Give the engine back. The last client of a file unloads it."""
        held, self._engine = self._engine, None
        if held is not None:
            engine.release(held)

    def _shared(self) -> engine.Engine:
        if self._engine is None:
            self._engine = engine.share(self._path or weights.locate(weights.CHAT), self.info.context_window or 0)
        return self._engine


def info_for(path: str | Path | None, context_window: int = CONTEXT_WINDOW) -> ModelInfo:
    """Return what is known about a model without opening it."""
    chosen = str(path or os.environ.get(ENVIRONMENT) or weights.CHAT)
    small = chosen == weights.CHAT
    return ModelInfo(
        name=f"embedded:{chosen if small else Path(chosen).stem}",
        context_window=context_window,
        max_output=512 if small else 2048,
        free=True,
        attempts=1,
    )


class Reading:
    """Turns the chunks of an answer into events. Where the model decides, its decision comes first, then the words."""

    def __init__(self, request: ModelRequest, info: ModelInfo) -> None:
        self._info = info
        # Ids differ in a conversation, and are the same for the same one.
        self._id = f"call_{1 + sum(len(b.calls) for b in request.blocks if isinstance(b, Reply))}"
        self._decision = "" if decides(request) else REPLY
        self._schema = request.output_schema is not None
        self._held = ""
        self._called = self._spoken = False
        self._finish: Finish = "unknown"
        self._usage: Usage | None = None

    @property
    def replies(self) -> bool:
        """Whether the model chose to answer in words, or had no choice."""
        return self._decision.startswith(REPLY)

    def see(self, chunk: dict[str, Any]) -> Iterator[ModelEvent]:
        """Yield the events of the next chunk.

        Raises:
            ModelError: The chunk is an error.
        """
        if "error" in chunk:
            raise _error(chunk["error"], self._info)
        if "usage" in chunk:
            self._usage = _total(self._usage, chunk["usage"])
        for choice in chunk.get("choices", ()):
            if choice.get("finish_reason"):
                self._finish = "length" if choice["finish_reason"] == "length" else "stop"
            if text := choice["delta"].get("content"):
                yield from self._read(text)

    def finished(self) -> Finished:
        """Return the last event.

        Raises:
            ModelError: What was to be JSON is none.
        """
        called = self._called and self._finish == "stop"
        if self._finish == "stop" and (called or self._schema or not self.replies):
            try:
                json.loads(self._held)
            except ValueError as error:
                raise self._not_held() from error
        return Finished(self._usage, "tool_calls" if called else self._finish, self._info.name)

    def _read(self, text: str) -> Iterator[ModelEvent]:
        if self.replies:
            # The space after the mark is the first thing that comes.
            text = text if self._spoken else text.lstrip()
            self._spoken = self._spoken or bool(text)
            if text:
                yield TextDelta(self._kept(text) if self._schema else text)
        elif self._called:
            yield CallDelta(0, arguments=self._kept(text))
        else:
            self._decision += text
            if not (REPLY.startswith(self._decision) or self._decision.startswith(CALL[: len(self._decision)])):
                raise self._not_held()
            if call := re.match(rf"{CALL}(\S+) ", self._decision):
                self._called = True
                yield CallDelta(0, self._id, call[1], self._kept(self._decision[call.end() :]))

    def _kept(self, text: str) -> str:
        self._held += text
        if self._held[:1] not in JSON_BEGINS:
            raise self._not_held()
        return text

    def _not_held(self) -> ModelError:
        # The engine answers freely where it does not understand a grammar, and says nothing.
        return ModelError(
            f"{self._info.name} did not follow the JSON schema of its tools or of its answer: there is something in it "
            "that the engine does not know. Keep to types, enums, ranges and simple patterns."
        )


def _total(before: Usage | None, used: dict[str, Any]) -> Usage:
    """Return the usage after another pass of one call: it goes on with the same prompt, which counts once."""
    cached = used.get("prompt_tokens_details", {}).get("cached_tokens", 0)
    if before is None:
        return Usage(used["prompt_tokens"], used["completion_tokens"], cached)
    return Usage(used["prompt_tokens"], before.completion_tokens + used["completion_tokens"], before.cached_tokens)


def _error(error: dict[str, Any], info: ModelInfo) -> ModelError:
    if error.get("type") == "exceed_context_size_error":
        return ModelError(
            f"The conversation has {error.get('n_prompt_tokens')} tokens, more than the {error.get('n_ctx')} that "
            f"{info.name} was opened with. Shorten it, or open EmbeddedModel(..., context_window=...) with more."
        )
    return ModelError(f"{info.name} refused the request: {error.get('message')}")


if __name__ == "__main__":
    from quorate.models.serve import main

    main(sys.argv[1:])
