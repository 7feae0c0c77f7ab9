"""`quorate explain`."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from quorate import (
    Agent,
    DiGraphBuilder,
    GraphFlow,
    MaxMessageTermination,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Team,
    TextMentionTermination,
    TextMessage,
    Turn,
    ask,
    open_store,
    quorum,
)
from quorate.testing import ScriptedModel


class Says(Agent):
    def __init__(self, name: str, *lines: str) -> None:
        super().__init__(name, description=f"Is {name}.")
        self.lines = lines

    async def speak(self, turn: Turn) -> TextMessage:
        said = sum(message.source == self.name for message in turn.thread)
        return TextMessage(content=self.lines[said % len(self.lines)], source=self.name)


class Asks(Agent):
    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(content=await ask("Well?"), source=self.name)


class Sleeps(Agent):
    async def speak(self, turn: Turn) -> TextMessage:
        await asyncio.Event().wait()
        raise AssertionError


def ran(team: Team, conversation: str, task: str = "Go.") -> None:
    """Run a team in the store of the folder, before the command looks."""

    Path(".quorate").mkdir(exist_ok=True)

    async def run() -> None:
        async with open_store(".quorate/quorate.db") as store:
            await team.run(task, conversation=store.conversation(conversation))

    asyncio.run(run())


def reviewed() -> GraphFlow:
    graph = DiGraphBuilder()
    writer, critic, editor = Says("writer", "a draft"), Says("critic", "REVISE", "GOOD"), Says("editor", "done")
    for agent in (writer, critic, editor):
        graph.add_node(agent)
    graph.add_edge(writer, critic).add_edge(critic, editor, condition="GOOD")
    graph.add_edge(critic, writer, condition="REVISE", at_most=2, activation_group="again").set_entry_point(writer)
    return GraphFlow(graph.get_participants(), graph.build())


def test_each_edge_of_a_graph_is_told_that_fired_or_did_not(cli: Any) -> None:
    ran(reviewed(), "graph")

    assert cli("explain", "graph").out.splitlines() == [
        "turn 1: writer: it begins",
        "turn 2: critic: writer → critic",
        "  edge turn 1: writer → critic fired",
        "turn 3: writer: critic → writer",
        "  edge turn 2: critic → editor did not fire (has 'GOOD': no)",
        "  edge turn 2: critic → writer fired (has 'REVISE': yes)",
        "turn 4: critic: writer → critic",
        "  edge turn 3: writer → critic fired",
        "turn 5: editor: critic → editor",
        "  edge turn 4: critic → editor fired (has 'GOOD': yes)",
        "  edge turn 4: critic → writer did not fire (has 'REVISE': no)",
        "turn 6: nobody any more: The graph is complete.",
        "",
        "completed: The graph is complete.",
    ]


def test_one_turn_is_told_with_what_is_inside_it(cli: Any) -> None:
    lab = SelectorGroupChat(
        [Says("x", "one"), Says("y", "END"), Says("z", "two")], ScriptedModel(["Nobody.", "x", "y"]), name="lab",
        termination_condition=TextMentionTermination("END"),
    )  # fmt: skip
    ran(RoundRobinGroupChat([lab, Says("boss", "APPROVE")], max_turns=2), "nested")

    lines = [line.partition(" · ")[0] for line in cli("explain", "nested", "1").out.splitlines()]

    assert lines == [
        "turn 1: lab: next in order",
        "  turn 1 / lab / turn 1: x: chosen by scripted, at attempt 2",
        "    asked model 1 scripted: Nobody.",
        "    asked model 2 scripted: x",
        "  turn 1 / lab / turn 2: y: chosen by scripted",
        "    asked model 1 scripted: y",
        "  turn 1 / lab ended completed: y said 'END'",
    ]
    assert cli("explain", "nested").out.endswith("\n\nlimit: The limit of 2 turns is reached.\n  the limit: turns=2\n")


def test_winners_of_a_race_are_told_and_who_was_not_waited_for(cli: Any) -> None:
    graph = DiGraphBuilder()
    start, end = Says("start", "go"), Says("end", "done")
    three = [Says("a", "1"), Says("b", "2"), Sleeps("c")]
    for agent in (start, *three, end):
        graph.add_node(agent)
    for agent in three:
        graph.add_edge(start, agent).add_edge(agent, end, activation_condition=quorum(2))
    ran(GraphFlow(graph.get_participants(), graph.build()), "race")

    assert "  a race, enough: a, b; not waited for: c\n" in cli("explain", "race.1", "2").out
    (turn,) = cli("explain", "race.1", "2", "--json").json
    assert (turn["winners"], turn["lost"], turn["state"]) == (["a", "b"], ["c"], "closed")


def test_run_that_waits_says_for_what(cli: Any) -> None:
    ran(RoundRobinGroupChat([Asks("clerk")], max_turns=1), "wait")

    lines = cli("explain", "wait").out.splitlines()

    assert lines[0] == "turn 1: clerk (not finished): next in order"
    assert lines[-1].endswith(": Well?")


def test_json_is_an_object_for_each_turn_and_one_for_the_run(cli: Any) -> None:
    ran(reviewed(), "graph")

    *turns, run = cli("explain", "graph", "--json").json

    assert [(turn["kind"], turn["turn"], turn["speakers"]) for turn in turns[-2:]] == [
        ("turn", 5, ["editor"]),
        ("turn", 6, []),
    ]
    assert turns[1]["edges"] == [{"turn": 1, "source": "writer", "target": "critic", "fired": True, "why": ""}]
    assert (run["kind"], run["status"], run["outcome"]["reason"]) == ("run", "completed", "The graph is complete.")
    assert run["limits"]["turns"] == 100


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("graph", "9"), "Run graph.1 has no turn 9. It has turns 1 to 6."),
        (("graph", "0"), "Run graph.1 has no turn 0. It has turns 1 to 6."),
        (("graph.2",), "Conversation graph has runs 1 to 1, no run 2."),
        (("nobody",), "No run and no conversation begins with 'nobody' here."),
        (("graph", "two"), "Invalid value for '[TURN]'"),
    ],
)
def test_wrong_words_say_what_there_is(cli: Any, words: tuple[str, ...], says: str) -> None:
    ran(reviewed(), "graph")

    found = cli("explain", *words)

    assert found.code == 2
    assert says in found.err


def test_it_is_told_of_a_run_that_ended_before_anybody_was_chosen(cli: Any) -> None:
    ran(RoundRobinGroupChat([Says("a", "x")], termination_condition=MaxMessageTermination(1)), "none")

    assert cli("explain", "none").out == "Nobody was chosen to speak.\n\ncompleted: 1 message of at most 1\n"
    assert "Nobody was chosen to speak in it." in cli("explain", "none", "1").err
