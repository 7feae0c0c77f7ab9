"""Delegating: control comes back with the result, whatever becomes of the task."""

import itertools
import json
import random
from collections import Counter
from typing import Any

import pytest

from quorate import (
    AssistantAgent,
    Delegate,
    Handoff,
    HandoffTermination,
    Limits,
    MaxMessageTermination,
    RoundRobinGroupChat,
    Swarm,
    ask,
    conversation,
    replay,
    tool,
)
from quorate.errors import ConfigError
from quorate.models import ModelRequest, Reply, ToolCall
from quorate.runs.inbox import Note
from quorate.testing import ScriptedModel


def delegating(name: str, *lines: Any, to: tuple[str, ...] = (), **options: Any) -> AssistantAgent:
    tools = [*options.pop("tools", ()), *(Delegate(target) for target in to)]
    return AssistantAgent(name, ScriptedModel(lines), tools=tools, **options)


def give(target: str, task: str = "Do it.", id: str = "1") -> ToolCall:
    return ToolCall(id, f"delegate_to_{target}", json.dumps({"task": task}))


async def results(talk: Any) -> list[str]:
    return [e.payload["content"] for e in await talk.entries() if e.kind == "result"]


async def test_task_given_to_a_member_comes_back_and_the_agent_goes_on_with_it() -> None:
    boss = delegating("boss", give("ann", "Count."), "So it is 7.", to=("ann",))
    ann = delegating("ann", "It is 7.", "never asked")
    talk = conversation("talk")
    team = RoundRobinGroupChat([boss, ann], max_turns=1)

    result = await team.run("Go.", conversation=talk)

    assert await results(talk) == ["It is 7."]
    assert result.messages[-1].to_text() == "So it is 7."
    assert (await replay("talk", team=team, store=talk.store)).identical


@pytest.mark.parametrize(
    ("becomes", "told"),
    [
        (RuntimeError("boom"), "boom"),
        ([ToolCall("x", "nothing", "{}")] * 50, "repeated"),
    ],
)
async def test_task_that_failed_or_went_in_circles_comes_back(becomes: Any, told: str) -> None:
    lines = becomes if isinstance(becomes, list) else [becomes]
    boss = delegating("boss", give("ann"), "Without her.", to=("ann",))
    ann = AssistantAgent("ann", ScriptedModel(itertools.cycle(lines)), max_tool_iterations=50)
    talk = conversation("talk")

    result = await RoundRobinGroupChat([boss, ann], max_turns=1).run("Go.", conversation=talk)

    assert result.messages[-1].to_text() == "Without her."
    assert told in (await results(talk))[-1] or "before it was done" in (await results(talk))[-1]


async def test_limit_of_one_task_comes_back() -> None:
    boss = AssistantAgent(
        "boss", ScriptedModel([give("ann"), "On."]), tools=[Delegate("ann", limits=Limits(tool_calls=1))]
    )

    @tool(effect="read", polls=True)
    async def look() -> str:
        """Look."""
        return "Seen."

    ann = AssistantAgent("ann", ScriptedModel(itertools.repeat(ToolCall("l", "look", "{}"))), tools=[look])
    talk = conversation("talk")

    result = await RoundRobinGroupChat([boss, ann], max_turns=1).run("Go.", conversation=talk)

    assert "limit of 1 tool call is reached" in (await results(talk))[-1]
    assert result.messages[-1].to_text() == "On."


async def test_task_that_is_handed_over_comes_back_from_who_took_it() -> None:
    boss = delegating("boss", give("ann"), "Thanks.", to=("ann",))
    ann = AssistantAgent("ann", ScriptedModel([ToolCall("h", "transfer_to_bob", "{}")]), handoffs=["bob"])
    bob = delegating("bob", "Bob did it.")
    talk = conversation("talk")

    await RoundRobinGroupChat([boss, ann, bob], max_turns=1).run("Go.", conversation=talk)

    assert await results(talk) == ["bob takes over from here.", "Bob did it."]


@pytest.mark.parametrize("target", ["boss", "eve"])
async def test_task_for_nobody_there_or_for_oneself_is_an_answer_that_names_the_others(target: str) -> None:
    boss = delegating("boss", give(target), "Well.", to=(target,))
    talk = conversation("talk")

    await RoundRobinGroupChat([boss, delegating("ann")], max_turns=1).run("Go.", conversation=talk)

    assert await results(talk) == [f"{target} cannot get a task here. Those who can: ann."]


def test_delegate_needs_a_name_as_its_target() -> None:
    with pytest.raises(ConfigError, match="not 5"):
        Delegate(5)
    with pytest.raises(ConfigError, match="target"):
        Delegate("")


async def test_two_tools_and_two_handoffs_in_one_reply_are_all_answered() -> None:
    @tool(effect="read")
    async def look(n: int) -> str:
        """Look."""
        return f"saw {n}"

    calls = [
        ToolCall("1", "look", '{"n":1}'), give("bob", id="2"), ToolCall("3", "transfer_to_ann", "{}"),
        ToolCall("4", "transfer_to_bob", "{}"), ToolCall("5", "look", '{"n":2}'),
    ]  # fmt: skip
    boss = delegating("boss", calls, to=("bob",), tools=[look], handoffs=["ann", Handoff("bob")])
    ann = delegating("ann", ToolCall("6", "transfer_to_user", "{}"), handoffs=["user"])
    talk = conversation("talk")
    team = Swarm([boss, ann, delegating("bob", "Bob did.")], termination_condition=HandoffTermination("user"))

    result = await team.run("Go.", conversation=talk)

    answered = next(m for m in result.messages if m.type == "ToolCallExecutionEvent").content  # pyright: ignore[reportAttributeAccessIssue]: every message has one
    assert [r.call_id for r in answered] == ["1", "2", "3", "4", "5"]
    assert [r.content for r in answered][:3] == ["saw 1", "Bob did.", "ann takes over from here."]
    assert "to one only" in answered[3].content
    assert [m.source for m in result.messages if m.type == "HandoffMessage"] == ["boss", "ann"]  # pyright: ignore[reportAttributeAccessIssue]: as above
    assert (await replay("talk", team=team, store=talk.store)).identical


async def test_question_of_who_got_a_task_parks_the_run_and_its_answer_comes_back() -> None:
    @tool(scope=True)
    async def sure() -> str:
        """Ask."""
        return await ask("Sure?")

    boss = delegating("boss", give("ann"), "Good.", to=("ann",))
    ann = delegating("ann", ToolCall("q", "sure", "{}"), "They said so.", tools=[sure])
    talk = conversation("talk")
    team = RoundRobinGroupChat([boss, ann], max_turns=1)

    waiting = await team.run("Go.", conversation=talk)
    assert waiting.outcome is not None
    await talk.store.post("talk", Note(waiting.outcome.questions[0], "answer", {"value": "Yes."}))
    result = await team.continue_run("talk", store=talk.store)

    assert waiting.outcome.kind == "waiting"
    assert await results(talk) == ["Yes.", "They said so."]
    assert result.messages[-1].to_text() == "Good."


# -- random nestings --------------------------------------------------------------------------------------------------

NAMES = ("ann", "bob", "cid", "dee")


class World:
    """Members that give each other tasks at random, fail, loop, call tools that fail, and hand over."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.answered: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()

    def answer(self, request: ModelRequest) -> Any:
        name = str(request.system)
        last = request.blocks[-1]
        if isinstance(last, Reply) and last.results:
            for call, result in zip(last.calls, last.results, strict=True):
                assert call.id == result.call_id
                self.answered[call.id] += 1
            return f"{name} got {len(last.results)}."
        text = last.text
        depth = int(text.partition(" ")[0][1:]) if text.startswith("d") else 1 + self.seed % 3
        random_ = random.Random(f"{self.seed} {name} {text} {len(request.blocks)}")
        if text.startswith("d") and random_.random() < 0.15:
            raise RuntimeError("failed on purpose")
        calls = [self._call(random_, name, depth, n) for n in range(random_.randrange(1 + depth) if depth else 0)]
        for call in calls:
            self.asked[call.id] += 1
        return calls or f"{name} did {text[:20]}"

    def _call(self, random_: random.Random, name: str, depth: int, n: int) -> ToolCall:
        id = f"{random_.random()}"
        kind = random_.random()
        if kind < 0.15:
            return ToolCall(id, "fails", "{}")
        if kind < 0.25:
            return ToolCall(id, f"delegate_to_{random_.choice(NAMES)}", "{}")  # without a task
        others = [other for other in NAMES if other != name]
        task = f"d{depth - 1} {random_.random()}"
        return ToolCall(id, f"delegate_to_{random_.choice(others)}", json.dumps({"task": task}))


def team_in(worlds: list[World]) -> RoundRobinGroupChat:
    """Return a team that lives in the last of some worlds; its tools are made once."""

    @tool(effect="read")
    async def fails() -> str:
        """Fail."""
        raise ValueError("as always")

    model = ScriptedModel(itertools.repeat(lambda request: worlds[-1].answer(request)))
    tools = [fails, *map(Delegate, NAMES)]
    members = [AssistantAgent(name, model, system_message=name, tools=tools) for name in NAMES]
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(2))


async def test_delegating_returns_in_all_of_500_random_nestings() -> None:
    deep = failed = 0
    worlds: list[World] = []
    team = team_in(worlds)
    for seed in range(500):
        world, talk = World(seed), conversation("talk")
        worlds.append(world)

        result = await team.run("Go.", conversation=talk, limits=Limits(model_calls=2000, tool_calls=2000))

        assert result.outcome is not None
        assert (result.outcome.kind, seed) == ("completed", seed), result.outcome
        assert result.messages[-1].to_text().startswith("ann")
        entries = await talk.entries()
        begun = {e.path for e in entries if e.kind == "task"}
        ended = {e.path: e.payload["outcome"] for e in entries if e.kind == "outcome"}
        assert ended.keys() == begun
        lost = world.asked - world.answered
        assert not lost or "failed" in ended.values()
        assert not world.answered - world.asked
        deep = max([deep, *(path.count("/") for path in begun)])
        failed += "failed" in ended.values()
    assert deep >= 9
    assert failed > 30
