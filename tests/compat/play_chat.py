"""Record what programs about AutoGen's chat print, and the lines of the generated talks.

    python tests/compat/play_chat.py FOLDER [STEP]

With the Python of an environment that has autogen-agentchat and autogen-ext 0.7.5, and FOLDER
`tests/compat/expected/chat`, it records what the view has to print. With a STEP it plays each so-manieth talk only.
"""

import io
import logging
import re
import runpy
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
PYDANTIC = re.compile(r"errors\.pydantic\.dev/2\.\d+")
"""Its version stands in the texts of its errors."""
PROGRAMS = sorted((HERE / "chat").glob("*.py"))
EXTENSIONS = {"local_executor", "openai_client"}
"""Those about what of `autogen_ext` there is."""


def played(program: Path) -> str:
    """Return what a program prints."""
    out = io.StringIO()
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(out), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in ("scenes", "generated"):
                sys.modules.pop(name, None)
            runpy.run_path(str(program), run_name="__main__")
    finally:
        logging.disable(logging.NOTSET)
    return PYDANTIC.sub("errors.pydantic.dev/2", out.getvalue())


if __name__ == "__main__":
    sys.modules.setdefault("tiktoken", ModuleType("tiktoken"))  # AutoGen's OpenAI client counts tokens with it
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True, parents=True)
    for program in PROGRAMS:
        (folder / f"{program.stem}.txt").write_text(played(program))
    sys.argv = ["generated.py", *(["--step", sys.argv[2]] if sys.argv[2:] else [])]
    (folder / "generated.txt").write_text(played(HERE / "generated.py"))
