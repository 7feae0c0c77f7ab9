"""Everything that can be configuration is a document: it comes back, it migrates, and it never holds a secret."""

import inspect
import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from quorate import (
    Agent,
    AgentTool,
    AssistantAgent,
    Chat,
    CodeExecutorAgent,
    Condition,
    Consensus,
    CostTermination,
    Debate,
    Delegate,
    DiGraph,
    DiGraphEdge,
    DiGraphNode,
    ExternalTermination,
    FunctionCallTermination,
    GraphFlow,
    Handoff,
    HandoffTermination,
    IndependentVote,
    Limits,
    MagenticOneGroupChat,
    MaxMessageTermination,
    MessageFilterAgent,
    NestedChats,
    NoProgressTermination,
    Price,
    ResultTermination,
    Review,
    RoundRobinGroupChat,
    SelectorGroupChat,
    SocietyOfMindAgent,
    SourceMatchTermination,
    StopMessageTermination,
    Summary,
    Swarm,
    TeamTool,
    TextMentionTermination,
    TextMessage,
    TextMessageTermination,
    TimeoutTermination,
    TokenUsageTermination,
    Turn,
    UserProxyAgent,
    conversation,
    load_team,
    tool,
)
from quorate.chat.files.components import component_registry, dump_component, load_component
from quorate.chat.files.document import dump, kind, team_registry, team_schema
from quorate.core.config import Document, Fields, Held, Kind, Registry
from quorate.core.secrets import NAMED
from quorate.errors import ConfigError
from quorate.executors.local import LocalCommandLineCodeExecutor
from quorate.memory.content import MemoryContent
from quorate.memory.lists import ListMemory
from quorate.models import Finished, ModelEvent, ModelInfo, ModelRequest, TextDelta, Usage
from quorate.models.cache import ChatCompletionCache, InMemoryStore
from quorate.models.context import (
    BufferedChatCompletionContext,
    HeadAndTailChatCompletionContext,
    TokenLimitedChatCompletionContext,
    UnboundedChatCompletionContext,
)
from quorate.models.disk_cache import DiskCacheStore
from quorate.models.embedded import EmbeddedModel
from quorate.models.openai import OpenAIChat
from quorate.models.redis_cache import RedisStore
from quorate.models.views import Chain, FromSources, MessageFilterConfig, OwnSide, PerSourceFilter, Pinned, Summarized
from quorate.testing import ScriptedModel

SECRET = "s3cret-0123456789"


@tool(effect="read")
def count(text: str) -> int:
    """Count the letters."""
    return len(text)


class Weather(BaseModel):
    city: str
    degrees: float = 0.0


def agent(**options: Any) -> AssistantAgent:
    return AssistantAgent("ann", "embedded", **{"tools": [count], **options})


SAMPLES: Mapping[str, Any] = {
    "assistant": lambda: agent(
        model_context=BufferedChatCompletionContext(9),
        limits=Limits(tokens=100),
        temperature=0.5,
        seed=1,
        output_content_type=Weather,
        output_content_type_format="{degrees} degrees",
        metadata={"team": "a"},
        memory=[ListMemory("facts", ["Bonn is a city."])],
    ),
    "user_proxy": lambda: UserProxyAgent("ben"),
    "society_of_mind": lambda: SocietyOfMindAgent(
        "mind", RoundRobinGroupChat([agent()], name="inner"), "embedded", model_context=BufferedChatCompletionContext(9)
    ),
    "nested_chats": lambda: NestedChats(
        "course",
        [
            Chat(agent(), UserProxyAgent("ben"), max_turns=1, summary=Summary("embedded", max_tokens=9)),
            Chat(agent(), RoundRobinGroupChat([agent()], name="crew"), "More.", carryover=False),
        ],
    ),
    "chat": lambda: Chat(agent(), UserProxyAgent("ben"), "Go.", termination_condition=MaxMessageTermination(3)),
    "summary": lambda: Summary("embedded", "Sum up."),
    "round_robin": lambda: RoundRobinGroupChat([agent(), UserProxyAgent("ben")], max_turns=3, emit_team_events=True),
    "selector": lambda: SelectorGroupChat(
        [agent(), UserProxyAgent("ben")], OpenAIChat("gpt-5", base_url="http://x/v1")
    ),
    "swarm": lambda: Swarm([agent(handoffs=["ben", Handoff("eve", name="call_eve")]), UserProxyAgent("ben")]),
    "graph_flow": lambda: GraphFlow(
        [agent(), UserProxyAgent("ben"), UserProxyAgent("eve")],
        DiGraph(
            {
                "ann": DiGraphNode("ann", [DiGraphEdge("ben", "yes"), DiGraphEdge("eve", "no", at_most=2)]),
                "ben": DiGraphNode("ben", [DiGraphEdge("eve")]),
                "eve": DiGraphNode("eve", activation="any"),
            }
        ),
    ),
    "magentic_one": lambda: MagenticOneGroupChat([agent(), UserProxyAgent("ben")], "embedded", max_stalls=2),
    "handoff": lambda: HandoffTermination("ben"),
    "text_message": lambda: TextMessageTermination("ann"),
    "debate": lambda: Debate([agent(), UserProxyAgent("ben")], UserProxyAgent("eve"), rounds=3, parallel=True),
    "independent_vote": lambda: IndependentVote(
        [one := agent(), UserProxyAgent("ben")], voters=[one, UserProxyAgent("eve")], method="ranking", quorum=1
    ),
    "consensus": lambda: Consensus([agent(), UserProxyAgent("ben")], rounds=2, quorum=1),
    "review": lambda: Review(agent(), [UserProxyAgent("ben")], checks=[{"title": "A", "type": "object"}], rounds=5),
    "any": lambda: MaxMessageTermination(3) | TextMentionTermination("END"),
    "all": lambda: MaxMessageTermination(3) & TextMentionTermination("END"),
    "text_mention": lambda: TextMentionTermination("END", frozenset({"ann"})),
    "max_messages": lambda: MaxMessageTermination(3),
    "token_usage": lambda: TokenUsageTermination(100),
    "timeout": lambda: TimeoutTermination(5),
    "external": lambda: ExternalTermination(),
    "stop_message": lambda: StopMessageTermination(),
    "source_match": lambda: SourceMatchTermination(["ann"]),
    "function_call": lambda: FunctionCallTermination("count"),
    "cost": lambda: CostTermination(0.5),
    "no_progress": lambda: NoProgressTermination(4),
    "tool_result": lambda: ResultTermination(count),
    "unbounded_context": lambda: UnboundedChatCompletionContext(),
    "buffered_context": lambda: BufferedChatCompletionContext(3),
    "head_and_tail_context": lambda: HeadAndTailChatCompletionContext(1, 2),
    "token_limited_context": lambda: TokenLimitedChatCompletionContext(100, 2),
    "list_memory": lambda: ListMemory("facts", ["Bonn is a city.", MemoryContent(content={"a": 1}, mime_type="x/y")]),
    "own_side_context": lambda: OwnSide(2),
    "from_sources_context": lambda: FromSources(["ann", "user"]),
    "pinned_context": lambda: Pinned(BufferedChatCompletionContext(3), 2),
    "chain_context": lambda: Chain([OwnSide(), BufferedChatCompletionContext(3)]),
    "summarized_context": lambda: Summarized(1000, keep_last=4),
    "openai": lambda: OpenAIChat("gpt-5", context_window=1000, max_output=10, call_ids="[a-z0-9]{1,30}"),
    "embedded": lambda: EmbeddedModel("small.gguf", context_window=512),
    "chat_completion_cache": lambda: ChatCompletionCache(OpenAIChat("gpt-5"), DiskCacheStore("answers.db")),
    "memory_cache": lambda: InMemoryStore(5),
    "disk_cache": lambda: DiskCacheStore("answers.db", max_bytes=200_000),
    "redis_cache": lambda: RedisStore("redis://localhost:6379/1", prefix="p:"),
    "tool": lambda: count,
    "delegate": lambda: Delegate("ben", "For hard ones.", "ask_ben", remember=True, limits=Limits(tokens=9)),
    "agent_tool": lambda: AgentTool(agent(), True, remember=True, limits=Limits(tokens=9)),
    "team_tool": lambda: TeamTool(
        RoundRobinGroupChat([agent(tools=[count, Delegate("x"), AgentTool(UserProxyAgent("ben"))])], name="crew"),
        "ask",
        "Ask them.",
        return_value_as_last_message=True,
        remember=True,
        limits=Limits(turns=2),
    ),
    "code_executor": lambda: CodeExecutorAgent(
        "runner",
        LocalCommandLineCodeExecutor(),
        model_client="embedded",
        max_retries_on_error=2,
        approval=True,
        min_isolation="process",
        model_context=BufferedChatCompletionContext(9),
    ),
    "message_filter": lambda: MessageFilterAgent(
        "quiet", agent(), MessageFilterConfig([PerSourceFilter("user"), PerSourceFilter("ben", "last", 2)])
    ),
    "local_command_line": lambda: LocalCommandLineCodeExecutor(timeout_s=5.0),
}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.delenv("REDIS_URL", raising=False)


def wrong(document: Any, **options: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        load_component(document, **{"tools": [count], **options})
    return str(refused.value)


# -- there and back ---------------------------------------------------------------------------------------------------


def test_every_type_has_a_sample() -> None:
    assert set(SAMPLES) == set(component_registry().kinds)


@pytest.mark.parametrize("id", SAMPLES)
def test_every_component_comes_back_from_its_document(id: str) -> None:
    thing = SAMPLES[id]()

    document = dump_component(thing)
    again = load_component(
        json.loads(json.dumps(document)), tools=[count], secrets=["OPENAI_API_KEY"], isolation="process"
    )

    assert (document["type"], document["version"]) == (id, 1)
    assert type(again) is type(thing)
    assert dump_component(again) == document


def test_an_agent_a_team_and_a_condition_have_it_as_methods() -> None:
    team = SAMPLES["round_robin"]()
    document = team.dump_component(label="Review")

    assert document["label"] == "Review"
    assert RoundRobinGroupChat.load_component(document, tools=[count]).name == team.name
    assert Agent.load_component(agent().dump_component(), tools=[count]).name == "ann"
    assert Condition.load_component((MaxMessageTermination(3)).dump_component()) == MaxMessageTermination(3)
    with pytest.raises(ConfigError, match="This document describes round_robin, which is no Agent"):
        Agent.load_component(document, tools=[count])


def test_a_document_may_be_a_text_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "cache.yaml").write_text("type: memory_cache\nmax_entries: 7\n")

    found = load_component(tmp_path / "cache.yaml", expected=InMemoryStore)

    assert found.max_entries == load_component('{"type": "memory_cache", "max_entries": 7}').max_entries == 7
    assert wrong("type: memory_cach\n") == (
        "<text>:1:7: There is no component type 'memory_cach'. Did you mean 'memory_cache'? There are: "
        f"{', '.join(component_registry().kinds)}."
    )


@pytest.mark.parametrize(
    ("thing", "why"),
    [
        (ScriptedModel([]), "is of no type that documents know"),
        (UserProxyAgent("a", input_func=input), "has a input_func, which is no data"),
        (TokenLimitedChatCompletionContext(9, count=lambda block: 1), "has a count, which is no data"),
        (lambda: 1, "is of no type that documents know"),
        (AssistantAgent("a", ScriptedModel([])), "is of no type that documents know: openai, embedded, chat_"),
    ],
)
def test_what_is_no_data_is_refused(thing: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        dump_component(thing)


# -- for people -------------------------------------------------------------------------------------------------------


def test_a_document_may_have_a_label_and_a_description() -> None:
    document = dump_component(MaxMessageTermination(3), label="Short", description="Ends soon.")

    assert document == {
        "type": "max_messages", "version": 1, "label": "Short", "description": "Ends soon.", "max_messages": 3,
        "include_agent_event": False,
    }  # fmt: skip
    assert load_component(document) == MaxMessageTermination(3)


def test_a_team_keeps_the_labels_of_its_file() -> None:
    text = (
        "type: round_robin\nlabel: Review\nmax_turns: 2\nparticipants:\n  - {type: user_proxy, name: a, label: Ann}\n"
    )

    team = load_team(text)

    assert team.document
    assert (team.document["label"], team.document["participants"][0]["label"]) == ("Review", "Ann")
    assert team.document["description"] == "A team of agents."
    assert load_team(team.document).document == team.document


def test_a_field_of_that_name_is_the_field() -> None:
    with pytest.raises(ConfigError, match="user_proxy has a field 'description' of its own: set it there"):
        dump_component(UserProxyAgent("a"), description="Else.")
    assert "label should be text, not 3" in wrong({"type": "external", "label": 3})


# -- versions ---------------------------------------------------------------------------------------------------------


class LeafFields(Fields):
    """A leaf."""

    colour: str
    grams: float = 1.0


class Leaf:
    def __init__(self, colour: str, grams: float = 1.0) -> None:
        self.colour, self.grams = colour, grams


def renamed(fields: Document) -> Document:
    fields["colour"] = fields.pop("color")
    return fields


def in_grams(fields: Document) -> Document:
    return fields | {"grams": fields.pop("kilograms", 0.001) * 1000} if "kilograms" in fields else fields


def leaves(version: int, migrations: Mapping[int, Any]) -> Registry:
    return team_registry().plus([Kind("leaf", "leaf", Leaf, LeafFields, version=version, migrations=migrations)])


def test_a_document_of_an_older_version_is_brought_up_to_date() -> None:
    registry = leaves(3, {1: renamed, 2: in_grams})

    old = load_component({"type": "leaf", "color": "red", "kilograms": 2}, registry=registry)
    newer = load_component({"type": "leaf", "version": 2, "colour": "red", "kilograms": 2}, registry=registry)

    assert (old.colour, old.grams) == (newer.colour, newer.grams) == ("red", 2000)
    assert dump_component(old, registry=registry) == {"type": "leaf", "version": 3, "colour": "red", "grams": 2000.0}


@pytest.mark.parametrize(
    ("document", "migrations", "words"),
    [
        ({"type": "leaf", "version": 4}, {1: renamed, 2: in_grams}, "reads version 3 of leaf, not 4. A newer"),
        ({"type": "leaf", "version": 0}, {1: renamed, 2: in_grams}, "reads version 3 of leaf, not 0"),
        ({"type": "leaf", "version": True}, {1: renamed, 2: in_grams}, "not True"),
        ({"type": "leaf", "version": "2"}, {1: renamed, 2: in_grams}, "not '2'"),
        ({"type": "leaf", "color": "red"}, {2: in_grams}, "Version 1 of leaf cannot be read any more"),
        ({"type": "leaf", "colour": "red"}, {1: renamed}, "version 1 of leaf cannot become version 2: 'color'"),
        ({"type": "leaf", "color": "red", "size": 1}, {1: renamed, 2: in_grams}, "'size' is no field of leaf"),
    ],
)  # fmt: skip
def test_a_version_that_cannot_be_read_says_why(document: Document, migrations: Any, words: str) -> None:
    before = json.dumps(document)

    assert words in wrong(document, registry=leaves(3, migrations))
    assert json.dumps(document) == before


def test_a_migration_does_not_change_the_document_it_reads() -> None:
    document = {"type": "leaf", "color": "red"}

    load_component(document, registry=leaves(2, {1: renamed}))

    assert document == {"type": "leaf", "color": "red"}


# -- secrets ----------------------------------------------------------------------------------------------------------


def secret_parameters(cls: type[Any]) -> list[str]:
    return [name for name in inspect.signature(cls).parameters if NAMED.search(name)]


@pytest.mark.parametrize("kind", component_registry().kinds.values(), ids=lambda kind: kind.id)
def test_no_type_has_a_field_that_takes_a_secret_as_text(kind: Kind) -> None:
    fields = kind.fields.model_json_schema()
    for name in {*secret_parameters(kind.cls), *kind.fields.model_fields}:
        if NAMED.search(name) and name in kind.fields.model_fields:
            assert "SecretFields" in json.dumps(fields["properties"][name]), f"{kind.id}.{name}"


@pytest.mark.parametrize("id", SAMPLES)
def test_a_dump_never_holds_a_literal_secret(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text that an object of each type has is made a secret in turn: it is refused, or not in the dump."""
    monkeypatch.setenv("MY_TOKEN", "the-token-of-the-environment")
    tried = 0
    for literal in ("the-token-of-the-environment", "redis://ann:the-password@localhost/0"):
        sample = SAMPLES[id]()
        names = [name for name, value in vars_of(sample).items() if isinstance(value, str)]
        names += secret_parameters(type(sample))
        for name in names:
            thing = SAMPLES[id]()
            try:
                object.__setattr__(thing, "own_key" if name == "api_key" else name, literal)
            except AttributeError:
                continue
            tried += 1
            try:
                text = json.dumps(dump_component(thing))
            except ConfigError as error:
                text = str(error)
            assert "the-token-of" not in text
            assert "the-password" not in text
    assert tried or not any(isinstance(v, str) for v in vars_of(SAMPLES[id]()).values())


def vars_of(thing: Any) -> dict[str, Any]:
    slots = [name for cls in type(thing).__mro__ for name in getattr(cls, "__slots__", ())]
    return {**getattr(thing, "__dict__", {}), **{n: getattr(thing, n) for n in slots if hasattr(thing, n)}}


def test_a_key_of_the_environment_is_dumped_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dump_component(OpenAIChat("gpt-5"))["api_key"] == {"env": "OPENAI_API_KEY"}
    assert dump_component(OpenAIChat("gpt-5", api_key=SECRET))["api_key"] == {"env": "OPENAI_API_KEY"}
    monkeypatch.setenv("OTHER_API_KEY", "another-key-altogether")
    for client in (
        OpenAIChat("gpt-5", key_environment="OTHER_API_KEY"),
        OpenAIChat("gpt-5", api_key="another-key-altogether"),
    ):
        document = dump_component(client)
        assert document["api_key"] == {"env": "OTHER_API_KEY"}
        assert "another-key" not in json.dumps(document)


def test_a_key_that_is_nowhere_else_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match="Put it into one, such as MY_API_KEY") as refused:
        dump_component(agent_with(OpenAIChat("gpt-5", api_key="sk-only-here")))
    assert "sk-only-here" not in str(refused.value)


def agent_with(client: Any) -> AssistantAgent:
    return AssistantAgent("ann", client)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"type": "openai", "model": "gpt-5", "api_key": "sk-literal"}, "A secret never stands in a document."),
        ({"type": "openai", "model": "x", "base_url": "https://a:sk-literal@x"}, "This URL holds a password"),
        ({"type": "redis_cache", "url": "redis://:sk-literal@x"}, "This URL holds a password"),
    ],
)
def test_a_document_with_a_literal_secret_is_refused_and_not_repeated(document: Document, words: str) -> None:
    team = {"type": "round_robin", "participants": [{"type": "assistant", "name": "a", "model_client": document}]}

    for text in (wrong(document), *([wrong(team)] if document["type"] == "openai" else [])):
        assert words in text
        assert "sk-literal" not in text


@kind("with_key")
class WithKey(Agent):
    def __init__(self, name: str, api_key: str | None = None) -> None:
        super().__init__(name)
        self.api_key = api_key

    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(content=str(self.api_key is not None), source=self.name)


def test_a_parameter_of_one_s_own_class_is_a_secret_by_its_name() -> None:
    registry = team_registry(WithKey)
    document = {"type": "with_key", "version": 1, "name": "a", "api_key": {"env": "OPENAI_API_KEY"}}

    made = load_component(document, registry=registry, secrets=["OPENAI_API_KEY"])

    assert made.api_key == SECRET
    assert dump_component(made, registry=registry) == document
    assert "may not use the environment variable OPENAI_API_KEY" in wrong(document, registry=registry)
    assert "A secret never stands" in wrong({**document, "api_key": "sk-x"}, registry=registry)
    not_set = {**document, "api_key": {"env": "NOT_SET"}}
    assert "NOT_SET is not set" in wrong(not_set, registry=registry, secrets=["NOT_SET"])
    with pytest.raises(ConfigError, match="no environment variable holds this one"):
        dump_component(WithKey("a", "sk-only-here"), registry=registry)
    assert load_component({"type": "with_key", "name": "a"}, registry=registry).api_key is None


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ({"type": "openai", "model": "x", "base_url": "http://evil/v1"}, "OPENAI_API_KEY"),
        ({"type": "openai", "model": "x", "base_url": "http://evil/v1", "api_key": {"env": "OTHER_KEY"}}, "OTHER_KEY"),
        ({"type": "openai", "model": "x", "api_key": {"env": "OTHER_KEY"}}, "OTHER_KEY"),
        ({"type": "redis_cache", "url_environment": "OTHER_KEY"}, "OTHER_KEY"),
        ({"type": "chat_completion_cache", "client": {"type": "own", "api_key": {"env": "OTHER_KEY"}}}, "OTHER_KEY"),
    ],
)
def test_a_document_sends_no_secret_anywhere_that_nobody_allowed(
    document: Document, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @kind("own")
    class Model(Echo):
        def __init__(self, api_key: str) -> None:
            super().__init__("", api_key)

    monkeypatch.setenv("OTHER_KEY", "redis://localhost")
    registry = team_registry(Model)
    team = {"type": "round_robin", "participants": [{"type": "assistant", "name": "a", "model_client": document}]}
    refused = f"This document may not use the environment variable {name}."

    assert refused in wrong(document, registry=registry)
    assert document["type"] == "redis_cache" or refused in wrong(team, registry=registry)
    assert load_component(document, registry=registry, secrets=[name])


def test_a_server_without_keys_is_sent_none() -> None:
    document = {"type": "openai", "model": "x", "base_url": "http://localhost:1/v1", "api_key": None}

    made = load_component(document)

    assert made.own_key != SECRET
    assert dump_component(made)["api_key"] is None
    assert "api_key: null" in wrong({"type": "openai", "model": "x", "base_url": "http://localhost:1/v1"})


# -- models in full ---------------------------------------------------------------------------------------------------

IN_FULL = """
type: round_robin
max_turns: 2
participants:
  - type: assistant
    name: ann
    model_client:
      type: echo
      word: Hello.
  - type: assistant
    name: ben
    model_client: {type: echo, word: Hello.}
"""


@kind("echo")
class Echo:
    """A model that says one word."""

    opened: list["Echo"] = []  # noqa: RUF012

    def __init__(self, word: str, api_key: str | None = None) -> None:
        self.word, self.api_key, self.closed = word, api_key, False
        self.info = ModelInfo(name="my:echo", free=True)
        Echo.opened.append(self)

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        yield TextDelta(self.word)
        yield Finished(Usage(1, 1))

    async def close(self) -> None:
        self.closed = True


async def test_a_model_in_full_is_opened_for_each_run_and_closed_after_it() -> None:
    Echo.opened.clear()
    registry = team_registry(Echo)
    team = load_team(IN_FULL, registry=registry)
    loaded = len(Echo.opened)

    results = [await team.run(task="Hi.", conversation=conversation(name)) for name in ("one", "two")]

    assert loaded == 0
    assert [[m.to_text() for m in result.messages] for result in results] == [["Hi.", "Hello.", "Hello."]] * 2
    assert [client.closed for client in Echo.opened] == [True, True]  # one for each run: both agents have the same
    assert dump(team, registry=registry) == team.document


async def test_a_team_of_a_document_needs_no_key_until_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("TEAM_KEY", raising=False)  # a page may have set it
    text = "type: round_robin\nparticipants:\n  - type: assistant\n    name: a\n"
    text += "    model_client: {type: openai, model: gpt-5, api_key: {env: TEAM_KEY}}\n"
    team = load_team(text, secrets=["TEAM_KEY"])

    with pytest.raises(ConfigError, match="Set TEAM_KEY"):
        await team.run(task="Hi.")


async def test_a_price_is_found_for_a_model_in_full() -> None:
    client = {"type": "chat_completion_cache", "client": {"type": "openai", "model": "mine"}}
    document = {"type": "assistant", "name": "a", "model_client": client}
    made = load_component(document, expected=AssistantAgent)

    assert isinstance(made.model_client, Held)
    with pytest.raises(ConfigError, match="a uses openai:mine, whose price is not known"):
        await made.run(task="Hi.", limits=Limits(cost_usd=1.0))
    result = await made.run(task="Hi.", limits=Limits(cost_usd=1e-9), prices={"openai:mine": Price(1e9, 1e9)})
    assert result.outcome
    assert (result.outcome.kind, result.outcome.limit) == ("limit", "cost_usd")


def test_the_schema_lets_a_model_be_a_name_or_an_envelope() -> None:
    from jsonschema import Draft202012Validator

    valid = Draft202012Validator(team_schema())
    team: Document = {"type": "round_robin", "participants": [{"type": "assistant", "name": "a"}]}
    for client, good in (
        ("embedded", True),
        ({"type": "openai", "model": "gpt-5", "api_key": {"env": "X"}, "label": "Large"}, True),
        ({"type": "openai", "model": "gpt-5", "api_key": "sk-literal"}, False),
        ({"type": "openai"}, False),
        ({"type": "assistant", "name": "b", "model_client": "embedded"}, False),
        (3, False),
    ):
        team["participants"][0]["model_client"] = client
        assert valid.is_valid(team) == good, client


def test_ids_that_a_model_takes_come_with_its_document_and_are_checked_in_it() -> None:
    made = load_component('{"type": "openai", "model": "ours", "call_ids": "[a-zA-Z0-9]{9}"}')
    refused = wrong("type: openai\nmodel: ours\ncall_ids: (a+)+\n")

    assert made.info.call_ids == dump_component(made)["call_ids"] == "[a-zA-Z0-9]{9}"
    assert "call_ids" not in dump_component(OpenAIChat("mistral-large", base_url="http://localhost/v1", api_key=SECRET))
    assert refused.startswith("<text>:3:11: call_ids has to say which characters")


def test_what_is_wrong_in_a_model_is_told_with_its_line() -> None:
    registry = team_registry(Echo)
    text = IN_FULL.replace("      word: Hello.", "      wrod: Hello.")

    with pytest.raises(ConfigError) as refused:
        load_team(text, registry=registry)

    assert str(refused.value).splitlines()[0].startswith("<text>:9:7: 'wrod' is no field of echo. Did you mean 'word'?")


PAGE = Path(__file__).parents[3] / "docs" / "components.md"


def test_the_documentation_names_every_type() -> None:
    words = set(re.findall(r"`(\w+)`", PAGE.read_text()))

    assert set(SAMPLES) - words == set()
