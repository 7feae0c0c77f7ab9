"""Run programs and write what each prints beside a name of its own, with whatever `autogen_core` there is.

    python tests/compat/play.py FOLDER [PROGRAM.py ...]

With the Python of an environment that has autogen-core 0.7.5 (`make bench` makes one in .bench/peers) and FOLDER
`tests/compat/expected` it records what the view has to print.
"""

import io
import logging
import runpy
import sys
from contextlib import redirect_stdout
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = sorted((HERE / "programs").glob("*.py"))


def played(program: Path) -> str:
    """Return what a program prints."""
    out = io.StringIO()
    try:
        with redirect_stdout(out):
            runpy.run_path(str(program), run_name="__main__")
    finally:
        logging.disable(logging.NOTSET)
    return out.getvalue()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for program in [Path(name) for name in sys.argv[2:]] or PROGRAMS:
        (folder / f"{program.stem}.txt").write_text(played(program))
