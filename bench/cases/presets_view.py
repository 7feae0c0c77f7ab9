"""One turn of each preset, written for AutoGen, through Quorate's view of AutoGen. Variants as in `presets.py`."""

from benchkit.through import through_the_view

through_the_view("autogen_presets.py")
