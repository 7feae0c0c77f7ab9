"""YAML and JSON become plain data that knows its lines."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.parse import MAX_CHARS, parse
from quorate.core.source import MAX_DEPTH, MAX_VALUES, Place
from quorate.errors import ConfigError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def problems(text: str) -> list[str]:
    """Return the texts of what is wrong with a document, by itself or when it is refused outright."""
    try:
        source = parse(text, "team.yaml")
    except ConfigError as error:
        return str(error).splitlines()
    return str(source.refusal(source.problems)).splitlines()


def test_every_value_knows_its_line_and_column() -> None:
    source = parse("type: a\nlist:\n  - one\n  - {two: 2}\n", "team.yaml")

    assert source.data == {"type": "a", "list": ["one", {"two": 2}]}
    assert source.values["type",] == Place(1, 7)
    assert source.values["list", 1, "two"] == Place(4, 11)
    assert source.keys["list", 1, "two"] == Place(4, 6)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-11-21", "2026-11-21"),
        ("1_000", "1_000"),
        ("010", 10),
        ("0x1f", 31),
        ("-3", -3),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("True", True),
        ("~", None),
        ("", None),
        ("'12'", "12"),
        ("!!str 12", "12"),
        (".inf", ".inf"),
    ],
)
def test_words_mean_what_yaml_1_2_says(text: str, value: Any) -> None:
    assert parse(f"field: {text}\n", "team.yaml").data == {"field": value}


@given(st.dictionaries(TEXT, PLAIN, max_size=4), st.sampled_from([None, 2, "\t"]))
def test_any_json_comes_back_as_it_was(data: dict[str, Any], indent: Any) -> None:
    for text in (json.dumps(data, indent=indent), json.dumps(data, indent=indent, ensure_ascii=False)):
        assert parse(text, "team.json").data == data


def test_json_knows_its_lines_though_indented_with_tabs() -> None:
    source = parse('{\n\t"type": "a",\n\t"face": "\\ud83d\\ude00"\n}', "team.json")

    assert source.data == {"type": "a", "face": "😀"}
    assert source.keys["face",] == Place(3, 2)


def test_an_alias_stands_for_a_copy_of_its_anchor() -> None:
    data = parse("a: &x {b: 1}\nc: *x\n", "team.yaml").data

    assert data == {"a": {"b": 1}, "c": {"b": 1}}
    assert data["a"] is not data["c"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "team.yaml: It is empty. Write fields into it, the first of them `type:`."),
        ("# a comment\n", "team.yaml: It is empty. Write fields into it, the first of them `type:`."),
        ("a: 1\nb: 2\na: 3\n", "team.yaml:3:1: 'a' is here twice, first on line 1. Keep one."),
        ('{"a": 1,\n "a": 2}', "team.yaml:2:2: 'a' is here twice, first on line 1. Keep one."),
        ("a: 1\n2: b\n", "team.yaml:2:1: The name of a field is text. Quote it."),
        ("a: &x\n  - *x\n", "team.yaml:2:5: *x stands inside &x: a cycle. Write out what belongs here."),
        ("a: &x {b: {c: *x}}\n", "team.yaml:1:15: *x stands inside &x: a cycle. Write out what belongs here."),
        ("a: 1e999\n", "team.yaml:1:4: inf is no JSON data. Use text, numbers, true, false, null and lists."),
        (
            "a:\n  b: !!python/name:os.system x\n",
            "team.yaml:2:6: The tag !!python/name:os.system is not used here: a document is plain data. Take it away.",
        ),
        ("a: !!int x\n", "team.yaml:1:4: 'x' is no number that can be used."),
    ],
)
def test_a_fault_is_named_with_its_line_and_the_fix(text: str, expected: str) -> None:
    assert problems(text) == [expected]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a:\n\tb: 1\n", "team.yaml:2:1: This line is indented with a tab. Indent with spaces."),
        ("a: b: c\n", "team.yaml:1:5: Quote a text that has a colon in it"),
        ("a: 'b\nc: d\n", "team.yaml:1:4: A quote is opened here and not closed."),
        ("- a: 1\n b: 2\n", "team.yaml:2:2: This line is indented differently"),
        ("a: *b\n", "team.yaml:1:4: Write `&name` at the value before `*name` refers to it"),
        ("a: 1\n---\nb: 2\n", "team.yaml:2:1: The file holds several documents."),
        ("a: {b\n", "team.yaml:2:1: This is no YAML: "),
        ("a\x00b\n", "team.yaml: This cannot be read: "),
    ],
)
def test_what_is_no_yaml_says_where_and_what_to_do(text: str, start: str) -> None:
    (line,) = problems(text)

    assert line.startswith(start)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "], ids=["list", "map", "block"])
def test_what_is_nested_too_deep_is_refused_by_its_place(opening: str) -> None:
    (line,) = problems("x: \n  " + opening * 5_000 + "\n")

    assert line.startswith("team.yaml:2:")
    assert f"nested more than {MAX_DEPTH} deep" in line


def test_json_nested_too_deep_is_refused() -> None:
    (line,) = problems('{"a": ' + "[" * 5_000 + "]" * 5_000 + "}")

    assert f"nested more than {MAX_DEPTH} deep" in line


def test_aliases_that_multiply_are_refused_before_they_fill_the_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]

    (line,) = problems("\n".join(lines))

    assert f"more than {MAX_VALUES} values" in line


def test_a_text_that_is_too_long_is_not_looked_at() -> None:
    (line,) = problems("a: " + "x" * MAX_CHARS)

    assert line == f"team.yaml: It has {MAX_CHARS + 3} characters; at most {MAX_CHARS} are read."


def test_half_a_character_is_refused() -> None:
    (line,) = problems('{"a": "\\ud83d"}')

    assert line.startswith("team.yaml:1:7: '\\ud83d' is no JSON data.")
