"""What may go wrong in the runtime, while agents are at work."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from quorate.core import (
    AgentId,
    CancellationToken,
    DeadLetter,
    DefaultInterventionHandler,
    HandlerFailure,
    LocalRuntime,
    MessageContext,
    RoutedAgent,
    TopicId,
    TypeSubscription,
    message_handler,
)
from quorate.errors import Undeliverable

Script = Callable[["Scripted", str, MessageContext], Awaitable[Any]]


@dataclass
class Note:
    text: str = ""


class Scripted(RoutedAgent):
    def __init__(self, script: Script | None = None) -> None:
        super().__init__("does what the test says")
        self.script, self.got, self.closed = script, list[str](), False

    @message_handler
    async def on_note(self, message: Note, ctx: MessageContext) -> Any:
        self.got.append(message.text)
        return None if self.script is None else await self.script(self, message.text, ctx)

    async def close(self) -> None:
        self.closed = True
        if self.script is None:
            raise OSError("cannot be closed")


async def add(runtime: LocalRuntime, name: str, script: Script | None = None) -> AgentId:
    await Scripted.register(runtime, name, lambda: Scripted(script))
    return AgentId(name, "k")


async def got(runtime: LocalRuntime, id: AgentId) -> list[str]:
    return (await runtime.try_get_underlying_agent_instance(id, Scripted)).got


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def answer(self: Scripted, text: str, ctx: MessageContext) -> str | None:
    return text if ctx.is_rpc else None


# --- cancel in the middle ---------------------------------------------------------------------------------------------


async def test_token_of_a_published_message_cancels_its_handlers_and_is_no_failure() -> None:
    failures: list[HandlerFailure] = []
    ended: list[str] = []

    async def hang(self: Scripted, text: str, ctx: MessageContext) -> None:
        if text == "hang":
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(self.id.type)

    async with LocalRuntime(on_error=failures.append) as runtime:
        ids = [await add(runtime, name, hang) for name in ("a", "b")]
        for id in ids:
            await runtime.add_subscription(TypeSubscription("t", id.type))
        token = CancellationToken()
        await runtime.publish_message(Note("hang"), TopicId("t", "k"), cancellation_token=token)
        await runtime.publish_message(Note("next"), TopicId("t", "k"))
        await settle()

        token.cancel()
        await runtime.stop_when_idle(timeout_s=60)
        runtime.start()

        assert sorted(ended) == ["a", "b"]
        assert [await got(runtime, id) for id in ids] == [["hang", "next"]] * 2
    assert failures == []


async def test_token_that_is_cancelled_already_lets_no_handler_begin() -> None:
    token = CancellationToken()
    token.cancel()
    async with LocalRuntime() as runtime:
        id = await add(runtime, "a", answer)

        with pytest.raises(asyncio.CancelledError):
            await runtime.send_message(Note("x"), id, cancellation_token=token)

        assert await got(runtime, id) == []
        assert runtime.unprocessed_messages_count == 0


async def test_cancelling_a_send_reaches_the_handlers_that_its_handler_waits_for() -> None:
    ended: list[str] = []

    async def ask_on(self: Scripted, text: str, ctx: MessageContext) -> None:
        try:
            if self.id.type == "c":
                await asyncio.Event().wait()
            await self.send_message(Note(text), AgentId({"a": "b", "b": "c"}[self.id.type], "k"))
        finally:
            ended.append(self.id.type)

    async with LocalRuntime() as runtime:
        a, _, _ = [await add(runtime, name, ask_on) for name in "abc"]
        sending = asyncio.create_task(runtime.send_message(Note(), a))
        await settle()

        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

        assert ended == ["c", "b", "a"]
        assert [agent for agent in runtime.describe().agents if agent.busy] == []


async def test_sender_cancelled_while_its_agent_is_made_leaves_the_making_to_the_next() -> None:
    made: list[int] = []
    go = asyncio.Event()

    async def make() -> Scripted:
        made.append(1)
        await go.wait()
        return Scripted(answer)

    async with LocalRuntime() as runtime:
        await Scripted.register(runtime, "a", make)
        id = AgentId("a", "k")
        first, second = (asyncio.create_task(runtime.send_message(Note(text), id)) for text in ("1", "2"))
        await settle()

        first.cancel()
        go.set()

        assert await second == "2"
        assert len(made) == 2
        assert await got(runtime, id) == ["2"]


async def test_handler_that_is_cancelled_from_inside_is_a_failure_and_not_a_silence() -> None:
    failures: list[HandlerFailure] = []

    async def gone(self: Scripted, text: str, ctx: MessageContext) -> None:
        raise asyncio.CancelledError

    async with LocalRuntime(on_error=failures.append) as runtime:
        id = await add(runtime, "a", gone)
        await runtime.publish_message(Note(), TopicId("a:", "k"))

    assert [(one.agent, type(one.error)) for one in failures] == [(id, asyncio.CancelledError)]


# --- stop while busy --------------------------------------------------------------------------------------------------


async def test_stop_lets_handlers_of_direct_sends_end_with_their_senders_and_it_can_start_again() -> None:
    go = asyncio.Event()

    async def wait(self: Scripted, text: str, ctx: MessageContext) -> str:
        await go.wait()
        return text

    runtime = LocalRuntime()
    id = await add(runtime, "a", wait)
    runtime.start()
    sending = asyncio.create_task(runtime.send_message(Note("1"), id))
    await settle()

    await runtime.stop()
    assert not sending.done()
    later = asyncio.create_task(runtime.send_message(Note("2"), id))
    await settle()
    go.set()
    assert await sending == "1"
    assert not later.done()
    runtime.start()

    assert await later == "2"
    await runtime.stop()
    await runtime.close()


async def test_stop_when_asks_after_each_message() -> None:
    runtime = LocalRuntime()
    id = await add(runtime, "a", answer)
    runtime.start()
    agent = await runtime.try_get_underlying_agent_instance(id, Scripted)
    for n in range(5):
        await runtime.publish_message(Note(str(n)), TopicId("a:", "k"))

    async with asyncio.timeout(60):
        await runtime.stop_when(lambda: len(agent.got) >= 2, every_s=60)

    assert agent.got[:2] == ["0", "1"]
    await runtime.close()


async def test_agent_that_cannot_be_closed_is_told_and_the_others_are_closed() -> None:
    failures: list[HandlerFailure] = []
    runtime = LocalRuntime(on_error=failures.append)
    bad, good = await add(runtime, "bad"), await add(runtime, "good", answer)
    agents = [await runtime.try_get_underlying_agent_instance(id, Scripted) for id in (bad, good)]

    await runtime.close()

    assert [agent.closed for agent in agents] == [True, True]
    assert [(one.agent, one.message, str(one.error)) for one in failures] == [(bad, None, "cannot be closed")]


async def test_state_is_taken_between_two_messages() -> None:
    go = asyncio.Event()

    class Half(Scripted):
        async def save_state(self) -> dict[str, Any]:
            return {"half": self.half}

        half = False

    async def halves(self: Any, text: str, ctx: MessageContext) -> None:
        self.half = True
        await go.wait()
        self.half = False

    async with LocalRuntime() as runtime:
        await Half.register(runtime, "a", lambda: Half(halves))
        await runtime.publish_message(Note(), TopicId("a:", "k"))
        await settle()
        saving = asyncio.create_task(runtime.save_state())
        await settle()
        assert not saving.done()
        go.set()

        assert await saving == {"a/k": {"half": False}}


# --- hooks, errors that end the runtime -------------------------------------------------------------------------------


async def test_hooks_that_fail_are_logged_and_the_runtime_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("the hook is broken")

    async def fail(self: Scripted, text: str, ctx: MessageContext) -> None:
        if text == "fail":
            raise LookupError("the handler failed")

    async with LocalRuntime(on_error=broken, on_dead_letter=broken) as runtime:
        id = await add(runtime, "a", fail)
        await runtime.publish_message(Note("fail"), TopicId("a:", "k"))
        await runtime.publish_message("nobody handles text", TopicId("a:", "k"))
        await runtime.publish_message(Note("next"), TopicId("a:", "k"))
        await runtime.stop_when_idle()
        runtime.start()

        assert await got(runtime, id) == ["fail", "next"]
    for said in ("The error hook of a runtime failed", "The dead-letter hook", "the handler failed", "was not handled"):
        assert said in caplog.text


async def test_runtime_that_does_not_ignore_errors_drops_what_waits_and_tells_it() -> None:
    dead: list[DeadLetter] = []

    async def fail(self: Scripted, text: str, ctx: MessageContext) -> None:
        raise LookupError(text)

    runtime = LocalRuntime(ignore_unhandled_exceptions=False, on_error=lambda _: None, on_dead_letter=dead.append)
    id = await add(runtime, "a", fail)
    for n in range(3):
        await runtime.publish_message(Note(str(n)), TopicId("a:", "k"))

    with pytest.raises(LookupError, match="0"):
        await runtime.process_next()

    assert [(letter.message.text, letter.reason) for letter in dead] == [("1", "stopped"), ("2", "stopped")]
    assert runtime.unprocessed_messages_count == 0
    assert await got(runtime, id) == ["0"]
    await runtime.close()


async def test_error_of_an_intervention_in_an_answer_reaches_the_sender_and_the_agent_goes_on() -> None:
    class NoAnswers(DefaultInterventionHandler):
        async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
            if message == "secret":
                raise PermissionError(f"{sender} must not say it")
            return message

    async with LocalRuntime(intervention_handlers=[NoAnswers()]) as runtime:
        id = await add(runtime, "a", answer)

        with pytest.raises(PermissionError, match="a/k must not"):
            await runtime.send_message(Note("secret"), id)
        assert await runtime.send_message(Note("news"), id) == "news"


async def test_factory_that_makes_nothing_useful_fails_each_message_alone() -> None:
    failures: list[HandlerFailure] = []
    dead: list[DeadLetter] = []

    def make() -> Scripted:
        raise MemoryError("too much")

    async with LocalRuntime(on_error=failures.append, on_dead_letter=dead.append) as runtime:
        await Scripted.register(runtime, "a", make)
        for _ in range(3):
            await runtime.publish_message(Note(), TopicId("a:", "k"))

    assert [str(one.error) for one in failures] == ["too much"] * 3
    assert [letter.reason for letter in dead] == ["not made"] * 3


# --- fairness, back-pressure ------------------------------------------------------------------------------------------


async def test_agent_with_few_messages_does_not_wait_for_one_with_many() -> None:
    order: list[str] = []

    async def note(self: Scripted, text: str, ctx: MessageContext) -> None:
        order.append(self.id.type)

    async with LocalRuntime() as runtime:
        for name in ("many", "few"):
            await add(runtime, name, note)
        for _ in range(500):
            await runtime.publish_message(Note(), TopicId("many:", "k"))
        for _ in range(3):
            await runtime.publish_message(Note(), TopicId("few:", "k"))

    assert len(order) == 503
    assert [at for at, name in enumerate(order) if name == "few"][-1] < 10


async def test_sender_outside_who_gives_up_waiting_for_room_leaves_it_to_the_next() -> None:
    go = asyncio.Event()

    async def wait(self: Scripted, text: str, ctx: MessageContext) -> None:
        await go.wait()

    async with LocalRuntime(queue_size=1, queue_limit=1) as runtime:
        id = await add(runtime, "a", wait)
        for text in ("at work", "in line"):
            await runtime.publish_message(Note(text), TopicId("a:", "k"))
        first, second = (
            asyncio.create_task(runtime.publish_message(Note(text), TopicId("a:", "k")))
            for text in ("gives up", "last")
        )
        await settle()
        assert not first.done()
        first.cancel()
        go.set()
        await second
        await runtime.stop_when_idle()
        runtime.start()

        assert await got(runtime, id) == ["at work", "in line", "last"]


async def test_messages_before_the_start_are_bounded_too() -> None:
    runtime = LocalRuntime(queue_size=2, queue_limit=2)
    await add(runtime, "a", answer)
    for _ in range(2):
        await runtime.publish_message(Note(), TopicId("a:", "k"))

    with pytest.raises(Undeliverable, match=r"Call start\(\) first") as refused:
        await runtime.publish_message(Note(), TopicId("a:", "k"))

    assert refused.value.reason == "queue full"
    await runtime.close()


async def test_storm_of_an_agent_that_publishes_to_itself_through_another_stays_within_the_queue() -> None:
    longest: list[int] = []
    refused: list[Undeliverable] = []

    async def double(self: Scripted, text: str, ctx: MessageContext) -> None:
        longest.append(max(agent.queued for agent in runtime.describe().agents))
        for _ in range(2):
            try:
                await self.publish_message(Note(), TopicId("b:" if self.id.type == "a" else "a:", "k"))
            except Undeliverable as error:
                refused.append(error)
                raise

    failures: list[HandlerFailure] = []
    dead: list[DeadLetter] = []
    runtime = LocalRuntime(queue_size=50, queue_limit=50, on_error=failures.append, on_dead_letter=dead.append)
    for name in ("a", "b"):
        await add(runtime, name, double)
    runtime.start()
    await runtime.publish_message(Note(), TopicId("a:", "k"))

    async with asyncio.timeout(60):
        await runtime.stop_when(lambda: len(refused) > 20, every_s=60)

    assert max(longest) <= 50
    assert {error.reason for error in refused} == {"queue full"}
    assert len(failures) + sum(letter.reason == "queue full" for letter in dead) >= len(refused) - 1
    await runtime.close()
