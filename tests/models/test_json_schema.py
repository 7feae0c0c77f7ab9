import enum
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, Json, SecretStr, ValidationError

from quorate.errors import ConfigError
from quorate.models.json_schema import schema_to_pydantic_model

Schema = dict[str, Any]


def of(schema: Schema, **beside: Any) -> type[BaseModel]:
    """Return the model of an object whose property `a` must be there and is described by `schema`."""
    return schema_to_pydantic_model({"type": "object", "properties": {"a": schema}, "required": ["a"], **beside})


def takes(model: type[BaseModel], value: Any) -> bool:
    try:
        model.model_validate_json(json.dumps({"a": value}), strict=True)
    except ValidationError:
        return False
    return True


# -- against a checker of JSON schemas --------------------------------------------------------------------------------

NAMES = ["a", "b", "class", "first-name", "json", "_x"]
numbers = st.integers(-4, 4)
texts = st.text("ab1", max_size=3)
jsons = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)


def bounds(least: str, most: str) -> dict[str, st.SearchStrategy[Any]]:
    return {least: st.integers(0, 2), most: st.integers(1, 3)}


def made(type: str, optional: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Schema]:
    return st.fixed_dictionaries({"type": st.just(type)}, optional=optional)


ranges = dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), numbers)
plain = st.one_of(
    st.just({"type": "null"}),
    st.just({"type": "boolean"}),
    made("integer", {**ranges, "multipleOf": st.integers(1, 3)}),
    made("number", ranges),
    made("string", {**bounds("minLength", "maxLength"), "pattern": st.sampled_from(["^a", "b$", "1", "^(?!a)"])}),
    st.builds(lambda values: {"enum": values}, st.lists(jsons, min_size=1, max_size=3)),
    st.builds(lambda value: {"const": value}, jsons),
    st.just({}),
    st.just({"type": ["string", "null"], "minLength": 2}),
)


def objects(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.builds(
        lambda properties, required, more: {
            "type": "object",
            "properties": properties,
            "required": sorted({name for name in properties if required} | {n for n in properties if n > "b"}),
            **({} if more is None else {"additionalProperties": more}),
        },
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        st.booleans(),
        st.none() | st.booleans() | inner,
    )


def containers(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.one_of(
        objects(inner),
        made("array", {"items": inner, "uniqueItems": st.booleans(), **bounds("minItems", "maxItems")}),
        st.builds(
            lambda items: {
                "type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)
            },
            st.lists(inner, min_size=1, max_size=2),
        ),
        made("object", {"additionalProperties": inner, **bounds("minProperties", "maxProperties")}),
        st.builds(lambda several: {"anyOf": several}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda several: {"allOf": several}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda a, b: {**a, "allOf": [b]} if "allOf" not in a else a, inner, inner),
    )  # fmt: skip


schemas = st.recursive(plain, containers, max_leaves=5)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(schemas, st.data())
def test_a_model_takes_what_a_checker_of_schemas_takes(schema: Schema, data: st.DataObject) -> None:
    try:
        model = of(schema)
    except ConfigError:
        event("refused")
        assume(False)
    event("taken")
    checker = jsonschema.Draft202012Validator({"type": "object", "properties": {"a": schema}, "required": ["a"]})

    for value in data.draw(st.lists(jsons, min_size=3, max_size=8)):
        if not without_null_for_missing(value):
            continue
        assert takes(model, value) == checker.is_valid({"a": value}), value


def without_null_for_missing(value: Any) -> bool:
    """Whether a value has no null in an object: a property that may be missing may be null in a model."""
    if isinstance(value, list):
        return all(map(without_null_for_missing, value))
    return not isinstance(value, dict) or all(v is not None and without_null_for_missing(v) for v in value.values())


# -- there and back ---------------------------------------------------------------------------------------------------


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(9, ge=0, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    bark: str


class Node(BaseModel):
    """A node of a tree."""

    value: int
    children: list["Node"] = []


class Everything(BaseModel):
    node: Node
    colour: Colour = Colour.BLUE
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    day: date
    price: Decimal
    table: dict[str, list[int]] = {}
    pair: tuple[int, str]
    tags: set[str] = set()
    maybe: int | None = None
    way: str = Field(alias="class", min_length=2, pattern="^[a-z]+$", description="Which way.")


def test_a_schema_of_a_pydantic_model_makes_a_model_that_takes_the_same() -> None:
    given = Everything.model_validate({
        "node": {"value": 1, "children": [{"value": 2}]}, "pet": {"kind": "dog", "bark": "wau"}, "day": "2026-11-21",
        "price": "1.50", "table": {"a": [1, 2]}, "pair": [1, "x"], "tags": ["t"], "class": "north",
    }).model_dump(mode="json", by_alias=True)  # fmt: skip

    model = schema_to_pydantic_model(Everything.model_json_schema(), "Made")

    found = model.model_validate(given)
    assert model.__name__ == "Made"
    assert found.model_dump(mode="json", by_alias=True) == given
    assert found.node.children[0].value == 2  # type: ignore[attr-defined]
    assert type(found.pet).__name__ == "Dog"  # type: ignore[attr-defined]
    for name, wrong in [("class", "N"), ("pair", [1]), ("colour", "green"), ("pet", {"kind": "cow"}), ("node", {})]:
        with pytest.raises(ValidationError):
            model.model_validate({**given, name: wrong})
    described = model.model_json_schema()["properties"]["class"]
    assert (described["description"], described["minLength"], described["pattern"]) == ("Which way.", 2, "^[a-z]+$")


def test_a_tree_may_be_the_whole_schema() -> None:
    model = schema_to_pydantic_model(Node.model_json_schema(), "Tree")

    found = model.model_validate({"value": 1, "children": [{"value": 2, "children": [{"value": 3}]}]})

    assert found.children[0].children[0].value == 3  # type: ignore[attr-defined]
    with pytest.raises(ValidationError, match=r"children\.0\.value"):
        model.model_validate({"value": 1, "children": [{"value": "x"}]})


def test_two_objects_may_refer_to_each_other_and_to_the_root() -> None:
    schema = {
        "type": "object",
        "properties": {"owner": {"$ref": "#/$defs/person"}},
        "$defs": {
            "person": {"type": "object", "properties": {"pets": {"type": "array", "items": {"$ref": "#/$defs/pet"}}}},
            "pet": {"type": "object", "properties": {"friend": {"$ref": "#/$defs/person"}, "home": {"$ref": "#"}}},
        },
    }

    model = schema_to_pydantic_model(schema, "Home")

    found = model.model_validate({"owner": {"pets": [{"friend": {"pets": []}, "home": {"owner": None}}]}})
    assert type(found.owner.pets[0].home) is model  # type: ignore[attr-defined]


# -- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "good", "value", "bad"),
    [
        ("uuid", "00000000-0000-0000-0000-000000000001", UUID(int=1), "1"),
        (
            "uuid4",
            "7b1f0f4e-4f43-4a9e-8f0d-6d4d5a3f2b11",
            UUID("7b1f0f4e-4f43-4a9e-8f0d-6d4d5a3f2b11"),
            str(UUID(int=1)),
        ),
        ("email", "ann@example.com", "ann@example.com", "ann@@example"),
        ("hostname", "a-b.example.com", "a-b.example.com", "-a.example.com"),
        ("ipv4", "127.0.0.1", IPv4Address("127.0.0.1"), "300.0.0.1"),
        ("ipv6-network", "fe80::/64", IPv6Network("fe80::/64"), "fe80::1/64"),
        ("date", "2026-11-21", date(2026, 11, 21), "21.11.2026"),
        ("date-time", "2026-11-21T10:00:00Z", datetime(2026, 11, 21, 10, tzinfo=UTC), "yesterday"),
        ("time", "10:30:00", time(10, 30), "25:00"),
        ("duration", "PT90S", timedelta(seconds=90), "long"),
        ("decimal", "1.50", Decimal("1.50"), "1,5"),
        ("binary", "ab", b"ab", 1),
        ("password", "secret", SecretStr("secret"), 1),
        ("path", "a/b", Path("a/b"), 1),
        ("json", '{"a": [1]}', {"a": [1]}, "{"),
    ],
)
def test_a_format_has_its_type_in_python(format: str, good: str, value: Any, bad: Any) -> None:
    model = of({"type": "string", "format": format})

    assert model.model_validate({"a": good}).a == value  # type: ignore[attr-defined]
    with pytest.raises(ValidationError):
        model.model_validate({"a": bad})


def test_a_uri_is_a_url() -> None:
    found = of({"type": "string", "format": "uri"}).model_validate({"a": "https://example.com/a"}).a  # type: ignore[attr-defined]

    assert (found.host, str(found)) == ("example.com", "https://example.com/a")
    assert not takes(of({"type": "string", "format": "uri"}), "no uri")


def test_a_format_may_have_a_length_and_a_pattern_too() -> None:
    model = of({"type": "string", "format": "uri", "minLength": 12, "maxLength": 30, "pattern": "^https:"})

    assert takes(model, "https://example.com")
    assert not takes(model, "http://example.com")
    assert not takes(model, "https://a.b")
    assert not takes(model, "https://example.com/" + "a" * 30)


def test_numbers_have_formats() -> None:
    assert takes(of({"type": "integer", "format": "int32"}), 2**31 - 1)
    assert not takes(of({"type": "integer", "format": "int32"}), 2**31)
    assert not takes(of({"type": "integer", "format": "int64"}), 2**63)
    exact = of({"type": "number", "format": "decimal"}).model_validate({"a": "0.1"})
    assert exact.a == Decimal("0.1")  # type: ignore[attr-defined]


def test_what_need_not_be_there_has_its_default_or_none() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "default": 3},
            "many": {"type": "array", "items": {"type": "integer"}, "default": [1]},
            "inner": {"type": "object", "properties": {"x": {"type": "integer"}}, "default": {"x": 1}},
            "nothing": {"type": "string", "default": None},
            "free": {"type": "string"},
        },
    }
    model = schema_to_pydantic_model(schema)

    one, two = model(), model()
    one.many.append(2)  # type: ignore[attr-defined]

    assert (two.n, two.many, two.inner.x, two.nothing, two.free) == (3, [1], 1, None, None)  # type: ignore[attr-defined]


def test_a_default_does_not_make_a_required_property_optional() -> None:
    with pytest.raises(ValidationError, match="Field required"):
        of({"type": "integer", "default": 3}).model_validate({})


@pytest.mark.parametrize(("more", "kept"), [(None, {}), (True, {"b": 1}), ({"type": "integer"}, {"b": 1})])
def test_other_properties_are_dropped_unless_the_schema_has_them(more: Any, kept: dict[str, int]) -> None:
    schema: Schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    model = schema_to_pydantic_model(schema | ({} if more is None else {"additionalProperties": more}))

    assert model.model_validate({"a": 1, "b": 1}).model_dump() == {"a": 1, **kept}


def test_all_of_joins_objects() -> None:
    schema = {
        "$defs": {"named": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
        "allOf": [
            {"$ref": "#/$defs/named"},
            {"type": "object", "properties": {"name": {"minLength": 2, "type": "string"}, "n": {"type": "integer"}}},
        ],
        "title": "Both",
    }
    model = schema_to_pydantic_model(schema)

    assert model.model_validate({"name": "ab", "n": 1}).model_dump() == {"name": "ab", "n": 1}
    for wrong in ({"n": 1}, {"name": "a"}):
        with pytest.raises(ValidationError):
            model.model_validate(wrong)


def test_a_reference_may_have_something_beside_it() -> None:
    shared = {"$defs": {"text": {"type": "string", "minLength": 2}}}
    model = of({"$ref": "#/$defs/text", "maxLength": 3, "description": "Short."}, **shared)

    assert [takes(model, text) for text in ("a", "ab", "abc", "abcd")] == [False, True, True, False]
    assert model.model_fields["a"].description == "Short."


def test_nothing_in_a_schema_is_evaluated(tmp_path: Path) -> None:
    evil = f"__import__('pathlib').Path({str(tmp_path / 'made')!r}).write_text('')"
    inner = {"type": "object", "title": evil, "properties": {evil: {"$ref": f"#/$defs/{evil.replace('/', '~1')}"}}}

    model = schema_to_pydantic_model({"$ref": f"#/$defs/{evil.replace('/', '~1')}", "$defs": {evil: inner}}, evil)

    model.model_validate({evil: {evil: None}})
    model.model_json_schema()
    assert list(tmp_path.iterdir()) == []


# -- what cannot be held ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "strin"}, "#/properties/a: there is no type 'strin'. Did you mean 'string'?"),
        ({"$ref": "#/$defs/b"}, "#/properties/a: '#/$defs/b' refers to nothing: there is no '$defs'."),
        ({"$ref": "https://example.com/b"}, "#/properties/a: 'https://example.com/b' refers to another document"),
        ({"$ref": "#/properties/a"}, "#/properties/a: it refers to itself, and is no object"),
        ({"type": "array", "items": {"$ref": "#/properties/a"}}, "#/properties/a: it refers to itself"),
        ({"allOf": [{"$ref": "#/properties/a"}, {"type": "string"}]}, "is part of itself by allOf"),
        ({"type": "string", "format": "emial"}, "the format 'emial' is not known. Did you mean 'email'?"),
        ({"type": "integer", "format": "int8"}, "the format 'int8' of integer is not known. There are: int32, int64."),
        ({"type": "string", "pattern": "("}, "#/properties/a: the pattern '(' is none"),
        ({"type": "string", "minLength": "1"}, "#/properties/a: minLength is a whole number, not '1'"),
        ({"type": "array", "maxItems": -1}, "#/properties/a: maxItems is a whole number, not -1"),
        ({"type": "integer", "minimum": "1"}, "bounds of numbers are numbers"),
        ({"not": {"type": "string"}}, "#/properties/a: 'not' cannot be held by a pydantic model."),
        (
            {"type": "string", "minLenght": 1},
            "'minLenght' cannot be held by a pydantic model. Did you mean 'minLength'?",
        ),
        ({"type": "object", "patternProperties": {}}, "'patternProperties' cannot be held"),
        ({"type": "object", "minLength": 1}, "'minLength' says nothing about object"),
        ({"minLength": 1}, "minLength without a type"),
        ({"enum": []}, "there is no value to choose"),
        ({"enum": [1], "type": "string"}, "there is no value to choose"),
        ({"enum": ["a"], "minLength": 3}, "a choice of values with minLength"),
        ({"anyOf": []}, "an empty list of alternatives"),
        ({"anyOf": {}}, "anyOf is a list, not {}"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "allOf asks for types of which no value can be"),
        ({"type": "array", "items": False}, "#/properties/a/items: here goes a schema, not False"),
        ({"type": "array", "prefixItems": [{"type": "string"}]}, "a tuple needs as many items as it has types"),
        ({"type": "object", "properties": {"x": {}}, "maxProperties": 3}, "cannot be held beside properties"),
        ({"type": "string", "contentMediaType": "text/html"}, "contentMediaType 'text/html' is not known"),
        (
            {"oneOf": [{"type": "string"}, {"type": "integer"}], "discriminator": {"propertyName": "kind"}},
            "the discriminator 'kind' must be a property with a const in each alternative",
        ),
        (
            {"allOf": [{"type": "object", "properties": {"b": {}}}, {"type": "object", "additionalProperties": False}]},
            "allOf declares 'b' and forbids it",
        ),
    ],
)
def test_what_no_model_can_hold_is_named_with_its_place(schema: Schema, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        of(schema)

    assert words in str(refused.value)
    assert "#" in str(refused.value)


def test_a_default_that_does_not_fit_is_named() -> None:
    with pytest.raises(ConfigError, match="the default of 'first-name' does not fit: Input should be a valid string"):
        schema_to_pydantic_model({"type": "object", "properties": {"first-name": {"type": "string", "default": 1}}})


@pytest.mark.parametrize("schema", [{"type": "string"}, {"anyOf": [{"type": "object"}, {"type": "string"}]}, {}])
def test_only_an_object_is_a_model(schema: Schema) -> None:
    with pytest.raises(ConfigError, match="#: the schema must be of an object"):
        schema_to_pydantic_model(schema)


def test_a_schema_that_never_ends_is_refused() -> None:
    deep: Schema = {"type": "string"}
    for _ in range(2000):
        deep = {"type": "array", "items": deep}
    doubling: dict[str, Any] = {
        f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}, {"$ref": f"#/$defs/d{i + 1}", "minLength": 1}]}
        for i in range(40)
    }

    with pytest.raises(ConfigError, match=r"too (large|deep)"):
        of(deep)
    with pytest.raises(ConfigError, match=r"too (large|deep)"):
        of({"$ref": "#/$defs/d0"}, **{"$defs": {**doubling, "d40": {"type": "string"}}})


def test_json_in_a_text_is_read() -> None:
    class Held(BaseModel):
        a: Json[list[int]]

    model = schema_to_pydantic_model(Held.model_json_schema())

    assert model.model_validate({"a": "[1, 2]"}).a == [1, 2]  # type: ignore[attr-defined]
    with pytest.raises(ValidationError):
        model.model_validate({"a": '["x"]'})
