"""Tools as an actor: its messages are tool calls, its answers results. And the loop of a caller that has a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from quorate.core.handlers import RoutedAgent, message_handler
from quorate.core.identity import AgentId
from quorate.core.messaging import MessageContext
from quorate.core.serialisation import JSON_DATA_CONTENT_TYPE, MessageSerializer
from quorate.errors import ConfigError, InvalidArguments, ToolError, ToolFailed, UnknownTool
from quorate.models.blocks import Reply, ToolCall, ToolResult
from quorate.models.calls import ask
from quorate.models.client import ModelClient, ModelRequest, ToolSpec
from quorate.tools.calls import call_tools
from quorate.tools.tool import Tool, as_tool


class ToolCalls(Struct, frozen=True):
    """All the calls of one reply."""

    calls: tuple[ToolCall, ...]


class ToolResults(Struct, frozen=True):
    """The results of all calls of a reply, in the order of the calls."""

    results: tuple[ToolResult, ...]


class _Json:
    """Writes calls and results as JSON, for messages that leave the process."""

    data_content_type = JSON_DATA_CONTENT_TYPE

    def __init__(self, cls: type[Any]) -> None:
        self.type_name, self._cls = cls.__name__, cls

    def serialize(self, message: Any) -> bytes:
        return msgspec.json.encode(message)

    def deserialize(self, payload: bytes) -> Any:
        return msgspec.json.decode(payload, type=self._cls)


class ToolAgent(RoutedAgent):
    """Makes the tool calls that it is sent.

    A `ToolCall` is answered by its `ToolResult`, or raises one of three errors. `ToolCalls`, all those of one reply,
    are made side by side and answered by `ToolResults`, in which a call that failed is a result that tells the model.
    Within a run each call is a step of its own, as for any agent.

    Args:
        description: What it is for.
        tools: Functions with types and a docstring, or what `@tool` made of them.

    Raises:
        ConfigError: Two tools have one name.
    """

    def __init__(self, description: str, tools: Sequence[Tool[..., Any] | Callable[..., Any]]) -> None:
        super().__init__(description)
        made = [as_tool(given) for given in tools]
        self._tools: Mapping[str, Tool[..., Any]] = {tool.name: tool for tool in made}
        if len(self._tools) < len(made):
            names = [tool.name for tool in made]
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigError(f"{description!r} has two tools named {twice!r}. Give one another name: @tool(name=…).")

    @property
    def tools(self) -> list[Tool[..., Any]]:
        """The tools, in the order given."""
        return list(self._tools.values())

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools as a model sees them."""
        return tuple(tool.spec for tool in self._tools.values())

    @classmethod
    def message_types(cls) -> Sequence[tuple[type[Any], Sequence[MessageSerializer]]]:
        """Return the types that handlers take; calls are structs, which no serialiser knows by itself."""
        own = {ToolCall, ToolCalls}
        return [(kind, [_Json(kind)] if kind in own else found) for kind, found in super().message_types()]

    @message_handler
    async def on_call(self, message: ToolCall, ctx: MessageContext) -> ToolResult:
        """Make one call.

        Raises:
            UnknownTool: There is no tool of that name.
            InvalidArguments: The arguments are no JSON object, or do not fit.
            ToolFailed: The tool raised something, took too long, or was refused.
        """
        id, name, arguments = message.id, message.name, message.arguments
        tool = self._tools.get(name)
        if tool is None:
            have = ", ".join(sorted(self._tools)) or "none"
            raise UnknownTool(f"There is no tool {name!r}. There are: {have}.", call_id=id, name=name)
        try:
            tool.read(arguments)
        except ToolError as error:
            raise InvalidArguments(str(error), call_id=id, name=name) from error
        result = (await call_tools(self._tools, [message]))[0]
        if result.is_error:
            raise ToolFailed(result.content, call_id=id, name=name)
        return result

    @message_handler
    async def on_calls(self, message: ToolCalls, ctx: MessageContext) -> ToolResults:
        """Make all calls of a reply, side by side."""
        return ToolResults(tuple(await call_tools(self._tools, message.calls)))


class Sender(Protocol):
    """What can send a message: an agent, or a runtime."""

    async def send_message(self, message: Any, recipient: AgentId) -> Any:
        """Send a message to one agent and return its answer."""
        ...


async def tool_agent_caller_loop(
    caller: Sender,
    tool_agent_id: AgentId,
    model_client: ModelClient,
    request: ModelRequest,
    *,
    max_tool_iterations: int = 10,
) -> list[Reply]:
    """Ask a model, have a tool agent make the calls it asks for, and ask again, until it answers in words.

    Args:
        caller: Who sends the calls: an agent in its handler, or a runtime.
        tool_agent_id: The `ToolAgent`.
        model_client: The model.
        request: What to ask first, with `tools` that the tool agent has.
        max_tool_iterations: How often it may ask for calls; then it has to answer without.

    Returns:
        What the model said, oldest first: replies whose calls have their results, and the answer last.

    Raises:
        ModelError: The model failed.
        MessageError: The calls did not arrive, or an intervention dropped them.
    """
    if max_tool_iterations < 1:
        raise ConfigError(f"max_tool_iterations={max_tool_iterations} must be at least 1.")
    said: list[Reply] = []
    answer, after = await ask(model_client, request)
    while answer.reply.calls and len(said) < max_tool_iterations:
        made: ToolResults = await caller.send_message(ToolCalls(answer.reply.calls), tool_agent_id)
        said.append(answer.reply.answered(made.results))
        choice = request.tool_choice if len(said) < max_tool_iterations else "none"
        request = replace(request, blocks=request.blocks.plus(said[-1]), tool_choice=choice)
        answer, after = await ask(model_client, request, after=after)
    return [*said, answer.reply.unasking()]
