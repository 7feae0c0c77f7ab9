from typing import Any

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


@pytest.mark.parametrize("name", [*DEFAULT_LIMITS, "warn_at"])
@pytest.mark.parametrize("value", [0, -1, -0.5, float("inf"), float("nan"), 10**400, True, "9", "many", [9], 1j])
def test_limit_that_is_not_a_finite_number_above_zero_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"Limits\({name}=.*: give a (whole )?number above 0\. No limit may be"):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["turns", "model_calls", "tool_calls", "tokens"])
@pytest.mark.parametrize("value", [1.5, 30.0, 2e6])
def test_limit_that_counts_is_a_whole_number(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"Limits\({name}={value}\): give a whole number above 0"):
        Limits(**{name: value})


def test_limits_of_money_time_and_shares_may_be_parts() -> None:
    assert Limits(cost_usd=0.5, active_s=1.5, warn_at=0.5).given() == {"cost_usd": 0.5, "active_s": 1.5, "warn_at": 0.5}
    assert Limits(cost_usd=5, active_s=60, warn_at=1).given() == {"cost_usd": 5, "active_s": 60, "warn_at": 1}


def test_misspelt_limit_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"No limit is named 'turn'. There are: turns, model_calls"):
        limits_of({"turn": 3})
