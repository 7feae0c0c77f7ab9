import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.errors import ModelError
from quorate.models.extract import extract_json, extract_objects, fenced

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


@given(values)
def test_json_that_stands_alone_is_read(value: Any) -> None:
    assert extract_json(f"\n {json.dumps(value)} ") == [value]


@given(st.lists(st.dictionaries(st.text(), values, max_size=3), min_size=1, max_size=3))
def test_every_fence_is_read_in_its_order(found: list[Any]) -> None:
    text = "Here:\n" + "\n".join(f"```json\n{json.dumps(one, indent=1)}\n```\nand" for one in found)

    assert extract_json(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('```\n{"a": 1}\n```', [{"a": 1}]),
        ('```JSON\n{"a": 1}\n```', [{"a": 1}]),
        ('~~~json\n{"a": "```"}\n~~~', [{"a": "```"}]),
        ('1. so:\n   ```json\n   {"a": 1}\n   ```', [{"a": 1}]),
        ('- a\n    - b:\n      ```json\n      {"a": 1}\n      ```\n      as {"b": 2} says', [{"a": 1}]),
        ('12. ```json\n    {"a": 1}\n    ```\n{"b": 2}', [{"a": 1}]),
        ('```json\n{"a": 1}', [{"a": 1}]),
        ('```python\nx = {"b": 2}\n```\n```json\n{"a": 1}\n```', [{"a": 1}]),
        ('```\nls -l\n```\nIt is {"a": 1}.', [{"a": 1}]),
        ('As [1] says, {"a": {"b": [1]}} and [{"c": 2}].', [{"a": {"b": [1]}}, [{"c": 2}]]),
        ('{not this} but {"a": "}"}', [{"a": "}"}]),
        ("[1, 2]", [[1, 2]]),
    ],
)
def test_json_is_found_where_models_put_it(text: str, found: list[Any]) -> None:
    assert extract_json(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```python\nif x:\n    y\n```", ["if x:\n    y\n"]),
        ("1. Run:\n   ```python\n   if x:\n       y\n\n   z\n   ```\n2. Done.", ["if x:\n    y\n\nz\n"]),
        ("- ```python\n  x\n  ```\n- ```python\n  y\n  ```", ["x\n", "y\n"]),
        ("      ```python\n      x\n   y\n ```\nz", ["x\ny\n"]),
        ('```python\n"""\n    ```\n    f()\n    ```\n"""\n```', ['"""\n    ```\n    f()\n    ```\n"""\n']),
    ],
)  # fmt: skip
def test_code_in_lists_loses_the_blanks_before_its_fence(text: str, found: list[str]) -> None:
    assert list(fenced(text)) == [("python", code) for code in found]


def test_many_marks_and_blanks_end_soon() -> None:
    began = time.process_time()

    assert list(fenced(("- " * 50_000 + "\n" + " " * 50_000 + "``\n") * 3)) == []

    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON that can be read: Expecting value"),
        ("I do not know.", "no JSON that can be read"),
        ("```json\n{'a': 1}\n```", "line 1 column 2"),
        ('{"a": NaN}', "NaN is no JSON"),
        ('{"a": 1e999}', "the number 1e999 is too large"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_text_without_json_says_so(text: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        extract_json(text)


def test_a_text_made_of_brackets_ends_soon() -> None:
    began = time.process_time()

    with pytest.raises(ModelError):
        extract_json('{"a":' * 200_000)

    assert time.process_time() - began < 5


def test_objects_are_asked_for_by_their_own_name() -> None:
    assert extract_objects('{"a": 1} and {"b": 2}') == [{"a": 1}, {"b": 2}]
    with pytest.raises(ModelError, match="is list; it must be an object"):
        extract_objects("[1]")
