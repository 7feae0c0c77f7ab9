import json
from typing import Any

import pytest
from msgspec.structs import replace

from quorate.models import Blocks, ModelRequest, Reply, Said, ToolCall, ToolSpec
from quorate.models.blocks import ToolResult
from quorate.models.prompt import Sampling, decides, to_wire

STATS = ToolSpec(
    "column_stats",
    "Compute a number over one column.",
    json.dumps(
        {
            "type": "object",
            "properties": {"column": {"enum": ["price", "units"]}, "statistic": {"$ref": "#/$defs/S"}},
            "required": ["column", "statistic"],
            "$defs": {"S": {"enum": ["average", "total"], "type": "string"}},
        }
    ),
)
NOW = ToolSpec("now", "Tell the time.", '{"type": "object", "properties": {}}')
CALL = Reply(calls=(ToolCall("call_1", "column_stats", '{"column": "price", "statistic": "total"}'),))
CLOSED = CALL.answered([ToolResult("call_1", "column_stats", "The total price is 12.")])


def asked(*blocks: Said | Reply, **more: Any) -> ModelRequest:
    return ModelRequest(blocks=Blocks(blocks), max_tokens=9, **more)


def spoken(request: ModelRequest, **more: Any) -> list[tuple[str, str]]:
    return [(m["role"], m["content"]) for m in to_wire(request, **more)["messages"]]


def test_a_person_is_quoted_as_is_and_another_agent_by_name():
    request = asked(Said("Write a line."), Reply("A line."), Said("Too short.", "critic", "agent"), system="You write.")

    assert spoken(request) == [
        ("system", "You write."),
        ("user", "Write a line."),
        ("assistant", "A line."),
        ("user", "critic: Too short."),
    ]


def test_neighbours_of_one_role_are_one_message():
    request = asked(Said("Begin."), Said("I agree.", "critic", "agent"), Reply("One."), Reply("Two."))

    assert spoken(request) == [
        ("user", "Begin.\n\ncritic: I agree."),
        ("assistant", "One.\n\nTwo."),
        ("user", "Go on."),
    ]


def test_nothing_said_yet_is_still_a_request():
    assert spoken(asked()) == [("user", "Go on.")]


def test_calls_and_results_are_text_that_the_model_can_read():
    failed = CALL.answered([ToolResult("call_1", "column_stats", "No such file.", is_error=True)])

    assert spoken(asked(Said("How much?"), failed))[1:] == [
        ("assistant", 'Call: column_stats {"column": "price", "statistic": "total"}'),
        ("user", "Error: No such file."),
    ]


def test_tools_are_shown_in_use_before_the_conversation():
    said = spoken(asked(Said("How much?"), tools=(STATS,), system="You count."))

    assert "- column_stats(column: price|units, statistic: average|total): Compute a number" in said[0][1]
    assert said[3:5] == [
        ("user", "column stats, column price, statistic total"),
        ("assistant", 'Call: column_stats {"column": "price", "statistic": "total"}'),
    ]
    assert said[-1] == ("user", "How much?")


def test_examples_meet_every_value_of_a_choice():
    said = spoken(asked(Said("How much?"), tools=(STATS,)))

    shown = [json.loads(text.split(" ", 2)[2]) for role, text in said if role == "assistant" and "Call: " in text]
    assert {a["column"] for a in shown} == {"price", "units"}
    assert {a["statistic"] for a in shown} == {"average", "total"}


def test_after_results_the_examples_show_answers():
    said = spoken(asked(Said("How much?"), CLOSED, tools=(STATS,)))

    assert ("assistant", "Reply: The total price is 7.") in said
    assert said[-1] == ("user", "Result: The total price is 12.")


def test_there_are_never_more_than_eight_examples():
    tools = tuple(replace(STATS, name=f"tool_{i}") for i in range(30))

    said = spoken(asked(Said("How much?"), tools=tools))

    assert sum(text.startswith("Call: ") for _, text in said) == 8


@pytest.mark.parametrize(
    ("choice", "names", "replies"),
    [("auto", {"column_stats", "now"}, True), ("required", {"column_stats", "now"}, False), ("now", {"now"}, False)],
)
def test_the_grammar_offers_what_may_be_chosen(choice: str, names: set[str], replies: bool):
    request = asked(Said("How much?"), tools=(STATS, NOW), tool_choice=choice)

    grammar = to_wire(request)["grammar"]

    assert decides(request)
    assert {name for name in ("column_stats", "now") if f'"Call: {name} "' in grammar} == names
    assert ('"Reply:"' in grammar) == replies


def test_where_no_call_is_wanted_the_reply_is_begun_for_the_model():
    request = asked(Said("How much?"), CLOSED, tools=(STATS,), tool_choice="none")

    wire = to_wire(request)

    assert not decides(request)
    assert "grammar" not in wire
    assert wire["messages"][-1] == {"role": "assistant", "content": "Reply:"}


def test_what_is_decided_is_the_likeliest_and_words_are_sampled():
    request = asked(Said("How much?"), tools=(STATS,))
    sampling = Sampling(temperature=0.3, loop_penalty=1.2, seed=5)

    deciding, words = to_wire(request, sampling), to_wire(request, sampling, words=True)

    assert (deciding["temperature"], deciding["dry_multiplier"]) == (0.0, 0.0)
    assert (words["temperature"], words["dry_multiplier"], words["seed"]) == (0.3, 1.2, 5)
    assert deciding["max_tokens"] == words["max_tokens"] == 9


def test_a_request_says_how_to_sample_where_it_does():
    wire = to_wire(asked(Said("Hello"), temperature=0.9, seed=3))

    assert (wire["temperature"], wire["seed"]) == (0.9, 3)


def test_schemas_leave_no_room_beside_their_properties():
    schema = {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}}

    grammar = to_wire(asked(Said("Hello"), output_schema=json.dumps(schema)))["grammar"]

    held = json.loads(grammar.split("%json ", 1)[1])
    assert held["additionalProperties"] is False
    assert held["properties"]["a"]["additionalProperties"] is False


@pytest.mark.parametrize(
    "part",
    [
        {"type": "integer"},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "null"},
        {"type": "array", "items": {"type": "integer"}},
        {"type": "array"},
        {"type": "object", "properties": {"x": {"const": 3}}},
        {"anyOf": [{"type": "null"}, {"type": "string"}]},
        {"$ref": "#/$defs/Nowhere"},
        {},
    ],
)
def test_every_kind_of_parameter_has_an_example(part: dict[str, Any]):
    tool = ToolSpec("odd", "Do something odd.", json.dumps({"type": "object", "properties": {"p": part}}))

    said = spoken(asked(Said("Go"), tools=(tool,)))

    assert "p" in json.loads(said[4][1].removeprefix("Call: odd "))


def test_the_same_request_is_the_same_wire():
    request = asked(Said("How much?"), CLOSED, tools=(STATS, NOW))

    assert to_wire(request) == to_wire(request)
