"""Workbenches: tools that come together, and that may change while agents work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

from msgspec.structs import astuple

from quorate.errors import ConfigError, ToolError
from quorate.models.client import ToolSpec
from quorate.runs.steps import EFFECTS, Effect, step
from quorate.tools.schema_tool import SchemaTool
from quorate.tools.tool import Tool, as_tool

LISTING_S = 60.0
"""How long a workbench may take to say what tools it has."""


@runtime_checkable
class Workbench(Protocol):
    """Tools that are listed and called by name. Any object with this shape will do.

    It may have `effects`, a mapping from names to effect classes, or one for all; what it does not say is `unsafe`.
    Whoever opens a workbench closes it.
    """

    async def list_tools(self) -> Sequence[ToolSpec]:
        """Return the tools that there are now."""
        ...

    async def call_tool(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """Make a call; what it returns is shown to the model, text as it is and all else as JSON.

        Raises:
            ToolError: It failed, in words for the model.
        """
        ...


@dataclass(frozen=True)
class ToolOverride:
    """Another name or description for a tool."""

    name: str | None = None
    description: str | None = None


class StaticWorkbench:
    """Tools that stay as they are, under other names where that is wanted.

    Args:
        tools: Functions with types and a docstring, or what `@tool` made of them.
        tool_overrides: Other names and descriptions, by the tools' own names.

    Attributes:
        tools: By the names that models are told.

    Raises:
        ConfigError: Two tools would have one name, or an override is of a tool that is not there.
    """

    def __init__(
        self,
        tools: Sequence[Tool[..., Any] | Callable[..., Any]],
        tool_overrides: Mapping[str, ToolOverride] | None = None,
    ) -> None:
        overrides = dict(tool_overrides or {})
        self.tools: dict[str, Tool[..., Any]] = {}
        for given in tools:
            made = as_tool(given)
            other = overrides.pop(made.name, None)
            if other is not None:
                made = _overridden(made, other)
            if made.name in self.tools:
                raise ConfigError(f"Two tools of a workbench would be named {made.name!r}.")
            self.tools[made.name] = made
        if overrides:
            raise ConfigError(f"tool_overrides: there is no tool {next(iter(overrides))!r}.")

    async def list_tools(self) -> Sequence[ToolSpec]:
        return [tool.spec for tool in self.tools.values()]

    async def call_tool(self, name: str, arguments: Mapping[str, Any]) -> Any:
        tool = self.tools.get(name)
        if tool is None:
            raise ToolError(f"There is no tool {name!r}. There are: {', '.join(sorted(self.tools)) or 'none'}.")
        return await tool.run(dict(arguments), "")


def _overridden(tool: Tool[..., Any], other: ToolOverride) -> Tool[..., Any]:
    return Tool(
        tool.fn, name=other.name or tool.name,
        description=other.description or tool.description, effect=tool.effect, timeout_s=tool.timeout_s,
        reconcile=tool.reconcile, scope=tool.scope, polls=tool.polls, approval=tool.approval or False,
        attempts=tool.attempts,
    )  # fmt: skip


def split(
    agent: str, given: Workbench | Sequence[Workbench] | None
) -> tuple[list[Tool[..., Any]], tuple[Workbench, ...]]:
    """Return the tools that are there for good, and the workbenches that have to be asked.

    Raises:
        ConfigError: Something given is no workbench.
    """
    if given is None:
        return [], ()
    benches: list[Any] = list(given) if isinstance(given, Sequence) else [given]
    for bench in benches:
        if not isinstance(bench, Workbench):
            raise ConfigError(f"{agent}: {bench!r} is no workbench: it has no list_tools() and call_tool(…).")
    static = [bench for bench in benches if isinstance(bench, StaticWorkbench)]
    return (
        [tool for bench in static for tool in bench.tools.values()],
        tuple(bench for bench in benches if not isinstance(bench, StaticWorkbench)),
    )


async def tools_on(agent: str, benches: Sequence[Workbench], taken: Mapping[str, Any]) -> dict[str, Tool[..., Any]]:
    """Return the tools that workbenches have now, as a step for each: from then on the journal says what there was.

    Raises:
        ConfigError: Two tools have one name.
    """
    found: dict[str, Tool[..., Any]] = {}
    for bench in benches:
        listed: list[Any] = await step("tools", partial(_listed, bench), effect="read", timeout_s=LISTING_S)
        for name, description, parameters, effect in listed or ():
            if name in found or name in taken:
                raise ConfigError(f"{agent} has two tools named {name!r}. Give those of the workbench other names.")
            found[name] = SchemaTool(name, description, parameters, partial(bench.call_tool, name), effect=effect)
    return found


async def _listed(bench: Workbench) -> list[list[str]]:
    effects: Any = getattr(bench, "effects", {})
    given: Any = await bench.list_tools()
    listed: list[Any] = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)  # pyright: ignore[reportUnknownArgumentType]: a user's workbench says anything
    for spec in listed:
        if not isinstance(spec, ToolSpec) or not all(isinstance(part, str) for part in astuple(spec)):
            raise ConfigError(
                f"{bench!r}: list_tools() has {spec!r}; it must have ToolSpec(name, description, parameters), each a "
                "text: the parameters are a JSON schema, as json.dumps(…) writes it."
            )
    return [[*astuple(spec), _effect(bench, effects, spec.name)] for spec in listed]


def _effect(bench: Workbench, effects: Any, name: str) -> Effect:
    found = effects if isinstance(effects, str) else effects.get(name, "unsafe")
    if found not in EFFECTS:
        raise ConfigError(f"{bench!r} says that {name} is {found!r}, which is none of {', '.join(EFFECTS)}.")
    return found


__all__ = ["StaticWorkbench", "ToolOverride", "Workbench"]
