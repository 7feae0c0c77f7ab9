"""JSON out of what a model wrote, as strict as AutoGen is about fences."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from quorate.errors import ConfigError
from quorate.models.json_schema import schema_to_pydantic_model

__all__ = ["extract_json_from_str", "schema_to_pydantic_model"]

_FENCED = re.compile(r"```[ \t]*(\w*)\s*\n(.*?)\n?\s*```", re.DOTALL)


def extract_json_from_str(content: str) -> list[dict[str, Any]]:
    """Return the JSON of every fenced block of a text; of one without fences, the whole text's.

    `quorate.models.extract` is for models that put words around it.

    Raises:
        ValueError: It is no JSON, or a block is in another language.
    """
    if "```" not in content:
        return [_read(content)]
    found: list[tuple[str, str]] = _FENCED.findall(content)
    for language, _ in found:
        if language.lower() not in {"", "json"}:
            raise ConfigError(f"Expected JSON, and found a block of {language}.")
    return [_read(text) for text in ([text for _, text in found] or [content])]


def _read(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, msgspec.DecodeError):  # which is a ValueError in newer versions only
        return json.loads(text)  # which takes a little more, and says better what is wrong
