"""`quorate check`: what is wrong with a team, before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from quorate.chat import shown
from quorate.chat.checks.check import check
from quorate.chat.checks.findings import Finding, Report
from quorate.cli import definition as definitions
from quorate.cli.lists import print_table
from quorate.cli.printing import print_json
from quorate.cli.project import find_project
from quorate.cli.working import read_limits
from quorate.core.words import counted
from quorate.errors import ConfigError

STYLES = {"error": "red", "warning": "yellow", "note": "dim"}


async def checked(team: str, task: str, limits: Sequence[str], *, as_json: bool) -> int:
    """Print what is found, and return 1 where something cannot work."""
    wanted = read_limits(limits)
    try:
        project = find_project()
        found = check(definitions.named(team, project).team, task=task, limits=wanted, prices=project.prices)
    except ConfigError as error:
        told = [Finding("definition", "error", team, line, "Mend it.") for line in str(error).splitlines()]
        found = Report(team, tuple(told), {}, {})
    if as_json:
        print_json(ok=found.ok, **asdict(found))
    else:
        _print(found)
    return 0 if found.ok else 1


def _print(found: Report) -> None:
    rows = [
        ((one.severity, STYLES[one.severity]), (one.rule, "bold"), (one.where, ""), (f"{one.text} {one.advice}", ""))
        for one in found.findings
        if one.rule != "definition"
    ]
    for one in found.findings:
        if one.rule == "definition":
            print(one.text)
    if rows:
        print_table(("", "rule", "where", "what it is"), rows)
    elif not found.findings:
        print(f"{found.team}: nothing was found.")
    if found.worst:
        worst = [_figure(name, found.worst[name]) for name in WORDS]
        print(f"At most, within its limits: {', '.join(worst)}.")


WORDS = {"turns": "turn", "model_calls": "model call", "tool_calls": "tool call", "tokens": "token", "cost_usd": ""}


def _figure(name: str, value: float | None) -> str:
    return f"{shown.money(value)} to pay" if name == "cost_usd" else counted(value or 0, WORDS[name])
