"""State of agents, saved and loaded."""

import asyncio
import warnings
from dataclasses import dataclass

from autogen_core import AgentId, BaseAgent, SingleThreadedAgentRuntime


@dataclass
class Add:
    amount: int


class Sum(BaseAgent):
    def __init__(self):
        super().__init__("sums")
        self.total = 0

    async def on_message_impl(self, message, ctx):
        self.total += message.amount
        return self.total

    async def save_state(self):
        return {"total": self.total}

    async def load_state(self, state):
        self.total = state["total"]


class Stateless(BaseAgent):
    def __init__(self):
        super().__init__("forgets")

    async def on_message_impl(self, message, ctx):
        return None


async def make():
    runtime = SingleThreadedAgentRuntime()
    await Sum.register(runtime, "sum", Sum)
    return runtime


async def main():
    runtime = await make()
    runtime.start()
    for key, amount in [("a", 1), ("a", 2), ("b", 10)]:
        print(await runtime.send_message(Add(amount), AgentId("sum", key)))
    state = await runtime.save_state()
    print(state, await runtime.agent_save_state(AgentId("sum", "a")))
    await runtime.stop()

    other = await make()
    await other.load_state({**state, "unknown/k": {"what": 1}})
    print(await other.save_state())
    await other.agent_load_state(AgentId("sum", "c"), {"total": 100})
    other.start()
    print(await other.send_message(Add(1), AgentId("sum", "a")), await other.send_message(Add(1), AgentId("sum", "c")))
    await other.stop()

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        agent = Stateless()
        print(await agent.save_state())
        await agent.load_state({})
    print([warning.category.__name__ for warning in told])


asyncio.run(main())
