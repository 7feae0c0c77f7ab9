"""Models by name: a closed table of short ids. Nothing here imports a provider's SDK before a model is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from quorate.errors import ConfigError
from quorate.models.client import ModelClient, ModelInfo


def _embedded(model: str) -> ModelClient:
    from quorate.models.embedded import EmbeddedModel

    return EmbeddedModel(model or None)


def _openai(model: str) -> ModelClient:
    from quorate.models.openai import OpenAIChat

    return OpenAIChat(model)


_PROVIDERS: dict[str, Callable[[str], ModelClient]] = {"embedded": _embedded, "openai": _openai}
_EXAMPLES = "'embedded', 'embedded:/path/to/model.gguf', 'openai:gpt-5'"


def _kinds() -> Any:
    from quorate.models import kinds  # pydantic comes with it

    return kinds


def check_model(spec: str) -> tuple[str, str]:
    """Return provider and model of a name such as `openai:gpt-5`.

    Raises:
        ConfigError: There is no such provider, or the model is missing.
    """
    if type(spec) is not str:  # a definition, which was checked when it was read
        return "", ""
    provider, _, model = spec.partition(":")
    if provider not in _PROVIDERS:
        raise ConfigError(f"There is no model {spec!r}. Name one, such as {_EXAMPLES}, or give a client.")
    if not model and provider != "embedded":
        raise ConfigError(f"{spec!r} names no model. Write it like {_EXAMPLES}.")
    return provider, model


def check_client(given: ModelClient | str) -> None:
    """Refuse what is neither a client nor the name of a model.

    Raises:
        ConfigError: It is not; says what is.
    """
    if isinstance(given, str):
        check_model(given)
    elif not callable(getattr(given, "stream", None)):
        raise ConfigError(f"{given!r} is no model client. Name a model, such as {_EXAMPLES}, or give a client.")


def open_model(spec: str) -> ModelClient:
    """Return a new client for a name; whoever opens it closes it.

    Raises:
        ConfigError: The name is wrong, or what it needs is not there.
    """
    if type(spec) is not str:
        return _kinds().opened(spec)
    provider, model = check_model(spec)
    return _PROVIDERS[provider](model)


def missing_key(spec: str) -> str:
    """Return the environment variable that a model's key would be read from and that is not set; empty if none is."""
    if type(spec) is not str:
        return _kinds().missing_key(spec)
    provider, _ = check_model(spec)
    if provider != "openai":
        return ""
    from quorate.models import openai

    return openai.missing_key()


def info_of(spec: str) -> ModelInfo:
    """Return what a price can be looked up by, without opening the model."""
    if type(spec) is not str:
        return _kinds().about(spec)
    provider, model = check_model(spec)
    if provider == "embedded":
        from quorate.models import embedded

        return replace(embedded.info_for(model or None), name=spec)
    return ModelInfo(name=spec)
