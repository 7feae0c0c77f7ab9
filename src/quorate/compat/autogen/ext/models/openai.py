"""OpenAI's models under AutoGen's name, on Quorate's client, which asks them with the official SDK."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, SecretStr

from quorate.compat.autogen.clients import QuorateChatCompletionClient
from quorate.compat.autogen.components import Component
from quorate.compat.autogen.core.models import CreateResult, LLMMessage, ModelFamily, ModelInfo, validate_model_info
from quorate.core.cancellation import CancellationToken
from quorate.errors import ConfigError
from quorate.models.openai import OpenAIChat

__all__ = ["OpenAIChatCompletionClient", "OpenAIClientConfigurationConfigModel"]

ASKED = ("max_tokens", "seed", "temperature")
"""What goes into each request."""
KNOWN: dict[str, tuple[str, str, int]] = {
    "gpt-5": (ModelFamily.GPT_5, "fjsm", 400_000),
    "gpt-4.1": (ModelFamily.GPT_41, "fjsm", 1_047_576),
    "gpt-4.5": (ModelFamily.GPT_45, "fjsm", 128_000),
    "gpt-4o": (ModelFamily.GPT_4O, "fjsm", 128_000),
    "gpt-4": (ModelFamily.GPT_4, "fjm", 8_192),
    "gpt-3.5": (ModelFamily.GPT_35, "fjm", 16_385),
    "o4": (ModelFamily.O4, "fjsm", 200_000),
    "o3": (ModelFamily.O3, "fjsm", 200_000),
    "o1": (ModelFamily.O1, "fsm", 200_000),
}
"""Families by the beginning of a model's name: capabilities (functions, JSON, structured output, many instructions) and
window. Images are not among them: Quorate's client is given text."""


class OpenAIClientConfigurationConfigModel(BaseModel):
    """An `OpenAIChatCompletionClient` as configuration."""

    model_config = ConfigDict(extra="forbid")

    model: str
    api_key: SecretStr | None = None
    base_url: str | None = None
    model_info: ModelInfo | None = None
    max_tokens: int | None = None
    seed: int | None = None
    temperature: float | None = None


class OpenAIChatCompletionClient(QuorateChatCompletionClient, Component[OpenAIClientConfigurationConfigModel]):
    """Answers with one of OpenAI's models, or of a server that speaks the same.

    Args:
        options: `model`, which is required, `api_key`, `base_url`, `model_info`, `max_tokens`, `seed`, `temperature`.

    Raises:
        ConfigError: The model is not known and `model_info` is missing, or an option is none of these.
        MissingExtra: `quorate[openai]` is not installed.
    """

    component_type: ClassVar[str] = "model"
    component_provider_override: ClassVar[str | None] = "autogen_ext.models.openai.OpenAIChatCompletionClient"
    component_config_schema: ClassVar[type[Any]] = OpenAIClientConfigurationConfigModel

    def __init__(self, **options: Any) -> None:
        unknown = sorted(set(options) - set(OpenAIClientConfigurationConfigModel.model_fields))
        if unknown:
            raise ConfigError(
                f"OpenAIChatCompletionClient: {', '.join(unknown)} is not taken here. There are: "
                f"{', '.join(OpenAIClientConfigurationConfigModel.model_fields)}."
            )
        if "model" not in options:
            raise ConfigError("OpenAIChatCompletionClient needs model=…, such as 'gpt-5'.")
        given = OpenAIClientConfigurationConfigModel.model_validate(options)
        info = given.model_info or _info(given.model)
        if info is None:
            raise ConfigError(f"The model {given.model!r} is not known. Say what it can do: model_info=ModelInfo(…).")
        validate_model_info(info)
        key = given.api_key.get_secret_value() if given.api_key is not None else None
        window = next((window for start, (_, _, window) in KNOWN.items() if given.model.startswith(start)), None)
        client = OpenAIChat(given.model, base_url=given.base_url, api_key=key, context_window=window)
        super().__init__(client, model_info=info)
        self._given = given
        self._asked = {name: value for name in ASKED if (value := getattr(given, name)) is not None}

    def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Any] = [],
        tool_choice: Any = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Ask, and yield the text of the answer piece by piece, then the whole."""
        return super().create_stream(
            messages,
            tools=tools,
            tool_choice=tool_choice,
            json_output=json_output,
            extra_create_args={**self._asked, **extra_create_args},
            cancellation_token=cancellation_token,
        )

    def _to_config(self) -> OpenAIClientConfigurationConfigModel:
        if self._given.api_key is not None and not os.environ.get("OPENAI_API_KEY"):
            raise ConfigError("A configuration holds no key. Set OPENAI_API_KEY instead of api_key=….")
        return self._given.model_copy(update={"api_key": None})

    @classmethod
    def _from_config(cls, config: OpenAIClientConfigurationConfigModel) -> Self:
        return cls(**{name: getattr(config, name) for name in config.model_fields_set})


def _info(model: str) -> ModelInfo | None:
    found = next((known for start, known in KNOWN.items() if model.startswith(start)), None)
    if found is None:
        return None
    family, can, _ = found
    return ModelInfo(
        vision=False,
        function_calling="f" in can,
        json_output="j" in can,
        family=family,
        structured_output="s" in can,
        multiple_system_messages="m" in can,
    )
