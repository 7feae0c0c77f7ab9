"""An agent as an object to call."""

import asyncio
from dataclasses import dataclass

from autogen_core import AgentId, AgentProxy, BaseAgent, SingleThreadedAgentRuntime


@dataclass
class Hello:
    name: str


class Host(BaseAgent):
    def __init__(self):
        super().__init__("greets")
        self.seen = []

    async def on_message_impl(self, message, ctx):
        self.seen.append(message.name)
        return f"Hello {message.name}, {ctx.sender} sent you as {ctx.message_id}"

    async def save_state(self):
        return {"seen": self.seen}

    async def load_state(self, state):
        self.seen = list(state["seen"])


async def main():
    runtime = SingleThreadedAgentRuntime()
    await Host.register(runtime, "host", Host)
    runtime.start()
    proxy = AgentProxy(AgentId("host", "k"), runtime)
    print(proxy.id, (await proxy.metadata)["description"])
    print(await proxy.send_message(Hello("Ann"), sender=AgentId("host", "door"), message_id="m1"))
    print(await proxy.save_state())
    await proxy.load_state({"seen": ["Bob"]})
    print(await proxy.save_state())
    await runtime.stop()


asyncio.run(main())
