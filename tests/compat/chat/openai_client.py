"""The client of OpenAI's models: what it sends, and what it makes of what comes back.

The server is in the program. AutoGen's asks at once where the view streams, so how it is asked is left out.
"""

import asyncio
import json
import re

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import FunctionCall, Image
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    ModelInfo,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import FunctionTool
from autogen_ext.models.openai import OpenAIChatCompletionClient
from PIL import Image as PillowImage
from pydantic import BaseModel
from scenes import add, family, numbers, refused, stream, tell

ABLE = ModelInfo(vision=True, function_calling=True, json_output=True, family="unknown", structured_output=True)
NOT_COMPARED = {"stream", "stream_options", "max_completion_tokens"}
PORT = 0
MODELS = "gpt-5-mini gpt-4o-2024-05-13 gpt-3.5-turbo o3-mini o1"


class City(BaseModel):
    name: str
    size: int | None = None


class Server:
    """Answers with what it is given, and notes what it is asked."""

    def __init__(self) -> None:
        self.answers: list[dict] = []
        self.asked: list[tuple] = []

    def show(self) -> None:
        """Print what it was asked."""
        for one in self.asked:
            tell(*one)
        self.asked.clear()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode().lower().split("\r\n")
            fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
            body = json.loads(await reader.readexactly(int(fields["content-length"])))
            own = {name: fields.get(name) for name in ("authorization", "x-own", "openai-organization")}
            self.asked.append((lines[0].rpartition(" ")[0], own, told(body)))
            answer = self.answers.pop(0)
            if body.get("stream"):
                text, kind = "".join(f"data: {json.dumps(c)}\n\n" for c in chunks(answer)), "text/event-stream"
                text += "data: [DONE]\n\n"
            else:
                text, kind = json.dumps(whole(answer)), "application/json"
            data = text.encode()
            writer.write(
                f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data
            )
            await writer.drain()


def told(body: dict) -> dict:
    found = {name: value for name, value in body.items() if name not in NOT_COMPARED}
    if body.get("max_tokens") == 4096:  # the view's, where nobody has said how long an answer may be
        del found["max_tokens"]
    for message in found["messages"]:
        if isinstance(message["content"], list):
            for part in message["content"]:
                if part["type"] == "image_url":
                    part["image_url"]["url"] = part["image_url"]["url"][:22]
    return found


def usage() -> dict:
    return {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}


def whole(answer: dict) -> dict:
    message = {"role": "assistant", "content": answer.get("content"), "refusal": None}
    if answer.get("reasoning"):
        message["reasoning_content"] = answer["reasoning"]
    if answer.get("calls"):
        message["tool_calls"] = [
            {"id": f"c{at}", "type": "function", "function": {"name": name, "arguments": given}}
            for at, (name, given) in enumerate(answer["calls"])
        ]
    choice = {"index": 0, "message": message, "finish_reason": answer["finish"], "logprobs": None}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage()}


def chunks(answer: dict):
    deltas = [{"role": "assistant", "content": ""}]
    if answer.get("reasoning"):
        deltas.append({"reasoning_content": answer["reasoning"]})
    deltas += [{"content": piece} for piece in re.findall(r"\S+\s*", answer.get("content") or "")]
    for at, (name, given) in enumerate(answer.get("calls", ())):
        function = {"name": name, "arguments": given}
        deltas.append({"tool_calls": [{"index": at, "id": f"c{at}", "type": "function", "function": function}]})
    base = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    for delta in deltas:
        yield {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": answer["finish"]}]}
    yield {**base, "choices": [], "usage": usage()}


CLIENTS: dict[str, OpenAIChatCompletionClient] = {}
"""By their options: making one reads certificates."""


def client(**options) -> OpenAIChatCompletionClient:
    return CLIENTS.get(str(options)) or CLIENTS.setdefault(str(options), made(**options))


def made(**options) -> OpenAIChatCompletionClient:
    given = {"model": "m", "base_url": f"http://127.0.0.1:{PORT}/v1", "api_key": "sk-known", "model_info": ABLE}
    return OpenAIChatCompletionClient(**{**given, **options})


def say(content: str | None = "hello", finish: str = "stop", calls=(), reasoning: str | None = None) -> dict:
    return {"content": content, "finish": finish, "calls": calls, "reasoning": reasoning}


ASKED = [SystemMessage(content="be"), SystemMessage(content="kind"), UserMessage(content="hi", source="ann")]
TOOL = FunctionTool(add, "Add.")
PICTURE = Image(PillowImage.new("RGB", (2, 2)))


async def create(server: Server, answer: dict, messages=ASKED, options=None, **asked) -> None:
    server.answers.append(answer)
    one = client(**(options or {}))
    try:
        result = await one.create(messages, **asked)
    except ValueError as error:
        print("refused", family(error))
        server.answers.clear()
    else:
        server.show()
        tell(result.model_dump(), one.actual_usage().prompt_tokens, one.total_usage().completion_tokens)


async def requests(server: Server) -> None:
    print("## what is sent")
    await create(server, say())
    await create(server, say(), options={"include_name_in_message": False})
    await create(server, say(), options={"add_name_prefixes": True})
    await create(server, say(), options={"model_info": {**ABLE, "multiple_system_messages": True}})
    apart = [ASKED[0], ASKED[2], ASKED[1]]
    await create(server, say(), apart)
    await create(server, say(), apart, {"model_info": {**ABLE, "multiple_system_messages": True}})
    talk = [
        UserMessage(content=["look", PICTURE, "here"], source="ann"),
        AssistantMessage(content="a dot", source="bot", thought="hm"),
        AssistantMessage(content=[FunctionCall(id="1", name="add", arguments="{}")], source="bot"),
        FunctionExecutionResultMessage(
            content=[FunctionExecutionResult(content="3", name="add", call_id="1", is_error=False)]
        ),
        AssistantMessage(content=[FunctionCall(id="2", name="add", arguments="{}")], source="bot", thought="again"),
        FunctionExecutionResultMessage(
            content=[FunctionExecutionResult(content="no", name="add", call_id="2", is_error=True)]
        ),
    ]
    await create(server, say(), talk)
    await create(server, say(), talk, {"add_name_prefixes": True})
    await create(server, say(), talk, {"model_info": {**ABLE, "vision": False}})
    print("# tools")
    for choice in ("auto", "none", "required", TOOL):
        await create(server, say(), tools=[TOOL], tool_choice=choice)
    await create(server, say(), tools=[TOOL.schema])
    strict = FunctionTool(add, "Add.", name="plus", strict=True)
    await create(server, say(), tools=[strict])
    await create(server, say(), tools=[TOOL], tool_choice=strict)
    await create(server, say(), tools=[TOOL], options={"model_info": {**ABLE, "function_calling": False}})
    print("# options")
    every = {
        "temperature": 0.5, "seed": 3, "max_tokens": 9, "top_p": 0.25, "frequency_penalty": 0.5,
        "presence_penalty": -0.5, "stop": ["END"], "user": "u", "logit_bias": {"5": -100}, "parallel_tool_calls": False,
        "reasoning_effort": "low", "response_format": {"type": "text"}, "extra_body": {"own": 1},
        "organization": "org", "default_headers": {"X-Own": "1"}, "timeout": 9.0, "max_retries": 1,
    }  # fmt: skip
    await create(server, say(), options=every)
    await create(server, say(), options=every, extra_create_args={"temperature": 0.25, "top_logprobs": 2, "seed": 4})
    await create(server, say(), extra_create_args={"nonsense": 1})
    print("# what an answer is to be")
    await create(server, say("{}"), json_output=True)
    await create(server, say("{}"), json_output=False)
    await create(server, say('{"name": "Rome", "size": 3}'), json_output=City)
    await create(server, say("{}"), json_output=True, options={"model_info": {**ABLE, "json_output": False}})
    await create(server, say("{}"), json_output=City, options={"model_info": {**ABLE, "structured_output": False}})
    print("# what cannot be made")
    refused(OpenAIChatCompletionClient)
    refused(lambda: OpenAIChatCompletionClient(model="own", api_key="k"))
    refused(lambda: client(stream=True))
    refused(lambda: client(n=2))


async def answers(server: Server) -> None:
    print("## what comes back")
    for answer in (
        say("one two"),
        say("cut", "length"),
        say("", "content_filter"),
        say(None, "tool_calls", [("add", '{"a": 1, "b": 2}'), ("add", "{}")]),
        say("I add", "tool_calls", [("add", "{}")]),
        say("4", reasoning="two and two"),
    ):
        await create(server, answer, tools=[TOOL])
    print("# streamed")
    for answer in (say("one two three"), say("I add", "tool_calls", [("add", "{}")])):
        server.answers.append(answer)
        one = client()
        async for item in one.create_stream(ASKED, tools=[TOOL], include_usage=True):
            print(repr(item) if isinstance(item, str) else item.model_dump())
        server.show()
        print(one.total_usage())


async def agents(server: Server) -> None:
    print("## in a team")
    server.answers += [say(None, "tool_calls", [("add", '{"a": 1, "b": 2}')]), say("three"), say("so it is")]
    ann = AssistantAgent("ann", client(), tools=[add], reflect_on_tool_use=True, system_message="Add.")
    bob = AssistantAgent("bob", client(), model_client_stream=True, system_message=None)
    await stream(RoundRobinGroupChat([ann], max_turns=1), "1 and 2?")
    server.answers.clear()
    server.answers.append(say("it is"))
    async for item in bob.run_stream(task="is it?"):
        print(type(item).__name__, getattr(item, "content", ""))
    server.show()
    for one in CLIENTS.values():
        await one.close()


def configurations() -> None:
    print("## configurations")
    for options in ({"temperature": 0.5, "seed": 1}, {"include_name_in_message": False, "stop": ["x"], "timeout": 3.0}):
        data = OpenAIChatCompletionClient(model="gpt-4o", api_key="sk-x", **options).dump_component()
        found = data.model_dump()
        print("sk-x" in str(found), found["provider"], found["component_type"])
        tell({name: value for name, value in found["config"].items() if name not in {"api_key", "response_format"}})
    for model in MODELS.split():
        one = OpenAIChatCompletionClient(model=model, api_key="sk-x")
        tell(model, {name: value for name, value in one.model_info.items() if name != "family"})
        print(one.model_info["family"])


async def main() -> None:
    global PORT
    server = Server()
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    PORT = listening.sockets[0].getsockname()[1]
    for part in (requests, answers, agents):
        numbers.clear()
        await part(server)
    listening.close()
    configurations()


asyncio.run(main())
