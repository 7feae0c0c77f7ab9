"""Agents that are one function."""

import asyncio
import logging
import warnings
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    ClosureAgent,
    ClosureContext,
    DefaultSubscription,
    DefaultTopicId,
    MessageContext,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
)
from autogen_core.exceptions import CantHandleException

logging.disable(logging.CRITICAL)


@dataclass
class Ping:
    number: int


@dataclass
class Pong:
    number: int


@dataclass
class Other:
    pass


async def ponger(agent: ClosureContext, message: Ping, ctx: MessageContext) -> Pong:
    if not ctx.is_rpc:
        await agent.publish_message(Pong(message.number * 10), TopicId("results", agent.id.key))
    return Pong(message.number)


async def either(agent: ClosureContext, message: Ping | Pong, ctx: MessageContext) -> None:
    print("result", agent.id, message, ctx.is_rpc)


async def main():
    runtime = SingleThreadedAgentRuntime()
    print(
        await ClosureAgent.register_closure(
            runtime, "ponger", ponger, subscriptions=lambda: [DefaultSubscription()], description="pongs"
        )
    )

    async def later():
        return [TypeSubscription("results", "either")]

    await ClosureAgent.register_closure(runtime, "either", either, subscriptions=later)
    await ClosureAgent.register_closure(runtime, "strict", ponger, unknown_type_policy="error")
    runtime.start()
    print(await runtime.send_message(Ping(1), AgentId("ponger", "k")))
    await runtime.publish_message(Ping(2), DefaultTopicId(source="s"))
    await runtime.publish_message(Ping(3), TopicId("ponger:direct", "s"))
    await runtime.stop_when_idle()
    runtime.start()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        print(await runtime.send_message(Other(), AgentId("ponger", "k")))
    print([warning.category.__name__ for warning in told])
    try:
        await runtime.send_message(Other(), AgentId("strict", "k"))
    except CantHandleException:
        print("CantHandleException")
    print((await runtime.agent_metadata(AgentId("ponger", "k")))["description"])
    print(await runtime.agent_save_state(AgentId("ponger", "k")))
    await runtime.agent_load_state(AgentId("ponger", "k"), {})
    await runtime.stop()
    try:
        ClosureAgent("outside", ponger)
    except RuntimeError:
        print("RuntimeError")

    async def two(agent: ClosureContext, message: Ping) -> None: ...

    async def bare(agent, message, ctx): ...

    for wrong in [two, bare]:
        try:
            await ClosureAgent.register_closure(SingleThreadedAgentRuntime(), "wrong", wrong)
            print("taken")
        except (AssertionError, ValueError):
            print("refused", wrong.__name__)


asyncio.run(main())
