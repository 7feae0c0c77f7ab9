from collections.abc import Iterator
from typing import Any

import pytest

from quorate.errors import Conflict
from quorate.runs.entries import Entry
from quorate.runs.history import RunRecord, check_settled, figures, fold, latest, split
from quorate.runs.outcome import Limits

RUN = {"task": [{"type": "TextMessage"}], "limits": Limits(turns=7).complete()}


def journal(*written: tuple[Any, ...], run: int = 1) -> list[Entry]:
    """Return entries, a second apart, from path, kind and payload."""

    def entries() -> Iterator[Entry]:
        for i, (path, kind, *payload) in enumerate(written):
            yield Entry(i + 1, run, path, kind, i * 1_000_000, payload[0] if payload else {})

    return list(entries())


def record(*written: tuple[Any, ...]) -> RunRecord:
    return fold(journal(("", "run", RUN), *written))[1]


CALL = {"model": "m", "bound": 100, "cap": 50, "worst_usd": 0.5}


def test_run_that_has_just_begun_has_task_limits_and_no_outcome() -> None:
    found = record()

    assert found.task == [{"type": "TextMessage"}]
    assert found.limits == Limits(**RUN["limits"])
    assert found.outcome is None
    assert not found.closed


def test_run_with_an_outcome_can_go_on_unless_it_is_completed() -> None:
    end = {"outcome": "limit", "reason": "r", "limit": "turns", "active_s": 2.5}

    stopped, done = record(("", "ended", end)), record(("", "ended", {**end, "outcome": "completed"}))
    again = record(("", "ended", end), ("", "resumed", {"limits": {"turns": 9}}))

    assert stopped.outcome is not None
    assert (stopped.outcome.limit, stopped.closed, done.closed) == ("turns", False, True)
    assert again.outcome is None
    assert again.limits.turns == 9
    assert again.limits.tokens == RUN["limits"]["tokens"]


def test_time_of_work_leaves_out_the_time_between_attempts() -> None:
    end = {"outcome": "cancelled", "reason": "r", "active_s": 1.0}

    found = record(("", "ended", end), ("", "resumed", {}), ("1 turn", "choice", {}), ("1 turn", "turn", {}))

    assert found.active_so_far_s == pytest.approx(1.0 + 2.0)


def test_call_without_an_outcome_counts_at_its_worst_case() -> None:
    # ENGINE 18
    reply = {"text": "", "in": 10, "out": 5, "cost": 0.01}

    found = record(
        ("1 turn", "choice", {"speakers": ["a"]}),
        ("1 turn/1 a/1 model", "call", CALL),
        ("1 turn/1 a/1 model", "reply", reply),
        ("1 turn/1 a/2 model", "call", CALL),
    )

    assert figures(found) == {
        "turns": 1, "model_calls": 2, "tool_calls": 0, "prompt_tokens": 10, "completion_tokens": 5,
        "tokens": 15 + 150, "unsettled_tokens": 150, "cost_usd": 0.51, "active_s": 4.0,
    }  # fmt: skip


def test_killed_attempt_at_a_call_counts_beside_the_one_that_was_answered() -> None:
    # ENGINE 18
    path = "1 turn/1 a/1 model"

    found = record((path, "call", CALL), (path, "call", CALL), (path, "reply", {"in": 1, "out": 1}))

    assert found.meter().tokens == 150 + 2
    assert found.meter().unsettled_tokens == 150


def test_refused_attempt_costs_nothing_and_a_cut_one_its_worst_case() -> None:
    # ENGINE 18
    path = "1 turn/1 a/1 model"

    refused = record((path, "call", CALL), (path, "retry", {"in": 0, "out": 0}))
    cut = record((path, "call", CALL), (path, "retry", {"in": 150, "out": 0}))

    assert refused.meter().tokens == 0
    assert cut.meter().tokens == 150


def test_what_was_spent_inside_a_step_counts() -> None:
    # ENGINE 11
    spent = {"content": "x", "spent": [[10, 5, 0.25, 1, 0], [1, 1, None, 1, 0]]}

    found = record(("1 turn/1 a/1 look", "result", spent)).meter()

    assert (found.tokens, found.model_calls, found.tool_calls, found.cost_known) == (17, 2, 1, False)


def test_open_turn_is_recorded_by_path_and_the_rest_is_closed_in_canonical_order() -> None:
    # ENGINE 1, 12
    found = record(
        ("1 turn", "choice", {"speakers": ["a", "b"]}),
        ("1 turn/2 b", "said", {}),
        ("1 turn/1 a", "said", {}),
        ("1 turn", "turn", {}),
        ("2 turn/0 choose/1 model", "call", CALL),
    )

    closed, recorded = split(found)

    assert [(e.path, e.kind) for e in closed] == [
        ("", "run"),
        ("1 turn", "choice"),
        ("1 turn/1 a", "said"),
        ("1 turn/2 b", "said"),
        ("1 turn", "turn"),
    ]
    assert {path: [e.kind for e in entries] for path, entries in recorded.items()} == {
        "2 turn/0 choose/1 model": ["call"]
    }


def test_error_that_ended_the_run_is_no_outcome_and_any_other_is() -> None:
    # ENGINE 5
    fatal, caught = "1 turn/1 a/2 fetch", "1 turn/1 a/1 look"
    end = {"outcome": "failed", "reason": "r", "cause": fatal, "active_s": 1.0}

    _, recorded = split(record((caught, "error", {}), (fatal, "error", {}), ("", "ended", end)))

    assert [e.kind for e in recorded.pop(caught)] == ["error"]
    assert recorded == {}


def test_unsettled_call_is_named_with_the_command_that_settles_it() -> None:
    # ENGINE 7
    intent = {"name": "pay", "arguments": '{"cents":5}', "effect": "unsafe"}

    with pytest.raises(Conflict, match=r"pay\(\{\"cents\":5\}\) at turn 1 / a / pay 1.*`quorate resume talk\.1`"):
        check_settled("talk", record(("1 turn/1 a/1 pay", "intent", intent)))


@pytest.mark.parametrize("ending", ["result", "settled", "error"])
def test_settled_call_lets_the_run_be_left(ending: str) -> None:
    # ENGINE 7
    intent = {"name": "pay", "arguments": "{}", "effect": "unsafe"}

    check_settled("talk", record(("1 turn/1 a/1 pay", "intent", intent), ("1 turn/1 a/1 pay", ending, {})))


def test_call_that_may_be_repeated_lets_the_run_be_left() -> None:
    # ENGINE 7
    intent = {"name": "put", "arguments": "{}", "effect": "idempotent"}

    check_settled("talk", record(("1 turn/1 a/1 put", "intent", intent)))


def test_kind_that_nobody_knows_changes_nothing() -> None:
    # ENGINE 24
    found = record(("", "tomorrow", {"x": 1}), ("1 turn", "choice", {"speakers": ["a"]}))

    assert figures(found)["turns"] == 1
    assert [e.kind for e in found.entries] == ["run", "tomorrow", "choice"]


def test_runs_of_a_conversation_are_told_apart() -> None:
    runs = fold([*journal(("", "run", RUN)), *journal(("", "run", RUN), run=2)])

    assert sorted(runs) == [1, 2]
    assert latest(runs) is runs[2]
    assert latest({}) is None
