"""What users hand in as JSON data is copied as it is, or refused."""

from datetime import date
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.core.plain import is_same, plain
from quorate.errors import ConfigError

DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=12,
)


class Colour(Enum):
    RED = "red"


def shape(value: Any) -> Any:
    """Return a value that tells 1, 1.0 and True apart, and -0.0 from 0.0."""
    if isinstance(value, dict):
        return [(name, shape(inside)) for name, inside in value.items()]  # pyright: ignore[reportUnknownVariableType]: any data
    return [*map(shape, value)] if isinstance(value, list) else (type(value), repr(value))  # pyright: ignore[reportUnknownArgumentType]: any data


@given(DATA)
def test_data_is_copied_to_the_type_of_each_number(value: Any) -> None:
    assert shape(plain("it", value)) == shape(value)


def test_the_copy_is_nobody_elses() -> None:
    value: Any = {"heard": [{"n": [1]}]}

    copy = plain("it", value)
    value["heard"][0]["n"].append(2)

    assert copy == {"heard": [{"n": [1]}]}


def test_what_json_says_in_another_way_becomes_that() -> None:
    assert plain("it", {1: (1, (2,)), "big": 2**70}) == {"1": [1, [2]], "big": 2**70}


@pytest.mark.parametrize(
    "value",
    [date(2026, 1, 2), b"x", {1, 2}, UUID(int=1), Colour.RED, float("nan"), float("inf"), object()],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_data_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"the state must be plain JSON data: "):
        plain("the state", {"in": [value]})


def test_what_holds_itself_is_refused() -> None:
    round_: list[Any] = []
    round_.append(round_)

    with pytest.raises(ConfigError, match="the state must be plain JSON data: Circular"):
        plain("the state", round_)


@pytest.mark.parametrize("other", [[True], [1.0], [2], [1, 1], {"a": 1}])
def test_1_and_true_are_not_the_same(other: Any) -> None:
    assert is_same([1], [1])
    assert not is_same([1], other)
