"""Looking at messages on their way."""

import asyncio
import logging
import warnings
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    BaseAgent,
    DefaultInterventionHandler,
    DropMessage,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
)
from autogen_core.exceptions import MessageDroppedException

logging.disable(logging.CRITICAL)


@dataclass
class Say:
    text: str


class Echo(BaseAgent):
    def __init__(self):
        super().__init__("echoes")

    async def on_message_impl(self, message, ctx):
        print("   handled", message)
        return message and Say(message.text.upper())


class Censor(DefaultInterventionHandler):
    async def on_send(self, message, *, message_context, recipient):
        print("   on_send", message.text, message_context.sender, recipient)
        if message.text == "drop":
            return DropMessage
        if message.text == "raise":
            raise KeyError("on_send")
        if message.text == "nothing":
            return None
        return Say("good") if message.text == "bad" else message

    async def on_publish(self, message, *, message_context):
        print("   on_publish", message.text, message_context.topic_id)
        if message.text == "raise":
            raise KeyError("on_publish")
        return DropMessage() if message.text == "drop" else message

    async def on_response(self, message, *, sender, recipient):
        print("   on_response", message, sender, recipient)
        if message is None:
            return Say("none")
        if message.text == "SECRET":
            return DropMessage
        if message.text == "FAIL":
            raise KeyError("on_response")
        return Say(message.text + "?") if message.text == "ASK" else message


async def main():
    runtime = SingleThreadedAgentRuntime(intervention_handlers=[Censor()])
    await Echo.register(runtime, "echo", Echo)
    await runtime.add_subscription(TypeSubscription("t", "echo"))
    runtime.start()
    for text in ["fine", "bad", "drop", "raise", "secret", "fail", "ask", "nothing"]:
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                print(text, "->", await runtime.send_message(Say(text), AgentId("echo", "k")))
            print("warned:", [warning.category.__name__ for warning in told])
        except MessageDroppedException:
            print(text, "-> MessageDroppedException")
        except KeyError as error:
            print(text, "-> KeyError", error)
    for text in ["fine", "drop", "raise"]:
        await runtime.publish_message(Say(text), TopicId("t", "s"))
        await asyncio.sleep(0.05)
    await runtime.stop()


asyncio.run(main())
