"""Model clients across: AutoGen's in Quorate's teams, Quorate's in code written for AutoGen."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from PIL import Image as PillowImage
from pydantic import BaseModel

from quorate import AssistantAgent, MaxMessageTermination, RoundRobinGroupChat, tool
from quorate.chat import messages
from quorate.chat.messages import UNSEEN, MultiModalMessage
from quorate.compat.autogen import QuorateChatCompletionClient
from quorate.compat.autogen.core import CancellationToken, FunctionCall, Image
from quorate.compat.autogen.core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    ModelInfo,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from quorate.compat.autogen.core.tools import FunctionTool
from quorate.errors import ConfigError, ModelError
from quorate.models import (
    Blocks,
    ModelRequest,
    Reasoning,
    Reply,
    Said,
    TextDelta,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
    collect,
)
from quorate.models.image import Image as QuorateImage
from quorate.testing import ScriptedModel

PICTURE = Image(PillowImage.new("RGB", (2, 3)))


class Client(ChatCompletionClient):
    """A client as users of AutoGen write it, with answers by script."""

    def __init__(self, *answers: Any, streams: bool = True, sees: bool = False) -> None:
        self.answers, self.streams, self.sees = list(answers), streams, sees
        self.asked: list[dict[str, Any]] = []

    async def create(self, messages: Sequence[Any], **options: Any) -> CreateResult:
        self.asked.append({"messages": list(messages), **options})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, CreateResult):
            return answer
        reason: Any = "stop" if isinstance(answer, str) else "function_calls"
        return CreateResult(finish_reason=reason, content=answer, usage=RequestUsage(5, 7), cached=False)

    def create_stream(self, messages: Sequence[Any], **options: Any) -> AsyncGenerator[str | CreateResult, None]:
        if not self.streams:
            raise NotImplementedError
        return self._streamed(messages, **options)

    async def _streamed(self, messages: Sequence[Any], **options: Any) -> AsyncGenerator[str | CreateResult, None]:
        result = await self.create(messages, **options)
        if isinstance(result.content, str):
            for piece in result.content.split(" "):
                yield piece
        yield result

    async def close(self) -> None: ...

    def actual_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def total_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def count_tokens(self, messages: Sequence[Any], *, tools: Sequence[Any] = ()) -> int:
        return 0

    def remaining_tokens(self, messages: Sequence[Any], *, tools: Sequence[Any] = ()) -> int:
        return 0

    @property
    def capabilities(self) -> Any:
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(
            vision=self.sees, function_calling=True, json_output=True, family="unknown", structured_output=True
        )


SPEC = ToolSpec("find", "Find.", '{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}')


def request(*blocks: Any, **more: Any) -> ModelRequest:
    return ModelRequest(Blocks(blocks), **more)


# --- AutoGen's client asked by Quorate --------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", [True, False])
async def test_a_client_of_autogen_works_in_a_team_with_tools(streams: bool) -> None:
    @tool(effect="read")
    async def find(x: int) -> str:
        """Find."""
        return f"found {x}"

    client = Client([FunctionCall("1", '{"x": 3}', "find")], "done", streams=streams)
    team = RoundRobinGroupChat(
        [AssistantAgent("bot", client, tools=[find], system_message="Be brief.")],
        termination_condition=MaxMessageTermination(2),
    )

    result = await team.run(task="go")

    assert result.messages[-1].content == "done"
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (10, 14)
    first, second = client.asked
    assert first["messages"] == [SystemMessage(content="Be brief."), UserMessage(content="go", source="user")]
    assert first["tools"][0]["name"] == "find"
    assert second["messages"][2:] == [
        AssistantMessage(content=[FunctionCall("1", '{"x": 3}', "find")], source="assistant"),
        FunctionExecutionResultMessage(
            content=[FunctionExecutionResult(content="found 3", name="find", call_id="1", is_error=False)]
        ),
    ]


async def test_all_of_a_request_reaches_the_client() -> None:
    reply = Reply("I look", (ToolCall("1", "find", "{}"),), (), (ToolResult("1", "find", "no", True),))
    client = Client("ok")

    answer = await collect(
        client,
        request(
            Said("hi", "ann"),
            Reply("hello", reasoning=(Reasoning("hm"),)),
            Said("look", "ann"),
            reply,
            tools=(SPEC,),
            tool_choice="find",
            output_schema='{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}',
        ),
    )

    (asked,) = client.asked
    assert asked["messages"] == [
        UserMessage(content="hi", source="ann"),
        AssistantMessage(content="hello", thought="hm", source="assistant"),
        UserMessage(content="look", source="ann"),
        AssistantMessage(content=[FunctionCall("1", "{}", "find")], thought="I look", source="assistant"),
        FunctionExecutionResultMessage(
            content=[FunctionExecutionResult(content="no", name="find", call_id="1", is_error=True)]
        ),
    ]
    assert asked["tool_choice"].name == "find"
    assert asked["tool_choice"].schema == asked["tools"][0]
    assert asked["json_output"](city="Rome").city == "Rome"
    assert answer.reply.text == "ok"
    assert answer.usage == Usage(5, 7)


async def test_text_comes_in_pieces_and_a_thought_as_reasoning() -> None:
    result = CreateResult(
        finish_reason="length", content="a b", usage=RequestUsage(1, 2), cached=False, thought="because"
    )

    events = [event async for event in Client(result).stream(request(Said("x")))]
    answer = await collect(Client(result), request(Said("x")))

    assert [event.text for event in events if isinstance(event, TextDelta)] == ["a", "b"]
    assert answer.reply.reasoning == (Reasoning("because"),)
    assert answer.finish == "length"


@pytest.mark.parametrize(("error", "may_pass"), [(ConnectionError("gone"), True), (KeyError("bug"), False)])
async def test_what_a_client_raises_is_a_model_error(error: Exception, may_pass: bool) -> None:
    with pytest.raises(ModelError, match="Client failed") as caught:
        await collect(Client(error), request(Said("x")))

    assert caught.value.retryable is may_pass
    assert caught.value.__cause__ is error


async def test_a_call_that_is_given_up_cancels_the_token() -> None:
    tokens: list[CancellationToken] = []
    asked = asyncio.Event()

    class Slow(Client):
        async def create(self, messages: Sequence[Any], **options: Any) -> CreateResult:
            tokens.append(options["cancellation_token"])
            asked.set()
            await asyncio.sleep(60)
            raise AssertionError

    call = asyncio.ensure_future(collect(Slow(), request(Said("x"))))
    await asked.wait()

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert tokens[0].is_cancelled()


# --- Quorate's client asked by code written for AutoGen ---------------------------------------------------------------


class City(BaseModel):
    name: str


def double(x: int) -> int:
    return 2 * x


async def test_a_client_of_quorate_answers_as_one_of_autogen() -> None:
    model = ScriptedModel(["hello there", ToolCall("1", "double", '{"x": 2}')], chunks=2)
    client = QuorateChatCompletionClient(model)
    asked = [SystemMessage(content="be"), SystemMessage(content="kind"), UserMessage(content="hi", source="ann")]

    pieces = [item async for item in client.create_stream(asked)]
    called = await client.create(asked, tools=[FunctionTool(double, "Double.")], json_output=City)

    assert isinstance(client, ChatCompletionClient)
    assert pieces[:-1] == ["hello ", "there"]
    assert isinstance(pieces[-1], CreateResult)
    assert pieces[-1].content == "hello there"
    assert called.finish_reason == "function_calls"
    assert called.content == [FunctionCall("1", '{"x": 2}', "double")]
    total = client.total_usage()
    assert total.completion_tokens == pieces[-1].usage.completion_tokens + called.usage.completion_tokens
    first, second = model.requests
    assert first.system == "be\n\nkind"
    assert list(first.blocks) == [Said("hi", "ann")]
    assert second.tools[0].name == "double"
    assert second.output_schema is not None


async def test_calls_and_results_become_one_block() -> None:
    model = ScriptedModel(["ok"])
    result = FunctionExecutionResult(content="4", name="double", call_id="1")

    await QuorateChatCompletionClient(model).create(
        [
            UserMessage(content=["a", "b"], source="ann"),
            AssistantMessage(content=[FunctionCall("1", "{}", "double")], source="bot", thought="I call"),
            FunctionExecutionResultMessage(content=[result]),
            AssistantMessage(content="4", source="bot", thought="easy"),
        ],
        tools=[FunctionTool(double, "Double.").schema],
        tool_choice="required",
        extra_create_args={"max_tokens": 9, "temperature": 0.5},
    )

    (asked,) = model.requests
    assert list(asked.blocks) == [
        Said("a\nb", "ann"),
        Reply("I call", (ToolCall("1", "double", "{}"),), (), (ToolResult("1", "double", "4"),)),
        Reply("4", reasoning=(Reasoning("easy"),)),
    ]
    assert (asked.max_tokens, asked.temperature, asked.tool_choice) == (9, 0.5, "required")


@pytest.mark.parametrize("sees", [True, False])
async def test_a_client_of_quorate_is_given_images_that_it_is_shown(sees: bool) -> None:
    model = ScriptedModel(["a sea"], vision=sees)
    client = QuorateChatCompletionClient(model)

    await client.create([UserMessage(content=["look", PICTURE], source="ann")])

    assert client.model_info["vision"] is sees
    assert list(model.requests[0].blocks) == [Said(f"look\n{UNSEEN}", "ann", parts=("look", PICTURE))]


@pytest.mark.parametrize(("sees", "content"), [(True, ["look", PICTURE]), (False, f"look {UNSEEN}")])
async def test_a_client_of_autogen_in_a_team_of_quorates_is_given_images_that_it_is_shown(
    sees: bool, content: Any
) -> None:
    client = Client("a sea", sees=sees)
    team = RoundRobinGroupChat(
        [AssistantAgent("bot", client, system_message=None)], termination_condition=MaxMessageTermination(2)
    )

    await team.run(task=MultiModalMessage(content=["look", PICTURE], source="ann"))

    assert client.asked[0]["messages"] == [UserMessage(content=content, source="ann")]


def test_images_that_a_journal_gives_back_are_quorates_and_autogens() -> None:
    kept = QuorateImage(b"\x89PNG\r\n\x1a\n" + bytes(40))  # nobody has to be able to draw it
    said = MultiModalMessage(content=["look", kept], source="ann")

    found = messages.load(said.dump())

    assert found == said
    assert isinstance(found.content[1], Image)
    assert UserMessage(content=found.content, source="ann").content[1] is found.content[1]


async def test_a_token_ends_a_call() -> None:
    class Slow(ScriptedModel):
        async def stream(self, request: ModelRequest) -> Any:
            await asyncio.sleep(60)
            yield TextDelta("never")

    token = CancellationToken()
    call = asyncio.ensure_future(
        QuorateChatCompletionClient(Slow([])).create([UserMessage(content="x", source="u")], cancellation_token=token)
    )
    await asyncio.sleep(0.01)

    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call


def test_tokens_are_estimated() -> None:
    client = QuorateChatCompletionClient(ScriptedModel([]))
    asked = [UserMessage(content="x" * 400, source="u")]

    assert 100 <= client.count_tokens(asked) <= 110
    assert client.count_tokens(asked, tools=[FunctionTool(double, "Double.")]) > client.count_tokens(asked)
    assert client.remaining_tokens(asked) == 100_000 - client.count_tokens(asked)


def test_what_is_left_of_a_model_that_the_tables_know_is_counted_from_its_window(monkeypatch: Any) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    client, asked = QuorateChatCompletionClient("openai:gpt-4o"), [UserMessage(content="x" * 400, source="u")]

    assert client.remaining_tokens(asked) == 128_000 - client.count_tokens(asked)


@pytest.mark.parametrize(
    ("messages", "extra", "match"),
    [
        ([FunctionExecutionResultMessage(content=[])], {}, "right after"),
        ([UserMessage(content="x", source="u")], {"top_p": 1}, "top_p"),
    ],
)
async def test_what_cannot_be_asked_is_refused(messages: Any, extra: Any, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        await QuorateChatCompletionClient(ScriptedModel(["x"])).create(messages, extra_create_args=extra)
