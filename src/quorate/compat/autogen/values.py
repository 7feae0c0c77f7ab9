"""Small values of AutoGen's: a call that a model asks for, and an image."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Self

from quorate.chat.messages import FunctionCall
from quorate.models import image

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

__all__ = ["FunctionCall", "Image"]


class _Images(type):
    """Lets all images of Quorate's be AutoGen's: those that a journal or a state gives back are."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, image.Image)


class Image(image.Image, metaclass=_Images):
    """An image, made of one of Pillow's, in RGB and as PNG.

    Args:
        image: The image; one in another mode is converted.
    """

    def __init__(self, image: PillowImage) -> None:
        file = io.BytesIO()
        image.convert("RGB").save(file, format="PNG")
        super().__init__(file.getvalue())

    @classmethod
    def from_base64(cls, base64_str: str) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride]: AutoGen's name of it
        """Read an image in base64.

        Raises:
            ConfigError: It is no base64, or no image.
        """
        return cls(image.Image.from_base64(base64_str).image)

    @classmethod
    def from_file(cls, file_path: str | Path) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride]: AutoGen's name of it
        """Read an image file.

        Raises:
            ConfigError: It cannot be read, or is no image.
        """
        return cls(image.Image.from_file(file_path).image)

    @classmethod
    def from_pil(cls, pil_image: PillowImage) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride]: AutoGen's name of it
        """Take an image of Pillow's."""
        return cls(pil_image)
