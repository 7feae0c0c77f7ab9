"""Chat models behind OpenAI's chat completions: OpenAI itself, and every server that speaks the same."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from quorate.core.extras import require
from quorate.errors import ConfigError, ModelError
from quorate.models.blocks import Block, Said
from quorate.models.call_ids import MISTRAL, check_call_ids, taken_by
from quorate.models.client import (
    CallDelta,
    Finish,
    Finished,
    ModelEvent,
    ModelInfo,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    Usage,
)
from quorate.models.order import ERROR, in_order, instruction, shown, words

if TYPE_CHECKING:
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletionChunk

KEY_ENVIRONMENT = "OPENAI_API_KEY"
URL_ENVIRONMENT = "OPENAI_BASE_URL"

NO_KEY = "no-key-was-given"

RETRYABLE = frozenset({408, 409, 429})
"""Beside every 5xx: a time-out, a clash and a rate limit may pass."""

FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}

Wire = dict[str, Any]


def missing_key(environment: str = KEY_ENVIRONMENT, base_url: str | None = None) -> str:
    """Return the environment variable that has to have a key and has none; empty if one is there or none is needed."""
    needed = base_url is None and not os.environ.get(URL_ENVIRONMENT)
    return environment if needed and not os.environ.get(environment) else ""


class OpenAIChat:
    """Answers with a chat model reached over HTTP, by the official SDK.

    Args:
        model: Its name at the provider, such as `gpt-5`.
        base_url: Another server than OpenAI's; None takes `OPENAI_BASE_URL`, else OpenAI's.
        api_key: None takes what `key_environment` names. It is never shown, dumped or journaled.
        key_environment: The environment variable that holds the key.
        context_window: Tokens of prompt and reply together; by default what the tables of prices have of the model.
        max_output: The most tokens of one reply where a request does not say.
        vision: Whether it is shown images; by default OpenAI's own models are, and those of other servers are not.
        call_ids: Which ids of tool calls the server takes: characters and how many, such as `[a-zA-Z0-9]{9}`. By
            default what is known of OpenAI, and by their names of the models of Mistral and Anthropic; others take any.

    Raises:
        MissingExtra: `quorate[openai]` is not installed.
        ConfigError: OpenAI is asked without a key, or `call_ids` does not say characters and how many.

    Attributes:
        own_key: The key, where it is not the one of `key_environment`.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        key_environment: str = KEY_ENVIRONMENT,
        context_window: int | None = None,
        max_output: int = 4096,
        vision: bool | None = None,
        call_ids: str | None = None,
    ) -> None:
        url = base_url or os.environ.get(URL_ENVIRONMENT) or None
        if call_ids is not None:
            check_call_ids(call_ids)
        self.vision, self.call_ids = vision, call_ids
        self.info = ModelInfo(
            name=f"openai:{model}", context_window=context_window, max_output=max_output,
            vision=url is None if vision is None else vision,
            call_ids=taken_by(model, url) if call_ids is None else call_ids,
        )  # fmt: skip
        key = api_key or os.environ.get(key_environment)
        if not key and url is None:
            raise ConfigError(
                f"openai:{model} needs a key. Set {key_environment}, or give base_url (or {URL_ENVIRONMENT}) of a "
                "server that needs none."
            )
        self.model, self.base_url, self.key_environment = model, base_url, key_environment
        self.own_key = None if api_key is None or api_key == os.environ.get(key_environment) else api_key
        self._url = url
        self._sdk = require("openai", extra="openai")
        # Retries are the run's: it journals each, and holds its limits.
        self._client: Any = self._sdk.AsyncOpenAI(
            api_key=key or NO_KEY, base_url=url, max_retries=0, default_headers=_headers(url)
        )

    def __repr__(self) -> str:
        return f"OpenAIChat({self.model!r}, base_url={self._url!r})"

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Ask, and yield the answer piece by piece; see `send`."""
        info = self.info
        body = to_wire(request, self.model, newest=self._url is None, vision=info.vision, call_ids=info.call_ids)
        return self.send(body)

    async def send(self, body: Wire, *, by: Any = None) -> AsyncIterator[ModelEvent]:
        """Send the arguments of a chat completion that streams, and yield the answer piece by piece.

        Args:
            body: The arguments.
            by: The SDK's client that sends them, where it is another than its own.

        Raises:
            ModelError: The call failed or was cut; `retryable` says whether trying again may help.
        """
        usage: Usage | None = None
        finish, name = "", ""
        try:
            stream = await (by or self._client).chat.completions.create(**body)
            async with stream:
                async for chunk in stream:
                    usage = usage_of(chunk.usage) or usage
                    name = chunk.model or name
                    finish = next((c.finish_reason for c in chunk.choices if c.finish_reason), finish)
                    for event in from_wire(chunk):
                        yield event
        except (self._sdk.OpenAIError, OSError, *_transport_errors()) as error:
            raise self._error(error) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{self.info.name} answered with something that is no chat completion: {error}", retryable=True
            ) from error
        if not finish:
            raise ModelError(f"{self.info.name} ended its answer in the middle.", retryable=True)
        yield Finished(usage, FINISHES.get(finish, "unknown"), name)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _error(self, error: Exception) -> ModelError:
        status = getattr(error, "status_code", None)
        said = _message(error).replace(self._client.api_key, "…")  # some servers repeat the key
        at = f"{self.info.name} at {self._url}" if self._url else self.info.name
        if status is None:
            return ModelError(f"{at} could not be reached, or was cut off: {said}", retryable=True)
        code = getattr(error, "code", None)
        if status in {401, 403}:
            advice = f"Check the key in {self.key_environment}."
        elif status == 404:
            advice = "Check the model's name and the base URL."
        elif getattr(error, "param", None) == "messages" and code == "array_above_max_length":
            advice = (
                "The conversation has more messages than the server takes: show the model fewer, by a model_context of "
                "its agent such as BufferedChatCompletionContext(buffer_size=…)."
            )
        elif re.search("tool call ids? .*length", said, re.IGNORECASE):  # Mistral's words, and its templates'
            advice = f"Say which ids it takes: OpenAIChat(…, call_ids={MISTRAL!r})."
        elif code == "context_length_exceeded" or "context" in said:
            advice = "The conversation may be too long for the model: shorten it."
        else:
            advice = ""
        retryable = (status in RETRYABLE or status >= 500) and code != "insufficient_quota"
        headers: Any = getattr(getattr(error, "response", None), "headers", {})
        return ModelError(
            f"{at} answered {status}: {said} {advice}".rstrip(),
            retryable=retryable,
            retry_after_s=retry_after_s(headers) if retryable else None,
        )


def _headers(url: str | None) -> dict[str, str]:
    """Return what goes with each request.

    Some servers close a connection without a word after an answer that streamed, as llama.cpp's does, and what is sent
    on it next is lost. Where there is no TLS, a connection costs little: each request has its own.
    """
    return {"Connection": "close"} if url and url.startswith("http:") else {}


# -- what goes out ----------------------------------------------------------------------------------------------------


def to_wire(
    request: ModelRequest, model: str, *, newest: bool = True, vision: bool = False, call_ids: str | None = None
) -> Wire:
    """Return the arguments of a chat completion.

    Args:
        request: What is asked.
        model: The model's name at the provider.
        newest: Name the cap as OpenAI's own models want it, not as older servers know it.
        vision: Show it images.
        call_ids: Which ids of tool calls are taken; None for any.
    """
    system = instruction(request)
    messages: list[Wire] = [{"role": "system", "content": system}] if system else []
    for block in in_order(request, call_ids=call_ids):
        messages += _messages(block, vision=vision)
    body: Wire = {
        "model": model,
        "messages": messages,
        "max_completion_tokens" if newest else "max_tokens": request.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.seed is not None:
        body["seed"] = request.seed
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": t.name, "description": t.description, "parameters": json.loads(t.parameters)},
            }
            for t in request.tools
        ]
        free = request.tool_choice in {"auto", "none", "required"}
        named = {"type": "function", "function": {"name": request.tool_choice}}
        body["tool_choice"] = request.tool_choice if free else named
    if request.output_schema is not None:
        schema = json.loads(request.output_schema)
        form = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    return body


def _messages(block: Block, *, vision: bool) -> list[Wire]:
    """Return a block's messages, made once and kept with it."""
    if vision and isinstance(block, Said) and block.parts:
        return [_with_images(block)]  # made each time: the images are there once already
    if block.wire is None:
        block.wire = {}
    kept = block.wire.get("openai")
    if kept is None:
        kept = block.wire["openai"] = list(_rendered(block))
    return kept


def _with_images(block: Said) -> Wire:
    parts: list[Wire] = []
    for part in shown(block):
        if isinstance(part, str):
            parts.append({"type": "text", "text": part})
        else:
            parts.append({"type": "image_url", "image_url": {"url": part.data_uri}})
    return {"role": "user", "content": parts}


def _rendered(block: Block) -> Iterator[Wire]:
    if isinstance(block, Said):
        # A `name` field takes only a few ASCII letters, so who speaks is said in the text.
        yield {"role": "user", "content": words(block)}
        return
    message: Wire = {"role": "assistant", "content": block.text or None if block.calls else block.text}
    if block.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in block.calls
        ]
    yield message
    for result in block.results:
        content = f"{ERROR}{result.content}" if result.is_error else result.content
        yield {"role": "tool", "tool_call_id": result.call_id, "content": content}


def is_strict(schema: Any) -> bool:
    """Whether a schema is one of those that OpenAI can hold a model to: objects closed, all properties required."""
    if isinstance(schema, list):
        return all(is_strict(part) for part in schema)  # pyright: ignore[reportUnknownVariableType]: JSON
    if not isinstance(schema, dict):
        return True
    parts: Wire = schema  # pyright: ignore[reportUnknownVariableType]: JSON
    if parts.get("type") == "object":
        properties = parts.get("properties", {})
        if parts.get("additionalProperties") is not False or set(parts.get("required", ())) != set(properties):
            return False
    return all(is_strict(part) for part in parts.values())


# -- what comes back --------------------------------------------------------------------------------------------------


def from_wire(chunk: ChatCompletionChunk) -> Iterator[ModelEvent]:
    """Yield the events of one chunk; how it ends and what it used are told apart."""
    for choice in chunk.choices:
        delta = choice.delta
        beside = delta.model_extra or {}
        # Not OpenAI's: the two names under which other servers stream what the model thinks.
        thought = beside.get("reasoning_content") or beside.get("reasoning")
        if isinstance(thought, str) and thought:
            yield ReasoningDelta(thought)
        if delta.content:
            yield TextDelta(delta.content)
        for call in delta.tool_calls or ():
            function = call.function
            name, arguments = (function.name, function.arguments) if function else (None, None)
            yield CallDelta(call.index, call.id or "", name or "", arguments or "")


def usage_of(used: CompletionUsage | None) -> Usage | None:
    """Return the tokens of a call, if the provider tells."""
    if used is None:
        return None
    prompt, completion = used.prompt_tokens_details, used.completion_tokens_details
    return Usage(
        used.prompt_tokens,
        used.completion_tokens,
        (prompt.cached_tokens or 0) if prompt else 0,
        (completion.reasoning_tokens or 0) if completion else 0,
    )


def retry_after_s(headers: Any) -> float | None:
    """Return how long a provider asks to wait: it says so in milliseconds, in seconds, or as a date."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        asked = headers.get("retry-after")
        if asked is None or asked.strip().isdigit():
            return float(asked) if asked else None
        left = parsedate_to_datetime(asked) - parsedate_to_datetime(headers["date"])  # by the provider's own clock
        return max(0.0, left.total_seconds())
    except (ValueError, TypeError, KeyError):
        return None


def _message(error: Exception) -> str:
    """Return what a provider says went wrong; what the SDK puts around it depends on its version."""
    body: Any = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else body  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]: JSON
    said = inner.get("message") if isinstance(inner, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]: JSON
    return str(said or getattr(error, "message", "") or error or type(error).__name__).rstrip(".") + "."  # pyright: ignore[reportUnknownArgumentType]: JSON


def _transport_errors() -> tuple[type[Exception], ...]:
    """Return what the SDK's HTTP client raises while a stream is read; which client it is depends on its version."""
    return tuple(sys.modules[name].HTTPError for name in ("httpx2", "httpx") if name in sys.modules)
