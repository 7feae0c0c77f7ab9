import asyncio
from dataclasses import dataclass

from quorate.core import (
    AgentId,
    LocalRuntime,
    MessageContext,
    RoutedAgent,
    TopicId,
    TypeSubscription,
    message_handler,
)


@dataclass
class Note:
    text: str = ""


class Waiter(RoutedAgent):
    go: asyncio.Event

    def __init__(self) -> None:
        super().__init__("waits")

    @message_handler
    async def on_note(self, message: Note, ctx: MessageContext) -> None:
        if message.text == "wait":
            await self.go.wait()


async def test_report_tells_agents_subscriptions_and_the_longest_queue_first() -> None:
    Waiter.go = asyncio.Event()
    runtime = LocalRuntime()
    await Waiter.register(runtime, "waiter", Waiter, skip_direct_message_subscription=True)
    await Waiter.register(runtime, "unused", Waiter, skip_direct_message_subscription=True)
    await runtime.add_subscription(TypeSubscription("t", "waiter", id="mine"))
    assert str(runtime.describe()).startswith("not running, 0 messages unfinished")
    runtime.start()
    await runtime.send_message(Note(), AgentId("waiter", "idle"))
    for key, messages in (("busy", 1), ("crowded", 4)):
        for _ in range(messages):
            await runtime.publish_message(Note("wait"), TopicId("t", key))
    for _ in range(5):
        await asyncio.sleep(0)

    report = runtime.describe()

    assert str(report).splitlines() == [
        "running, 5 messages unfinished",
        "agents: 3 of 2 types",
        "  waiter/crowded (Waiter): busy, 3 queued",
        "  waiter/busy (Waiter): busy, 0 queued",
        "  waiter: 3 made",
        "  unused: 0 made",
        "subscriptions: 1",
        "  mine: TypeSubscription('t' -> waiter)",
    ]
    Waiter.go.set()
    await runtime.stop_when_idle()
    assert [(agent.busy, agent.queued) for agent in runtime.describe().agents] == [(False, 0)] * 3
    await runtime.close()


async def test_report_of_very_many_stays_a_page() -> None:
    runtime = LocalRuntime()
    for n in range(1_000):
        await Waiter.register(runtime, f"type{n}", Waiter)

    lines = str(runtime.describe()).splitlines()

    assert len(lines) < 200
    assert lines.count("  and 950 more") == 2
    await runtime.close()
