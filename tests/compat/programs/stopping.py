"""Starting, stopping, and going step by step."""

import asyncio
from dataclasses import dataclass

from autogen_core import AgentId, BaseAgent, SingleThreadedAgentRuntime, TopicId, TypeSubscription


@dataclass
class Count:
    down: int


class Counter(BaseAgent):
    total = 0

    def __init__(self):
        super().__init__("counts")

    async def on_message_impl(self, message, ctx):
        Counter.total += 1
        if message.down:
            other = AgentId("counter", "b" if self.id.key == "a" else "a")
            if ctx.is_rpc:
                return await self.send_message(Count(message.down - 1), other)
            await self.publish_message(Count(message.down - 1), TopicId("t", other.key))
        return Counter.total

    async def close(self):
        print("closed", self.id)


async def main():
    runtime = SingleThreadedAgentRuntime()
    await Counter.register(runtime, "counter", Counter)
    await runtime.add_subscription(TypeSubscription("t", "counter"))
    for stop in [runtime.stop, runtime.stop_when_idle]:
        try:
            await stop()
        except RuntimeError:
            print("RuntimeError")
    try:
        await runtime.stop_when(lambda: True)
    except RuntimeError:
        print("RuntimeError")

    await runtime.publish_message(Count(2), TopicId("t", "a"))
    print("before the start", runtime.unprocessed_messages_count, Counter.total)
    await runtime.process_next()
    await asyncio.sleep(0.02)
    print("one step", runtime.unprocessed_messages_count, Counter.total)
    runtime.start()
    try:
        runtime.start()
    except RuntimeError:
        print("RuntimeError")
    await runtime.stop_when_idle()
    print("idle", runtime.unprocessed_messages_count, Counter.total)

    runtime.start()
    print("again", await runtime.send_message(Count(5), AgentId("counter", "a")))
    await runtime.publish_message(Count(50), TopicId("t", "a"))
    await runtime.stop_when(lambda: Counter.total >= 20)
    print("stopped when", Counter.total >= 20)

    before = Counter.total
    await asyncio.sleep(0.05)
    print("nothing goes on", Counter.total == before)
    await runtime.close()

    waiting = SingleThreadedAgentRuntime()
    await Counter.register(waiting, "counter", Counter)
    sent = asyncio.ensure_future(waiting.send_message(Count(0), AgentId("counter", "x")))
    await asyncio.sleep(0)
    print("sent before the start", waiting.unprocessed_messages_count, sent.done())
    waiting.start()
    print("answered", await sent == before + 1)
    await waiting.close()
    await waiting.close()


asyncio.run(main())
