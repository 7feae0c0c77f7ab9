"""Contents as text, and messages without images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pydantic import BaseModel

from quorate.compat.autogen.core.models import LLMMessage, UserMessage
from quorate.compat.autogen.values import FunctionCall, Image

__all__ = ["content_to_str", "remove_images"]


def content_to_str(content: Any) -> str:
    """Return a content as text: parts as lines, an image as `<image>`, a model as JSON."""
    if isinstance(content, str):
        return content
    if isinstance(content, BaseModel):
        return content.model_dump_json()
    lines: list[str] = []
    for part in cast("Sequence[Any]", content):
        if isinstance(part, Image):
            lines.append("<image>")
        elif isinstance(part, str | FunctionCall):
            lines.append(str(part))
        else:
            lines.append(str(part))
    return "\n".join(lines)


def remove_images(messages: list[LLMMessage]) -> list[LLMMessage]:
    """Return messages with `<image>` in the place of images."""
    return [
        UserMessage(content=content_to_str(message.content), source=message.source)
        if isinstance(message, UserMessage) and isinstance(message.content, list)
        else message
        for message in messages
    ]
