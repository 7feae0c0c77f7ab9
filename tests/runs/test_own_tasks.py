"""Steps in tasks that user code starts (ENGINE 10): no branch gets the other's outcome, whatever finishes first."""

import asyncio
import random
from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    RoundRobinGroupChat,
    TextMessage,
    Turn,
    branch,
    conversation,
    open_store,
    replay,
    step,
    tool,
)
from quorate.errors import ConfigError, OutcomeUnknown, RunFailed
from quorate.models import Blocks, ModelRequest, Said, ToolCall
from quorate.models.calls import ask
from quorate.runs import paths
from quorate.runs.entries import canonical_export
from quorate.testing import FakeClock, ScriptedModel
from quorate.tools.calls import call_tools

TOPICS = ("law", "tax", "press")


class World:
    """What is outside: it answers by what it is asked, after as many turns of the loop as `luck` says."""

    def __init__(self, seed: int = 0) -> None:
        self.luck = random.Random(seed)
        self.made: list[str] = []

    async def wait(self) -> None:
        for _ in range(self.luck.randrange(6)):
            await asyncio.sleep(0)

    async def call(self, what: str) -> str:
        await self.wait()
        self.made.append(what)
        return f"{what} answered"

    def model(self) -> Any:
        world = self

        class Model:
            info = ScriptedModel([]).info

            async def stream(self, request: ModelRequest) -> Any:
                said = await world.call(request.blocks[-1].text)
                async for event in ScriptedModel([said]).stream(request):
                    yield event

            async def close(self) -> None: ...

        return Model()


class Experts(Agent):
    """Asks a model, calls a tool and makes steps for each topic, all topics side by side, and checks who got what."""

    def __init__(self, world: World, how: str) -> None:
        super().__init__("experts")
        self.world, self.how = world, how

        @tool
        async def file(topic: str) -> str:
            """File a case."""
            return await world.call(f"file {topic}")

        self.file = file

    async def speak(self, turn: Turn) -> TextMessage:
        first = await step("open", lambda: self.world.call("open"))
        opinions = await asyncio.gather(*(self.opinion(topic) for topic in TOPICS))
        last = await step("close", lambda: self.world.call("close"))
        return TextMessage(content="\n".join([first, *opinions, last]), source=self.name)

    async def opinion(self, topic: str) -> str:
        if self.how == "branch":
            async with branch(topic):
                return await self.work(topic, "look")
        return await self.work(topic, f"look into {topic}")

    async def work(self, topic: str, step_name: str) -> str:
        await self.world.wait()
        found = [await self.asked(f"view on {topic}")]
        found.append(await step(step_name, lambda: self.world.call(f"look {topic}"), effect="idempotent"))
        arguments = f'{{"topic": "{topic}"}}'
        results = await call_tools({"file": self.file}, [ToolCall("c", "file", arguments)])
        found.append(results[0].content)
        found.append(await self.asked(f"sum up {topic}"))
        mine = [f"view on {topic}", f"look {topic}", f"file {topic}", f"sum up {topic}"]
        assert found == [f"{line} answered" for line in mine]
        return "; ".join(found)

    async def asked(self, text: str) -> str:
        answer, _ = await ask(self.world.model(), ModelRequest(Blocks([Said(text, "user")])))
        return answer.reply.text


def team(world: World, how: str) -> RoundRobinGroupChat:
    return RoundRobinGroupChat([Experts(world, how)], max_turns=1)


async def whole(how: str, seed: int = 0) -> list[Any]:
    talk = conversation("talk", clock=FakeClock())
    await team(World(seed), how).run("Go.", conversation=talk)
    return await talk.entries()


# -- whose outcome is whose -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["branch", "keyed"])
async def test_no_task_gets_the_outcome_of_another_when_a_run_is_resumed(killed: Any, how: str) -> None:
    # ENGINE 10: the experts assert it themselves, in 100 resumes each from any place and with any timing
    entries = await whole(how)
    luck, said = random.Random(10), set[str]()
    for seed in range(100):
        left = await killed(await whole(how, seed), after=luck.randrange(2, len(entries) - 3))
        before = await left.entries()
        world = World(1000 + seed)

        result = await team(world, how).continue_run("talk", store=left.store)

        assert result.outcome is not None
        if result.outcome.kind == "waiting":  # an unsafe call was cut: the only reason
            assert result.outcome.open_intents
            continue
        said.add(result.messages[-1].to_text())
        done = sum(e.kind in {"reply", "value", "result"} for e in before)
        assert len(world.made) == 14 - done, "what had finished was not made again"
    assert len(said) == 1


@pytest.mark.parametrize("how", ["branch", "keyed"])
async def test_canonical_export_is_the_same_under_any_timing(how: str) -> None:
    # ENGINE 10, 12
    exports = {canonical_export(await whole(how, seed)) for seed in range(60)}
    written = {tuple(e.path for e in await whole(how, seed)) for seed in range(60)}

    assert len(exports) == 1
    assert len(written) > 10, "the timings did differ"


@pytest.mark.parametrize("how", ["branch", "keyed"])
@pytest.mark.parametrize("kept", [False, True], ids=["in memory", "on disk"])
async def test_run_with_tasks_of_its_own_replays_under_another_timing(tmp_path: Any, how: str, kept: bool) -> None:
    # ENGINE 4, 10: on disk the digests in the paths are keyed with the owner's secret
    async with open_store(tmp_path / "work.db" if kept else "memory:", clock=FakeClock()) as store:
        await team(World(1), how).run(task="Go.", conversation=store.conversation("talk"))
        world = World(2)

        report = await replay("talk", team=team(world, how), store=store)

        assert report.identical
        assert world.made == []


# -- paths ------------------------------------------------------------------------------------------------------------


async def test_steps_of_the_scopes_own_task_are_numbered_and_others_are_named_by_what_they_ask() -> None:
    # ENGINE 10, 12
    entries = await whole("keyed")

    speech = "1 turn/1 experts"
    found = {e.path for e in entries if paths.below(e.path, speech)}
    numbered = {p for p in found if not p.startswith(f"{speech}/0 ")}
    named = {p.removeprefix(f"{speech}/0 ") for p in found - numbered}
    assert numbered == {f"{speech}/1 open", f"{speech}/2 close"}
    assert {name for name in named if "~" not in name} == {f"look into {topic}" for topic in TOPICS}
    assert len({name for name in named if name.startswith("model~")}) == 6
    assert len({name for name in named if name.startswith("file~")}) == 3


async def test_branch_numbers_its_steps_under_its_name() -> None:
    # ENGINE 10
    entries = await whole("branch")

    law = [e.path for e in entries if "/0 law/" in e.path and e.kind in {"reply", "value", "result"}]
    assert law == [f"1 turn/1 experts/0 law/{last}" for last in ("1 model", "2 look", "3 file", "4 model")]
    assert paths.shown(law[1]) == "turn 1 / experts / law / look 2"


async def test_same_request_in_two_tasks_is_told_apart_by_its_occurrence() -> None:
    # ENGINE 10
    class Sampler(Experts):
        async def speak(self, turn: Turn) -> TextMessage:
            found = await asyncio.gather(*(self.asked("same") for _ in range(3)))
            return TextMessage(content=" ".join(found), source=self.name)

    talk = conversation("talk")
    await RoundRobinGroupChat([Sampler(World(), "")], max_turns=1).run(task="Go.", conversation=talk)

    replies = sorted(e.path.rpartition("/")[2] for e in await talk.entries() if e.kind == "reply")
    assert [r.removeprefix(replies[0]) for r in replies] == ["", "~2", "~3"]


async def test_ids_of_messages_made_in_tasks_do_not_depend_on_who_is_first() -> None:
    # ENGINE 13
    class Telling(Experts):
        async def opinion(self, topic: str) -> str:
            await self.asked(topic)
            await self.world.wait()
            return TextMessage(content=topic, source=self.name).id

    def says(seed: int) -> Any:
        return RoundRobinGroupChat([Telling(World(seed), "")], max_turns=1).run(
            task="Go.", conversation=conversation("talk")
        )

    said = {(await says(seed)).messages[-1].to_text() for seed in range(20)}

    assert len(said) == 1
    assert len(set(said.pop().splitlines())) == 5


@pytest.mark.parametrize("makes", ["step", "branch"])
async def test_one_name_in_two_tasks_is_refused_and_the_error_says_what_to_write(makes: str) -> None:
    # ENGINE 10: nothing would tell them apart
    class Unnamed(Experts):
        async def opinion(self, topic: str) -> str:
            if makes == "step":
                return await step("look", lambda: self.world.call(topic), effect="read")
            async with branch("look"):
                return await self.asked(topic)

    with pytest.raises(ConfigError, match=r"Two tasks in turn 1 / experts each .* named 'look'.*branch\(NAME\)"):
        await RoundRobinGroupChat([Unnamed(World(), "")], max_turns=1).run(task="Go.")


async def test_branch_may_be_used_again_by_the_same_task() -> None:
    class Rounds(Experts):
        async def speak(self, turn: Turn) -> TextMessage:
            for _ in range(2):
                async with branch("round"):
                    await asyncio.gather(*(self.opinion(topic) for topic in TOPICS))
            return TextMessage(content="done", source=self.name)

    talk = conversation("talk")
    await RoundRobinGroupChat([Rounds(World(), "branch")], max_turns=1).run(task="Go.", conversation=talk)

    found = {e.path.split("/")[2] for e in await talk.entries() if e.kind == "reply"}
    assert found == {"0 round", "0 round~2"}


async def test_names_with_the_sign_that_sets_off_an_occurrence_stay_apart() -> None:
    class Signs(Experts):
        async def speak(self, turn: Turn) -> TextMessage:
            names = ("a", "a~2", "a~~2", "~")
            await asyncio.gather(*(self.twice(name) for name in names))
            return TextMessage(content="done", source=self.name)

        async def twice(self, name: str) -> None:
            for _ in range(2):
                await step(name, lambda: self.world.call(name), effect="read")

    talk = conversation("talk")
    await RoundRobinGroupChat([Signs(World(), "")], max_turns=1).run(task="Go.", conversation=talk)

    assert len({e.path for e in await talk.entries() if e.kind == "value"}) == 8


async def test_branch_outside_a_run_and_inside_a_step_does_nothing() -> None:
    async def inner() -> str:
        async with branch("law"):
            return "fine"

    class Inside(Experts):
        async def speak(self, turn: Turn) -> TextMessage:
            return TextMessage(content=await step("outer", inner, effect="read"), source=self.name)

    result = await RoundRobinGroupChat([Inside(World(), "")], max_turns=1).run(task="Go.")

    assert await inner() == result.messages[-1].to_text() == "fine"


# -- an agent that is given another's turn ----------------------------------------------------------------------------


class Wrapping(Agent):
    """Lets others speak in its turn, in tasks of their own."""

    def __init__(self, *inner: Agent, how: str = "task") -> None:
        super().__init__("clerk")
        self.inner, self.how = inner, how

    def begin(self) -> Any:
        return self.inner[0].begin()  # type: ignore[attr-defined]

    def see(self, memory: Any, fact: Any) -> Any:
        return self.inner[0].see(memory, fact)  # type: ignore[attr-defined]

    async def speak(self, turn: Turn) -> TextMessage:
        if self.how == "branch":
            async with branch("inner"):
                await self.inner[0].speak(turn)
        async with asyncio.TaskGroup() as group:
            made = [group.create_task(agent.speak(turn)) for agent in self.inner]
        said = made[0].result()
        assert isinstance(said, TextMessage)
        return said


async def test_agent_that_another_one_awaits_in_a_task_speaks_as_if_it_had_been_called(killed: Any) -> None:
    # ENGINE 10: as `asyncio.wait_for` does up to Python 3.11
    def clerk(*lines: object) -> RoundRobinGroupChat:
        inner = AssistantAgent("clerk", ScriptedModel(lines), tools=[look])
        return RoundRobinGroupChat([Wrapping(inner)], max_turns=1)

    @tool(effect="read")
    async def look() -> str:
        """Look."""
        return "seen"

    talk = conversation("talk")
    live = await clerk(ToolCall("c", "look", "{}"), "Done.").run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="turn")
    resumed = await clerk().continue_run("talk", store=left.store)

    assert [m.to_text() for m in resumed.messages] == [m.to_text() for m in live.messages]
    assert "1 turn/1 clerk/3 model" in {e.path for e in await talk.entries()}


async def test_two_agents_in_one_turn_at_the_same_time_are_refused() -> None:
    inner = [AssistantAgent("clerk", World().model()) for _ in range(2)]

    with pytest.raises((ConfigError, RunFailed, ExceptionGroup)) as raised:
        await RoundRobinGroupChat([Wrapping(*inner)], max_turns=1).run(task="Go.")

    assert "Two tasks speak in turn 1 / clerk" in repr(raised.value.__cause__ or raised.value)


async def test_agent_that_speaks_in_a_branch_of_its_turn_is_refused() -> None:
    inner = AssistantAgent("clerk", ScriptedModel(["x"]))

    with pytest.raises(ConfigError, match="speaks in a branch"):
        await RoundRobinGroupChat([Wrapping(inner, how="branch")], max_turns=1).run(task="Go.")


# -- tasks that are left behind ---------------------------------------------------------------------------------------


class Leaving(Experts):
    """Starts a task that outlives the agent's turn, or the error that ends it."""

    def __init__(self, world: World, ends: Any) -> None:
        super().__init__(world, "")
        self.ends, self.begun, self.left = ends, asyncio.Event(), list[str]()

    async def speak(self, turn: Turn) -> TextMessage:
        self.task = asyncio.ensure_future(self.stay())
        await self.begun.wait()
        return await self.ends()

    async def stay(self) -> None:
        try:
            await step("first", self.first, effect="read")
            await step("second", lambda: asyncio.sleep(0.02, "x"), effect="read")
        finally:
            self.left.append("left")

    async def first(self) -> str:
        self.begun.set()
        await asyncio.sleep(0.02)
        return "first"


@pytest.mark.parametrize("group", [False, True])
async def test_task_beside_a_branch_that_waits_for_a_person_finishes_first(group: bool) -> None:
    # ENGINE 10, DESIGN 1: siblings of an asking branch finish first
    async def ends() -> Any:
        async def pay() -> str:
            raise OutcomeUnknown("the line went dead")

        if not group:
            return await step("pay", pay)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(step("pay", pay))
        return None

    agent, talk = Leaving(World(), ends), conversation("talk")
    result = await RoundRobinGroupChat([agent], max_turns=1).run(task="Go.", conversation=talk)

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"
    assert agent.task.done()
    assert [e.path.rpartition("/")[2] for e in await talk.entries() if e.kind == "value"] == ["0 first", "0 second"]
    assert (await talk.entries())[-1].kind == "ended"


async def test_task_that_is_left_behind_ends_with_the_run_and_can_do_nothing_in_it() -> None:
    # ENGINE 10, DESIGN 2: a run is one structured scope
    async def ends() -> Any:
        raise KeyError("x")

    agent, talk = Leaving(World(), ends), conversation("talk")
    with pytest.raises(RunFailed):
        await RoundRobinGroupChat([agent], max_turns=1).run(task="Go.", conversation=talk)

    assert agent.task.cancelled()
    assert agent.left == ["left"]
    assert (await talk.entries())[-1].kind == "ended"
