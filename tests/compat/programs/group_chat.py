"""A group chat as users build it on topics: a manager lets one speak after the other, each with a model of its own."""

import asyncio
from dataclasses import dataclass

from autogen_core import (
    DefaultTopicId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
    message_handler,
)
from autogen_core.model_context import BufferedChatCompletionContext
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from pydantic import BaseModel


class Spoken(BaseModel):
    body: UserMessage


class YourTurn(BaseModel):
    pass


@dataclass
class Over:
    reason: str


class Lines(ChatCompletionClient):
    def __init__(self, *lines):
        self.lines = list(lines)

    async def create(self, messages, **options):
        seen = [f"{type(m).__name__[:4]}:{m.content[:12]}" for m in messages]
        print("     asked with", seen)
        return CreateResult(
            finish_reason="stop", content=self.lines.pop(0), usage=RequestUsage(len(messages), 1), cached=False
        )

    def create_stream(self, messages, **options):
        raise NotImplementedError

    async def close(self): ...

    def actual_usage(self):
        return RequestUsage(0, 0)

    total_usage = actual_usage

    def count_tokens(self, messages, *, tools=[]):
        return len(messages)

    remaining_tokens = count_tokens

    @property
    def capabilities(self):
        return self.model_info

    @property
    def model_info(self):
        return {}


class Member(RoutedAgent):
    def __init__(self, description, topic, client):
        super().__init__(description)
        self.topic, self.client = topic, client
        self.context = BufferedChatCompletionContext(buffer_size=3)

    @message_handler
    async def heard(self, message: Spoken, ctx: MessageContext) -> None:
        await self.context.add_message(message.body)

    @message_handler
    async def speak(self, message: YourTurn, ctx: MessageContext) -> None:
        history: list[LLMMessage] = await self.context.get_messages()
        answer = await self.client.create(
            [SystemMessage(content=f"You are {self.id.type}."), *history], cancellation_token=ctx.cancellation_token
        )
        await self.context.add_message(AssistantMessage(content=answer.content, source=self.id.type))
        print(f"{self.id.type}: {answer.content}")
        await self.publish_message(
            Spoken(body=UserMessage(content=answer.content, source=self.id.type)),
            topic_id=DefaultTopicId(type=self.topic),
        )


class Manager(RoutedAgent):
    def __init__(self, members):
        super().__init__("Says whose turn it is.")
        self.members, self.turn = members, 0

    @message_handler
    async def spoken(self, message: Spoken, ctx: MessageContext) -> None:
        if "DONE" in message.body.content:
            await self.publish_message(Over(f"{message.body.source} is done"), DefaultTopicId(type="over"))
            return
        next_one = self.members[self.turn % len(self.members)]
        self.turn += 1
        await self.publish_message(YourTurn(), DefaultTopicId(type=next_one))


class Watcher(RoutedAgent):
    def __init__(self):
        super().__init__("Watches.")

    @message_handler
    async def over(self, message: Over, ctx: MessageContext) -> None:
        print("over:", message.reason, ctx.topic_id, ctx.sender)


async def main():
    runtime = SingleThreadedAgentRuntime()
    for name, lines in {"writer": ["A story.", "A better story."], "editor": ["Longer!", "DONE"]}.items():
        await Member.register(
            runtime, name, lambda name=name, lines=lines: Member(f"The {name}.", "chat", Lines(*lines))
        )
        await runtime.add_subscription(TypeSubscription("chat", name))
        await runtime.add_subscription(TypeSubscription(name, name))
    await Manager.register(runtime, "manager", lambda: Manager(["writer", "editor"]))
    await runtime.add_subscription(TypeSubscription("chat", "manager"))
    await Watcher.register(runtime, "watcher", Watcher)
    await runtime.add_subscription(TypeSubscription("over", "watcher"))
    for session in ["monday", "tuesday"]:
        print("--", session)
        runtime.start()
        await runtime.publish_message(
            Spoken(body=UserMessage(content="Write.", source="user")), TopicId("chat", source=session)
        )
        await runtime.stop_when_idle()
    await runtime.close()


asyncio.run(main())
