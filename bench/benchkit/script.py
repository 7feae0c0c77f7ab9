"""What every measuring script does: read its options, measure, print one line of JSON."""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True)
class Options:
    """How large the work of one script is."""

    size_bytes: int
    """Length of each message."""
    scale: float
    """1.0 for the real figures, less for a quick look."""
    variant: str
    """Which way of doing the work, for scripts that know several; empty for the usual one."""
    server: str
    """A PostgreSQL server to use; empty for one of the script's own."""

    def scaled(self, count: int, *, at_least: int = 20) -> int:
        """Return `count` shrunk by the scale."""
        return max(at_least, round(count * self.scale))


def options() -> Options:
    """Read the options of a script from its command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=60)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--variant", default="")
    parser.add_argument("--server", default="")
    given = parser.parse_args()
    return Options(given.size, given.scale, given.variant, given.server)


class Watch:
    """Measures a block: `cpu_s` is user and system time of all threads, `wall_s` the time on the clock.

    Garbage of earlier work is collected before the block starts; inside it the collector runs as usual.
    """

    cpu_s = 0.0
    wall_s = 0.0

    def __enter__(self) -> "Watch":
        gc.collect()
        self._wall = time.perf_counter()
        self._cpu = time.process_time()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.cpu_s = time.process_time() - self._cpu
        self.wall_s = time.perf_counter() - self._wall


def median(values: Iterable[float]) -> float:
    """Return the middle of `values`."""
    return float(statistics.median(values))


def expect(condition: bool, what: str) -> None:
    """Stop the script when the work was not what it says it measures.

    Raises:
        RuntimeError: `condition` does not hold.
    """
    if not condition:
        raise RuntimeError(f"the benchmark did not do its work: {what}")


def emit(**figures: float) -> None:
    """Print the figures as the one line that `bench/run.py` reads."""
    print(json.dumps(figures), flush=True)
