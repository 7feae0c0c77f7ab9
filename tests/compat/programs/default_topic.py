"""Sessions: agents of one source talk among themselves."""

import asyncio
from dataclasses import dataclass

from autogen_core import (
    DefaultTopicId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    default_subscription,
    message_handler,
    type_subscription,
)


@dataclass
class Task:
    text: str


@dataclass
class Done:
    text: str


@default_subscription
class Worker(RoutedAgent):
    def __init__(self):
        super().__init__("works")

    @message_handler
    async def on_task(self, message: Task, ctx: MessageContext) -> None:
        await self.publish_message(Done(message.text.upper()), topic_id=DefaultTopicId())


@default_subscription()
class Boss(RoutedAgent):
    def __init__(self):
        super().__init__("listens")

    @message_handler
    async def on_done(self, message: Done, ctx: MessageContext) -> None:
        print(self.id, "from", ctx.sender, "on", ctx.topic_id, message.text)


class Heir(Worker):
    """Inherits the handlers, but no subscription."""


@type_subscription("news")
@type_subscription("weather")
class Reader(RoutedAgent):
    def __init__(self):
        super().__init__("reads")

    @message_handler
    async def on_task(self, message: Task, ctx: MessageContext) -> None:
        print(self.id, "reads", message.text, "on", ctx.topic_id)


async def main():
    runtime = SingleThreadedAgentRuntime()
    await Worker.register(runtime, "worker", Worker)
    await Boss.register(runtime, "boss", Boss)
    await Heir.register(runtime, "heir", Heir)
    await Reader.register(runtime, "reader", Reader)
    await Reader.register(runtime, "deaf", Reader, skip_class_subscriptions=True)
    runtime.start()
    for session in ["one", "two"]:
        await runtime.publish_message(Task(f"task {session}"), DefaultTopicId(source=session))
    await runtime.publish_message(Task("default"), DefaultTopicId())
    await runtime.stop_when_idle()
    runtime.start()
    await runtime.publish_message(Task("sun"), DefaultTopicId(type="weather"))
    await runtime.stop_when_idle()
    runtime.start()
    await runtime.publish_message(Task("vote"), DefaultTopicId(type="news"))
    await runtime.stop_when_idle()


asyncio.run(main())
