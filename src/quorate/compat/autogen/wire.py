"""Messages and tools of AutoGen's as OpenAI's chat completions take them, in AutoGen's way of saying who speaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from pydantic import BaseModel

from quorate.compat.autogen.core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from quorate.compat.autogen.toolbase import Tool, ToolSchema
from quorate.errors import ConfigError
from quorate.models.call_ids import fitting
from quorate.models.openai import Wire, is_strict

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""Who may be said to speak in a field of its own; others are named in the text."""


def messages_of(
    messages: Sequence[LLMMessage], *, names: bool, prefixes: bool, many: bool, call_ids: str | None = None
) -> list[Wire]:
    """Return messages as they are sent.

    Args:
        messages: The messages.
        names: Whether it is told who has said something.
        prefixes: Whether texts begin with who says them.
        many: Whether the model takes several instructions; else those that follow each other are joined.
        call_ids: Which ids of tool calls are taken; None for any. Others are sent as what takes their place.

    Raises:
        ConfigError: Instructions in several places, and the model takes one.
    """
    found: list[Wire] = []
    fit = fitting(call_ids)
    for message in messages if many else _joined(messages):
        if isinstance(message, SystemMessage):
            found.append({"role": "system", "content": message.content})
        elif isinstance(message, UserMessage):
            found.append(_said(message, names=names, prefixes=prefixes))
        elif isinstance(message, AssistantMessage):
            found.append(_reply(message, fit))
        else:
            found += _results(message, fit)
    return found


def _joined(messages: Sequence[LLMMessage]) -> list[LLMMessage]:
    places = [at for at, message in enumerate(messages) if isinstance(message, SystemMessage)]
    if len(places) < 2:
        return list(messages)
    if places[-1] - places[0] >= len(places):
        raise ConfigError(
            "Multiple and not continuous system messages are not supported by this model: say "
            "multiple_system_messages=True in its model_info if it takes them."
        )
    words = "\n".join(str(messages[at].content) for at in places)
    whole = [SystemMessage(content=words.rstrip())]
    return [*messages[: places[0]], *whole, *messages[places[-1] + 1 :]]


def _said(message: UserMessage, *, names: bool, prefixes: bool) -> Wire:
    fits = NAME.fullmatch(message.source) is not None
    told = f"{message.source} said:\n" if prefixes or (names and not fits) else ""
    content: Any = message.content
    if isinstance(content, str):
        content = told + content
    else:
        parts = cast("list[Any]", content)
        content = [
            {"type": "text", "text": told + part if not at else part}
            if isinstance(part, str)
            else part.to_openai_format()
            for at, part in enumerate(parts)
        ]
    name = {"name": message.source} if names and fits else {}
    return {"role": "user", "content": content, **name}


def _reply(message: AssistantMessage, fit: Callable[[str], str]) -> Wire:
    if isinstance(message.content, str):
        return {"role": "assistant", "content": message.content}
    calls = [
        {"id": fit(call.id), "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in message.content
    ]
    return {"role": "assistant", "content": message.thought, "tool_calls": calls}


def _results(message: FunctionExecutionResultMessage, fit: Callable[[str], str]) -> Iterator[Wire]:
    for result in message.content:
        yield {"role": "tool", "content": result.content, "tool_call_id": fit(result.call_id)}


def tools_of(tools: Sequence[Tool | ToolSchema]) -> list[Wire]:
    """Return tools as they are sent.

    Raises:
        ConfigError: One has a name that is none for OpenAI.
    """
    found: list[Wire] = []
    for tool in tools:
        schema: Any = tool.schema if isinstance(tool, Tool) else tool
        if not NAME.fullmatch(schema["name"]):
            raise ConfigError(f"The tool {schema['name']!r} needs a name of letters, digits, _ and -, at most 64.")
        function = {
            "name": schema["name"],
            "description": schema.get("description", ""),
            "parameters": schema.get("parameters", {}),
            "strict": schema.get("strict", False),
        }
        found.append({"type": "function", "function": function})
    return found


def choice_of(tool_choice: Any, tools: Sequence[Wire]) -> Any:
    """Return which tool a model is to call, as it is sent.

    Raises:
        ConfigError: It is to call one that it is not offered.
    """
    if isinstance(tool_choice, str):
        return tool_choice
    name = tool_choice.schema["name"]
    if name not in {tool["function"]["name"] for tool in tools}:
        raise ConfigError(f"tool_choice is {name!r}, which is not among the tools.")
    return {"type": "function", "function": {"name": name}}


def format_of(model: type[BaseModel]) -> Wire:
    """Return what an answer is to be, as it is sent: strict where OpenAI can hold a model to it."""
    schema = _closed(model.model_json_schema())
    form = {"name": model.__name__, "schema": schema, "strict": is_strict(schema)}
    return {"type": "json_schema", "json_schema": form}


def _closed(schema: Any) -> Any:
    """Return a schema whose objects have all of their properties, and no others."""
    if isinstance(schema, list):
        return [_closed(part) for part in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    parts = cast("dict[str, Any]", schema)
    found = {key: _closed(value) for key, value in parts.items() if not (key == "default" and value is None)}
    if found.get("type") == "object" and "properties" in found:
        found.setdefault("additionalProperties", False)
        found["required"] = list(found["properties"])
    return found
