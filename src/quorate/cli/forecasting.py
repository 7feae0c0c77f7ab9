"""`quorate forecast`: what a run may come to, before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from quorate.chat import shown
from quorate.chat.checks.forecast import FIGURES, Forecast, forecast
from quorate.cli import definition as definitions
from quorate.cli.lists import print_table
from quorate.cli.place import Place
from quorate.cli.printing import print_json
from quorate.cli.project import find_project
from quorate.cli.working import read_limits, read_task


async def told(team: str, task: str, store: str | None, limits: Sequence[str], *, as_json: bool) -> int:
    """Print the forecast of a run, and return the exit code."""
    project = find_project()
    wanted, said = read_limits(limits), read_task(task)
    chosen = definitions.named(team, project)
    app = (chosen.entry or {}).get("app", "")
    place = Place.of(store, project)
    file = place.file
    if file is not None and not file.is_file():
        found = await forecast(chosen.team, said, app=app, limits=wanted, prices=project.prices)
    else:
        async with place.there() as opened:
            found = await forecast(chosen.team, said, store=opened, app=app, limits=wanted, prices=project.prices)
    if as_json:
        ranges = {name: found.ranges[name]._asdict() for name in FIGURES}
        print_json(**{**asdict(found), "ranges": ranges, "tight": found.tight})
        return 0
    _print(found)
    return 0


def _print(found: Forecast) -> None:
    if found.basis == "past":
        cut = f", {found.cut} of which ended at a limit" if found.cut else ""
        print(f"From {shown.counted(found.runs, 'past run')} of this definition{cut}:")
        heads = ("", "half of them within", "95 in 100 within", "limit")
    else:
        print("No past run of this definition is kept here, so these are bounds, from plan, prompts and limits:")
        heads = ("", "at least about", "at most", "limit")
    rows = [
        (
            (name, "bold"),
            (_figure(name, found.ranges[name].low), ""),
            (_figure(name, found.ranges[name].high), "yellow" if name in found.tight else ""),
            (_figure(name, found.limits[name]), "dim"),
        )
        for name in FIGURES
    ]
    print_table(heads, rows, right=heads[1:])
    if found.basis == "past" and found.tight:
        print(f"It may end at a limit: {', '.join(found.tight)}. Widen it with --limits.")


def _figure(name: str, value: float | None) -> str:
    if name == "cost_usd":
        return shown.money(value)
    return "unknown" if value is None else f"{value:,.0f}"
