"""Agents that ask each other, and themselves, while they are asked."""

import asyncio
from dataclasses import dataclass

from autogen_core import AgentId, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler


@dataclass
class Ask:
    depth: int


class Asker(RoutedAgent):
    def __init__(self, other):
        super().__init__("asks")
        self.other = other

    @message_handler
    async def on_ask(self, message: Ask, ctx: MessageContext) -> str:
        if message.depth == 0:
            return str(self.id)
        return f"{self.id} < " + await self.send_message(Ask(message.depth - 1), AgentId(self.other, "k"))


async def main():
    runtime = SingleThreadedAgentRuntime()
    await Asker.register(runtime, "a", lambda: Asker("b"))
    await Asker.register(runtime, "b", lambda: Asker("a"))
    await Asker.register(runtime, "self", lambda: Asker("self"))
    runtime.start()
    print(await runtime.send_message(Ask(4), AgentId("a", "k")))
    print(await runtime.send_message(Ask(3), AgentId("self", "k")))
    print(await asyncio.gather(*(runtime.send_message(Ask(2), AgentId(n, "k")) for n in "abab")))
    await runtime.stop_when_idle()


asyncio.run(main())
