"""Views of a conversation compose, and none takes a reply apart. What providers want besides: `test_order.py`."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.errors import ConfigError
from quorate.models import Blocks, Reply, Said, ToolCall
from quorate.models.blocks import Summary, ToolResult
from quorate.models.client import ModelRequest
from quorate.models.context import BufferedChatCompletionContext, HeadAndTailChatCompletionContext
from quorate.models.openai import to_wire
from quorate.models.views import (
    Chain,
    FromSources,
    MessageFilterConfig,
    OwnSide,
    PerSourceFilter,
    Pinned,
    Summarized,
)


def made(kinds: str) -> Blocks:
    """Return a block for each letter: a person, other agents, own words, own calls with results."""
    found: list[Any] = []
    for i, kind in enumerate(kinds):
        if kind == "c":
            calls = tuple(ToolCall(f"{i}-{j}", "look", "{}") for j in range(2))
            found.append(Reply("", calls).answered([ToolResult(call.id, "look", f"{i}") for call in calls]))
        else:
            found.append(Reply(f"own {i}") if kind == "o" else Said(f"{kind} {i}", {"u": "user"}.get(kind, kind)))
    return Blocks(found)


def shown(view: Any, kinds: str) -> str:
    """Return the letters of the blocks that a view shows."""
    blocks = made(kinds)
    numbered = {id(block): kind for block, kind in zip(blocks, kinds, strict=True)}
    return "".join(numbered[id(block)] for block in view.view(blocks))


@pytest.mark.parametrize(
    ("view", "kinds", "left"),
    [
        (OwnSide(), "uabocab", "uocab"),
        (OwnSide(), "uab", "uab"),
        (OwnSide(0), "uabo", "o"),
        (OwnSide(0), "uab", "uab"),
        (FromSources(["a"]), "uabocab", "aoca"),
        (FromSources(["user", "b"]), "uabocab", "ubocb"),
        (Pinned(BufferedChatCompletionContext(2)), "uaboab", "uab"),
        (Pinned(BufferedChatCompletionContext(2), 3), "uab", "uab"),
        (Chain([FromSources(["user", "a"]), BufferedChatCompletionContext(2)]), "uabab", "aa"),
        (MessageFilterConfig([PerSourceFilter("a", "last", 1), PerSourceFilter("user")]), "uaboaba", "uoa"),
        (MessageFilterConfig([PerSourceFilter("a", "first", 2)]), "uabaca", "aac"),
    ],
)
def test_view_shows_what_it_says(view: Any, kinds: str, left: str) -> None:
    assert shown(view, kinds) == left


views = st.recursive(
    st.sampled_from([OwnSide(), OwnSide(0), FromSources(["a"]), BufferedChatCompletionContext(3),
                     HeadAndTailChatCompletionContext(1, 2), MessageFilterConfig([PerSourceFilter("a", "last", 2)])]),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(Chain) | inner.map(Pinned),
    max_leaves=4,
)  # fmt: skip


@given(views, st.text("uabco", max_size=12))
def test_every_view_is_a_history_that_providers_take(view: Any, kinds: str) -> None:
    """Each tool call is answered right after it, in whatever way views are put together; and a view asks nobody."""
    blocks = made(kinds)
    found = view.view(blocks)

    asked: list[str] = []
    for message in to_wire(ModelRequest(found), "m")["messages"]:
        if message["role"] == "tool":
            assert asked.pop(0) == message["tool_call_id"]
        else:
            assert asked == []
            asked = [call["id"] for call in message.get("tool_calls", ())]
    assert asked == []
    assert list(view.view(blocks)) == list(found)
    assert list(blocks) == list(made(kinds)), "it is not changed"


@given(st.text("uabco", max_size=30), st.integers(1, 200), st.integers(1, 5), st.integers(0, 3), st.integers(1, 300))
def test_a_summary_makes_a_conversation_shorter_and_comes_to_an_end(
    kinds: str, over: int, keep: int, head: int, most: int
) -> None:
    blocks = made(kinds)
    context = Summarized(over, keep_last=keep, head_size=head, max_prompt_tokens=most)

    for _ in range(len(kinds) + 1):
        upto = context.due(blocks)
        if not upto:
            break
        before = len(blocks)
        blocks = Summary("s", "System", head=head, upto=upto).put_into(blocks)
        assert len(blocks) < before
        assert list(blocks)[-keep:] == list(made(kinds))[-keep:]
        assert list(blocks)[:head] == list(made(kinds))[:head]
    assert context.due(blocks) == 0 or len(blocks) < len(kinds)


@pytest.mark.parametrize(
    "make",
    [
        lambda: PerSourceFilter("a", "first"),
        lambda: PerSourceFilter("a", None, 3),
        lambda: PerSourceFilter("a", "last", 0),
        lambda: Summarized(0),
        lambda: Summarized(9, keep_last=0),
        lambda: Summarized(9, head_size=-1),
        lambda: Chain([Summarized(9)]),
        lambda: Chain([BufferedChatCompletionContext]),
        lambda: Pinned(Summarized(9)),
        lambda: Pinned(5),
    ],
)
def test_what_cannot_be_is_refused(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()
