import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from quorate.core import (
    AgentId,
    DeadLetter,
    LocalRuntime,
    MessageContext,
    RoutedAgent,
    SendPolicy,
    TopicId,
    message_handler,
)
from quorate.errors import CantHandle, ConfigError, Undeliverable


@dataclass
class Note:
    text: str = ""


class Doer(RoutedAgent):
    def __init__(self, do: Callable[["Doer", MessageContext], Awaitable[Any]]) -> None:
        super().__init__("does what the test says")
        self.do, self.ids = do, list[str]()

    @message_handler
    async def on_note(self, message: Note, ctx: MessageContext) -> Any:
        self.ids.append(ctx.message_id)
        return await self.do(self, ctx)


async def add(runtime: LocalRuntime, name: str, do: Callable[[Doer, MessageContext], Awaitable[Any]]) -> Doer:
    await Doer.register(runtime, name, lambda: Doer(do))
    return await runtime.try_get_underlying_agent_instance(AgentId(name, "k"), Doer)


async def hang(self: Doer, ctx: MessageContext) -> None:
    await asyncio.Event().wait()


def test_pauses_double_up_to_the_longest() -> None:
    policy = SendPolicy(attempts=6, pause_s=1.0, max_pause_s=5.0)

    assert [policy.pause_before(attempt) for attempt in range(2, 7)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert policy.pause_before(10_000) == 5.0


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"attempts": 0}, "at least once"), ({"timeout_s": 0}, "positive number"), ({"pause_s": -1.0}, "negative")],
)
def test_figures_out_of_range_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        SendPolicy(**settings)


async def test_policy_of_the_send_goes_before_that_of_the_type_and_that_before_the_general_one() -> None:
    async with LocalRuntime(
        policy=SendPolicy(timeout_s=0.05), policies={"b": SendPolicy(timeout_s=0.05, attempts=2, pause_s=0)}
    ) as runtime:
        a, b = await add(runtime, "a", hang), await add(runtime, "b", hang)

        for name, policy in (("a", None), ("b", None), ("b", SendPolicy(timeout_s=0.05, attempts=3, pause_s=0))):
            with pytest.raises(TimeoutError):
                await runtime.send_message(Note(), AgentId(name, "k"), policy=policy)

        assert (len(a.ids), len(b.ids)) == (1, 2 + 3)


async def test_attempts_have_one_message_id_and_each_handler_is_cancelled_before_the_next_begins() -> None:
    at_work: list[int] = []

    async def count(self: Doer, ctx: MessageContext) -> None:
        at_work.append(1)
        try:
            await asyncio.Event().wait()
        finally:
            at_work.remove(1)
            assert at_work == []

    async with LocalRuntime() as runtime:
        a = await add(runtime, "a", count)

        with pytest.raises(TimeoutError):
            await runtime.send_message(
                Note(), AgentId("a", "k"), policy=SendPolicy(timeout_s=0.05, attempts=3, pause_s=0)
            )

        assert len(a.ids) == 3
        assert len(set(a.ids)) == 1


async def test_time_in_line_counts_and_who_gives_up_there_is_handled_by_nobody() -> None:
    go = asyncio.Event()

    async def wait(self: Doer, ctx: MessageContext) -> str:
        await go.wait()
        return "done"

    async with LocalRuntime() as runtime:
        a = await add(runtime, "a", wait)
        first = asyncio.create_task(runtime.send_message(Note(), AgentId("a", "k")))
        await asyncio.sleep(0)

        with pytest.raises(TimeoutError, match=r"a/k did not answer Note in 0\.05 s"):
            await runtime.send_message(Note(), AgentId("a", "k"), policy=SendPolicy(timeout_s=0.05))
        go.set()

        assert await first == "done"
        assert len(a.ids) == 1


async def test_time_out_of_an_inner_send_is_not_taken_for_ones_own() -> None:
    async def ask(self: Doer, ctx: MessageContext) -> None:
        await self.runtime.send_message(Note(), AgentId("slow", "k"), policy=SendPolicy(timeout_s=0.05))

    async with LocalRuntime() as runtime:
        await add(runtime, "slow", hang)
        await add(runtime, "a", ask)

        with pytest.raises(TimeoutError, match="slow/k did not answer"):
            await runtime.send_message(Note(), AgentId("a", "k"), policy=SendPolicy(timeout_s=60))


async def test_named_error_is_tried_again_until_it_works_and_is_no_dead_letter() -> None:
    dead: list[DeadLetter] = []

    class Busy(Exception):
        pass

    async def third_time(self: Doer, ctx: MessageContext) -> str:
        if len(self.ids) < 3:
            raise Busy
        return "ok"

    async with LocalRuntime(on_dead_letter=dead.append) as runtime:
        await add(runtime, "a", third_time)
        policy = SendPolicy(attempts=3, pause_s=0, retry_on=(Busy,))

        assert await runtime.send_message(Note(), AgentId("a", "k"), policy=policy) == "ok"

    assert dead == []


async def test_cancelling_in_the_pause_between_attempts_ends_the_send() -> None:
    async def fail(self: Doer, ctx: MessageContext) -> None:
        raise ConnectionError

    async with LocalRuntime() as runtime:
        a = await add(runtime, "a", fail)
        policy = SendPolicy(attempts=3, pause_s=3600, max_pause_s=3600)
        sending = asyncio.create_task(runtime.send_message(Note(), AgentId("a", "k"), policy=policy))
        for _ in range(5):
            await asyncio.sleep(0)

        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

        assert len(a.ids) == 1


async def test_every_reason_for_a_dead_letter_is_told_once() -> None:
    dead: list[DeadLetter] = []

    async def fail(self: Doer, ctx: MessageContext) -> None:
        raise ConnectionError("down")

    async def ask_back(self: Doer, ctx: MessageContext) -> None:
        if ctx.sender is not None:
            return
        await asyncio.sleep(0)
        await self.send_message(Note(), AgentId("y" if self.id.type == "x" else "x", "k"))

    def broken() -> Doer:
        raise OSError("no")

    runtime = LocalRuntime(on_dead_letter=dead.append, on_error=lambda _: None)
    for name, do in (("hangs", hang), ("fails", fail), ("x", ask_back), ("y", ask_back)):
        await add(runtime, name, do)
    await Doer.register(runtime, "broken", broken)
    runtime.start()
    await runtime.publish_message(Note(), TopicId("nobody", "k"))
    await runtime.publish_message(Note(), TopicId("broken:", "k"))
    await runtime.publish_message("text", TopicId("fails:", "k"))
    for name, policy, error in (
        ("unknown", None, Undeliverable),
        ("fails", SendPolicy(attempts=2, pause_s=0), ConnectionError),
    ):
        with pytest.raises(error):
            await runtime.send_message(Note(), AgentId(name, "k"), policy=policy)
    with pytest.raises(CantHandle):  # the sender was told, so it is no dead letter
        await runtime.send_message("text", AgentId("fails", "k"))
    circle = await asyncio.gather(
        *(runtime.send_message(Note(), AgentId(name, "k")) for name in "xy"), return_exceptions=True
    )
    await runtime.stop_when_idle()
    runtime.start()
    for _ in range(2):
        await runtime.publish_message(Note(), TopicId("hangs:", "k"))
    for _ in range(5):
        await asyncio.sleep(0)
    await runtime.stop(grace_s=0)
    await runtime.close()

    assert sorted(type(one).__name__ for one in circle) == ["NoneType", "Undeliverable"]
    assert sorted((letter.reason, str(letter.recipient or letter.topic_id)) for letter in dead) == [
        ("attempts", "fails/k"),
        ("circle", "x/k"),
        ("no handler", "fails/k"),
        ("no subscriber", "nobody/k"),
        ("not made", "broken/k"),
        ("stopped", "hangs/k"),
        ("unknown agent", "unknown/k"),
    ]
