"""What is remembered, and what a memory is: any object that finds what matters."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from enum import Enum
from typing import Any, Protocol, cast

from pydantic import BaseModel, ConfigDict, Field, field_serializer, model_validator

from quorate.models.image import Image


class MemoryMimeType(Enum):
    """The kinds of content that have a name."""

    TEXT = "text/plain"
    JSON = "application/json"
    MARKDOWN = "text/markdown"
    IMAGE = "image/*"
    BINARY = "application/octet-stream"


class MemoryContent(BaseModel):
    """One thing that is remembered.

    `metadata` is for whoever keeps it, such as where it comes from and how well it fits; models are not told it.
    """

    model_config = ConfigDict(extra="forbid", ser_json_bytes="base64")

    content: str | bytes | dict[str, Any] | Image = Field(description="What is remembered.")
    mime_type: MemoryMimeType | str = Field(default=MemoryMimeType.TEXT, description="What kind of content it is.")
    metadata: dict[str, Any] | None = Field(default=None, description="What else is known of it.")

    @model_validator(mode="before")
    @classmethod
    def _from_json(cls, data: Any) -> Any:
        """Read images and bytes back, which JSON does not have."""
        if not isinstance(data, dict):
            return data
        found: dict[str, Any] = cast("dict[str, Any]", data)
        content, kind = found.get("content"), str(found.get("mime_type", ""))
        if kind.startswith("image/") and isinstance(content, dict):
            return found | {"content": Image.from_base64(str(cast("dict[str, Any]", content).get("data", "")))}
        if kind == MemoryMimeType.BINARY.value and isinstance(content, str):
            try:
                return found | {"content": base64.b64decode(content, altchars=b"-_", validate=True)}
            except binascii.Error:
                return found
        return found

    @field_serializer("mime_type")
    def serialize_mime_type(self, mime_type: MemoryMimeType | str) -> str:
        """Return the kind of content as text."""
        return mime_type.value if isinstance(mime_type, MemoryMimeType) else mime_type

    def to_text(self) -> str:
        """Return the content as a model reads it."""
        if isinstance(self.content, str):
            return self.content
        if isinstance(self.content, dict):
            return json.dumps(self.content, ensure_ascii=False)
        return "[image]" if isinstance(self.content, Image) else f"[{len(self.content)} bytes]"


class MemoryQueryResult(BaseModel):
    """What a memory has found, what matters most first."""

    results: list[MemoryContent] = Field(default_factory=list[MemoryContent])


class Memory(Protocol):
    """Keeps contents, and finds those that matter. Any object with this shape will do."""

    @property
    def name(self) -> str: ...

    async def query(self, query: str) -> MemoryQueryResult:
        """Return what an agent should know that is about to answer `query`."""
        ...

    async def add(self, content: MemoryContent) -> None:
        """Keep a content."""
        ...

    async def clear(self) -> None:
        """Forget everything."""
        ...

    async def close(self) -> None:
        """Give back what is held. May be called twice."""
        ...


def listed(found: Sequence[MemoryContent]) -> str:
    """Return contents as a model reads them, numbered from 1."""
    return "\n".join(f"{number}. {content.to_text()}" for number, content in enumerate(found, 1))


__all__ = ["Memory", "MemoryContent", "MemoryMimeType", "MemoryQueryResult", "listed"]
