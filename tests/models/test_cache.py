"""A cached answer is the answer: the same to whoever asks, at no cost, and never another's."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from quorate import AssistantAgent, Limits, Price, conversation, replay, tool
from quorate.errors import ConfigError, ModelError, StoreError
from quorate.models import (
    Blocks,
    CallDelta,
    Finished,
    ModelRequest,
    ReasoningDelta,
    Reply,
    Said,
    TextDelta,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
    collect,
)
from quorate.models.cache import CacheStore, ChatCompletionCache, InMemoryStore, key_of
from quorate.testing import ScriptedModel
from quorate.testing.caches import check_cache_store

ASKED = ModelRequest(Blocks([Said("1 + 2?")]), system="Be brief.")
EVENTS = [
    ReasoningDelta("Hm", ""), ReasoningDelta("m.", "signed"), TextDelta("I "), TextDelta("add."),
    CallDelta(0, "c1", "add", '{"a":'), CallDelta(0, "", "", "1}"), CallDelta(1, "c2", "add", "{}"),
    Finished(Usage(9, 5), "tool_calls", "model-7"),
]  # fmt: skip


async def test_store_in_memory_keeps_its_promises() -> None:
    await check_cache_store(InMemoryStore())


async def test_what_was_not_used_for_longest_goes_first() -> None:
    store = InMemoryStore(2)
    for key in ("a", "b"):
        await store.set(key, key)
    await store.get("a")
    await store.set("c", "c")

    assert [await store.get(key) for key in ("a", "b", "c")] == ["a", None, "c"]


def test_a_store_without_room_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_entries=0"):
        InMemoryStore(0)


async def test_the_same_question_is_asked_once() -> None:
    model = ScriptedModel([EVENTS])
    cache = ChatCompletionCache(model)

    first = await collect(cache, ASKED)
    second = await collect(cache, replace(ASKED, blocks=Blocks([Said("1 + 2?")])))

    assert second.reply == first.reply
    assert second.reply.calls == (ToolCall("c1", "add", '{"a":1}'), ToolCall("c2", "add", "{}"))
    assert (second.finish, second.model) == (first.finish, first.model) == ("tool_calls", "model-7")
    assert (first.usage, second.usage) == (Usage(9, 5), Usage())
    assert len(model.requests) == 1
    assert cache.info is model.info


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, blocks=Blocks([Said("1 + 3?")])),
        replace(ASKED, blocks=Blocks([Said("1 + 2?", "ann")])),
        replace(ASKED, blocks=Blocks([Reply("1 + 2?")])),
        replace(ASKED, blocks=Blocks([Said("1 + 2?"), Reply("")])),
        replace(ASKED, system=None),
        replace(ASKED, tools=(ToolSpec("add", "Add.", "{}"),)),
        replace(ASKED, tool_choice="none"),
        replace(ASKED, output_schema="{}"),
        replace(ASKED, temperature=0.0),
        replace(ASKED, seed=1),
    ],
)
async def test_another_question_is_another(other: ModelRequest) -> None:
    model = ScriptedModel(["three", "else"])
    cache = ChatCompletionCache(model)

    await collect(cache, ASKED)

    assert (await collect(cache, other)).reply.text == "else"


async def test_another_model_is_asked_itself() -> None:
    store = InMemoryStore()
    await collect(ChatCompletionCache(ScriptedModel(["three"], name="a"), store), ASKED)

    assert (await collect(ChatCompletionCache(ScriptedModel(["drei"], name="b"), store), ASKED)).reply.text == "drei"


said = st.tuples(st.text(max_size=4), st.text(max_size=4)).map(lambda t: Said(*t))
called = st.builds(
    lambda text, call, result: Reply(text, (ToolCall("c", *call),), (), (ToolResult("c", call[0], result),)),
    st.text(max_size=4), st.tuples(st.text(max_size=4), st.text(max_size=4)), st.text(max_size=4),
)  # fmt: skip
talks = st.lists(said | called | st.text(max_size=4).map(Reply), max_size=3)


@given(talks, talks)
def test_two_conversations_have_one_key_only_if_they_are_equal(a: list[Any], b: list[Any]) -> None:
    keys = [key_of("m", ModelRequest(Blocks(blocks))) for blocks in (a, b)]

    assert (keys[0] == keys[1]) == (a == b)


@pytest.mark.parametrize(
    ("finish", "first", "second", "again"),
    [
        ("stop", 100, 100, False),
        ("stop", 100, 50, False),  # it has 5 tokens
        ("stop", 100, 4, True),
        ("stop", 50, 100, False),
        ("length", 5, 100, True),  # it would be longer now
        ("length", 5, 5, False),
        ("content_filter", 100, 100, True),
    ],
)
async def test_a_kept_answer_is_used_where_it_would_be_the_same(
    finish: Any, first: int, second: int, again: bool
) -> None:
    events = [TextDelta("three"), Finished(Usage(9, 5), finish)]
    model = ScriptedModel([events, events])
    cache = ChatCompletionCache(model)

    await collect(cache, ASKED.capped(first))
    await collect(cache, ASKED.capped(second))

    assert len(model.requests) == 1 + again


async def test_a_failure_is_not_kept() -> None:
    model = ScriptedModel([ModelError("Busy.", retryable=True), [TextDelta("cu")], "three"])
    cache = ChatCompletionCache(model)

    for _ in range(2):
        with pytest.raises(ModelError):
            await collect(cache, ASKED)

    assert (await collect(cache, ASKED)).reply.text == "three"


@pytest.mark.parametrize(
    "data", [1, "text", [], {}, {"version": 2}, {"version": 1, "text": 1}, {"version": 1, "text": "", "calls": [[1]]}]
)
async def test_a_value_that_is_no_answer_is_a_miss(data: Any) -> None:
    store = InMemoryStore()
    model = ScriptedModel(["three"])
    await store.set(key_of(model.info.name, ASKED), data)

    assert (await collect(ChatCompletionCache(model, store), ASKED)).reply.text == "three"


async def test_a_store_that_fails_is_told_in_the_log_and_the_model_is_asked(caplog: Any) -> None:
    class Broken:
        async def get(self, key: str) -> Any:
            raise StoreError("The disk is gone.")

        async def set(self, key: str, value: Any) -> None:
            raise StoreError("The disk is full.")

        async def close(self) -> None:
            """Nothing to give back."""

    store: CacheStore = Broken()

    assert (await collect(ChatCompletionCache(ScriptedModel(["three"]), store), ASKED)).reply.text == "three"
    assert [record.getMessage() for record in caplog.records] == [
        "The cache could not be read, so scripted is asked: The disk is gone.",
        "The cache could not be written: The disk is full.",
    ]


# -- in a run ---------------------------------------------------------------------------------------------------------


@tool(effect="read")
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def test_a_second_run_asks_nothing_costs_nothing_and_says_the_same() -> None:
    model = ScriptedModel([ToolCall("c1", "add", '{"a":1,"b":2}'), "It is 3."], name="my:model")
    object.__setattr__(model.info, "free", False)
    agent = AssistantAgent("a", ChatCompletionCache(model), tools=[add])
    prices = {"my:model": Price(1000.0, 1000.0)}

    first = await agent.run(task="1 + 2?", conversation=conversation("one"), prices=prices)
    second = await agent.run(
        task="1 + 2?", conversation=conversation("two"), prices=prices, limits=Limits(cost_usd=50.0)
    )

    assert [m.to_text() for m in second.messages] == [m.to_text() for m in first.messages]
    assert len(model.requests) == 2
    assert (first.cost_usd or 0) > 0
    assert (second.cost_usd, second.usage.prompt_tokens, second.usage.completion_tokens) == (0.0, 0, 0)


async def test_a_replay_needs_no_cache() -> None:
    """ENGINE 4: what a step came to is in the journal, wherever it came from."""
    store = InMemoryStore()
    await AssistantAgent("a", ChatCompletionCache(ScriptedModel(["Hello."]), store)).run(task="Hi.")
    talk = conversation("talk")
    await AssistantAgent("a", ChatCompletionCache(ScriptedModel([]), store)).run(task="Hi.", conversation=talk)

    report = await replay("talk", team=AssistantAgent("a", ScriptedModel([])), store=talk.store)

    assert report.identical
