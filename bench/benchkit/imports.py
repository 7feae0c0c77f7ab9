"""What an import costs: CPU time of a fresh interpreter, less that of a bare one with asyncio."""

import resource
import subprocess
import sys
from collections.abc import Mapping

from benchkit.script import median

BARE = "import asyncio"


def import_figures(statements: Mapping[str, str], *, rounds: int) -> dict[str, float]:
    """Return the median CPU milliseconds of each statement as `<name>_ms`, and `bare_ms`.

    The statements take turns, so that a slow moment of the machine hits all of them. One round that is not
    counted comes first: it writes the bytecode and fills the file cache.
    """
    codes = {"bare": BARE} | {name: f"{BARE}; {statement}" for name, statement in statements.items()}
    samples: dict[str, list[float]] = {name: [] for name in codes}
    for number in range(rounds + 1):
        for name, code in codes.items():
            cpu_s = _cpu_of(code)
            if number:
                samples[name].append(cpu_s)
    bare_ms = 1e3 * median(samples.pop("bare"))
    return {"bare_ms": bare_ms} | {f"{name}_ms": 1e3 * median(taken) - bare_ms for name, taken in samples.items()}


def loaded_by(statement: str) -> list[str]:
    """Return the names of all modules in the interpreter after the statement."""
    code = f"{statement}; import sys; print(*sys.modules)"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()


def _cpu_of(code: str) -> float:
    """Return the CPU seconds, user and system, of one interpreter that runs `code`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
