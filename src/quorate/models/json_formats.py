"""Texts of JSON schemas: the Python type of each format, and the checks of those that have none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    UUID1,
    UUID3,
    UUID4,
    UUID5,
    AfterValidator,
    AnyUrl,
    BeforeValidator,
    Field,
    Json,
    SecretStr,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic_core import SchemaError

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"^(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*$"
_EMAIL = rf"^[^@\s\x00-\x1f]{{1,64}}@{_LABEL}(?:\.{_LABEL})+$"


def _held(pattern: str, what: str) -> Any:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.search(text) is None:
            raise ValueError(f"this is no {what}")
        return text

    return Annotated[str, AfterValidator(check), WithJsonSchema({"type": "string", "format": what})]


FORMATS: Mapping[str, Any] = {
    "binary": bytes,
    "byte": bytes,
    "date": date,
    "date-time": datetime,
    "decimal": Decimal,
    "duration": timedelta,
    "email": _held(_EMAIL, "email"),
    "hostname": _held(_HOST, "hostname"),
    "ipv4": IPv4Address,
    "ipv4-network": IPv4Network,
    "ipv4network": IPv4Network,
    "ipv6": IPv6Address,
    "ipv6-network": IPv6Network,
    "ipv6network": IPv6Network,
    "json": Json[Any],
    "json-string": Json[Any],
    "password": SecretStr,
    "path": Path,
    "file-path": Path,
    "directory-path": Path,
    "time": time,
    "uri": AnyUrl,
    "uuid": UUID,
    "uuid1": UUID1,
    "uuid3": UUID3,
    "uuid4": UUID4,
    "uuid5": UUID5,
}


def text_of(schema: Mapping[str, Any], kind: Any) -> Any:
    """Return the type of a text with the length and the pattern that a schema asks for.

    Raises:
        ValueError: The pattern is none.
    """
    least, most, pattern = schema.get("minLength"), schema.get("maxLength"), schema.get("pattern")
    if least is None and most is None and pattern is None:
        return kind
    if kind is str and (pattern is None or _is_plain(pattern)):
        return Annotated[str, Field(min_length=least, max_length=most, pattern=pattern)]
    return Annotated[kind, BeforeValidator(_checking(least or 0, most, pattern)), WithJsonSchema(dict(schema))]


def _is_plain(pattern: str) -> bool:
    """Return whether pydantic's own engine, which takes linear time, knows a pattern; it has no look-around."""
    try:
        TypeAdapter(Annotated[str, Field(pattern=pattern)])
    except SchemaError:
        return False
    return True


def _checking(least: int, most: int | None, pattern: str | None) -> Callable[[Any], Any]:
    try:
        compiled = None if pattern is None else re.compile(pattern)
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r} is none: {error}") from error

    def check(text: Any) -> Any:
        if isinstance(text, str):
            if len(text) < least or (most is not None and len(text) > most):
                raise ValueError(
                    f"a text of {least} to {'any number of' if most is None else most} characters goes here"
                )
            if compiled is not None and compiled.search(text) is None:
                raise ValueError(f"it does not match {pattern!r}")
        return text

    return check
