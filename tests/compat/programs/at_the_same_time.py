"""Handlers run at the same time, also those of one agent; nobody hears itself."""

import asyncio
from dataclasses import dataclass

from autogen_core import AgentId, BaseAgent, SingleThreadedAgentRuntime, TopicId, TypeSubscription


@dataclass
class Wait:
    ticks: int


class Sleeper(BaseAgent):
    def __init__(self):
        super().__init__("sleeps")
        self.at_work = 0
        self.most = 0

    async def on_message_impl(self, message, ctx):
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        while self.most < 3:  # noqa: ASYNC110  # until all are there
            await asyncio.sleep(0)
        for _ in range(message.ticks):
            await asyncio.sleep(0)
        self.at_work -= 1
        print(self.id, "done", message.ticks)
        return message.ticks


class Gossip(BaseAgent):
    def __init__(self):
        super().__init__("talks")

    async def on_message_impl(self, message, ctx):
        print(self.id, "hears from", ctx.sender)
        if ctx.sender is None:
            await self.publish_message(Wait(1), TopicId("gossip", "s"))


async def main():
    runtime = SingleThreadedAgentRuntime()
    await Sleeper.register(runtime, "sleeper", Sleeper)
    runtime.start()
    one = AgentId("sleeper", "one")
    print(await asyncio.gather(*(runtime.send_message(Wait(ticks), one) for ticks in (7, 4, 1))))
    print("at once", (await runtime.try_get_underlying_agent_instance(one, Sleeper)).most)
    await runtime.stop_when_idle()

    for name in ["ann", "bob"]:
        await Gossip.register(runtime, name, Gossip)
        await runtime.add_subscription(TypeSubscription("gossip", name))
    runtime.start()
    await runtime.send_message(Wait(0), AgentId("ann", "s"))
    await runtime.stop_when_idle()


asyncio.run(main())
