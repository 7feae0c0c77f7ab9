"""Running and watching: `run`, `run_stream`, `start`, leaving early, and going on later."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from contextvars import ContextVar
from typing import Any

import pytest

from quorate import (
    Agent,
    AssistantAgent,
    Limits,
    MaxMessageTermination,
    RoundRobinGroupChat,
    TextMessage,
    Turn,
    conversation,
    open_store,
    tool,
)
from quorate.chat.messages import (
    ModelClientStreamingChunkEvent,
    TaskResult,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from quorate.errors import ConfigError, Conflict, RunFailed
from quorate.models import Finished, ModelEvent, ModelInfo, ModelRequest, TextDelta, ToolCall
from quorate.runs.scope import current
from quorate.testing import ScriptedModel

mine: ContextVar[str] = ContextVar("mine", default="nobody's")


@tool(effect="read")
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


ADD = ToolCall("c1", "add", '{"a":1,"b":2}')


class Gated:
    """A model that says a word and waits in the middle until it is let go."""

    def __init__(self) -> None:
        self.info = ModelInfo(name="gated", free=True)
        self.begun, self.go, self.ended = asyncio.Event(), asyncio.Event(), False

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        try:
            yield TextDelta("Hel")
            self.begun.set()
            await self.go.wait()
            yield TextDelta("lo.")
            yield Finished(None)
        finally:
            self.ended = True

    async def close(self) -> None: ...


def pair(*lines: object, most: int = 3, **options: Any) -> RoundRobinGroupChat:
    model = ScriptedModel(lines, **options)
    agents = [AssistantAgent(name, model, tools=[add]) for name in "ab"]
    return RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(most))


def kinds(items: list[Any]) -> list[str]:
    return [f"{type(item).__name__}:{getattr(item, 'source', '')}" for item in items]


# -- streams ----------------------------------------------------------------------------------------------------------


async def test_stream_yields_task_events_chunks_and_messages_as_they_come_and_the_result_last() -> None:
    items = [item async for item in pair(ADD, "It is 3.", "I see.").run_stream(task="1 + 2?")]

    assert kinds(items) == [
        "TextMessage:user",
        "ToolCallRequestEvent:a",
        "ToolCallExecutionEvent:a",
        "ModelClientStreamingChunkEvent:a",
        "TextMessage:a",
        "ModelClientStreamingChunkEvent:b",
        "TextMessage:b",
        "TaskResult:",
    ]
    assert isinstance(items[-1], TaskResult)
    assert [m.id for m in items[-1].messages] == [
        item.id for item in items[:-1] if not isinstance(item, ModelClientStreamingChunkEvent)
    ]


async def test_run_and_stream_come_to_the_same() -> None:
    streamed = [item async for item in pair(ADD, "It is 3.", "I see.").run_stream(task="1 + 2?")][-1]
    run = await pair(ADD, "It is 3.", "I see.").run(task="1 + 2?")

    assert isinstance(streamed, TaskResult)
    assert [m.to_text() for m in streamed.messages] == [m.to_text() for m in run.messages]
    assert streamed.outcome == run.outcome


@pytest.mark.parametrize("how", ["closed", "abandoned"])
async def test_leaving_a_stream_early_cancels_the_run_and_it_can_go_on(how: str) -> None:
    # ENGINE 25
    talk = conversation("talk")
    team = pair(*[f"line {w}" for w in ("ant", "bee", "cat", "dog")], most=5)
    others = asyncio.all_tasks()

    if how == "closed":
        async with aclosing(team.run_stream(task="Go.", conversation=talk)) as items:
            async for item in items:
                if getattr(item, "source", "") == "a":
                    break
    else:
        async for item in team.run_stream(task="Go.", conversation=talk):
            if getattr(item, "source", "") == "a":
                break
        del item
        gc.collect()
        for _ in range(20):
            await asyncio.sleep(0)

    ended = (await talk.entries())[-1]
    assert (ended.kind, ended.payload["outcome"]) == ("ended", "cancelled")
    assert not await talk.store.is_held("talk")
    assert asyncio.all_tasks() == others
    result = await team.continue_run("talk", store=talk.store)
    assert len(result.messages) == 5


async def test_speaker_that_fails_raises_at_the_consumers_next_item_after_what_was_said() -> None:
    # ENGINE 25
    items: list[Any] = []

    stream = pair("one", ValueError("broken")).run_stream(task="Go.")

    async def watch() -> None:
        while True:
            items.append(await anext(stream))

    with pytest.raises(RunFailed, match="broken") as raised:
        await watch()

    assert kinds(items)[-1] == "TextMessage:a"
    assert isinstance(raised.value.__cause__, ValueError)


async def test_consumer_and_run_do_not_see_each_others_context() -> None:
    # ENGINE 25
    seen: list[str] = []

    class Looking(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            seen.append(mine.get())
            mine.set("the run's")
            return TextMessage(content=f"x{len(turn.thread)}", source=self.name)

    mine.set("before")
    async for _ in RoundRobinGroupChat([Looking("a")], max_turns=2).run_stream(task="Go."):
        assert current.get() is None
        assert mine.get() in {"before", "the consumer's"}
        mine.set("the consumer's")

    assert seen == ["before", "the run's"]
    assert mine.get() == "the consumer's"


async def test_run_leaves_no_trace_in_the_callers_context() -> None:
    await pair("one", "two").run(task="Go.")

    assert current.get() is None


async def test_consumer_that_is_slow_gets_everything() -> None:
    items: list[Any] = []
    async for item in pair("Hello out there.", "And here.", chunks=5).run_stream(task="Go."):
        for _ in range(3):
            await asyncio.sleep(0)
        items.append(item)

    chunks = [item.content for item in items if isinstance(item, ModelClientStreamingChunkEvent)]
    assert "".join(chunks) == "Hello out there.And here."


# -- start ------------------------------------------------------------------------------------------------------------


async def test_run_under_way_has_an_id_and_a_result() -> None:
    talk = conversation("talk")

    async with pair("one", "two").start(task="Go.", conversation=talk) as run:
        result = await run.result()

    assert run.id == result.run_id == "talk.1"
    assert [m.to_text() for m in run.told()] == ["Go.", "one", "two"]


async def test_several_viewers_each_see_everything() -> None:
    async def watch(run: Any) -> list[str]:
        return kinds([item async for item in run.events()])

    async with pair("one", "two").start(task="Go.") as run:
        first, second = await asyncio.gather(watch(run), watch(run))

    assert first == second
    assert first[0] == "TextMessage:user"


async def test_viewer_that_comes_late_gets_what_was_then_what_comes() -> None:
    # ENGINE 25
    model = Gated()
    team = RoundRobinGroupChat(
        [AssistantAgent("a", ScriptedModel(["one"])), AssistantAgent("b", model)],
        termination_condition=MaxMessageTermination(3),
    )
    async with team.start(task="Go.") as run:
        await model.begun.wait()
        late = asyncio.get_running_loop().create_task(collect(run))
        since = asyncio.get_running_loop().create_task(collect(run, since=1))
        await asyncio.sleep(0)
        model.go.set()
        seen, rest = await late, await since

    assert kinds(seen)[:2] == ["TextMessage:user", "TextMessage:a"]
    assert kinds(seen)[-1] == "TextMessage:b"
    assert kinds(rest)[0] == "TextMessage:a"


async def collect(run: Any, since: int = 0) -> list[Any]:
    return [item async for item in run.events(since)]


async def test_viewer_that_comes_in_the_middle_of_a_speech_gets_its_events_too() -> None:
    # ENGINE 25: a late viewer gets journal entries, then live chunks
    begun, go = asyncio.Event(), asyncio.Event()

    @tool(effect="read")
    async def wait() -> str:
        """Wait."""
        begun.set()
        await go.wait()
        return "waited"

    model = ScriptedModel([ADD, ToolCall("c2", "wait", "{}"), "Done."])
    async with AssistantAgent("a", model, tools=[add, wait]).start(task="Go.") as run:
        await begun.wait()
        late = asyncio.get_running_loop().create_task(collect(run))
        await asyncio.sleep(0)
        go.set()
        seen = await late

    assert [type(item) for item in seen if not isinstance(item, ModelClientStreamingChunkEvent)] == [
        TextMessage,
        ToolCallRequestEvent,
        ToolCallExecutionEvent,
        ToolCallRequestEvent,
        ToolCallExecutionEvent,
        TextMessage,
    ]


async def test_run_that_goes_on_shows_what_it_had_said_then_what_comes(killed: Any) -> None:
    # ENGINE 25
    talk = conversation("talk")
    await pair("one", ADD, "It is 3.").run(task="Go.", conversation=talk)
    left = await killed(await talk.entries(), before="reply", nth=3)

    async with pair("It is 3.").going_on("talk", store=left.store) as run:
        seen = await collect(run)

    assert [type(item) for item in seen if not isinstance(item, ModelClientStreamingChunkEvent)] == [
        TextMessage,
        TextMessage,
        ToolCallRequestEvent,
        ToolCallExecutionEvent,
        TextMessage,
    ]


async def test_leaving_the_block_cancels_what_is_unfinished() -> None:
    talk = conversation("talk")
    model = Gated()
    others = asyncio.all_tasks()

    async with AssistantAgent("a", model).start(task="Go.", conversation=talk):
        await model.begun.wait()

    assert model.ended
    assert asyncio.all_tasks() == others
    assert (await talk.entries())[-1].payload["outcome"] == "cancelled"


async def test_cancelled_run_has_a_result_of_what_there_was() -> None:
    talk = conversation("talk")
    model = Gated()
    async with AssistantAgent("a", model).start(task="Go.", conversation=talk) as run:
        await model.begun.wait()
        run.cancel()
        result = await run.result()

    assert result.outcome is not None
    assert result.outcome.kind == "cancelled"
    assert [m.to_text() for m in result.messages] == ["Go."]
    assert sum(e.kind == "ended" for e in await talk.entries()) == 1


@pytest.mark.parametrize("others", [0, 3])
async def test_cancelling_in_a_store_is_journaled_once_whoever_else_is_writing(others: int, tmp_path: Any) -> None:
    async with open_store(tmp_path / "work.db") as store:
        models = [Gated() for _ in range(others + 1)]
        runs = [
            asyncio.get_running_loop().create_task(
                AssistantAgent("a", model).run(task="Go.", conversation=store.conversation(f"c{n}"))
            )
            for n, model in enumerate(models)
        ]
        for model in models:
            await model.begun.wait()

        for run in runs:
            run.cancel()
        await asyncio.wait(runs)

        for n in range(others + 1):
            entries = await store.read(f"c{n}")
            assert [e.payload["outcome"] for e in entries if e.kind == "ended"] == ["cancelled"]
            assert not await store.is_held(f"c{n}")
    assert all(run.cancelled() for run in runs)


async def test_callers_time_out_cancels_the_run() -> None:
    talk, model = conversation("talk"), Gated()

    async def up() -> None:
        await model.begun.wait()
        timer.reschedule(asyncio.get_running_loop().time())

    timer, soon = asyncio.timeout(None), asyncio.ensure_future(up())
    with pytest.raises(TimeoutError):
        async with timer:
            await AssistantAgent("a", model).run(task="Go.", conversation=talk)

    assert soon.done()
    assert (await talk.entries())[-1].payload["outcome"] == "cancelled"


async def test_error_in_the_block_cancels_the_run_and_is_raised() -> None:
    talk = conversation("talk")
    model = Gated()

    async def break_off() -> None:
        async with AssistantAgent("a", model).start(task="Go.", conversation=talk):
            await model.begun.wait()
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await break_off()

    assert (await talk.entries())[-1].payload["outcome"] == "cancelled"


async def test_failed_run_tells_its_cause_and_what_it_had() -> None:
    with pytest.raises(RunFailed, match=r"Run talk\.1 failed: broken") as raised:
        await pair("one", ValueError("broken")).run(task="Go.", conversation=conversation("talk"))

    assert isinstance(raised.value.__cause__, ValueError)
    assert [m.to_text() for m in raised.value.result.messages] == ["Go.", "one"]
    assert raised.value.result.outcome.kind == "failed"
    assert raised.value.result.outcome.reason == "ValueError: broken"


# -- going on ---------------------------------------------------------------------------------------------------------


async def test_team_goes_on_with_its_own_conversation_in_memory() -> None:
    team = RoundRobinGroupChat([AssistantAgent("a", ScriptedModel(["one", "two", "three"]))], max_turns=1)
    first = await team.run(task="Go.")

    second = await team.continue_run(first.run_id, limits=Limits(turns=3))

    assert [m.to_text() for m in second.messages] == ["Go.", "one", "two", "three"]
    assert second.run_id == first.run_id


async def test_conversation_that_is_not_the_teams_own_needs_its_store() -> None:
    with pytest.raises(ConfigError, match=r"not this team's own\. Pass the store"):
        await pair().continue_run("somewhere.1")


async def test_run_of_another_owner_goes_on_only_as_theirs(tmp_path: Any) -> None:
    # ENGINE 24
    async with open_store(tmp_path / "work.db") as store:
        talk = store.conversation("talk", owner="acme/ann")
        team = RoundRobinGroupChat([AssistantAgent("a", ScriptedModel(["one", "two"]))], max_turns=1)
        await team.run(task="Go.", conversation=talk)

        with pytest.raises(ConfigError, match="no conversation talk"):
            await team.continue_run("talk", store=store, limits=Limits(turns=2))
        result = await team.continue_run("talk", store=store, owner="acme/ann", limits=Limits(turns=2))

    assert [m.to_text() for m in result.messages] == ["Go.", "one", "two"]


@pytest.mark.parametrize("given", ["start", "conversation"])
async def test_run_of_its_own_inside_an_agents_turn_is_refused_with_what_to_do(given: str) -> None:
    class Nesting(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            if given == "conversation":
                await pair("one", "two").run(task="Inner.", conversation=conversation())
            async with pair("one", "two").start(task="Inner."):
                raise AssertionError

    with pytest.raises((ConfigError, RunFailed), match="a run of its own"):
        await RoundRobinGroupChat([Nesting("a")], max_turns=1).run(task="Go.")


async def test_conversation_is_free_after_every_kind_of_end() -> None:
    talk = conversation("talk")
    for team in (pair("one", "two"), pair("one", ValueError("x")), pair("three", "four")):
        with suppress(RunFailed):
            await team.run(task="Go.", conversation=talk)
        assert not await talk.store.is_held("talk")

    assert {e.run for e in await talk.entries()} == {1, 2, 3}


async def test_second_run_on_a_conversation_under_way_is_a_conflict_and_harms_nothing() -> None:
    talk = conversation("talk")
    model = Gated()
    async with AssistantAgent("a", model).start(task="Go.", conversation=talk) as run:
        await model.begun.wait()
        with pytest.raises(Conflict, match="talk"):
            await pair("one").run(task="Me too.", conversation=talk)
        model.go.set()
        result = await run.result()

    assert result.messages[-1].to_text() == "Hello."
    assert {e.run for e in await talk.entries()} == {1}


async def test_events_of_a_run_that_has_ended_are_all_there() -> None:
    async with pair("one", "two").start(task="Go.") as run:
        await run.result()
        seen = await collect(run)

    assert [m.to_text() for m in seen] == ["Go.", "one", "two"]


async def test_event_told_on_the_way_comes_before_the_message() -> None:
    class Telling(Agent):
        async def speak(self, turn: Turn) -> TextMessage:
            turn.emit(ThoughtEvent(content="hm", source=self.name))
            return TextMessage(content="done", source=self.name)

    items = [item async for item in RoundRobinGroupChat([Telling("a")], max_turns=1).run_stream(task="Go.")]

    assert kinds(items)[1:3] == ["ThoughtEvent:a", "TextMessage:a"]
