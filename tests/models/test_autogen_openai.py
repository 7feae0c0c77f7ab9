"""AutoGen's OpenAI client of the view, against the embedded model's own server; beside AutoGen's: `tests/compat`."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from quorate import MaxMessageTermination, RoundRobinGroupChat, conversation
from quorate.compat.autogen import quorate_team
from quorate.compat.autogen.agentchat.agents import AssistantAgent
from quorate.compat.autogen.agentchat.teams import RoundRobinGroupChat as ViewedTeam
from quorate.compat.autogen.core import CancellationToken, FunctionCall
from quorate.compat.autogen.core.models import (
    AssistantMessage,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    ModelFamily,
    ModelInfo,
    SystemMessage,
    UserMessage,
)
from quorate.compat.autogen.ext.models.openai import OpenAIChatCompletionClient
from quorate.errors import ConfigError, ModelError
from quorate.models.serve import Served

KEY = "the-right-key"
OF_OPENAI = "call_4kzRLTgfGk1C0Gnq6cZ0a8vB"
ABLE = ModelInfo(vision=False, function_calling=True, json_output=True, family="unknown", structured_output=True)
ASKED = [SystemMessage(content="Be brief."), UserMessage(content="Say hello.", source="ann")]


class Choice(BaseModel):
    speaker: Literal["writer", "critic"]


def client_of(served: Served, **options: Any) -> OpenAIChatCompletionClient:
    given = {"model": served.model, "base_url": served.base_url, "api_key": KEY, "model_info": ABLE, "seed": 1}
    return OpenAIChatCompletionClient(**{**given, "max_tokens": 8, "temperature": 0.0, **options})


@pytest.fixture
async def client(served: Served) -> AsyncIterator[OpenAIChatCompletionClient]:
    client = client_of(served)
    yield client
    await client.close()


async def test_it_answers_whole_and_in_pieces_and_counts(client: OpenAIChatCompletionClient) -> None:
    whole = await client.create(ASKED)
    *pieces, last = [item async for item in client.create_stream(ASKED)]

    assert whole.content
    assert "".join(str(piece) for piece in pieces) == last.content == whole.content
    assert 0 < whole.usage.completion_tokens <= 8 < whole.usage.prompt_tokens
    assert client.total_usage().prompt_tokens == client.actual_usage().prompt_tokens == 2 * whole.usage.prompt_tokens
    assert 0 < client.count_tokens(ASKED) < client.remaining_tokens(ASKED)


async def test_arguments_of_a_call_win_over_those_of_the_client(client: OpenAIChatCompletionClient) -> None:
    assert (await client.create(ASKED, extra_create_args={"max_tokens": 2})).finish_reason == "length"
    assert (await client.create(ASKED, extra_create_args={"stop": ["o"], "max_tokens": 9})).finish_reason == "stop"


async def test_a_type_of_answer_holds_the_model(client: OpenAIChatCompletionClient) -> None:
    answer = await client.create(
        [UserMessage(content="Who speaks?", source="u")], json_output=Choice, extra_create_args={"max_tokens": 40}
    )

    assert Choice.model_validate_json(str(answer.content)).speaker in {"writer", "critic"}


async def test_it_speaks_in_a_team_within_its_limits(served: Served) -> None:
    agent = AssistantAgent("bot", client_of(served), system_message="Be brief.")  # pyright: ignore[reportArgumentType]
    team = RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(2))

    result = await team.run("Say hello.")

    assert result.messages[-1].source == "bot"
    assert result.messages[-1].models_usage is not None
    assert result.usage.completion_tokens == result.messages[-1].models_usage.completion_tokens > 0


async def test_the_key_is_in_no_dump_error_or_event(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "autogen_core.events")
    wrong = client_of(served, api_key="sk-wrong-and-secret")
    data = client_of(served).dump_component()

    with pytest.raises(ModelError, match="401") as caught:
        await wrong.create(ASKED)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    loaded = OpenAIChatCompletionClient.load_component(data)
    answer = await loaded.create(ASKED)

    assert answer.content
    events = [json.loads(record.getMessage()) for record in caplog.records if "LLMCall" in record.getMessage()]
    assert len(events) == 1
    assert events[0]["prompt_tokens"] == answer.usage.prompt_tokens
    told = f"{caught.value}{data.model_dump_json()}{caplog.text}{wrong.dump_component()}{wrong!r}"
    assert "secret" not in told
    assert KEY not in told
    for one in (wrong, loaded):
        await one.close()


async def test_a_token_ends_a_call(client: OpenAIChatCompletionClient) -> None:
    token = CancellationToken()
    stream = client.create_stream(ASKED, cancellation_token=token, extra_create_args={"max_tokens": 1500})
    await anext(stream)

    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        async for _ in stream:
            pass


def test_an_option_that_is_none_is_refused_by_its_name(served: Served) -> None:
    with pytest.raises(ConfigError, match="temprature is neither"):
        client_of(served, temprature=1)
    with pytest.raises(ConfigError, match="model_info"):
        OpenAIChatCompletionClient(model="somebodys", base_url=served.base_url)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        OpenAIChatCompletionClient(model="gpt-4o")


def test_what_a_run_may_count_on_follows_from_the_options() -> None:
    client = OpenAIChatCompletionClient(model="gpt-4o", api_key="k", max_retries=0, timeout=9.0, max_tokens=100)

    assert (client.info.attempts, client.info.timeout_s, client.info.max_output) == (1, 9.0, 100)
    assert client.info.context_window == 128_000
    assert client.info.vision


class Refusing:
    """A server that is overloaded a few times, and then answers; closes each connection and keeps what it was sent."""

    def __init__(self, refusals: int) -> None:
        self.left, self.asked, self.sent = refusals, 0, dict[str, Any]()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        self.sent = json.loads(await reader.readexactly(length))
        self.asked, self.left = self.asked + 1, self.left - 1
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        said = {**chunk, "choices": [{"index": 0, "delta": {"content": "Hello."}, "finish_reason": "stop"}]}
        more, body = "content-type: text/event-stream", f"data: {json.dumps(said)}\n\ndata: [DONE]\n\n"
        if self.left >= 0:
            more, body = "retry-after-ms: 1\r\nretry-after: 0", '{"error": {"message": "overloaded"}}'
        status = 503 if self.left >= 0 else 200
        writer.write(f"HTTP/1.1 {status} X\r\n{more}\r\nconnection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def reaching(server: Refusing, **options: Any) -> AsyncIterator[OpenAIChatCompletionClient]:
    async with await asyncio.start_server(server, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
        client = OpenAIChatCompletionClient(**{"model": "m", "model_info": ABLE, **options}, base_url=url, api_key=KEY)
        yield client
        await client.close()


@pytest.mark.parametrize(("options", "tries"), [({}, 3), ({"max_retries": 1}, 2), ({"max_retries": 0}, 1)])
async def test_asked_by_hand_it_tries_again_as_often_as_the_sdk_does(options: dict[str, Any], tries: int) -> None:
    patient, vain = Refusing(tries - 1), Refusing(tries)

    async with reaching(patient, **options) as client:
        assert (await client.create(ASKED)).content == "Hello."
    async with reaching(vain, **options) as client:
        with pytest.raises(ModelError, match="overloaded"):
            await client.create(ASKED)

    assert (patient.asked, vain.asked) == (tries, tries)


async def test_in_a_run_only_the_run_tries_again_and_journals_it() -> None:
    # ENGINE 20: retries have one owner
    server, talk = Refusing(2), conversation("talk")
    async with reaching(server) as client:
        agent = AssistantAgent("bot", client, system_message=None)  # pyright: ignore[reportArgumentType]

        result = await quorate_team(ViewedTeam([agent], max_turns=1)).run("Go.", conversation=talk)

    assert result.messages[-1].to_text() == "Hello."
    assert (server.asked, sum(e.kind == "retry" for e in await talk.entries())) == (3, 2)


CALLED: list[Any] = [
    UserMessage(content="How many?", source="user"),
    AssistantMessage(
        content=[FunctionCall(id=id, name="f", arguments="{}") for id in (OF_OPENAI, "D681PevKs")], source="a"
    ),
    FunctionExecutionResultMessage(
        content=[FunctionExecutionResult(content="2", name="f", call_id=id) for id in (OF_OPENAI, "D681PevKs")]
    ),
]


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({"model": "mistral-large-latest"}, "f38139d0f"),
        ({"model_info": {**ABLE, "family": ModelFamily.PIXTRAL}}, "f38139d0f"),
        ({}, OF_OPENAI),
    ],
)
async def test_ids_that_a_model_would_refuse_are_sent_as_others(options: dict[str, Any], first: str) -> None:
    server = Refusing(0)

    async with reaching(server, **options) as client:
        await client.create(CALLED)

    calls, *results = server.sent["messages"][1:]
    assert [call["id"] for call in calls["tool_calls"]] == [first, "D681PevKs"]
    assert [result["tool_call_id"] for result in results] == [first, "D681PevKs"]
