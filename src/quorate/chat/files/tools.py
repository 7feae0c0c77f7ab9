"""Tools in team files: by name, from the operator's own modules; and agents, teams and members as tools, in full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from quorate.chat.agents.agent_tool import MOST_NAME, AgentTool, TeamTool, tool_name
from quorate.chat.delegate import Delegate
from quorate.chat.files.forms import Known, LimitsPart, MemberPart, ToolName, known_tool
from quorate.core.config import ByName, Document, Fields, Kind, Part
from quorate.errors import ConfigError
from quorate.tools.tool import Tool


def _word(name: str) -> str:
    if tool_name(name) != name:
        raise ConfigError(f"A tool has a name of at most {MOST_NAME} letters, digits, _ and -, not {name!r}.")
    return name


class ToolFields(Fields):
    """A tool, by its name."""

    name: ToolName = Field(description="The tool, one of the operator's own modules.")


class DelegateFields(Fields):
    """Gives a task to another member, and gets back what became of it."""

    target: str = Field(min_length=1, description="Who gets the task.")
    description: str = Field("", description="When to do it, as the model reads it.")
    name: str = Field("", description="Of the tool; delegate_to_<target> if left out.")
    remember: bool = Field(False, description="Whether the member goes on from call to call where it stopped.")
    limits: LimitsPart | None = Field(None, description="What one call may use, within what is left around it.")


class _InsideFields(Fields):
    """What an agent or a team as a tool has."""

    return_value_as_last_message: bool = Field(
        False, description="Whether only the last message comes back, and not all of them with their sources."
    )
    remember: bool = Field(False, description="Whether it goes on from call to call and run to run where it stopped.")
    limits: LimitsPart | None = Field(None, description="What one call may use, within what is left around it.")


class AgentToolFields(_InsideFields):
    """An agent, or a team, that a model may give a task; the tool has its name and its description."""

    agent: MemberPart = Field(description="Who works on the task.")


class TeamToolFields(_InsideFields):
    """A team, or an agent, that a model may give a task."""

    team: MemberPart = Field(description="Who works on the task.")
    name: Annotated[str, AfterValidator(_word)] = Field(min_length=1, description="What the model calls it.")
    description: str = Field(min_length=1, description="When to use it, as the model reads it.")


def _itself(name: Tool[..., Any]) -> Tool[..., Any]:
    return name


def _of_tool(tool: Tool[..., Any]) -> Mapping[str, Any]:
    return {"name": tool.name}


def _of_delegate(tool: Delegate) -> Mapping[str, Any]:
    """Return the fields of a delegate; what it would make itself is empty."""
    plain = Delegate(tool.target, tool.description, remember=tool.remember)
    return {
        "target": tool.target, "remember": tool.remember, "limits": tool.limits,
        "description": "" if tool.description == Delegate(tool.target).description else tool.description,
        "name": "" if tool.name == plain.name else tool.name,
    }  # fmt: skip


def _inside(tool: TeamTool) -> dict[str, Any]:
    return {name: getattr(tool, name) for name in _InsideFields.model_fields}


def _of_agent(tool: AgentTool) -> Mapping[str, Any]:
    return {"agent": tool.agent, **_inside(tool)}


def _of_team(tool: TeamTool) -> Mapping[str, Any]:
    return {"team": tool.runs, "name": tool.name, "description": tool.description, **_inside(tool)}


TOOLS = (
    Kind("tool", "tool", Tool, ToolFields, make=_itself, values=_of_tool),
    Kind("delegate", "tool", Delegate, DelegateFields, values=_of_delegate),
    Kind("agent_tool", "tool", AgentTool, AgentToolFields, values=_of_agent),
    Kind("team_tool", "tool", TeamTool, TeamToolFields, values=_of_team),
)
_IN_FULL = frozenset(kind.cls for kind in TOOLS if kind.cls is not Tool)


def _named(name: str, known: Known) -> Tool[..., Any]:
    known_tool(name, known)
    return known.tools[name]


def _short(tool: Tool[..., Any] | str) -> str | None:
    """Return the name by which a document has a tool, None for one that it has in full."""
    if isinstance(tool, str):
        return tool
    return None if type(tool) in _IN_FULL else tool.name


OfferedTool = Annotated[Any, Part("tool", by_name=ByName("tool name", _named, _short))]


def name_of(tool: str | Document) -> str:
    """Return what a model calls a tool that a document has; empty where that cannot be told."""
    if isinstance(tool, str):
        return tool
    if tool["type"] == "agent_tool":
        return tool_name(str(tool["agent"].get("name", "")))
    return str(tool["name"] or tool_name(f"delegate_to_{tool['target']}"))


__all__ = ["TOOLS", "OfferedTool", "name_of"]
