"""What a conversation that is kept costs: the same figures for everybody."""

import resource
import sys
from pathlib import Path

from benchkit.script import Watch, emit


def length_of(variant: str) -> tuple[int, int]:
    """Return how many turns a conversation has, and how many of them are held and measured.

    `"200"` holds all 200; `"5000/50"` begins with 4,950 turns that are put where the framework keeps them, by its own
    means, and holds the last 50.
    """
    turns, _, last = variant.partition("/")
    return int(turns), int(last or turns)


def peak_mb() -> float:
    """Return the most memory this process ever held, in MB."""
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def emit_kept(watch: Watch, turns: int, folder: Path, before_mb: float) -> None:
    """Print the cost of a turn, the size of `talk.db` in `folder` with its log, and the memory beyond `before_mb`."""
    disk = sum(file.stat().st_size for file in folder.glob("talk.db*") if file.is_file())
    emit(
        turn_us=1e6 * watch.cpu_s / turns,
        turn_wall_us=1e6 * watch.wall_s / turns,
        disk_mb=disk / 1e6,
        peak_mb=peak_mb() - before_mb,
    )
