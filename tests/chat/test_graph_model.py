"""Graphs against a small model of them that shares no code with ours, over random graphs, words and schedules."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

from quorate import Agent, TextMessage, Turn, conversation, replay
from quorate.chat.graph import DiGraph, DiGraphEdge, DiGraphNode, GraphFlow
from quorate.errors import GraphError
from quorate.runs.entries import Entry, canonical_export
from quorate.testing import FakeClock

WORDS = ("yes", "no", "maybe")


class Node(Agent):
    """Says one of the words, the same at the same visit, after some time."""

    def __init__(self, name: str, seed: int, delay: int) -> None:
        super().__init__(name)
        self.seed, self.delay, self.heard = seed, delay, list[frozenset[str]]()

    async def speak(self, turn: Turn) -> TextMessage:
        for _ in range(self.delay):
            await asyncio.sleep(0)
        self.heard.append(frozenset(m.source for m in turn.thread))
        times = sum(m.source == self.name for m in turn.thread)
        word = random.Random(f"{self.seed} {self.name} {times}").choice(WORDS)
        return TextMessage(content=f"{self.name} {times}: {word} {random.Random(times).random()}", source=self.name)


def drawn(draw: random.Random, *, joins: Sequence[Any] = ("all", "any", 2)) -> DiGraph | None:
    """Return a random graph that is not refused, None for one that is."""
    names = [f"n{i}" for i in range(draw.randint(2, 7))]
    edges: dict[str, list[DiGraphEdge]] = {name: [] for name in names}
    conditional = {name: draw.random() < 0.4 for name in names}
    join = {name: draw.choice(joins) for name in names}
    for i, source in enumerate(names):
        for target in names[i + 1 :]:
            if draw.random() < 0.5:
                word = draw.choice(WORDS) if conditional[source] else None
                edges[source].append(DiGraphEdge(target, word, activation_condition=join[target]))
        if i and draw.random() < 0.3:
            back = draw.choice(names[: i + 1])
            word = draw.choice(WORDS) if conditional[source] else None
            edges[source].append(DiGraphEdge(back, word, "again", "any", at_most=draw.randint(1, 2)))
    graph = DiGraph({name: DiGraphNode(name, tuple(edges[name])) for name in names}, draw.choice([None, "n0"]))
    try:
        graph.graph_validate()
    except GraphError:
        return None
    return graph


class Model:
    """What a graph does, told once more: tokens lie on edges, and a join takes those of its group."""

    def __init__(self, graph: DiGraph) -> None:
        self.graph = graph
        self.tokens: set[tuple[str, int]] = set()
        self.used: dict[tuple[str, int], int] = {}
        self.joined: set[tuple[str, str]] = set()  # in the latest wave

    def begin(self) -> set[str]:
        if self.graph.default_start_node:
            return {self.graph.default_start_node}
        return set(self.graph.nodes) - {e.target for n in self.graph.nodes.values() for e in n.edges}

    def after(self, said: dict[str, str]) -> set[str]:
        for name, text in said.items():
            for i, edge in enumerate(self.graph.nodes[name].edges):
                fits = edge.condition is None or str(edge.condition) in text
                if fits and (edge.at_most is None or self.used.get((name, i), 0) < edge.at_most):
                    self.tokens.add((name, i))
                    self.used[name, i] = self.used.get((name, i), 0) + 1
        started: set[str] = set()
        self.joined = set()
        for target in self.graph.nodes:
            for group in {edge.activation_group for edge in self.to(target).values()}:
                ways = {way for way, edge in self.to(target).items() if edge.activation_group == group}
                kind = next(iter({self.to(target)[way].activation_condition for way in ways}))
                need = {"all": len(ways), "any": 1}.get(str(kind), kind)
                if len(ways & self.tokens) >= int(str(need)):
                    self.tokens -= ways
                    self.joined.add((target, group))
                    started.add(target)
        return started

    def only_late(self, name: str) -> bool:
        """Whether all that a node leads to was joined without it, in the latest wave."""
        edges = self.graph.nodes[name].edges
        return bool(edges) and all((edge.target, edge.activation_group) in self.joined for edge in edges)

    def to(self, target: str) -> dict[tuple[str, int], DiGraphEdge]:
        nodes = self.graph.nodes.values()
        return {(n.name, i): e for n in nodes for i, e in enumerate(n.edges) if e.target == target}

    def before(self, name: str) -> set[str]:
        found: set[str] = set()
        while True:
            more = {s for n in (name, *found) for s, _ in self.to(n)} - found
            if not more:
                return found
            found |= more


def waves(entries: Sequence[Entry]) -> list[tuple[set[str], dict[str, str]]]:
    """Return who was named in each turn, and what those said who did."""
    found: list[tuple[set[str], dict[str, str]]] = []
    for entry in entries:
        if entry.kind == "choice" and entry.payload["speakers"]:
            found.append((set(entry.payload["speakers"]), {}))
        elif entry.kind == "said":
            message = entry.payload["items"][-1][1]
            found[-1][1][message["source"]] = message["content"]
    return found


def flow(graph: DiGraph, draw: random.Random, seed: int, *, race: bool) -> tuple[list[Node], GraphFlow]:
    nodes = [Node(name, seed, draw.randint(0, 9)) for name in graph.nodes]
    return nodes, GraphFlow(nodes, graph, race=race, patience=None)


@pytest.mark.parametrize("race", [False, True])
async def test_graph_does_what_the_model_does_over_random_graphs_words_and_schedules(race: bool) -> None:
    draw, count, raced, looped = random.Random(5), 0, 0, 0
    while count < 250:
        graph = drawn(draw, joins=("any", "any", 2) if race else ("all", "any", 2))
        if graph is None:
            continue
        count += 1
        talk, model = conversation("talk"), Model(graph)
        nodes, team = flow(graph, draw, count, race=race)

        result = await team.run(task="Go.", conversation=talk)

        entries = await talk.entries()
        wanted = model.begin()
        for named, said in waves(entries):
            assert named == wanted, graph.mermaid()
            assert said.keys() <= named
            assert race or said.keys() == named
            wanted = model.after(said)
            assert all(model.only_late(name) for name in named - said.keys()), graph.mermaid()
        assert not wanted
        assert result.outcome is not None
        assert result.outcome.kind == "completed"
        for node in nodes:
            for heard in node.heard:
                assert heard <= {"user", node.name} | model.before(node.name)
        most = team.turns.most
        assert most is None or (most.turns >= result.turns and most.answers >= sum(len(node.heard) for node in nodes))
        raced += any(e.kind == "won" for e in entries)
        looped += result.turns > len(graph.nodes)
    assert (raced > 10) == race
    assert looped > 5


async def test_schedule_decides_nothing_where_nothing_races() -> None:
    # ENGINE 12, 13: the same bytes whoever finishes first
    draw, count = random.Random(8), 0
    while count < 60:
        graph = drawn(draw, joins=("all",))
        if graph is None:
            continue
        count += 1
        exports: set[bytes] = set()
        for _ in range(3):
            talk = conversation("talk", clock=FakeClock())
            await flow(graph, draw, count, race=True)[1].run(task="Go.", conversation=talk)
            exports.add(canonical_export(await talk.entries()))
        assert len(exports) == 1


async def test_graph_cut_after_any_entry_goes_on_as_the_model_says_and_replays(killed: Any) -> None:
    # ENGINE 1, 2, 4
    draw, cuts = random.Random(11), 0
    while cuts < 60:
        graph = drawn(draw)
        if graph is None or len(graph.nodes) < 4:
            continue
        talk = conversation("talk", clock=FakeClock())
        await flow(graph, draw, 1, race=True)[1].run(task="Go.", conversation=talk)
        entries = await talk.entries()
        for after in range(1, len(entries), 1 + len(entries) // 8):
            cuts += 1
            left = await killed(entries, after=after)
            kept = [e.payload for e in entries[:after] if e.kind == "won"]

            await flow(graph, draw, 1, race=True)[1].continue_run("talk", store=left.store)

            model, now = Model(graph), await left.entries()
            wanted = model.begin()
            for named, said in waves(now):
                assert named == wanted
                wanted = model.after(said)
            assert [e.payload for e in now if e.kind == "won"][: len(kept)] == kept
            closed = [e.path for e in now if e.kind == "said"]
            assert len(closed) == len(set(closed))
            assert (await replay("talk", team=flow(graph, draw, 1, race=True)[1], store=left.store)).identical
