"""How the values of team files that are no plain data in an object stand in the document: by name, or as fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
)

from quorate.chat.agent import Agent, Speaker, checked_name
from quorate.chat.ending.conditions import Condition
from quorate.chat.handoff import Handoff
from quorate.core.config import Fields, Form, Part, short_or_full
from quorate.core.source import near
from quorate.errors import ConfigError
from quorate.executors.code import LEVELS, Isolation
from quorate.models.client import ModelClient
from quorate.models.context import ModelContext
from quorate.models.kinds import ModelPart
from quorate.models.views import MessageFilterConfig, PerSourceFilter
from quorate.runs.outcome import Limits
from quorate.tools.tool import Approval, Tool


@dataclass(frozen=True)
class Known:
    """What a document may use besides types.

    Args:
        tools: By name.
        more: A sentence that says where more come from.
        secrets: Environment variables whose values it may hand to what it describes.
        isolation: The least that code which agents write has to be kept apart: a document cannot lower it.
    """

    tools: Mapping[str, Tool[..., Any]] = field(default_factory=dict[str, Tool[..., Any]])
    more: str = ""
    secrets: frozenset[str] = frozenset()
    isolation: Isolation = "sandbox"


class _ToolForm(Form):
    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"part": "tool name"}  # `team_schema` says which there are

    def build(self, value: str, context: Known) -> Tool[..., Any]:
        return context.tools[value]

    def dump(self, value: Tool[..., Any] | str) -> str:
        return value if isinstance(value, str) else value.name


class _LimitsForm(Form):
    def build(self, value: LimitsFields, context: Known) -> Limits:
        return Limits(**value.model_dump())

    def dump(self, value: Limits) -> dict[str, Any]:
        return value.given()


def known_tool(name: str, known: Known) -> None:
    """Make sure that a document may use a tool of this name.

    Raises:
        ConfigError: There is none.
    """
    if name not in known.tools:
        have = f" There are: {', '.join(sorted(known.tools))}." if known.tools else ""
        raise ConfigError(f"There is no tool {name!r}.{near(name, known.tools)}{have} {known.more}".rstrip())


def _known_tool(name: str, info: ValidationInfo) -> str:
    if info.context is not None:
        known_tool(name, info.context)
    return name


def _team_name(name: str) -> str:
    return checked_name(name, "a team")


def _each_once(names: list[str]) -> list[str]:
    return sorted(set(names))


def _allowed_level(level: Isolation, info: ValidationInfo) -> Isolation:
    known: Known | None = info.context
    if known is not None and LEVELS.index(level) < LEVELS.index(known.isolation):
        raise ConfigError(
            f"min_isolation={level!r} is less than {known.isolation!r}, and a document cannot lower that. Whoever runs "
            f"it can: isolation = {level!r} under [quorate] in quorate.toml, or load_team(…, isolation={level!r})."
        )
    return level


Name = Annotated[str, AfterValidator(checked_name)]
TeamName = Annotated[str, AfterValidator(_team_name)]
Level = Annotated[Isolation, AfterValidator(_allowed_level)]
ToolName = Annotated[str, AfterValidator(_known_tool), _ToolForm()]
Names = Annotated[list[Name], AfterValidator(_each_once)]
AgentPart = Annotated[Any, Part("agent")]
MemberPart = Annotated[Any, Part("agent or team")]
TeamPart = Annotated[Any, Part("team")]
ConditionPart = Annotated[Any, Part("condition")]
ContextPart = Annotated[Any, Part("model_context")]
MemoryPart = Annotated[Any, Part("memory")]
Count = Annotated[int, Field(gt=0)]


class LimitsFields(Fields):
    """What a run may use."""

    turns: Count | None = Field(None, description="Turns; 100 if left out.")
    model_calls: Count | None = Field(None, description="Calls of models; 300 if left out.")
    tool_calls: Count | None = Field(None, description="Calls of tools; 300 if left out.")
    tokens: Count | None = Field(None, description="Tokens of prompts and replies together; 2 million if left out.")
    cost_usd: float | None = Field(None, gt=0, description="US dollars; 5 if left out.")
    active_s: float | None = Field(None, gt=0, description="Seconds of work; waiting for people does not count.")
    warn_at: float | None = Field(None, gt=0, le=1, description="The share of a limit at which a warning is told.")

    @model_serializer(mode="wrap")
    def _given(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if value is not None}


LimitsPart = Annotated[LimitsFields, _LimitsForm()]


class HandoffFields(Fields):
    """Whom an agent may give the conversation to."""

    target: str = Field(min_length=1, description="Who speaks next.")
    description: str = Field("", description="When to do it, as the model reads it.")
    name: str = Field("", description="Of the tool; transfer_to_<target> if left out.")
    message: str = Field("", description="What is said to everybody with it.")


class _HandoffForm(Form):
    def build(self, value: str | HandoffFields, context: Known) -> Handoff:
        return Handoff(value) if isinstance(value, str) else Handoff(**value.model_dump())

    def dump(self, value: Handoff) -> str | dict[str, str]:
        given = value.given()
        return value.target if len(given) == 1 else given


class _SchemaForm(Form):
    def build(self, value: dict[str, Any], context: Known) -> dict[str, Any]:
        return value

    def dump(self, value: Any) -> dict[str, Any]:
        return dict(value) if isinstance(value, Mapping) else value.model_json_schema()  # pyright: ignore[reportUnknownArgumentType]: JSON


SchemaPart = Annotated[dict[str, Any], _SchemaForm()]
HandoffPart = Annotated[short_or_full(str, HandoffFields), _HandoffForm()]


class ApprovalFields(Fields):
    """Who has to approve a call."""

    to: str = Field("", description="Who is asked; anybody if left out.")
    deadline_s: float | None = Field(None, gt=0, description="Seconds; what nobody approved in time is refused.")


class _ApprovalForm(Form):
    def build(self, value: bool | ApprovalFields, context: Known) -> bool | Approval:
        if isinstance(value, bool):
            return value
        return Approval(value.to, None if value.deadline_s is None else timedelta(seconds=value.deadline_s))

    def dump(self, value: bool | Approval) -> bool | dict[str, Any]:
        if isinstance(value, bool):
            return value
        return {"to": value.to, "deadline_s": None if value.deadline is None else value.deadline.total_seconds()}


ApprovalPart = Annotated[short_or_full(bool, ApprovalFields), _ApprovalForm()]


class SourceFields(Fields):
    """Which messages of somebody are seen."""

    source: str = Field(min_length=1, description="Whose; `user` gives the task.")
    position: Literal["first", "last"] | None = Field(None, description="Which of them; all if left out.")
    count: Count | None = Field(None, description="How many of these.")


class FilterFields(Fields):
    """Which messages are seen: of these sources, and no other."""

    per_source: list[SourceFields] = Field(default_factory=list[SourceFields], description="One for each source.")


class _FilterForm(Form):
    def build(self, value: FilterFields, context: Known) -> MessageFilterConfig:
        return MessageFilterConfig([PerSourceFilter(**one.model_dump()) for one in value.per_source])

    def dump(self, value: MessageFilterConfig) -> dict[str, Any]:
        return {
            "per_source": [{"source": f.source, "position": f.position, "count": f.count} for f in value.per_source]
        }


FilterPart = Annotated[FilterFields, _FilterForm()]


def form_of(hint: Any) -> Any:
    """Return how a parameter of a type stands in a document; the type itself where it is data already."""
    inner = get_args(hint)
    if get_origin(hint) in {Union, UnionType}:
        for special, form in ((ModelClient, ModelPart), (Tool, ToolName)):
            if any(special in {a, get_origin(a)} for a in inner):
                return form
        return Union[tuple(form_of(a) for a in inner)]  # noqa: UP007 - made of what was found
    if inner and get_origin(hint) in {list, tuple, Sequence, Iterable}:
        form = form_of(inner[0])
        return hint if form is inner[0] else list[form]
    cls = get_origin(hint) or hint
    if isinstance(cls, type):
        for base, form in ((Tool, ToolName), (Limits, LimitsPart), (Condition, ConditionPart), (Agent, AgentPart)):
            if issubclass(cls, base):
                return form
    if hint is ModelContext:
        return ContextPart
    return MemberPart if hint is Speaker else hint
