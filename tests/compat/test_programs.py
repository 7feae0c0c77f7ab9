"""Programs written for AutoGen print with the view what they print with AutoGen.

What they print with autogen-core 0.7.5 is in `expected/`, recorded by `play.py`.
"""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PLAY = runpy.run_path(str(HERE / "play.py"))
PROGRAMS, played = PLAY["PROGRAMS"], PLAY["played"]
REAL = HERE.parents[1] / ".bench" / "peers" / "bin" / "python"


def expected(program: Path) -> str:
    return (HERE / "expected" / f"{program.stem}.txt").read_text()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_program_prints_with_the_view_what_it_prints_with_autogen(autogen_core: None, program: Path) -> None:
    assert played(program) == expected(program)


def test_every_program_has_something_to_compare() -> None:
    assert len(PROGRAMS) >= 25
    assert sorted(path.stem for path in (HERE / "expected").glob("*.txt")) == [program.stem for program in PROGRAMS]
    assert all(len(expected(program).splitlines()) >= 3 for program in PROGRAMS)


@pytest.mark.skipif(not REAL.exists(), reason="no autogen-core to compare with: `make bench` installs it in .bench/")
def test_what_is_expected_is_what_autogen_prints(tmp_path: Path) -> None:
    done = subprocess.run(
        [REAL, HERE / "play.py", tmp_path], capture_output=True, text=True, check=False, env={"PYTHONPATH": ""}
    )

    assert done.returncode == 0, done.stderr
    for program in PROGRAMS:
        assert (tmp_path / f"{program.stem}.txt").read_text() == expected(program), program.stem


def test_a_program_runs_unchanged_from_the_command_line(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys\nfrom helper import KIND\nprint(KIND, sys.argv, __name__)\n")
    (tmp_path / "helper.py").write_text("import autogen_core.models as m\nKIND = m.UserMessage.__name__\n")

    by_path = run(str(program), "one", cwd=tmp_path.parent)
    by_module = run("-m", "program", "two", cwd=tmp_path)

    assert by_path.stdout == f"UserMessage ['{program}', 'one'] __main__\n", by_path.stderr
    assert by_module.stdout == f"UserMessage ['{program}', 'two'] __main__\n", by_module.stderr


@pytest.mark.parametrize("words", [[], ["-m"], ["nowhere.py"]], ids=["nothing", "no module", "no file"])
def test_the_command_line_says_what_is_wrong(words: list[str], tmp_path: Path) -> None:
    done = run(*words, cwd=tmp_path)

    assert done.returncode == 1
    assert "Usage" in done.stderr or "no file nowhere.py" in done.stderr
    assert "Traceback" not in done.stderr


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "quorate.compat.autogen", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
