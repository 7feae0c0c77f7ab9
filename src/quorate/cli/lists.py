"""`quorate runs` and `quorate conversations`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from quorate.chat import shown
from quorate.chat.console import is_terminal
from quorate.cli.place import Place
from quorate.cli.printing import print_json
from quorate.cli.project import find_project
from quorate.cli.transcript import ended_figures, loaded, status
from quorate.runs.entries import run_id
from quorate.runs.history import RunRecord, fold
from quorate.runs.journal import Store

MORE = "… there are more: --last 0 lists all."
TASK_CHARS = 48
NARROWEST = 8
CUT = frozenset({"task", "last task", "question", "what it is", "call", "result"})
"""The columns that a narrow terminal cuts; ids, figures and paths stay whole."""

ATTEMPTS = ("run", "fork", "resumed", "ended")
"""The entries that say how runs began and ended, without what was said in them."""

Row = dict[str, Any]
Cells = Sequence[tuple[str, str]]


async def runs(store: str | None, last: int, *, as_json: bool) -> int:
    """List runs, the latest first."""
    place = Place.of(store, find_project())
    async with place.there() as opened:
        known = (await opened.conversations(limit=last + 1 if last else None))[::-1]
        rows: list[Row] = []
        for summary in known:
            if last and len(rows) > last:
                break
            held = await opened.is_held(summary.id)
            records = await _records(opened, summary.id)
            own = [n for n in sorted(records)[::-1] if not records[n].is_inherited]
            rows += [_run_row(summary.id, records[n], held=held and n == max(records)) for n in own]
        now = opened.clock.now_us()
    shown_rows = rows[:last] if last else rows
    if as_json:
        return _print_rows(shown_rows)
    print_table(
        ("run", "task", "outcome", "turns", "tokens", "cost", "age"),
        [
            (
                (row["run_id"], "bold"),
                (shown.cut(row["task"], TASK_CHARS, count=False), ""),
                (row["outcome"], shown.STYLES[row["outcome"]]),
                (f"{row['turns']:,}", ""),
                (f"{row['tokens']:,}", ""),
                (shown.money(row["cost_usd"]), ""),
                (shown.age((now - row["last_at"]) / 1e6), "dim"),
            )
            for row in shown_rows
        ],
        right=("turns", "tokens", "cost"),
    )
    if len(shown_rows) < len(rows):
        print(MORE, file=sys.stderr)
    return 0


async def _records(store: Store, conversation: str) -> dict[int, RunRecord]:
    """Return the runs of a conversation; the whole journal is read only where one was not ended."""
    records = fold(await store.read(conversation, kinds=ATTEMPTS))
    if all(record.outcome for record in records.values()):
        return records
    return fold(await store.read(conversation))


def _run_row(conversation: str, record: RunRecord, *, held: bool) -> Row:
    figures = ended_figures(record)
    return {
        "run_id": run_id(conversation, record.number),
        "task": task_of(record),
        "outcome": status(record, held=held),
        "reason": record.outcome.reason if record.outcome else "",
        "turns": figures["turns"],
        "tokens": figures["tokens"],
        "cost_usd": figures["cost_usd"],
        "started_at": record.started_at,
        "last_at": record.last_at,
    }


def task_of(record: RunRecord) -> str:
    """Return the task of a run in words."""
    return "\n".join(loaded(data).to_text() for data in record.task)


async def conversations(store: str | None, last: int, *, as_json: bool) -> int:
    """List conversations, the latest first."""
    place = Place.of(store, find_project())
    async with place.there() as opened:
        known = (await opened.conversations(limit=last + 1 if last else None))[::-1]
        rows: list[Row] = []
        for summary in known[:last] if last else known:
            records = await _records(opened, summary.id)
            newest = records[max(records)]
            rows.append(
                {
                    "conversation": summary.id,
                    "runs": len(records),
                    "task": task_of(newest),
                    "outcome": status(newest, held=await opened.is_held(summary.id)),
                    "last_at": summary.last_at,
                }
            )
        now = opened.clock.now_us()
    if as_json:
        return _print_rows(rows)
    print_table(
        ("conversation", "runs", "last task", "outcome", "age"),
        [
            (
                (row["conversation"], "bold"),
                (f"{row['runs']:,}", ""),
                (shown.cut(row["task"], TASK_CHARS, count=False), ""),
                (row["outcome"], shown.STYLES[row["outcome"]]),
                (shown.age((now - row["last_at"]) / 1e6), "dim"),
            )
            for row in rows
        ],
        right=("runs",),
    )
    if len(rows) < len(known):
        print(MORE, file=sys.stderr)
    return 0


def _print_rows(rows: Sequence[Row]) -> int:
    for row in rows:
        print_json(**row)
    return 0


def print_table(heads: Sequence[str], rows: Sequence[Cells], *, right: Sequence[str] = ()) -> None:
    """Print a table: in a terminal with colours and no wider than it is, elsewhere plain and as wide as it must be.

    Args:
        heads: The columns' names.
        rows: For each a text and a style for every column.
        right: The columns of figures.
    """
    if not rows:
        print("There is nothing here yet.")
        return
    from rich.cells import cell_len
    from rich.console import Console
    from rich.text import Text

    clean = [[(head, "dim") for head in heads], *([(shown.inline(text), style) for text, style in row] for row in rows)]
    widths = [max(cell_len(row[at][0]) for row in clean) for at in range(len(heads))]
    terminal = Console(highlight=False, no_color=False) if is_terminal(sys.stdout) else None
    if terminal is not None:
        widths = _narrowed(widths, heads, terminal.width)
    for row in clean:
        line = [
            (_fitted(text, width, right=head in right) + "  ", style)
            for head, width, (text, style) in zip(heads, widths, row, strict=True)
        ]
        if terminal is None:
            print("".join(text for text, _ in line).rstrip())
        else:
            text = Text.assemble(*line, no_wrap=True, overflow="ignore")
            text.rstrip()
            terminal.print(text, crop=False)


def _narrowed(widths: Sequence[int], heads: Sequence[str], most: int) -> list[int]:
    """Return widths that make no line longer than `most`, as far as columns that may be cut can give."""
    over = sum(widths) + 2 * (len(widths) - 1) - most
    found = list(widths)
    for at, head in enumerate(heads):
        if head in CUT and over > 0:
            given = max(0, min(over, found[at] - NARROWEST))
            found[at] -= given
            over -= given
    return found


def _fitted(text: str, width: int, *, right: bool) -> str:
    """Return a text of exactly `width` cells."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + "…"
    blank = " " * (width - cell_len(text))
    return blank + text if right else text + blank
