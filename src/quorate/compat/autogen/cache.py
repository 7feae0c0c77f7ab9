"""AutoGen's cache store: get and set, at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel

from quorate.compat.autogen.components import Component, ComponentBase

T = TypeVar("T")


class CacheStore(ABC, ComponentBase[BaseModel], Generic[T]):
    """Keeps values by key."""

    component_type: ClassVar[str] = "cache_store"

    @abstractmethod
    def get(self, key: str, default: T | None = None) -> T | None:
        """Return what was kept under `key`, or `default`."""

    @abstractmethod
    def set(self, key: str, value: T) -> None:
        """Keep a value."""


class InMemoryStoreConfig(BaseModel):
    """An `InMemoryStore` has no settings, and what it keeps is no configuration."""


class InMemoryStore(CacheStore[Any], Component[InMemoryStoreConfig]):
    """Keeps values in a dictionary, `store`."""

    component_provider_override: ClassVar[str | None] = "autogen_core.InMemoryStore"
    component_config_schema: ClassVar[type[Any]] = InMemoryStoreConfig

    def __init__(self) -> None:
        self.store: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return self.store.get(key, default)

    def set(self, key: str, value: Any) -> None:
        self.store[key] = value

    def _to_config(self) -> InMemoryStoreConfig:
        return InMemoryStoreConfig()

    @classmethod
    def _from_config(cls, config: InMemoryStoreConfig) -> Self:
        return cls()
