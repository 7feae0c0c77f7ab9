"""Budgets at the command line: `--budget`, `quorate.toml`, `quorate budget`."""

from pathlib import Path
from typing import Any

import pytest

from quorate.cli.project import find_project
from quorate.errors import ConfigError
from quorate.runs.budget import Budget
from quorate.runs.prices import Price

TOML = """\
[[quorate.budgets]]
scope = "acme/ann"
cost_usd = 20
per = "day"

[quorate.prices."my:model"]
input_usd = 2.0
output_usd = 8.0
"""


def test_run_keeps_to_a_budget_and_says_how_to_widen_it(cli: Any) -> None:
    first = cli("run", "team.yaml", "What is x?", "--budget", "ann,model_calls=7")
    second = cli("run", "team.yaml", "What is y?", "--budget", "ann,model_calls=7", "--conversation", "second")

    assert (first.code, second.code) == (0, 3)
    assert "limit: The budget ann of 7 model calls is spent: " in second.out
    assert "quorate resume second.1 --budget ann,model_calls=14" in second.err
    assert cli("resume", "second.1", "--budget", "ann,model_calls=14").code == 0


def test_what_was_used_of_budgets_is_listed(cli: Any) -> None:
    cli("run", "team.yaml", "What is x?", "--budget", "ann,tokens=100000", "--budget", "acme,tokens=100000,per=month")

    lines = cli("budget").out.splitlines()
    [ann] = cli("budget", "ann", "--json").json

    assert [line.split()[:5] for line in lines[:1]] == [["scope", "calls", "spent", "reserved", "unknown"]]
    assert {line.split()[0].partition("@")[0] for line in lines[1:]} == {"ann", "acme"}
    assert (ann["scope"], ann["period"], ann["calls"]) == ("ann", None, 6)
    assert ann["spent"] == {"tokens": 270, "cost_usd": 0.0}
    assert ann["unknown"]["calls"] == 0


def test_budget_that_nobody_used_names_those_that_were(cli: Any) -> None:
    cli("run", "team.yaml", "What is x?", "--budget", "ann,tokens=100000")

    ran = cli("budget", "bob")

    assert ran.code == 2
    assert "No run here has used a budget 'bob'. There are: ann." in ran.err


def test_without_budgets_the_list_says_how_to_make_one(cli: Any) -> None:
    cli("run", "team.yaml", "What is x?")

    assert "--budget" in cli("budget").out
    assert cli("budget", "--json").out == ""


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        ("ann,tokens=0", "tokens=0; give a whole number above 0"),
        ("ann,cost_usd=inf", "cost_usd=inf; give a number above 0, and no infinite one"),
        ("ann,cost_eur=2", "US dollars only"),
        ("ann,tokens=2,per=week", "is no period"),
    ],
)
def test_budget_that_cannot_be_is_refused_before_anything_runs(cli: Any, budget: str, why: str) -> None:
    ran = cli("run", "team.yaml", "What is x?", "--budget", budget)

    assert ran.code == 2
    assert why in ran.err
    assert ran.out == ""


def test_nothing_counts_a_run_that_is_kept_nowhere(cli: Any) -> None:
    assert "goes with neither" in cli("run", "team.yaml", "x", "--no-store", "--budget", "ann,tokens=5").err


def test_budgets_and_prices_of_the_project_are_read(tmp_path: Path) -> None:
    (tmp_path / "quorate.toml").write_text(TOML)

    project = find_project(tmp_path)

    assert project.budgets == (Budget("acme/ann", cost_usd=20, per="day"),)
    assert project.prices == {"my:model": Price(2.0, 8.0)}


@pytest.mark.parametrize(
    ("toml", "why"),
    [
        (TOML.replace("20", "-2"), "Budget acme/ann: cost_usd=-2; give a number above 0"),
        (TOML.replace("cost_usd", "cost_eur"), "US dollars only"),
        (TOML.replace("day", "year"), "per='year' is no period"),
        (TOML.replace("8.0", "-8.0"), "Price(output_usd=-8.0): give US dollars per million tokens"),
        (TOML.replace("output_usd = 8.0", "out = 8.0"), "The price of my:model"),
        (TOML.replace("scope", "scoop"), "A budget has no 'scoop'"),
        (TOML + TOML.partition("\n\n")[0], "Two budgets are for the same scope and period"),
    ],
)
def test_fault_in_a_budget_or_price_of_the_project_names_the_file_and_the_fix(
    tmp_path: Path, toml: str, why: str
) -> None:
    (tmp_path / "quorate.toml").write_text(toml)

    with pytest.raises(ConfigError) as raised:
        find_project(tmp_path)

    assert str(raised.value).startswith(str(tmp_path / "quorate.toml"))
    assert why in str(raised.value)


def test_forecast_says_what_it_is_made_of(cli: Any) -> None:
    before = cli("forecast", "team.yaml", "What is x?")
    cli("run", "team.yaml", "What is x?")
    after = cli("forecast", "team.yaml", "What is y?")
    [data] = cli("forecast", "team.yaml", "What is y?", "--json").json

    assert before.out.startswith("No past run of this definition is kept here, so these are bounds")
    assert after.out.startswith("From 1 past run of this definition:")
    assert (data["basis"], data["runs"], data["ranges"]["tokens"]) == ("past", 1, {"low": 270, "high": 270})


def test_show_tells_who_used_what(cli: Any) -> None:
    ran = cli("run", "team.yaml", "What is x?")

    out = cli("show", ran.run_id).out
    [data] = cli("show", ran.run_id, "--json").json

    assert "  analyst: 4 model calls · 2 tool calls · 184 tokens · $0" in out
    assert "  critic: 2 model calls · 86 tokens · $0" in out
    assert [(a["agent"], a["tokens"]) for a in data["agents"]] == [("analyst", 184), ("critic", 86)]
