"""OpenAI's models under AutoGen's name, on Quorate's client, which asks them with the official SDK."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, SecretStr

from quorate.compat.autogen.clients import QuorateChatCompletionClient
from quorate.compat.autogen.components import Component
from quorate.compat.autogen.core.logging import LLMCallEvent
from quorate.compat.autogen.core.models import (
    CreateResult,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    UserMessage,
    validate_model_info,
)
from quorate.compat.autogen.names import EVENT_LOGGER_NAME
from quorate.compat.autogen.wire import choice_of, format_of, messages_of, tools_of
from quorate.core.cancellation import CancellationToken
from quorate.core.extras import require
from quorate.errors import ConfigError
from quorate.models.call_ids import taken_by
from quorate.models.client import ModelEvent
from quorate.models.openai import OpenAIChat
from quorate.runs.scope import scope_here

__all__ = ["OpenAIChatCompletionClient", "OpenAIClientConfigurationConfigModel"]

events = logging.getLogger(EVENT_LOGGER_NAME)

NOT_ASKED = frozenset({"stream", "messages", "function_call", "functions", "n"})
"""What AutoGen does not let anybody ask for."""
ITSELF = frozenset(
    {
        "model", "api_key", "base_url", "organization", "timeout", "max_retries", "default_headers", "model_info",
        "model_capabilities", "add_name_prefixes", "include_name_in_message",
    }
)  # fmt: skip
"""Options of the client; the others go into each request."""


class Known(NamedTuple):
    """A family of models.

    Args:
        family: Its name.
        can: What it can do: be shown images, call functions, write JSON, be held to a schema, take many instructions.
        window: Tokens of prompt and reply together.
        most: The most tokens of one reply.
    """

    family: str
    can: str
    window: int
    most: int


SDKS = 2
"""How often OpenAI's library tries again, unless it is told otherwise."""
KNOWN: dict[str, Known] = {
    "gpt-5": Known(ModelFamily.GPT_5, "vfjsm", 400_000, 128_000),
    "gpt-4.1": Known(ModelFamily.GPT_41, "vfjsm", 1_047_576, 32_768),
    "gpt-4.5": Known(ModelFamily.GPT_45, "vfjsm", 128_000, 16_384),
    "gpt-4o-search": Known(ModelFamily.GPT_4O, "fjsm", 128_000, 16_384),
    "gpt-4o-mini-search": Known(ModelFamily.GPT_4O, "fjsm", 128_000, 16_384),
    "gpt-4o-2024-05-13": Known(ModelFamily.GPT_4O, "vfjm", 128_000, 4_096),
    "gpt-4o": Known(ModelFamily.GPT_4O, "vfjsm", 128_000, 16_384),
    "gpt-4-turbo-preview": Known(ModelFamily.GPT_4, "fjm", 128_000, 4_096),
    "gpt-4-turbo": Known(ModelFamily.GPT_4, "vfjm", 128_000, 4_096),
    "gpt-4-32k": Known(ModelFamily.GPT_4, "fjm", 32_768, 4_096),
    "gpt-4": Known(ModelFamily.GPT_4, "fjm", 8_192, 4_096),
    "gpt-3.5": Known(ModelFamily.GPT_35, "fjm", 16_385, 4_096),
    "o4": Known(ModelFamily.O4, "vfjsm", 200_000, 100_000),
    "o3-mini": Known(ModelFamily.O3, "fjsm", 200_000, 100_000),
    "o3": Known(ModelFamily.O3, "vfjsm", 200_000, 100_000),
    "o1-mini": Known(ModelFamily.O1, "m", 128_000, 65_536),
    "o1-preview": Known(ModelFamily.O1, "fsm", 128_000, 32_768),
    "o1": Known(ModelFamily.O1, "fsm", 200_000, 100_000),
}
"""Models by the beginning of their names, the longer ones first."""


class OpenAIClientConfigurationConfigModel(BaseModel):
    """An `OpenAIChatCompletionClient` as configuration."""

    model_config = ConfigDict(extra="allow")

    frequency_penalty: float | None = None
    logit_bias: dict[str, int] | None = None
    max_tokens: int | None = None
    n: int | None = None
    presence_penalty: float | None = None
    response_format: Any = None
    seed: int | None = None
    stop: str | list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    user: str | None = None
    stream_options: dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["minimal", "low", "medium", "high"] | None = None
    model: str
    api_key: SecretStr | None = None
    timeout: float | None = None
    max_retries: int | None = None
    model_capabilities: Any = None
    model_info: ModelInfo | None = None
    add_name_prefixes: bool | None = None
    include_name_in_message: bool | None = None
    default_headers: dict[str, str] | None = None
    organization: str | None = None
    base_url: str | None = None


class OpenAIChatCompletionClient(QuorateChatCompletionClient, Component[OpenAIClientConfigurationConfigModel]):
    """Answers with one of OpenAI's models, or of a server that speaks the same.

    Args:
        options: `model`, which is required. `api_key`, by default `OPENAI_API_KEY`; `base_url`, `organization`,
            `default_headers`, `timeout` in seconds, `max_retries`, which Quorate's runs make. `model_info`, which is
            required of models that are not known. `include_name_in_message` and `add_name_prefixes` tell who has said
            something, in a field or in the text. All others are arguments of a chat completion: `temperature`, `seed`,
            `max_tokens`, `top_p`, `stop`, `parallel_tool_calls`, `reasoning_effort`, `extra_body` and so on.

    Raises:
        ConfigError: The model is not known and `model_info` is missing, or an option is none of these.
        MissingExtra: `quorate[openai]` is not installed.
    """

    component_type: ClassVar[str] = "model"
    component_provider_override: ClassVar[str | None] = "autogen_ext.models.openai.OpenAIChatCompletionClient"
    component_config_schema: ClassVar[type[Any]] = OpenAIClientConfigurationConfigModel

    def __init__(self, **options: Any) -> None:
        if "model" not in options:
            raise ConfigError("OpenAIChatCompletionClient needs model=…, such as 'gpt-5'.")
        _check(set(options) - ITSELF, "OpenAIChatCompletionClient")
        if "model_info" in options and "model_capabilities" in options:
            raise ConfigError("model_capabilities is the old name of model_info: give one of them.")
        given = OpenAIClientConfigurationConfigModel.model_validate(options)
        known = next((known for start, known in KNOWN.items() if given.model.startswith(start)), None)
        info: ModelInfo | None = (
            given.model_info or given.model_capabilities or (None if known is None else _info(known))
        )
        if info is None:
            raise ConfigError(f"The model {given.model!r} is not known. Say what it can do: model_info=ModelInfo(…).")
        if given.model_capabilities is None:
            validate_model_info(info)
        chat = _Chat(given, known, info)
        super().__init__(chat, model_info=info)
        self._given, self._chat = given, chat
        self._asked_always = {
            name: value for name, value in options.items() if name not in ITSELF and value is not None
        }

    def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Any] = [],
        tool_choice: Any = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
        max_consecutive_empty_chunk_tolerance: int = 0,
        include_usage: bool | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Ask, and yield the text of the answer piece by piece, then the whole, which always has its usage."""
        return super().create_stream(
            messages,
            tools=tools,
            tool_choice=tool_choice,
            json_output=json_output,
            extra_create_args=extra_create_args,
            cancellation_token=cancellation_token,
        )

    def _stream(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Any],
        tool_choice: Any,
        json_output: bool | type[BaseModel] | None,
        extra: Mapping[str, Any],
    ) -> AsyncIterator[ModelEvent]:
        body = self._body(messages, tools, tool_choice, json_output, extra)
        return self._chat.send(body) if scope_here() is not None else self._chat.send_by_hand(body)

    def _body(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Any],
        tool_choice: Any,
        json_output: bool | type[BaseModel] | None,
        extra: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the arguments of a chat completion.

        Raises:
            ConfigError: The model cannot do what is asked for, or an argument is none.
        """
        _check(set(extra), "extra_create_args")
        asked = {**self._asked_always, **extra}
        self._check_able(messages, tools, json_output)
        if json_output is not None:
            asked["response_format"] = (
                format_of(json_output) if isinstance(json_output, type) else _FORMATS[bool(json_output)]
            )
        elif isinstance(asked.get("response_format"), type):
            asked["response_format"] = format_of(asked["response_format"])
        offered = tools_of(tools)
        if offered:
            asked |= {"tools": offered, "tool_choice": choice_of(tool_choice, offered)}
        elif not isinstance(tool_choice, str):
            raise ConfigError("tool_choice names a tool, and there are no tools.")
        if "max_tokens" not in asked and "max_completion_tokens" not in asked:
            asked[self._chat.cap] = self._chat.info.max_output
        given = self._given
        sent = messages_of(
            messages,
            names=given.include_name_in_message is not False,
            prefixes=bool(given.add_name_prefixes),
            many=bool(self.model_info.get("multiple_system_messages")),
            call_ids=self._chat.info.call_ids,
        )
        usage = {"stream_options": {"include_usage": True}}
        return {"model": given.model, "messages": sent, **asked, "stream": True, **usage}

    def _check_able(self, messages: Sequence[LLMMessage], tools: Sequence[Any], json_output: Any) -> None:
        info = self.model_info
        shown = any(isinstance(m, UserMessage) and not isinstance(m.content, str) and _images(m) for m in messages)
        for wanted, able, what in (
            (shown, "vision", "vision, and a message has an image"),
            (tools, "function_calling", "function calling"),
            (json_output is True, "json_output", "JSON output"),
            (isinstance(json_output, type), "structured_output", "structured output"),
        ):
            if wanted and not info.get(able):
                raise ConfigError(f"The model {self._given.model} does not support {what}: its model_info says so.")

    def _answered(self, messages: Sequence[LLMMessage], tools: Sequence[Any], result: CreateResult) -> None:
        if events.isEnabledFor(logging.INFO):
            events.info(
                LLMCallEvent(
                    messages=[message.model_dump(mode="json") for message in messages],
                    response=result.model_dump(mode="json"),
                    prompt_tokens=result.usage.prompt_tokens,
                    completion_tokens=result.usage.completion_tokens,
                    tools=tools_of(tools),
                )
            )

    def _to_config(self) -> OpenAIClientConfigurationConfigModel:
        """Return the options without the key: who loads them has it in `OPENAI_API_KEY`."""
        return self._given.model_copy(update={"api_key": None})

    @classmethod
    def _from_config(cls, config: OpenAIClientConfigurationConfigModel) -> Self:
        given = {name: getattr(config, name) for name in {*type(config).model_fields, *(config.model_extra or {})}}
        return cls(**{name: value for name, value in given.items() if value is not None})


class _Chat(OpenAIChat):
    """Quorate's client with the options of an AutoGen's."""

    def __init__(self, given: OpenAIClientConfigurationConfigModel, known: Known | None, able: ModelInfo) -> None:
        key = None if given.api_key is None else given.api_key.get_secret_value()
        super().__init__(
            given.model,
            base_url=given.base_url,
            api_key=key,
            vision=bool(able.get("vision")),
            call_ids=taken_by(str(able.get("family", ""))),
        )
        if known is not None:
            self.info = dataclasses.replace(self.info, context_window=known.window, max_output=known.most)
        if given.max_tokens is not None:
            self.info = dataclasses.replace(self.info, max_output=given.max_tokens)
        if given.max_retries is not None:  # the run makes them
            self.info = dataclasses.replace(self.info, attempts=given.max_retries + 1)
        if given.timeout is not None:
            self.info = dataclasses.replace(self.info, timeout_s=given.timeout)
        options = {
            name: value
            for name in ("organization", "default_headers", "timeout")
            if (value := getattr(given, name)) is not None
        }
        if options:
            self._client = self._client.with_options(**options)
        self._by_hand = self._client.with_options(max_retries=SDKS if given.max_retries is None else given.max_retries)
        own = given.base_url is None and not os.environ.get("OPENAI_BASE_URL")
        self.cap = "max_completion_tokens" if own else "max_tokens"
        """How the most tokens of a reply are called there."""

    def send_by_hand(self, body: dict[str, Any]) -> AsyncIterator[ModelEvent]:
        """Send as `send` does where no run tries again: the SDK does."""
        return self.send(body, by=self._by_hand)


_FORMATS = {True: {"type": "json_object"}, False: {"type": "text"}}


def _check(names: set[str], where: str) -> None:
    """Refuse arguments of a chat completion that are none, or that are not to be chosen."""
    require("openai", extra="openai")
    from openai.types.chat.completion_create_params import CompletionCreateParamsBase

    unknown = names - {*CompletionCreateParamsBase.__annotations__, "extra_body", "timeout"}
    if unknown:
        raise ConfigError(f"{where}: {', '.join(sorted(unknown))} is neither an option nor an argument of OpenAI's.")
    if names & NOT_ASKED:
        raise ConfigError(f"{where}: {', '.join(sorted(names & NOT_ASKED))} cannot be chosen.")


def _images(message: UserMessage) -> bool:
    return any(not isinstance(part, str) for part in message.content)


def _info(known: Known) -> ModelInfo:
    return ModelInfo(
        vision="v" in known.can,
        function_calling="f" in known.can,
        json_output="j" in known.can,
        family=known.family,
        structured_output="s" in known.can,
        multiple_system_messages="m" in known.can,
    )
