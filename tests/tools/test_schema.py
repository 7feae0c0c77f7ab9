import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

from quorate import tool
from quorate.errors import ConfigError, ToolError
from quorate.tools import schema


class Item(BaseModel):
    name: str
    count: int = 1


@tool(effect="read")
def order(
    items: Annotated[list[Item], "what to order"],
    speed: Literal["slow", "fast"] = "slow",
    notes: dict[str, int] | None = None,
) -> str:
    """Order things."""
    return "ok"


def test_schema_is_made_of_the_signature() -> None:
    found = json.loads(order.spec.parameters)

    assert found["type"] == "object"
    assert found["required"] == ["items"]
    assert found["additionalProperties"] is False
    assert found["properties"]["items"]["description"] == "what to order"
    assert found["properties"]["speed"] == {"default": "slow", "enum": ["slow", "fast"], "type": "string"}


def test_arguments_are_read_into_the_types_of_the_signature() -> None:
    values, _ = order.read('{"items": [{"name": "tea", "count": "2"}], "speed": "fast"}')

    assert values == {"items": [Item(name="tea", count=2)], "speed": "fast", "notes": None}


def test_canonical_arguments_are_the_same_however_they_were_written() -> None:
    one = order.read('{"items":[{"name":"tea","count":1}],"notes":{"b":1,"a":2}}')[1]
    two = order.read('{ "notes": {"a": 2, "b": 1}, "items": [ {"count": 1, "name": "tea"} ], "speed": "slow" }')[1]

    assert one == two
    assert json.loads(one) == {"items": [{"name": "tea", "count": 1}], "speed": "slow", "notes": {"a": 2, "b": 1}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"items": [{}]}', "items.0.name: Field required"),
        ('{"items": [], "sped": "fast"}', "sped: Extra inputs are not permitted"),
        ('{"items": [], "speed": "warp"}', "speed: Input should be 'slow' or 'fast'"),
        ("[1, 2]", "arguments: Input should be an object"),
        ('{"items": [', "arguments: Invalid JSON"),
        ("", "items: Field required"),
        ("null", "arguments: Input should be an object"),
        ("not json at all", "arguments: Invalid JSON"),
    ],
)
def test_arguments_that_do_not_fit_tell_the_model_what_to_mend_and_the_schema(text: str, told: str) -> None:
    with pytest.raises(ToolError) as raised:
        order.read(text)

    assert told in str(raised.value)
    assert order.spec.parameters in str(raised.value)


def test_tool_without_parameters_takes_nothing() -> None:
    @tool
    def now() -> str:
        """Tell the time."""
        return "noon"

    assert now.read("") == ({}, "{}")
    assert now.read("{}") == ({}, "{}")


@pytest.mark.parametrize("name", ["model_config", "schema", "json", "class_", "ünï"])
def test_parameter_may_have_any_name(name: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def odd({name}: int) -> int:\n    'Take it.'\n    return {name}", namespace)
    made = tool(namespace["odd"])

    values, canonical = made.read(json.dumps({name: 4}))

    assert values == {name: 4}
    assert json.loads(canonical) == {name: 4}


def test_what_a_call_came_to_is_told_whatever_it_is() -> None:
    ring: list[Any] = []
    ring.append(ring)

    assert schema.shown(b"text") == '"text"'
    assert schema.shown(b"\xff\x00") == '"_wA="'
    assert schema.shown({"sound": b"\xff"}) == '{"sound":"_w=="}'
    assert schema.shown(ring) == "[[...]]"


def test_type_without_a_schema_is_refused_by_name() -> None:
    @tool
    def odd(thing: object.__class__) -> str:  # type: ignore[valid-type]
        """Take a thing."""
        return "x"

    @tool
    def missing(thing: "Nowhere") -> str:  # type: ignore[name-defined]  # noqa: F821
        """Take a thing."""
        return "x"

    with pytest.raises(ConfigError, match="Tool missing: a type in its signature cannot be resolved"):
        _ = missing.spec
    with pytest.raises(ConfigError, match="Tool odd: its signature has no JSON schema"):
        _ = odd.spec


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, ""),
        (7, "7"),
        ([1, {"a": "ä"}], '[1,{"a":"ä"}]'),
        (Item(name="tea"), '{"name":"tea","count":1}'),
        (float("inf"), '"Infinity"'),
        ({1}, "[1]"),
    ],
)
def test_result_is_shown_as_text_or_as_json(value: object, text: str) -> None:
    assert schema.shown(value) == text


def test_result_that_is_no_data_is_shown_as_its_text() -> None:
    class Odd:
        def __str__(self) -> str:
            return "an odd thing"

    assert schema.shown([Odd()]) == '["an odd thing"]'
