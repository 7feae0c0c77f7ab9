"""What handlers are annotated with is checked."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from autogen_core import AgentId, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler
from autogen_core.exceptions import CantHandleException

logging.disable(logging.CRITICAL)


@dataclass
class Ask:
    what: str


@dataclass
class AskLoosely:
    what: str


@dataclass
class AskAnything:
    what: str


class Strict(RoutedAgent):
    def __init__(self):
        super().__init__("strict")

    @message_handler
    async def strictly(self, message: Ask, ctx: MessageContext) -> str | int:
        return {"text": "a", "number": 1, "list": []}[message.what]

    @message_handler(strict=False)
    async def loosely(self, message: AskLoosely, ctx: MessageContext) -> str:
        return 5

    @message_handler
    async def anything(self, message: AskAnything, ctx: MessageContext) -> Any:
        return [1, 2]


async def main():
    runtime = SingleThreadedAgentRuntime()
    await Strict.register(runtime, "strict", Strict)
    runtime.start()
    id = AgentId("strict", "k")
    print(await runtime.send_message(Ask("text"), id), await runtime.send_message(Ask("number"), id))
    try:
        await runtime.send_message(Ask("list"), id)
    except ValueError:
        print("ValueError")
    print(await runtime.send_message(AskLoosely("x"), id), await runtime.send_message(AskAnything("x"), id))
    agent = await runtime.try_get_underlying_agent_instance(id, Strict)
    try:
        await agent.strictly(AskLoosely("text"), None)
    except CantHandleException:
        print("CantHandleException")
    await runtime.stop()

    for wrong in ["no annotation", "no return"]:
        try:
            if wrong == "no annotation":

                @message_handler
                async def handler(self, message, ctx) -> str: ...
            else:

                @message_handler
                async def handler(self, message: Ask, ctx): ...

            print("taken")
        except (AssertionError, ValueError):
            print("refused:", wrong)


asyncio.run(main())
