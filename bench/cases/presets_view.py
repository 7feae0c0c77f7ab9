"""One turn of each preset, written for AutoGen, through Quorate's view of AutoGen. Variants as in `presets.py`."""

import runpy
import sys
from pathlib import Path

from quorate.compat import autogen

PEERS = Path(__file__).parents[1] / "peers"

autogen.install()
sys.path.insert(0, str(PEERS))
runpy.run_path(str(PEERS / "autogen_presets.py"), run_name="__main__")
