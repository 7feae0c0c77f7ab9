"""Tools as AutoGen has them: a class with an arguments model and `run`."""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any, ClassVar, Generic, Protocol, Required, TypedDict, TypeVar, cast, runtime_checkable

from msgspec import to_builtins
from pydantic import BaseModel

from quorate.compat.autogen.components import ComponentBase
from quorate.compat.autogen.core.logging import ToolCallEvent
from quorate.compat.autogen.names import EVENT_LOGGER_NAME
from quorate.compat.autogen.spans import trace_tool_span
from quorate.core.cancellation import CancellationToken
from quorate.errors import ConfigError

events = logging.getLogger(EVENT_LOGGER_NAME)

ArgsT = TypeVar("ArgsT", bound=BaseModel, contravariant=True)
ReturnT = TypeVar("ReturnT", covariant=True)
StreamT = TypeVar("StreamT", covariant=True)
StateT = TypeVar("StateT", bound=BaseModel)


class ParametersSchema(TypedDict, total=False):
    """The arguments of a tool, as a JSON schema of type object."""

    type: Required[str]
    properties: Required[dict[str, Any]]
    required: list[str]
    additionalProperties: bool


class ToolSchema(TypedDict, total=False):
    """A tool as a model sees it."""

    name: Required[str]
    description: str
    parameters: ParametersSchema
    strict: bool


@runtime_checkable
class Tool(Protocol):
    """Something that a model may call."""

    @property
    def name(self) -> str:
        """What the model calls it."""
        ...

    @property
    def description(self) -> str:
        """What the model reads."""
        ...

    @property
    def schema(self) -> ToolSchema:
        """The tool as a model sees it."""
        ...

    def args_type(self) -> type[BaseModel]:
        """Return the model of the arguments."""
        ...

    def return_type(self) -> type[Any]:
        """Return the type of the results."""
        ...

    def state_type(self) -> type[BaseModel] | None:
        """Return the model of the state, None without one."""
        ...

    def return_value_as_string(self, value: Any) -> str:
        """Return a result as a model reads it."""
        ...

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> Any:
        """Check the arguments, run, and return the result."""
        ...

    async def save_state_json(self) -> Mapping[str, Any]:
        """Return the state, as data for JSON."""
        ...

    async def load_state_json(self, state: Mapping[str, Any]) -> None:
        """Go on from what `save_state_json` returned."""
        ...


@runtime_checkable
class StreamTool(Tool, Protocol):
    """A tool that tells what it does while it runs."""

    def run_json_stream(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> AsyncGenerator[Any, None]:
        """Check the arguments, run, and yield what comes, the result last."""
        ...


class BaseTool(ABC, Tool, Generic[ArgsT, ReturnT], ComponentBase[BaseModel]):
    """A tool made by a class.

    Args:
        args_type: The model of the arguments.
        return_type: The type of the results.
        name: What the model calls it.
        description: What the model reads.
        strict: Whether the provider shall hold the model to the schema: then no argument may have a default.
    """

    component_type: ClassVar[str] = "tool"

    def __init__(
        self, args_type: type[ArgsT], return_type: type[ReturnT], name: str, description: str, strict: bool = False
    ) -> None:
        self._args_type = args_type
        self._return_type = return_type
        self._name, self._description, self._strict = name, description, strict

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return self._description

    @property
    def schema(self) -> ToolSchema:
        """The tool as a model sees it, with references put in place.

        Raises:
            ConfigError: It is strict, and an argument may be left out or added.
        """
        whole = inlined(_json_schema(self._args_type))
        parameters = ParametersSchema(
            type="object",
            properties=whole["properties"],
            required=whole.get("required", []),
            additionalProperties=whole.get("additionalProperties", False),
        )
        if "$defs" in whole:
            cast("dict[str, Any]", parameters)["$defs"] = whole["$defs"]
        if self._strict and set(whole["properties"]) != set(whole.get("required", [])):
            raise ConfigError(f"{self._name} is strict, so no argument may have a default.")
        if self._strict and parameters.get("additionalProperties"):
            raise ConfigError(f"{self._name} is strict, so its arguments may not allow additional ones.")
        return ToolSchema(name=self._name, description=self._description, parameters=parameters, strict=self._strict)

    def args_type(self) -> type[BaseModel]:
        return self._args_type

    def return_type(self) -> type[Any]:
        return self._return_type

    def state_type(self) -> type[BaseModel] | None:
        return None

    def return_value_as_string(self, value: Any) -> str:
        if not isinstance(value, BaseModel):
            return str(value)
        dumped: Any = value.model_dump()  # of a RootModel anything
        return json.dumps(dumped) if isinstance(dumped, dict) else str(dumped)

    @abstractmethod
    async def run(self, args: ArgsT, cancellation_token: CancellationToken) -> ReturnT:
        """Do what the tool does."""

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> Any:
        with trace_tool_span(self._name, tool_description=self._description, tool_call_id=call_id):
            result = await self.run(self._args_type.model_validate(args), cancellation_token)
        self._tell(args, result)
        return result

    async def save_state_json(self) -> Mapping[str, Any]:
        return {}

    async def load_state_json(self, state: Mapping[str, Any]) -> None:
        """Take nothing up."""

    def _tell(self, args: Mapping[str, Any], result: Any) -> None:
        if events.isEnabledFor(logging.INFO):
            text = self.return_value_as_string(result)
            events.info(ToolCallEvent(tool_name=self._name, arguments=dict(args), result=text))


class BaseStreamTool(BaseTool[ArgsT, ReturnT], StreamTool, Generic[ArgsT, StreamT, ReturnT]):
    """A tool that tells what it does while it runs."""

    component_type: ClassVar[str] = "tool"

    @abstractmethod
    def run_stream(self, args: ArgsT, cancellation_token: CancellationToken) -> AsyncGenerator[StreamT | ReturnT, None]:
        """Do what the tool does, and yield what comes, the result last."""

    async def run_json_stream(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> AsyncGenerator[Any, None]:
        """Check the arguments, run, and yield what comes, the result last.

        Raises:
            TypeError: The last one is no result.
            AssertionError: There was none.
        """
        last: Any = _NOTHING
        with trace_tool_span(self._name, tool_description=self._description, tool_call_id=call_id):
            async for last in self.run_stream(self._args_type.model_validate(args), cancellation_token):
                yield last
        if last is _NOTHING:
            raise AssertionError(f"{self._name} yielded nothing: its last item is the result.")
        if not isinstance(last, self._return_type):
            raise TypeError(
                f"Expected return value of type {self._return_type.__name__}, but got {type(last).__name__}"
            )
        self._tell(args, last)


class BaseToolWithState(BaseTool[ArgsT, ReturnT], ABC, Generic[ArgsT, ReturnT, StateT]):
    """A tool that remembers."""

    component_type: ClassVar[str] = "tool"

    def __init__(
        self, args_type: type[ArgsT], return_type: type[ReturnT], state_type: type[StateT], name: str, description: str
    ) -> None:
        super().__init__(args_type, return_type, name, description)
        self._state_type = state_type

    def state_type(self) -> type[BaseModel] | None:
        return self._state_type

    @abstractmethod
    def save_state(self) -> StateT:
        """Return what the tool remembers."""

    @abstractmethod
    def load_state(self, state: StateT) -> None:
        """Remember what `save_state` returned."""

    async def save_state_json(self) -> Mapping[str, Any]:
        return self.save_state().model_dump()

    async def load_state_json(self, state: Mapping[str, Any]) -> None:
        self.load_state(self._state_type.model_validate(state))


_NOTHING = object()


@lru_cache(maxsize=256)
def _json_schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON schema with its references put in place; a recursive one keeps its definitions."""
    if "$defs" not in schema:
        return to_builtins(schema)  # a copy
    definitions: dict[str, Any] = schema["$defs"]
    recursive = False

    def put(part: Any, within: tuple[str, ...]) -> Any:
        nonlocal recursive
        if isinstance(part, list):
            return [put(item, within) for item in cast("list[Any]", part)]
        if not isinstance(part, dict):
            return part
        found = cast("dict[str, Any]", part)
        name = str(found.get("$ref", "")).removeprefix("#/$defs/")
        if name in definitions:
            if name in within:
                recursive = True
                return found
            return put(definitions[name], (*within, name))
        return {key: put(value, within) for key, value in found.items() if key != "$defs"}

    whole = put(schema, ())
    return {**whole, "$defs": deepcopy(definitions)} if recursive else whole
