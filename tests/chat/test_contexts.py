"""A model context is a pure view of what an agent remembers, so that resume and replay stay exact (ENGINE 1, 2, 4)."""

from collections.abc import Sequence
from typing import Any

import pytest

from quorate import (
    AssistantAgent,
    MaxMessageTermination,
    RoundRobinGroupChat,
    SelectorGroupChat,
    SocietyOfMindAgent,
    open_store,
    replay,
    tool,
)
from quorate.chat.past.audit import Rebuilding
from quorate.errors import ConfigError, Divergence
from quorate.models import Blocks, Reply, Said, ToolCall
from quorate.models.blocks import Block
from quorate.models.context import (
    BufferedChatCompletionContext,
    HeadAndTailChatCompletionContext,
    ModelContext,
    TokenLimitedChatCompletionContext,
    UnboundedChatCompletionContext,
)
from quorate.models.views import Chain, Summarized
from quorate.testing import FakeClock, ScriptedModel

CONTEXTS = [
    UnboundedChatCompletionContext(),
    BufferedChatCompletionContext(2),
    HeadAndTailChatCompletionContext(1, 2),
    TokenLimitedChatCompletionContext(25),
]
LINES = [
    "I begin.", ToolCall("c1", "add", '{"a":1,"b":2}'), ToolCall("c2", "add", '{"a":3,"b":4}'), "It is 3 and 7.",
    "I see.", ToolCall("c3", "add", '{"a":5,"b":6}'), "It is 11.", "Bye.",
]  # fmt: skip


@tool(effect="read")
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def team(lines: Sequence[object], context: ModelContext | None) -> tuple[RoundRobinGroupChat, ScriptedModel]:
    model = ScriptedModel(lines)
    agents = [AssistantAgent(name, model, tools=[add], model_context=context) for name in ("ann", "ben")]
    return RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(6)), model


def texts(blocks: Sequence[Block]) -> list[str]:
    return [block.text or ", ".join(r.content for r in block.results) for block in blocks]  # type: ignore[union-attr]


async def test_the_model_is_shown_what_the_context_chooses_and_the_agent_remembers_all() -> None:
    model = ScriptedModel(["One.", "Two.", "Three."])
    agent = AssistantAgent("a", model, model_context=BufferedChatCompletionContext(2))

    for task in ("First?", "Second?", "Third?"):
        await agent.run(task=task)

    assert [texts(r.blocks) for r in model.requests] == [["First?"], ["One.", "Second?"], ["Two.", "Third?"]]


async def test_a_round_of_tool_calls_is_one_block_in_the_tool_loop_too() -> None:
    lines = [[ToolCall("c1", "add", '{"a":1,"b":2}'), ToolCall("c2", "add", '{"a":3,"b":4}')], "Done."]
    model = ScriptedModel(lines)

    await AssistantAgent("a", model, tools=[add], model_context=BufferedChatCompletionContext(1)).run(task="Add.")

    (block,) = model.requests[1].blocks
    assert isinstance(block, Reply)
    assert [(r.call_id, r.content) for r in block.results] == [("c1", "3"), ("c2", "7")]


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda c: type(c).__name__[:8])
async def test_a_run_cut_after_any_entry_asks_what_the_uninterrupted_one_asked(killed: Any, context: Any) -> None:
    """ENGINE 1, 2: a context keeps nothing, so a resumed run shows the model the same."""
    talk = open_store("memory:", clock=FakeClock()).conversation("talk")
    first, model = team(LINES, context)
    whole = await first.run(task="Add.", conversation=talk)
    entries = await talk.entries()

    for cut in range(1, len(entries)):
        left = await killed(entries, after=cut)
        asked = sum(entry.kind == "reply" for entry in entries[:cut])
        again, rest = team(LINES[asked:], context)
        result = await (
            again.continue_run("talk.1", store=left.store)
            if any(entry.kind == "run" for entry in entries[:cut])
            else again.run(task="Add.", conversation=left)
        )

        assert [m.dump() for m in result.messages] == [m.dump() for m in whole.messages]
        assert [list(r.blocks) for r in rest.requests] == [list(r.blocks) for r in model.requests[asked:]]
        assert (await replay("talk", team=team([], context)[0], store=left.store)).identical


@pytest.mark.parametrize("context", CONTEXTS, ids=lambda c: type(c).__name__[:8])
async def test_the_journal_rebuilds_each_request_as_it_was(context: Any) -> None:
    """ENGINE 14: what was shown is in the journal, the note between head and tail too."""
    talk = open_store("memory:", clock=FakeClock()).conversation("talk")
    played, model = team(LINES, context)

    await played.run(task="Add.", conversation=talk)

    audit = Rebuilding("talk")
    for entry in await talk.entries():
        audit.see(entry)
    rebuilt = [asked.request for attempts in audit.requests.values() for asked in attempts]
    assert [texts(r.blocks) for r in rebuilt] == [texts(r.blocks) for r in model.requests]


async def test_a_replay_with_another_context_names_the_difference() -> None:
    """ENGINE 4."""
    talk = open_store("memory:", clock=FakeClock()).conversation("talk")
    await team(LINES, BufferedChatCompletionContext(2))[0].run(task="Add.", conversation=talk)

    with pytest.raises(Divergence, match="blocks"):
        await replay("talk", team=team([], BufferedChatCompletionContext(3))[0], store=talk.store)


async def test_any_object_with_a_view_is_a_context() -> None:
    class OnlyWhatPeopleSay:
        def view(self, blocks: Blocks) -> Blocks:
            return Blocks([block for block in blocks if isinstance(block, Said)])

    model = ScriptedModel(["One.", "Two."])
    agent = AssistantAgent("a", model, model_context=OnlyWhatPeopleSay())

    await agent.run(task="First?")
    await agent.run(task="Second?")

    assert texts(model.requests[1].blocks) == ["First?", "Second?"]


def test_what_is_no_context_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"a: 10 is no model context: it has no view\(blocks\)"):
        AssistantAgent("a", "embedded", model_context=10)  # type: ignore[arg-type]


class Shows:
    def __init__(self, found: Any) -> None:
        self.view = found


async def later(blocks: Blocks) -> Blocks:
    return blocks


@pytest.mark.parametrize("view", [lambda blocks: None, lambda blocks: [1], later])
async def test_view_that_returns_no_blocks_is_named(view: Any) -> None:
    with pytest.raises(ConfigError, match="it must be a plain function that returns Blocks"):
        await AssistantAgent("a", ScriptedModel(["Yes."]), model_context=Shows(view)).run(task="Go.")


async def test_view_may_return_a_list_of_blocks() -> None:
    model = ScriptedModel(["Yes.", "No."])
    agent = AssistantAgent("a", model, model_context=Shows(lambda blocks: list(blocks)[-1:]))

    for task in ("First?", "Second?"):
        await agent.run(task=task)

    assert [texts(r.blocks) for r in model.requests] == [["First?"], ["Second?"]]


@pytest.mark.parametrize(
    "make",
    [
        lambda c: SelectorGroupChat([AssistantAgent(n, "embedded") for n in "ab"], "embedded", model_context=c),
        lambda c: SocietyOfMindAgent("s", AssistantAgent("a", "embedded"), "embedded", model_context=c),
        lambda c: AssistantAgent("a", "embedded", model_context=Chain([c])),
    ],
)
def test_summing_up_is_refused_where_nobody_would_do_it(make: Any) -> None:
    with pytest.raises(ConfigError, match="Summarized does nothing here"):
        make(Summarized(100))
