"""A client that users write themselves."""

import asyncio

from autogen_core import CancellationToken
from autogen_core.models import ChatCompletionClient, CreateResult, RequestUsage, SystemMessage, UserMessage


class Parrot(ChatCompletionClient):
    component_type = "model"

    def __init__(self):
        self.used = RequestUsage(0, 0)

    async def create(
        self,
        messages,
        *,
        tools=[],
        tool_choice="auto",
        json_output=None,
        extra_create_args={},
        cancellation_token=None,
    ):
        text = str(messages[-1].content)
        usage = RequestUsage(self.count_tokens(messages), len(text))
        self.used = RequestUsage(
            self.used.prompt_tokens + usage.prompt_tokens, self.used.completion_tokens + usage.completion_tokens
        )
        return CreateResult(finish_reason="stop", content=text, usage=usage, cached=False)

    async def create_stream(self, messages, **options):
        result = await self.create(messages, **options)
        for word in result.content.split():
            yield word
        yield result

    async def close(self):
        print("closed")

    def actual_usage(self):
        return self.used

    def total_usage(self):
        return self.used

    def count_tokens(self, messages, *, tools=[]):
        return sum(len(str(message.content)) for message in messages)

    def remaining_tokens(self, messages, *, tools=[]):
        return 100 - self.count_tokens(messages)

    @property
    def capabilities(self):
        return self.model_info

    @property
    def model_info(self):
        return {"vision": False, "function_calling": False, "json_output": False, "family": "unknown"}


async def main():
    client = Parrot()
    asked = [SystemMessage(content="repeat"), UserMessage(content="polly wants it", source="user")]
    print(repr(await client.create(asked, cancellation_token=CancellationToken())))
    print([item async for item in client.create_stream(asked)])
    print(client.total_usage(), client.actual_usage(), client.remaining_tokens(asked))
    try:
        client.dump_component()
    except NotImplementedError:
        print("NotImplementedError")
    await client.close()


asyncio.run(main())
