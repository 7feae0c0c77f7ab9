"""A loop ends at the same call in every process, whatever the order of its sets."""

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("talks", sys.argv[1])
talks = importlib.util.module_from_spec(spec)
sys.modules["talks"] = talks
spec.loader.exec_module(talks)
from quorate.chat.stalls.progress import Progress
for kind in talks.LOOPS:
    for seed in range(8):
        progress = Progress()
        for n, call in enumerate(talks.loop(kind, seed, held_out=True, rounds=9).calls):
            for fact in call:
                progress.see(fact)
            if progress.stalled:
                print(kind, seed, n, repr(progress.stalled))
                break
"""


def test_loop_ends_at_the_same_call_whatever_the_hash_seed() -> None:
    talks = Path(__file__).parents[1] / "chat" / "stalls" / "talks.py"

    told = [
        subprocess.run(
            [sys.executable, "-c", CODE, str(talks)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("0", "1", "4711")
    ]

    assert len(told[0].splitlines()) == 12 * 8
    assert told[0] == told[1] == told[2]
