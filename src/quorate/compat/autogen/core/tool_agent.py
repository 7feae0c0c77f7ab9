"""An agent that runs tools, and the loop of an agent that uses it, as AutoGen has them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from quorate.compat.autogen.agents import BaseAgent, RoutedAgent
from quorate.compat.autogen.core.models import (
    AssistantMessage,
    ChatCompletionClient,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
)
from quorate.compat.autogen.toolbase import Tool, ToolSchema
from quorate.compat.autogen.values import FunctionCall
from quorate.core.agents import AgentRuntime
from quorate.core.cancellation import CancellationToken
from quorate.core.handlers import message_handler
from quorate.core.identity import AgentId
from quorate.core.messaging import MessageContext

__all__ = [
    "InvalidToolArgumentsException",
    "ToolAgent",
    "ToolException",
    "ToolExecutionException",
    "ToolNotFoundException",
    "tool_agent_caller_loop",
]


@dataclass
class ToolException(Exception):
    """A call could not be made, or failed."""

    call_id: str
    content: str
    name: str

    def __str__(self) -> str:
        return self.content


@dataclass
class ToolNotFoundException(ToolException):
    """There is no such tool."""


@dataclass
class InvalidToolArgumentsException(ToolException):
    """The arguments are no JSON."""


@dataclass
class ToolExecutionException(ToolException):
    """The tool failed."""


class ToolAgent(RoutedAgent):
    """Runs tools for others: a `FunctionCall` is answered with a `FunctionExecutionResult`."""

    def __init__(self, description: str, tools: list[Tool]) -> None:
        super().__init__(description)
        self._tools = tools

    @property
    def tools(self) -> list[Tool]:
        """The tools it runs."""
        return self._tools

    @message_handler
    async def handle_function_call(self, message: FunctionCall, ctx: MessageContext) -> FunctionExecutionResult:
        """Run the tool that is called.

        Raises:
            ToolNotFoundException: There is no such tool.
            InvalidToolArgumentsException: The arguments are no JSON.
            ToolExecutionException: The tool failed.
        """
        tool = next((tool for tool in self._tools if tool.name == message.name), None)
        if tool is None:
            raise ToolNotFoundException(message.id, f"Error: Tool not found: {message.name}", message.name)
        try:
            arguments = json.loads(message.arguments)
        except json.JSONDecodeError as error:
            text = f"Error: Invalid arguments: {message.arguments}"
            raise InvalidToolArgumentsException(message.id, text, message.name) from error
        try:
            result = await tool.run_json(arguments, ctx.cancellation_token, call_id=message.id)
            text = tool.return_value_as_string(result)
        except Exception as error:
            raise ToolExecutionException(message.id, f"Error: {error}", message.name) from error
        return FunctionExecutionResult(content=text, call_id=message.id, is_error=False, name=message.name)


async def tool_agent_caller_loop(
    caller: BaseAgent | AgentRuntime,
    tool_agent_id: AgentId,
    model_client: ChatCompletionClient,
    input_messages: list[LLMMessage],
    tool_schema: list[ToolSchema] | list[Tool],
    cancellation_token: CancellationToken | None = None,
    caller_source: str = "assistant",
) -> list[LLMMessage]:
    """Ask a model, have its calls run by a tool agent, and ask again until it calls nothing.

    Args:
        caller: Who sends the calls: an agent or a runtime.
        tool_agent_id: The agent that runs them, all calls of a reply at the same time.
        model_client: The model.
        input_messages: What the model is told.
        tool_schema: What it may call.
        cancellation_token: Cancels it.
        caller_source: The source of the replies.

    Returns:
        The messages that came of it. A call that failed is a result with `is_error`.
    """
    made: list[LLMMessage] = []
    while True:
        answer = await model_client.create(
            [*input_messages, *made], tools=tool_schema, cancellation_token=cancellation_token
        )
        made.append(AssistantMessage(content=answer.content, source=caller_source))
        calls = answer.content
        if isinstance(calls, str):
            return made
        results = await _run(caller, tool_agent_id, calls, cancellation_token)
        made.append(FunctionExecutionResultMessage(content=results))


async def _run(
    caller: BaseAgent | AgentRuntime, agent: AgentId, calls: Sequence[FunctionCall], token: CancellationToken | None
) -> list[FunctionExecutionResult]:
    sent = (caller.send_message(call, agent, cancellation_token=token) for call in calls)
    answers: list[Any] = await asyncio.gather(*sent, return_exceptions=True)
    results: list[FunctionExecutionResult] = []
    for call, answer in zip(calls, answers, strict=True):
        if isinstance(answer, FunctionExecutionResult):
            results.append(answer)
        elif isinstance(answer, ToolException):
            results.append(
                FunctionExecutionResult(content=answer.content, call_id=call.id, is_error=True, name=call.name)
            )
        elif isinstance(answer, BaseException):
            raise answer
    return results
