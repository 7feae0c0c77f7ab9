import pytest

from quorate.errors import ConfigError
from quorate.runs.outcome import DEFAULT_LIMITS, Limits, limits_of


def test_limits_that_nobody_set_are_finite() -> None:
    assert Limits().given() == {}
    assert Limits().complete() == DEFAULT_LIMITS
    assert all(0 < value < float("inf") for value in Limits().complete().values())


def test_limits_replace_others_field_by_field() -> None:
    found = Limits(turns=3).over(Limits(turns=9, tokens=500))

    assert found == Limits(turns=3, tokens=500)


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), True, "9"])
def test_limit_that_is_not_a_finite_number_above_zero_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"Limits\(turns=.*above 0"):
        Limits(turns=value)  # type: ignore[arg-type]


def test_misspelt_limit_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"No limit is named 'turn'. There are: turns, model_calls"):
        limits_of({"turn": 3})
