"""Workbenches: tools that are listed and called by name."""

from __future__ import annotations

import asyncio
import builtins
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterator, Mapping
from types import TracebackType
from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import BaseModel, Field

from quorate.compat.autogen.components import Component, ComponentBase, ComponentModel
from quorate.compat.autogen.toolbase import BaseTool, StreamTool, Tool, ToolSchema
from quorate.compat.autogen.values import Image
from quorate.core.cancellation import CancellationToken
from quorate.errors import ConfigError


class TextResultContent(BaseModel):
    """A text that a tool gave."""

    type: Literal["TextResultContent"] = "TextResultContent"
    content: str


class ImageResultContent(BaseModel):
    """An image that a tool gave."""

    type: Literal["ImageResultContent"] = "ImageResultContent"
    content: Image


ResultContent = Annotated[TextResultContent | ImageResultContent, Field(discriminator="type")]


class ToolResult(BaseModel):
    """What a call to a workbench came to."""

    type: Literal["ToolResult"] = "ToolResult"
    name: str
    result: list[ResultContent]
    is_error: bool = False

    def to_text(self, replace_image: str | None = None) -> str:
        """Return the parts as lines; an image as `replace_image`, or in base64."""
        return "\n".join(
            part.content
            if isinstance(part, TextResultContent)
            else replace_image or f"[Image: {part.content.to_base64()}]"
            for part in self.result
        )


class ToolOverride(BaseModel):
    """Another name or description for a tool."""

    name: str | None = None
    description: str | None = None


class Workbench(ABC, ComponentBase[BaseModel]):
    """Tools that may share state and resources, as one thing."""

    component_type: ClassVar[str] = "workbench"

    @abstractmethod
    async def list_tools(self) -> list[ToolSchema]:
        """Return the tools that there are now."""

    @abstractmethod
    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        """Call a tool; what goes wrong in it is a result with `is_error`."""

    @abstractmethod
    async def start(self) -> None:
        """Begin, with what the tools need."""

    @abstractmethod
    async def stop(self) -> None:
        """End, and give back what the tools hold."""

    @abstractmethod
    async def reset(self) -> None:
        """Begin anew."""

    @abstractmethod
    async def save_state(self) -> Mapping[str, Any]:
        """Return the state, as data for JSON."""

    @abstractmethod
    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `save_state` returned."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: builtins.type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.stop()


class StreamWorkbench(Workbench, ABC):
    """A workbench whose tools tell what they do while they run."""

    @abstractmethod
    def call_tool_stream(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any | ToolResult, None]:
        """Call a tool and yield what comes, a `ToolResult` last."""


class StaticWorkbenchConfig(BaseModel):
    """A `StaticWorkbench` as configuration."""

    tools: list[ComponentModel] = []
    tool_overrides: dict[str, ToolOverride] = {}


class StaticWorkbenchState(BaseModel):
    """The state of the tools of a `StaticWorkbench`, by name."""

    type: Literal["StaticWorkbenchState"] = "StaticWorkbenchState"
    tools: dict[str, Mapping[str, Any]] = {}


class StaticWorkbench(Workbench, Component[StaticWorkbenchConfig]):
    """A workbench of tools that stay the same.

    Args:
        tools: The tools.
        tool_overrides: Other names and descriptions, by the tools' own names.

    Raises:
        ConfigError: A new name is taken.
    """

    component_provider_override: ClassVar[str | None] = "autogen_core.tools.StaticWorkbench"
    component_config_schema: ClassVar[type[Any]] = StaticWorkbenchConfig

    def __init__(self, tools: list[BaseTool[Any, Any]], tool_overrides: dict[str, ToolOverride] | None = None) -> None:
        self._tools: dict[str, BaseTool[Any, Any]] = {tool.name: tool for tool in tools}
        self._all = list(tools)
        self._overrides = tool_overrides or {}
        self._own_names: dict[str, str] = {}
        for own, override in self._overrides.items():
            name = override.name
            if not name or name == own:
                continue
            if name in self._tools:
                raise ConfigError(f"Tool override name {name!r} conflicts with existing tool name. Choose another.")
            if name in self._own_names:
                both = f"{self._own_names[name]!r} and {own!r}"
                raise ConfigError(f"Tool override name {name!r} is used by multiple tools: {both}.")
            self._own_names[name] = own

    @property
    def is_empty(self) -> bool:
        """Whether it has no tools, and never will."""
        return not self._all

    async def list_tools(self) -> list[ToolSchema]:
        return [self._shown(tool) for tool in self._all]

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        tool = self.find(name)
        if tool is None:
            return _not_found(name)
        token = cancellation_token or CancellationToken()
        try:
            running = asyncio.get_running_loop().create_task(tool.run_json(arguments or {}, token, call_id))
            return _result(name, tool, await token.link_future(running))
        except Exception as error:
            return _failed(name, error)

    async def start(self) -> None:
        """Nothing to begin with."""

    async def stop(self) -> None:
        """Nothing to give back."""

    async def reset(self) -> None:
        """Nothing to begin anew."""

    async def save_state(self) -> Mapping[str, Any]:
        return StaticWorkbenchState(tools={t.name: await t.save_state_json() for t in self._all}).model_dump()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        kept = StaticWorkbenchState.model_validate(state).tools
        for tool in self._all:
            if tool.name in kept:
                await tool.load_state_json(kept[tool.name])

    def find(self, name: str) -> Tool | None:
        """Return the tool that is shown under a name."""
        return self._tools.get(self._own_names.get(name, name))

    def _shown(self, tool: Tool) -> ToolSchema:
        schema = tool.schema
        override = self._overrides.get(tool.name)
        if override is not None and override.name:
            schema["name"] = override.name
        if override is not None and override.description:
            schema["description"] = override.description
        return schema

    def _to_config(self) -> StaticWorkbenchConfig:
        return StaticWorkbenchConfig(
            tools=[tool.dump_component() for tool in self._all], tool_overrides=self._overrides
        )

    @classmethod
    def _from_config(cls, config: StaticWorkbenchConfig) -> Self:
        return cls([BaseTool.load_component(tool) for tool in config.tools], config.tool_overrides)


class StaticStreamWorkbench(StaticWorkbench, StreamWorkbench):
    """A `StaticWorkbench` whose tools may tell what they do while they run."""

    component_provider_override: ClassVar[str | None] = "autogen_core.tools.StaticStreamWorkbench"

    async def call_tool_stream(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any | ToolResult, None]:
        """Call a tool, yield what comes, and a `ToolResult` last."""
        tool = self.find(name)
        if not isinstance(tool, StreamTool):
            yield await self.call_tool(name, arguments, cancellation_token, call_id)
            return
        before: list[Any] = []
        try:
            async for item in tool.run_json_stream(arguments or {}, cancellation_token or CancellationToken(), call_id):
                for earlier in before:
                    yield earlier
                before = [item]
        except Exception as error:
            for earlier in before:
                yield earlier
            yield _failed(name, error)
            return
        yield _result(name, tool, before[0] if before else None)


def _not_found(name: str) -> ToolResult:
    return ToolResult(name=name, result=[TextResultContent(content=f"Tool {name} not found.")], is_error=True)


def _result(name: str, tool: Tool, value: Any) -> ToolResult:
    return ToolResult(name=name, result=[TextResultContent(content=tool.return_value_as_string(value))])


def _failed(name: str, error: Exception) -> ToolResult:
    text = "\n".join(str(one) for one in _single(error))
    return ToolResult(name=name, result=[TextResultContent(content=text)], is_error=True)


def _single(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, or those that a group holds."""
    if isinstance(error, BaseExceptionGroup):
        for one in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _single(one)
    else:
        yield error
