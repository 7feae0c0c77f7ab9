"""A team is looked at before it runs: each rule finds its fault, and healthy teams have none."""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from quorate import (
    Agent,
    AgentTool,
    AssistantAgent,
    Chat,
    Consensus,
    CostTermination,
    Debate,
    Delegate,
    DiGraphBuilder,
    ExternalTermination,
    FunctionalTermination,
    FunctionCallTermination,
    GraphFlow,
    HandoffTermination,
    IndependentVote,
    Limits,
    MagenticOneGroupChat,
    MaxMessageTermination,
    NestedChats,
    Price,
    ResultTermination,
    Review,
    RoundRobinGroupChat,
    SelectorGroupChat,
    SourceMatchTermination,
    StopMessageTermination,
    Swarm,
    Team,
    TeamTool,
    TextMentionTermination,
    TextMessage,
    TextMessageTermination,
    Turn,
    UserProxyAgent,
    tool,
)
from quorate.chat.checks.check import check
from quorate.chat.checks.findings import Finding
from quorate.chat.files.document import load_team
from quorate.chat.talk import Cast
from quorate.chat.turns import RoundRobin
from quorate.errors import ConfigError, RunFailed
from quorate.models import ModelRequest, ToolCall
from quorate.models.context import BufferedChatCompletionContext
from quorate.models.openai import OpenAIChat
from quorate.models.views import Summarized
from quorate.testing import ScriptedModel


@tool(effect="read")
def look(at: str) -> str:
    """Look."""
    return at


@tool(effect="read", name="look")
def another_look(at: str) -> str:
    """Look otherwise."""
    return at


class Mute(Agent):
    """Somebody of whom nothing is known."""

    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(content="", source=self.name)


def model(window: int | None = None, *, free: bool = True, most: int = 4096) -> ScriptedModel:
    made = ScriptedModel([])
    made.info = dataclasses.replace(made.info, context_window=window, free=free, max_output=most)
    return made


def agent(name: str, **options: Any) -> AssistantAgent:
    return AssistantAgent(name, options.pop("model", model()), description=f"{name} helps.", **options)


ENDS = MaxMessageTermination(9)


def robin(*members: Any, until: Any = ENDS, **options: Any) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(members or [agent("ann"), agent("ben")], termination_condition=until, **options)


def chain(*members: Any, **options: Any) -> GraphFlow:
    builder = DiGraphBuilder()
    for member in members:
        builder.add_node(member)
    for one, other in itertools.pairwise(members):
        builder.add_edge(one, other)
    return GraphFlow(builder.get_participants(), builder.build(), **options)


def swarm(*members: Any, until: Any = ENDS) -> Swarm:
    return Swarm(members, termination_condition=until)


HEALTHY: dict[str, Any] = {
    "robin": lambda: robin(),
    "text": lambda: robin(until=TextMentionTermination("END", ["ann"])),  # type: ignore[arg-type]
    "selector": lambda: SelectorGroupChat([agent("ann"), agent("ben")], model(), termination_condition=ENDS),
    "swarm": lambda: swarm(agent("ann", handoffs=["ben"]), agent("ben", handoffs=["ann"])),
    "swarm with a person": lambda: swarm(agent("ann", handoffs=["ben"]), UserProxyAgent("ben")),
    "swarm to outside": lambda: swarm(
        agent("ann", handoffs=["ben", "eve"]), agent("ben"), until=HandoffTermination("eve")
    ),
    "swarm of strangers": lambda: swarm(Mute("a"), Mute("b")),
    "tools": lambda: robin(
        agent("ann", tools=[look]), agent("ben", tools=[look]), until=FunctionCallTermination("look")
    ),
    "result": lambda: robin(agent("ann", tools=[look]), until=ResultTermination(look)),
    "functional": lambda: robin(until=FunctionalTermination(lambda new: True)),
    "external": lambda: robin(until=ExternalTermination()),
    "stop of a stranger": lambda: robin(Mute("a"), until=StopMessageTermination()),
    "all of two": lambda: robin(until=ENDS & TextMentionTermination("END")),
    "chain": lambda: chain(agent("ann"), agent("ben"), agent("cy"), max_turns=3),
    "planned": lambda: MagenticOneGroupChat([agent("ann"), agent("ben")], model()),
    "a team inside that its limit ends": lambda: robin(robin(until=None, max_turns=2), agent("cy")),
    "who speaks in a team that shares all": lambda: robin(
        robin(max_turns=2, share_all=True), agent("cy"), until=SourceMatchTermination(["ben"])
    ),
    "a team as a tool": lambda: robin(agent("cy", tools=[TeamTool(robin(until=None, max_turns=2), "in", "d")])),
    "priced": lambda: robin(agent("a", model=model(free=False)), until=ENDS),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_team_has_neither_errors_nor_warnings(name: str) -> None:
    report = HEALTHY[name]().check(task="Go.")

    assert report.ok
    assert [str(f) for f in report.findings if f.severity != "note"] == []


FAULTS: dict[str, tuple[Any, str, str, str]] = {
    "nothing ends it": (lambda: robin(until=None), "no-exit", "warning", "ends a run but its limits: 100 turns"),
    "turns end it": (lambda: robin(until=None, max_turns=4), "no-exit", "note", "ends a run but its limits: 4"),
    "waits for a stranger": (
        lambda: robin(until=TextMentionTermination("END", ["zoe"])),  # type: ignore[arg-type]
        "no-exit", "error", "no member is named 'zoe'",
    ),
    "waits for nobody's message": (
        lambda: robin(until=TextMessageTermination("zoe")), "no-exit", "error", "no member is named 'zoe'",
    ),
    "waits for two": (
        lambda: robin(until=ENDS & SourceMatchTermination(["zoe"])),  # type: ignore[arg-type]
        "no-exit", "error", "no member is named 'zoe'",
    ),
    "one of two never fires": (
        lambda: robin(until=ENDS | SourceMatchTermination(["zoe"])),  # type: ignore[arg-type]
        "never-fires", "warning", "no member is named 'zoe'",
    ),
    "a tool that nobody has": (
        lambda: robin(until=FunctionCallTermination("look")), "no-exit", "error", "nobody has a tool 'look'",
    ),
    "a result that nobody can hand in": (
        lambda: robin(until=ResultTermination(look)), "no-exit", "error", "nobody has a tool 'look'",
    ),
    "a handoff that nobody makes": (
        lambda: swarm(agent("ann"), until=HandoffTermination("eve")), "no-exit", "error", "hands over to 'eve'",
    ),
    "a stop that nobody sends": (
        lambda: robin(until=StopMessageTermination()), "no-exit", "error", "no member sends a StopMessage",
    ),
    "no turn for the last": (
        lambda: robin(agent("ann"), agent("ben"), agent("cy"), max_turns=2), "unreachable", "warning",
        "at most 2 turns, so cy never",
    ),
    "no handoff to one": (
        lambda: swarm(agent("ann", handoffs=["ben"]), agent("ben"), agent("cy", handoffs=["ann"])),
        "unreachable", "warning", "hands it to cy",
    ),
    "a misspelt handoff": (
        lambda: swarm(agent("ann", handoffs=["bne"]), agent("ben", handoffs=["ann"])),
        "unknown-handoff", "error", "'bne', who is no member. Did you mean 'ben'?",
    ),
    "a misspelt handoff elsewhere": (
        lambda: robin(agent("ann", handoffs=["bne"])), "unknown-handoff", "warning", "'bne', who is no member.",
    ),
    "a misspelt delegate": (
        lambda: robin(agent("ann", tools=[Delegate("bne")]), agent("ben")), "unknown-delegate", "warning",
        "'bne', who is no other member. Did you mean 'ben'?",
    ),
    "delegate to oneself": (
        lambda: robin(agent("ann", tools=[Delegate("ann")]), agent("ben")), "unknown-delegate", "warning", "'ann'",
    ),
    "a handoff that does nothing": (
        lambda: robin(agent("ann", handoffs=["ben"]), agent("ben")), "handoff-ignored", "warning", "RoundRobin",
    ),
    "two tools of one name": (
        lambda: robin(agent("ann", tools=[look]), agent("ben", tools=[another_look])),
        "tool-clash", "warning", "'look' is another than ann's",
    ),
    "two delegates of one name": (
        lambda: robin(
            agent("ann", tools=[Delegate("cy")]), agent("ben", tools=[Delegate("cy", remember=True)]), agent("cy")
        ),
        "tool-clash", "warning", "'delegate_to_cy' is another than ann's",
    ),
    "nothing to tell them apart by": (
        lambda: SelectorGroupChat([AssistantAgent(n, model()) for n in "ab"], termination_condition=ENDS),
        "same-description", "warning", "same description as a",
    ),
    "a price that nobody knows": (
        lambda: robin(agent("ann", model=model(free=False)), until=CostTermination(1)),
        "unknown-price", "error", "price is not known",
    ),
    "no room for a wrap-up": (
        lambda: robin(wrap_up="Sum up.", limits=Limits(tokens=100)), "wrap-up", "error", "leave too little",
    ),
    "calls before turns": (
        lambda: robin(agent("ann", tools=[look]), max_turns=90, until=None), "limit-first", "note",
        "90 turns may need 990 model calls; 300 are allowed",
    ),
    "a prompt that does not fit": (
        lambda: robin(agent("ann", model=model(1000), system_message="x" * 8000)),
        "context-overflow", "error", "room for 1,000",
    ),
    "a prompt that does not fit into a model by name": (
        lambda: robin(agent("ann", model="embedded", system_message="x" * 90_000)),
        "context-overflow", "error", "room for 8,192",
    ),
    "a prompt that does not fit into a provider's model": (
        lambda: robin(agent("ann", model="openai:gpt-4", system_message="x" * 90_000)),
        "context-overflow", "error", "room for 8,192",
    ),
    "descriptions that do not fit into who selects": (
        lambda: SelectorGroupChat(
            [AssistantAgent("a", model(), description="x" * 8000), agent("b")], model(1000), termination_condition=ENDS
        ),
        "context-overflow", "error", "room for 1,000",
    ),
    "a handoff in a debate": (
        lambda: Debate([agent("ann", handoffs=["ben"]), agent("ben")], agent("cy")),
        "handoff-ignored", "warning", "decided by Debating",
    ),
    "a handoff in a graph": (
        lambda: chain(agent("ann", handoffs=["ben"]), agent("ben")), "handoff-ignored", "warning", "decided by Graph",
    ),
    "a debate without a turn for the judge": (
        lambda: Debate([agent("ann"), agent("ben")], agent("cy"), limits=Limits(turns=4)), "limit-first", "warning",
        "takes at least 5 turns to come to its end; its limit is 4",
    ),
    "a chain that is longer than its turns": (
        lambda: chain(agent("ann"), agent("ben"), agent("cy"), max_turns=2), "limit-first", "warning",
        "takes at least 3 turns to come to its end; its limit is 2",
    ),
    "a review without a turn for the reviewer": (
        lambda: Review(agent("ann"), [agent("ben")], limits=Limits(turns=1)), "limit-first", "warning",
        "takes at least 2 turns",
    ),
    "a vote that may have to stop at the drafts": (
        lambda: IndependentVote([agent("ann"), agent("ben")], limits=Limits(turns=1)), "limit-first", "note",
        "may take 2 turns to come to its end; its limit is 1",
    ),
    "a fault in a team that is a tool": (
        lambda: robin(agent("ann", tools=[TeamTool(robin(until=SourceMatchTermination(["zoe"])), "in", "d")])),
        "no-exit", "error", "no member is named 'zoe'",
    ),
    "a fault in an agent that is a tool": (
        lambda: robin(agent("ann", tools=[AgentTool(agent("ben", model=model(1000), system_message="x" * 8000))])),
        "context-overflow", "error", "room for 1,000",
    ),
    "a fault in a chat inside": (
        lambda: robin(NestedChats("cy", [Chat(agent("ann", model=model(1000), system_message="x" * 8000),
                                             agent("ben"))])),
        "context-overflow", "error", "room for 1,000",
    ),
    "a talk that may not fit": (
        lambda: robin(agent("ann", model=model(8000)), until=TextMentionTermination("END")),
        "context-overflow", "note", "full at about message 26",
    ),
    "a talk that does not fit": (
        lambda: robin(agent("ann", model=model(8000)), until=None, max_turns=60),
        "context-overflow", "warning", "full at about message 26",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_with_its_rule(name: str) -> None:
    make, rule, severity, words = FAULTS[name]

    report = make().check(task="Go.")

    found = [f for f in report.findings if (f.rule, f.severity) == (rule, severity)]
    assert found, report.findings
    assert any(words in f.text for f in found)
    assert report.ok == (severity != "error")
    assert all(f.advice and f.text.endswith(".") and f.advice.endswith(".") for f in report.findings)


def test_a_window_that_was_given_counts_before_the_tables() -> None:
    def overflows(window: int | None) -> list[str]:
        client = OpenAIChat("gpt-4", api_key="k", context_window=window)
        found = robin(agent("ann", model=client, system_message="x" * 90_000), max_turns=3).check().findings
        return [f"{one.text} {one.advice}" for one in found if one.rule == "context-overflow"]

    (by_tables,), (smaller,) = overflows(None), overflows(9000)

    assert overflows(100_000) == []
    assert "room for 8,192" in by_tables
    assert "say so: context_window" in by_tables
    assert "room for 9,000" in smaller
    assert "say so" not in smaller


def test_context_that_is_cut_never_overflows() -> None:
    cut = agent("ann", model=model(8000), model_context=BufferedChatCompletionContext(5))

    assert not [f for f in robin(cut, until=None, max_turns=60).check().findings if f.rule == "context-overflow"]


def test_worst_case_is_told_beside_the_limits() -> None:
    priced = model(free=False, most=100)
    team = robin(agent("ann", model=priced, tools=[look]), until=MaxMessageTermination(4))

    report = check(team, task="Go.", prices={"scripted": Price(1, 4)})

    assert report.worst["turns"] == 3
    assert report.worst["model_calls"] == 33
    assert report.worst["tool_calls"] == report.limits["tool_calls"] == 300
    assert report.worst["tokens"] is not None
    assert 0 < report.worst["tokens"] < report.limits["tokens"]
    assert report.worst["cost_usd"] is not None
    assert 0 < report.worst["cost_usd"] <= 5
    assert check(team, task="Go.").worst["cost_usd"] is None


def pattern(kind: str) -> Team:
    ann, ben, cy = (agent(name, max_tokens=50) for name in ("ann", "ben", "cy"))
    made: dict[str, Any] = {
        "debate": lambda: Debate([ann, ben], cy, rounds=2),
        "vote": lambda: IndependentVote([ann, ben, cy]),
        "consensus": lambda: Consensus([ann, ben, cy], rounds=2),
        "review": lambda: Review(ann, [ben, cy], rounds=2),
    }
    found: Team = made[kind]()
    return found


@pytest.mark.parametrize(
    ("kind", "turns", "calls"), [("debate", 5, 6), ("vote", 2, 9), ("consensus", 4, 10), ("review", 4, 10)]
)
def test_patterns_end_by_themselves_and_say_when_at_the_latest(kind: str, turns: int, calls: int) -> None:
    report = pattern(kind).check(task="Go.")

    assert report.findings == ()
    assert (report.worst["turns"], report.worst["model_calls"]) == (turns, calls)


WRONG = '{"wrong": 1}'


class Form(BaseModel):
    right: int


def never_right(seen: list[str], **options: Any) -> ScriptedModel:
    """Return a model that never gives an answer of the form that is asked for, and calls a tool where it may."""

    def answer(request: ModelRequest) -> Any:
        seen.append("asked")
        if not request.tools:
            return WRONG
        argument = "task" if '"task"' in request.tools[0].parameters else "at"
        return ToolCall(f"c{len(seen)}", "look", f'{{"{argument}": "{len(seen)}"}}')

    return ScriptedModel(itertools.repeat(answer), **options)


@pytest.mark.parametrize("kind", ["selector", "planner", "tools", "form", "summaries", "team as a tool", "task given"])
async def test_worst_case_of_calls_holds_with_models_that_are_never_right(kind: str) -> None:
    asked: list[str] = []
    wrong = never_right(asked)
    ann, ben = AssistantAgent("ann", wrong, description="Ann."), AssistantAgent("ben", wrong, description="Ben.")
    two: Any = {"patience": None, "limits": Limits(turns=2)}
    helper = RoundRobinGroupChat([ann, ben], **two)
    made: dict[str, Any] = {
        "selector": lambda: SelectorGroupChat([ann, ben, Mute("cy")], wrong, **two),
        "planner": lambda: MagenticOneGroupChat([ann, ben], wrong, max_turns=4, max_stalls=1, patience=None),
        "tools": lambda: RoundRobinGroupChat([AssistantAgent("ann", wrong, tools=[look])], **two),
        "form": lambda: RoundRobinGroupChat([AssistantAgent("ann", wrong, output_content_type=Form)], max_turns=1),
        "summaries": lambda: RoundRobinGroupChat(
            [AssistantAgent("ann", wrong, tools=[look], model_context=Summarized(1, keep_last=1))], **two
        ),
        "team as a tool": lambda: RoundRobinGroupChat(
            [AssistantAgent("ann", wrong, tools=[TeamTool(helper, "look", "Look.")])], **two
        ),
        "task given": lambda: RoundRobinGroupChat(
            [AssistantAgent("ann", wrong, tools=[Delegate("ben", name="look")]), ben], **two
        ),
    }
    team = made[kind]()
    worst = team.check(task="Go.").worst["model_calls"]

    with pytest.raises(RunFailed) if kind == "form" else contextlib.nullcontext():
        await team.run(task="Go.")

    assert asked
    assert worst is not None
    assert len(asked) <= worst


def test_what_is_no_task_and_no_limits_is_refused() -> None:
    with pytest.raises(ConfigError, match="task=5 must be a text"):
        robin().check(task=5)
    with pytest.raises(ConfigError, match="are no limits"):
        robin().check(limits={"turns": 4})


def test_limits_of_the_run_count_and_worst_comes_first() -> None:
    team = robin(agent("ann"), agent("ben"), agent("cy"), until=SourceMatchTermination(["zoe"]))  # type: ignore[arg-type]

    report = check(team, limits=Limits(turns=2))

    assert report.limits["turns"] == 2
    assert [f.severity for f in report.findings] == ["error", "warning"]


def test_policy_may_look_at_its_team_itself() -> None:
    class Strict(RoundRobin):
        def check(self, cast: Cast) -> Iterator[Finding]:
            if len(cast.names) < 3:
                yield Finding("too-few", "error", cast.name, "There are too few.", "Add some.")

    report = Team([agent("ann")], turns=Strict(), termination_condition=ENDS).check()

    assert [f.rule for f in report.errors] == ["too-few"]
    assert str(report) == "error too-few (Team): There are too few. Add some."


def test_members_may_give_the_same_member_a_task() -> None:
    team = robin(*[agent(name, tools=[Delegate("cy")]) for name in ("ann", "ben")], agent("cy"))

    assert team.check().findings == ()


def test_nothing_is_asked_and_nothing_runs() -> None:
    asked = model()

    robin(agent("ann", model=asked)).check(task="Go.")

    assert asked.requests == []


@pytest.fixture
def keyless(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "SOME_KEY"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def keys(team: Any) -> list[tuple[str, str, str]]:
    return [(f.severity, f.where, f.text) for f in team.check().findings if f.rule == "missing-key"]


def test_a_key_that_is_not_set_is_told_once_with_its_variable(keyless: pytest.MonkeyPatch) -> None:
    inner = robin(agent("cy", model="openai:gpt-5"))
    inner.name = "inner"
    members = [agent("ann", model="openai:gpt-5"), agent("ben", model="openai:gpt-5-mini"), agent("eve"), inner]
    team = SelectorGroupChat(members, "openai:gpt-5", termination_condition=ENDS)

    found = keys(team)

    text = "Its model needs a key, and the environment variable OPENAI_API_KEY is not set here."
    assert found == [("warning", "ann, ben, selection and planning, cy", text)]
    assert team.check().ok
    keyless.setenv("OPENAI_API_KEY", "k")
    assert keys(team) == []


def test_a_server_of_ones_own_needs_no_key(keyless: pytest.MonkeyPatch) -> None:
    keyless.setenv("OPENAI_BASE_URL", "http://localhost:1")

    assert keys(robin(agent("ann", model="openai:small"))) == []


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("{type: openai, model: gpt-5}", "OPENAI_API_KEY"),
        ("{type: openai, model: x, base_url: 'http://localhost:1', api_key: {env: SOME_KEY}}", "SOME_KEY"),
        ("{type: chat_completion_cache, client: {type: openai, model: gpt-5}}", "OPENAI_API_KEY"),
        ("{type: chat_completion_cache, client: openai:gpt-5}", "OPENAI_API_KEY"),
        ("{type: openai, model: x, base_url: 'http://localhost:1', api_key: null}", ""),
        ("embedded", ""),
    ],
)
def test_the_key_of_a_model_in_a_team_file_is_looked_for(
    keyless: pytest.MonkeyPatch, model: str, variable: str
) -> None:
    text = f"type: round_robin\nparticipants:\n  - {{type: assistant, name: ann, model_client: {model}}}\n"

    found = keys(load_team(text, secrets=["SOME_KEY"]))

    assert [words.split("variable ")[1].split()[0] for _, _, words in found] == ([variable] if variable else [])
