"""Teams whose turns follow a graph: what they do, what is refused when one is built, and what they say about it."""

import asyncio
from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    DiGraph,
    DiGraphBuilder,
    DiGraphEdge,
    DiGraphNode,
    GraphFlow,
    Limits,
    MaxMessageTermination,
    TextMessage,
    Turn,
    conversation,
    load_team,
    open_store,
    quorum,
    replay,
)
from quorate.chat.files.document import dump
from quorate.chat.graph import explain
from quorate.chat.messages import TaskResult
from quorate.errors import ConfigError, GraphError
from quorate.testing import ScriptedModel


def says(name: str, *lines: str) -> AssistantAgent:
    return AssistantAgent(name, ScriptedModel(lines or [f"{name} spoke"]))


def built(*edges: tuple[Any, ...], start: str | None = None, agents: dict[str, Any] | None = None) -> DiGraphBuilder:
    """Return a builder with edges `(source, target, condition, options)`."""
    builder = DiGraphBuilder()
    names = dict.fromkeys(name for edge in edges for name in edge[:2])
    for name in names:
        builder.add_node((agents or {}).get(name) or says(name))
    for edge in edges:
        options = edge[3] if len(edge) > 3 else {}
        builder.add_edge(edge[0], edge[1], edge[2] if len(edge) > 2 else None, **options)
    return builder.set_entry_point(start) if start else builder


def flow(*edges: tuple[Any, ...], start: str | None = None, agents: Any = None, **options: Any) -> GraphFlow:
    builder = built(*edges, start=start, agents=agents)
    return GraphFlow(builder.get_participants(), builder.build(), **options)


def spoke(result: TaskResult) -> list[str]:
    return [m.source for m in result.messages]


# -- what they do -----------------------------------------------------------------------------------------------------


async def test_sequence_speaks_in_order_and_completes() -> None:
    result = await flow(("a", "b"), ("b", "c")).run(task="Go.")

    assert spoke(result) == ["user", "a", "b", "c"]
    assert result.outcome is not None
    assert (result.outcome.kind, result.stop_reason) == ("completed", "The graph is complete.")


async def test_fan_out_speaks_at_the_same_time_and_a_join_waits_for_all() -> None:
    class Meeting(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            await barrier.wait()
            return TextMessage(content=self.name, source=self.name)

    barrier = asyncio.Barrier(3)
    agents = {name: Meeting(name) for name in "bcd"}

    team = flow(("a", "b"), ("a", "c"), ("a", "d"), ("b", "e"), ("c", "e"), ("d", "e"), agents=agents)
    result = await team.run(task="Go.", limits=Limits(active_s=5))

    assert spoke(result) == ["user", "a", "b", "c", "d", "e"]
    assert result.turns == 3


async def test_conditions_choose_by_text_or_by_a_function_of_the_message() -> None:
    def long(message: Any) -> bool:
        return len(message.content) > 5

    agents = {"a": says("a", "yes", "no, never")}
    team = flow(("a", "b", "yes"), ("a", "c", long), agents=agents)

    assert spoke(await team.run(task="Go.")) == ["user", "a", "b"]
    assert spoke(await team.run(task="Go.")) == ["user", "a", "c"]


async def test_loop_goes_round_until_its_condition_or_its_bound_ends_it() -> None:
    edges = [("a", "b"), ("b", "a", "again", {"activation_group": "back", "at_most": 2}), ("b", "c", "done")]
    talk = [says("b", "again 1", "done"), says("b", "again 1", "again 2", "again 3")]
    drafts = [f"draft {n}" for n in range(4)]

    first, second = [
        await flow(*edges, start="a", agents={"a": says("a", *drafts), "b": b}).run(task="Go.") for b in talk
    ]

    assert spoke(first) == ["user", "a", "b", "a", "b", "c"]
    assert spoke(second) == ["user", "a", "b", "a", "b", "a", "b"]
    assert second.outcome is not None
    assert second.outcome.kind == "completed"


async def test_any_and_quorum_start_a_join_early_and_cancel_who_is_late() -> None:
    class Slow(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            await asyncio.sleep(60)
            raise AssertionError

    for need, on_time in (("any", 1), (quorum(2), 2)):
        agents = {name: says(name) for name in ["b", "c"][:on_time]} | {n: Slow(n) for n in ["c", "d"][on_time - 1 :]}
        option = {"activation_condition": need}
        edges = [("a", n) for n in "bcd"] + [(n, "e", None, option) for n in "bcd"]
        talk = conversation("talk")

        result = await flow(*edges, agents=agents).run(task="Go.", conversation=talk, limits=Limits(active_s=5))

        assert spoke(result) == ["user", "a", *"bc"[:on_time], "e"]
        assert (await replay("talk", team=flow(*edges), store=talk.store)).identical


async def test_all_finish_where_no_race_is_wanted_and_where_the_late_one_leads_elsewhere_too() -> None:
    edges = [("a", "b"), ("a", "c"), ("b", "d", None, {"activation_condition": "any"})]
    late = ("c", "d", None, {"activation_condition": "any"})

    calm = await flow(*edges, late, race=False).run(task="Go.")
    needed = await flow(*edges, late, ("c", "x")).run(task="Go.")

    assert spoke(calm) == ["user", "a", "b", "c", "d"]
    assert spoke(needed) == ["user", "a", "b", "c", "d", "x"]


async def test_member_hears_what_led_to_it_or_all() -> None:
    heard: dict[str, list[str]] = {}

    class Listening(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            heard[self.name] = [m.source for m in turn.thread]
            return TextMessage(content=self.name, source=self.name)

    edges = [("a", "b"), ("a", "c"), ("b", "d"), ("d", "e"), ("c", "e")]
    agents = {name: Listening(name) for name in "abcde"}
    await flow(*edges, agents=agents).run(task="Go.")
    assert heard["d"] == ["user", "a", "b"]
    assert heard["e"] == ["user", "a", "b", "c", "d"]

    await flow(*edges, agents=agents, hear_all=True).run(task="Go.")
    assert heard["d"] == ["user", "a", "b", "c"]


async def test_next_task_begins_the_graph_anew_and_after_a_limit_it_goes_on() -> None:
    agents = {name: says(name, "one", "two") for name in "ab"}
    team = flow(("a", "b"), agents=agents)
    assert spoke(await team.run(task="First.")) == ["user", "a", "b"]
    assert spoke(await team.run(task="Second.")) == ["user", "a", "b"]

    cut = flow(("a", "b"), max_turns=1)
    assert spoke(await cut.run(task="First.")) == ["user", "a"]
    assert spoke(await cut.run(task="Go on.")) == ["user", "b"]


async def test_task_begins_the_graph_anew_when_a_condition_ended_the_last_run_at_its_end() -> None:
    agents = {name: says(name, "one", "two") for name in "ab"}
    team = flow(("a", "b"), agents=agents, termination_condition=MaxMessageTermination(3))

    await team.run(task="First.")

    assert spoke(await team.run(task="Second.")) == ["user", "a", "b"]


async def test_node_that_a_person_interrupted_speaks_again() -> None:
    began = asyncio.Event()

    class Hung(Agent):
        times = 0

        async def speak(self, turn: Turn) -> TextMessage:
            self.times += 1
            if self.times == 1:
                began.set()
                await asyncio.sleep(60)
            return TextMessage(content="now", source=self.name)

    team = flow(("a", "b"), ("b", "c"), agents={"b": Hung("b")})
    async with team.start("Go.") as run:
        await began.wait()
        await run.interrupt("Quicker, please.")
        result = await run.result()

    assert spoke(result) == ["user", "a", "user", "b", "c"]


# -- what is refused --------------------------------------------------------------------------------------------------

BACK = {"activation_group": "back"}
REFUSED = {
    "starving join": ("starving", ["b", "c", "d"], [("a", "b"), ("b", "c"), ("c", "b", "more"), ("c", "d", "ok")], "a"),
    "starving quorum": ("starving", ["b"], [("a", "b", None, {"activation_condition": quorum(2)})], None),
    "dead part": ("dead", ["c"], [("a", "b"), ("c", "c", "more")], "a"),
    "no start": ("dead", ["a", "b"], [("a", "b"), ("b", "a", "more", BACK)], None),
    "mixed": ("ambiguous", ["a"], [("a", "b", "yes"), ("a", "c")], None),
    "twice": ("ambiguous", ["a", "b"], [("a", "b"), ("a", "b")], None),
    "two minds": (
        "ambiguous",
        ["c"],
        [("a", "c", None, {"activation_condition": "all"}), ("b", "c", None, {"activation_condition": "any"})],
        None,
    ),
    "for ever": ("unbounded", ["a", "b"], [("a", "b"), ("b", "a", None, BACK), ("b", "c")], "a"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_part_that_can_never_work_is_refused_by_name_with_a_drawing(what: str) -> None:
    rule, nodes, edges, start = REFUSED[what]

    with pytest.raises(GraphError) as refused:
        built(*edges, start=start).build()

    assert (refused.value.rule, list(refused.value.nodes)) == (rule, nodes)
    assert str(refused.value).startswith(f"{rule}: ")
    assert "flowchart TD" in refused.value.drawing
    assert refused.value.drawing.rstrip().endswith("wrong")
    assert isinstance(refused.value, ValueError)


def test_edge_or_start_that_leads_to_nobody_is_refused() -> None:
    for graph in (
        DiGraph({"a": DiGraphNode("a", [DiGraphEdge("b")])}),  # pyright: ignore[reportArgumentType]: AutoGen's way
        DiGraph({"a": DiGraphNode("a")}, default_start_node="b"),
        DiGraph({"b": DiGraphNode("a")}),
        DiGraph({}),
    ):
        with pytest.raises(GraphError, match="unknown: "):
            graph.graph_validate()


def test_loop_without_a_bound_needs_one_of_the_team() -> None:
    edges = [("a", "b"), ("b", "a", "again", BACK), ("b", "c", "done")]

    with pytest.raises(GraphError, match=r"unbounded: a → b → a goes round as often as its conditions hold\.") as bad:
        flow(*edges, start="a")

    assert bad.value.rule == "unbounded"
    flow(*edges, start="a", max_turns=5)
    flow(*edges, start="a", termination_condition=MaxMessageTermination(9))
    flow(*edges, start="a", limits=Limits(turns=9))


def test_participants_and_nodes_are_the_same() -> None:
    graph = built(("a", "b")).build()
    with pytest.raises(ConfigError, match="No participant is named 'b'"):
        GraphFlow([says("a")], graph)
    with pytest.raises(GraphError, match="dead: c is in no node"):
        GraphFlow([says("a"), says("b"), says("c")], graph)


@pytest.mark.parametrize(
    "wrong",
    [
        {"condition": ""},
        {"condition": 5},
        {"at_most": 0},
        {"activation_condition": "most"},
        {"activation_condition": 0},
    ],
)
def test_edge_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        built(("a", "b")).add_edge("a", "b", **wrong)


def test_condition_that_is_async_is_refused() -> None:
    async def later(message: Any) -> bool:
        return True

    with pytest.raises(ConfigError, match="is async"):
        built(("a", "b", later))


def test_names_are_checked_while_building() -> None:
    with pytest.raises(ConfigError, match="'z' is no node yet"):
        built(("a", "b")).add_edge("a", "z")
    with pytest.raises(ConfigError, match="Two participants are named 'a'"):
        built(("a", "b")).add_node(says("a"))
    with pytest.raises(ConfigError, match="'c' cannot take part"):
        built(("a", "b")).add_node("c")


# -- what they say about it -------------------------------------------------------------------------------------------

REVIEW = [
    ("writer", "critic"),
    ("critic", "writer", "REJECT", {"activation_group": "back", "at_most": 1}),
    ("critic", "press", "APPROVE"),
]


def review(*verdicts: str) -> GraphFlow:
    agents = {"writer": says("writer", "one", "two", "three"), "critic": says("critic", *verdicts)}
    return flow(*REVIEW, start="writer", agents=agents)


async def test_explain_tells_of_a_finished_run_why_each_edge_fired_or_did_not() -> None:
    team = review("REJECT: dull", "REJECT: late")

    result = await team.run(task="Write.")

    told = await team.explain()
    assert spoke(result) == ["user", "writer", "critic", "writer", "critic"]
    assert str(told).splitlines() == [
        "turn 1: writer → critic fired",
        "turn 2: critic → writer fired (has 'REJECT': yes)",
        "turn 2: critic → press did not fire (has 'APPROVE': no)",
        "turn 3: writer → critic fired",
        "turn 4: critic → writer did not fire (it has fired 1 time, its bound)",
        "turn 4: critic → press did not fire (has 'APPROVE': no)",
    ]
    assert told.why("press").splitlines()[0] == "press has not spoken."
    assert told.why("writer", "critic").count("critic → writer") == 2
    with pytest.raises(ConfigError, match="no node 'pres'"):
        told.why("pres")


async def test_explain_reads_the_journal_alone_and_while_the_run_goes_on(tmp_path: Any) -> None:
    async with open_store(tmp_path / "work.db") as store:
        await review("REJECT", "APPROVE").run(task="Write.", conversation=store.conversation("talk"))
    async with open_store(tmp_path / "work.db") as store:
        told = await explain("talk.1", store=store)
        with pytest.raises(ConfigError, match=r"no run talk\.7"):
            await explain("talk.7", store=store)

    assert told.edges[-1] == (4, "critic", "press", True, "has 'APPROVE': yes")
    assert told.spoke == {"writer": [1, 3], "critic": [2, 4], "press": [5]}


async def test_join_that_waited_in_vain_is_named_at_the_end_and_by_explain() -> None:
    agents = {"a": says("a", "law")}
    team = flow(("a", "b", "law"), ("a", "c", "tax"), ("b", "d"), ("c", "d"), agents=agents)

    result = await team.run(task="Go.")

    assert spoke(result) == ["user", "a", "b"]
    assert result.stop_reason == "The graph is complete. d waited for c in vain."
    why = (await team.explain()).why("d").splitlines()
    assert why == [
        "d has not spoken.",
        "turn 2: b → d fired",
        "c → d was not asked: c has not spoken.",
        "d starts once all of the edges from b, c have fired.",
    ]


def test_drawing_holds_names_of_any_script_and_what_edges_need() -> None:
    drawn = flow(
        ('研究"者', "b"), ("b", "c", "<ok>", {"activation_condition": "any"}), ('研究"者', "c"), hear_all=True
    ).graph.mermaid()

    assert drawn.splitlines() == [
        "flowchart TD",
        '    n0(["研究&quot;者"])',
        '    n1["b"]',
        '    n2["c"]',
        "    n0 --> n1",
        '    n0 -- "any" --> n2',
        "    n1 -- \"has '&lt;ok&gt;', any\" --> n2",
    ]


def test_graph_is_a_team_file_too() -> None:
    team = load_team(
        """
type: graph_flow
participants:
  - {type: assistant, name: writer, model_client: embedded}
  - {type: assistant, name: critic, model_client: embedded}
graph:
  start: writer
  edges:
    - {source: writer, target: critic}
    - {source: critic, target: writer, condition: REJECT, activation_group: back, at_most: 3}
"""
    )

    assert isinstance(team, GraphFlow)
    assert team.graph.nodes["critic"].edges == (DiGraphEdge("writer", "REJECT", "back", at_most=3),)
    again = load_team(dump(team))
    assert dump(again) == dump(team) == team.document


def test_team_file_with_a_graph_that_cannot_work_names_the_rule() -> None:
    with pytest.raises(ConfigError, match="dead: "):
        load_team(
            "type: graph_flow\nparticipants:\n  - {type: user_proxy, name: a}\n  - {type: user_proxy, name: b}\n"
            "graph:\n  nodes: [a, b]\n  start: a\n"
        )


def test_graph_with_a_function_is_no_document() -> None:
    with pytest.raises(ConfigError, match="The condition of a → b is a function"):
        dump(flow(("a", "b", lambda message: True), agents={name: AssistantAgent(name, "embedded") for name in "ab"}))


# -- bounded, as every run --------------------------------------------------------------------------------------------


async def test_loop_of_a_graph_that_gets_nowhere_is_stalled() -> None:
    agents = {"a": says("a", *["After you."] * 99), "b": says("b", *["No, after you!"] * 99)}

    result = await flow(("a", "b"), ("b", "a", "after", BACK), start="a", agents=agents, max_turns=90).run(task="Go.")

    assert result.outcome is not None
    assert result.outcome.kind == "stalled"
    assert result.turns <= 8


@pytest.mark.parametrize("limits", [Limits(turns=2), Limits(model_calls=4)])
async def test_limits_hold_in_a_graph_and_it_goes_on_with_wider_ones(limits: Limits) -> None:
    talk = conversation("talk")
    edges = [("a", n) for n in "bcd"] + [(n, "e") for n in "bcd"]
    team = flow(*edges, agents={"e": says("e", "joined")})

    first = await team.run(task="Go.", conversation=talk, limits=limits)
    second = await team.continue_run("talk", store=talk.store, limits=Limits(turns=9, model_calls=9))

    assert first.outcome is not None
    assert first.outcome.kind == "limit"
    assert spoke(second) == ["user", "a", "b", "c", "d", "e"]


def test_check_warns_of_a_join_over_ways_of_which_only_one_may_be_taken() -> None:
    joined = [("b", "d"), ("c", "d")]
    warned = flow(("a", "b", "law"), ("a", "c", "tax"), *joined).check()
    either = flow(("a", "b", "law"), ("a", "c", "tax"), joined[0], ("c", "d", None, {"activation_condition": "any"}))

    assert [(f.rule, f.where) for f in warned.findings if f.rule == "may-starve"] == [("may-starve", "d")]
    assert warned.ok
    assert not any(f.rule == "may-starve" for f in flow(("a", "b"), ("a", "c"), *joined).check().findings)
    assert not any(f.rule == "may-starve" for f in either.check().findings)
