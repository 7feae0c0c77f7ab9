"""What an agent knows and can do."""

import asyncio
from dataclasses import dataclass

from autogen_core import (
    Agent,
    AgentId,
    AgentRuntime,
    BaseAgent,
    MessageContext,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
)


@dataclass
class Word:
    text: str


CLOSED = []


class Talker(BaseAgent):
    def __init__(self, to=None):
        super().__init__("talks")
        self.to = to
        print("made", self.id, isinstance(self, Agent))

    async def on_message_impl(self, message, ctx: MessageContext):
        print(self.id, "gets", message.text, "from", ctx.sender, "by", ctx.topic_id)
        if self.to and ctx.is_rpc:
            answer = await self.send_message(Word(message.text + "!"), AgentId(self.to, self.id.key))
            await self.publish_message(Word("done"), TopicId("news", "front"))
            return answer
        return Word(message.text.upper())

    async def close(self):
        CLOSED.append(str(self.id))


async def main():
    runtime = SingleThreadedAgentRuntime()
    print(isinstance(runtime, AgentRuntime))
    await Talker.register(runtime, "first", lambda: Talker("second"))
    await Talker.register(runtime, "second", lambda: Talker())
    await runtime.add_subscription(TypeSubscription("news", "second"))
    await runtime.add_subscription(TypeSubscription("news", "first"))
    runtime.start()
    print(await runtime.send_message(Word("hello"), AgentId("first", "k")))
    await runtime.stop_when_idle()
    print(sorted((await runtime.agent_metadata(AgentId("first", "k"))).items()))
    await runtime.close()
    print("closed", sorted(CLOSED))
    try:
        Talker.__init__(object.__new__(Talker), 1)
    except (RuntimeError, AttributeError, ValueError) as error:
        print("no id outside a runtime", isinstance(error, (RuntimeError, AttributeError)))
    try:
        BaseAgent.__init__(object.__new__(Talker), 5)
    except ValueError:
        print("ValueError")


asyncio.run(main())
