"""Answers that are kept: a model client that asks only what it was not asked before, and where it keeps the answers."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any, Protocol, runtime_checkable

from msgspec.structs import astuple

from quorate.errors import ConfigError, StoreError
from quorate.models.blocks import Block, Reasoning, Reply, Said, ToolCall
from quorate.models.client import (
    Answer,
    CallDelta,
    Finished,
    Folding,
    ModelClient,
    ModelEvent,
    ModelInfo,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    Usage,
    closed,
)

log = logging.getLogger("quorate.models")

WHOLE = frozenset({"stop", "tool_calls", "length"})


@runtime_checkable
class CacheStore(Protocol):
    """Keeps values by key, as long as there is room. Any object with this shape will do.

    A value is JSON data; what comes back is equal, and changing it changes nothing in the store. A store may forget,
    but not mix up.
    """

    async def get(self, key: str) -> Any | None:
        """Return the value that was set last, None if there is none, or it was forgotten.

        Raises:
            StoreError: The store cannot be read.
        """
        ...

    async def set(self, key: str, value: Any) -> None:
        """Keep a value, instead of the one that was there.

        Raises:
            ConfigError: The value is no JSON data, or null, which stands for nothing.
            StoreError: The store cannot be written.
        """
        ...

    async def close(self) -> None:
        """Give back what the store holds. It may be called twice, and the store be used again."""
        ...


def as_json(value: Any) -> str:
    """Return a value as a store keeps it.

    Raises:
        ConfigError: It is no JSON data, or null.
    """
    if value is None:
        raise ConfigError("A cache store keeps no null: it stands for what is not there.")
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"A cache store keeps JSON data only: {error}.") from error


class InMemoryStore:
    """Keeps values in this process; the ones that were not used for longest go first.

    Args:
        max_entries: How many it keeps.
    """

    def __init__(self, max_entries: int = 10_000) -> None:
        if max_entries < 1:
            raise ConfigError(f"max_entries={max_entries} must be at least 1.")
        self.max_entries = max_entries
        self._kept: OrderedDict[str, str] = OrderedDict()

    async def get(self, key: str) -> Any | None:
        text = self._kept.get(key)
        if text is None:
            return None
        self._kept.move_to_end(key)
        return json.loads(text)

    async def set(self, key: str, value: Any) -> None:
        self._kept[key] = as_json(value)
        self._kept.move_to_end(key)
        if len(self._kept) > self.max_entries:
            self._kept.popitem(last=False)

    async def close(self) -> None:
        """Nothing to give back."""


class ChatCompletionCache:
    """A model client that gives the answer it got before where it is asked the same again.

    The same is: the same model, conversation, instruction, tools and settings; how much room there is for the reply
    does not matter as long as the answer fits. A kept answer uses no tokens and costs nothing. A store that fails is
    told in the log, and the model is asked.

    Args:
        client: Whom to ask.
        store: Where answers are kept; in memory by default.
    """

    def __init__(self, client: ModelClient, store: CacheStore | None = None) -> None:
        self.client = client
        self.store = InMemoryStore() if store is None else store

    @property
    def info(self) -> ModelInfo:
        """What is known about the model behind it."""
        return self.client.info

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Yield the kept answer, or the model's, which is then kept.

        Raises:
            ModelError: The model failed. Failures are not kept.
        """
        key = key_of(self.info.name, request)
        kept = await self._kept(key, request)
        if kept is not None:
            for event in _events(kept):
                yield event
            return
        folding = Folding()
        stream = self.client.stream(request)
        try:
            async for event in stream:
                folding.see(event)
                yield event
        finally:
            await closed(stream)
        await self._keep(key, request, folding.answer())

    async def close(self) -> None:
        """Close the client and the store."""
        try:
            await self.client.close()
        finally:
            await self.store.close()

    async def _kept(self, key: str, request: ModelRequest) -> Answer | None:
        try:
            data = await self.store.get(key)
        except StoreError as error:
            log.warning("The cache could not be read, so %s is asked: %s", self.info.name, error)
            return None
        return None if data is None else _answer(data, request.max_tokens)

    async def _keep(self, key: str, request: ModelRequest, answer: Answer) -> None:
        if answer.finish not in WHOLE:
            return
        try:
            await self.store.set(key, _data(answer, request.max_tokens))
        except StoreError as error:
            log.warning("The cache could not be written: %s", error)


def key_of(model: str, request: ModelRequest) -> str:
    """Return what tells a request to a model from all others that could have another answer."""
    asked = [
        model, request.system, list(map(astuple, request.tools)), request.tool_choice, request.output_schema,
        request.temperature, request.seed, [_content(block) for block in request.blocks],
    ]  # fmt: skip
    text = json.dumps(asked, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _content(block: Block) -> list[Any]:
    if isinstance(block, Said):
        return [block.source, block.text]
    return [None, block.text, *[list(map(astuple, part)) for part in (block.calls, block.reasoning, block.results)]]


def _data(answer: Answer, cap: int) -> dict[str, Any]:
    reply = answer.reply
    found: dict[str, Any] = {"version": 1, "text": reply.text, "finish": answer.finish, "model": answer.model}
    found |= {"cap": cap, "tokens": None if answer.usage is None else answer.usage.completion_tokens}
    found |= {"calls": list(map(astuple, reply.calls))} if reply.calls else {}
    return found | ({"reasoning": list(map(astuple, reply.reasoning))} if reply.reasoning else {})


def _answer(data: Any, cap: int) -> Answer | None:
    """Return a kept answer, None if it cannot be read, does not fit, or could be longer now."""
    try:
        if data["version"] != 1:
            return None
        calls = tuple(ToolCall(*call) for call in data.get("calls", ()))
        reasoning = tuple(Reasoning(*thought) for thought in data.get("reasoning", ()))
        reply = Reply(data["text"], calls, reasoning)
        finish, tokens, was = data["finish"], data["tokens"], data["cap"]
        longer = finish == "length" and was != cap
        fits = was <= cap or (tokens is not None and tokens <= cap)
        texts = (reply.text, data["model"], *(part for each in (*calls, *reasoning) for part in astuple(each)))
        if longer or not fits or finish not in WHOLE or not all(isinstance(text, str) for text in texts):
            return None
        return Answer(reply, Usage(), finish, data["model"])
    except (KeyError, TypeError, AttributeError):
        return None


def _events(answer: Answer) -> list[ModelEvent]:
    reply = answer.reply
    events: list[ModelEvent] = [ReasoningDelta(*astuple(thought)) for thought in reply.reasoning]
    events += [TextDelta(reply.text)] if reply.text else []
    events += [CallDelta(index, *astuple(call)) for index, call in enumerate(reply.calls)]
    return [*events, Finished(answer.usage, answer.finish, answer.model)]
