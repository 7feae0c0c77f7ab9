"""Images as values: their bytes as they came, in one of the formats that models take."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from quorate.core.extras import require
from quorate.errors import ConfigError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

MAX_BYTES = 20_000_000

_DATA_URI = re.compile(r"data:image/[\w.+-]+(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.IGNORECASE)


class Image:
    """An image: PNG, JPEG, GIF or WebP. It is kept as it came and never encoded again.

    Pydantic models may have fields of it; in JSON it is `{"data": "…"}` in base64.

    Args:
        data: The bytes of an image file.

    Raises:
        ConfigError: They are no image in one of these formats, or more than 20 MB.
    """

    __slots__ = ("__dict__", "data", "media_type")

    def __init__(self, data: bytes) -> None:
        if not isinstance(data, bytes | bytearray):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(f"{data!r} is no bytes of an image. Give those, or Image.from_file(path).")
        if len(data) > MAX_BYTES:
            raise ConfigError(f"This image has {len(data)} bytes; at most {MAX_BYTES} are taken. Make it smaller.")
        self.data, self.media_type = data, _media_type(data)

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read an image file.

        Raises:
            ConfigError: It cannot be read, or is no image.
        """
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise ConfigError(f"{path}: It cannot be read: {error.strerror}.") from error
        try:
            return cls(data)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error

    @classmethod
    def from_base64(cls, text: str) -> Self:
        """Read an image in base64.

        Raises:
            ConfigError: It is no base64, or no image.
        """
        try:
            return cls(base64.b64decode("".join(text.split()), validate=True))
        except binascii.Error as error:
            raise ConfigError(f"This is no image in base64: {error}.") from error

    @classmethod
    def from_uri(cls, uri: str) -> Self:
        """Read an image that a `data:` URI holds. Nothing is fetched.

        Raises:
            ConfigError: It is another kind of URI, or holds no image.
        """
        found = _DATA_URI.match(uri)
        if found is None:
            raise ConfigError(
                f"{uri[:40]!r} holds no image: only data:image/…;base64,… does. Fetch it yourself and use from_file."
            )
        return cls.from_base64(uri[found.end() :])

    @classmethod
    def from_pil(cls, image: PillowImage) -> Self:
        """Take an image of Pillow, encoded as PNG.

        Raises:
            ConfigError: It has a mode that PNG does not have.
        """
        file = io.BytesIO()
        try:
            image.save(file, format="PNG")
        except OSError as error:
            raise ConfigError(
                f"This image cannot be written as PNG: {error}. Convert it: image.convert('RGB')."
            ) from error
        return cls(file.getvalue())

    @cached_property
    def image(self) -> PillowImage:
        """The image as one of Pillow; the same object each time.

        Raises:
            MissingExtra: `quorate[images]` is not installed.
            ConfigError: It is broken.
        """
        pillow = require("PIL.Image", extra="images")
        try:
            found = pillow.open(io.BytesIO(self.data))
            found.load()
        except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as error:
            raise ConfigError(f"This {self.media_type} is broken: {error}.") from error
        return found

    @cached_property
    def digest(self) -> str:
        """What tells the image from others."""
        return hashlib.blake2b(self.data, digest_size=16).hexdigest()

    def to_base64(self) -> str:
        """Return the bytes in base64."""
        return base64.b64encode(self.data).decode()

    @property
    def data_uri(self) -> str:
        """The image as a `data:` URI."""
        return f"data:{self.media_type};base64,{self.to_base64()}"

    def to_openai_format(self, detail: str = "auto") -> dict[str, Any]:
        """Return the image as a part of a message to OpenAI's models."""
        return {"type": "image_url", "image_url": {"url": self.data_uri, "detail": detail}}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return f"<{self.media_type}, {len(self.data)} bytes>"

    def _repr_html_(self) -> str:
        return f'<img src="{self.data_uri}"/>'

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        fields = {"data": core_schema.typed_dict_field(core_schema.str_schema())}
        data = core_schema.no_info_after_validator_function(
            lambda found: cls.from_base64(found["data"]), core_schema.typed_dict_schema(fields, extra_behavior="forbid")
        )
        return core_schema.json_or_python_schema(
            json_schema=data,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), data]),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda image: {"data": image.to_base64()}),
        )


def _media_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise ConfigError(f"This is no PNG, JPEG, GIF or WebP: it begins with {data[:8]!r}. Convert it first.")
