"""`quorate effects`: what a run did to the world."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from quorate.chat import shown
from quorate.cli.again import Again
from quorate.cli.lists import print_table
from quorate.cli.place import Place, find
from quorate.cli.printing import print_json
from quorate.cli.project import find_project
from quorate.runs import paths
from quorate.runs.effects import EffectRecord, effects
from quorate.runs.entries import split_run_id

STYLES = {
    "done": "green",
    "late": "green",
    "raised": "red",
    "did not happen": "dim",
    "given up": "dim",
    "unknown": "yellow",
    "under way": "cyan",
}
TEXT_CHARS = 60


async def show(run: str, store: str | None, *, as_json: bool) -> int:
    """Print the ledger of a run, or of all runs of a conversation, and return the exit code."""
    place = Place.of(store, find_project())
    async with place.there() as opened:
        found = await find(opened, run)
        rows = await effects(found.conversation if found.number is None else found.run_id, store=opened)
        now = opened.clock.now_us()
    if as_json:
        for row in rows:
            print_json(**_data(row))
        return 0
    if not rows:
        print(f"{found.run_id if found.number else found.conversation} called nothing that changes anything.")
        return 0
    _print(rows, now)
    open_runs = sorted({row.run_id for row in rows if row.state == "unknown" and row.effect == "unsafe"})
    for id in open_runs:
        again = Again.of(id, place, found.runs[split_run_id(id)[1] or found.latest])
        print(f"What became of some calls is unknown. {again.command()} settles them, or asks.")
    return 0


def _print(rows: Sequence[EffectRecord], now: int) -> None:
    print_table(
        ("where", "call", "class", "state", "known by", "attempts", "result", "age"),
        [
            (
                (f"{row.run_id} · {paths.shown(row.path)}", ""),
                (shown.cut(shown.called(row.name, row.arguments), TEXT_CHARS, count=False), "bold"),
                (row.effect, ""),
                (row.state, STYLES[row.state]),
                (row.by, "dim"),
                (f"{row.attempts}", ""),
                (shown.cut(_text(row.result), TEXT_CHARS, count=False), ""),
                (shown.age((now - row.announced_at) / 1e6), "dim"),
            )
            for row in rows
        ],
        right=("attempts",),
    )


def _text(result: Any) -> str:
    if result is None:
        return ""
    return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)


def _data(row: EffectRecord) -> dict[str, Any]:
    try:
        arguments = json.loads(row.arguments) if row.arguments else None
    except ValueError:  # erased
        arguments = row.arguments
    return {**asdict(row), "arguments": arguments}
