"""What everything has that can be written down as data and made again of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self, cast

from quorate.core.lazy import lazy


class _Documents(Protocol):
    """What is needed of `quorate.chat.files.components`, which knows every class that has these methods."""

    def dump_component(self, thing: Any, **options: Any) -> dict[str, Any]: ...
    def load_component(self, document: Mapping[str, Any], **options: Any) -> Any: ...


components = cast("_Documents", lazy("quorate.chat.files.components"))


class Component:
    """Can be dumped as a document and loaded from one; see `quorate.chat.files.components` for all that can."""

    __slots__ = ()

    def dump_component(self, **options: Any) -> dict[str, Any]:
        """Return the document that describes this object; `options` as for `components.dump_component`.

        Raises:
            ConfigError: It holds what is no data, or a secret.
        """
        return components.dump_component(self, **options)

    @classmethod
    def load_component(cls, document: Mapping[str, Any], **options: Any) -> Self:
        """Make the object of a document; `options` as for `components.load_component`.

        Raises:
            ConfigError: Something is wrong in it, or it describes something else.
        """
        return components.load_component(document, expected=cls, **options)
