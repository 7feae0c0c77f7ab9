"""What a runtime tells the event logger."""

import asyncio
import json
import logging

from autogen_core import (
    EVENT_LOGGER_NAME,
    AgentId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
    message_handler,
)
from autogen_core.tools import FunctionTool, StaticWorkbench
from pydantic import BaseModel


class Word(BaseModel):
    text: str


class Agent(RoutedAgent):
    def __init__(self):
        super().__init__("speaks")

    @message_handler
    async def on_word(self, message: Word, ctx: MessageContext) -> Word:
        if message.text == "tool":
            await StaticWorkbench([FunctionTool(double, "Double.")]).call_tool("double", {"x": 2})
        if message.text == "raise":
            raise ValueError("oh")
        return Word(text="yes")


def double(x: int) -> int:
    return 2 * x


class Shown(logging.Handler):
    def emit(self, record):
        event = json.loads(str(record.msg))
        print(record.levelname, " ".join(f"{key}={event[key]}" for key in sorted(event)))


async def main():
    logger = logging.getLogger(EVENT_LOGGER_NAME)
    shown, before, up = Shown(), logger.level, logger.propagate
    logger.addHandler(shown)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logging.getLogger("autogen_core").disabled = True
    try:
        runtime = SingleThreadedAgentRuntime()
        await Agent.register(runtime, "agent", Agent)
        await runtime.add_subscription(TypeSubscription("t", "agent"))
        runtime.start()
        for text in ["hello", "tool", "raise"]:
            print("--", text)
            try:
                await runtime.send_message(Word(text=text), AgentId("agent", "k"), sender=AgentId("agent", "me"))
            except ValueError:
                print("ValueError")
        for text in ["hello", "raise"]:
            print("-- published", text)
            await runtime.publish_message(Word(text=text), TopicId("t", "s"))
            await runtime.stop_when_idle()
            runtime.start()
        await runtime.stop()

        def broken():
            raise ValueError("not made")

        await runtime.register_factory("broken", broken)
        print("-- broken")
        try:
            await runtime.get("broken", lazy=False)
        except ValueError:
            print("ValueError")
    finally:
        logger.removeHandler(shown)
        logger.setLevel(before)
        logger.propagate = up
        logging.getLogger("autogen_core").disabled = False


asyncio.run(main())
