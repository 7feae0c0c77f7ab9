"""An installed package extends what documents may name only where the operator enables it by name."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from quorate.chat.files.components import component_registry, dump_component, load_component
from quorate.chat.files.document import load_team, team_registry
from quorate.cli import main as command
from quorate.cli.project import find_project
from quorate.core.plugins import installed, load_plugins
from quorate.errors import ConfigError

CODE = """
from quorate import Agent, TextMessage, tool
from quorate.chat.files.document import kind

@kind("acme_parrot")
class Parrot(Agent):
    def __init__(self, name: str, phrase: str = "Hello.") -> None:
        super().__init__(name)
        self.phrase = phrase

    async def speak(self, turn):
        return TextMessage(content=self.phrase, source=self.name)

@tool(effect="read")
def acme_weigh(text: str) -> int:
    "Weigh a text."
    return len(text)

def things():
    return [Parrot, acme_weigh]

ready = [Parrot]
wrong = [3]
text = "no list"

def broken():
    raise OSError("no licence")
"""


class Packages:
    """Installs packages into a folder that is on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, package: str, entry_points: str, code: str = CODE) -> None:
        (self.folder / f"{package}.py").write_text(code)
        info = self.folder / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[quorate.plugins]\n{entry_points}\n")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "site").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    before = set(sys.modules)
    yield Packages(tmp_path / "site")
    for name in set(sys.modules) - before:
        if name.startswith("acme"):
            del sys.modules[name]


TEAM = "type: round_robin\nmax_turns: 1\nparticipants:\n  - {type: acme_parrot, name: polly, phrase: Bye.}\n"


def test_an_installed_package_is_found_and_not_imported(packages: Packages) -> None:
    packages.install("acme_birds", "acme = acme_birds:things")

    assert list(installed()) == ["acme"]
    assert "acme_birds" not in sys.modules


def test_what_is_not_enabled_is_neither_known_nor_imported(packages: Packages) -> None:
    packages.install("acme_birds", "acme = acme_birds:things")

    with pytest.raises(ConfigError, match="There is no agent or team type 'acme_parrot'"):
        load_team(TEAM)
    with pytest.raises(ConfigError, match="There is no component type 'acme_birds"):
        load_component({"type": "acme_birds.Parrot", "name": "a"})
    assert "acme_birds" not in sys.modules


async def test_an_enabled_plugin_adds_types_and_tools(packages: Packages) -> None:
    packages.install("acme_birds", "acme = acme_birds:things")

    team = load_team(TEAM, registry=team_registry(plugins=["acme"]))
    result = await team.run(task="Hi.")
    tool = load_component({"type": "tool", "name": "acme_weigh"}, plugins=["acme"])
    document = dump_component(team.participants[0], plugins=["acme"])

    assert result.messages[-1].to_text() == "Bye."
    assert tool("abc") == 3
    assert document == {"type": "acme_parrot", "version": 1, "name": "polly", "phrase": "Bye."}
    assert load_component(document, plugins=["acme"]).phrase == "Bye."
    assert "acme_parrot" in component_registry(plugins=["acme"]).kinds
    assert "acme_parrot" not in component_registry().kinds


def test_only_the_plugin_that_was_named_is_imported(packages: Packages) -> None:
    packages.install("acme_birds", "acme = acme_birds:ready")
    packages.install("acme_evil", "evil = acme_evil:things", "raise SystemExit('imported')")

    assert [name for name, _ in load_plugins(["acme", "acme"])] == ["acme"]
    assert "acme_evil" not in sys.modules


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            ["acne"],
            "There is no plugin 'acne'. Did you mean 'acme'? Installed: acme, broken, gone, text, twice, wrong.",
        ),
        (["twice"], "The plugin 'twice' is in acme_birds and acme_other. Uninstall one of them."),
        (["broken"], r"The plugin 'broken' (acme_birds) cannot be loaded: OSError: no licence"),
        (["gone"], "The plugin 'gone' (acme_birds) cannot be loaded: AttributeError"),
        (["text"], "The plugin 'text' (acme_birds) must be a list, not str."),
        (["wrong"], "The plugin 'wrong' brings 3, which is no class marked by @kind, no Kind and no @tool."),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named(packages: Packages, names: list[str], words: str) -> None:
    more = "broken", "gone", "text", "wrong"
    lines = [f"{name} = acme_birds:{name}" for name in more]
    packages.install("acme_birds", "\n".join(["acme = acme_birds:things", "twice = acme_birds:things", *lines]))
    packages.install("acme_other", "twice = acme_other:things")

    with pytest.raises(ConfigError) as refused:
        team_registry(plugins=names)

    assert str(refused.value).startswith(words)


def test_a_plugin_cannot_take_the_id_of_another_type(packages: Packages) -> None:
    packages.install("acme_birds", "acme = acme_birds:things", CODE.replace("acme_parrot", "assistant"))

    with pytest.raises(ConfigError, match="have the same type id, 'assistant'"):
        team_registry(plugins=["acme"])


def test_the_operator_enables_plugins_in_the_project_s_file(packages: Packages, tmp_path: Path) -> None:
    packages.install("acme_birds", "acme = acme_birds:things")
    (tmp_path / "team.yaml").write_text(TEAM)
    (tmp_path / "quorate.toml").write_text('[quorate]\nplugins = ["acme"]\n')

    project = find_project(tmp_path)

    assert project.team(tmp_path / "team.yaml").participants[0].name == "polly"
    assert set(project.vocabulary().tools) == {"acme_weigh"}
    assert "acme_parrot" in project.schema()["$defs"]


def test_a_plugin_that_is_not_there_is_told_with_the_file(packages: Packages, tmp_path: Path) -> None:
    (tmp_path / "quorate.toml").write_text('[quorate]\nplugins = ["acme"]\n')

    with pytest.raises(ConfigError, match=r"quorate\.toml: There is no plugin 'acme'. None is installed."):
        find_project(tmp_path).vocabulary()


def test_the_command_line_lists_plugins_and_imports_none(
    packages: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(*words: str) -> int:
        with pytest.raises(SystemExit) as left:
            command(words)
        return int(left.value.code or 0)

    monkeypatch.chdir(tmp_path)
    assert main("plugins") == 0
    assert "No installed package has a plugin" in capsys.readouterr().out
    packages.install("acme_birds", "acme = acme_birds:things\nother = acme_birds:ready")
    (tmp_path / "quorate.toml").write_text('[quorate]\nplugins = ["acme"]\n')

    assert main("plugins") == 0
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [["acme", "acme_birds", "enabled"], ["other", "acme_birds", "not enabled"]]
    (tmp_path / "quorate.toml").write_text('[quorate]\nplugins = ["gone"]\n')
    assert main("plugins", "--json") == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found[-1] == {"name": "gone", "package": None, "enabled": True}
    assert "acme_birds" not in sys.modules
