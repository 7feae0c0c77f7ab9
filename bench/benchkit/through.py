"""Runs a script that is written for AutoGen through Quorate's view of it."""

import runpy
import sys
from pathlib import Path

from quorate.compat import autogen

PEERS = Path(__file__).parents[1] / "peers"


def through_the_view(script: str) -> None:
    """Run one of the scripts in `peers`, as if it had been started itself."""
    autogen.install()
    sys.path.insert(0, str(PEERS))
    runpy.run_path(str(PEERS / script), run_name="__main__")
