"""What team files may say: the fields of teams, agents and conditions, and what each stands for.

Fields are the parameters of the classes, under their own names and with their own defaults; a test compares them. The
docstrings and descriptions are for people who write team files: editors show them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, model_validator

from quorate.chat import ledgers, magentic, selector
from quorate.chat.agents import society
from quorate.chat.agents.assistant import DEFAULT_DESCRIPTION, DEFAULT_SYSTEM, AssistantAgent
from quorate.chat.agents.coder import CodeExecutorAgent
from quorate.chat.agents.filtering import MessageFilterAgent
from quorate.chat.agents.summary import RESULT_ONLY
from quorate.chat.agents.user import AUTO_REPLY, MODES, UserProxyAgent
from quorate.chat.ending.conditions import (
    AllOf,
    AnyOf,
    Condition,
    CostTermination,
    ExternalTermination,
    FunctionCallTermination,
    HandoffTermination,
    MaxMessageTermination,
    NoProgressTermination,
    ResultTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
    TextMessageTermination,
    TimeoutTermination,
    TokenUsageTermination,
)
from quorate.chat.ending.stopping import PATIENCE
from quorate.chat.files.forms import (
    ApprovalPart,
    ConditionPart,
    ContextPart,
    Count,
    FilterPart,
    HandoffPart,
    Level,
    LimitsFields,
    LimitsPart,
    MemberPart,
    MemoryPart,
    Name,
    Names,
    SchemaPart,
    TeamName,
    TeamPart,
    ToolName,
)
from quorate.chat.files.tools import OfferedTool, name_of
from quorate.chat.graph import DiGraph, DiGraphEdge, DiGraphNode, GraphFlow
from quorate.chat.team import RoundRobinGroupChat, Swarm, Team
from quorate.core.config import Document, Fields, Form, Kind
from quorate.core.source import Problem, Where, near
from quorate.errors import ConfigError
from quorate.executors.kinds import ExecutorPart
from quorate.memory.content import MemoryContent
from quorate.memory.lists import ListMemory
from quorate.models import context, views
from quorate.models.kinds import ModelPart

# -- model contexts ---------------------------------------------------------------------------------------------------


class UnboundedFields(Fields):
    """Shows the model the whole conversation."""


class BufferedFields(Fields):
    """Shows the model the latest messages; a reply with its tool calls and their results is one."""

    buffer_size: Count = Field(description="How many.")


class HeadAndTailFields(Fields):
    """Shows the model the first and the latest messages, and how many are left out between them."""

    head_size: Count = Field(description="How many at the beginning.")
    tail_size: Count = Field(description="How many at the end.")


class TokenLimitedFields(Fields):
    """Shows the model the first messages, and as many of the latest as there is room for."""

    token_limit: Count = Field(description="The most tokens of all of them, estimated by their bytes.")
    head_size: int = Field(1, ge=0, description="How many at the beginning stay.")


class OwnSideFields(Fields):
    """Shows an agent what it said itself, what was said since, and the first messages."""

    head_size: int = Field(1, ge=0, description="How many at the beginning stay.")


class FromSourcesFields(Fields):
    """Shows what some have said, and the agent's own side."""

    sources: Names = Field(min_length=1, description="Who; `user` gives the task.")


class PinnedFields(Fields):
    """Shows the first messages, and what another context shows of the others."""

    context: ContextPart = Field(description="Chooses among the others.")
    head_size: Count = Field(1, description="How many at the beginning stay.")


class ChainFields(Fields):
    """Shows what is left after several contexts, one after the other."""

    contexts: list[ContextPart] = Field(min_length=1, description="In their order.")


class SummarizedFields(Fields):
    """Lets the agent's model sum up the older part of a long conversation."""

    max_tokens: Count = Field(description="Once the conversation has more, estimated by its bytes, it is summed up.")
    keep_last: Count = Field(10, description="How many of the latest stay as they are.")
    head_size: int = Field(1, ge=0, description="How many at the beginning stay.")
    max_summary_tokens: Count = Field(500, description="The most tokens of a summary.")
    max_prompt_tokens: Count = Field(100_000, description="The most that are summed up at once.")
    prompt: str = Field(views.PROMPT, min_length=1, description="What the model is asked.")


CONTEXTS = (
    Kind("own_side_context", "model_context", views.OwnSide, OwnSideFields),
    Kind("from_sources_context", "model_context", views.FromSources, FromSourcesFields),
    Kind("pinned_context", "model_context", views.Pinned, PinnedFields),
    Kind("chain_context", "model_context", views.Chain, ChainFields),
    Kind("summarized_context", "model_context", views.Summarized, SummarizedFields),
    Kind("unbounded_context", "model_context", context.UnboundedChatCompletionContext, UnboundedFields),
    Kind("buffered_context", "model_context", context.BufferedChatCompletionContext, BufferedFields),
    Kind("head_and_tail_context", "model_context", context.HeadAndTailChatCompletionContext, HeadAndTailFields),
    Kind("token_limited_context", "model_context", context.TokenLimitedChatCompletionContext, TokenLimitedFields),
)

# -- memories ---------------------------------------------------------------------------------------------------------


class ListMemoryFields(Fields):
    """Remembers a few things, all of which are always told."""

    name: str = Field("default_list_memory", min_length=1, description="What it is called.")
    memory_contents: list[MemoryContent] = Field(default_factory=list[MemoryContent], description="What it remembers.")


MEMORIES = (Kind("list_memory", "memory", ListMemory, ListMemoryFields),)

# -- agents ----------------------------------------------------------------------------------------------------------


class AssistantFields(Fields):
    """Answers with a model, and calls tools on the way."""

    name: Name = Field(description="Who it is in the thread; each participant has a name of its own.")
    model_client: ModelPart = Field(description="The model that it answers with, by name or in full.")
    tools: list[OfferedTool] = Field(
        default_factory=list[Any],
        description="The tools that it may call: names, from the operator's own modules, or agents and teams in full.",
    )
    description: str = Field(DEFAULT_DESCRIPTION, description="What it is for, as others are told.")
    system_message: str | None = Field(DEFAULT_SYSTEM, description="Its standing instruction; null for none.")
    model_client_stream: bool = Field(True, description="Whether viewers get its words as they come.")
    reflect_on_tool_use: bool = Field(True, description="Whether the model has the last word after tools.")
    max_tool_iterations: Count = Field(10, description="How often in one turn it may call tools.")
    max_tokens: Count | None = Field(None, description="The most tokens of one reply; left out: what the model allows.")
    temperature: float | None = Field(None, ge=0, description="How freely the model chooses words; 0 is the least.")
    seed: int | None = Field(None, description="Makes the model's choice of words repeatable, where it can be.")
    limits: LimitsPart | None = Field(
        None, description="What it may use in one run: model_calls, tool_calls, tokens, cost_usd."
    )
    model_context: ContextPart | None = Field(
        None, description="What of a long conversation the model is shown; left out: all of it."
    )
    handoffs: list[HandoffPart] = Field(
        default_factory=list[Any], description="Whom it may give the conversation to: names, or handoffs in full."
    )
    output_content_type: SchemaPart | None = Field(
        None, description="The JSON schema of an object that its answers must be; left out: any text."
    )
    output_content_type_format: str | None = Field(
        None, description="How people read such an answer, such as '{city}: {degrees} degrees'."
    )
    tool_call_summary_format: str = Field(
        RESULT_ONLY, description="How, without reflection, it tells of each call of a tool."
    )
    metadata: dict[str, str] = Field(default_factory=dict[str, str], description="What you want to know of it.")
    memory: list[MemoryPart] | None = Field(None, min_length=1, description="What it knows beyond the conversation.")


class UserProxyFields(Fields):
    """Says what a person says."""

    name: Name = Field(description="Who the person is in the thread.")
    description: str = Field("A human user", description="What the person is for, as others are told.")
    human_input_mode: str = Field(
        "ALWAYS",
        description="When the person is asked: ALWAYS, TERMINATE (when somebody asks to end), NEVER.",
        json_schema_extra={"enum": list(MODES)},
    )
    default_auto_reply: str = Field(AUTO_REPLY, description="What is said where nobody is asked.")
    max_consecutive_auto_reply: Count | None = Field(None, description="How often that is said in a row.")
    inbox: bool = Field(False, description="Whether a question is put into the inbox though there is a terminal.")


class SocietyFields(Fields):
    """Lets a team talk by itself, and answers with what a model makes of that."""

    name: Name = Field(description="Who it is in the thread.")
    team: TeamPart = Field(description="Who talks.")
    model_client: ModelPart = Field(description="The model that answers, by name or in full.")
    instruction: str = Field(society.DEFAULT_INSTRUCTION, description="Its instruction, before what the team said.")
    response_prompt: str = Field(society.DEFAULT_RESPONSE_PROMPT, description="What it is asked to do, behind that.")
    description: str = Field(society.DEFAULT_DESCRIPTION, description="What it is for, as others are told.")
    model_context: ContextPart | None = Field(
        None, description="What of what the team said the model is shown; left out: all of it."
    )


class CodeExecutorFields(Fields):
    """Runs the code that others write; with a model, the code that it writes itself."""

    name: Name = Field(description="Who it is in the thread.")
    code_executor: ExecutorPart = Field(description="Runs the code.")
    model_client: ModelPart | None = Field(None, description="Writes the code; left out: others do.")
    model_context: ContextPart | None = Field(
        None, description="What of a long conversation the model is shown; left out: all of it."
    )
    model_client_stream: bool = Field(True, description="Whether viewers get the model's words as they come.")
    max_retries_on_error: int = Field(0, ge=0, description="How often the model may write code again that failed.")
    description: str | None = Field(None, min_length=1, description="What it is for; left out: our own words.")
    system_message: str | None = Field(
        CodeExecutorAgent.DEFAULT_SYSTEM_MESSAGE, description="The model's standing instruction; null for none."
    )
    sources: list[Name] | None = Field(None, description="Whose code is run, without a model; left out: everybody's.")
    supported_languages: list[str] | None = Field(None, min_length=1, description="Left out: python and sh.")
    approval: ApprovalPart = Field(False, description="Whether a person has to approve the code, and who.")
    min_isolation: Level = Field(
        "sandbox", description="How well code is kept apart at least; only whoever runs it can allow less."
    )
    effect: Literal["read", "idempotent", "unsafe"] = Field(
        "unsafe", description="What running code may do; `read` is for executors that are thrown away."
    )
    max_tokens: Count | None = Field(None, description="The most tokens of one reply; left out: what the model allows.")
    limits: LimitsPart | None = Field(None, description="What it may use in one run.")

    @model_validator(mode="after")
    def _said_in_full(self) -> Self:
        coder = CodeExecutorAgent
        if self.description is None:
            alone = self.model_client is None
            self.description = coder.DEFAULT_TERMINAL_DESCRIPTION if alone else coder.DEFAULT_AGENT_DESCRIPTION
        if self.supported_languages is None:
            self.supported_languages = list(coder.DEFAULT_SUPPORTED_LANGUAGES)
        return self


class MessageFilterFields(Fields):
    """Lets an agent speak that sees only some messages."""

    name: Name = Field(description="Who it is in the thread.")
    wrapped_agent: MemberPart = Field(description="Who speaks.")
    filter: FilterPart = Field(description="What it sees.")


def _of_coder(agent: CodeExecutorAgent) -> Mapping[str, Any]:
    if agent.approval_func is not None:
        raise ConfigError(f"{agent!r} has an approval_func, which is no data. approval=True asks a person.")
    said = {name: getattr(agent, name) for name in CodeExecutorFields.model_fields}
    said["supported_languages"] = list(agent.supported_languages)
    said["sources"] = None if agent.sources is None else list(agent.sources)
    return said


AGENTS = (
    Kind("code_executor", "agent", CodeExecutorAgent, CodeExecutorFields, values=_of_coder),
    Kind("message_filter", "agent", MessageFilterAgent, MessageFilterFields),
    Kind("assistant", "agent", AssistantAgent, AssistantFields),
    Kind("user_proxy", "agent", UserProxyAgent, UserProxyFields),
    Kind("society_of_mind", "agent", society.SocietyOfMindAgent, SocietyFields),
)

# -- conditions ------------------------------------------------------------------------------------------------------


class AnyFields(Fields):
    """Stops once one of several conditions says so."""

    conditions: list[ConditionPart] = Field(min_length=1, description="The conditions; one is enough.")


class AllFields(Fields):
    """Stops once all of several conditions have said so."""

    conditions: list[ConditionPart] = Field(min_length=1, description="The conditions; all are needed.")


class TextMentionFields(Fields):
    """Stops once an agent has said a text. The task itself does not count."""

    text: str = Field(min_length=1, description="What has to be said, letter by letter.")
    sources: Names = Field(default_factory=list[str], description="Who has to say it; anybody if left out.")


class MaxMessageFields(Fields):
    """Stops at a number of messages."""

    max_messages: Count = Field(description="How many messages, the task's included.")
    include_agent_event: bool = Field(False, description="Whether events, such as tool calls, count too.")


class TokenUsageFields(Fields):
    """Stops once so many tokens are used; needs one of its fields."""

    max_total_token: Count | None = Field(None, description="Tokens of prompts and replies together.")
    max_prompt_token: Count | None = Field(None, description="Tokens of prompts.")
    max_completion_token: Count | None = Field(None, description="Tokens of replies.")


class TimeoutFields(Fields):
    """Stops at the first message after some time."""

    timeout_seconds: float = Field(gt=0, description="Seconds since the run began.")


class ExternalFields(Fields):
    """Stops when somebody outside says so."""


class StopMessageFields(Fields):
    """Stops once an agent has sent a stop message."""


class SourceMatchFields(Fields):
    """Stops once one of some participants has said something."""

    sources: Names = Field(min_length=1, description="Any of them has to say something.")


class HandoffTerminationFields(Fields):
    """Stops once the conversation is handed to somebody."""

    target: str = Field(min_length=1, description="To whom.")


class TextMessageFields(Fields):
    """Stops once a text message was said."""

    source: Name | None = Field(None, description="Who has to say it; anybody if left out.")


class FunctionCallFields(Fields):
    """Stops once a tool was called."""

    function_name: str = Field(min_length=1, description="The tool that has to be called.")


class CostFields(Fields):
    """Stops once what was said has cost so much."""

    max_cost_usd: float = Field(gt=0, description="US dollars.")


class NoProgressFields(Fields):
    """Stops once some messages in a row have said nothing new."""

    messages: Count = Field(3, description="How many.")


class ResultFields(Fields):
    """Stops once a tool was called whose arguments are the result."""

    tool: ToolName = Field(description="The tool, one of the operator's own modules; best with final=True.")


def _any(conditions: list[Condition[Any]]) -> AnyOf:
    return AnyOf(tuple(conditions))


def _all(conditions: list[Condition[Any]]) -> AllOf:
    return AllOf(tuple(conditions))


def _of_result(condition: ResultTermination) -> Mapping[str, Any]:
    if condition.form is not None:
        raise ConfigError(
            f"ResultTermination({condition.form.__name__}) takes a class, which is no data. Write its tool as a "
            "function, @tool(final=True), and name that."
        )
    return {"tool": condition.tool}


def _none(condition: Condition[Any]) -> Mapping[str, Any]:
    return {}


CONDITIONS = (
    Kind("any", "condition", AnyOf, AnyFields, make=_any),
    Kind("all", "condition", AllOf, AllFields, make=_all),
    Kind("text_mention", "condition", TextMentionTermination, TextMentionFields),
    Kind("max_messages", "condition", MaxMessageTermination, MaxMessageFields),
    Kind("token_usage", "condition", TokenUsageTermination, TokenUsageFields),
    Kind("timeout", "condition", TimeoutTermination, TimeoutFields),
    Kind("external", "condition", ExternalTermination, ExternalFields, values=_none),
    Kind("stop_message", "condition", StopMessageTermination, StopMessageFields),
    Kind("source_match", "condition", SourceMatchTermination, SourceMatchFields),
    Kind("handoff", "condition", HandoffTermination, HandoffTerminationFields),
    Kind("text_message", "condition", TextMessageTermination, TextMessageFields),
    Kind("function_call", "condition", FunctionCallTermination, FunctionCallFields),
    Kind("cost", "condition", CostTermination, CostFields),
    Kind("no_progress", "condition", NoProgressTermination, NoProgressFields),
    Kind("tool_result", "condition", ResultTermination, ResultFields, values=_of_result),
)

# -- teams -----------------------------------------------------------------------------------------------------------


class TeamFields(Fields):
    """What every team has."""

    name: TeamName = Field("Team", description="Of the team.")
    participants: list[MemberPart] = Field(min_length=1, description="Who talks.")
    termination_condition: ConditionPart | None = Field(None, description="When it is done; else at a limit.")
    max_turns: Count | None = Field(None, description="Short for the limit `turns`.")
    limits: LimitsPart = Field(
        default_factory=lambda: LimitsFields.model_validate({}), description="What a run may use."
    )
    patience: int | None = Field(
        PATIENCE, ge=2, description="How often the same may come with nothing new between; null watches for no loops."
    )
    wrap_up: str | None = Field(
        None, min_length=1, description="What a last answer shall say when a limit is reached; it is reserved for."
    )
    description: str = Field("A team of agents.", description="What it is for.")
    share_all: bool = Field(False, description="Whether others hear all of it where it is a member of a team.")
    emit_team_events: bool = Field(False, description="Whether it is told who was chosen to speak, and why.")

    @model_validator(mode="after")
    def _one_limit_of_turns(self) -> Self:
        if self.max_turns is not None:
            if self.limits.turns not in {None, self.max_turns}:
                raise ConfigError("max_turns and limits.turns say different things. Keep limits.turns.")
            self.limits = self.limits.model_copy(update={"turns": self.max_turns})
            self.max_turns = None
        return self


class RoundRobinFields(TeamFields):
    """Participants speak in the order given, again and again."""

    name: TeamName = Field("RoundRobinGroupChat", description="Of the team.")


class SwarmFields(TeamFields):
    """Who is handed the conversation speaks, until they hand it on; the first participant begins."""

    name: TeamName = Field("Swarm", description="Of the team.")


class EdgeFields(Fields):
    """Lets one participant come after another."""

    source: Name = Field(description="After whom.")
    target: Name = Field(description="Who comes then.")
    condition: str | None = Field(None, min_length=1, description="A text that what was said must have in it.")
    activation_group: str = Field("", description="Edges of one group start the target together; left out: all.")
    activation_condition: Literal["all", "any"] | Count | None = Field(
        None, description="How many edges of the group that takes: all, which is the default, any, or so many."
    )
    at_most: Count | None = Field(None, description="How often it may be gone.")


class GraphFields(Fields):
    """Who speaks after whom."""

    nodes: list[Name] = Field(
        default_factory=list[str], description="The participants in it; left out: those whom edges name."
    )
    edges: list[EdgeFields] = Field(default_factory=list[EdgeFields], description="Who comes after whom.")
    start: Name | None = Field(None, description="Where it begins; left out: where no edge leads to.")

    @model_validator(mode="after")
    def _all_that_edges_name(self) -> Self:
        if not self.nodes:
            self.nodes = list(dict.fromkeys(name for edge in self.edges for name in (edge.source, edge.target)))
        return self


class _GraphForm(Form):
    def build(self, value: GraphFields, context: Any) -> DiGraph:
        edges: dict[str, list[DiGraphEdge]] = {name: [] for name in value.nodes}
        for edge in value.edges:
            given = edge.model_dump(exclude={"source"})
            edges.setdefault(edge.source, []).append(DiGraphEdge(**given))
        nodes = {name: DiGraphNode(name, tuple(after)) for name, after in edges.items()}
        graph = DiGraph(nodes, value.start)
        graph.graph_validate()
        return graph

    def dump(self, value: DiGraph) -> dict[str, Any]:
        edges: list[dict[str, Any]] = []
        for way, edge in value.edges():
            if callable(edge.condition):
                raise ConfigError(
                    f"The condition of {value.shown(way)} is a function, which is no data, so the graph cannot be "
                    "written as a document."
                )
            group = value.groups[edge.target, edge.activation_group or edge.target]
            said = None if group.activation == "all" else group.activation
            edges.append({
                "source": way.source, "target": edge.target, "condition": edge.condition,
                "activation_group": edge.activation_group, "activation_condition": said, "at_most": edge.at_most,
            })  # fmt: skip
        return {"nodes": list(value.nodes), "edges": edges, "start": value.default_start_node}


GraphPart = Annotated[GraphFields, _GraphForm()]


class GraphFlowFields(TeamFields):
    """Participants speak as a graph says: one after the other, side by side, again, or not at all."""

    name: TeamName = Field("GraphFlow", description="Of the team.")
    graph: GraphPart = Field(description="Who speaks after whom.")
    hear_all: bool = Field(False, description="Whether everybody hears everything, and not only what led to them.")
    race: bool = Field(True, description="Whether those are cancelled who could only come late for a join.")


class MagenticFields(TeamFields):
    """A model plans, tells one participant after the other what to do, plans anew when stuck, and gives the answer."""

    name: TeamName = Field("MagenticOneGroupChat", description="Of the team.")
    model_client: ModelPart = Field(description="The model that plans.")
    max_turns: Count | None = Field(20, description="After so many rounds the answer is given with what there is.")
    max_stalls: Count = Field(3, description="After so many rounds that led nowhere there is a new plan.")
    final_answer_prompt: str = Field(
        ledgers.FINAL, min_length=1, description="Asks for the answer, with {task} where it wants the task."
    )
    patience: int | None = Field(
        magentic.PATIENCE, ge=2, description="How often the same may come with nothing new between, new plans included."
    )

    @model_validator(mode="after")
    def _one_limit_of_turns(self) -> Self:
        return self  # here `max_turns` is no limit


class SelectorFields(TeamFields):
    """The next speaker is selected from what was said."""

    name: TeamName = Field("SelectorGroupChat", description="Of the team.")
    participants: list[MemberPart] = Field(min_length=2, description="Who talks; the next one is chosen among them.")
    model_client: ModelPart | None = Field(
        None, description="The model that chooses; without one the role nearest in meaning to the last message speaks."
    )
    selector_prompt: str | None = Field(
        None,
        description="What the model is asked, with {roles}, {participants} and {history}; left out: our own words.",
    )
    allow_repeated_speaker: bool = Field(False, description="Whether who spoke last may be chosen again.")
    max_selector_attempts: Count = Field(2, description="How often the model may answer with no name that is allowed.")
    model_client_streaming: bool = Field(False, description="Whether viewers see the model's choice as it comes.")
    model_context: ContextPart | None = Field(
        None, description="What of the conversation the model is shown; left out: the 20 latest messages."
    )

    @model_validator(mode="after")
    def _asks_a_model_or_none(self) -> Self:
        if self.model_client is None:
            if self.selector_prompt is not None:
                raise ConfigError("selector_prompt needs a model that chooses: add model_client.")
            if self.model_context is not None:
                raise ConfigError("model_context needs a model that chooses: add model_client.")
            self.max_selector_attempts, self.model_client_streaming = 2, False  # nobody is asked
        elif self.selector_prompt is None:
            self.selector_prompt = selector.PROMPT
        return self


def _of_team(team: Team) -> Mapping[str, Any]:
    names = (
        "participants",
        "termination_condition",
        "limits",
        "patience",
        "wrap_up",
        "name",
        "description",
        "share_all",
        "emit_team_events",
    )
    return {name: getattr(team, name) for name in names}


def _of_graph(team: GraphFlow) -> Mapping[str, Any]:
    return {**_of_team(team), "graph": team.graph, "hear_all": team.hear_all, "race": team.race}


def _of_magentic(team: magentic.MagenticOneGroupChat) -> Mapping[str, Any]:
    names = ("model_client", "max_turns", "max_stalls", "final_answer_prompt")
    return {**_of_team(team), **{name: getattr(team, name) for name in names}}


def _of_selector(team: selector.SelectorGroupChat) -> Mapping[str, Any]:
    policy = cast("selector.Selector", team.turns)
    if policy.selector_func is not None or policy.candidate_func is not None:
        raise ConfigError(
            f"{team.name} selects by a function, which is no data, so it cannot be written as a document."
        )
    by = policy.choosing
    chosen = (
        {
            "model_client": by.model_client,
            "selector_prompt": by.prompt,
            "max_selector_attempts": by.attempts,
            "model_client_streaming": by.streams,
            "model_context": by.model_context,
        }
        if isinstance(by, selector.ByModel)
        else {}
    )
    return {**_of_team(team), "allow_repeated_speaker": policy.allow_repeated_speaker, **chosen}


def check_team(document: Document) -> Iterator[Problem]:
    """Look for names that are there twice, and for conditions that wait for somebody or something not there."""
    members: list[Document] = document["participants"]
    names = [str(member["name"]) for member in members if "name" in member]
    for i, member in enumerate(members):
        if "name" in member and member["name"] in [other.get("name") for other in members[:i]]:
            text = f"Two participants are named {member['name']!r}. Each needs a name of its own."
            yield Problem(("participants", i, "name"), text)
    tools = {name_of(tool) for member in members if member["type"] == "assistant" for tool in member["tools"]}
    shares = any(member.get("share_all") for member in members)  # others hear who speaks inside
    others = {member["type"] for member in members} - {"assistant", "user_proxy"}  # we cannot know their tools
    for way, condition in _conditions(document.get("termination_condition"), ("termination_condition",)):
        kind = condition["type"]
        if kind in {"text_mention", "source_match"} and len(names) == len(members) and not shares:
            for source in sorted(set(condition["sources"]) - set(names)):
                yield Problem((*way, "sources"), f"No participant is named {source!r}.{_known(source, names)}")
        field = {"function_call": "function_name", "tool_result": "tool"}.get(kind, "")
        if field and not others and condition[field] not in tools:
            name = condition[field]
            yield Problem((*way, field), f"No participant has a tool {name!r}.{_known(name, sorted(tools))}")


def _known(word: str, known: list[str]) -> str:
    return f"{near(word, known)} There are: {', '.join(known) or 'none'}."


def _conditions(document: Document | None, way: Where) -> Iterator[tuple[Where, Document]]:
    if document is not None:
        yield way, document
        if document["type"] in {"any", "all"}:
            for i, inner in enumerate(document["conditions"]):
                yield from _conditions(inner, (*way, "conditions", i))


TEAMS = (
    Kind(
        "round_robin",
        "team",
        RoundRobinGroupChat,
        RoundRobinFields,
        values=_of_team,
        check=check_team,
        rough=True,
    ),
    Kind("swarm", "team", Swarm, SwarmFields, values=_of_team, check=check_team, rough=True),
    Kind("graph_flow", "team", GraphFlow, GraphFlowFields, values=_of_graph, check=check_team, rough=True),
    Kind(
        "magentic_one",
        "team",
        magentic.MagenticOneGroupChat,
        MagenticFields,
        values=_of_magentic,
        check=check_team,
        rough=True,
    ),
    Kind(
        "selector",
        "team",
        selector.SelectorGroupChat,
        SelectorFields,
        values=_of_selector,
        check=check_team,
        rough=True,
    ),
)
