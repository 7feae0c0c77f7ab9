"""Work spread over workers, gathered by a closure, watched by an intervention that ends it."""

import asyncio
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    ClosureAgent,
    ClosureContext,
    DefaultInterventionHandler,
    DefaultSubscription,
    DefaultTopicId,
    DropMessage,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TypeSubscription,
    default_subscription,
    message_handler,
)


@dataclass
class Job:
    number: int


@dataclass
class Done:
    number: int
    by: str


@default_subscription
class Worker(RoutedAgent):
    def __init__(self, factor):
        super().__init__("Works.")
        self.factor = factor

    @message_handler
    async def work(self, message: Job, ctx: MessageContext) -> None:
        for _ in range(100 * self.factor):
            await asyncio.sleep(0)
        helped = await self.send_message(Job(message.number * self.factor), AgentId("helper", self.id.type))
        await self.publish_message(Done(helped, self.id.type), DefaultTopicId(type="results"))


class Helper(RoutedAgent):
    def __init__(self):
        super().__init__("Helps.")

    @message_handler
    async def help(self, message: Job, ctx: MessageContext) -> int:
        return message.number + (1000 if ctx.is_rpc else 0)


class Limit(DefaultInterventionHandler):
    def __init__(self):
        self.seen = 0

    async def on_publish(self, message, *, message_context):
        if isinstance(message, Done):
            self.seen += 1
            if self.seen > 5:
                return DropMessage
        return message


async def main():
    limit, results = Limit(), asyncio.Queue()
    runtime = SingleThreadedAgentRuntime(intervention_handlers=[limit])
    for name, factor in {"slow": 3, "quick": 1}.items():
        await Worker.register(runtime, name, lambda factor=factor: Worker(factor))
    await Helper.register(runtime, "helper", Helper)

    async def collect(agent: ClosureContext, message: Done, ctx: MessageContext) -> None:
        await results.put((message.number, message.by, str(ctx.sender)))

    await ClosureAgent.register_closure(
        runtime, "collector", collect, subscriptions=lambda: [TypeSubscription("results", "collector")]
    )
    await ClosureAgent.register_closure(
        runtime, "audit", audit, subscriptions=lambda: [DefaultSubscription(topic_type="results")]
    )
    runtime.start()
    for number in range(4):
        await runtime.publish_message(Job(number), DefaultTopicId(source=f"s{number % 2}"))
    await runtime.stop_when(lambda: limit.seen >= 8)
    got = []
    while not results.empty():
        got.append(results.get_nowait())
    print(*sorted(got), limit.seen, sep="\n")


async def audit(agent: ClosureContext, message: Done, ctx: MessageContext) -> None:
    AUDITED.append(message.number)


AUDITED = []
asyncio.run(main())
print(sorted(AUDITED))
