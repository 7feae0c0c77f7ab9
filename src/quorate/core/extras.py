"""Optional packages, loaded when something that needs them is built."""

from __future__ import annotations

import importlib
from types import ModuleType

from quorate.errors import MissingExtra


def require(module: str, *, extra: str) -> ModuleType:
    """Import a module of an optional package.

    Args:
        module: Its name, such as `openai` or `openai.types`.
        extra: The extra of Quorate that brings its package.

    Raises:
        MissingExtra: The package is not installed. One that is there but broken shows its own error.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        missing = MissingExtra(
            f"This needs the package {package!r}, which is not installed. Run: pip install 'quorate[{extra}]'"
        )
        missing.name = package
        raise missing from error
