"""Run measuring scripts, interleaved, each in a process of its own."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchkit.script import median
from benchkit.spec import OURS, Reading, Script

TIMEOUT_S = 900


@dataclass
class Results:
    """What the scripts printed: samples by script, and why one failed."""

    samples: dict[Script, list[dict[str, float]]] = field(default_factory=dict)
    failures: dict[Script, str] = field(default_factory=dict)

    def figure(self, reading: Reading) -> float | None:
        """Return the median of a figure over the rounds, or the least, or nothing when its script failed."""
        taken = [sample[reading.key] for sample in self.samples.get(reading.script, []) if reading.key in sample]
        if not taken:
            return None
        return min(taken) if reading.least else median(taken)


@dataclass(frozen=True)
class Runner:
    """Calls scripts with the Python of their environment.

    Attributes:
        bench: The folder of the scripts.
        pythons: The interpreter of each environment.
        scale: Size of the work, 1.0 for the real figures.
    """

    bench: Path
    pythons: Mapping[str, Path]
    scale: float

    def run(self, scripts: Sequence[Script], rounds: int, tell: Callable[[str], None]) -> Results:
        """Run all scripts once, then all once more, and so on. One that fails is not tried again."""
        results = Results()
        for number in range(rounds):
            for script in scripts:
                if number < script.rounds and script not in results.failures:
                    tell(f"round {number + 1} of {rounds}: {script.title}")
                    self._sample(script, results, number)
        return results

    def _sample(self, script: Script, results: Results, number: int) -> None:
        python = self.pythons.get(script.where)
        if python is None:
            results.failures[script] = "its environment could not be made"
            return
        try:
            results.samples.setdefault(script, []).append(self._call(script, python, number))
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            results.failures[script] = str(error)

    def _call(self, script: Script, python: Path, number: int) -> dict[str, float]:
        command = [str(python), str(self.bench / script.path), *script.arguments, "--scale", str(self.scale)]
        environment = self._environment(script.where, number)
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment)
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            raise RuntimeError("\n".join(done.stderr.strip().splitlines()[-4:]) or "it printed nothing")
        return {key: float(value) for key, value in json.loads(lines[-1]).items()}

    def _environment(self, where: str, number: int) -> dict[str, str]:
        """Return our environment with `benchkit` on the path, bytecode kept as users have it, and hashes by the round.

        One seed of the hashes may suit one side: AutoGen's run with a tool takes 1.3 to 1.9 ms by the seed.

        Our side also finds the source tree beside `bench/`, so that what is measured is the code of this checkout.
        """
        paths = [self.bench, *([self.bench.parent / "src"] if where == OURS else [])]
        ours = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return ours | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONHASHSEED": str(number)}
