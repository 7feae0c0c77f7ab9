"""Modules that are loaded at first use, so that importing Quorate stays cheap."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """Stands for a module and loads it when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        module = importlib.import_module(self.__name__)
        self.__dict__.update({k: v for k, v in vars(module).items() if not k.startswith("__")})
        # From here on an attribute is found as fast as in any module.
        self.__class__ = ModuleType  # pyright: ignore[reportAttributeAccessIssue]: a module may become one
        return getattr(module, name)


def lazy(name: str) -> Any:
    """Return a stand-in for the module `name`, which is imported when an attribute of it is first used."""
    return LazyModule(name)
