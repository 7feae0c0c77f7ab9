"""DESIGN 5, objects with attributes: an object that a team is given as it is belongs to one conversation."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.chat.objects.counters import Counter

from quorate import (
    Agent,
    AgentTool,
    AssistantAgent,
    Delegate,
    Limits,
    MaxMessageTermination,
    RoundRobinGroupChat,
    Swarm,
    Team,
    TextMessage,
    Turn,
    conversation,
    fork,
    open_store,
    replay,
)
from quorate.chat.ending.stopping import Condition
from quorate.chat.facts import Fact, Thread
from quorate.chat.turns import RoundRobin, Speak
from quorate.errors import Conflict, RunFailed
from quorate.models import ToolCall
from quorate.testing import ScriptedModel


class Saving(Counter):
    async def save_state(self) -> dict[str, Any]:
        return {"count": self.count}

    async def load_state(self, state: dict[str, Any]) -> None:
        self.count = state["count"]


class Plain(Counter):
    """The same with methods that are not asynchronous."""

    def save_state(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state(self, state: dict[str, Any]) -> None:
        self.count = state["count"]


class Resetting(Counter):
    async def on_reset(self) -> None:
        self.count = 0


class Foreign:
    """No class of ours, with slots."""

    __slots__ = ("__weakref__", "count", "description", "name")

    def __init__(self) -> None:
        self.name, self.description, self.count = "counter", "Counts.", 0

    async def speak(self, turn: Turn) -> TextMessage:
        self.count += 1
        return TextMessage(content=f"{self.name} {self.count}", source=self.name)

    def on_reset(self, cancellation_token: Any = None) -> None:
        self.count = 0


def texts(result: Any) -> list[str]:
    return [m.to_text() for m in result.messages]


def of(*members: Any, turns: int = 2) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(turns + 1))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/kept.db"


@pytest.mark.parametrize("made", [Counter, Saving, Foreign])
async def test_an_object_that_changes_while_it_speaks_belongs_to_its_conversation(made: Callable[[], Any]) -> None:
    team, other = of(made()), conversation("other")
    first = await team.run("Go.", conversation=conversation("first"))

    with pytest.raises(Conflict) as refused:
        await team.run("Go.", conversation=other)

    name = made.__name__
    assert f"belongs to conversation first. Give the team what makes one, {name} or lambda: {name}(…)" in str(
        refused.value
    )
    assert "Or keep what it has to remember in turn.state." in str(refused.value)
    assert (" Or call its " in str(refused.value)) == (made is not Counter)
    assert await other.entries() == []
    assert first.outcome is not None


async def test_a_further_run_of_its_conversation_goes_on_with_it() -> None:
    team = of(Counter(), turns=1)

    said = [texts(await team.run("Go."))[-1] for _ in range(3)]

    assert said == ["counter 1", "counter 2", "counter 3"]


async def test_who_keeps_only_its_configuration_serves_any_number_of_conversations() -> None:
    class Greeting(Agent):
        def __init__(self) -> None:
            super().__init__("greeting")
            self.words = {"hello": ["there"]}

        async def speak(self, turn: Turn) -> TextMessage:
            turn.state["n"] = turn.state.get("n", 0) + 1
            return TextMessage(content=f"{self.words} {turn.state['n']}", source=self.name)

    @dataclass(frozen=True)
    class Frozen:
        seen: list[str]
        name: str = "frozen"
        description: str = ""

        async def speak(self, turn: Turn) -> TextMessage:
            self.seen.append("log")
            return TextMessage(content="", source=self.name)

    team = of(Greeting(), Frozen([]), AssistantAgent("a", ScriptedModel(["x"] * 20)), turns=3)

    results = await asyncio.gather(*[team.run("Go.", conversation=conversation(f"t{i}")) for i in range(5)])

    assert all(texts(result)[1].endswith(" 1") for result in results)


async def test_a_fork_and_a_resume_of_another_run_are_refused_and_a_replay_takes_what_it_said_as_given(
    url: str,
) -> None:
    # ENGINE 4
    async with open_store(url) as store:
        team = of(Counter(), AssistantAgent("a", ScriptedModel(["x"] * 9)))
        result = await team.run("Go.", conversation=store.conversation("first"))
        fresh = of(Counter(), AssistantAgent("a", ScriptedModel(["x"] * 9)), turns=4)
        await fresh.run("Go.", conversation=store.conversation("second"), limits=Limits(turns=1))
        branch = await fork(store, "first", at=2)

        with pytest.raises(Conflict, match="belongs to conversation first"):
            await team.continue_run(branch.id, store=store)
        with pytest.raises(Conflict, match="belongs to conversation first"):
            await team.continue_run("second", store=store)
        report = await replay(result.run_id, team=team, store=store)
        kind = [e.kind for e in await store.read("second")][-1]

    assert (report.identical, report.unchecked) == (True, ("counter",))
    assert kind == "ended"  # nothing was written


async def test_a_replay_that_would_have_to_give_it_an_earlier_state_is_refused(url: str) -> None:
    team = of(Saving())
    async with open_store(url) as store:
        await team.run("Go.", conversation=store.conversation("first"))

        with pytest.raises(Conflict, match=r"belongs to conversation first.*call its load_state"):
            await replay("first", team=team, store=store)
        report = await replay("first", team=of(Saving()), store=store)

    assert (report.identical, report.unchecked) == (True, ())


async def test_two_runs_at_once_cannot_use_it() -> None:
    slow, go = asyncio.Event(), asyncio.Event()

    class Slow(Counter):
        async def speak(self, turn: Turn) -> TextMessage:
            slow.set()
            await go.wait()
            return await super().speak(turn)

    team = of(Slow(), turns=1)
    first = asyncio.create_task(team.run("Go.", conversation=conversation("first")))
    second = asyncio.create_task(team.run("Go.", conversation=conversation("second")))
    await slow.wait()
    go.set()
    found = await asyncio.gather(first, second, return_exceptions=True)

    failed = [one for one in found if isinstance(one, RunFailed)]
    assert len(failed) == 1
    assert isinstance(failed[0].__cause__, Conflict)


@pytest.mark.parametrize("made", [Saving, Plain])
async def test_its_load_state_frees_it_unless_a_run_uses_it(made: Callable[[], Any]) -> None:
    one = made()
    team = of(one)
    await team.run("Go.", conversation=conversation("first"))
    state: Any = one.save_state()
    state = state if type(state) is dict else await state

    given = one.load_state(state)  # the same as it has
    if given is not None:
        await given
    result = await team.run("Go.", conversation=conversation("second"))

    assert texts(result)[-1] == "counter 4"
    with pytest.raises(Conflict, match="belongs to conversation second"):
        await team.run("Go.", conversation=conversation("first"))


async def test_its_own_load_state_while_it_speaks_frees_nothing() -> None:
    class Loading(Saving):
        async def speak(self, turn: Turn) -> TextMessage:
            await self.load_state({"count": self.count})
            return await super().speak(turn)

    team = of(Loading())
    await team.run("Go.", conversation=conversation("first"))

    with pytest.raises(Conflict):
        await team.run("Go.", conversation=conversation("second"))


@pytest.mark.parametrize("made", [Resetting, Foreign])
async def test_a_team_that_is_reset_resets_its_objects(made: Callable[[], Any]) -> None:
    team = of(made())
    await team.run("Go.")

    await team.reset()
    result = await team.run("Go.")

    assert texts(result)[1:] == ["counter 1", "counter 2"]


async def test_without_a_way_to_reset_it_the_next_conversation_says_what_to_do() -> None:
    team = of(Counter())
    await team.run("Go.")
    await team.reset()

    with pytest.raises(Conflict, match="Give the team what makes one"):
        await team.run("Go.")


async def test_a_state_by_hand_is_what_it_goes_on_with(url: str) -> None:
    one = Saving()
    team = of(one, turns=1)
    async with open_store(url) as store:
        talk = store.conversation("talk")
        await team.run("Go.", conversation=talk)
        await one.load_state({"count": 40})
        result = await team.run("Go.", conversation=talk)
        again = await of(Saving(), turns=1).run("Go.", conversation=talk)

    assert [texts(r)[-1] for r in (result, again)] == ["counter 41", "counter 42"]


# -- in tools, and in teams inside ------------------------------------------------------------------------------------


def leading(one: Any, by: str, *says: Any, remember: bool = False) -> Swarm:
    """Return a team whose lead gives tasks to an object as a model says."""
    if by == "tool":
        work: Any = AgentTool(one, True, remember=remember)
    else:
        work = Delegate("counter", name="counter", remember=remember)
    lead = AssistantAgent("lead", ScriptedModel(says), tools=[work])
    return Swarm([lead] if by == "tool" else [lead, one], max_turns=1)


def tasks(*, together: bool) -> list[Any]:
    """Return a script with two calls, side by side or one after the other."""
    calls = [ToolCall(str(i), "counter", '{"task": "Count."}') for i in range(2)]
    return [calls, "done"] if together else [*calls, "done"]


def results(result: Any) -> list[str]:
    return [found.content for m in result.messages if m.type == "ToolCallExecutionEvent" for found in m.content]


@pytest.mark.parametrize("together", [False, True], ids=["in turn", "together"])
@pytest.mark.parametrize("by", ["tool", "delegate"])
@pytest.mark.parametrize("made", [Counter, Saving])
async def test_what_begins_afresh_with_each_call_needs_one_of_its_own(
    made: type[Counter], by: str, together: bool
) -> None:
    one, talk = made(), conversation("talk")

    with pytest.raises(RunFailed, match=r"belongs to another part of this conversation.*lambda: (Counter|Saving)\(…\)"):
        await leading(one, by, *tasks(together=together)).run("Go.", conversation=talk)
    result = await leading(made, by, "done").continue_run("talk", store=talk.store)

    assert results(result) == ["counter 1", "counter 1"]


@pytest.mark.parametrize("by", ["tool", "delegate"])
async def test_a_tool_that_remembers_goes_on_with_the_object(url: str, by: str) -> None:
    def team() -> Swarm:
        return leading(Saving(), by, *tasks(together=True) * 2, remember=True)

    here = team()
    async with open_store(url) as store:
        talk = store.conversation("talk")
        first = await here.run("Go.", conversation=talk)
        second = await here.run("Go.", conversation=talk)
        third = await team().run("Go.", conversation=talk)
        report = await replay("talk", team=team(), store=store)

    assert [results(r) for r in (first, second, third)] == [[f"counter {n}", f"counter {n + 1}"] for n in (1, 3, 5)]
    assert (report.identical, report.unchecked) == (True, ())


async def test_who_speaks_in_the_team_too_cannot_get_a_task_apart() -> None:
    one = Counter()
    call = ToolCall("1", "delegate_to_counter", '{"task": "Count."}')
    lead = AssistantAgent("lead", ScriptedModel([call]), tools=[Delegate("counter")])

    with pytest.raises(RunFailed, match="belongs to another part of this conversation: the team,"):
        await RoundRobinGroupChat([one, lead], max_turns=2).run("Go.")


@pytest.mark.parametrize("together", [False, True], ids=["in turn", "together"])
async def test_who_keeps_nothing_works_in_any_number_of_calls(together: bool) -> None:
    class Echo(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            await asyncio.sleep(0)
            return TextMessage(content=turn.new[0].to_text(), source=self.name)

    result = await leading(Echo("counter"), "tool", *tasks(together=together)).run("Go.")

    assert results(result) == ["Count.", "Count."]


# -- policies and conditions ------------------------------------------------------------------------------------------


class Remembers:
    def __init__(self) -> None:
        self.turns = 0

    def begin(self) -> None:
        return None

    def see(self, memory: None, fact: Fact) -> None:
        return None

    def next(self, memory: None, thread: Thread, members: tuple[str, ...]) -> Speak:
        self.turns += 1
        return Speak((members[self.turns % len(members)],), "its turn")


class Stops(Condition[int]):
    def __init__(self) -> None:
        self.seen = 0

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        self.seen += 1
        return memory

    def reason(self, memory: int) -> str | None:
        return "enough" if self.seen > 3 else None


@pytest.mark.parametrize("what", ["policy", "condition"])
async def test_a_policy_or_a_condition_that_changes_belongs_to_one_conversation(what: str) -> None:
    model = ScriptedModel(["x"] * 20)
    members = [AssistantAgent("a", model), AssistantAgent("b", model)]
    turns: Any = Remembers() if what == "policy" else RoundRobin()
    until: Any = Stops() if what == "condition" else MaxMessageTermination(3)
    team = Team(members, turns=turns, termination_condition=until)
    await team.run("Go.", conversation=conversation("first"))

    with pytest.raises(Conflict, match=r"has changed attributes of its own in conversation first.*\(begin"):
        await team.run("Go.", conversation=conversation("second"))
