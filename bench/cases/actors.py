"""Agents of the runtime that talk: direct round trips, topics, many types, many idle agents, a long chain."""

import asyncio
import gc
import resource
import tracemalloc
from dataclasses import dataclass

from benchkit.script import Watch, emit, expect, options
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
class Ping:
    text: str


class Echo(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("echo")
        self.got = 0

    @message_handler
    async def on_ping(self, message: Ping, ctx: MessageContext) -> Ping | None:
        self.got += 1
        return message if ctx.is_rpc else None


class Link(RoutedAgent):
    """Passes each message on to the next agent of the chain."""

    def __init__(self, following: AgentId | None) -> None:
        super().__init__("link")
        self.following = following
        self.got = 0

    @message_handler
    async def on_ping(self, message: Ping, ctx: MessageContext) -> None:
        self.got += 1
        if self.following is not None:
            await self.publish_message(message, TopicId(self.following.type, self.following.key))


async def round_trip(runtime: LocalRuntime, count: int) -> float:
    """Return the microseconds of a direct send and its answer."""
    id = AgentId("echo0", "k")
    await runtime.send_message(Ping("warm"), id)
    with Watch() as watch:
        for _ in range(count):
            await runtime.send_message(Ping("hello"), id)
    return 1e6 * watch.cpu_s / count


async def deliver(runtime: LocalRuntime, subscribers: int, count: int) -> float:
    """Return the microseconds of one delivery of a message that so many agents get."""
    for n in range(subscribers):
        await runtime.add_subscription(TypeSubscription(f"to{subscribers}", f"echo{n}"))
    topic = TopicId(f"to{subscribers}", "k")
    agents = [
        await runtime.try_get_underlying_agent_instance(AgentId(f"echo{n}", "k"), Echo) for n in range(subscribers)
    ]
    before = sum(agent.got for agent in agents)
    await runtime.publish_message(Ping("warm"), topic)
    await idle(runtime)
    with Watch() as watch:
        for _ in range(count):
            await runtime.publish_message(Ping("hello"), topic)
        await idle(runtime)
    expect(sum(agent.got for agent in agents) - before == (count + 1) * subscribers, "a message got lost")
    return 1e6 * watch.cpu_s / (count * subscribers)


async def idle(runtime: LocalRuntime) -> None:
    """Wait until everything is handled; the runtime goes on."""
    await runtime.stop_when_idle()
    runtime.start()


async def types(count: int, scale: float) -> dict[str, float]:
    """Measure with so many registered types."""
    async with LocalRuntime() as runtime:
        for n in range(count):
            await Echo.register(runtime, f"echo{n}", Echo)
        figures = {"round_trip_us": await round_trip(runtime, int(10_000 * scale))}
        for subscribers in (1, 10, 100):
            times = int(20_000 * scale / subscribers)
            figures[f"deliver_{subscribers}_us"] = await deliver(runtime, subscribers, max(times, 5))
        return figures


async def idle_bytes(count: int) -> float:
    """Return the bytes of one agent that got a message and now does nothing, its id and key included."""
    async with LocalRuntime() as runtime:
        await Echo.register(runtime, "echo", Echo)
        message = Ping("hello")
        await runtime.send_message(message, AgentId("echo", "warm"))
        gc.collect()
        tracemalloc.start()
        for n in range(count):
            await runtime.send_message(message, AgentId("echo", f"session-{n}"))
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return held / count


async def chain(messages: int) -> dict[str, float]:
    """Send each message through all of a hundred agents.

    Returns:
        The cost of a hop, and how memory's peak grew in the second half.
    """
    length = 100
    async with LocalRuntime() as runtime:
        for n in range(length):
            following = AgentId(f"link{n + 1}", "k") if n + 1 < length else None
            await Link.register(runtime, f"link{n}", lambda following=following: Link(following))
            await runtime.add_subscription(TypeSubscription(f"link{n}", f"link{n}"))
        with Watch() as watch:
            await feed(runtime, messages // 2)
            middle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            await feed(runtime, messages - messages // 2)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - middle
        last = await runtime.try_get_underlying_agent_instance(AgentId(f"link{length - 1}", "k"), Link)
        expect(last.got == messages, "a message got lost on the way")
    return {"hop_us": 1e6 * watch.cpu_s / (messages * length), "chain_grown_kb": float(grown)}


async def feed(runtime: LocalRuntime, count: int) -> None:
    for _ in range(count):
        await runtime.publish_message(Ping("hello"), TopicId("link0", "k"))
    await idle(runtime)


async def main() -> None:
    given = options()
    if given.variant == "many":
        emit(**await types(1_000, given.scale))
    elif given.variant == "idle":
        emit(idle_bytes=await idle_bytes(given.scaled(10_000)))
    elif given.variant == "chain":
        emit(**await chain(given.scaled(1_000)))
    elif given.variant == "long":
        emit(**await chain(given.scaled(100_000)))
    else:
        emit(**await types(100, given.scale))


asyncio.run(main())
