"""Which modules stand in for AutoGen's, and how `import` finds them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType

_HOME = "quorate.compat.autogen.core"
_SUBMODULES = (
    "code_executor",
    "exceptions",
    "logging",
    "memory",
    "model_context",
    "models",
    "tool_agent",
    "tools",
    "utils",
)

_CHAT = "quorate.compat.autogen.agentchat"
_CHAT_SUBMODULES = ("agents", "base", "conditions", "messages", "state", "teams", "tools", "ui", "utils")
_GROUP = "autogen_agentchat.teams._group_chat"
_PRIVATE = {
    _GROUP: f"{_CHAT}.teams.group_chat",
    f"{_GROUP}._base_group_chat": "quorate.compat.autogen.groupchat",
    f"{_GROUP}._base_group_chat_manager": "quorate.compat.autogen.managers",
    f"{_GROUP}._graph": f"{_CHAT}.teams.group_chat.graph",
    f"{_GROUP}._graph._digraph_group_chat": "quorate.compat.autogen.graph",
    f"{_GROUP}._graph._graph_builder": "quorate.compat.autogen.graph",
    f"{_GROUP}._magentic_one": f"{_CHAT}.teams.group_chat.magentic_one",
    f"{_GROUP}._magentic_one._magentic_one_group_chat": "quorate.compat.autogen.planning",
    f"{_GROUP}._magentic_one._magentic_one_orchestrator": "quorate.compat.autogen.orchestrating",
    f"{_GROUP}._magentic_one._prompts": "quorate.compat.autogen.prompts",
    f"{_GROUP}._events": "quorate.compat.autogen.teamevents",
    f"{_GROUP}._round_robin_group_chat": "quorate.compat.autogen.teams",
    f"{_GROUP}._selector_group_chat": "quorate.compat.autogen.choosing",
    f"{_GROUP}._sequential_routed_agent": "quorate.compat.autogen.managers",
    f"{_GROUP}._swarm_group_chat": "quorate.compat.autogen.teams",
}
"""Private modules that programs with managers of their own have to import from: AutoGen has no public name for them."""
_EXT = "quorate.compat.autogen.ext"
_EXT_SUBMODULES = ("models", "models.openai", "models.replay", "code_executors", "code_executors.local")

VIEWS = {
    "autogen_core": _HOME,
    **{f"autogen_core.{name}": f"{_HOME}.{name}" for name in _SUBMODULES},
    "autogen_agentchat": _CHAT,
    **{f"autogen_agentchat.{name}": f"{_CHAT}.{name}" for name in _CHAT_SUBMODULES},
    **_PRIVATE,
    "autogen_ext": _EXT,
    **{f"autogen_ext.{name}": f"{_EXT}.{name}" for name in _EXT_SUBMODULES},
}
"""Each module of AutoGen with ours."""
INSTEAD_OF = ("autogen_core", "autogen_agentchat", "autogen_ext")
"""What must not be installed: these know one another's insides, so half of them cannot be replaced."""


def _told(fullname: str) -> str:
    """Return what is said of a module of AutoGen's that is not there."""
    more = ""
    if fullname.startswith("autogen_ext.models"):
        more = " Another model: a ChatCompletionClient of your own, or OpenAIChatCompletionClient(base_url=…)."
    return (
        f"No module named {fullname!r}: Quorate's view of AutoGen does not have it; docs/autogen.md has what there is."
        f"{more}"
    )


class ViewFinder(MetaPathFinder, Loader):
    """Finds our modules under AutoGen's names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in VIEWS:
            if fullname.partition(".")[0] in INSTEAD_OF:
                raise ModuleNotFoundError(_told(fullname), name=fullname)
            return None
        return spec_from_loader(fullname, self, is_package=any(name.startswith(f"{fullname}.") for name in VIEWS))

    def create_module(self, spec: ModuleSpec) -> None:
        """Let an empty module be made; it is replaced at once."""

    def exec_module(self, module: ModuleType) -> None:
        """Put our module in place of the empty one, so that under both names it is the same."""
        sys.modules[module.__name__] = importlib.import_module(VIEWS[module.__name__])
