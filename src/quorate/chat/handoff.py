"""Handing the conversation over: a tool that a model calls, and the message that comes of it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from quorate.core.figures import check_list, check_text
from quorate.errors import ConfigError, ToolError
from quorate.models.blocks import Block, Reply, ToolCall
from quorate.tools.tool import Tool

MOST_LETTERS = 64
"""The longest name of a tool that providers take."""


@dataclass(frozen=True)
class Handoff:
    """Lets an agent's model give the next turn to somebody else: control moves, and does not come back by itself.

    Args:
        target: Who speaks next.
        description: When to do it, as the model reads it; by default only to whom.
        name: Of the tool; `transfer_to_<target>` by default.
        message: What is said to everybody with it.

    Raises:
        ConfigError: There is no target, or the name is none that a tool can have.
    """

    target: str
    description: str = ""
    name: str = ""
    message: str = ""

    def __post_init__(self) -> None:
        if not self.target or not isinstance(self.target, str):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(f"Handoff needs a target: the name of who speaks next, not {self.target!r}.")
        for field in ("description", "name", "message"):
            check_text(f"Handoff to {self.target}: {field}", getattr(self, field))
        for field, value in {
            "description": self.description or f"Handoff to {self.target}.",
            "name": self.name or _tool_name(self.target),
            "message": self.message or f"{self.target} takes over from here.",
        }.items():
            object.__setattr__(self, field, value)
        if not self.name.isidentifier():
            raise ConfigError(f"Handoff to {self.target}: name={self.name!r} must be a word of letters, digits and _.")

    @property
    def is_named(self) -> bool:
        """Whether its tool was given a name."""
        return self.name != _tool_name(self.target)

    def given(self) -> dict[str, str]:
        """Return what is not as it would be by itself, as plain data."""
        plain = Handoff(self.target)
        names = ("description", "name", "message")
        return {"target": self.target} | {n: v for n in names if (v := getattr(self, n)) != getattr(plain, n)}

    @cached_property
    def handoff_tool(self) -> Tool[..., Any]:
        """The tool that the model calls: it has no arguments and answers with the message."""
        message = self.message

        async def hand_over() -> str:
            return message

        return Tool(hand_over, name=self.name, description=self.description, effect="read")


def _tool_name(target: str, *, apart: bool = False) -> str:
    """Return a name that every provider takes: 64 letters, digits and `_` at most.

    What of the target is lost on the way is told apart by a digest, so that 李明 and 王芳 are two.
    """
    plain = re.sub(r"\W", "_", target, flags=re.ASCII).lower()
    name = f"transfer_to_{plain}"
    if not apart and target.isascii() and len(name) <= MOST_LETTERS:
        return name
    digest = f"_{zlib.crc32(target.encode(errors='surrogatepass')):08x}"
    return name[: MOST_LETTERS - len(digest)] + digest


def handoffs_of(agent: str, given: Sequence[Handoff | str], tools: Mapping[str, Any]) -> dict[str, Handoff]:
    """Return an agent's handoffs by the names of their tools.

    Raises:
        ConfigError: Two have one name, or one has that of a tool, or hands over to the agent itself.
    """
    found: dict[str, Handoff] = {}
    if isinstance(given, str | Handoff):
        raise ConfigError(f"{agent}: handoffs={given!r} is no list. Write handoffs=[{given!r}].")
    check_list(f"{agent}: handoffs", given)
    for one in given:
        made = Handoff(one) if isinstance(one, str) else one
        if not isinstance(made, Handoff):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(f"{agent}: {one!r} is no handoff. Give the name of who takes over, or Handoff(…).")
        if made.target == agent:
            raise ConfigError(f"{agent} cannot hand over to itself.")
        if made.name in found and made.target != found[made.name].target and not made.is_named:
            made = replace(made, name=_tool_name(made.target, apart=True))
        if made.name in found or made.name in tools:
            raise ConfigError(f"{agent} has two tools named {made.name!r}. Give a handoff a name: Handoff(…, name=…).")
        found[made.name] = made
    return found


def chosen(handoffs: Mapping[str, Handoff], calls: Sequence[ToolCall]) -> Handoff | None:
    """Return the first handoff that is called, None if there is none."""
    return next((handoffs[call.name] for call in calls if call.name in handoffs), None)


def was_made(handoff: Handoff, atom: Block) -> bool:
    """Whether the call of a handoff succeeded: one with arguments that do not fit moves nothing."""
    return isinstance(atom, Reply) and any(r.name == handoff.name and not r.is_error for r in atom.results)


def ended_by(finals: Set[str], atom: Block) -> bool:
    """Whether a call of one of these tools succeeded, which ends the turn."""
    return isinstance(atom, Reply) and any(r.name in finals and not r.is_error for r in atom.results)


def with_one_handoff(
    tools: Mapping[str, Tool[..., Any]], handoffs: Mapping[str, Handoff], taken: Handoff
) -> Mapping[str, Tool[..., Any]]:
    """Return the tools in a reply that hands over: what would hand over to others tells the model that it does not."""
    if len(handoffs) == 1:
        return tools

    async def refuse() -> str:
        raise ToolError(f"Not done: the conversation goes to {taken.target} already, and to one only.")

    others = {
        name: Tool(refuse, name=name, description=other.description, effect="read")
        for name, other in handoffs.items()
        if other.target != taken.target
    }
    return {**tools, **others}
