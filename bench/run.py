"""Measure Quorate beside its peers: `python bench/run.py [names...] [--quick] [--rounds N] [--json FILE]`.

Each script runs several times in a process of its own, all of them in turn, and the table shows medians. Figures
are CPU time, user and system, of all threads, unless a row says wall. A missed target is printed and is no error;
the exit status is 1 when a script could not run.
"""

import argparse
import json
import os
import platform
import sys
import sysconfig
from pathlib import Path
from typing import Any

from benchkit.peers_env import ready_peers, versions
from benchkit.runner import Results, Runner
from benchkit.spec import OURS, PEERS, Case
from benchkit.suite import cases
from benchkit.table import table
from quorate.testing.postgres import server_folder

BENCH = Path(__file__).resolve().parent
OUR_PACKAGES = ["quorate", "pydantic", "pydantic-core"]
PEER_PACKAGES = [
    "autogen-agentchat",
    "autogen-core",
    "langgraph",
    "langgraph-checkpoint-sqlite",
    "langgraph-swarm",
    "agent-framework-core",
    "agent-framework-orchestrations",
    "openai-agents",
    "pydantic",
    "pydantic-core",
]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    names = [case.name for case in cases()]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="name", help=f"cases to run, all by default: {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="one round of a tenth of the work: only to see it run")
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of each script (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample and median to FILE")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(names)):
        parser.error(f"no case named {', '.join(unknown)}; there are {', '.join(names)}")
    return given


def pythons() -> dict[str, Path]:
    """Return the interpreters; the peers' is missing when they could not be installed."""
    found = {OURS: Path(sys.executable)}
    try:
        found[PEERS] = ready_peers(BENCH / "peers.txt", BENCH.parent / ".bench" / "peers")
    except (RuntimeError, OSError) as error:
        print(f"The peers are not available: {error}", file=sys.stderr)
    return found


def machine(found: dict[str, Path]) -> dict[str, Any]:
    """Describe what the figures were taken on."""
    packages = {OURS: OUR_PACKAGES, PEERS: PEER_PACKAGES}
    return {
        "python": platform.python_version(),
        "optimised": "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "versions": {where: versions(python, packages[where]) for where, python in found.items()},
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def describe(facts: dict[str, Any]) -> str:
    """Return the facts about the machine as lines for a reader."""
    build = "" if facts["optimised"] else " (built without --enable-optimizations)"
    lines = [
        f"Python {facts['python']}{build}, {facts['cpu']}, {facts['cores']} cores, load {facts['load']} at the start"
    ]
    for where, packages in facts["versions"].items():
        lines.append(f"{where}: " + ", ".join(f"{name} {number}" for name, number in packages.items()))
    return "\n".join(lines)


def as_json(facts: dict[str, Any], results: Results) -> str:
    """Return everything that was measured."""
    figures = {
        script.title: {"samples": samples, "failure": results.failures.get(script)}
        for script, samples in results.samples.items()
    }
    failures = {script.title: why for script, why in results.failures.items()}
    return json.dumps({"machine": facts, "figures": figures, "failures": failures}, indent=1)


def report(chosen: list[Case], results: Results, *, quick: bool, rounds: int) -> None:
    """Print the table and what went wrong."""
    print(table(chosen, results))
    print(
        f"\nMedians of {rounds} rounds or as many as a long script allows; of presets the least. "
        "CPU time unless a row says wall."
    )
    if quick:
        print("QUICK: one round of a tenth of the work. These are not the figures.")
    for script, why in results.failures.items():
        print(f"\nFAILED {script.title}\n{why}")


def main() -> int:
    """Run the chosen cases and return the exit status."""
    given = arguments()
    chosen = [case for case in cases() if not given.names or case.name in given.names]
    if server_folder() is None and any(case.name == "turn_postgres" for case in chosen):
        print(
            "turn_postgres is left out: there is no PostgreSQL server here (apt-get install postgresql).",
            file=sys.stderr,
        )
        chosen = [case for case in chosen if case.name != "turn_postgres"]
    rounds = 1 if given.quick else given.rounds
    found = pythons()
    facts = machine(found)
    print(describe(facts), end="\n\n", flush=True)
    scripts = list(dict.fromkeys(script for case in chosen for script in case.scripts))
    runner = Runner(BENCH, found, scale=0.1 if given.quick else 1.0)
    results = runner.run(scripts, rounds, lambda line: print(line, file=sys.stderr, flush=True))
    report(chosen, results, quick=given.quick, rounds=rounds)
    if given.json:
        given.json.write_text(as_json(facts, results))
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
