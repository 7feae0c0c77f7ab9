"""Factories, instances and what is refused."""

import asyncio
import logging
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    AgentInstantiationContext,
    AgentType,
    BaseAgent,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    message_handler,
)

logging.disable(logging.CRITICAL)


@dataclass
class Hello:
    pass


class Plain(BaseAgent):
    def __init__(self):
        super().__init__("plain")

    async def on_message_impl(self, message, ctx):
        return f"{self.id} in {type(self.runtime).__name__}"


class Fancy(Plain):
    pass


class Unwritable(RoutedAgent):
    @message_handler
    async def on_object(self, message: object, ctx: MessageContext) -> None: ...


async def refused(kind, work):
    try:
        print("taken:", await work)
    except kind:
        print(kind.__name__)


async def main():
    runtime = SingleThreadedAgentRuntime()
    print(await Plain.register(runtime, "plain", Plain))
    await refused(ValueError, Plain.register(runtime, "plain", Plain))
    await refused(ValueError, Unwritable.register(runtime, "unwritable", lambda: Unwritable("x")))

    async def slowly():
        await asyncio.sleep(0)
        print("in a factory of", AgentInstantiationContext.current_agent_id())
        return Plain()

    await runtime.register_factory("slow", slowly)
    await runtime.register_factory(AgentType("typed"), Plain, expected_class=Plain)
    await runtime.register_factory("wrong", Plain, expected_class=Fancy)
    runtime.start()
    for name in ["plain", "slow", "typed"]:
        print(await runtime.send_message(Hello(), AgentId(name, "k")))
    await refused(ValueError, runtime.send_message(Hello(), AgentId("wrong", "k")))

    first = await runtime.try_get_underlying_agent_instance(AgentId("plain", "k"), Plain)
    print(first is await runtime.try_get_underlying_agent_instance(AgentId("plain", "k")))
    print(first is await runtime.try_get_underlying_agent_instance(AgentId("plain", "other")))
    await refused(LookupError, runtime.try_get_underlying_agent_instance(AgentId("nobody", "k")))
    await refused(TypeError, runtime.try_get_underlying_agent_instance(AgentId("plain", "k"), Fancy))

    ready = Plain()
    print(await ready.register_instance(runtime, AgentId("ready", "one")))
    print(await Plain().register_instance(runtime, AgentId("ready", "two")))
    print(await runtime.send_message(Hello(), AgentId("ready", "one")), ready.id, ready.runtime is runtime)
    await refused(ValueError, Plain().register_instance(runtime, AgentId("ready", "one")))
    await refused(ValueError, Fancy().register_instance(runtime, AgentId("ready", "three")))
    await refused(ValueError, Plain().register_instance(runtime, AgentId("plain", "k")))
    await refused(ValueError, Plain.register(runtime, "ready", Plain))
    await refused(RuntimeError, runtime.send_message(Hello(), AgentId("ready", "nobody")))
    await refused(RuntimeError, ready.bind_id_and_runtime(AgentId("ready", "two"), runtime))
    await refused(RuntimeError, ready.bind_id_and_runtime(ready.id, SingleThreadedAgentRuntime()))

    print(await runtime.get("plain"), await runtime.get(AgentType("plain"), "x"), await runtime.get(AgentId("a", "b")))
    await refused(LookupError, runtime.get("nobody", lazy=False))
    await runtime.stop()


asyncio.run(main())
