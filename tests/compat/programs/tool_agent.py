"""An agent that runs tools, and the loop of one that has it do so."""

import asyncio
import logging

from autogen_core import AgentId, FunctionCall, SingleThreadedAgentRuntime
from autogen_core.models import ChatCompletionClient, CreateResult, RequestUsage, UserMessage
from autogen_core.tool_agent import (
    InvalidToolArgumentsException,
    ToolAgent,
    ToolException,
    ToolExecutionException,
    ToolNotFoundException,
    tool_agent_caller_loop,
)
from autogen_core.tools import FunctionTool

logging.disable(logging.CRITICAL)


class Scripted(ChatCompletionClient):
    def __init__(self, answers):
        self.answers = list(answers)

    async def create(self, messages, *, tools=[], cancellation_token=None, **options):
        print("asked with", len(messages), "messages and", [getattr(tool, "name", tool) for tool in tools])
        content = self.answers.pop(0)
        return CreateResult(finish_reason="stop", content=content, usage=RequestUsage(0, 0), cached=False)

    def create_stream(self, messages, **options):
        raise NotImplementedError

    async def close(self): ...

    def actual_usage(self):
        return RequestUsage(0, 0)

    total_usage = actual_usage

    def count_tokens(self, messages, *, tools=[]):
        return 0

    remaining_tokens = count_tokens

    @property
    def capabilities(self):
        return self.model_info

    @property
    def model_info(self):
        return {}


async def divide(a: int, b: int) -> float:
    await asyncio.sleep(0.001 * b)
    return a / b


async def main():
    runtime = SingleThreadedAgentRuntime()
    tools = [FunctionTool(divide, "Divide.")]
    await ToolAgent.register(runtime, "tools", lambda: ToolAgent("runs tools", tools))
    runtime.start()
    agent = AgentId("tools", "k")
    print(await runtime.send_message(FunctionCall("1", '{"a": 6, "b": 3}', "divide"), agent))
    for call, kind in [
        (FunctionCall("2", "{}", "nothing"), ToolNotFoundException),
        (FunctionCall("3", "{", "divide"), InvalidToolArgumentsException),
        (FunctionCall("4", '{"a": 1, "b": 0}', "divide"), ToolExecutionException),
        (FunctionCall("5", '{"a": 1}', "divide"), ToolExecutionException),
    ]:
        try:
            await runtime.send_message(call, agent)
        except ToolException as error:
            print(type(error) is kind, error.call_id, error.name, error.content.splitlines()[0])

    calls = [FunctionCall("a", '{"a": 6, "b": 3}', "divide"), FunctionCall("b", '{"a": 1, "b": 0}', "divide")]
    client = Scripted([calls, [FunctionCall("c", '{"a": 1, "b": 1}', "divide")], "done"])
    made = await tool_agent_caller_loop(
        runtime, agent, client, [UserMessage(content="go", source="u")], tools, caller_source="me"
    )
    for message in made:
        content = message.content
        if message.type == "FunctionExecutionResultMessage":
            print([(r.call_id, r.name, r.is_error, r.content.split(":")[0]) for r in content])
        else:
            print(message.source, content)
    print(await tool_agent_caller_loop(runtime, agent, Scripted(["at once"]), [], tools))
    await runtime.stop()


asyncio.run(main())
