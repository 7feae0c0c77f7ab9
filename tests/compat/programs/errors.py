"""How what a handler raises surfaces."""

import asyncio
import logging
from dataclasses import dataclass

from autogen_core import AgentId, BaseAgent, SingleThreadedAgentRuntime, TopicId, TypeSubscription

logging.disable(logging.CRITICAL)


@dataclass
class Do:
    what: str


class Agent(BaseAgent):
    def __init__(self):
        super().__init__("does")

    async def on_message_impl(self, message, ctx):
        if message.what == "raise":
            raise KeyError("from the handler")
        if message.what == "pass on":
            return await self.send_message(Do("raise"), AgentId("agent", "inner"))
        print("did", message.what)
        return message.what


async def make(**options):
    runtime = SingleThreadedAgentRuntime(**options)
    await Agent.register(runtime, "agent", Agent)
    await runtime.add_subscription(TypeSubscription("t", "agent"))
    return runtime


async def main():
    runtime = await make()
    runtime.start()
    for what in ["raise", "pass on"]:
        try:
            await runtime.send_message(Do(what), AgentId("agent", "k"))
        except KeyError as error:
            print("KeyError", error)
    try:
        await runtime.send_message(Do("x"), AgentId("nobody", "k"))
    except Exception as error:
        print(str(error).startswith("Recipient not found"))
    await runtime.publish_message(Do("raise"), TopicId("t", "s"))
    await runtime.publish_message(Do("go on"), TopicId("t", "s"))
    await runtime.stop_when_idle()
    print("it went on")

    runtime = await make(ignore_unhandled_exceptions=False)
    runtime.start()
    await runtime.publish_message(Do("raise"), TopicId("t", "s"))
    try:
        await runtime.stop_when_idle()
    except KeyError as error:
        print("stop_when_idle: KeyError", error)
    try:
        await runtime.stop()
    except RuntimeError:
        print("RuntimeError")

    runtime = await make(ignore_unhandled_exceptions=False)
    await runtime.publish_message(Do("raise"), TopicId("t", "s"))
    await runtime.process_next()
    await asyncio.sleep(0.05)
    try:
        await runtime.process_next()
    except KeyError as error:
        print("process_next: KeyError", error)

    runtime = await make(ignore_unhandled_exceptions=False)
    runtime.start()
    await runtime.publish_message(Do("raise"), TopicId("t", "s"))
    await asyncio.sleep(0.05)
    try:
        await runtime.stop()
    except KeyError as error:
        print("stop: KeyError", error)

    runtime = await make(ignore_unhandled_exceptions=False)
    runtime.start()
    try:
        await runtime.send_message(Do("raise"), AgentId("agent", "k"))
    except KeyError:
        print("an error that its sender gets is handled")
    await runtime.stop_when_idle()


asyncio.run(main())
