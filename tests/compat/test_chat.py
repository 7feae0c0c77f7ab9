"""Programs about AutoGen's chat, and 200 generated talks, print with the view what they print with AutoGen.

What they print with autogen-agentchat and autogen-ext 0.7.5 is in `expected/chat`, recorded by `play_chat.py`.
"""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXPECTED = HERE / "expected" / "chat"
PLAY = runpy.run_path(str(HERE / "play_chat.py"))
PROGRAMS, played = PLAY["PROGRAMS"], PLAY["played"]
REAL = HERE.parents[1] / ".bench" / "peers" / "bin" / "python"
BLOCK = 25


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_program_prints_with_the_view_what_it_prints_with_autogen(autogen_core: None, program: Path) -> None:
    assert played(program).splitlines() == (EXPECTED / f"{program.stem}.txt").read_text().splitlines()


@pytest.mark.parametrize("first", range(0, 200, BLOCK))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_generated_talks_go_as_with_autogen(autogen_core: None, first: int) -> None:
    generated = runpy.run_path(str(HERE / "generated.py"))
    expected = (EXPECTED / "generated.txt").read_text().splitlines()

    found = [generated["line"](seed) for seed in range(first, first + BLOCK)]

    assert found == expected[first : first + BLOCK]


def test_every_program_has_something_to_compare() -> None:
    names = sorted(path.stem for path in EXPECTED.glob("*.txt"))

    assert names == sorted([*(program.stem for program in PROGRAMS), "generated"])
    assert len((EXPECTED / "generated.txt").read_text().splitlines()) == 200


def has_extensions() -> bool:
    return (
        REAL.exists()
        and not subprocess.run(
            [REAL, "-c", "import autogen_ext.models.replay"], capture_output=True, check=False, env={"PYTHONPATH": ""}
        ).returncode
    )


@pytest.mark.skipif(not has_extensions(), reason="no autogen-ext to compare with: `make bench` installs it in .bench/")
def test_what_is_expected_is_what_autogen_prints(tmp_path: Path) -> None:
    done = subprocess.run(
        [REAL, HERE / "play_chat.py", tmp_path], capture_output=True, text=True, check=False, env={"PYTHONPATH": ""}
    )

    assert done.returncode == 0, done.stderr
    for path in sorted(EXPECTED.glob("*.txt")):
        assert (tmp_path / path.name).read_text().splitlines() == path.read_text().splitlines(), path.name


NEVER_MADE: set[str] = set()
"""Public classes that no program makes."""
NOT_GIVEN: dict[str, str] = {}
"""Options that no program gives."""


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_table_of_what_the_programs_reach_is_as_it_was_when_it_was_looked_at() -> None:
    done = subprocess.run(
        [sys.executable, HERE / "coverage.py"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == (HERE / "coverage.txt").read_text()
