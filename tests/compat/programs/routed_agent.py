"""Which handler gets a message."""

import asyncio
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
    event,
    message_handler,
    rpc,
)


@dataclass
class Text:
    words: str


@dataclass
class Loud(Text):
    pass


@dataclass
class Number:
    value: int


@dataclass
class Other:
    value: int


class Router(RoutedAgent):
    def __init__(self):
        super().__init__("routes")

    @message_handler(match=lambda message, ctx: message.words.startswith("b"))
    async def a_begins_with_b(self, message: Text, ctx: MessageContext) -> str:
        return "begins with b"

    @message_handler(match=lambda message, ctx: "z" in message.words)
    async def b_has_z(self, message: Text, ctx: MessageContext) -> str:
        return "has a z"

    @rpc
    async def asked(self, message: Number, ctx: MessageContext) -> str:
        return f"asked {message.value}, rpc {ctx.is_rpc}, topic {ctx.topic_id}, sender {ctx.sender}"

    @event
    async def told(self, message: Number, ctx: MessageContext) -> None:
        print("told", message.value, "rpc", ctx.is_rpc, "topic", ctx.topic_id, "sender", ctx.sender)

    async def on_unhandled_message(self, message, ctx):
        print("unhandled", message)
        return "nobody"


class Child(Router):
    @message_handler
    async def both(self, message: Other | Loud, ctx: MessageContext) -> str:
        return f"either: {type(message).__name__}"


async def main():
    runtime = SingleThreadedAgentRuntime()
    await Child.register(runtime, "child", Child)
    await runtime.add_subscription(TypeSubscription("t", "child"))
    runtime.start()
    child = AgentId("child", "k")
    for words in ["bzz", "az", "plain"]:
        print(words, "->", await runtime.send_message(Text(words), child))
    print(await runtime.send_message(Loud("bz"), child))
    print(await runtime.send_message(Other(1), child))
    print(await runtime.send_message(Number(1), child))
    await runtime.publish_message(Number(2), TopicId("t", "s"))
    await runtime.publish_message(Text("plain"), TopicId("t", "s"))
    await runtime.stop_when_idle()
    handler = Child.both
    print(handler.is_message_handler, [t.__name__ for t in handler.target_types], handler.produces_types)


asyncio.run(main())
