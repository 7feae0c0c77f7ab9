"""A context cut by tokens, from the middle."""

import asyncio

from autogen_core import Component
from autogen_core.model_context import ChatCompletionContext, TokenLimitedChatCompletionContext
from autogen_core.models import ChatCompletionClient, RequestUsage, UserMessage
from pydantic import BaseModel


class Settings(BaseModel):
    window: int


class Counts(ChatCompletionClient, Component[Settings]):
    component_type = "model"
    component_config_schema = Settings
    component_provider_override = "__main__.Counts"

    def __init__(self, window):
        self.window = window

    def _to_config(self):
        return Settings(window=self.window)

    @classmethod
    def _from_config(cls, config):
        return cls(config.window)

    async def create(self, messages, **options):
        raise NotImplementedError

    def create_stream(self, messages, **options):
        raise NotImplementedError

    async def close(self): ...

    def actual_usage(self):
        return RequestUsage(0, 0)

    total_usage = actual_usage

    def count_tokens(self, messages, *, tools=[]):
        return sum(len(message.content) for message in messages) + 5 * len(tools)

    def remaining_tokens(self, messages, *, tools=[]):
        return self.window - self.count_tokens(messages, tools=tools)

    @property
    def capabilities(self):
        return self.model_info

    @property
    def model_info(self):
        return {}


async def main():
    talk = [UserMessage(content=f"say{number}", source="u") for number in range(6)]
    for limit in [100, 24, 23, 12, 4, 3]:
        context = TokenLimitedChatCompletionContext(Counts(15), token_limit=limit, initial_messages=talk)
        print(limit, [message.content for message in await context.get_messages()])
    tools = [{"name": "t"}]
    context = TokenLimitedChatCompletionContext(Counts(21), tool_schema=tools, initial_messages=talk)
    print([message.content for message in await context.get_messages()])
    for limit in [0, -1]:
        try:
            TokenLimitedChatCompletionContext(Counts(1), token_limit=limit)
        except ValueError:
            print("ValueError")
    data = TokenLimitedChatCompletionContext(Counts(9), token_limit=8).dump_component()
    print(data.provider, data.config["token_limit"], data.config["model_client"]["config"])
    loaded = ChatCompletionContext.load_component(data)
    await loaded.add_message(talk[0])
    print([message.content for message in await loaded.get_messages()])


asyncio.run(main())
