"""Managers of graphs that a program subclasses: who is ready, what fires, what they remember, where they end."""

import asyncio

from autogen_agentchat.base import Response
from autogen_agentchat.conditions import MaxMessageTermination, SourceMatchTermination, TextMentionTermination
from autogen_agentchat.messages import StopMessage
from autogen_agentchat.teams import DiGraphBuilder, GraphFlow
from autogen_agentchat.teams._group_chat._graph import GraphFlowManager
from autogen_agentchat.teams._group_chat._graph._digraph_group_chat import GraphFlow as SameGraphFlow
from autogen_agentchat.teams._group_chat._graph._digraph_group_chat import GraphFlowManager as SameManager
from autogen_agentchat.teams._group_chat._graph._graph_builder import DiGraphBuilder as SameBuilder
from scenes import Echo, family, numbers, refused, state, stream, tell


class Noting(GraphFlowManager):
    """Notes who was ready and who is chosen."""

    def __init__(self, *args, notes, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.notes = notes

    async def select_speaker(self, thread):
        ready = sorted(self._ready)
        chosen = await super().select_speaker(thread)
        self.notes.append(("ready", ready, sorted(chosen), len(thread), self._remaining, len(self._ready)))
        return chosen


class OneByOne(Noting):
    """Lets one speak at a time, the others stay ready."""

    async def select_speaker(self, thread):
        chosen = await super().select_speaker(thread)
        self._ready.extend(chosen[1:])
        return chosen[:1]


class Limited(Noting):
    """Lets nobody speak more often than thrice; remembers how often each has."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.times = {}

    async def select_speaker(self, thread):
        chosen = await super().select_speaker(thread)
        for name in chosen:
            self.times[name] = self.times.get(name, 0) + 1
        if max(self.times.values()) > 3:
            await self._signal_termination(StopMessage(content="Often enough.", source=self._name))
            return []
        return chosen

    async def save_state(self):
        return {**await super().save_state(), "times": dict(self.times)}

    async def load_state(self, state) -> None:
        await super().load_state(state)
        self.times = dict(state["times"])

    async def reset(self) -> None:
        await super().reset()
        self.times.clear()


class Adding(Noting):
    """Adds a check after each word of who is first in the graph."""

    async def update_message_thread(self, messages) -> None:
        await super().update_message_thread(messages)
        if messages[-1].source == next(iter(self._graph.nodes)):
            self._ready.append("check")


class Flow(GraphFlow):
    """A graph with a manager of its own."""

    def __init__(self, *args, manager=Noting, **options) -> None:
        super().__init__(*args, **options)
        self._base_group_chat_manager_class = manager
        self.notes = []

    def _create_group_chat_manager_factory(
        self, name, group_topic_type, output_topic_type, participant_topic_types, participant_names,
        participant_descriptions, output_message_queue, termination_condition, max_turns, message_factory,
    ):  # fmt: skip
        return lambda: self._base_group_chat_manager_class(
            name=name, group_topic_type=group_topic_type, output_topic_type=output_topic_type,
            participant_topic_types=participant_topic_types, participant_names=participant_names,
            participant_descriptions=participant_descriptions, output_message_queue=output_message_queue,
            termination_condition=termination_condition, max_turns=max_turns, message_factory=message_factory,
            graph=self._graph, notes=self.notes,
        )  # fmt: skip


class Plain(Echo):
    """Says what it was told, without thoughts."""

    async def on_messages(self, messages, cancellation_token):
        return Response(chat_message=(await super().on_messages(messages, cancellation_token)).chat_message)


def told(team) -> None:
    for note in team.notes:
        tell(*note)
    team.notes.clear()


def flow(edges, *, words=None, manager=Noting, more=(), entry=None, **options):
    """Return a team of a graph: edges are names, a condition if there is one, and options."""
    builder = DiGraphBuilder()
    names = list(dict.fromkeys(name for edge in edges for name in edge[:2])) + list(more)
    agents = {name: Plain(name, (words or {}).get(name, ("x",))) for name in names}
    for agent in agents.values():
        builder.add_node(agent)
    for source, target, *rest in edges:
        condition = rest[0] if rest else None
        builder.add_edge(source, target, condition, **(rest[1] if len(rest) > 1 else {}))
    if entry:
        builder.set_entry_point(entry)
    return Flow(list(agents.values()), builder.build(), manager=manager, **options)


ROUND = [("ann", "bob"), ("bob", "ann", "again<"), ("bob", "end", "done<")]
ANY = {"activation_condition": "any"}


async def runs() -> None:
    print("## graphs")
    print(SameGraphFlow is GraphFlow, SameManager is GraphFlowManager, SameBuilder is DiGraphBuilder)
    diamond = [("ann", "bob"), ("ann", "cid"), ("bob", "dan"), ("cid", "dan")]
    for team in (
        flow([("ann", "bob"), ("bob", "cid")]),
        flow(diamond),
        flow(diamond, manager=OneByOne),
        flow(diamond, manager=Adding, more=["check"], entry="ann"),
        flow([("ann", "bob"), ("ann", "cid"), ("bob", "dan", None, ANY), ("cid", "dan", None, ANY)], name="N"),
    ):
        await stream(team, "go", None, "more")
        told(team)
        await state(team)
        await team.reset()
        await state(team)


async def loops() -> None:
    print("## loops")
    words = {"bob": ("again", "again", "done")}
    entry = {"entry": "ann", "words": words}
    for options in (
        {"max_turns": 20},
        {"max_turns": 3},
        {"termination_condition": MaxMessageTermination(4)},
        {"termination_condition": TextMentionTermination("done<")},
        {"termination_condition": SourceMatchTermination(["end"])},
    ):
        team = flow(ROUND, **{**entry, **options})
        await stream(team, "go", None)
        told(team)
        await state(team)
        await team.reset()
        await stream(team, "anew")
        told(team)
    team = flow(ROUND, entry="ann", words={"bob": ("again",)}, manager=Limited, max_turns=50)
    await stream(team, "go")
    two = {"activation_group": "first"}, {"activation_group": "back"}
    groups = [("ann", "bob", None, two[0]), ("bob", "cid"), ("cid", "bob", "again<", two[1]), ("cid", "end", "done<")]
    team = flow(groups, words={"cid": ("again", "done")}, max_turns=9)
    await stream(team, "go", "more")
    told(team)
    await state(team)


async def saved() -> None:
    print("## saved and loaded")
    edges = [("ann", "bob"), ("ann", "cid"), ("bob", "dan"), ("cid", "dan"), ("dan", "eve")]
    for most in (1, 2, 3):
        team = flow(edges, max_turns=most, manager=Limited)
        await state(team)
        await stream(team, "go")
        kept = await team.save_state()
        other = flow(edges, max_turns=9, manager=Limited)
        await other.load_state(kept)
        await state(other)
        await stream(other, "on", "again")
        await state(other)


async def wrong() -> None:
    print("## refused")
    for make in (lambda: flow(ROUND, entry="ann"), lambda: flow(ROUND, entry="ann", max_turns=0)):
        refused(make)
        try:
            await make().run(task="go")
        except Exception as error:
            print("refused", family(error))


async def main() -> None:
    for part in (runs, loops, saved, wrong):
        numbers.clear()
        await part()


asyncio.run(main())
