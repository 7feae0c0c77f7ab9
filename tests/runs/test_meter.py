import pytest

from quorate.runs.meter import FLOOR_TOKENS, Halt, Meter
from quorate.runs.outcome import Limits


def test_reply_is_capped_by_the_tokens_that_are_neither_spent_nor_reserved() -> None:
    # ENGINE 18
    meter = Meter(Limits(tokens=1000))
    meter.hold(300, 0.0)
    meter.settle(0, 0.0, 100, 50, 0, 0.0)

    assert meter.cap(bound=200, wanted=4096) == 1000 - 300 - 150 - 200
    assert meter.cap(bound=200, wanted=100) == 100


def test_reply_too_short_to_be_worth_it_ends_in_limit() -> None:
    meter = Meter(Limits(tokens=1000))

    with pytest.raises(Halt) as raised:
        meter.cap(bound=1000 - FLOOR_TOKENS + 1, wanted=4096)

    assert raised.value.outcome.limit == "tokens"
    assert raised.value.outcome.reason == "The limit of 1000 tokens is reached."


def test_short_reply_that_was_wanted_short_is_worth_it() -> None:
    assert Meter(Limits(tokens=100)).cap(bound=95, wanted=5) == 5


def test_settled_call_gives_back_what_it_did_not_use() -> None:
    # ENGINE 18
    meter = Meter(Limits(tokens=1000, cost_usd=1.0))
    meter.hold(900, 0.9)

    meter.settle(900, 0.9, 20, 10, 5, 0.1)

    assert (meter.held_tokens, meter.tokens, meter.cached_tokens) == (0, 30, 5)
    assert meter.money_left() == pytest.approx(0.9)


def test_call_whose_outcome_nobody_knows_stays_at_its_worst_case() -> None:
    # ENGINE 18
    meter = Meter(Limits(tokens=1000, cost_usd=1.0))
    meter.hold(900, 0.9)

    meter.forfeit(900, 0.9)

    assert (meter.held_tokens, meter.tokens, meter.unsettled_tokens) == (0, 900, 900)
    assert meter.money_left() == pytest.approx(0.1)


def test_cost_is_unknown_once_one_call_has_no_price() -> None:
    meter = Meter(Limits())
    meter.settle(0, 0.0, 10, 10, 0, 0.5)
    meter.settle(0, 0.0, 10, 10, 0, None)

    assert meter.figures()["cost_usd"] is None
    assert meter.figures()["tokens"] == 40


@pytest.mark.parametrize(("limit", "count"), [("turns", "add_turn"), ("tool_calls", "add_tool_call")])
def test_count_stops_at_its_limit(limit: str, count: str) -> None:
    meter = Meter(Limits(**{limit: 2}))
    getattr(meter, count)()
    getattr(meter, count)()

    with pytest.raises(Halt) as raised:
        getattr(meter, count)()

    assert raised.value.outcome.limit == limit
    assert getattr(meter, limit) == 2


def test_first_limit_reached_is_the_one_that_is_told() -> None:
    meter = Meter(Limits(turns=1, tool_calls=1))

    first, second = meter.reached("turns"), meter.reached("tool_calls")

    assert first.outcome == second.outcome == meter.halted


def test_meter_counts_on_from_an_earlier_attempt_but_with_its_own_limits() -> None:
    before = Meter(Limits(tokens=100))
    before.hold(50, 0.0)
    before.forfeit(50, 0.0)
    before.reached("tokens")

    meter = Meter(Limits(tokens=500))
    meter.count_on(before)

    assert (meter.tokens, meter.model_calls, meter.halted) == (50, 1, None)
    assert meter.cap(bound=50, wanted=4096) == 400


def test_large_limit_is_told_in_full() -> None:
    assert Meter(Limits()).reached("tokens").outcome.reason == "The limit of 2000000 tokens is reached."
