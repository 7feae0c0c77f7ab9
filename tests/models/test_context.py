from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.errors import ConfigError
from quorate.models import Blocks, ModelRequest, Reply, Said, ToolCall, ToolResult
from quorate.models.blocks import Block
from quorate.models.context import (
    BufferedChatCompletionContext,
    HeadAndTailChatCompletionContext,
    ModelContext,
    TokenLimitedChatCompletionContext,
    UnboundedChatCompletionContext,
    note,
    tokens_of,
)
from quorate.models.openai import to_wire

sizes = st.integers(1, 12)
contexts: st.SearchStrategy[ModelContext] = st.one_of(
    st.just(UnboundedChatCompletionContext()),
    st.builds(BufferedChatCompletionContext, sizes),
    st.builds(HeadAndTailChatCompletionContext, sizes, sizes),
    st.builds(TokenLimitedChatCompletionContext, st.integers(1, 200), st.integers(0, 4)),
)


@st.composite
def histories(draw: st.DrawFn) -> Blocks:
    """Draw conversations of things said, replies, and rounds of one to three tool calls with all their results."""
    blocks: list[Block] = []
    for i in range(draw(st.integers(0, 25))):
        text = draw(st.text("ab ", max_size=30))
        calls = tuple(ToolCall(f"c{i}.{n}", "look", f'{{"n": {n}}}') for n in range(draw(st.integers(0, 3))))
        if not calls:
            blocks.append(draw(st.sampled_from([Said(text, "ann"), Reply(text)])))
            continue
        blocks.append(Reply(text, calls, (), tuple(ToolResult(call.id, "look", text) for call in calls)))
    return Blocks(blocks)


def said(blocks: Sequence[Block]) -> list[str]:
    return [block.text for block in blocks]


@given(histories(), contexts)
def test_no_cut_separates_a_tool_call_from_its_results(history: Blocks, context: ModelContext) -> None:
    shown = context.view(history)

    asked: list[str] = []
    answered: list[str] = []
    for message in to_wire(ModelRequest(shown), "gpt-5")["messages"]:
        if message["role"] == "tool":
            answered.append(message["tool_call_id"])
        else:
            assert answered == asked, "a provider refuses a call without its result, and a result without its call"
            asked, answered = [call["id"] for call in message.get("tool_calls", [])], []
    assert answered == asked


@given(histories(), contexts)
def test_a_view_shows_blocks_of_the_conversation_in_their_order_the_latest_among_them(
    history: Blocks, context: ModelContext
) -> None:
    before = list(history)

    shown = [block for block in context.view(history) if block.text[:8] != "Skipped "]

    places = [next(i for i, block in enumerate(history) if block is one) for one in shown]
    assert places == sorted(set(places))
    assert not before or places[-1] == len(before) - 1
    assert list(history) == before


@given(histories(), contexts)
def test_a_view_depends_on_the_blocks_alone(history: Blocks, context: ModelContext) -> None:
    again = Blocks(list(history))

    assert list(context.view(history)) == list(context.view(again)) == list(context.view(history))


@given(histories(), contexts)
def test_where_nothing_is_left_out_the_view_is_the_conversation_itself(history: Blocks, context: ModelContext) -> None:
    shown = context.view(history)

    assert (shown is history) == (len(shown) == len(history) and list(shown) == list(history))


@given(histories(), sizes)
def test_a_buffer_shows_so_many_of_the_latest(history: Blocks, size: int) -> None:
    assert list(BufferedChatCompletionContext(size).view(history)) == list(history)[-size:]


@given(histories(), sizes, sizes)
def test_head_and_tail_tell_how_many_are_left_out(history: Blocks, head: int, tail: int) -> None:
    blocks, shown = list(history), list(HeadAndTailChatCompletionContext(head, tail).view(history))

    if len(blocks) <= head + tail:
        assert shown == blocks
    else:
        assert shown == [*blocks[:head], note(len(blocks) - head - tail), *blocks[-tail:]]


@given(histories(), st.integers(1, 200), st.integers(0, 4))
def test_a_token_limit_holds_unless_the_latest_block_alone_is_above_it(history: Blocks, limit: int, head: int) -> None:
    shown = list(TokenLimitedChatCompletionContext(limit, head).view(history))

    assert sum(map(tokens_of, shown)) <= limit or len(shown) == 1


@given(histories(), st.integers(1, 200), st.integers(0, 4))
def test_a_token_limit_leaves_out_no_block_that_there_is_room_for(history: Blocks, limit: int, head: int) -> None:
    context = TokenLimitedChatCompletionContext(limit, head)

    shown = list(context.view(history))

    blocks = list(history)
    if len(shown) < len(blocks):
        kept = 0
        while kept < len(shown) and shown[kept] is blocks[kept] and kept < head:
            kept += 1
        tail = len(shown) - kept
        next_one = blocks[len(blocks) - tail - 1]
        assert sum(map(tokens_of, shown)) + tokens_of(next_one) > limit


def test_the_task_stays_while_the_middle_goes() -> None:
    history = Blocks([Said("the task"), *[Said(f"message {i}") for i in range(20)]])

    shown = TokenLimitedChatCompletionContext(40).view(history)

    assert said(shown) == ["the task", *[f"message {i}" for i in range(16, 20)]]


def test_tokens_can_be_counted_by_the_model_s_own_counter() -> None:
    history = Blocks([Said(text) for text in ("one", "two words", "and three words", "last")])

    def words(block: Block) -> int:
        return len(block.text.split())

    shown = TokenLimitedChatCompletionContext(5, head_size=0, count=words).view(history)

    assert said(shown) == ["and three words", "last"]


def test_a_view_of_a_long_conversation_costs_what_is_shown() -> None:
    counted: list[str] = []

    def count(block: Block) -> int:
        counted.append(block.text)
        return 1

    TokenLimitedChatCompletionContext(10, count=count).view(Blocks([Said(str(i)) for i in range(10_000)]))

    assert len(counted) <= 12


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BufferedChatCompletionContext(0), "buffer_size=0 must be at least 1"),
        (lambda: HeadAndTailChatCompletionContext(0, 1), "head_size=0 must be"),
        (lambda: HeadAndTailChatCompletionContext(1, -1), "tail_size=-1 must be"),
        (lambda: TokenLimitedChatCompletionContext(0), "token_limit=0 must be"),
        (lambda: TokenLimitedChatCompletionContext(1, -1), "head_size=-1 must be at least 0"),
    ],
)
def test_a_size_that_shows_nothing_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()
