"""What holds for every pattern: crash anywhere and go on, replay, loops that end, names in any script."""

import hashlib
import importlib.util
import itertools
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    Consensus,
    Debate,
    DiGraphBuilder,
    FunctionalTermination,
    GraphFlow,
    Handoff,
    HandoffMessage,
    IndependentVote,
    MagenticOneGroupChat,
    MaxMessageTermination,
    OperationKey,
    Review,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
    Team,
    TextMessage,
    Turn,
    open_store,
    replay,
    tool,
)
from quorate.chat.facts import Fact
from quorate.models import ModelRequest, ToolCall
from quorate.models.openai import to_wire
from quorate.runs.entries import Entry, canonical_order
from quorate.testing import FakeClock, ScriptedModel

TASK = TextMessage(content="Go.", source="user", id="task", created_at=datetime(2026, 1, 1, tzinfo=UTC))

# -- crash_everywhere -------------------------------------------------------------------------------------------------


class World:
    """A pattern whose members answer by what they are asked alone, and count what they do."""

    def __init__(self, kind: str) -> None:
        self.asked: list[str] = []
        self.effects: list[str] = []
        self.team = PATTERNS[kind](self)

    def member(self, name: str, *, works: bool = False) -> AssistantAgent:
        model = ScriptedModel(itertools.repeat(self._answer))
        tools = [self._put()] if works else []
        return AssistantAgent(name, model, system_message=name, tools=tools)

    def _put(self) -> Any:
        @tool(effect="idempotent")
        async def put(n: int, key: OperationKey) -> str:
            """Put."""
            self.effects.append(f"put {n} {key}")
            return f"put {n}"

        return put

    def _answer(self, request: ModelRequest) -> object:
        seen = f"{request.system}{[block.content for block in request.blocks]}{request.output_schema}"
        sign = int(hashlib.sha256(seen.encode()).hexdigest()[:8], 16)
        self.asked.append(f"{sign:x}")
        if request.output_schema is not None:
            return json.dumps({name: _made(part, sign) for name, part in _parts(request.output_schema).items()})
        if request.tools and not getattr(request.blocks[-1], "results", ()):
            return ToolCall(f"c{sign}", "put", json.dumps({"n": sign % 100}))
        return f"{request.system} says {sign:x}"

    def hands(self, name: str, *onto: str) -> AssistantAgent:
        """Return a member that now and then hands over, with another call in the same reply."""
        model = ScriptedModel(itertools.repeat(self._hand_on))
        return AssistantAgent(name, model, system_message=name, tools=[self._put()], handoffs=onto)

    def _hand_on(self, request: ModelRequest) -> object:
        seen = f"{request.system}{[block.content for block in request.blocks]}"
        sign = int(hashlib.sha256(seen.encode()).hexdigest()[:8], 16)
        self.asked.append(f"{sign:x}")
        onto = [spec.name for spec in request.tools if spec.name.startswith("transfer")]
        if not onto or sign % 4 == 0 or getattr(request.blocks[-1], "results", ()):
            return f"{request.system} says {sign:x}"
        put = ToolCall(f"p{sign}", "put", json.dumps({"n": sign % 100}))
        return [put, ToolCall(f"c{sign}", onto[sign % len(onto)], "{}")]

    def _plan(self, request: ModelRequest) -> object:
        if request.output_schema is None:
            return self._answer(request)
        sign = int(hashlib.sha256(str([b.content for b in request.blocks]).encode()).hexdigest()[:8], 16)
        self.asked.append(f"{sign:x}")
        says = {"is_request_satisfied": False, "is_in_loop": sign % 3 == 0, "is_progress_being_made": sign % 2 == 0}
        says |= {"next_speaker": ("ann", "pair")[sign % 2], "instruction_or_question": f"Do {sign:x}."}
        return json.dumps({name: {"reason": f"{sign:x}", "answer": answer} for name, answer in says.items()})

    def pair(self, **options: Any) -> RoundRobinGroupChat:
        members = [self.member("ben"), self.member("cy", works=True)]
        return RoundRobinGroupChat(members, name="pair", description="Two.", **options)

    def _graph(self) -> GraphFlow:
        """Return a graph whose nodes are teams, with a join, and a way back that is gone twice at most."""
        panel = IndependentVote([self.member("dan"), self.member("eve")], quorum=2, name="panel")
        pair, end = self.pair(max_turns=2, wrap_up="Sum up."), self.member("end")
        graph = DiGraphBuilder()
        for node in (first := self.member("ann", works=True), pair, panel, end):
            graph.add_node(node)
        graph.add_edge(first, "pair").add_edge(first, "panel").add_edge("panel", end)
        graph.add_edge("pair", end, condition=lambda m: m.to_text()[-1] in "01234567")
        again = graph.add_edge("pair", first, condition=lambda m: m.to_text()[-1] not in "01234567", at_most=2)
        again.set_entry_point(first)
        return GraphFlow(graph.get_participants(), graph.build())

    async def is_late(self, new: Sequence[Any]) -> bool:
        return any(m.source == "ben" for m in new)

    async def never(self, new: Sequence[Any]) -> bool:
        return False

    def is_even(self, text: str) -> str | None:
        last = int(text[-1], 16)
        return None if last % 4 else f"It ends with {last}."


def _parts(schema: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(schema)["properties"]
    return found


def _made(part: dict[str, Any], sign: int) -> Any:
    made: dict[str, Any] = {
        "integer": 1 + sign % 3,
        "boolean": sign % 3 == 0,
        "array": [1 + (sign + at) % 3 for at in range(3)],
        "string": f"{sign:x}",
    }
    return made[part["type"]]


PATTERNS: dict[str, Callable[[World], Team]] = {
    "debate": lambda w: Debate([w.member("bull", works=True), w.member("bear")], w.member("judge")),
    "debate side by side": lambda w: Debate([w.member("bull"), w.member("bear")], w.member("judge"), parallel=True),
    "vote": lambda w: IndependentVote([w.member("ann", works=True), w.member("ben"), w.member("cy")], quorum=3),
    "ranking": lambda w: IndependentVote([w.member(n) for n in ("ann", "ben", "cy")], method="ranking", quorum=3),
    "consensus": lambda w: Consensus([w.member("ann", works=True), w.member("ben"), w.member("cy")], rounds=2),
    "review": lambda w: Review(
        w.member("ann", works=True), [w.member("ben"), w.member("cy")], checks=[w.is_even], rounds=4
    ),
    "vote in a team": lambda w: RoundRobinGroupChat(
        [IndependentVote([w.member("ann"), w.member("ben")], quorum=2, name="panel"), w.member("boss", works=True)],
        termination_condition=MaxMessageTermination(4),
    ),
    "condition in a team": lambda w: RoundRobinGroupChat(
        [
            RoundRobinGroupChat(
                [w.member("ann"), w.member("ben")], termination_condition=FunctionalTermination(w.is_late), name="pair"
            ),
            w.member("boss"),
        ],
        termination_condition=FunctionalTermination(w.never) | MaxMessageTermination(4),
    ),
    "swarm": lambda w: Swarm(
        [w.hands("ann", "ben", "cy"), w.hands("ben", "ann"), w.hands("cy", "ann", "ben")],
        termination_condition=MaxMessageTermination(5),
    ),
    "planner over a team": lambda w: MagenticOneGroupChat(
        [w.member("ann", works=True), w.pair(termination_condition=MaxMessageTermination(3))],
        ScriptedModel(itertools.repeat(w._plan)), max_turns=3, max_stalls=2,
    ),
    "graph of teams": World._graph,
    "teams at their limits": lambda w: RoundRobinGroupChat(
        [w.member("ann"), w.pair(max_turns=2, wrap_up="Sum up.", share_all=True)],
        termination_condition=MaxMessageTermination(9),
    ),
}  # fmt: skip
EVERY = {"graph of teams": 13, "vote in a team": 3, "planner over a team": 2, "review": 2, "teams at their limits": 2}
"""Of long runs every second cut or fewer: they have the same kinds of entries again and again."""
VALUES = frozenset(kind for kind in PATTERNS if kind.split()[0] in {"debate", "vote", "ranking", "consensus", "review"})
VALUES |= {"graph of teams"}  # the last word is that of the panel


def plain(entries: Sequence[Entry]) -> list[Any]:
    """Return the journal in path order without what only says that something was tried again."""
    kept: dict[tuple[str, str], Any] = {}
    for entry in sorted(entries, key=canonical_order):
        said = dict(entry.payload)
        if entry.kind in {"resumed", "settled"}:
            continue
        if entry.kind == "call":
            said = {name: said[name] for name in ("model", "cap")}
        if entry.kind == "intent":
            said.pop("attempt", None)
        if entry.kind in {"ended", "outcome"}:  # not what a call has cost that was cut
            said = {name: said[name] for name in ("outcome", "reason", "turns")}
        kept[entry.path, entry.kind] = json.loads(json.dumps(said))
    return list(kept.items())


@pytest.mark.parametrize("kind", PATTERNS)
async def test_pattern_cut_after_any_entry_comes_to_what_the_uninterrupted_one_came_to(killed: Any, kind: str) -> None:
    # ENGINE 1, 2, 4, 12, 13
    talk = open_store("memory:", clock=FakeClock()).conversation("talk")
    first = World(kind)
    whole = await first.team.run(TASK, conversation=talk)
    entries = await talk.entries()
    assert (await replay("talk", team=World(kind).team, store=talk.store)).identical
    problems: list[str] = []

    for cut in range(1, len(entries), EVERY.get(kind, 1)):
        left = await killed(entries, after=cut)
        world = World(kind)
        result = await world.team.continue_run("talk", store=left.store)
        owed = len(first.asked) - sum(entry.kind == "reply" for entry in entries[:cut])
        for what, holds in {
            "messages": [m.dump() for m in result.messages] == [m.dump() for m in whole.messages],
            "value": result.value == whole.value,
            "outcome": result.outcome == whole.outcome,
            "journal": plain(await left.entries()) == plain(entries),
            "model calls": len(world.asked) == owed,
            "effects": set(world.effects) <= set(first.effects),
            "replay": cut % 4 or (await replay("talk", team=world.team, store=left.store)).identical,
        }.items():
            if not holds:
                problems.append(f"cut after {entries[cut - 1].kind} at {entries[cut - 1].path}: {what}")

    assert problems == []
    assert whole.outcome is not None
    assert whole.outcome.kind == "completed" or (kind == "review" and whole.outcome.kind == "limit")
    assert (whole.value is not None) == (whole.outcome.kind == "completed" and kind in VALUES)


async def test_early_stop_cut_after_any_entry_keeps_its_winners_once_they_are_journaled(killed: Any) -> None:
    # ENGINE 1, 12: who won is in the journal before it is used
    def team() -> IndependentVote:
        lines = ["A", "B", "A", "C", "A"]
        drafters = [AssistantAgent(f"m{n}", ScriptedModel([line] * 3)) for n, line in enumerate(lines)]
        return IndependentVote(drafters, agree=2)

    talk = open_store("memory:", clock=FakeClock()).conversation("talk")
    whole = await team().run(TASK, conversation=talk)
    entries = await talk.entries()
    won = next(i for i, e in enumerate(entries) if e.kind == "won")

    for cut in range(1, len(entries)):
        left = await killed(entries, after=cut)
        result = await team().continue_run("talk", store=left.store)
        assert (result.value.answer, result.value.by) == ("A", "agreement")
        if cut > won:
            assert result.value == whole.value
        assert (await replay("talk", team=team(), store=left.store)).identical


# -- loop_zoo ---------------------------------------------------------------------------------------------------------

_SPEC = importlib.util.spec_from_file_location("talks", Path(__file__).parents[1] / "stalls" / "talks.py")
assert _SPEC is not None
assert _SPEC.loader is not None
talks = sys.modules.get("talks") or importlib.util.module_from_spec(_SPEC)
if "talks" not in sys.modules:
    sys.modules["talks"] = talks
    _SPEC.loader.exec_module(talks)

ROUNDS = 30


class Looping(Agent):
    """Does what its part in a loop is: says something, or calls tools and says what came of it."""

    def __init__(self, name: str, acts: list[list[Fact]], onto: str = "") -> None:
        super().__init__(name, description=f"{name} goes in circles.")
        self.acts, self.onto = acts, onto

    async def speak(self, turn: Turn) -> Any:
        n = turn.state["n"] = turn.state.get("n", -1) + 1
        facts, text = self.acts[n % len(self.acts)], ""
        for fact in facts:
            if fact.event is not None:
                turn.emit(fact.event.model_copy(update={"source": self.name, "id": f"{turn.scope.new_id()}"}))
                text = str(getattr(fact.event.content[0], "content", ""))  # type: ignore[attr-defined]
            elif fact.message is not None:
                text = fact.message.to_text()
        if self.onto:
            return HandoffMessage(content=text, target=self.onto, source=self.name)
        return TextMessage(content=text, source=self.name)


def in_circles(kind: str, seed: int, *, hands: bool = False) -> list[Looping]:
    """Return agents, at least two, that are in a loop with each other."""
    loop = talks.loop(kind, seed, held_out=True, rounds=ROUNDS)
    by_name: dict[str, list[list[Fact]]] = {}
    for facts in loop.calls[loop.start :]:
        by_name.setdefault(facts[0].speaker, []).append(facts)
    if len(by_name) == 1:  # alone with itself: the other says the same each time
        name = next(iter(by_name))
        by_name[f"{name}'s friend"] = [talks.said("x", "Please go on.")]
    names = list(by_name)
    onto = dict(zip(names, [*names[1:], names[0]], strict=True)) if hands else {}
    return [Looping(name, by_name[name], onto.get(name, "")) for name in names]


def by_turns(agents: list[Looping]) -> Any:
    names = [agent.name for agent in agents]
    return lambda thread: names[(len(thread) - 1) % len(names)]


def in_a_graph(agents: list[Looping]) -> GraphFlow:
    """Return a graph that goes round and round through all of them, and has an end that is never reached."""
    end = AssistantAgent("end", ScriptedModel([]))
    builder = DiGraphBuilder()
    for agent in (*agents, end):
        builder.add_node(agent)
    for one, other in itertools.pairwise(agents):
        builder.add_edge(one.name, other.name)
    builder.add_edge(agents[-1].name, agents[0].name, lambda message: True, activation_group="again")
    builder.add_edge(agents[-1].name, "end", lambda message: False)
    builder.set_entry_point(agents[0].name)
    return GraphFlow(builder.get_participants(), builder.build(), max_turns=ROUNDS * len(agents))


def planned(agents: list[Looping]) -> MagenticOneGroupChat:
    """Return a team whose planner finds that all goes well, whatever they do."""
    names = itertools.cycle(agent.name for agent in agents)

    def plan(request: ModelRequest) -> str:
        if request.output_schema is None:
            return "They go on."
        says = {"is_request_satisfied": False, "is_in_loop": False, "is_progress_being_made": True}
        says |= {"next_speaker": next(names), "instruction_or_question": "Please go on."}
        return json.dumps({name: {"reason": "It goes well.", "answer": answer} for name, answer in says.items()})

    return MagenticOneGroupChat(agents, ScriptedModel(itertools.repeat(plan)), max_turns=ROUNDS * len(agents))


ZOO: dict[str, Callable[[str, int], Team]] = {
    "round robin": lambda k, s: RoundRobinGroupChat(in_circles(k, s)),
    "selector": lambda k, s: SelectorGroupChat(a := in_circles(k, s), selector_func=by_turns(a)),
    "swarm": lambda k, s: Swarm(in_circles(k, s, hands=True)),
    "graph": lambda k, s: in_a_graph(in_circles(k, s)),
    "debate": lambda k, s: Debate(in_circles(k, s), AssistantAgent("judge", ScriptedModel([])), rounds=ROUNDS),
    "consensus": lambda k, s: Consensus(in_circles(k, s), rounds=ROUNDS),
    "review": lambda k, s: Review((a := in_circles(k, s))[0], a[1:], rounds=ROUNDS),
    "planner": lambda k, s: planned(in_circles(k, s)),
    "vote": lambda k, s: IndependentVote(in_circles(k, s)),
    "in a team": lambda k, s: RoundRobinGroupChat([RoundRobinGroupChat(in_circles(k, s), name="inner")], max_turns=9),
}
ENDS = {"consensus", "review", "vote"}
"""Where they say yes to each other, or have each voted once, it is completed."""


@pytest.mark.parametrize("preset", ZOO)
@pytest.mark.parametrize("kind", talks.LOOPS)
async def test_loop_zoo(kind: str, preset: str) -> None:
    """Each kind of loop ends under every preset, long before its turns are used up."""
    for seed in range(2):
        team = ZOO[preset](kind, seed)

        result = await team.run(task="Go.")

        assert result.outcome is not None
        agreed = preset in ENDS and result.outcome.kind == "completed"
        assert result.outcome.kind == "stalled" or agreed, (seed, result.outcome)
        most = 24 if preset == "planner" else 8  # it may plan anew before, so it has more patience
        assert result.turns <= most * len(team.participants), (seed, result.turns, result.outcome)


# -- names in any script ----------------------------------------------------------------------------------------------

SCRIPTS = [
    "李明",
    "王芳",
    "👩‍🔬 doctor",
    "data analyst",
    "data_analyst",
    "Ärztin",
    "עדי",
    "ann's friend",
    "x" * 200,
    "क्\u200cष",
    "y/z %",
]


def crew(lines: Callable[[str], list[Any]], **options: Any) -> list[AssistantAgent]:
    return [AssistantAgent(name, ScriptedModel(lines(name)), **options) for name in SCRIPTS]


def in_a_row(agents: list[AssistantAgent]) -> GraphFlow:
    graph = DiGraphBuilder()
    for agent in agents:
        graph.add_node(agent)
    for one, other in itertools.pairwise(agents):
        graph.add_edge(one, other)
    return GraphFlow(graph.get_participants(), graph.build())


def next_is(name: str) -> str:
    says = {"is_request_satisfied": False, "is_in_loop": False, "is_progress_being_made": True}
    says |= {"next_speaker": name, "instruction_or_question": f"Go on, {name}."}
    return json.dumps({part: {"reason": "so", "answer": answer} for part, answer in says.items()})


RULING = json.dumps({"winner": SCRIPTS[0], "reason": "", "synthesis": ""})
NAMED: dict[str, Callable[[], Team]] = {
    "round robin": lambda: RoundRobinGroupChat(crew(lambda n: [f"{n} was here."]), max_turns=len(SCRIPTS)),
    "selector": lambda: SelectorGroupChat(
        crew(lambda n: [f"{n} was here."]), ScriptedModel([json.dumps({"speaker": n}) for n in SCRIPTS]),
        max_turns=len(SCRIPTS),
    ),
    "debate": lambda: Debate(
        crew(lambda n: [f"{n} was here."]), rounds=1,
        judge=AssistantAgent("judge", ScriptedModel([RULING])),
    ),
    "graph": lambda: in_a_row(crew(lambda n: [f"{n} was here."])),
    "planner": lambda: MagenticOneGroupChat(
        crew(lambda n: [f"{n} was here."]), ScriptedModel(["facts", "plan", *map(next_is, SCRIPTS), "Done."]),
        max_turns=len(SCRIPTS),
    ),
    "vote": lambda: IndependentVote(crew(lambda n: [n, json.dumps({"choice": 1, "why": n})]), quorum=len(SCRIPTS)),
    "consensus": lambda: Consensus(crew(lambda n: [json.dumps({"agrees": True, "objection": ""})])),
    "review": lambda: Review(
        (c := crew(lambda n: [json.dumps({"approved": True, "comments": n})]))[0], c[1:]
    ),
}  # fmt: skip


@pytest.mark.parametrize("preset", NAMED)
async def test_names_in_any_script_speak_are_journaled_and_replayed(preset: str) -> None:
    team = NAMED[preset]()
    talk = open_store("memory:").conversation("talk")

    result = await team.run(task="Go.", conversation=talk)

    assert {m.source for m in result.messages} >= set(SCRIPTS)
    assert (await replay("talk", team=team, store=talk.store)).identical
    for agent in team.participants:
        for request in agent.model_client.requests:  # type: ignore[attr-defined]
            check_wire(request)


async def test_handoffs_to_names_in_any_script_reach_them() -> None:
    agents = []
    for at, name in enumerate(SCRIPTS):
        onto = SCRIPTS[at + 1 :]
        agent = AssistantAgent(name, ScriptedModel([]), handoffs=onto)
        next_tool = agent.handoffs[0].name if onto else ""
        agent.model_client = ScriptedModel([ToolCall("c", next_tool, "{}")] if onto else ["Done."])
        agents.append(agent)

    result = await Swarm(agents, max_turns=len(SCRIPTS)).run(task="Go.")

    assert [m.source for m in result.messages if hasattr(m, "to_model_text")][1:] == SCRIPTS
    for agent in agents:
        check_wire(agent.model_client.requests[0])  # type: ignore[union-attr]


def test_handoff_tools_have_names_that_every_provider_takes_and_none_twice() -> None:
    agent = AssistantAgent("a", ScriptedModel([]), handoffs=SCRIPTS)

    names = [handoff.name for handoff in agent.handoffs]
    assert len(set(names)) == len(SCRIPTS)
    assert all(name.isascii() and name.isidentifier() and len(name) <= 64 for name in names)
    assert Handoff("refunds").name == "transfer_to_refunds"
    assert [Handoff(one.target).given() for one in agent.handoffs] == [{"target": name} for name in SCRIPTS]


def check_wire(request: ModelRequest) -> None:
    """A request is what OpenAI's API takes: roles and tool names it knows, text that is JSON, no `name` it refuses."""
    body = json.loads(json.dumps(to_wire(request, "gpt-5"), ensure_ascii=False).encode())
    for message in body["messages"]:
        assert message["role"] in {"system", "user", "assistant", "tool"}
        assert "name" not in message
    for spec in body.get("tools", ()):
        name = spec["function"]["name"]
        assert len(name) <= 64
        assert name.isascii()
        assert name.replace("-", "_").isidentifier()
