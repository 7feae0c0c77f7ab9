from typing import Any

import pytest

from quorate import Agent, AssistantAgent, RoundRobinGroupChat, Swarm, TextMessage, Turn, conversation, replay, tool
from quorate.chat.messages import (
    ModelClientStreamingChunkEvent,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    ToolCallSummaryMessage,
)
from quorate.errors import ConfigError
from quorate.models import Finished, Reasoning, ReasoningDelta, Reply, Said, TextDelta, ToolCall, Usage
from quorate.models.context import BufferedChatCompletionContext
from quorate.testing import ScriptedModel


@tool(effect="read")
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


ADD = ToolCall("c1", "add", '{"a": 1, "b": 2}')


async def test_answer_is_a_message_with_what_it_cost() -> None:
    result = await AssistantAgent("a", ScriptedModel(["Hello."])).run(task="Hi.")

    answer = result.messages[-1]
    assert isinstance(answer, TextMessage)
    assert (answer.source, answer.content) == ("a", "Hello.")
    assert answer.models_usage is not None
    assert answer.models_usage.completion_tokens == 2
    assert result.outcome is not None
    assert (result.outcome.kind, result.stop_reason) == ("completed", "It has answered.")


async def test_model_gets_instruction_tools_and_options() -> None:
    model = ScriptedModel(["ok"])
    agent = AssistantAgent("a", model, tools=[add], system_message="Be kind.", max_tokens=99, temperature=0.0, seed=7)

    await agent.run(task="Hi.")

    request = model.requests[0]
    assert request.system == "Be kind."
    assert [spec.name for spec in request.tools] == ["add"]
    assert (request.max_tokens, request.temperature, request.seed, request.tool_choice) == (99, 0.0, 7, "auto")


async def test_agent_without_an_instruction_gives_none() -> None:
    model = ScriptedModel(["ok"])

    await AssistantAgent("a", model, system_message=None).run(task="Hi.")

    assert model.requests[0].system is None


async def test_tool_call_and_its_result_go_back_as_one_block() -> None:
    model = ScriptedModel([ADD, "It is 3."])

    result = await AssistantAgent("a", model, tools=[add]).run(task="1 + 2?")

    assert [type(m) for m in result.messages] == [
        TextMessage,
        ToolCallRequestEvent,
        ToolCallExecutionEvent,
        TextMessage,
    ]
    atom = model.requests[1].blocks[-1]
    assert isinstance(atom, Reply)
    assert atom.calls == (ADD,)
    assert [(r.call_id, r.content) for r in atom.results] == [("c1", "3")]


async def test_tools_are_called_as_often_as_allowed_and_then_it_must_answer() -> None:
    model = ScriptedModel([ToolCall(f"c{n}", "add", f'{{"a": {n}, "b": 1}}') for n in range(3)] + ["Enough."])  # type: ignore[operator]

    result = await AssistantAgent("a", model, tools=[add], max_tool_iterations=3).run(task="Count.")

    assert [r.tool_choice for r in model.requests] == ["auto", "auto", "auto", "none"]
    assert result.messages[-1].to_text() == "Enough."


async def test_calls_in_an_answer_that_had_to_be_the_last_are_not_made_nor_kept() -> None:
    model = ScriptedModel([ADD, ADD, "And now?"])
    agent = AssistantAgent("a", model, tools=[add], max_tool_iterations=1)
    team = RoundRobinGroupChat([agent], max_turns=2)

    await team.run(task="Go.")

    own = [block for block in model.requests[2].blocks if isinstance(block, Reply)]
    assert [(len(block.calls), len(block.results)) for block in own] == [(1, 1), (0, 0)]


async def test_results_are_the_answer_where_the_model_is_not_to_reflect() -> None:
    model = ScriptedModel([[ADD, ToolCall("c2", "add", '{"a": 3, "b": 4}')]])

    result = await AssistantAgent("a", model, tools=[add], reflect_on_tool_use=False).run(task="Add.")

    answer = result.messages[-1]
    assert isinstance(answer, ToolCallSummaryMessage)
    assert answer.content == "3\n7"
    assert [call.id for call in answer.tool_calls] == ["c1", "c2"]
    assert len(model.requests) == 1


async def test_thought_is_told_and_goes_back_to_the_model_with_its_signature() -> None:
    thinking = [ReasoningDelta("Hm.", "sig"), TextDelta("Hello."), Finished(Usage(1, 1))]
    model = ScriptedModel([thinking, "Again."])
    team = RoundRobinGroupChat([AssistantAgent("a", model)], max_turns=2)

    result = await team.run(task="Hi.")

    assert isinstance(result.messages[1], ThoughtEvent)
    assert result.messages[1].content == "Hm."
    own = model.requests[1].blocks[-1]
    assert isinstance(own, Reply)
    assert own.reasoning == (Reasoning("Hm.", "sig"),)


async def test_others_see_what_it_said_but_not_its_tools_and_thoughts() -> None:
    one, two = ScriptedModel([ADD, "It is 3."]), ScriptedModel(["I see."])
    team = RoundRobinGroupChat([AssistantAgent("a", one, tools=[add]), AssistantAgent("b", two)], max_turns=2)

    await team.run(task="1 + 2?")

    assert [block for block in two.requests[0].blocks if isinstance(block, Reply)] == []
    assert [(b.source, b.text, b.origin) for b in two.requests[0].blocks] == [  # type: ignore[union-attr]
        ("user", "1 + 2?", "person"),
        ("a", "It is 3.", "agent"),
    ]


async def test_words_are_streamed_in_chunks_that_make_the_message() -> None:
    # ENGINE 25
    agent = AssistantAgent("a", ScriptedModel(["Hello out there."], chunks=4))

    items = [item async for item in agent.run_stream(task="Hi.")]

    chunks = [item for item in items if isinstance(item, ModelClientStreamingChunkEvent)]
    message = next(item for item in items if isinstance(item, TextMessage) and item.source == "a")
    assert "".join(chunk.content for chunk in chunks) == message.content
    assert {chunk.full_message_id for chunk in chunks} == {message.id}
    assert {chunk.attempt for chunk in chunks} == {1}
    assert items.index(chunks[-1]) < items.index(message)


async def test_chunks_are_left_out_where_nobody_wants_them() -> None:
    agent = AssistantAgent("a", ScriptedModel(["Hello."], chunks=3), model_client_stream=False)

    items = [item async for item in agent.run_stream(task="Hi.")]

    assert not any(isinstance(item, ModelClientStreamingChunkEvent) for item in items)


class Loud(AssistantAgent):
    """Says what its model answers in capital letters, and keeps the conversation where it is handed over."""

    async def speak(self, turn: Turn) -> TextMessage:
        await super().speak(turn)
        return TextMessage(content=(await super().speak(turn)).to_text().upper(), source=self.name)


async def test_what_a_subclass_does_not_say_is_a_draft_that_nobody_hears() -> None:
    heard = ScriptedModel(["Good day."])
    handing = ToolCall("1", "transfer_to_other", "{}")

    def made(asked: ScriptedModel | None = None) -> Swarm:
        asked = asked or ScriptedModel(["hello", "hi", handing, "yes"])
        loud = Loud("loud", asked, handoffs=["other"])
        return Swarm([loud, AssistantAgent("other", heard)], max_turns=2)

    asked = ScriptedModel(["hello", "hi", handing, "yes"])
    team, talk = made(asked), conversation("talk")

    result = await team.run("Greet.", conversation=talk)

    assert [(m.type, m.to_text()) for m in result.messages if m.type in {"TextMessage", "ThoughtEvent"}] == [
        ("TextMessage", "Greet."), ("ThoughtEvent", "hello"), ("ThoughtEvent", "hi"), ("TextMessage", "HI"),
        ("ThoughtEvent", "yes"), ("TextMessage", "YES"),
    ]  # fmt: skip
    assert [getattr(block, "text", "") for block in asked.requests[2].blocks] == ["Greet.", "hello", "hi"]
    assert (await replay(result.run_id, team=made(), store=talk.store)).identical


class Quoting(Agent):
    """Says what another agent answers in quotes."""

    def __init__(self, inner: AssistantAgent) -> None:
        super().__init__(inner.name)
        self.inner = inner

    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(content=f"'{(await self.inner.speak(turn)).to_text()}'", source=self.name)


async def test_an_agent_that_is_asked_with_a_turn_of_another_says_what_it_misses() -> None:
    with pytest.raises(ConfigError, match="ann, whose turn it is, has none"):
        await Quoting(AssistantAgent("ann", ScriptedModel(["Hello."]))).run("Greet.")


async def test_agent_goes_on_with_its_own_conversation() -> None:
    model = ScriptedModel(["Ann.", "You are Ann."])
    agent = AssistantAgent("a", model)

    await agent.run(task="I am Ann.")
    await agent.run(task="Who am I?")

    assert [block.text for block in model.requests[1].blocks] == ["I am Ann.", "Ann.", "Who am I?"]
    assert isinstance(model.requests[1].blocks[1], Reply)


async def test_agent_in_two_conversations_does_not_mix_them() -> None:
    model = ScriptedModel(["one", "two", "three"])
    agent = AssistantAgent("a", model)
    a, b = conversation("a"), conversation("b")

    await agent.run(task="A1", conversation=a)
    await agent.run(task="B1", conversation=b)
    await agent.run(task="A2", conversation=a)

    assert [block.text for block in model.requests[2].blocks] == ["A1", "one", "A2"]


async def test_conversation_is_remembered_the_same_after_it_was_read_from_the_journal() -> None:
    # ENGINE 14: the reply is kept once, and what others see is derived from it
    talk = conversation("talk")
    model = ScriptedModel([ADD, "It is 3.", "Yes."])
    await AssistantAgent("a", model, tools=[add]).run(task="1 + 2?", conversation=talk)

    await AssistantAgent("a", model, tools=[add]).run(task="Sure?", conversation=talk)

    blocks = model.requests[2].blocks
    assert isinstance(blocks[0], Said)
    assert blocks[1:] == [*list(model.requests[1].blocks)[1:], Reply("It is 3.", ref=blocks[2].ref), blocks[3]]
    assert blocks[3].text == "Sure?"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"model_client": "nobody:x"}, "There is no model 'nobody:x'"),
        ({"max_tool_iterations": 0}, "max_tool_iterations=0 must be at least 1"),
        ({"tools": [add, add]}, "two tools named 'add'"),
        ({"max_tool_iterations": "3"}, "max_tool_iterations='3' must be a whole number"),
        ({"tools": ["add"]}, "'add' is no tool"),
        ({"handoffs": "bob"}, r"handoffs='bob' is no list. Write handoffs=\['bob'\]"),
        ({"system_message": 5}, "system_message=5 must be a text"),
        ({"description": None}, "a: description=None must be a text"),
        ({"max_tokens": "9"}, "max_tokens='9' must be a whole number"),
        ({"max_tokens": 0}, "max_tokens=0 must be at least 1"),
        ({"temperature": "hot"}, "temperature='hot' must be a number"),
        ({"model_context": BufferedChatCompletionContext}, "is a class: make a model context of it"),
    ],
)
def test_agent_that_could_not_work_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        AssistantAgent("a", **{"model_client": ScriptedModel([]), **options})


def test_agent_is_shown_by_its_name() -> None:
    assert repr(AssistantAgent("ann", ScriptedModel([]))) == "<AssistantAgent ann>"
