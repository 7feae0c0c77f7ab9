"""Teams whose turns follow a graph."""

import asyncio

from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import DiGraph, DiGraphBuilder, DiGraphEdge, DiGraphNode, GraphFlow
from autogen_core import SingleThreadedAgentRuntime
from scenes import Echo, refused, state, stream, tell


class Picks(Echo):
    """Says its words one after the other, and nothing else."""

    async def on_messages(self, messages, cancellation_token):
        response = await super().on_messages(messages, cancellation_token)
        response.chat_message.content = self.words[(self.times - 1) % len(self.words)]
        response.inner_messages = None
        return response


def built(agents, *edges, start=None):
    builder = DiGraphBuilder()
    for agent in agents:
        builder.add_node(agent)
    for source, target, *more in edges:
        builder.add_edge(source, target, **(more[0] if more else {}))
    if start is not None:
        builder.set_entry_point(start)
    return builder


async def play(title, agents, *edges, start=None, tasks=("go",), **options) -> None:
    print("##", title)
    graph = built(agents, *edges, start=start).build()
    print(sorted(graph.get_start_nodes()), sorted(graph.get_leaf_nodes()), graph.get_has_cycles(), graph.get_parents())
    tell(graph.get_remaining_map(), graph.model_dump())
    team = GraphFlow(agents, graph, **options)
    await stream(team, *tasks)
    if title in {"chain", "fan out, join all", "loop"}:
        await state(team)


def some(names, words=("x",)):
    return [Picks(name, words) for name in names.split()]


async def loaded() -> None:
    print("## a state that is loaded in the middle")
    any_, all_ = {"activation_condition": "any"}, {"activation_condition": "all"}
    for edges, turns in (
        ([("a", "b"), ("b", "c"), ("c", "d")], 2),
        ([("a", "b"), ("a", "c"), ("b", "d", all_), ("c", "e"), ("e", "d", all_)], 2),
        ([("a", "b"), ("a", "c"), ("b", "d", any_), ("c", "d", any_)], 2),
    ):
        names = "a b c d e" if any("e" in edge for edge in edges) else "a b c d"

        def made(names=names, edges=edges, turns=turns):
            agents = [Echo(name) for name in names.split()]
            return GraphFlow(agents, built(agents, *edges).build(), max_turns=turns)

        team = made()
        await stream(team, "go")
        await state(team)
        other = made()
        await other.load_state(await team.save_state())
        await state(other)
        await stream(other, None)
        await state(other)
        await stream(other, "more")
        await state(other)
        await other.reset()
        await state(other)


async def main() -> None:
    await play("chain", some("a b c"), ("a", "b"), ("b", "c"))
    await play("twice", some("a b"), ("a", "b"), tasks=("go", "again"))
    await play("what they hear", [Echo("a"), Echo("b"), Echo("c")], ("a", "b"), ("b", "c"), name="N", description="D")
    await play("fan out, join all", some("a b c d"), ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"))
    join = {"activation_condition": "any"}
    await play("join any", some("a b c d"), ("a", "b"), ("a", "c"), ("b", "d", join), ("c", "d", join))
    yes, no = {"condition": "yes"}, {"condition": "no"}
    for word in ("yes", "no", "neither"):
        agents = [Picks("a", [word]), *some("b c")]
        await play(f"by a word: {word}", agents, ("a", "b", yes), ("a", "c", no))
    late = {"condition": lambda message: len(message.content) > 3}
    soon = {"condition": lambda message: len(message.content) <= 3}
    await play("by a function", [Picks("a", ["long one"]), *some("b c")], ("a", "b", late), ("a", "c", soon))
    loop = [*some("a"), Picks("b", ["again", "again", "done"]), *some("c")]
    back, on = {"condition": "again", "activation_group": "loop"}, {"condition": "done"}
    ends = {"termination_condition": MaxMessageTermination(20)}
    await play("loop", loop, ("a", "b"), ("b", "a", back), ("b", "c", on), start="a", **ends)
    await play("bounded turns", some("a b c"), ("a", "b"), ("b", "c"), tasks=("go", "more", "again"), max_turns=2)
    await play("condition", some("a b c"), ("a", "b"), ("b", "c"), termination_condition=MaxMessageTermination(2))
    groups = {"activation_group": "one"}, {"activation_group": "two"}
    await play("groups", some("a b c"), ("a", "b"), ("a", "c", groups[0]), ("b", "c", groups[1]))
    await loaded()
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    await play("on a runtime", some("a b"), ("a", "b"), runtime=runtime, custom_message_types=[])
    await runtime.stop_when_idle()
    a, b = some("a b")
    refused(lambda: built([a, b], ("a", "b"), ("b", "a")).build())
    refused(lambda: built([a, b], ("a", "b"), ("b", "a"), start="a").build())
    refused(lambda: built([a], ("a", "zoe")))
    refused(lambda: built([a], start="zoe"))
    refused(lambda: DiGraphBuilder().build())
    refused(lambda: built([a, b], ("a", "b", yes), ("a", "b")).build())
    edge = DiGraphEdge(target="b", condition="yes", activation_group="g", activation_condition="any")
    print(edge.check_condition(TextMessage(content="yes!", source="a")), edge.model_dump())
    node = DiGraphNode(name="a", edges=[edge], activation="any")
    graph = DiGraph(nodes={"a": node, "b": DiGraphNode(name="b")}, default_start_node="a")
    graph.graph_validate()
    print(graph.model_dump(), graph.has_cycles_with_exit())
    print([agent.name for agent in built([a, b], ("a", "b")).get_participants()])


asyncio.run(main())
