import pytest

from quorate.errors import ModelError
from quorate.models import Blocks, Finished, ModelRequest, Reply, Said, TextDelta, ToolCall, Usage, collect
from quorate.testing import ScriptedModel, Unscripted

HELLO = ModelRequest(Blocks([Said("Hello", "ann")]))


async def test_lines_are_answered_in_order_and_the_requests_are_kept() -> None:
    model = ScriptedModel(["one", ToolCall("c", "add", "{}"), [ToolCall("d", "add", "{}"), ToolCall("e", "sub", "{}")]])

    answers = [await collect(model, HELLO) for _ in range(3)]

    assert answers[0].reply.text == "one"
    assert [[call.id for call in answer.reply.calls] for answer in answers[1:]] == [["c"], ["d", "e"]]
    assert [answer.finish for answer in answers] == ["stop", "tool_calls", "tool_calls"]
    assert model.requests == [HELLO] * 3


async def test_line_may_be_a_function_of_the_request() -> None:
    model = ScriptedModel([lambda request: f"{len(request.blocks)} blocks"])

    assert (await collect(model, HELLO)).reply.text == "1 blocks"


async def test_line_may_be_an_error_or_the_events_as_they_are() -> None:
    model = ScriptedModel([ModelError("down"), [TextDelta("Hi"), Finished(Usage(7, 9))], [TextDelta("Hi")]])

    with pytest.raises(ModelError, match="down"):
        await collect(model, HELLO)
    assert (await collect(model, HELLO)).usage == Usage(7, 9)
    with pytest.raises(ModelError, match="cut"):
        await collect(model, HELLO)


async def test_text_is_streamed_in_pieces_that_make_the_text() -> None:
    model = ScriptedModel(["Hello world", ""], chunks=4)

    pieces = [event.text async for event in model.stream(HELLO) if isinstance(event, TextDelta)]

    assert len(pieces) == 4
    assert "".join(pieces) == "Hello world"
    assert (await collect(model, HELLO)).reply.text == ""


@pytest.mark.parametrize(
    ("blocks", "told"),
    [([Said("Hello", "ann")], "ann: 'Hello'"), ([Reply("Hm")], "after a reply: 'Hm'"), ([], "an empty request")],
)
async def test_call_that_is_not_in_the_script_is_an_error_that_says_what_was_asked(
    blocks: list[Said | Reply], told: str
) -> None:
    with pytest.raises(Unscripted, match="Call 1 of scripted is not in its script") as raised:
        await collect(ScriptedModel([]), ModelRequest(Blocks(blocks)))

    assert told in str(raised.value)


async def test_line_that_nobody_asked_for_is_an_error() -> None:
    model = ScriptedModel(["one", "two"])

    with pytest.raises(Unscripted, match=r"Nobody asked scripted for these lines: \['two'\]"), model:
        await collect(model, HELLO)


async def test_error_in_the_block_is_not_hidden_by_lines_that_are_left() -> None:
    with pytest.raises(KeyError), ScriptedModel(["one"]):
        raise KeyError("x")
