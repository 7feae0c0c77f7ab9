"""Programs about AutoGen's chat, and 200 generated talks, print with the view what they print with AutoGen.

What they print with autogen-agentchat and autogen-ext 0.7.5 is in `expected/chat`, recorded by `play_chat.py`.
"""

import os
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
EXPECTED = HERE / "expected" / "chat"
PLAY = runpy.run_path(str(HERE / "play_chat.py"))
PROGRAMS, played = PLAY["PROGRAMS"], PLAY["played"]
REAL = HERE.parents[1] / ".bench" / "peers" / "bin" / "python"
BLOCK = 25
STEP = 8
"""AutoGen itself is slow: of the generated talks each so-manieth is played with it anew."""


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
        [REAL, HERE / "play_chat.py", tmp_path, str(STEP)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )

    assert done.returncode == 0, done.stderr
    for path in sorted(EXPECTED.glob("*.txt")):
        expected = path.read_text().splitlines()[:: STEP if path.stem == "generated" else 1]
        assert (tmp_path / path.name).read_text().splitlines() == expected, path.name


# --- coverage ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def coverage(autogen_core: None) -> dict[str, Any]:
    return runpy.run_path(str(HERE / "coverage.py"))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_public_class_option_message_and_event_is_in_a_program(coverage: dict[str, Any]) -> None:
    rows = coverage["reached"]([p for p in PROGRAMS if p.stem not in PLAY["EXTENSIONS"]], played)

    assert coverage["missing"](rows) == {}
    assert "\n".join(coverage["lines"](rows)) + "\n" == (HERE / "coverage.txt").read_text()


def test_what_a_program_only_writes_loads_or_never_receives_is_not_covered(
    coverage: dict[str, Any], tmp_path: Path
) -> None:
    program = tmp_path / "mean.py"
    program.write_text("""
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.messages import ThoughtEvent
from autogen_core import ComponentLoader
import scenes
print('{"type": "SelectSpeakerEvent"}', '"selector_func"')
ComponentLoader.load_component(TextMentionTermination("x").dump_component().model_copy(
    update={"provider": "autogen_agentchat.conditions.HandoffTermination", "config": {"target": "b"}}))
ThoughtEvent(content="x", source="a")
class Own(MaxMessageTermination): ...
""")

    rows = coverage["reached"]([program], played)

    reached = {name: row.missing for name, row in rows.items() if row.made or row.subclassed or row.received}
    assert reached == {
        "TextMentionTermination": ["sources"],
        "ThoughtEvent": ["received"],
    }
