"""Secrets in documents: a document names where one is kept, and never holds it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from quorate.core.config import Document, Fields, Form
from quorate.errors import ConfigError

NAMED = re.compile(
    r"^(?!max_)(?:.*_)?(?:api_?key|access_?key|token|secret|passw(?:or)?d|credential|authorization)s?$", re.IGNORECASE
)
"""Names of parameters whose text is a secret."""
IN_ENVIRONMENT = re.compile(rf"{NAMED.pattern}|_KEY$", re.IGNORECASE)
"""Names of environment variables that hold one."""
SHORTEST = 8
"""What an environment variable holds that is shorter may stand in a text by chance."""


class SecretFields(Fields):
    """Where a secret is kept."""

    env: str = Field(min_length=1, description="The environment variable that holds it.")


class _SecretForm(Form):
    def build(self, value: SecretFields, context: Any) -> str:
        found = os.environ.get(value.env)
        if not found:
            raise ConfigError(f"The environment variable {value.env} is not set. Put the secret there.")
        return found

    def dump(self, value: str) -> dict[str, str]:
        """Return the name of the environment variable that holds the same."""
        name = next((name for name, text in os.environ.items() if text == value and IN_ENVIRONMENT.search(name)), None)
        if name is None:
            raise ConfigError(
                "A secret never stands in a document, and no environment variable holds this one. Put it into one, "
                "such as MY_API_KEY; the document then has {env: MY_API_KEY}."
            )
        return {"env": name}


def check_allowed(name: str, context: Any, *always: str, more: str = "") -> None:
    """Make sure that who runs a document lets it use an environment variable: it may send what is in there anywhere.

    Args:
        name: Of the variable.
        context: What the document is read with; its `secrets` are those that are allowed. None for a document that was
            checked before.
        always: Those that need no leave.
        more: What else to do, for the error.

    Raises:
        ConfigError: It is not allowed.
    """
    if context is not None and name not in always and name not in getattr(context, "secrets", ()):
        raise ConfigError(
            f'This document may not use the environment variable {name}. Who runs it allows that: secrets = ["{name}"] '
            f'under [quorate] in quorate.toml, or in Python load_team(…, secrets=["{name}"]).{more}'
        )


def _allowed(value: SecretFields, info: ValidationInfo) -> SecretFields:
    check_allowed(value.env, info.context)
    return value


def _not_itself(value: Any) -> Any:
    if isinstance(value, str):  # nothing of it is repeated: the message may end up in a log
        raise ConfigError(
            "A secret never stands in a document. Put it into an environment variable, and its name here: "
            "{env: MY_API_KEY}."
        )
    return value


def kept_in(secret: str) -> str:
    """Return the name of the environment variable that holds a secret.

    Raises:
        ConfigError: None does.
    """
    return _SecretForm().dump(secret)["env"]


SecretName = Annotated[SecretFields, BeforeValidator(_not_itself)]
"""A field that says where a secret is kept; the object is given that. Its type checks whether it is allowed."""
Secret = Annotated[SecretFields, BeforeValidator(_not_itself), AfterValidator(_allowed), _SecretForm()]
"""A field that says where a secret is kept; the object is given the secret itself."""


def without_password(url: str) -> str:
    """Return a URL.

    Raises:
        ConfigError: It holds a password; says so without it.
    """
    if _has_password(url):
        raise ConfigError("This URL holds a password, which is a secret. Keep the URL in an environment variable.")
    return url


Url = Annotated[str, AfterValidator(without_password)]
"""A field with a URL, which may not hold a password."""


def check_no_secret(document: Document) -> None:
    """Make sure that a document may be shown to anybody: the last look at what is dumped.

    Raises:
        ConfigError: A text in it holds a password in a URL, or what a secret of the environment is; names the field.
    """
    secrets = {text: name for name, text in os.environ.items() if len(text) >= SHORTEST and IN_ENVIRONMENT.search(name)}
    for field, text in _texts(document, ""):
        if any(_has_password(word) for word in text.split()):
            raise ConfigError(f"{field} holds a URL with a password. Keep it in an environment variable.")
        name = next((name for secret, name in secrets.items() if secret in text), None)
        if name is not None:
            raise ConfigError(f"{field} holds the secret that {name} has. Take it out: a document never holds one.")


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, inner in value.items():  # pyright: ignore[reportUnknownVariableType]: it is JSON
            yield from _texts(inner, f"{where}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for i, inner in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]: it is JSON
            yield from _texts(inner, f"{where}[{i}]")


def _has_password(text: str) -> bool:
    if "://" not in text:
        return False
    try:
        return bool(urlsplit(text).password)
    except ValueError:
        return False
