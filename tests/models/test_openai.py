import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from quorate import AssistantAgent, RoundRobinGroupChat, conversation, replay, tool
from quorate.chat.files.components import component_registry
from quorate.core.config import Held
from quorate.errors import ConfigError, ModelError
from quorate.models import (
    Blocks,
    CallDelta,
    Finished,
    ModelRequest,
    Reasoning,
    ReasoningDelta,
    Reply,
    Said,
    TextDelta,
    ToolCall,
    ToolSpec,
    Usage,
    collect,
)
from quorate.models.blocks import ToolResult
from quorate.models.call_ids import ANTHROPIC, MISTRAL, OPENAI
from quorate.models.context import BufferedChatCompletionContext
from quorate.models.engine import cores
from quorate.models.image import Image
from quorate.models.kinds import about
from quorate.models.openai import OpenAIChat, from_wire, is_strict, retry_after_s, to_wire
from quorate.models.serve import Served, serve
from quorate.testing import ScriptedModel

KEY = "the-right-key"
STATS = ToolSpec("stats", "Compute.", '{"type": "object", "properties": {"column": {"type": "string"}}}')
CLOSED = Reply("Let me see.", (ToolCall("c1", "stats", '{"column": "price"}'),), (Reasoning("Hmm."),)).answered(
    [ToolResult("c1", "stats", "No such column.", is_error=True)]
)


def asked(*blocks: Said | Reply, **fields: Any) -> ModelRequest:
    return ModelRequest(**{"blocks": Blocks(blocks or (Said("Say hello."),)), "max_tokens": 16, **fields})


# -- translations -----------------------------------------------------------------------------------------------------


def test_blocks_become_messages_and_names_of_any_script_are_text():
    request = asked(Said("Hello"), Said("你好", "作家", "agent"), CLOSED, system="Be brief.", tools=(STATS,))

    wire = to_wire(request, "m")

    assert wire["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello\n\n作家: 你好"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "stats", "arguments": '{"column": "price"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "Error: No such column."},
    ]


def test_images_go_to_models_that_see_and_words_to_those_that_do_not():
    picture = Image(b"\x89PNG\r\n\x1a\n" + bytes(4))
    said = Said("What is [an image]?", "ann", parts=("What is ", picture, "?"))

    seen = to_wire(asked(said), "m", vision=True)["messages"][0]["content"]
    read = to_wire(asked(said), "m")["messages"][0]["content"]

    assert seen == [
        {"type": "text", "text": "ann:"},
        {"type": "text", "text": "What is "},
        {"type": "image_url", "image_url": {"url": picture.data_uri}},
        {"type": "text", "text": "?"},
    ]
    assert read == "ann: What is [an image]?"


@pytest.mark.parametrize(
    ("url", "given", "vision"),
    [(None, None, True), (None, False, False), ("http://x/v1", None, False), ("http://x/v1", True, True)],
)
def test_who_sees_is_known_of_openai_and_said_of_others(url: Any, given: Any, vision: bool, monkeypatch: Any):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)

    assert OpenAIChat("m", base_url=url, api_key="k", vision=given).info.vision is vision


def test_a_block_is_translated_once():
    block = Said("Hello")

    first, second = (to_wire(asked(block), "m")["messages"][0] for _ in range(2))

    assert first is second


def test_only_what_is_asked_for_is_sent():
    plain = to_wire(asked(), "m")
    full = to_wire(asked(tools=(STATS,), temperature=0.0, seed=7, output_schema='{"type": "string"}'), "m")

    assert set(plain) == {"model", "messages", "max_completion_tokens", "stream", "stream_options"}
    assert (full["temperature"], full["seed"], full["tool_choice"]) == (0.0, 7, "auto")
    assert full["tools"][0]["function"]["parameters"]["type"] == "object"
    assert full["response_format"]["json_schema"]["schema"] == {"type": "string"}
    assert to_wire(asked(), "m", newest=False)["max_tokens"] == 16


@pytest.mark.parametrize(
    ("choice", "wire"),
    [("required", "required"), ("none", "none"), ("stats", {"type": "function", "function": {"name": "stats"}})],
)
def test_the_choice_of_a_tool_is_sent(choice: str, wire: object):
    assert to_wire(asked(tools=(STATS,), tool_choice=choice), "m")["tool_choice"] == wire


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, False),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, False),
        ({"type": "array", "items": {"type": "object", "properties": {"a": {}}}}, False),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, True),
    ],
)
def test_a_schema_is_strict_where_openai_would_take_it(schema: object, strict: bool):
    assert is_strict(schema) == strict


def chunk(**delta: Any) -> ChatCompletionChunk:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return ChatCompletionChunk.model_validate(
        {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    )


def test_chunks_become_events():
    call = {"index": 1, "id": "c9", "type": "function", "function": {"name": "stats", "arguments": ""}}
    more = {"index": 1, "function": {"arguments": '{"a'}}

    events = [
        e
        for c in (
            chunk(role="assistant", content=""),
            chunk(reasoning_content="Well."),
            chunk(reasoning="Hm."),
            chunk(content="Hi"),
            chunk(tool_calls=[call]),
            chunk(tool_calls=[more]),
        )
        for e in from_wire(c)
    ]

    assert events == [
        ReasoningDelta("Well."),
        ReasoningDelta("Hm."),
        TextDelta("Hi"),
        CallDelta(1, "c9", "stats"),
        CallDelta(1, arguments='{"a'),
    ]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": "Fri, 21 Nov 2025 10:00:30 GMT", "date": "Fri, 21 Nov 2025 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Fri, 21 Nov 2025 10:00:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_how_long_to_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None):
    assert retry_after_s(headers) == seconds


# -- against the embedded model's own server --------------------------------------------------------------------------


@pytest.fixture
async def client(served: Served) -> AsyncIterator[OpenAIChat]:
    client = OpenAIChat(served.model, base_url=served.base_url, api_key=KEY)
    yield client
    await client.close()
    await client.close()


async def test_an_answer_streams_from_a_real_server(client: OpenAIChat):
    events = [event async for event in client.stream(asked(seed=1))]

    assert len([e for e in events if type(e) is TextDelta]) > 2
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.model == "SmolLM2-135M-Instruct.Q4_1"
    assert end.usage is not None
    assert 0 < end.usage.completion_tokens <= 16 < end.usage.prompt_tokens


async def test_a_cap_on_a_real_server_is_told(client: OpenAIChat):
    assert (await collect(client, asked(max_tokens=3))).finish == "length"


async def test_a_schema_holds_a_real_server(client: OpenAIChat):
    schema = '{"type": "object", "properties": {"speaker": {"enum": ["writer", "critic"]}}, "required": ["speaker"]}'

    answer = await collect(client, asked(Said("Who speaks?"), output_schema=schema, max_tokens=40))

    assert json.loads(answer.reply.text)["speaker"] in {"writer", "critic"}


async def test_a_wrong_key_is_told_without_showing_it(served: Served):
    client = OpenAIChat(served.model, base_url=served.base_url, api_key="sk-wrong-and-secret")

    with pytest.raises(ModelError, match=r"401.*OPENAI_API_KEY") as caught:
        await collect(client, asked())

    assert not caught.value.retryable
    assert "sk-wrong-and-secret" not in f"{caught.value}{client!r}{client.info}"
    await client.close()


async def test_a_conversation_too_long_for_a_real_server_is_told(client: OpenAIChat):
    with pytest.raises(ModelError, match=r"2048.*shorten") as caught:
        await collect(client, asked(Said("word " * 3000)))

    assert not caught.value.retryable


def work_s(server: Served) -> float:
    """Return the work of a server so far, of each core: the machine may be busy with other things."""
    stat = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK") / cores()


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
async def test_leaving_a_stream_of_a_real_server_early_is_quick(client: OpenAIChat, served: Served):
    began = work_s(served)

    async for _ in client.stream(asked(Said("Tell a long story."), max_tokens=1500)):
        break
    await collect(client, asked(max_tokens=1))

    assert work_s(served) - began < 8  # 1,500 tokens take longer


async def test_a_server_that_dies_in_the_middle_may_be_tried_again(chat_weights: Path):
    with serve(chat_weights, api_key=KEY, context_window=2048) as dying:
        client = OpenAIChat(dying.model, base_url=dying.base_url, api_key=KEY)
        stream = client.stream(asked(Said("Tell a long story."), max_tokens=1500))
        await anext(stream)
        dying.process.kill()

        with pytest.raises(ModelError, match="cut off") as caught:
            async for _ in stream:
                pass

        assert caught.value.retryable
        with pytest.raises(ModelError, match="could not be reached") as caught:
            await collect(client, asked())
        assert caught.value.retryable
        await client.close()


# -- against a server that says what a provider may say ---------------------------------------------------------------

Peer = Callable[[str], Awaitable[OpenAIChat]]


async def asked_by(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Read one request, and return its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return json.loads(await reader.readexactly(length))


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """A server on a real socket that gives one answer, head and body, to whatever it is asked, and hangs up."""
    clients: list[OpenAIChat] = []
    servers: list[asyncio.Server] = []

    async def start(answer: str) -> OpenAIChat:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asked_by(reader)
            writer.write(answer.encode())
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        clients.append(OpenAIChat("m", base_url=f"http://127.0.0.1:{port}/v1", api_key="sk-known-secret"))
        return clients[-1]

    yield start
    for client in clients:
        await client.close()
    for server in servers:
        server.close()
        await server.wait_closed()


def refusal(status: int, body: object, *headers: str) -> str:
    text = json.dumps(body)
    lines = [f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(text)}", *headers]
    return "\r\n".join([*lines, "", text])


def streamed(*chunks: object, end: str = "data: [DONE]\n\n") -> str:
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    return head + "".join(f"data: {json.dumps(c)}\n\n" for c in chunks) + end


def piece(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": [choice]}


async def test_a_server_that_closes_after_a_stream_without_a_word_loses_no_request():
    """llama.cpp's does: what is sent on such a connection before its end is seen is never answered."""
    head, _, body = streamed(piece({"content": "yes"}), piece({}, "stop")).partition("\r\n\r\n")
    answer = head.replace("connection: close", f"content-length: {len(body)}") + "\r\n\r\n" + body

    talks: list[asyncio.Task[Any] | None] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        await asked_by(reader)
        writer.write(answer.encode())
        await reader.read(1)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        client = OpenAIChat("m", base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", api_key="k")
        answers = [await collect(client, asked()) for _ in range(3)]
        await client.close()
        await asyncio.gather(*filter(None, talks))

    assert [answer.reply.text for answer in answers] == ["yes"] * 3


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (400, False),
        (401, False),
        (403, False),
        (404, False),
        (408, True),
        (409, True),
        (422, False),
        (429, True),
        (500, True),
        (503, True),
    ],
)
async def test_a_status_says_whether_to_try_again(peer: Peer, status: int, retryable: bool):
    client = await peer(refusal(status, {"error": {"message": "It says: no.", "code": "x"}}))

    with pytest.raises(ModelError, match=rf"answered {status}: It says: no\.") as caught:
        await collect(client, asked())

    assert caught.value.retryable == retryable


async def test_a_rate_limit_says_how_long_to_wait(peer: Peer):
    client = await peer(refusal(429, {"error": {"message": "Slow down."}}, "retry-after: 12"))

    with pytest.raises(ModelError) as caught:
        await collect(client, asked())

    assert caught.value.retry_after_s == 12.0


async def test_an_empty_purse_is_not_tried_again(peer: Peer):
    client = await peer(refusal(429, {"error": {"message": "Pay first.", "code": "insufficient_quota"}}))

    with pytest.raises(ModelError) as caught:
        await collect(client, asked())

    assert not caught.value.retryable


async def test_a_server_that_repeats_the_key_does_not_give_it_away(peer: Peer):
    client = await peer(refusal(401, {"error": {"message": "Wrong key: sk-known-secret"}}))

    with pytest.raises(ModelError) as caught:
        await collect(client, asked())

    assert "sk-known-secret" not in str(caught.value)


async def test_tool_calls_and_usage_are_streamed(peer: Peer):
    def call(index: int, **more: Any) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, **more}]}

    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    client = await peer(
        streamed(
            piece({"role": "assistant", "content": None}),
            piece(call(0, id="a", function={"name": "stats", "arguments": ""})),
            piece(call(0, function={"arguments": '{"column": '})),
            piece(call(1, id="b", function={"name": "stats", "arguments": "{}"})),
            piece(call(0, function={"arguments": '"price"}'})),
            piece({}, "tool_calls"),
            {**piece({}), "choices": [], "usage": usage},
        )
    )

    answer = await collect(client, asked(tools=(STATS,)))

    assert answer.reply.calls == (ToolCall("a", "stats", '{"column": "price"}'), ToolCall("b", "stats", "{}"))
    assert (answer.finish, answer.usage, answer.model) == ("tool_calls", Usage(10, 5, 4, 3), "m-1")


async def test_a_stream_that_ends_without_an_end_may_be_tried_again(peer: Peer):
    client = await peer(streamed(piece({"content": "Hel"}), end=""))

    with pytest.raises(ModelError, match="in the middle") as caught:
        await collect(client, asked())

    assert caught.value.retryable


async def test_an_error_in_the_stream_may_be_tried_again(peer: Peer):
    client = await peer(streamed(piece({"content": "Hel"}), {"error": {"message": "The engine fell over."}}))

    with pytest.raises(ModelError, match="fell over") as caught:
        await collect(client, asked())

    assert caught.value.retryable


@pytest.mark.parametrize("line", ["{not json", '{"choices": 7}', '{"choices": [{"delta": []}]}', "[]"])
async def test_garbage_may_be_tried_again(peer: Peer, line: str):
    client = await peer(streamed(end=f"data: {line}\n\n"))

    with pytest.raises(ModelError) as caught:
        await collect(client, asked())

    assert caught.value.retryable


# -- opening ----------------------------------------------------------------------------------------------------------


def test_openai_without_a_key_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)

    with pytest.raises(ConfigError, match="Set OPENAI_API_KEY"):
        OpenAIChat("gpt-5")


async def test_another_server_is_named_by_the_environment(served: Served, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_BASE_URL", served.base_url)
    monkeypatch.setenv("MY_KEY", KEY)
    client = OpenAIChat("any", key_environment="MY_KEY")

    answer = await collect(client, asked(max_tokens=2))

    assert answer.usage is not None
    await client.close()


@asynccontextmanager
async def closing(client: OpenAIChat) -> AsyncIterator[OpenAIChat]:
    yield client
    await client.close()


async def test_a_server_that_is_not_there_may_be_tried_again():
    async with closing(OpenAIChat("m", base_url="http://127.0.0.1:9/v1")) as client:
        with pytest.raises(ModelError, match="could not be reached") as caught:
            await collect(client, asked())

        assert caught.value.retryable


# -- ids that another provider gave -----------------------------------------------------------------------------------


class OfMistral:
    """A server that takes ids of nine letters and digits only, as Mistral does."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        messages = (await asked_by(reader))["messages"]
        self.ids = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
        answers = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
        wrong = [id for id in (*self.ids, *answers) if not re.fullmatch("[a-zA-Z0-9]{9}", id)]
        said = f"Tool call id was {wrong} but must be a-z, A-Z, 0-9, with a length of 9."
        fine = not wrong and self.ids == answers
        writer.write(
            (streamed(piece({"content": "Two."}, "stop")) if fine else refusal(400, {"message": said})).encode()
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def of_mistral() -> AsyncIterator[tuple[OfMistral, str]]:
    server = OfMistral()
    async with await asyncio.start_server(server, "127.0.0.1", 0) as listening:
        yield server, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"


@tool(effect="read")
async def stats(column: str) -> str:
    """Compute."""
    return "2"


async def test_a_conversation_with_calls_that_openai_began_goes_on_at_mistral():
    calls = [
        ToolCall("call_4kzRLTgfGk1C0Gnq6cZ0a8vB", "stats", '{"column": "a"}'),
        ToolCall("D681PevKs", "stats", "{}"),
    ]
    began = AssistantAgent("ann", ScriptedModel([calls, "Two."]), tools=[stats])
    talk = conversation("talk")
    await RoundRobinGroupChat([began], max_turns=1).run("How many?", conversation=talk)

    async with of_mistral() as (server, url):
        client = OpenAIChat("mistral-large-latest", base_url=url, api_key="k")
        team = RoundRobinGroupChat([AssistantAgent("ann", client, tools=[stats])], max_turns=1)
        result = await team.run("Sure?", conversation=talk)
        report = await replay("talk", team=team, store=talk.store)
        await client.close()

    assert result.messages[-1].to_text() == "Two."
    assert (len(server.ids), server.ids[1]) == (2, "D681PevKs")
    assert report.identical


async def test_a_server_says_which_ids_it_takes_where_its_name_does_not():
    request = asked(Said("Hi."), CLOSED, tools=(STATS,))

    async with of_mistral() as (_, url):
        unknown, told = (OpenAIChat("ours", base_url=url, api_key="k", **more) for more in ({}, {"call_ids": MISTRAL}))
        with pytest.raises(ModelError, match=r"length of 9\. Say which ids it takes: .*call_ids='\[a-zA-Z0-9\]\{9\}'"):
            await collect(unknown, request)
        answer = await collect(told, request)
        for client in (unknown, told):
            await client.close()

    assert answer.reply.text == "Two."


@pytest.mark.parametrize(
    ("model", "url", "known"),
    [
        ("gpt-5", None, OPENAI),
        ("mistral-large-latest", "http://localhost:8000/v1", MISTRAL),
        ("mistralai/Mixtral-8x7B", "https://openrouter.ai/api/v1", MISTRAL),
        ("DEVSTRAL-SMALL", "http://localhost:8000/v1", MISTRAL),
        ("ft:tuned", "https://api.mistral.ai/v1", MISTRAL),
        ("anthropic/claude-sonnet-4.5", "https://openrouter.ai/api/v1", ANTHROPIC),
        ("gemini-3-pro", "https://example.com/v1", None),
    ],
)
def test_which_ids_are_taken_is_known_of_models_and_servers(
    model: str, url: str | None, known: str | None, monkeypatch: Any
):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)

    client = OpenAIChat(model, base_url=url, api_key="k")

    assert client.info.call_ids == known
    assert about(Held.of({"type": "openai", "model": model, "base_url": url}, component_registry())).call_ids == known


@pytest.mark.parametrize("call_ids", ["", "[a", "a{9}", "([a-z]+)+", "[a-z]{9}|x", "[z-a]{9}", "[a]{4294967296}"])
def test_ids_that_are_no_characters_and_their_number_are_refused(call_ids: str):
    with pytest.raises(ConfigError, match=r"which characters .* such as '\[a-zA-Z0-9\]\{9\}'"):
        OpenAIChat("m", api_key="k", call_ids=call_ids)


@pytest.mark.parametrize("call_ids", ["[a-z]{9}", "[0-9]{9}", "[a-z0-9]{8}", "[a-z0-9]{10,40}"])
def test_ids_that_leave_none_for_the_others_are_refused(call_ids: str):
    with pytest.raises(ConfigError, match="nine small letters and digits"):
        OpenAIChat("m", api_key="k", call_ids=call_ids)


# -- more messages than a server takes --------------------------------------------------------------------------------

MOST = 2048


async def few_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as OpenAI does, which takes so many messages."""
    count = len((await asked_by(reader))["messages"])
    said = f"Invalid 'messages': array too long. Expected an array with maximum length {MOST}, but got an array with "
    error = {"message": f"{said}length {count} instead.", "param": "messages", "code": "array_above_max_length"}
    fine = streamed(piece({"content": "Yes."}, "stop"))
    writer.write((fine if count <= MOST else refusal(400, {"error": error})).encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def test_a_conversation_with_too_many_messages_is_told_what_to_do_and_goes_on_with_it():
    history = [Reply("No.") if at % 2 else Said("Yes?") for at in range(MOST + 1)]

    async with await asyncio.start_server(few_at_once, "127.0.0.1", 0) as listening:
        client = OpenAIChat("m", base_url=f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1", api_key="k")
        with pytest.raises(ModelError, match=r"2049 instead\..*BufferedChatCompletionContext\(buffer_size") as caught:
            await collect(client, asked(*history))
        answer = await collect(client, ModelRequest(BufferedChatCompletionContext(MOST // 2).view(Blocks(history))))
        await client.close()

    assert not caught.value.retryable
    assert answer.reply.text == "Yes."


async def test_too_many_of_something_else_is_told_as_the_server_says_it(peer: Peer):
    said = {"message": "Invalid 'tools': array too long.", "param": "tools", "code": "array_above_max_length"}
    client = await peer(refusal(400, {"error": said}))

    with pytest.raises(ModelError, match=r"Invalid 'tools': array too long\.$"):
        await collect(client, asked())
