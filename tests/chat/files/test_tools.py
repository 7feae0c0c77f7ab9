"""Agents and teams as tools in team files: what they are made of, run, resumed, replayed, checked and refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from quorate import AgentTool, AssistantAgent, Delegate, Limits, MaxMessageTermination, TeamTool, replay, tool
from quorate.chat.files.components import dump_component, load_component
from quorate.chat.files.document import dump, kind, load_team, team_from_document, team_registry, team_schema
from quorate.chat.team import RoundRobinGroupChat, Team
from quorate.errors import ConfigError
from quorate.models import ModelRequest
from quorate.models.blocks import Reply, ToolCall
from quorate.runs.entries import Entry
from quorate.runs.memory import MemoryStore
from quorate.testing import FakeClock, ScriptedModel


@kind("canned")
class Canned(ScriptedModel):
    """Answers the same to the same: a line by how often it has answered, `!clerk` for a call of that tool."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__([self._answer] * 99)
        self.lines = lines

    def _answer(self, request: ModelRequest) -> str | ToolCall:
        told = sum(isinstance(block, Reply) for block in request.blocks)
        line = self.lines[min(told, len(self.lines) - 1)]
        return ToolCall(str(told), line[1:], '{"task": "Count the chairs."}') if line.startswith("!") else line


@tool(effect="read")
def look() -> int:
    """Look."""
    return 12


REGISTRY = team_registry(Canned)
OFFICE = """\
type: round_robin
participants:
  - type: assistant
    name: lead
    model_client: {type: canned, lines: ["!clerk", "!office", "!clerk", "We have 12."]}
    tools:
      - type: agent_tool
        agent:
          type: assistant
          name: clerk
          model_client: {type: canned, lines: ["!look", "12.", "Still 12."]}
          description: Counts.
          tools: [look]
        return_value_as_last_message: true
        remember: true
        limits: {model_calls: 4}
      - type: team_tool
        name: office
        description: Checks what was counted.
        team:
          type: round_robin
          participants:
            - {type: assistant, name: ann, model_client: {type: canned, lines: [I agree.]}}
            - {type: assistant, name: bob, model_client: {type: canned, lines: [Me too.]}}
          max_turns: 2
        limits: {tokens: 5000}
termination_condition: {type: max_messages, max_messages: 2}
"""


def office() -> Team:
    return load_team(OFFICE, tools=[look], registry=REGISTRY)


def made(document: Any) -> Team:
    return team_from_document(document, tools=[look], registry=REGISTRY)


def tools_of(team: Team) -> dict[str, Any]:
    [lead] = team.participants
    assert isinstance(lead, AssistantAgent)
    return lead.tools


async def recorded(team: Team) -> Sequence[Entry]:
    store = MemoryStore(clock=FakeClock())
    await team.run("How many?", conversation=store.conversation("talk"))
    return await store.read("talk")


def test_they_are_made_with_all_that_they_may_have_and_come_back_from_the_team() -> None:
    team = office()

    clerk, room = tools_of(team).values()

    assert type(clerk) is AgentTool
    assert (clerk.name, clerk.description, clerk.agent.name) == ("clerk", "Counts.", "clerk")
    assert (clerk.return_value_as_last_message, clerk.remember, clerk.limits) == (True, True, Limits(model_calls=4))
    assert type(room) is TeamTool
    assert (room.name, room.description) == ("office", "Checks what was counted.")
    assert [member.name for member in room.runs.participants] == ["ann", "bob"]  # type: ignore[attr-defined]
    assert (room.return_value_as_last_message, room.remember, room.limits) == (False, False, Limits(tokens=5000))
    assert dump(team, registry=REGISTRY) == team.document == made(team.document).document
    assert Draft202012Validator(team_schema(REGISTRY, tools=[look])).is_valid(team.document)
    assert not Draft202012Validator(team_schema(REGISTRY, tools=[tool(name="other")(look.fn)])).is_valid(team.document)


async def test_a_run_goes_on_after_a_crash_anywhere_and_is_replayed_from_its_document() -> None:
    # ENGINE 1
    team = office()
    entries = await recorded(team)
    whole = [message.to_text() for message in (await office().run("How many?")).messages]

    for at in range(1, len(entries)):
        store = MemoryStore(clock=FakeClock())
        journal = await store.open("talk")
        for entry in entries[:at]:
            journal.append(entry.run, entry.path, entry.kind, entry.payload)
        await journal.release()
        result = await made(team.document).continue_run("talk", store=store)
        assert [message.to_text() for message in result.messages] == whole
        assert (await replay("talk", team=made(team.document), store=store)).identical

    assert whole[-1] == "We have 12."
    assert "Still 12." in whole[-2]


async def test_what_is_inside_is_counted_in_the_worst_case_as_that_of_the_same_team_in_code() -> None:
    def in_file(limits: str) -> Team:
        text = OFFICE.replace("max_messages: 2}", "max_messages: 2}\nmax_turns: 1").replace("{tokens: 5000}", limits)
        return load_team(text, tools=[look], registry=REGISTRY)

    lead = AssistantAgent(
        "lead",
        Canned(["We have 12."]),
        tools=list(tools_of(in_file("{model_calls: 3}")).values()),
    )
    in_code = RoundRobinGroupChat([lead], termination_condition=MaxMessageTermination(2), max_turns=1)
    without = RoundRobinGroupChat(
        [AssistantAgent("lead", Canned(["We have 12."]), tools=[look])],
        termination_condition=MaxMessageTermination(2), max_turns=1,
    )  # fmt: skip
    limits = Limits(model_calls=10**6)

    assert in_file("{model_calls: 3}").check(limits=limits).worst == in_code.check(limits=limits).worst
    assert in_code.check(limits=limits).worst["model_calls"] > without.check(limits=limits).worst["model_calls"]  # type: ignore[operator]


def test_check_looks_into_them() -> None:
    inside = OFFICE.replace(
        "          max_turns: 2\n", "          termination_condition: {type: handoff, target: zoe}\n"
    )

    [found] = load_team(inside, tools=[look], registry=REGISTRY).check().findings

    assert (found.rule, found.where) == ("no-exit", "lead / RoundRobinGroupChat / termination_condition")
    assert "nobody hands over to 'zoe'" in str(found)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("type: agent_tool", "type: agent_tol", "7:15: There is no tool type 'agent_tol'. Did you mean 'agent_tool'?"),
        ("type: agent_tool", "type: assistant", "7:15: 'assistant' is an agent; here goes a tool."),
        ("remember: true", "rember: true", "15:9: 'rember' is no field of agent_tool. Did you mean 'remember'?"),
        ("{model_calls: 4}", "{model_calls: 0}", "16:31: limits.model_calls should be greater than 0, not 0."),
        ("name: office", "name: my office", "18:15: A tool has a name of at most 64 letters, digits, _ and -"),
        ("name: office", "name: clerk", "3:5: lead has two tools named 'clerk'."),
        ("        description: Checks what was counted.\n", "", "17:9: 'description' is missing."),
        ("name: ann", "name: bob", "24:39: Two participants are named 'bob'."),
        ("tools: [look]", "tools: [lok]", "13:19: There is no tool 'lok'. Did you mean 'look'?"),
        ("tools: [look]", "tools: [5]", "13:19: Here goes the name of a tool, or one in full: fields that begin with"),
        ("tools: [look]", "tools: look", "13:18: tools should be a list, not 'look'."),
        ("max_messages, max_messages: 2", "function_call, function_name: clark", "No participant has a tool 'clark'"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_them_is_told_with_its_line(old: str, new: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_team(OFFICE.replace(old, new, 1), tools=[look], registry=REGISTRY)

    assert told in str(refused.value)


@pytest.mark.parametrize("name", ["clerk", "office"])
def test_conditions_may_wait_for_them(name: str) -> None:
    text = OFFICE.replace("type: max_messages, max_messages: 2", f"type: function_call, function_name: {name}")

    assert load_team(text, tools=[look], registry=REGISTRY).document is not None


def test_team_tool_may_be_of_an_agent_and_a_tool_by_its_name_in_full() -> None:
    document = {"type": "team_tool", "name": "ask", "description": "d", "team": {"type": "user_proxy", "name": "ann"}}

    with pytest.raises(ConfigError, match="cannot be a tool: give a team, or an agent that can be run"):
        load_component(document)
    found = load_component(OFFICE.replace("[look]", "[{type: tool, name: look}]"), tools=[look], registry=REGISTRY)
    assert "look" in tools_of(found)["clerk"].agent.tools


def teamed(**fields: Any) -> dict[str, Any]:
    """Return a team whose member has a team as its tool, by `agent_tool`."""
    ann = {"type": "assistant", "name": "ann", "model_client": {"type": "canned", "lines": ["12."]}}
    inner = {"type": "round_robin", "participants": [ann], "max_turns": 1, **fields}
    name = fields.get("name", "RoundRobinGroupChat")
    lead = {"type": "assistant", "name": "lead", "tools": [{"type": "agent_tool", "agent": inner}]}
    return {
        "type": "round_robin",
        "participants": [{**lead, "model_client": {"type": "canned", "lines": [f"!{name}", "We have 12."]}}],
        "termination_condition": {"type": "function_call", "function_name": name},
    }


@pytest.mark.parametrize(
    ("fields", "name", "about"),
    [
        ({"name": "counters", "description": "Count things."}, "counters", "Count things."),
        ({}, "RoundRobinGroupChat", "A team of agents."),
    ],
)
async def test_team_may_be_an_agent_tool_as_it_may_in_python(fields: Any, name: str, about: str) -> None:
    team = load_team(teamed(**fields), tools=[look], registry=REGISTRY)
    [found] = tools_of(team).values()
    store = MemoryStore(clock=FakeClock())

    result = await team.run("How many?", conversation=store.conversation("talk"))

    assert (type(found), found.name, found.description) == (AgentTool, name, about)
    assert isinstance(found.agent, RoundRobinGroupChat)
    assert dump(team, registry=REGISTRY) == team.document == made(team.document).document
    assert Draft202012Validator(team_schema(REGISTRY, tools=[look])).is_valid(team.document)
    assert result.messages[-1].to_text() == "We have 12."
    assert any("ann: 12." in message.to_text() for message in result.messages)
    assert (await replay("talk", team=made(team.document), store=store)).identical


def test_what_can_be_no_agent_tool_is_refused() -> None:
    document = {"type": "agent_tool", "agent": {"type": "max_messages", "max_messages": 3}}

    with pytest.raises(ConfigError, match="'max_messages' is a condition; here goes an agent or team"):
        load_component(document)
    with pytest.raises(ConfigError, match="5 is no agent and no team, so it cannot be a tool"):
        AgentTool(5)


def test_what_is_no_data_in_them_is_refused() -> None:
    one = AssistantAgent("ann", "embedded", tools=[AgentTool(lambda: AssistantAgent("bob", "embedded"))])

    with pytest.raises(ConfigError, match="is of no type that documents know"):
        dump_component(one)


async def test_document_from_before_delegates_had_a_version_is_replayed() -> None:
    def team(tool: Any) -> Team:
        member = AssistantAgent("ann", Canned(["Done."]), tools=[tool])
        return RoundRobinGroupChat([member], termination_condition=MaxMessageTermination(2))

    new = dump(team(Delegate("bob")), registry=REGISTRY)
    old = dump(team(Delegate("bob")), registry=REGISTRY)
    [delegate] = old["participants"][0]["tools"]
    assert delegate.pop("version") == 1
    store = MemoryStore(clock=FakeClock())
    before = made(new)
    before.document = old
    await before.run("Go.", conversation=store.conversation("talk"))

    assert (await replay("talk", team=made(old), store=store)).identical
    assert made(old).document == new
