"""Team files become teams that say in the journal what they are."""

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from quorate.chat.agent import Agent
from quorate.chat.agents.assistant import AssistantAgent
from quorate.chat.agents.coder import ApprovalResponse, CodeExecutorAgent
from quorate.chat.agents.filtering import MessageFilterAgent
from quorate.chat.agents.user import UserProxyAgent
from quorate.chat.delegate import Delegate
from quorate.chat.ending.conditions import Condition, MaxMessageTermination, TextMentionTermination
from quorate.chat.facts import Fact
from quorate.chat.files.document import dump, kind, load_team, team_from_document, team_registry, team_schema
from quorate.chat.files.vocabulary import AGENTS, CONDITIONS, CONTEXTS, TEAMS
from quorate.chat.messages import TextMessage
from quorate.chat.patterns.kinds import PATTERNS
from quorate.chat.patterns.review import Review
from quorate.chat.selector import PROMPT, SelectorGroupChat
from quorate.chat.speech import Turn
from quorate.chat.team import RoundRobinGroupChat, Team
from quorate.chat.turns import RoundRobin
from quorate.core.config import Kind
from quorate.core.parse import parse
from quorate.errors import ConfigError
from quorate.executors.code import Isolation
from quorate.executors.local import LocalCommandLineCodeExecutor
from quorate.models.client import ModelClient
from quorate.runs.memory import MemoryStore
from quorate.runs.outcome import DEFAULT_LIMITS, Limits
from quorate.testing import ScriptedModel
from quorate.tools.tool import Approval, Tool, tool


@tool(effect="read")
def column_stats(column: str) -> str:
    """Return figures of a column."""
    return column


@tool(effect="read")
def histogram(column: str) -> str:
    """Draw a column."""
    return column


@kind("parrot")
class Parrot(Agent):
    """Says its phrase.

    Args:
        name: Who it is.
        phrase: What it says.
    """

    def __init__(self, name: str, phrase: str = "Hello.") -> None:
        super().__init__(name)
        self.phrase = phrase

    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(content=self.phrase, source=self.name)


REVIEW = """\
type: round_robin
name: review
participants:
  - type: assistant
    name: analyst
    model_client: openai:gpt-5
    system_message: |
      Compute before you speak.
    tools: [column_stats]
  - type: assistant
    name: critic
    model_client: embedded
  - type: user_proxy
    name: Ann
termination_condition:
  type: any
  conditions:
    - {type: text_mention, text: APPROVE, sources: [critic, Ann]}
    - {type: max_messages, max_messages: 12}
limits: {turns: 20, tokens: 50000}
"""
PARROTS = """\
type: round_robin
participants:
  - {type: parrot, name: Ara, phrase: Good morning.}
  - {type: parrot, name: Cora, phrase: Good night.}
termination_condition: {type: max_messages, max_messages: 4}
"""
TOOLS = [column_stats, histogram]


def wrong(text: str, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_team(text, **{"tools": TOOLS, **options})
    return str(refused.value).splitlines()


# -- from a document to a team ----------------------------------------------------------------------------------------


def test_a_team_file_becomes_the_team_it_describes(tmp_path: Path) -> None:
    file = tmp_path / "team.yaml"
    file.write_text(REVIEW)

    team = load_team(file, tools=TOOLS)

    assert type(team) is RoundRobinGroupChat
    analyst, critic, ann = team.participants
    assert isinstance(analyst, AssistantAgent)
    assert isinstance(ann, UserProxyAgent)
    assert (team.name, [analyst.name, critic.name, ann.name]) == ("review", ["analyst", "critic", "Ann"])
    assert analyst.tools == {"column_stats": column_stats}
    assert analyst.system_message == "Compute before you speak.\n"
    assert team.limits == Limits(turns=20, tokens=50_000)
    assert team.termination_condition == (
        TextMentionTermination("APPROVE", frozenset({"critic", "Ann"})) | MaxMessageTermination(12)
    )


def test_path_text_and_data_make_the_same_team(tmp_path: Path) -> None:
    team = load_team(REVIEW, tools=TOOLS)
    (tmp_path / "team.json").write_text(json.dumps(team.document))

    documents = [
        load_team(source, tools=TOOLS).document
        for source in (str(tmp_path / "team.json"), json.dumps(team.document), team.document or {})
    ]

    assert documents == [team.document] * 3


def test_tools_may_come_by_name() -> None:
    team = load_team(REVIEW, tools={"column_stats": column_stats})

    assert team.document == load_team(REVIEW, tools=TOOLS).document


def test_a_json_document_may_name_its_schema() -> None:
    text = (
        '{"$schema": "team.schema.json", "type": "round_robin", "participants": [{"type": "user_proxy", "name": "a"}]}'
    )

    assert "$schema" not in (load_team(text).document or {})


def test_a_selector_without_a_model_needs_none() -> None:
    text = "type: selector\nparticipants:\n  - {type: user_proxy, name: a}\n  - {type: user_proxy, name: b}\n"

    team = load_team(text)

    assert type(team) is SelectorGroupChat
    assert dump(team) == team.document


def test_a_selector_with_a_model_keeps_the_words_it_asks_with() -> None:
    text = "type: selector\nmodel_client: openai:gpt-5\nparticipants:\n"
    text += "  - {type: user_proxy, name: a}\n  - {type: user_proxy, name: b}\n"

    team = load_team(text)

    assert team.document
    assert team.document["selector_prompt"] == PROMPT
    assert dump(team) == team.document


def test_max_turns_is_a_limit() -> None:
    team = load_team("type: round_robin\nmax_turns: 3\nparticipants: [{type: user_proxy, name: a}]\n")

    assert team.limits == Limits(turns=3)
    assert dump(team) == team.document


async def test_a_run_journals_the_document_and_another_process_makes_the_team_of_it() -> None:
    store = MemoryStore()
    registry = team_registry(Parrot)
    team = load_team(PARROTS, registry=registry)

    first = await team.run("Hi", conversation=store.conversation("talk"))
    (entry,) = await store.read("talk", kinds=["run"])
    again = team_from_document(json.loads(json.dumps(entry.payload["document"])), registry=registry)
    second = await again.run("Hi", conversation=store.conversation("other"))

    assert entry.payload["document"] == team.document == again.document
    assert [m.to_text() for m in second.messages] == [m.to_text() for m in first.messages]
    assert first.messages[-1].to_text() == "Good morning."


# -- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "type: round_robin",
            "type: round_robbin",
            "1:7: There is no team type 'round_robbin'. Did you mean 'round_robin'? There are: round_robin, swarm,",
        ),
        (
            "type: assistant\n    name: critic",
            "type: AssistantAgent\n    name: critic",
            "10:11: There is no agent or team type 'AssistantAgent'. Did you mean 'assistant'?",
        ),
        (
            "system_message",
            "system_mesage",
            "7:5: 'system_mesage' is no field of assistant. Did you mean 'system_message'?",
        ),
        (
            "    model_client: embedded\n",
            "",
            "10:5: 'model_client' is missing. The model that it answers with, by name or in full.",
        ),
        ("max_messages: 12", "max_messages: twelve", "19:42: max_messages should be a whole number, not 'twelve'."),
        ("name: Ann", "name: critic", "14:11: Two participants are named 'critic'. Each needs a name of its own."),
        ("name: Ann", "name: ' '", "14:11: ' ' cannot name an agent: 1 to 200 printable characters"),
        ("name: review", "name: ' '", "2:7: ' ' cannot name a team: 1 to 200 printable characters"),
        ("name: review", "name: ''", "2:7: '' cannot name a team: 1 to 200 printable characters"),
        (
            "[column_stats]",
            "[colum_stats]",
            "9:13: There is no tool 'colum_stats'. Did you mean 'column_stats'? There are: column_stats, histogram.",
        ),
        (
            "[column_stats]",
            "[column_stats, column_stats]",
            "4:5: analyst has two tools named 'column_stats'. Give one another name: @tool(name=…).",
        ),
        ("[critic, Ann]", "[critc, Ann]", "18:52: No participant is named 'critc'. Did you mean 'critic'?"),
        (
            "{type: max_messages, max_messages: 12}",
            "{type: function_call, function_name: histogram}",
            "19:44: No participant has a tool 'histogram'. There are: column_stats.",
        ),
        ("limits: {turns", "limits: {turn", "20:10: 'turn' is no field of limits. Did you mean 'turns'?"),
        ("turns: 20", "turns: -1", "20:17: limits.turns should be greater than 0, not -1."),
        ("turns: 20", "turns: 1.5", "20:17: limits.turns should be a whole number, not 1.5."),
        ("turns: 20", "turns: true", "20:17: limits.turns should be a whole number, not True."),
        ("turns: 20", "model_calls: '9'", "20:23: limits.model_calls should be a whole number, not '9'."),
        ("turns: 20", "tool_calls: .nan", "20:22: limits.tool_calls should be a whole number, not '.nan'."),
        ("tokens: 50000", "tokens: 1e5", "20:29: limits.tokens should be a whole number, not 100000.0."),
        ("turns: 20", "cost_usd: 0", "20:20: limits.cost_usd should be greater than 0, not 0."),
        ("turns: 20", "active_s: .inf", "20:20: limits.active_s should be a number, not '.inf'."),
        ("turns: 20", "warn_at: 1.5", "20:19: limits.warn_at should be less than or equal to 1, not 1.5."),
        ("name: review", "max_turns: 3", "1:1: max_turns and limits.turns say different things. Keep limits.turns."),
        ("type: user_proxy", "type: external", "13:11: 'external' is a condition; here goes an agent or team."),
        ("- type: user_proxy", "- &ann\n    me: *ann\n    type: user_proxy", "14:9: *ann stands inside &ann: a cycle."),
        ("name: review", "name: review\nname: other", "3:1: 'name' is here twice, first on line 2. Keep one."),
        ("    name: critic", "\tname: critic", "11:1: This line is indented with a tab. Indent with spaces."),
    ],
)
def test_a_fault_names_line_and_fix(old: str, new: str, expected: str) -> None:
    assert REVIEW.count(old) == 1

    lines = wrong(REVIEW.replace(old, new))

    assert any(line.startswith(f"<text>:{expected}") for line in lines), lines


def test_a_list_that_is_too_short_says_so() -> None:
    assert wrong("type: swarm\nparticipants: []\n") == ["<text>:2:15: participants should have at least 1 item, not 0."]


def test_an_unknown_model_is_named_where_it_stands() -> None:
    (line,) = wrong(REVIEW.replace("openai:gpt-5", "opnai:gpt-5"))

    assert line.startswith("<text>:6:19: There is no model 'opnai:gpt-5'.")


def test_every_fault_of_a_file_is_told_at_once() -> None:
    text = REVIEW.replace("openai:gpt-5", "nobody:x").replace("text: APP", "txt: APP").replace("turns", "turn")

    assert [line.split(":")[1] for line in wrong(text)] == ["6", "18", "20"]


def test_no_tools_at_all_says_where_they_would_come_from() -> None:
    (line,) = wrong(REVIEW, tools=(), more="There is no quorate.toml here.")

    assert line == "<text>:9:13: There is no tool 'column_stats'. There is no quorate.toml here."


@pytest.mark.parametrize(
    ("made", "start"),
    [
        ("", "There is no file '{folder}/team.yaml'. Did you mean 'tean.yml'?"),
        ("folder", "{folder}/team.yaml: It cannot be read: Is a directory."),
        (b"type: \xff", "{folder}/team.yaml: It is no text in UTF-8: invalid start byte at byte 6."),
        (b"", "{folder}/team.yaml: It is empty."),
        (b"- a\n", "{folder}/team.yaml:1:1: Here goes a team: fields that begin with `type:`, not ['a']."),
        (b"\xef\xbb\xbftype: x\n", "{folder}/team.yaml:1:7: There is no team type 'x'."),
    ],
    ids=["missing", "folder", "no text", "empty", "a list", "byte order mark"],
)
def test_a_file_that_is_no_team_file_says_so(tmp_path: Path, made: str | bytes, start: str) -> None:
    (tmp_path / "tean.yml").write_text("")
    file = tmp_path / "team.yaml"
    if made == "folder":
        file.mkdir()
    elif isinstance(made, bytes):
        file.write_bytes(made)

    (line,) = wrong(str(file))

    assert line.startswith(start.format(folder=tmp_path))


def test_a_file_in_no_folder_says_so(tmp_path: Path) -> None:
    (line,) = wrong(str(tmp_path / "teams" / "team.yaml"))

    assert line.endswith(f"There is no folder '{tmp_path / 'teams'}' either.")


def test_an_empty_text_is_no_path() -> None:
    assert wrong("") == ["<text>: It is empty. Write fields into it, the first of them `type:`."]


def test_two_tools_of_one_name_are_refused() -> None:
    @tool(name="histogram")
    def other(column: str) -> str:
        """Draw it otherwise."""
        return column

    assert wrong(REVIEW, tools=[*TOOLS, other]) == [
        "Two tools are named 'histogram'. Give one another name: @tool(name=…)."
    ]
    assert wrong(REVIEW, tools={"column_stats": other})[0].startswith(
        "The tool under 'column_stats' is named 'histogram'."
    )


# -- from a team to a document ----------------------------------------------------------------------------------------

NAMES = ["Ann", "Ben", "Кот", "🦜", "no", "12"]
counts = st.integers(1, 10**6)


def envelope(type: str, required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(type), **required}, optional={"version": st.just(1), **optional})


def some(names: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), min_size=1)


def conditions(names: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    text = st.text(min_size=1)
    one = st.one_of(
        envelope("text_mention", {"text": text}, {"sources": st.just([]) | some(names)}),
        envelope("max_messages", {"max_messages": counts}, {"include_agent_event": st.booleans()}),
        envelope(
            "token_usage", {"max_total_token": counts}, {"max_prompt_token": counts, "max_completion_token": counts}
        ),
        envelope("timeout", {"timeout_seconds": st.floats(0.1, 1e6)}, {}),
        envelope("source_match", {"sources": some(names)}, {}),
        envelope("external", {}, {}),
        envelope("stop_message", {}, {}),
    )
    return st.recursive(one, lambda inner: joined("any", inner) | joined("all", inner), max_leaves=5)


def joined(type: str, inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return envelope(type, {"conditions": st.lists(inner, min_size=1, max_size=3)}, {})


contexts = (
    envelope("unbounded_context", {}, {})
    | envelope("buffered_context", {"buffer_size": counts}, {})
    | envelope("head_and_tail_context", {"head_size": counts, "tail_size": counts}, {})
    | envelope("token_limited_context", {"token_limit": counts}, {"head_size": st.integers(0, 9)})
)


ANSWER = {"title": "Weather", "type": "object", "properties": {"degrees": {"type": "number"}}, "required": ["degrees"]}


def agents(name: str) -> st.SearchStrategy[dict[str, Any]]:
    model = st.sampled_from(["embedded", "embedded:small.gguf", "openai:gpt-5"])
    assistant = envelope(
        "assistant",
        {"name": st.just(name), "model_client": model},
        {
            "tools": st.lists(st.sampled_from([t.name for t in TOOLS]), unique=True)
            | st.just([{"type": "delegate", "target": "x", "limits": {"tokens": 5}}])
            | st.builds(
                lambda last, kept: [
                    {
                        "type": "agent_tool",
                        "agent": {"type": "parrot", "name": "inside"},
                        "return_value_as_last_message": last,
                        "remember": kept,
                    }
                ],
                st.booleans(),
                st.booleans(),
            ),
            "description": st.text(),
            "system_message": st.none() | st.text(),
            "model_client_stream": st.booleans(),
            "reflect_on_tool_use": st.booleans(),
            "max_tool_iterations": counts,
            "max_tokens": st.none() | counts,
            "temperature": st.none() | st.floats(0, 2),
            "seed": st.none() | st.integers(),
            "model_context": st.none() | contexts,
            "output_content_type": st.none() | st.just(ANSWER),
            "tool_call_summary_format": st.sampled_from(["{result}", "{tool_name}: {result}"]),
            "metadata": st.dictionaries(st.text(), st.text(), max_size=2),
        },
    )
    return (
        assistant
        | envelope("user_proxy", {"name": st.just(name)}, {"description": st.text()})
        | envelope("parrot", {"name": st.just(name)}, {"phrase": st.text()})
    )


@st.composite
def teams(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, unique=True))
    participants = [draw(agents(name)) for name in names]
    optional: dict[str, Any] = {
        "name": st.sampled_from([*NAMES, "会計 / 50%"]) | st.from_regex(r"[a-z]([a-z ]{0,198}[a-z])?", fullmatch=True),
        "description": st.text(),
        "termination_condition": st.none() | conditions(names),
        "limits": st.fixed_dictionaries({}, optional=dict.fromkeys(set(DEFAULT_LIMITS) - {"turns"}, counts)),
        "max_turns": st.none() | counts,
    }
    selector = {"allow_repeated_speaker": st.booleans(), "max_selector_attempts": counts}
    asking = {"model_client": st.just("openai:gpt-5")}
    required = {"participants": st.just(participants)}
    return draw(
        envelope("round_robin", required, optional)
        | envelope("selector", required, {**optional, **selector})
        | envelope("selector", {**required, **asking}, {**optional, **selector, "selector_prompt": st.text(min_size=1)})
    )


REGISTRY = team_registry(Parrot)
VALID = Draft202012Validator(team_schema(REGISTRY, tools=TOOLS))


@settings(max_examples=25)
@given(teams())
def test_any_document_comes_back_from_the_team_it_makes(document: dict[str, Any]) -> None:
    team = load_team(document, tools=TOOLS, registry=REGISTRY)
    assert team.document is not None

    again = load_team(team.document, tools=TOOLS, registry=REGISTRY)

    assert dump(team, registry=REGISTRY) == team.document == again.document
    assert json.loads(json.dumps(team.document)) == team.document
    assert all(document[key] == team.document[key] for key in ("type", "name", "description") if key in document)
    assert VALID.is_valid(document)
    assert VALID.is_valid(team.document)


class Own(Team):
    """A team of no type."""


def _calling(model: ModelClient) -> Team:
    return RoundRobinGroupChat([AssistantAgent("a", model)])


@pytest.mark.parametrize(
    ("team", "why"),
    [
        (_calling(ScriptedModel([])), "is of no type that documents know: openai, embedded, chat_completion_cache"),
        (RoundRobinGroupChat([UserProxyAgent("a", input_func=input)]), "<UserProxyAgent a> has a input_func"),
        (RoundRobinGroupChat([Parrot("a")]), "<Parrot a> is of no type that documents know"),
        (SelectorGroupChat([Parrot("a"), Parrot("b")], selector_func=lambda _: "a"), "selects by a function"),
        (Own([Parrot("a")], turns=RoundRobin()), "is of no type that documents know"),
    ],
    ids=["client", "function", "own agent", "selector", "own team"],
)
def test_what_is_no_data_is_not_dumped(team: Team, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        dump(team)


# -- the vocabulary ---------------------------------------------------------------------------------------------------

FUNCTIONS = {"input_func", "selector_func", "candidate_func", "runs", "count", "runtime", "key"}
FUNCTIONS |= {"tool_call_summary_formatter", "workbench", "is_termination_msg", "approval_func"}
# None or empty there, said in full here
OUR_DEFAULTS = {"name", "limits", "sources", "tools", "handoffs", "metadata", "reviewers", "checks"}


@pytest.mark.parametrize("type", [*TEAMS, *PATTERNS, *AGENTS, *CONDITIONS, *CONTEXTS], ids=lambda type: type.id)
def test_fields_are_the_parameters_with_their_defaults(type: Kind) -> None:
    parameters = {p.name: p.default for p in inspect.signature(type.cls).parameters.values() if p.name not in FUNCTIONS}
    fields = {
        name: inspect.Parameter.empty if field.is_required() else field.default
        for name, field in type.fields.model_fields.items()
    }

    assert set(fields) == set(parameters)
    assert {n: d for n, d in fields.items() if n not in OUR_DEFAULTS} == {
        n: d for n, d in parameters.items() if n not in OUR_DEFAULTS
    }


def test_limits_are_those_of_a_run() -> None:
    fields = team_schema()["$defs"]["LimitsFields"]["properties"]

    assert set(fields) == {*DEFAULT_LIMITS, "warn_at"}


def test_the_schema_is_one_and_describes_every_field() -> None:
    schema = team_schema(REGISTRY)
    Draft202012Validator.check_schema(schema)

    fields = {
        f"{name}.{field}": about
        for name, definition in schema["$defs"].items()
        for field, about in definition.get("properties", {}).items()
        if "$ref" not in about
    }

    assert len(fields) > 50
    assert [name for name, about in fields.items() if not about.get("description")] == []


NESTED = """\
type: round_robin
name: office
participants:
  - type: round_robin
    name: lab
    max_turns: 1
    participants:
      - {type: user_proxy, name: ann}
  - {type: user_proxy, name: ben}
termination_condition: {type: text_mention, text: DONE, sources: [lab]}
"""


def test_a_member_may_be_a_team_to_any_depth() -> None:
    team = load_team(NESTED)

    lab = team.participants[0]
    assert isinstance(lab, Team)
    assert [member.name for member in lab.participants] == ["ann"]
    assert dump(team)["participants"][0]["participants"][0]["type"] == "user_proxy"
    assert VALID.is_valid(team.document)


def test_a_fault_in_a_team_inside_a_team_names_its_line() -> None:
    with pytest.raises(ConfigError, match="8:16: There is no agent or team type 'nobody'"):
        load_team(NESTED.replace("- {type: user_proxy, name: ann}", "- {type: nobody, name: ann}"))


def test_a_team_that_holds_itself_is_a_clear_error() -> None:
    data: dict[str, Any] = {"type": "round_robin", "participants": []}
    data["participants"].append(data)

    with pytest.raises(ConfigError, match="It contains itself: a cycle"):
        load_team(data)


def test_the_schema_names_the_tools_that_there_are() -> None:
    document = load_team(REVIEW, tools=TOOLS).document

    assert Draft202012Validator(team_schema(tools=TOOLS)).is_valid(document)
    assert not Draft202012Validator(team_schema(tools=[histogram])).is_valid(document)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("round_robin", "round_table"),
        ("type: user_proxy", "type: round_robin"),
        ("system_message", "sytem_message"),
        ("    model_client: embedded\n", ""),
        ("max_messages: 12", "max_messages: '12'"),
        ("turns: 20", "turns: 0"),
    ],
)
def test_the_schema_refuses_what_we_refuse(old: str, new: str) -> None:
    assert VALID.is_valid(parse(REVIEW, "team.yaml").data)
    assert not VALID.is_valid(parse(REVIEW.replace(old, new), "team.yaml").data)


PAGE = (Path(__file__).parents[3] / "docs" / "team-files.md").read_text()


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_the_team_files_in_the_documentation_are_good(text: str) -> None:
    assert load_team(text, tools=TOOLS).participants
    assert VALID.is_valid(parse(text, "team-files.md").data)


def test_the_documentation_names_every_type_and_field() -> None:
    words = set(re.findall(r"`(\w+)`", PAGE))

    assert {type.id for type in [*TEAMS, *AGENTS, *CONDITIONS]} <= words
    assert {name for type in [*TEAMS, *AGENTS, *CONDITIONS] for name in type.fields.model_fields} <= words


# -- types of one's own -----------------------------------------------------------------------------------------------


@kind("quiet")
class Quiet(Condition[int]):
    """Stop after some turns."""

    def __init__(self, turns: int, unless: Condition[Any] | None = None) -> None:
        self.turns, self.unless = turns, unless

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        return memory + bool(fact.speaker)

    def reason(self, memory: int) -> str | None:
        return "quiet" if memory >= self.turns else None


@kind("boss")
class Boss(Agent):
    """Has people, tools and models.

    Args:
        people: Who works for it.
    """

    def __init__(
        self,
        name: str,
        people: Sequence[Agent],
        model_client: ModelClient | str,
        tools: Sequence[Tool[..., Any]] = (),
        limits: Limits | None = None,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        super().__init__(name)
        self.people, self.model_client, self.tools, self.limits = people, model_client, tools, limits

    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(content="Work!", source=self.name)


@kind("duet")
class Duet(Team):
    """Two who talk."""

    def __init__(self, first: Agent, second: Agent) -> None:
        super().__init__([first, second], turns=RoundRobin())
        self.first, self.second = first, second


async def test_own_agents_and_conditions_are_named_like_ours() -> None:
    text = PARROTS.replace("{type: max_messages, max_messages: 4}", "{type: quiet, turns: 2}")
    registry = team_registry(Parrot, Quiet)

    team = load_team(text, registry=registry)
    result = await team.run("Hi")

    assert result.stop_reason == "quiet"
    assert dump(team, registry=registry) == team.document


def test_own_types_hold_agents_tools_models_and_limits() -> None:
    text = (
        "type: duet\nfirst: {type: parrot, name: a}\n"
        "second:\n  type: boss\n  name: b\n  model_client: embedded\n  tools: [histogram]\n  limits: {turns: 2}\n"
        "  people:\n    - {type: parrot, name: c}\n"
    )
    registry = team_registry(Parrot, Boss, Duet)

    team = load_team(text, tools=TOOLS, registry=registry)

    assert isinstance(team, Duet)
    assert isinstance(team.second, Boss)
    assert ([p.name for p in team.second.people], team.second.tools) == (["c"], [histogram])
    assert team.second.limits == Limits(turns=2)
    assert dump(team, registry=registry) == team.document


def test_faults_in_own_types_have_lines_too() -> None:
    text = PARROTS.replace("phrase: Good night.", "phrse: Good night.")

    (line,) = wrong(text, registry=team_registry(Parrot))

    assert line == "<text>:4:32: 'phrse' is no field of parrot. Did you mean 'phrase'?"


def test_the_description_of_an_own_type_comes_from_its_docstring() -> None:
    schema = team_schema(REGISTRY)["$defs"]["parrot"]

    assert schema["description"] == "Says its phrase."
    assert schema["properties"]["phrase"] == {"default": "Hello.", "description": "What it says.", "type": "string"}


class Heir(Parrot):
    """Inherits the class but not the mark."""


@kind("assistant")
class Rival(Parrot):
    """Wants the id of another."""


@kind("stone")
class Stone:
    """Neither speaks nor stops."""


@pytest.mark.parametrize(
    ("cls", "why"),
    [
        (Heir, r"Heir has no type id. Write @kind\('my_type'\) over the class"),
        (Stone, "Stone is nothing that a team is made of"),
        (Rival, "AssistantAgent and .*Rival have the same type id, 'assistant'"),
    ],
)
def test_classes_that_team_files_cannot_name_are_refused(cls: type[Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        team_registry(cls)


@pytest.mark.parametrize("id", ["", "Parrot", "my-parrot", "a.b", "1st"])
def test_an_id_that_reads_like_something_else_is_refused(id: str) -> None:
    with pytest.raises(ConfigError, match="is no type id"):
        kind(id)


# -- what it costs ----------------------------------------------------------------------------------------------------


def test_data_needs_no_yaml_and_agents_need_no_documents() -> None:
    script = (
        "import sys\nfrom quorate import AssistantAgent, RoundRobinGroupChat, tool\n"
        "assert not {'quorate.chat.files.document', 'quorate.core.config', 'yaml'} & set(sys.modules)\n"
        "from quorate import load_team\n"
        "load_team({'type': 'round_robin', 'participants': [{'type': 'user_proxy', 'name': 'a'}]})\n"
        "assert 'yaml' not in sys.modules"
    )

    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stderr) == (0, "")


# -- chats ------------------------------------------------------------------------------------------------------------

CHATS = """
type: round_robin
participants:
  - type: nested_chats
    name: course
    chats:
      - type: chat
        first: &teacher {type: user_proxy, name: teacher, human_input_mode: NEVER, default_auto_reply: "And 8 x 9?"}
        other: &pupil {type: user_proxy, name: pupil, human_input_mode: NEVER, default_auto_reply: "56."}
        max_turns: 1
      - {type: chat, first: *teacher, other: *pupil, task: Once more., max_turns: 1}
max_turns: 1
"""


async def test_chats_one_after_the_other_are_data_and_carry_over_what_came_of_them() -> None:
    team = load_team(CHATS)

    items = [item async for item in team.run_stream("What is 7 x 8?")]

    heard = [f"{item.source}: {item.to_text()}" for item in items if isinstance(item, TextMessage)]
    assert dump(team_from_document(team.document)) == team.document
    assert heard[1:3] == ["pupil: 56.", "teacher: And 8 x 9?"]
    assert heard[-1] == "course: And 8 x 9?"
    assert team.check().worst["turns"] == 1
    assert Draft202012Validator(team_schema()).is_valid(team.document)
    wrong_chat = json.loads(json.dumps(team.document).replace('"type": "chat"', '"type": "chad"'))
    assert not Draft202012Validator(team_schema()).is_valid(wrong_chat)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "        max_turns: 1\n",
            "        summary: shortest\n",
            "<text>:10:18: summary='shortest' is neither 'last' nor",
        ),
        (
            "      - type: chat\n",
            "      - type: chad\n",
            "<text>:7:15: There is no chat type 'chad'. Did you mean 'chat'?",
        ),
        ("task: Once more., max_turns: 1", "max_turns: 0", "<text>:11:65: max_turns should be greater than 0, not 0."),
    ],
)
def test_what_is_wrong_in_chats_is_told_with_its_line(old: str, new: str, told: str) -> None:
    assert wrong(CHATS.replace(old, new))[0].startswith(told)


# -- code, filters and delegates --------------------------------------------------------------------------------------

WORKSHOP = """\
type: round_robin
participants:
  - type: assistant
    name: lead
    model_client: embedded
    tools: [{type: delegate, target: runner, remember: true, limits: {tool_calls: 2}}]
  - type: code_executor
    name: runner
    code_executor: {type: local_command_line, timeout_s: 5}
    approval: {to: ann, deadline_s: 3600}
    min_isolation: process
  - type: message_filter
    name: quiet
    wrapped_agent: {type: user_proxy, name: ann}
    filter: {per_source: [{source: user}, {source: lead, position: last, count: 1}]}
"""


def test_code_filters_and_delegates_are_data() -> None:
    team = load_team(WORKSHOP, isolation="process")
    lead, runner, quiet = team.participants

    assert isinstance(lead, AssistantAgent)
    assert isinstance(tool := lead.tools["delegate_to_runner"], Delegate)
    assert (tool.target, tool.remember, tool.limits) == ("runner", True, Limits(tool_calls=2))
    assert isinstance(runner, CodeExecutorAgent)
    assert runner.approval == Approval("ann", timedelta(hours=1))
    assert (runner.code_executor.isolation, runner.min_isolation) == ("process", "process")
    assert isinstance(quiet, MessageFilterAgent)
    assert quiet.filter.among(["user", "lead", "lead"]) == [0, 2]
    assert dump(team) == team.document == load_team(team.document or {}, isolation="process").document
    assert Draft202012Validator(team_schema()).is_valid(team.document)


@pytest.mark.parametrize(
    ("change", "allowed", "words"),
    [
        (("min_isolation: process", ""), "process", "'sandbox' is the least that is allowed"),
        (("", ""), "sandbox", "11:20: min_isolation='process' is less than 'sandbox', and a document cannot"),
        (("min_isolation: process", "min_isolation: none"), "process", "'none' is less than 'process'"),
        (("timeout_s: 5", "python: /tmp/x"), "process", "'python' is no field of local_command_line"),
        (("timeout_s: 5", "env: {A: b}"), "process", "'env' is no field of local_command_line"),
        (("target: runner", "targt: runner"), "process", "'targt' is no field of delegate. Did you mean 'target'?"),
        (("deadline_s: 3600", "deadline_s: 0"), "process", "approval.deadline_s should be greater than 0, not 0"),
        (("position: last, count: 1", "position: last"), "process", "position='first' or 'last' together with a count"),
    ],
)  # fmt: skip
def test_code_is_run_at_a_lower_level_only_where_the_file_says_it_and_who_runs_it_allows_it(
    change: tuple[str, str], allowed: Isolation, words: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load_team(WORKSHOP.replace(*change, 1) if change[0] else WORKSHOP, isolation=allowed)

    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("agent", "why"),
    [
        (
            CodeExecutorAgent(
                "a", LocalCommandLineCodeExecutor(env={"KEY": "s3cret"}), min_isolation="process"
            ),
            "has a python or an env of its own",
        ),
        (
            CodeExecutorAgent(
                "a", LocalCommandLineCodeExecutor(), min_isolation="process",
                approval_func=lambda request: ApprovalResponse(True)
            ),
            "has an approval_func",
        ),
    ],
)  # fmt: skip
def test_code_executor_with_what_is_no_data_is_not_dumped(agent: CodeExecutorAgent, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        dump(RoundRobinGroupChat([agent]))


def test_a_review_by_checks_alone_needs_no_list_of_reviewers() -> None:
    text = "type: review\nauthor: {type: user_proxy, name: ann}\nchecks: [{title: Form, type: object}]\n"

    team = load_team(text)

    assert isinstance(team, Review)
    assert team.reviewers == ()
    assert load_team(team.document or {}).document == team.document == dump(team)


FAULTS = {
    "teams": (
        (
            "type: round_robin\nparticipants:\n"
            "  - {type: user_proxy, name: ann, descripton: Helps.}\n"
            "  - {type: user_proxy, name: ann}\n"
            "  - {type: user_proxy, name: ben}\n"
            "patience: many\n"
            "termination_condition: {type: text_mention, text: END, sources: [zoe]}\n"
        ),
        [
            "<text>:3:35: 'descripton' is no field of user_proxy. Did you mean 'description'?",
            "<text>:4:30: Two participants are named 'ann'. Each needs a name of its own.",
            "<text>:6:11: patience should be a whole number, not 'many'.",
            "<text>:7:65: No participant is named 'zoe'. There are: ann, ann, ben.",
        ],
    ),
    "patterns": (
        (
            "type: debate\nmoderator: ann\nsides:\n"
            "  - {type: assistant, name: ann}\n"
            "  - {type: user_proxy, name: ben}\n"
            "judge: {type: user_proxy, name: ben}\nrounds: 0\n"
        ),
        ["model_client", "'ann' leads through it", "'ben'", "rounds"],
    ),
    "nothing there": ("type: round_robin\nmax_turns: none\n", ["participants", "max_turns"]),
    "no list": (
        "type: independent_vote\nparticipants: ann\nvoters: [ben]\nagree: 0\n",
        ["participants", "'ben'"],
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_faults_of_fields_and_faults_between_members_are_told_together(what: str) -> None:
    text, expected = FAULTS[what]

    with pytest.raises(ConfigError) as refused:
        load_team(text)

    told = str(refused.value)
    assert [words for words in expected if words not in told] == [], told
