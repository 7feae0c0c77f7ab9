import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate.errors import ConfigError, ModelError
from quorate.models import Blocks, Finished, ModelRequest, Reply, Said, TextDelta, ToolCall, ToolSpec, collect
from quorate.models.blocks import ToolResult
from quorate.models.embedded import EmbeddedModel
from quorate.models.engine import cores

COLUMNS = ["units", "price", "revenue", "discount"]
STATS = ToolSpec(
    "column_stats",
    "Compute a number over one column of the file.",
    json.dumps(
        {
            "type": "object",
            "properties": {
                "column": {"type": "string", "enum": COLUMNS},
                "statistic": {"type": "string", "enum": ["average", "minimum", "maximum", "total"]},
            },
            "required": ["column", "statistic"],
        }
    ),
)
ANALYST = "You are a data analyst. Answer with the number from the tool in one short sentence."
LONG = "Tell me a very long story about a fox, a ship and a lighthouse, with many chapters."


@pytest.fixture(scope="module")
def model(chat_weights: Path) -> Iterator[EmbeddedModel]:
    client = EmbeddedModel(chat_weights, context_window=2048)  # bound to no event loop
    yield client
    asyncio.run(client.close())


def asked(text: str, *more: Said | Reply, **fields: Any) -> ModelRequest:
    return ModelRequest(**{"blocks": Blocks([Said(text), *more]), "max_tokens": 24, **fields})


async def test_an_answer_comes_piece_by_piece_with_its_usage(model: EmbeddedModel):
    events = [event async for event in model.stream(asked("Say hello."))]

    pieces, end = events[:-1], events[-1]
    assert len(pieces) > 2
    assert all(type(piece) is TextDelta for piece in pieces)
    assert isinstance(end, Finished)
    assert end.usage is not None
    assert end.usage.prompt_tokens > 5
    assert len(pieces) <= end.usage.completion_tokens <= 24


async def test_a_reply_that_is_cut_by_its_cap_says_so(model: EmbeddedModel):
    cut = await collect(model, asked(LONG, max_tokens=5))

    assert cut.finish == "length"
    assert cut.usage is not None
    assert cut.usage.completion_tokens == 5


async def test_one_seed_gives_one_text_and_another_seed_another(model: EmbeddedModel):
    first, again, other = [
        (await collect(model, asked(LONG, temperature=1.5, seed=seed))).reply.text for seed in (1, 1, 2)
    ]

    assert first == again
    assert first != other


async def test_several_streams_at_once_do_not_mix(model: EmbeddedModel):
    requests = [asked(f"Write one sentence about {topic}.", seed=4) for topic in ("bees", "salt", "chess")]
    alone = [await collect(model, request) for request in requests]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(collect(model, request)) for request in requests]

    assert [task.result().reply for task in tasks] == [answer.reply for answer in alone]


# They count the work of each core in this process, not the clock: the machine may be busy with other things.


def work_s() -> float:
    return time.process_time() / cores()


async def test_leaving_a_stream_early_frees_the_engine(model: EmbeddedModel):
    stream = model.stream(asked(LONG, max_tokens=1500))
    await anext(stream)
    began = work_s()

    await stream.aclose()  # type: ignore[attr-defined]

    assert work_s() - began < 0.5
    await collect(model, asked("Say hello.", max_tokens=1))
    assert work_s() - began < 5  # 1,500 tokens take longer


async def test_breaking_out_of_a_stream_frees_the_engine(model: EmbeddedModel):
    began = work_s()

    async for _ in model.stream(asked(LONG, max_tokens=1500)):
        break
    await collect(model, asked("Say hello.", max_tokens=1))

    assert work_s() - began < 5


async def test_cancelling_stops_in_the_middle_of_a_long_prompt(model: EmbeddedModel):
    await collect(model, asked("Say hello.", max_tokens=1))  # loaded
    began = work_s()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await collect(model, asked("The fox runs. " * 400))  # some 15 s of prompt

    assert work_s() - began < 1.5
    await collect(model, asked("Say hello.", max_tokens=1))
    assert work_s() - began < 5


async def test_a_request_that_waits_for_its_turn_can_be_cancelled(model: EmbeddedModel):
    first = model.stream(asked(LONG, max_tokens=1500))
    await anext(first)
    began = work_s()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await collect(model, asked("Say hello."))

    assert work_s() - began < 0.5
    await first.aclose()  # type: ignore[attr-defined]


async def test_the_loop_goes_on_while_the_model_loads_and_answers(chat_weights: Path):
    loop, ticks = asyncio.get_running_loop(), 0

    def tick() -> None:
        nonlocal ticks, handle
        ticks += 1
        handle = loop.call_later(0.01, tick)

    handle = loop.call_soon(tick)
    client = EmbeddedModel(chat_weights, context_window=1024)
    await collect(client, asked("Say hello."))
    handle.cancel()
    await client.close()

    assert ticks > 10


async def test_a_schema_holds_the_reply(model: EmbeddedModel):
    schema = {
        "type": "object",
        "properties": {"speaker": {"enum": ["writer", "critic"]}, "sure": {"type": "boolean"}},
        "required": ["speaker", "sure"],
    }

    answer = await collect(model, asked("Who speaks next?", output_schema=json.dumps(schema)))

    found = json.loads(answer.reply.text)
    assert found["speaker"] in {"writer", "critic"}
    assert isinstance(found["sure"], bool)


@pytest.mark.parametrize(
    ("question", "column", "statistic"),
    [
        ("What is the average discount?", "discount", "average"),
        ("What was the highest price?", "price", "maximum"),
        ("How much revenue did we make in total?", "revenue", "total"),
    ],
)
async def test_the_model_picks_the_tool_and_its_arguments(
    model: EmbeddedModel, question: str, column: str, statistic: str
):
    answer = await collect(model, asked(question, system=ANALYST, tools=(STATS,), max_tokens=60))

    assert answer.finish == "tool_calls"
    assert [(call.id, call.name) for call in answer.reply.calls] == [("call_1", "column_stats")]
    assert json.loads(answer.reply.calls[0].arguments) == {"column": column, "statistic": statistic}
    assert answer.reply.text == ""


async def test_after_the_result_the_model_answers_with_it(model: EmbeddedModel):
    call = ToolCall("call_1", "column_stats", '{"column": "price", "statistic": "maximum"}')
    known = Reply(calls=(call,)).answered([ToolResult("call_1", "column_stats", "The maximum price is 41.5.")])

    answers = [
        await collect(
            model, asked("What was the highest price?", known, system=ANALYST, tools=(STATS,), tool_choice=choice)
        )
        for choice in ("auto", "none")
    ]

    assert all("41.5" in answer.reply.text and not answer.reply.calls for answer in answers)
    assert answers[0].reply == answers[1].reply
    assert answers[0].usage is not None
    assert answers[1].usage is not None
    assert answers[0].usage.prompt_tokens == answers[1].usage.prompt_tokens  # counted once for both of its passes


@pytest.mark.parametrize("choice", ["required", "now"])
async def test_a_call_that_is_required_is_made(model: EmbeddedModel, choice: str):
    now = ToolSpec("now", "Tell the time.", '{"type": "object", "properties": {}}')

    answer = await collect(model, asked("Thank you!", tools=(now,), tool_choice=choice))

    assert [(call.name, call.arguments) for call in answer.reply.calls] == [("now", "{}")]


async def test_ids_of_calls_differ_in_a_conversation(model: EmbeddedModel):
    earlier = Reply(calls=(ToolCall("call_1", "now", "{}"),)).answered([ToolResult("call_1", "now", "Noon.")])
    now = ToolSpec("now", "Tell the time.", '{"type": "object", "properties": {}}')

    answer = await collect(
        model, asked("What time is it?", earlier, Said("And now?"), tools=(now,), tool_choice="required")
    )

    assert answer.reply.calls[0].id == "call_2"


async def test_a_call_that_is_cut_is_no_call_to_make(model: EmbeddedModel):
    answer = await collect(model, asked("What was the highest price?", tools=(STATS,), max_tokens=8))

    assert answer.finish == "length"


async def test_a_conversation_that_is_too_long_is_told_with_what_to_do(model: EmbeddedModel):
    with pytest.raises(ModelError, match=r"more than the 2048 .*context_window") as caught:
        await collect(model, asked("word " * 3000))

    assert not caught.value.retryable


@pytest.mark.parametrize(
    "schema", ['{"type": "no such type"}', '{"type": "object", "properties": {"a": {"$ref": "#/x"}}}']
)
async def test_a_schema_that_the_engine_does_not_know_is_told_and_not_ignored(model: EmbeddedModel, schema: str):
    tool = ToolSpec(
        "odd", "Do something odd.", f'{{"type": "object", "properties": {{"p": {schema}}}, "required": ["p"]}}'
    )

    for fields in ({"output_schema": schema}, {"tools": (tool,), "tool_choice": "required", "system": "Say: hello."}):
        with pytest.raises(ModelError, match="did not follow the JSON schema") as caught:
            await collect(model, asked("Hello", **fields))
        assert not caught.value.retryable


async def test_missing_weights_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QUORATE_MODELS", str(tmp_path))
    monkeypatch.delenv("QUORATE_EMBEDDED_MODEL", raising=False)

    with pytest.raises(ConfigError, match="quorate models pull"):
        await collect(EmbeddedModel(), asked("Hello"))


@pytest.mark.parametrize("content", [None, b"no model", b"GGUF and then nothing"])
async def test_a_file_that_is_no_model_is_told(tmp_path: Path, content: bytes | None):
    path = tmp_path / "own.gguf"
    if content is not None:
        path.write_bytes(content)
    client = EmbeddedModel(path)

    with pytest.raises(ConfigError, match=r"own\.gguf"):
        await collect(client, asked("Hello"))

    await client.close()


async def test_the_environment_names_a_bigger_model(chat_weights: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QUORATE_EMBEDDED_MODEL", str(chat_weights))

    assert EmbeddedModel().info.name == "embedded:SmolLM2-135M-Instruct.Q4_1"


async def test_closing_twice_is_fine_and_the_last_client_unloads(chat_weights: Path):
    before = set(threading.enumerate())
    first, second = (EmbeddedModel(chat_weights, context_window=512) for _ in range(2))
    await collect(first, asked("Hello", max_tokens=1))
    await collect(second, asked("Hello", max_tokens=1))
    loaded = set(threading.enumerate()) - before

    await first.close()
    await first.close()

    await collect(second, asked("Hello", max_tokens=1))
    await second.close()
    for thread in loaded:
        thread.join(60)
    assert len(loaded) == 1  # for both of them
    assert not any(thread.is_alive() for thread in loaded)


async def test_a_number_that_was_told_is_said_again(model: EmbeddedModel):
    told = Said("The average price is 4.75.", "analyst", "agent")

    answer = await collect(model, asked("What is the average price?", told, system="You sum up what was found."))

    assert "4.75" in answer.reply.text
