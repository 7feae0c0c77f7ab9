"""A model inside this process: no key, no server, no network. SmolLM2-135M by default, or any GGUF file."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from quorate.errors import ModelError
from quorate.models import engine, weights
from quorate.models.blocks import Reply
from quorate.models.client import CallDelta, Finish, Finished, ModelEvent, ModelInfo, ModelRequest, TextDelta, Usage
from quorate.models.prompt import CALL, REPLY, Sampling, offered, to_wire

ENVIRONMENT = "QUORATE_EMBEDDED_MODEL"


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
        self, path: str | Path | None = None, *, context_window: int = 8192, sampling: Sampling = Sampling()
    ) -> None:
        chosen = str(path or os.environ.get(ENVIRONMENT) or weights.CHAT)
        small = chosen == weights.CHAT
        self.info = ModelInfo(
            name=f"embedded:{chosen if small else Path(chosen).stem}",
            context_window=context_window,
            max_output=512 if small else 2048,
            free=True,
            attempts=1,
        )
        self._path = None if small else Path(chosen).expanduser()
        self._sampling = sampling
        self._engine: engine.Engine | None = None
        engine.require("xllamacpp", extra="embedded")

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Ask, and yield the answer piece by piece.

        Raises:
            ConfigError: The weights were not pulled, or the file is no model.
            ModelError: The conversation is too long for the model, or a schema cannot be followed. Not retryable.
        """
        reading = Reading(request, self.info)
        async with self._shared().generate(to_wire(request, self._sampling)) as chunks:
            async for chunk in chunks:
                for event in reading.see(chunk):
                    yield event
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


class Reading:
    """Turns the chunks of one answer into events; where there are tools, by the marks that the grammar asks for."""

    def __init__(self, request: ModelRequest, info: ModelInfo) -> None:
        self._info = info
        self._marked = bool(offered(request))
        # Ids differ in a conversation, and are the same for the same one.
        self._id = f"call_{1 + sum(len(b.calls) for b in request.blocks if isinstance(b, Reply))}"
        self._begun = ""
        self._kind = "" if self._marked else REPLY
        self._finish: Finish = "unknown"
        self._usage: Usage | None = None

    def see(self, chunk: dict[str, Any]) -> Iterator[ModelEvent]:
        """Yield the events of the next chunk.

        Raises:
            ModelError: The chunk is an error.
        """
        if "error" in chunk:
            raise _error(chunk["error"], self._info)
        if "usage" in chunk:
            used = chunk["usage"]
            cached = used.get("prompt_tokens_details", {}).get("cached_tokens", 0)
            self._usage = Usage(used["prompt_tokens"], used["completion_tokens"], cached)
        for choice in chunk.get("choices", ()):
            if choice.get("finish_reason"):
                self._finish = "length" if choice["finish_reason"] == "length" else "stop"
            if text := choice["delta"].get("content"):
                yield from self._read(text)

    def finished(self) -> Finished:
        """Return the last event."""
        called = self._kind == CALL and self._finish == "stop"
        return Finished(self._usage, "tool_calls" if called else self._finish, self._info.name)

    def _read(self, text: str) -> Iterator[ModelEvent]:
        if not self._kind:
            self._begun += text
            call = re.match(rf"{CALL}(\S+) ", self._begun)
            if call:
                self._kind, text = CALL, self._begun[call.end() :]
                yield CallDelta(0, self._id, call[1], text)
                return
            if not re.match(rf"{REPLY}\s*\S", self._begun):
                return
            self._kind, text = REPLY, self._begun.removeprefix(REPLY).lstrip()
        yield TextDelta(text) if self._kind == REPLY else CallDelta(0, arguments=text)


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
