import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


def test_changelog_takes_the_fragments_in_above_older_versions(tmp_path: Path) -> None:
    changes = tmp_path / "changes"
    changes.mkdir()
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 0.1.0\n\n### Added\n\n- The first team.\n")
    (changes / "README.md").write_text("stays")
    (changes / "b.fixed.md").write_text("A fork keeps\nits parent.\n")
    (changes / "a.added.md").write_text("Forks.\n")

    subprocess.run([sys.executable, SCRIPTS / "changelog.py", "0.2.0"], cwd=tmp_path, check=True)

    assert (tmp_path / "CHANGELOG.md").read_text() == (
        "# Changelog\n\n## 0.2.0\n\n### Added\n\n- Forks.\n\n### Fixed\n\n- A fork keeps\n  its parent.\n"
        "\n## 0.1.0\n\n### Added\n\n- The first team.\n"
    )
    assert [path.name for path in changes.iterdir()] == ["README.md"]


@pytest.mark.parametrize(("arguments", "said"), [([], "which version"), (["0.2.0"], "nothing to release")])
def test_changelog_says_what_is_missing(tmp_path: Path, arguments: list[str], said: str) -> None:
    command = [sys.executable, str(SCRIPTS / "changelog.py"), *arguments]

    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run.returncode == 1
    assert said in run.stderr


def test_lowest_pins_every_bound_and_leaves_our_own_extras() -> None:
    constraints = runpy.run_path(str(SCRIPTS / "lowest.py"))["constraints"]
    project = '[project]\nname = "q"\ndependencies = ["b>=1.2", "a>=0; os_name == \'nt\'"]\n'

    pins = constraints(project + '[project.optional-dependencies]\nx = ["c>=3"]\nall = ["q[x]"]\n')

    assert pins == ["a==0; os_name == 'nt'", "b==1.2", "c==3"]


def test_lowest_refuses_a_dependency_without_a_lower_bound() -> None:
    constraints = runpy.run_path(str(SCRIPTS / "lowest.py"))["constraints"]

    with pytest.raises(ValueError, match="has no plain lower bound"):
        constraints('[project]\nname = "q"\ndependencies = ["b<2"]\noptional-dependencies = {}\n')
