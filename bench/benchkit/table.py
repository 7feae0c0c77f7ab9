"""The table that `make bench` prints."""

from collections.abc import Sequence

from benchkit.runner import Results
from benchkit.spec import Case, Row

_HEAD = ("case", "what", "ours", "beside", "theirs", "ratio", "target", "")


def verdict(row: Row, ours: float | None, theirs: float | None) -> str:
    """Return `ok`, `MISSED`, `FAILED` when a figure is missing, or nothing for a row without a target."""
    if ours is None or (row.peer is not None and theirs is None):
        return "FAILED"
    if row.at_most is None:
        return ""
    reached = ours if theirs is None else ours / theirs
    return "ok" if reached <= row.at_most else "MISSED"


def table(cases: Sequence[Case], results: Results) -> str:
    """Return the rows of all cases as aligned text."""
    lines: list[tuple[str, ...]] = [_HEAD]
    for case in cases:
        lines += [_line(case.name if not at else "", row, results) for at, row in enumerate(case.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    cells = zip(line, widths, "<<><>>><", strict=True)
    return "  ".join(f"{cell:{side}{width}}" for cell, width, side in cells).rstrip()


def _line(name: str, row: Row, results: Results) -> tuple[str, ...]:
    ours = results.figure(row.ours)
    theirs = results.figure(row.peer) if row.peer else None
    beside = _number(theirs, row.unit) if row.peer else ""
    reached = _ratio(ours / theirs) if ours is not None and theirs else ""
    target = "" if row.at_most is None else _ratio(row.at_most) if row.peer else _number(row.at_most, row.unit)
    return (
        name,
        row.label,
        _number(ours, row.unit),
        row.peer_name,
        beside,
        reached,
        target,
        verdict(row, ours, theirs),
    )


def _number(value: float | None, unit: str) -> str:
    """Write a figure with three digits that mean something, and its unit."""
    if value is None:
        return "-"
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}{'' if unit == 'x' else ' '}{unit}".rstrip()


def _ratio(value: float) -> str:
    """Write a ratio as people say it: 1/12.5 or 1.3x."""
    return f"1/{1 / value:.3g}" if 0 < value < 0.9 else f"{value:.3g}x"
