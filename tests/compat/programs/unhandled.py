"""A message that no handler wants is logged at info, and the answer is None."""

import asyncio
import logging
from dataclasses import dataclass

from autogen_core import AgentId, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler


@dataclass
class Known:
    pass


@dataclass
class Unknown:
    pass


class Picky(RoutedAgent):
    def __init__(self):
        super().__init__("picky")

    @message_handler
    async def known(self, message: Known, ctx: MessageContext) -> str:
        return "known"


class Count(logging.Handler):
    def emit(self, record):
        if "Unknown()" in record.getMessage() and record.levelno == logging.INFO:
            print("logged on", record.name)


async def main():
    logger = logging.getLogger("autogen_core")
    before = logger.level
    runtime = SingleThreadedAgentRuntime()
    await Picky.register(runtime, "picky", Picky)
    runtime.start()
    print(await runtime.send_message(Known(), AgentId("picky", "k")))
    count = Count()
    logger.addHandler(count)
    logger.setLevel(logging.INFO)
    print(await runtime.send_message(Unknown(), AgentId("picky", "k")))
    logger.removeHandler(count)
    logger.setLevel(before)
    await runtime.stop()


asyncio.run(main())
