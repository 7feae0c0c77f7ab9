import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest

from quorate.core import (
    AgentId,
    AgentProxy,
    CancellationToken,
    DeadLetter,
    DefaultTopicId,
    HandlerFailure,
    LocalRuntime,
    MessageContext,
    RoutedAgent,
    SendPolicy,
    TopicId,
    TypeSubscription,
    message_handler,
)
from quorate.errors import CantHandle, ConfigError, Undeliverable, WrongState

Script = Callable[["Scripted", Any, MessageContext], Awaitable[Any]]


@dataclass
class Note:
    text: str = ""


class Scripted(RoutedAgent):
    """Handles notes with a function, and writes down what it got."""

    def __init__(self, script: Script | None = None) -> None:
        super().__init__("does what the test says")
        self.script = script
        self.got: list[str] = []

    @message_handler
    async def on_note(self, message: Note, ctx: MessageContext) -> Any:
        self.got.append(message.text)
        return None if self.script is None else await self.script(self, message, ctx)


async def add(runtime: LocalRuntime, name: str, script: Script | None = None) -> AgentId:
    """Register a type of scripted agents and return the id of one."""
    await Scripted.register(runtime, name, lambda: Scripted(script))
    return AgentId(name, "k")


async def agent(runtime: LocalRuntime, id: AgentId) -> Scripted:
    """Return the agent itself."""
    return await runtime.try_get_underlying_agent_instance(id, Scripted)


async def settle() -> None:
    """Let everything go on that can."""
    for _ in range(20):
        await asyncio.sleep(0)


# --- direct sends -----------------------------------------------------------------------------------------------------


async def test_send_returns_what_the_handler_returned() -> None:
    async def answer(self: Scripted, message: Note, ctx: MessageContext) -> str:
        return f"{message.text} from {ctx.sender} rpc={ctx.is_rpc} topic={ctx.topic_id}"

    async with LocalRuntime() as runtime:
        id = await add(runtime, "a", answer)

        assert await runtime.send_message(Note("hi"), id) == "hi from None rpc=True topic=None"


async def test_error_of_a_handler_is_raised_in_the_sender_and_the_agent_goes_on() -> None:
    async def fail_once(self: Scripted, message: Note, ctx: MessageContext) -> str:
        if len(self.got) == 1:
            raise KeyError("no such thing")
        return "ok"

    async with LocalRuntime() as runtime:
        id = await add(runtime, "a", fail_once)

        with pytest.raises(KeyError, match="no such thing"):
            await runtime.send_message(Note(), id)
        assert await runtime.send_message(Note(), id) == "ok"


async def test_messages_to_a_busy_agent_are_handled_one_by_one_in_their_order() -> None:
    at_work: list[int] = []

    async def work(self: Scripted, message: Note, ctx: MessageContext) -> None:
        at_work.append(at_work[-1] + 1 if at_work else 1)
        assert at_work[-1] == 1
        await asyncio.sleep(0)
        at_work.append(0)

    async with LocalRuntime() as runtime:
        id = await add(runtime, "a", work)
        await runtime.add_subscription(TypeSubscription("t", "a"))

        sends = [asyncio.create_task(runtime.send_message(Note(str(n)), id)) for n in range(5)]
        await asyncio.sleep(0)
        await runtime.publish_message(Note("5"), TopicId("t", "k"))
        await asyncio.gather(*sends, runtime.send_message(Note("6"), id))

        assert (await agent(runtime, id)).got == [str(n) for n in range(7)]


async def test_agent_may_send_to_itself_and_be_asked_back_by_whom_it_asks() -> None:
    async def a(self: Scripted, message: Note, ctx: MessageContext) -> str:
        if message.text == "start":
            mine = await self.send_message(Note("self"), self.id)
            return mine + await self.send_message(Note("go"), AgentId("b", "k"))
        return f"a:{message.text} "

    async def b(self: Scripted, message: Note, ctx: MessageContext) -> str:
        await asyncio.sleep(0)
        return "b:" + await self.send_message(Note("back"), AgentId("a", "k"))

    async with LocalRuntime() as runtime:
        id = await add(runtime, "a", a)
        await add(runtime, "b", b)

        assert await runtime.send_message(Note("start"), id) == "a:self b:a:back "


async def test_two_agents_that_ask_each_other_at_once_get_an_error_and_not_a_deadlock() -> None:
    async def ask(self: Scripted, message: Note, ctx: MessageContext) -> str:
        if message.text == "inner":
            return "answer"
        await asyncio.sleep(0)
        return await self.send_message(Note("inner"), AgentId("b" if self.id.type == "a" else "a", "k"))

    async with LocalRuntime() as runtime:
        a, b = await add(runtime, "a", ask), await add(runtime, "b", ask)

        async with asyncio.timeout(60):
            found = await asyncio.gather(*(runtime.send_message(Note(), id) for id in (a, b)), return_exceptions=True)

    assert sorted(type(one).__name__ for one in found) == ["Undeliverable", "str"]
    error = next(one for one in found if isinstance(one, Undeliverable))
    assert error.reason == "circle"


async def test_endless_recursion_ends_with_an_error_and_not_with_a_broken_stack() -> None:
    async def again(self: Scripted, message: Note, ctx: MessageContext) -> Any:
        return await self.send_message(message, self.id)

    dead: list[DeadLetter] = []
    async with LocalRuntime(depth_limit=500, on_dead_letter=dead.append) as runtime:
        id = await add(runtime, "a", again)

        with pytest.raises(Undeliverable, match="wait for one another"):
            await runtime.send_message(Note(), id)

        assert len((await agent(runtime, id)).got) == 501
    assert [letter.reason for letter in dead] == ["circle"]


async def test_unknown_agent_is_an_error_that_names_the_known_ones_and_a_dead_letter() -> None:
    dead: list[DeadLetter] = []
    async with LocalRuntime(on_dead_letter=dead.append) as runtime:
        await add(runtime, "known")

        with pytest.raises(Undeliverable, match=r"Registered: known\."):
            await runtime.send_message(Note("lost"), AgentId("other", "k"))

    assert [(letter.message, letter.reason) for letter in dead] == [(Note("lost"), "unknown agent")]


async def test_message_without_handler_is_an_error_for_the_sender_and_a_dead_letter_when_published() -> None:
    dead: list[DeadLetter] = []
    errors: list[HandlerFailure] = []
    async with LocalRuntime(on_dead_letter=dead.append, on_error=errors.append) as runtime:
        id = await add(runtime, "a")
        await runtime.add_subscription(TypeSubscription("t", "a"))

        with pytest.raises(CantHandle, match="It handles: Note"):
            await runtime.send_message("text", id)
        await runtime.publish_message("text", TopicId("t", "k"))

    assert [(letter.recipient, letter.reason) for letter in dead] == [(id, "no handler")]
    assert errors == []


async def test_what_a_handler_sets_in_context_variables_stays_in_it() -> None:
    var: ContextVar[str] = ContextVar("var", default="unset")
    seen: list[str] = []

    async def change(self: Scripted, message: Note, ctx: MessageContext) -> None:
        seen.append(var.get())
        var.set("changed")
        await asyncio.sleep(0)
        seen.append(var.get())

    async with LocalRuntime() as runtime:
        id = await add(runtime, "a", change)
        await runtime.add_subscription(TypeSubscription("t", "a"))
        var.set("mine")

        await runtime.send_message(Note(), id)
        await runtime.publish_message(Note(), TopicId("t", "k"))
        await runtime.stop_when_idle()

    assert seen == ["mine", "changed"] * 2
    assert var.get() == "mine"


# --- cancelling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["task", "token"])
async def test_cancelling_reaches_the_handler_and_frees_the_agent(by: str) -> None:
    ended: list[str] = []

    async def hang(self: Scripted, message: Note, ctx: MessageContext) -> str:
        if message.text != "hang":
            return "free"
        token = ctx.cancellation_token
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("handler")
            token.add_callback(lambda: ended.append("token"))
        return "never"

    async with LocalRuntime() as runtime:
        id = await add(runtime, "a", hang)
        token = CancellationToken() if by == "token" else None
        task = asyncio.create_task(runtime.send_message(Note("hang"), id, cancellation_token=token))
        await settle()

        token.cancel() if token else task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert ended == ["handler", "token"]
        assert await runtime.send_message(Note(), id) == "free"


async def test_sender_cancelled_in_line_or_in_the_moment_of_its_turn_blocks_nobody() -> None:
    go = asyncio.Event()

    async def wait(self: Scripted, message: Note, ctx: MessageContext) -> str:
        if message.text == "first":
            await go.wait()
        return message.text

    async with LocalRuntime() as runtime:
        id = await add(runtime, "a", wait)
        first, second, third, fourth = (
            asyncio.create_task(runtime.send_message(Note(text), id)) for text in ("first", "second", "third", "fourth")
        )
        await settle()
        second.cancel()
        await settle()
        go.set()
        await first
        third.cancel()

        assert await fourth == "fourth"
        assert (await asyncio.gather(second, third, return_exceptions=True))[0].__class__ is asyncio.CancelledError
        assert runtime.describe().unfinished == 0


# --- publishing -------------------------------------------------------------------------------------------------------


async def test_publisher_does_not_get_its_own_message_and_source_becomes_key() -> None:
    async def publish(self: Scripted, message: Note, ctx: MessageContext) -> None:
        if ctx.is_rpc:
            await self.publish_message(Note("news"), DefaultTopicId("t"))

    async with LocalRuntime() as runtime:
        a, b = await add(runtime, "a", publish), await add(runtime, "b")
        for name in ("a", "b"):
            await runtime.add_subscription(TypeSubscription("t", name))

        await runtime.send_message(Note("go"), a)
        await runtime.publish_message(Note("for s"), TopicId("t", "s"))
        await runtime.stop_when_idle()
        runtime.start()

        assert (await agent(runtime, a)).got == ["go"]
        assert (await agent(runtime, b)).got == ["news"]
        assert (await agent(runtime, AgentId("a", "s"))).got == ["for s"]


async def test_error_in_a_subscriber_reaches_the_hook_and_the_others_get_the_message() -> None:
    errors: list[HandlerFailure] = []

    async def fail(self: Scripted, message: Note, ctx: MessageContext) -> None:
        raise LookupError(message.text)

    async with LocalRuntime(on_error=errors.append) as runtime:
        a, b = await add(runtime, "a", fail), await add(runtime, "b")
        for name in ("a", "b"):
            await runtime.add_subscription(TypeSubscription("t", name))

        await runtime.publish_message(Note("x"), TopicId("t", "k"))
        await runtime.stop_when_idle()
        runtime.start()

        assert [(failure.agent, failure.message, repr(failure.error)) for failure in errors] == [
            (a, Note("x"), "LookupError('x')")
        ]
        assert (await agent(runtime, b)).got == ["x"]


async def test_without_hook_the_error_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(self: Scripted, message: Note, ctx: MessageContext) -> None:
        raise LookupError("gone")

    async with LocalRuntime() as runtime:
        await add(runtime, "a", fail)
        await runtime.publish_message(Note(), TopicId("a:x", "k"))

    assert "a/k failed handling Note" in caplog.text
    assert "LookupError: gone" in caplog.text


async def test_runtime_that_does_not_ignore_errors_raises_the_first_when_it_stops() -> None:
    async def fail(self: Scripted, message: Note, ctx: MessageContext) -> None:
        raise LookupError("gone")

    runtime = LocalRuntime(ignore_unhandled_exceptions=False, on_error=lambda _: None)
    await add(runtime, "a", fail)
    runtime.start()
    await runtime.publish_message(Note(), TopicId("a:x", "k"))

    with pytest.raises(LookupError, match="gone"):
        await runtime.stop_when_idle()
    await runtime.close()


async def test_failing_factory_is_an_error_for_the_sender_and_for_the_hook_and_is_tried_again() -> None:
    errors: list[HandlerFailure] = []
    dead: list[DeadLetter] = []
    made: list[int] = []

    async def make() -> Scripted:
        made.append(1)
        await asyncio.sleep(0)
        if len(made) < 3:
            raise ConnectionError("not yet")
        return Scripted()

    async with LocalRuntime(on_error=errors.append, on_dead_letter=dead.append) as runtime:
        await Scripted.register(runtime, "a", make)
        id = AgentId("a", "k")

        with pytest.raises(ConnectionError, match="not yet"):
            await runtime.send_message(Note(), id)
        await runtime.publish_message(Note(), TopicId("a:", "k"))
        await runtime.stop_when_idle()
        runtime.start()
        await asyncio.gather(*(runtime.send_message(Note(str(n)), id) for n in range(3)))

        assert len(errors) == 1
        assert [letter.reason for letter in dead] == ["not made"]
        assert (await agent(runtime, id)).got == ["0", "1", "2"]
        assert len(made) == 3


async def test_subscriber_that_waits_holds_up_no_other() -> None:
    go = asyncio.Event()

    async def wait(self: Scripted, message: Note, ctx: MessageContext) -> None:
        if self.id.key == "slow":
            await go.wait()

    async with LocalRuntime() as runtime:
        await add(runtime, "a", wait)
        for key in ("slow", "quick"):
            for n in range(3):
                await runtime.publish_message(Note(str(n)), TopicId("a:", key))
        await settle()

        assert (await agent(runtime, AgentId("a", "quick"))).got == ["0", "1", "2"]
        go.set()


async def test_publish_storm_lets_others_on_the_loop_go_on() -> None:
    ticks: list[int] = []

    async def breed(self: Scripted, message: Note, ctx: MessageContext) -> None:
        if len(self.got) < 2000:
            await self.publish_message(Note(), TopicId("b:" if self.id.type == "a" else "a:", "k"))

    async def tick() -> None:
        while True:
            ticks.append(1)
            await asyncio.sleep(0)

    async with LocalRuntime() as runtime:
        await add(runtime, "a", breed)
        await add(runtime, "b", breed)
        ticking = asyncio.create_task(tick())
        await runtime.publish_message(Note(), TopicId("a:", "k"))
        await runtime.stop_when_idle()
        ticking.cancel()

    assert len(ticks) > 50


# --- back-pressure ----------------------------------------------------------------------------------------------------


async def test_full_queue_blocks_senders_outside_and_fails_senders_inside_beyond_the_limit() -> None:
    go = asyncio.Event()
    full: list[str] = []

    async def wait(self: Scripted, message: Note, ctx: MessageContext) -> None:
        await go.wait()

    async def flood(self: Scripted, message: Note, ctx: MessageContext) -> int:
        for n in range(100):
            try:
                await self.publish_message(Note(str(n)), TopicId("slow:", "k"))
            except Undeliverable as error:
                full.append(f"{error.reason}: {error}")
                return n
        return 100

    async with LocalRuntime(queue_size=4, queue_limit=10) as runtime:
        slow, fast = await add(runtime, "slow", wait), await add(runtime, "fast", flood)

        async def outside() -> None:
            for n in range(8):
                await runtime.publish_message(Note(f"out {n}"), TopicId("slow:", "k"))

        publishing = asyncio.create_task(outside())
        await settle()
        assert runtime.describe().agents[0].queued == 4
        assert not publishing.done()

        assert await runtime.send_message(Note(), fast) == 6
        assert runtime.describe().agents[0].queued == 10
        assert full[0].startswith("queue full: The queue of slow/k is full")

        go.set()
        await publishing
        await runtime.stop_when_idle()
        runtime.start()
        assert [text for text in (await agent(runtime, slow)).got if text.startswith("out")] == [
            f"out {n}" for n in range(8)
        ]


# --- starting and stopping --------------------------------------------------------------------------------------------


async def test_before_the_start_messages_wait_and_process_next_lets_one_go() -> None:
    async def relay(self: Scripted, message: Note, ctx: MessageContext) -> str:
        if self.id.type == "a":
            return "a+" + await self.send_message(message, AgentId("b", "k"))
        return "b"

    runtime = LocalRuntime()
    a = await add(runtime, "a", relay)
    await add(runtime, "b", relay)
    await runtime.publish_message(Note("one"), TopicId("b:", "k"))
    sending = asyncio.create_task(runtime.send_message(Note("two"), a))
    await settle()
    assert runtime.unprocessed_messages_count == 2

    await runtime.process_next()
    assert (runtime.unprocessed_messages_count, sending.done()) == (1, False)
    await runtime.process_next()
    assert not sending.done()
    await runtime.process_next()

    assert await sending == "a+b"
    await runtime.close()


async def test_stop_while_busy_drops_what_waits_and_tells_everybody() -> None:
    dead: list[DeadLetter] = []
    ended: list[str] = []

    async def hang(self: Scripted, message: Note, ctx: MessageContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(message.text)

    runtime = LocalRuntime(on_dead_letter=dead.append)
    id = await add(runtime, "a", hang)
    runtime.start()
    for n in range(3):
        await runtime.publish_message(Note(str(n)), TopicId("a:", "k"))
    await settle()
    waiting = asyncio.create_task(runtime.send_message(Note("direct"), id))
    await settle()

    await runtime.stop(grace_s=0)

    with pytest.raises(Undeliverable, match="was stopped"):
        await waiting
    assert ended == ["0"]
    assert [letter.message.text for letter in dead if letter.topic_id] == ["1", "2"]
    assert runtime.unprocessed_messages_count == 0
    assert len(asyncio.all_tasks()) == 1
    await runtime.close()
    with pytest.raises(Undeliverable, match="closed"):
        await runtime.send_message(Note(), id)


async def test_handler_that_never_returns_is_named_when_the_time_for_idling_is_up() -> None:
    async def hang(self: Scripted, message: Note, ctx: MessageContext) -> None:
        await asyncio.Event().wait()

    runtime = LocalRuntime()
    await add(runtime, "a", hang)
    runtime.start()
    await runtime.publish_message(Note(), TopicId("a:", "k"))

    with pytest.raises(TimeoutError, match="busy: a/k"):
        await runtime.stop_when_idle(timeout_s=0.05)

    assert "a/k (Scripted): busy, 0 queued" in str(runtime.describe())
    await runtime.stop(grace_s=0)
    await runtime.close()


async def test_stop_when_idle_waits_for_what_handlers_cause() -> None:
    async def pass_on(self: Scripted, message: Note, ctx: MessageContext) -> None:
        await asyncio.sleep(0)
        if len(message.text) < 20:
            await self.publish_message(Note(message.text + "."), TopicId("b:" if self.id.type == "a" else "a:", "k"))

    runtime = LocalRuntime()
    a, b = await add(runtime, "a", pass_on), await add(runtime, "b", pass_on)
    runtime.start()
    await runtime.publish_message(Note(), TopicId("a:", "k"))

    await runtime.stop_when_idle()

    runtime.start()
    assert len((await agent(runtime, a)).got) + len((await agent(runtime, b)).got) == 21
    await runtime.stop()


async def test_stopping_in_a_handler_or_twice_says_so() -> None:
    async def stop(self: Scripted, message: Note, ctx: MessageContext) -> None:
        await runtime.stop_when_idle()

    runtime = LocalRuntime()
    id = await add(runtime, "a", stop)
    with pytest.raises(WrongState, match="not started"):
        await runtime.stop()
    runtime.start()
    with pytest.raises(WrongState, match="started already"):
        runtime.start()

    with pytest.raises(WrongState, match="wait for that very handler"):
        await runtime.send_message(Note(), id)

    await runtime.stop_when(lambda: True)
    await runtime.close()


# --- state, instances, policies ---------------------------------------------------------------------------------------


class Counting(Scripted):
    async def save_state(self) -> Mapping[str, Any]:
        return {"got": self.got}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.got = list(state["got"])


async def test_state_goes_to_another_runtime_and_unknown_types_are_left_out() -> None:
    async with LocalRuntime() as first, LocalRuntime() as second:
        await Counting.register(first, "a", Counting)
        await add(first, "other")
        await Counting.register(second, "a", Counting)
        for key in ("k", "l/m"):
            await first.send_message(Note(key), AgentId("a", key))
        await first.send_message(Note(), AgentId("other", "k"))

        saved = await first.save_state()
        await second.load_state(saved)

        assert saved == {"a/k": {"got": ["k"]}, "a/l/m": {"got": ["l/m"]}, "other/k": {}}
        assert (await agent(second, AgentId("a", "l/m"))).got == ["l/m"]
        proxy = AgentProxy(AgentId("a", "k"), second)
        assert await proxy.save_state() == {"got": ["k"]}
        assert (await proxy.metadata)["type"] == "a"


async def test_instances_and_factories_do_not_mix_and_unregistered_ids_are_unknown() -> None:
    async with LocalRuntime() as runtime:
        one = Scripted()
        await one.register_instance(runtime, AgentId("i", "one"))
        await Scripted().register_instance(runtime, AgentId("i", "two"))
        await add(runtime, "f")

        await runtime.send_message(Note("x"), AgentId("i", "one"))

        assert one.got == ["x"]
        with pytest.raises(ConfigError, match="registered already"):
            await Scripted().register_instance(runtime, AgentId("i", "one"))
        with pytest.raises(ConfigError, match="are Scripted, not Counting"):
            await Counting().register_instance(runtime, AgentId("i", "three"))
        with pytest.raises(ConfigError, match="has a factory"):
            await Scripted().register_instance(runtime, AgentId("f", "one"))
        with pytest.raises(ConfigError, match="registered already"):
            await add(runtime, "f")
        with pytest.raises(Undeliverable, match="only instances"):
            await runtime.send_message(Note(), AgentId("i", "nobody"))


async def test_removed_agent_is_closed_and_made_anew_by_the_next_message() -> None:
    async with LocalRuntime() as runtime:
        id = await add(runtime, "a")
        await runtime.send_message(Note("old"), id)

        await runtime.remove_agent(id)

        await runtime.send_message(Note("new"), id)
        assert (await agent(runtime, id)).got == ["new"]


async def test_send_is_tried_again_by_its_policy_and_becomes_a_dead_letter_at_last() -> None:
    dead: list[DeadLetter] = []
    policy = SendPolicy(timeout_s=0.05, attempts=3, pause_s=0)

    async def hang(self: Scripted, message: Note, ctx: MessageContext) -> str:
        if len(self.got) % 4 != 0:
            await asyncio.Event().wait()
        return "at last"

    async with LocalRuntime(policies={"a": policy}, on_dead_letter=dead.append) as runtime:
        id = await add(runtime, "a", hang)

        with pytest.raises(TimeoutError, match="a/k did not answer Note"):
            await runtime.send_message(Note("x"), id)
        assert [(letter.reason, letter.message.text) for letter in dead] == [("attempts", "x")]
        assert await runtime.send_message(Note("y"), id) == "at last"
        assert (await agent(runtime, id)).got == ["x"] * 3 + ["y"]


async def test_error_that_the_policy_does_not_name_is_raised_at_once() -> None:
    async def fail(self: Scripted, message: Note, ctx: MessageContext) -> None:
        raise ValueError("wrong")

    async with LocalRuntime() as runtime:
        id = await add(runtime, "a", fail)

        with pytest.raises(ValueError, match="wrong"):
            await runtime.send_message(Note(), id, policy=SendPolicy(attempts=5, pause_s=0))

        assert len((await agent(runtime, id)).got) == 1
