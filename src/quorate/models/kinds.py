"""What documents may say of models and of caches, and what each stands for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from quorate.core.config import Document, Fields, Held, Kind, Part, Registry
from quorate.core.reading import read
from quorate.core.secrets import SecretFields, SecretName, Url, check_allowed, kept_in
from quorate.core.source import plain
from quorate.errors import ConfigError
from quorate.models import registry
from quorate.models.cache import ChatCompletionCache, InMemoryStore
from quorate.models.call_ids import check_call_ids, taken_by
from quorate.models.client import ModelClient, ModelInfo
from quorate.models.disk_cache import DiskCacheStore
from quorate.models.embedded import EmbeddedModel, info_for
from quorate.models.openai import KEY_ENVIRONMENT, NO_KEY, OpenAIChat
from quorate.models.prompt import SAMPLING
from quorate.models.redis_cache import MONTH_S, URL_ENVIRONMENT, RedisStore

Count = Annotated[int, Field(gt=0)]


def _checked(name: str) -> str:
    registry.check_model(name)
    return name


ModelPart = Annotated[
    Any, Part("model", name=_checked, held=Held.of), Field(examples=["embedded", "openai:gpt-5", {"type": "openai"}])
]
"""A model, by its name or as an envelope. It is opened for each run."""
ClientPart = Annotated[Any, Part("model", name=_checked)]
"""The same, for who has to be given a client."""
StorePart = Annotated[Any, Part("cache_store")]


# -- models -----------------------------------------------------------------------------------------------------------


def _say_ids(given: str) -> str:
    check_call_ids(given)
    return given


class OpenAIFields(Fields):
    """A chat model of OpenAI, or behind a server that speaks the same."""

    model: str = Field(min_length=1, description="Its name at the provider, such as gpt-5.")
    base_url: Url | None = Field(None, description="Another server; else what OPENAI_BASE_URL has, or OpenAI's.")
    api_key: SecretName | None = Field(
        default_factory=lambda: SecretFields(env=KEY_ENVIRONMENT), description="Where the key is kept; null for none."
    )
    context_window: Count | None = Field(
        None, description="Tokens of prompt and reply together; by default what tables have of the model."
    )
    max_output: Count = Field(4096, description="The most tokens of one reply where a request does not say.")
    vision: bool | None = Field(
        None, description="Whether it is shown images; OpenAI's own models are, if nothing else is said."
    )

    call_ids: Annotated[str, AfterValidator(_say_ids)] | None = Field(
        None,
        description="Which ids of tool calls it takes: characters and how many, such as [a-zA-Z0-9]{9}; if nothing "
        "is said, what is known of the model.",
    )

    @model_validator(mode="after")
    def _key_goes_where_it_may(self, info: ValidationInfo) -> Self:
        if self.api_key is not None and self.base_url is None:
            check_allowed(self.api_key.env, info.context, KEY_ENVIRONMENT)
        elif self.api_key is not None:  # OpenAI's key is for OpenAI, not for whatever server a document names
            check_allowed(self.api_key.env, info.context, more=" Or write api_key: null for a server without keys.")
        return self


def _openai(api_key: SecretFields | None, **fields: Any) -> OpenAIChat:
    return (
        OpenAIChat(api_key=NO_KEY, **fields) if api_key is None else OpenAIChat(key_environment=api_key.env, **fields)
    )


def _of_openai(client: OpenAIChat) -> Mapping[str, Any]:
    kept = client.key_environment if client.own_key is None else client.own_key
    if client.own_key not in {None, NO_KEY}:
        kept = kept_in(kept)
    return {
        "model": client.model,
        "base_url": client.base_url,
        "api_key": None if kept == NO_KEY else {"env": kept},
        "context_window": client.info.context_window,
        "max_output": client.info.max_output,
        "vision": client.vision,
        "call_ids": client.call_ids,
    }


def _about_openai(document: Document, known: Registry) -> ModelInfo:
    window = document.get("context_window")
    vision, call_ids = document.get("vision"), document.get("call_ids")
    return ModelInfo(
        name=f"openai:{document['model']}",
        context_window=window,
        max_output=document.get("max_output", 4096),
        vision=document.get("base_url") is None if vision is None else vision,
        call_ids=taken_by(document["model"], document.get("base_url")) if call_ids is None else call_ids,
    )


class EmbeddedFields(Fields):
    """A model in this process: a GGUF file, or the small one that comes with Quorate."""

    path: str | None = Field(None, description="The file; else what QUORATE_EMBEDDED_MODEL has, or the small model.")
    context_window: Count = Field(8192, description="Tokens of prompt and reply together.")


def _of_embedded(client: EmbeddedModel) -> Mapping[str, Any]:
    if client.sampling != SAMPLING:
        raise ConfigError("An embedded model with a sampling of its own cannot be written as a document yet.")
    return {"path": client.path, "context_window": client.info.context_window}


def _about_embedded(document: Document, known: Registry) -> ModelInfo:
    return info_for(document.get("path"), document.get("context_window", 8192))


class CacheFields(Fields):
    """A model that is asked only what it was not asked before."""

    client: ClientPart = Field(description="The model.")
    store: StorePart | None = Field(None, description="Where its answers are kept; in memory if left out.")


def _cache(client: ModelClient | str, store: Any) -> ChatCompletionCache:
    return ChatCompletionCache(registry.open_model(client) if isinstance(client, str) else client, store)


def _about_cache(document: Document, known: Registry) -> ModelInfo:
    client = document["client"]
    return registry.info_of(client) if isinstance(client, str) else about(Held.of(client, known))


MODELS = (
    Kind("openai", "model", OpenAIChat, OpenAIFields, make=_openai, values=_of_openai, about=_about_openai),
    Kind("embedded", "model", EmbeddedModel, EmbeddedFields, values=_of_embedded, about=_about_embedded),
    Kind("chat_completion_cache", "model", ChatCompletionCache, CacheFields, make=_cache, about=_about_cache),
)

# -- cache stores -----------------------------------------------------------------------------------------------------


class InMemoryFields(Fields):
    """Keeps answers in the process; what was not used for longest goes first."""

    max_entries: Count = Field(10_000, description="How many.")


class DiskFields(Fields):
    """Keeps answers in an SQLite file; what was not used for longest goes first."""

    path: str = Field(min_length=1, description="The file.")
    max_bytes: int = Field(1_000_000_000, ge=100_000, description="About how large it may become.")


def _allowed(name: str, info: ValidationInfo) -> str:
    check_allowed(name, info.context, URL_ENVIRONMENT)
    return name


class RedisFields(Fields):
    """Keeps answers on a Redis server."""

    url: Url | None = Field(None, description="The server, without a password; else what `url_environment` names.")
    url_environment: Annotated[str, AfterValidator(_allowed)] = Field(
        URL_ENVIRONMENT, min_length=1, description="The environment variable with the URL."
    )
    prefix: str = Field("quorate:", description="What the keys begin with.")
    expires_s: Count = Field(MONTH_S, description="After so many seconds an answer is forgotten.")
    timeout_s: float = Field(5.0, gt=0, description="How long the server may take to answer.")


def _of_disk(store: DiskCacheStore) -> Mapping[str, Any]:
    return {"path": str(store.path), "max_bytes": store.max_bytes}


CACHES = (
    Kind("memory_cache", "cache_store", InMemoryStore, InMemoryFields),
    Kind("disk_cache", "cache_store", DiskCacheStore, DiskFields, values=_of_disk),
    Kind("redis_cache", "cache_store", RedisStore, RedisFields),
)

# -- definitions of models --------------------------------------------------------------------------------------------


def opened(held: Held) -> ModelClient:
    """Return a new client for a definition.

    Raises:
        ConfigError: What it needs is not there, such as its key.
    """
    return read(held.registry, plain(held.document, "the model's document"), "model")[0]


def missing_key(held: Held) -> str:
    """Return the environment variable that a model's key would be read from and that is not set; empty if none is."""
    document = held.document
    if document["type"] == "chat_completion_cache":
        client = document["client"]
        return registry.missing_key(client if isinstance(client, str) else Held.of(client, held.registry))
    if document["type"] != "openai" or document.get("api_key") is None:
        return ""
    environment: str = document["api_key"]["env"]
    return environment if not os.environ.get(environment) else ""


def about(held: Held) -> ModelInfo:
    """Return what is known about a model without opening it."""
    find = held.kind.about
    if find is None:
        return ModelInfo(name=f"{held.kind.id}:{held.document.get('model', '')}")
    return find(held.document, held.registry)
