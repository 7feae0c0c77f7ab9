"""AutoGen's names on Quorate: after `install()`, `import autogen_core` finds views on what is here.

    from quorate.compat import autogen

    autogen.install()

    from autogen_core import RoutedAgent, SingleThreadedAgentRuntime, message_handler

A program runs unchanged with `python -m quorate.compat.autogen program.py`.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from quorate.compat.autogen.finder import INSTEAD_OF, VIEWS, ViewFinder
from quorate.errors import ConfigError

if TYPE_CHECKING:
    from quorate.chat.team import Team
    from quorate.compat.autogen.clients import QuorateChatCompletionClient
    from quorate.compat.autogen.groupchat import BaseGroupChat

__all__ = ["QuorateChatCompletionClient", "install", "installed", "quorate_team", "uninstall"]


def install() -> None:
    """Make `autogen_core` and its public submodules importable. Again does nothing.

    Raises:
        ConfigError: AutoGen is installed or imported. It is not shadowed: one program has one of both.
    """
    if installed():
        return
    there = [name for name in INSTEAD_OF if name in sys.modules or importlib.util.find_spec(name) is not None]
    if there:
        packages = " ".join(name.replace("_", "-") for name in there)
        raise ConfigError(
            f"{' and '.join(there)} {'is' if len(there) == 1 else 'are'} installed here, and Quorate's view does not "
            f"shadow what is installed. Uninstall it first: pip uninstall {packages}"
        )
    sys.meta_path.insert(0, ViewFinder())


def installed() -> bool:
    """Return whether the views are importable."""
    return any(isinstance(finder, ViewFinder) for finder in sys.meta_path)


def uninstall() -> None:
    """Undo `install`. Modules that were imported meanwhile keep what they have."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, ViewFinder)]
    for name in VIEWS:
        sys.modules.pop(name, None)


def quorate_team(team: BaseGroupChat) -> Team:
    """Return the team of Quorate's that a team of AutoGen's is: to run it in a store, to resume it, as a member."""
    return team.view_team()


def __getattr__(name: str) -> Any:
    """Load the client adapter when it is asked for."""
    if name == "QuorateChatCompletionClient":
        from quorate.compat.autogen.clients import QuorateChatCompletionClient

        return QuorateChatCompletionClient
    raise AttributeError(f"module 'quorate.compat.autogen' has no attribute {name!r}")
