"""Run a program that was written for AutoGen: `python -m quorate.compat.autogen program.py …` or `… -m module …`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from quorate.compat.autogen import install
from quorate.errors import ConfigError


def main() -> None:
    """Install the views and run what the command line names."""
    words = sys.argv[1:]
    if not words or words[0] in {"-h", "--help"} or words == ["-m"]:
        sys.exit("Usage: python -m quorate.compat.autogen (PROGRAM.py | -m MODULE) [ARGUMENTS]")
    try:
        install()
    except ConfigError as error:
        sys.exit(f"Error: {error}")
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        return
    program = Path(words[0])
    if not program.is_file():
        sys.exit(f"Error: there is no file {words[0]}.")
    sys.argv = words
    sys.path[0] = str(program.resolve().parent)
    runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    main()
