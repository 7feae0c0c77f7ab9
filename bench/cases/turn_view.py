"""One turn of two assistant agents in a round robin, written for AutoGen, through Quorate's view of AutoGen."""

import runpy
import sys
from pathlib import Path

from quorate.compat import autogen

PEERS = Path(__file__).parents[1] / "peers"

autogen.install()
sys.path.insert(0, str(PEERS))
runpy.run_path(str(PEERS / "autogen_turn_memory.py"), run_name="__main__")
