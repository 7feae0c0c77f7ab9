"""A participant may be given as what makes it: each conversation has its own."""

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quorate import (
    Agent,
    AgentTool,
    AssistantAgent,
    Consensus,
    Debate,
    DiGraphBuilder,
    GraphFlow,
    IndependentVote,
    Limits,
    MagenticOneGroupChat,
    MaxMessageTermination,
    Review,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
    Team,
    TextMessage,
    Turn,
    conversation,
    fork,
    open_store,
    replay,
)
from quorate.chat.chats import Chat, NestedChats, chat
from quorate.chat.turns import RoundRobin
from quorate.models import ModelRequest, ToolCall
from quorate.testing import ScriptedModel

MADE: list["Counter"] = []


class Counter(Agent):
    """Counts in an attribute, and notes whom it spoke to."""

    def __init__(self, name: str = "counter") -> None:
        super().__init__(name, description="Counts.")
        self.count = 0
        self.tasks: list[str] = []
        MADE.append(self)

    async def speak(self, turn: Turn) -> TextMessage:
        self.count += 1
        self.tasks.append(turn.thread[0].to_text())
        await asyncio.sleep(0)
        return TextMessage(content=f"{self.name} {self.count}", source=self.name)


class Other(Counter):
    def __init__(self) -> None:
        super().__init__("other")


@pytest.fixture(autouse=True)
def _none_made() -> None:
    MADE.clear()


def texts(result: Any) -> list[str]:
    return [m.to_text() for m in result.messages if isinstance(m, TextMessage)]


def scripted(*says: Any) -> ScriptedModel:
    return ScriptedModel([*says] * 40)


def _plan(request: ModelRequest) -> str:
    if request.output_schema is None:
        return "Let both count."
    says = {"is_request_satisfied": False, "is_in_loop": False, "is_progress_being_made": True}
    says |= {"next_speaker": "other", "instruction_or_question": "Count."}
    return json.dumps({name: {"reason": "so", "answer": answer} for name, answer in says.items()})


def _graph() -> Team:
    builder = DiGraphBuilder().add_node(Counter).add_node(Other).add_edge(Counter, Other)
    return GraphFlow(builder.get_participants(), builder.build())


TEAMS: dict[str, Callable[[], Team]] = {
    "team": lambda: Team([Counter, Other], turns=RoundRobin(), max_turns=2),
    "round robin": lambda: RoundRobinGroupChat([Counter, lambda: Other()], max_turns=2),
    "swarm": lambda: Swarm([Counter, Other], max_turns=2),
    "selector": lambda: SelectorGroupChat([Counter, Other], scripted("counter", "other"), max_turns=2),
    "magentic": lambda: MagenticOneGroupChat([Counter, Other], scripted(_plan), max_turns=2),
    "graph": _graph,
    "debate": lambda: Debate([Counter, Other], lambda: Counter("judge"), rounds=1),
    "vote": lambda: IndependentVote([Counter, Other], voters=[Counter, lambda: Counter("third")]),
    "consensus": lambda: Consensus([Counter, Other], rounds=1),
    "review": lambda: Review(Counter, [Other], rounds=1),
    "nested": lambda: RoundRobinGroupChat([RoundRobinGroupChat([Counter, Other], max_turns=2, name="in")], max_turns=1),
    "made team": lambda: RoundRobinGroupChat([lambda: RoundRobinGroupChat([Counter()], max_turns=2)], max_turns=2),
}


@pytest.mark.parametrize("kind", TEAMS)
async def test_who_is_made_by_a_factory_is_another_in_each_conversation(kind: str) -> None:
    team = TEAMS[kind]()
    shown = list(MADE)

    for i in range(2):
        await team.run(f"task {i}", conversation=conversation(f"t{i}"))

    spoke = [one for one in MADE if one.tasks]
    assert spoke
    assert not set(map(id, shown)) & set(map(id, spoke)) or kind == "made team"
    assert all(len(set(one.tasks)) == 1 for one in spoke)
    assert len([one for one in spoke if one.tasks[0] == "task 0"]) == len(spoke) / 2


async def test_a_chat_of_two_and_an_agent_tool_make_theirs() -> None:
    talked = await Counter("ann").chat(Other, "Go.", max_turns=2)
    also = await chat(lambda: Counter("ann"), Other, "Go.", max_turns=1)
    nested = NestedChats("work", [Chat(lambda: Counter("ann"), Other, "Ask."), Chat(Counter, Other)])
    thought = await nested.run("Go.")

    assert texts(talked)[1:] == ["other 1", "ann 1", "other 2", "ann 2"]
    assert texts(also)[1:] == ["other 1", "ann 1"]
    assert texts(thought)[-1] == "counter 2"


@pytest.mark.parametrize("remember", [False, True])
async def test_a_tool_makes_one_for_each_call_unless_it_remembers(remember: bool) -> None:
    calls = [[ToolCall(str(i), "counter", '{"task": "Count."}')] for i in range(2)]
    lead = AssistantAgent("lead", ScriptedModel([*calls, "done"]), tools=[AgentTool(Counter, True, remember=remember)])

    result = await lead.run("Go.")

    events: list[Any] = [m for m in result.messages if m.type == "ToolCallExecutionEvent"]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]: every message has a type
    said = [found.content for event in events for found in event.content]
    assert said == ["counter 1", "counter 2" if remember else "counter 1"]


async def test_it_is_called_once_for_what_is_shown_and_once_for_each_conversation() -> None:
    team = RoundRobinGroupChat([Counter], max_turns=1)
    assert len(MADE) == 1

    results = await asyncio.gather(*[team.run(f"{i}", conversation=conversation(f"t{i}")) for i in range(1000)])

    assert len(MADE) == 1001
    assert MADE[0].count == 0
    assert all(texts(result)[1:] == ["counter 1"] for result in results)


async def test_a_further_run_of_a_conversation_goes_on_with_the_one_that_it_has(tmp_path: Path) -> None:
    team = RoundRobinGroupChat([Counter], max_turns=2)
    limited = await team.run("Go.")
    again = await team.run("More.")
    async with open_store(f"sqlite:///{tmp_path}/kept.db") as store:
        talk = store.conversation("kept")
        kept = [await team.run("Go.", conversation=talk) for _ in range(3)]

    assert limited.outcome is not None
    assert limited.outcome.kind == "limit"  # so that no fold is kept in memory
    assert texts(again)[-1] == "counter 4"
    assert [texts(result)[-1] for result in kept] == ["counter 2", "counter 4", "counter 6"]
    assert len(MADE) == 3


async def test_a_resume_a_fork_and_a_replay_make_new_ones(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/kept.db") as store:
        talk = store.conversation("talk")
        team = RoundRobinGroupChat([Counter], termination_condition=MaxMessageTermination(4))
        first = await team.run("Go.", conversation=talk, limits=Limits(turns=2))
        resumed = await team.continue_run("talk", store=store, limits=Limits(turns=9))
        branch = await fork(store, "talk", at=2)
        forked = await team.continue_run(branch.id, store=store)
        report = await replay("talk", team=team, store=store)

    assert texts(first)[1:] == ["counter 1", "counter 2"]
    assert texts(resumed)[1:] == ["counter 1", "counter 2", "counter 1"]  # nothing has saved the count
    assert texts(forked)[1:] == ["counter 1", "counter 1"]
    assert report.identical
    assert len(MADE) == 1 + 1 + 1 + 1 + 2  # a replay makes one for each attempt


async def test_200_conversations_side_by_side_never_mix() -> None:
    """DESIGN 5: objects with attributes, in a random order of runs, tasks and stores."""
    inner = RoundRobinGroupChat([Other], max_turns=1, name="inner")
    team = RoundRobinGroupChat([Counter, inner], max_turns=3)
    random_ = random.Random(5)

    async def talk(i: int) -> list[str]:
        where = conversation(f"t{i}")
        said: list[str] = []
        for _ in range(random_.randint(1, 3)):
            await asyncio.sleep(random_.random() / 200)
            said += texts(await team.run(f"task {i}", conversation=where))[1:]
        return said

    found = await asyncio.gather(*map(talk, range(200)))

    for said in found:
        for name in ("counter", "other"):
            own = [int(text.split()[1]) for text in said if text.startswith(name)]
            assert own == list(range(1, len(own) + 1))
    assert all(len(set(one.tasks)) <= 1 for one in MADE)
