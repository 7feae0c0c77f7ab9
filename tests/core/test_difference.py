"""A difference makes one piece of JSON data of another, and is small where little changed."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from quorate.core.difference import changed, difference

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, width=16) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=1), inner, max_size=4),
    max_leaves=12,
)
STATES = st.dictionaries(st.text("abc", max_size=1), PLAIN, max_size=4)


def exactly(value: Any) -> str:
    return json.dumps(value, sort_keys=True)  # 1, 1.0 and true are three things


@given(st.lists(STATES, min_size=1, max_size=6))
def test_differences_fold_to_every_state_there_was(states: list[Any]) -> None:
    value: Any = None
    folded: Any = None
    for state in states:
        before = exactly(folded)
        found = json.loads(json.dumps(difference(value, state)))
        value, old = state, folded
        folded = changed(folded, found)

        assert exactly(folded) == exactly(state)
        assert exactly(old) == before  # it was not changed itself


@given(PLAIN)
def test_the_same_is_no_difference(value: Any) -> None:
    assert value is None or difference(value, json.loads(json.dumps(value))) == {}


def test_zero_and_minus_zero_are_two() -> None:
    found = difference({"x": 0.0}, {"x": -0.0})

    assert exactly(changed({"x": 0.0}, found)) == '{"x": -0.0}'


def test_what_grows_is_written_once() -> None:
    before = {"heard": [{"n": i} for i in range(1000)], "count": 1000, "board": [[0] * 20 for _ in range(20)]}
    after = json.loads(json.dumps(before))
    after["heard"].append({"n": 1000})
    after["count"] += 1
    after["board"][3][4] = 1

    found = difference(before, after)

    assert found == {
        "in": {
            "heard": {"keep": 1000, "then": [{"n": 1000}]},
            "count": {"is": 1001},
            "board": {"at": {"3": {"at": {"4": {"is": 1}}}}},
        }
    }


def test_nothing_stays_nothing_until_something_is_said() -> None:
    assert changed(None, {"set": {"a": 1}}) is None
    assert changed(None, {"is": {"a": 1}}) == {"a": 1}
