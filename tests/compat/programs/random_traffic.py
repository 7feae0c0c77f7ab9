"""Many small worlds of agents, subscriptions and messages, drawn at random with fixed seeds: who handles what."""

import asyncio
import logging
import random
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    CancellationToken,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypePrefixSubscription,
    TypeSubscription,
    event,
    rpc,
)

TYPES, KEYS, TOPICS = ["ann", "bob", "cyd"], ["1", "2"], ["news", "new", "talk"]


@dataclass
class Do:
    """What to do, how often, and then."""

    steps: list


class World:
    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.log = []
        self.count = 0

    def steps(self, depth):
        """Draw what a handler does: wait, ask, publish, or fail."""
        made = []
        for _ in range(self.draw.randint(0, 2)):
            self.count += 1
            what = self.draw.choice(["wait", "ask", "ask", "publish", "publish", "fail"])
            if what == "wait":
                made.append(("wait", self.draw.randint(1, 3)))
            elif what == "fail":
                made.append(("fail", self.count))
            elif depth and self.count < 20:
                to = (self.draw.choice(TYPES if what == "ask" else TOPICS), self.draw.choice(KEYS))
                made.append((what, to, self.count, self.steps(depth - 1)))
        return made


class Actor(RoutedAgent):
    def __init__(self, world):
        super().__init__("acts")
        self.world = world

    @event
    async def on_event(self, message: Do, ctx: MessageContext) -> None:
        await self.act(message, ctx)

    @rpc
    async def on_rpc(self, message: Do, ctx: MessageContext) -> str:
        await self.act(message, ctx)
        return f"answer of {self.id}"

    async def act(self, message, ctx):
        note = self.world.log.append
        note(f"{self.id} begins, from {ctx.sender}, on {ctx.topic_id}")
        for what, *how in message.steps:
            if what == "wait":
                for _ in range(how[0] * 100):
                    await asyncio.sleep(0)
            elif what == "fail":
                raise ValueError(f"number {how[0]}")
            elif what == "publish":
                (kind, source), number, steps = how
                note(f"{self.id} publishes {number}")
                await self.publish_message(Do(steps), TopicId(kind, source))
            else:
                (kind, key), number, steps = how
                try:
                    answer = await self.send_message(
                        Do(steps), AgentId(kind, key), cancellation_token=CancellationToken()
                    )
                except ValueError as error:
                    answer = f"ValueError {error}"
                note(f"{self.id} asked {number} and got {answer}")
        note(f"{self.id} ends")


async def play(seed):
    world = World(seed)
    runtime = SingleThreadedAgentRuntime()
    for kind in TYPES:
        await Actor.register(runtime, kind, lambda: Actor(world))
        # One subscription an agent: with two that match it would get two copies there.
        if world.draw.random() < 0.5:
            await runtime.add_subscription(TypeSubscription(world.draw.choice(TOPICS), kind))
        else:
            await runtime.add_subscription(TypePrefixSubscription(world.draw.choice(["ne", "new", "t"]), kind))
    runtime.start()
    sent = []
    for _ in range(world.draw.randint(1, 3)):
        steps = world.steps(3)
        if world.draw.random() < 0.5:
            id = AgentId(world.draw.choice(TYPES), world.draw.choice(KEYS))
            sent.append(asyncio.ensure_future(runtime.send_message(Do(steps), id)))
        else:
            await runtime.publish_message(Do(steps), TopicId(world.draw.choice(TOPICS), world.draw.choice(KEYS)))
    answers = await asyncio.gather(*sent, return_exceptions=True)
    await runtime.stop_when_idle()
    return [*sorted(world.log), *(repr(answer) for answer in answers)]


async def main():
    worlds = await asyncio.gather(*(play(seed) for seed in range(60)))
    for seed, lines in enumerate(worlds):
        print("world", seed, *lines, sep="\n  ")


logging.disable(logging.CRITICAL)
asyncio.run(main())
