"""Tool calls of one reply, in a run: what the model is told of them, and what the journal has."""

import asyncio
import threading
import time
from typing import Any

import pytest

from quorate import AssistantAgent, Limits, RoundRobinGroupChat, Tool, conversation, replay, step, tool
from quorate.errors import ConfigError, Denied, ToolError
from quorate.models import Reply, ToolCall, ToolResult
from quorate.models.blocks import Block
from quorate.runs.entries import canonical_export
from quorate.runs.steps import Effect
from quorate.testing import FakeClock, ScriptedModel
from quorate.tools.calls import call_tools, describe


@tool(effect="read")
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def calls(*arguments: str, name: str = "add") -> list[ToolCall]:
    return [ToolCall(f"c{i}", name, text) for i, text in enumerate(arguments)]


async def results(tools: list[Any], made: list[ToolCall], **options: Any) -> list[ToolResult]:
    """Let an agent make calls in a run, and return what its model is told."""
    model = ScriptedModel([made, "Done."])
    await AssistantAgent("clerk", model, tools=tools).run(task="Go.", **options)
    return list(last_of(model).results)


def last_of(model: ScriptedModel) -> Reply:
    block: Block = model.requests[-1].blocks[-1]
    assert isinstance(block, Reply)
    return block


# -- what comes back as a result --------------------------------------------------------------------------------------


async def test_results_come_in_the_order_of_the_calls_with_their_ids() -> None:
    found = await results([add], calls('{"a":1,"b":2}', '{"a":3,"b":4}'))

    assert found == [ToolResult("c0", "add", "3"), ToolResult("c1", "add", "7")]


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("subtract", "{}", "There is no tool 'subtract'. There are: add."),
        ("add", '{"a": 1}', "b: Field required"),
        ("add", '{"a": 1, "b": ', "Invalid JSON"),
        ("", "{}", "There is no tool ''"),
    ],
)
async def test_call_that_cannot_be_made_tells_the_model_why(name: str, arguments: str, told: str) -> None:
    (found,) = await results([add], calls(arguments, name=name))

    assert found.is_error
    assert told in found.content


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ToolError("Ask for something smaller."), "Ask for something smaller."),
        (Denied("Not you."), "Not you."),
        (ValueError("bad value"), "ValueError: bad value"),
        (KeyError("x"), "KeyError: 'x'"),
        (StopIteration(), "StopIteration"),
        (AssertionError(), "AssertionError: "),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("effect", ["read", "unsafe"])
async def test_what_a_tool_raises_is_told_to_the_model(
    error: Exception, told: str, blocking: bool, effect: Effect
) -> None:
    if blocking:

        def fail() -> str:
            """Fail."""
            raise error
    else:

        async def fail() -> str:
            """Fail."""
            raise error

    async with asyncio.timeout(60):
        (found,) = await results([tool(effect=effect)(fail)], calls("{}", name="fail"))

    assert found.is_error
    assert told in found.content


async def test_tool_that_hangs_and_only_reads_is_a_result_that_says_so() -> None:
    @tool(effect="read", timeout_s=0.02)
    async def hang() -> str:
        """Hang."""
        await asyncio.sleep(60)
        return "never"

    (found,) = await results([hang], calls("{}", name="hang"))

    assert found == ToolResult("c0", "hang", "TimeoutError: no answer within 0.02 s", is_error=True)


async def test_tool_that_returns_more_than_an_entry_may_hold_does_not_lose_the_run() -> None:
    # ENGINE 24: the cap is enforced, never silently
    @tool(effect="read")
    async def flood() -> str:
        """Return far too much."""
        return "x" * (17 * 1024 * 1024)

    (found,) = await results([flood], calls("{}", name="flood"))

    assert found.is_error
    assert "16777216" in found.content


# -- side by side -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocking", [False, True])
async def test_twenty_calls_of_one_reply_run_side_by_side_and_stay_in_order(blocking: bool) -> None:
    together = threading.Barrier(20, timeout=60)
    waiting = 0
    everybody = asyncio.Event()

    def meet(n: int) -> int:
        """Wait until all are there."""
        together.wait()
        return n

    async def meet_async(n: int) -> int:
        """Wait until all are there."""
        nonlocal waiting
        waiting += 1
        if waiting == 20:
            everybody.set()
        await everybody.wait()
        for _ in range(20 - n):  # the last one finishes first
            await asyncio.sleep(0)
        return n

    made: Tool[..., Any] = tool(effect="read", name="meet")(meet if blocking else meet_async)
    async with asyncio.timeout(60):
        found = await results([made], calls(*(f'{{"n":{n}}}' for n in range(20)), name="meet"))

    assert [r.content for r in found] == [str(n) for n in range(20)]


async def test_journal_is_the_same_in_canonical_order_whoever_finishes_first() -> None:
    # ENGINE 12
    async def canonical(order: list[int]) -> bytes:
        @tool(effect="read")
        async def wait(n: int) -> int:
            """Wait for one's turn."""
            for _ in range(order[n]):
                await asyncio.sleep(0)
            return n

        talk = conversation("talk", clock=FakeClock())
        model = ScriptedModel([calls('{"n":0}', '{"n":1}', '{"n":2}', name="wait"), "Done."])
        await AssistantAgent("clerk", model, tools=[wait]).run(task="Go.", conversation=talk)
        return canonical_export(await talk.entries())

    assert await canonical([9, 4, 0]) == await canonical([0, 4, 9])


async def test_failing_call_does_not_keep_its_siblings_from_finishing() -> None:
    @tool(effect="read")
    async def odd(n: int) -> int:
        """Fail for one of them."""
        if n == 1:
            raise ValueError("odd")
        await asyncio.sleep(0)
        return n

    found = await results([odd], calls('{"n":0}', '{"n":1}', '{"n":2}', name="odd"))

    assert [r.is_error for r in found] == [False, True, False]


async def test_siblings_of_a_call_with_an_unknown_outcome_finish_first() -> None:
    # ENGINE 7, DESIGN: siblings of an asking branch finish first
    finished: list[str] = []

    @tool(timeout_s=0.01)
    async def pay() -> str:
        """Pay."""
        await asyncio.sleep(60)
        return "never"

    @tool(effect="read")
    async def look() -> str:
        """Look."""
        await asyncio.sleep(0.03)
        finished.append("looked")
        return "seen"

    talk = conversation("talk")
    model = ScriptedModel([[ToolCall("c0", "pay", "{}"), ToolCall("c1", "look", "{}")]])
    result = await AssistantAgent("clerk", model, tools=[pay, look]).run(task="Go.", conversation=talk)

    assert result.outcome is not None
    assert result.outcome.kind == "waiting"
    assert finished == ["looked"]
    assert any(e.kind == "result" and e.path.endswith("3 look") for e in await talk.entries())


async def test_blocking_tools_do_not_hold_up_the_event_loop() -> None:
    go = threading.Event()
    asyncio.get_running_loop().call_soon(go.set)

    @tool(effect="read")
    def wait() -> bool:
        """Wait for the event loop."""
        return go.wait(60)

    (found,) = await results([wait], calls("{}", name="wait"))

    assert found.content == "true"


async def test_tool_calls_beyond_the_limit_are_not_made() -> None:
    made: list[int] = []

    @tool(effect="read")
    async def count(n: int) -> str:
        """Count."""
        made.append(n)
        return "ok"

    model = ScriptedModel([calls(*(f'{{"n":{n}}}' for n in range(9)), name="count")])
    result = await AssistantAgent("clerk", model, tools=[count]).run(task="Go.", limits=Limits(tool_calls=4))

    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.limit) == ("limit", "tool_calls")
    assert len(made) == 4


# -- late results -----------------------------------------------------------------------------------------------------


async def test_late_result_of_an_unsafe_blocking_tool_settles_it_without_asking(begun: threading.Event) -> None:
    # ENGINE 8
    go, done = threading.Event(), threading.Event()
    paid: list[str] = []

    @tool(timeout_s=0.1)
    def pay() -> str:
        """Pay, slowly."""
        begun.set()
        go.wait(60)
        paid.append("paid")
        threading.Timer(0.0, done.set).start()
        return "receipt 7"

    talk = conversation("talk")
    model = ScriptedModel([ToolCall("c0", "pay", "{}"), "Done."])
    clerk = AssistantAgent("clerk", model, tools=[pay])
    waiting = await clerk.run(task="Pay.", conversation=talk)
    go.set()
    await asyncio.to_thread(done.wait, 60)
    for _ in range(2000):
        if await talk.store.notes("talk"):
            break
        await asyncio.sleep(0.005)

    result = await clerk.continue_run("talk", store=talk.store)

    assert waiting.outcome is not None
    assert waiting.outcome.kind == "waiting"
    assert last_of(model).results[0].content == "receipt 7"
    assert result.outcome is not None
    assert result.outcome.kind == "completed"
    assert paid == ["paid"]
    assert next(e for e in await talk.entries() if e.kind == "answer").payload["late"]


@pytest.mark.parametrize("effect", ["read", "idempotent"])
async def test_late_result_of_any_other_tool_is_dropped(effect: Effect, begun: threading.Event) -> None:
    # ENGINE 8
    go, done = threading.Event(), threading.Event()

    @tool(effect=effect, timeout_s=0.02)
    def look() -> str:
        """Look, slowly."""
        begun.set()
        go.wait(60)
        done.set()
        return "late"

    talk = conversation("talk")
    model = ScriptedModel([ToolCall("c0", "look", "{}"), "Done."])
    result = await AssistantAgent("clerk", model, tools=[look]).run(task="Look.", conversation=talk)
    go.set()
    await asyncio.to_thread(done.wait, 60)
    await asyncio.sleep(0.01)

    assert result.outcome is not None
    assert result.outcome.kind == "completed"
    assert last_of(model).results[0].is_error
    assert await talk.store.notes("talk") == []


# -- cancelling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("effect", ["read", "unsafe"])
async def test_cancelling_during_a_slow_tool_returns_at_once_and_leaves_no_task(blocking: bool, effect: Effect) -> None:
    begun, go = threading.Event(), threading.Event()

    def block() -> str:
        """Block."""
        begun.set()
        go.wait(60)
        return "late"

    async def wait() -> str:
        """Wait."""
        begun.set()
        await asyncio.sleep(60)
        return "late"

    slow = tool(effect=effect, name="slow")(block if blocking else wait)
    talk = conversation("talk")
    model = ScriptedModel([ToolCall("c0", "slow", "{}")])
    clerk = AssistantAgent("clerk", model, tools=[slow])
    others = asyncio.all_tasks()
    run = asyncio.get_running_loop().create_task(clerk.run(task="Go.", conversation=talk))
    await asyncio.to_thread(begun.wait, 60)
    before = time.perf_counter()

    run.cancel()
    await asyncio.wait([run])
    took = time.perf_counter() - before
    left = asyncio.all_tasks() - others - {run}
    go.set()

    ended = (await talk.entries())[-1]
    assert run.cancelled()
    assert took < 20  # far less, where nothing else keeps the machine busy
    assert left == set()
    assert (ended.kind, ended.payload["outcome"]) == ("ended", "cancelled")
    assert ("open_intents" in ended.payload) == (effect == "unsafe")
    assert not await talk.store.is_held("talk")


async def test_call_that_was_cancelled_is_made_again_when_the_run_goes_on() -> None:
    begun = asyncio.Event()
    made: list[int] = []

    @tool(effect="read")
    async def slow() -> str:
        """Wait the first time."""
        made.append(1)
        if len(made) == 1:
            begun.set()
            await asyncio.sleep(60)
        return "seen"

    talk = conversation("talk")
    model = ScriptedModel([ToolCall("c0", "slow", "{}"), "Done."])
    clerk = AssistantAgent("clerk", model, tools=[slow])
    run = asyncio.get_running_loop().create_task(clerk.run(task="Go.", conversation=talk))
    await begun.wait()
    run.cancel()
    await asyncio.wait([run])

    result = await clerk.continue_run("talk", store=talk.store)

    assert result.messages[-1].to_text() == "Done."
    assert len(made) == 2
    assert len(model.requests) == 2


# -- inside a step ----------------------------------------------------------------------------------------------------


async def test_agent_inside_an_ordinary_tool_is_part_of_that_step_and_counted() -> None:
    # ENGINE 11
    inner_model = ScriptedModel(["inner answer"])

    @tool(effect="read")
    async def consult() -> str:
        """Ask a colleague."""
        result = await AssistantAgent("colleague", inner_model).run(task="What do you think?")
        return result.messages[-1].to_text()

    talk = conversation("talk")
    model = ScriptedModel([ToolCall("c0", "consult", "{}"), "Done."])
    clerk = AssistantAgent("clerk", model, tools=[consult])
    result = await RoundRobinGroupChat([clerk], max_turns=1).run(task="Go.", conversation=talk)

    entries = await talk.entries()
    ended = entries[-1].payload
    assert last_of(model).results[0].content == "inner answer"
    assert {e.run for e in entries} == {1}
    assert sum(e.kind == "call" for e in entries) == 2
    assert ended["model_calls"] == 3
    assert result.usage.completion_tokens > 0
    assert [s.id for s in await talk.store.conversations()] == ["talk"]


async def test_calls_inside_a_step_count_after_a_crash_too(killed: Any) -> None:
    # ENGINE 11, 18
    @tool(effect="read")
    async def consult() -> str:
        """Ask a colleague."""
        result = await AssistantAgent("colleague", ScriptedModel(["inner answer"])).run(task="Well?")
        return result.messages[-1].to_text()

    def clerk(*lines: object) -> RoundRobinGroupChat:
        return RoundRobinGroupChat([AssistantAgent("clerk", ScriptedModel(lines), tools=[consult])], max_turns=1)

    talk = conversation("talk")
    await clerk(ToolCall("c0", "consult", "{}"), "Done.").run(task="Go.", conversation=talk)
    whole = (await talk.entries())[-1].payload
    left = await killed(await talk.entries(), before="call", nth=2)

    await clerk("Done.").continue_run("talk", store=left.store)

    resumed = (await left.entries())[-1].payload
    assert {name: resumed[name] for name in ("model_calls", "tool_calls", "tokens")} == {
        name: whole[name] for name in ("model_calls", "tool_calls", "tokens")
    }


async def test_calls_inside_a_step_stay_within_the_limits_around_it() -> None:
    # ENGINE 11
    inner = ScriptedModel([f"answer {n} {'abcdefghij'[n]}" for n in range(10)])

    @tool(effect="read")
    async def consult() -> str:
        """Let colleagues talk."""
        team = RoundRobinGroupChat([AssistantAgent("a", inner), AssistantAgent("b", inner)], max_turns=10)
        result = await team.run(task="Talk.")
        return f"{len(result.messages)} messages"

    model = ScriptedModel([ToolCall("c0", "consult", "{}")])
    result = await AssistantAgent("clerk", model, tools=[consult]).run(task="Go.", limits=Limits(model_calls=4))

    assert result.outcome is not None
    assert (result.outcome.kind, result.outcome.limit) == ("limit", "model_calls")
    assert len(inner.requests) == 3


async def test_limit_reached_inside_a_step_is_no_outcome_of_that_step(killed: Any) -> None:
    # a limit ends the attempt; with wider limits the call is made again
    inner = ScriptedModel(["one a", "two b", "three c"])

    @tool(effect="read")
    async def consult() -> str:
        """Ask a colleague twice."""
        colleague = AssistantAgent("colleague", inner)
        return (await colleague.run(task="A?")).messages[-1].to_text() + (await colleague.run(task="B?")).messages[
            -1
        ].to_text()

    talk = conversation("talk")
    model = ScriptedModel([ToolCall("c0", "consult", "{}"), "Done."])
    clerk = AssistantAgent("clerk", model, tools=[consult])
    stopped = await clerk.run(task="Go.", conversation=talk, limits=Limits(model_calls=2))

    result = await clerk.continue_run("talk", store=talk.store, limits=Limits(model_calls=9))

    assert stopped.outcome is not None
    assert stopped.outcome.limit == "model_calls"
    assert result.messages[-1].to_text() == "Done."
    assert last_of(model).results[0].content == "two bthree c"


@pytest.mark.parametrize("how", ["run", "continue_run"])
async def test_store_inside_an_ordinary_tool_is_refused_and_names_scope(how: str) -> None:
    # ENGINE 11
    other = conversation("other")
    colleague = AssistantAgent("colleague", ScriptedModel(["x"]))

    @tool(effect="read")
    async def consult() -> str:
        """Ask a colleague in a conversation of its own."""
        if how == "run":
            await colleague.run(task="What?", conversation=other)
        else:
            await colleague.continue_run("other", store=other.store)
        return "no"

    (found,) = await results([consult], calls("{}", name="consult"))

    assert found.is_error
    assert "@tool(scope=True)" in found.content


async def test_steps_inside_a_step_are_part_of_it() -> None:
    async def call() -> str:
        return "inner"

    @tool(effect="read")
    async def look() -> str:
        """Look."""
        return await step("inner", call)

    talk = conversation("talk")
    await results([look], calls("{}", name="look"), conversation=talk)

    assert not any("inner" in e.path for e in await talk.entries())


async def test_steps_of_a_tool_that_is_a_scope_are_journaled_each_and_answered_when_resumed(killed: Any) -> None:
    # ENGINE 1, 2, 6
    made: list[str] = []

    def call(name: str) -> Any:
        async def make() -> str:
            made.append(name)
            return name

        return make

    @tool(scope=True)
    async def work() -> str:
        """Do several things."""
        first = await step("first", call("first"))
        return first + await step("second", call("second"))

    def clerk(*lines: object) -> RoundRobinGroupChat:
        return RoundRobinGroupChat([AssistantAgent("clerk", ScriptedModel(lines), tools=[work])], max_turns=1)

    talk = conversation("talk")
    await clerk(ToolCall("c0", "work", "{}"), "Done.").run(task="Go.", conversation=talk)
    entries = await talk.entries()
    left = await killed(entries, before="intent", nth=2)
    made.clear()

    result = await clerk("Done.").continue_run("talk", store=left.store)

    paths = [e.path for e in entries if e.kind in {"intent", "value"}]
    assert paths == ["1 turn/1 clerk/2 work/1 first"] * 2 + ["1 turn/1 clerk/2 work/2 second"] * 2
    assert made == ["second"]
    assert result.messages[-1].to_text() == "Done."


async def test_run_with_tools_replays_without_calling_them() -> None:
    # ENGINE 4
    made: list[int] = []

    @tool
    async def pay(n: int) -> str:
        """Pay."""
        made.append(n)
        return f"paid {n}"

    model = ScriptedModel([calls('{"n":1}', '{"n":2}', name="pay"), "Done."])
    clerk = AssistantAgent("clerk", model, tools=[pay])
    result = await clerk.run(task="Go.")

    report = await replay(result.run_id, team=clerk)

    assert report.identical
    assert made == [1, 2]


# -- outside a run ----------------------------------------------------------------------------------------------------


async def test_calls_outside_a_run_are_just_made() -> None:
    found = await call_tools({"add": add}, [*calls('{"a":1,"b":2}', "{}"), ToolCall("x", "none", "{}")])

    assert found[0].content == "3"
    assert [r.is_error for r in found] == [False, True, True]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ('{"a": 1, "b": "ä"}', 'add(a=1, b="ä")'),
        ("{}", "add()"),
        ("not json", "add(not json)"),
        ("[1]", "add([1])"),
    ],
)
def test_call_is_described_as_a_person_reads_it(arguments: str, shown: str) -> None:
    assert describe(ToolCall("c", "add", arguments)) == shown


async def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="clerk has two tools named 'add'"):
        AssistantAgent("clerk", ScriptedModel([]), tools=[add, add])
