from collections.abc import AsyncIterator, Sequence

import pytest

from quorate.errors import ModelError
from quorate.models import (
    Blocks,
    CallDelta,
    Finished,
    ModelEvent,
    ModelInfo,
    ModelRequest,
    Reasoning,
    ReasoningDelta,
    Said,
    TextDelta,
    ToolCall,
    Usage,
    collect,
)
from quorate.models.client import Answer, AtOnce, Folding


def folded(*events: object) -> Answer:
    folding = Folding()
    for event in events:
        folding.see(event)  # type: ignore[arg-type]
    return folding.answer(ref="1:x")


def test_pieces_of_text_become_one_reply() -> None:
    answer = folded(TextDelta("He"), TextDelta("llo."), Finished(Usage(3, 2), model="m-1"))

    assert answer.reply.text == "Hello."
    assert (answer.usage, answer.finish, answer.model, answer.reply.ref) == (Usage(3, 2), "stop", "m-1", "1:x")


def test_pieces_of_calls_that_come_mixed_are_put_together_by_their_index() -> None:
    answer = folded(
        CallDelta(1, "b", "sub", '{"x"'),
        CallDelta(0, "a", "add", "{"),
        CallDelta(1, arguments=":1}"),
        CallDelta(0, arguments="}"),
        Finished(None, "tool_calls"),
    )

    assert answer.reply.calls == (ToolCall("a", "add", "{}"), ToolCall("b", "sub", '{"x":1}'))


def test_call_without_id_or_arguments_gets_both() -> None:
    answer = folded(CallDelta(2, name="now"), Finished(None))

    assert answer.reply.calls == (ToolCall("call00002", "now", "{}"),)


def test_thought_keeps_its_signature() -> None:
    answer = folded(ReasoningDelta("h"), ReasoningDelta("m", "sig"), ReasoningDelta("!"), Finished(None))

    assert answer.reply.reasoning == (Reasoning("hm!", "sig"),)


def test_stream_that_is_cut_may_be_tried_again() -> None:
    with pytest.raises(ModelError, match="cut before its end") as raised:
        folded(TextDelta("Hel"))

    assert raised.value.retryable


def test_event_that_is_none_is_refused_and_not_tried_again() -> None:
    with pytest.raises(ModelError, match="'rubbish', which is no model event") as raised:
        folded("rubbish")

    assert not raised.value.retryable


def test_empty_reply_is_a_reply() -> None:
    assert folded(Finished(Usage(1, 0))).reply.text == ""


def test_usages_add_up() -> None:
    assert Usage(1, 2, 3, 4).plus(Usage(10, 20, 30, 40)) == Usage(11, 22, 33, 44)


class Model:
    info = ModelInfo(name="m", free=True)

    def __init__(self, events: Sequence[ModelEvent]) -> None:
        self.events = events

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        for event in self.events:
            yield event

    async def close(self) -> None: ...


async def test_whole_answer_is_collected_outside_of_any_run() -> None:
    answer = await collect(Model([TextDelta("Hi"), Finished(Usage(1, 1))]), ModelRequest(Blocks([Said("Hello")])))

    assert answer.reply.text == "Hi"


def test_capped_request_is_the_same_but_for_its_cap() -> None:
    request = ModelRequest(Blocks([Said("Hello")]), system="Be kind.", seed=3)

    assert request.capped(7) == ModelRequest(request.blocks, system="Be kind.", seed=3, max_tokens=7)


class Whole(AtOnce):
    """A stream that is there at once."""

    async def events(self) -> Sequence[ModelEvent]:
        return [TextDelta("He"), TextDelta("llo."), Finished(Usage(3, 2))]


async def test_answer_that_is_there_at_once_is_folded_as_the_same_events_one_by_one() -> None:
    at_once, one_by_one = Folding(), Folding()

    await at_once.take(Whole())
    async for event in Whole():
        one_by_one.see(event)

    assert at_once.answer() == one_by_one.answer()
    assert at_once.answer().reply.text == "Hello."
