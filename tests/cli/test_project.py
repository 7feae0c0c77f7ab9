"""`quorate.toml` and the command line are the only places whose names are imported."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.chat.team import RoundRobinGroupChat
from quorate.cli.project import Project, find_project, imported, load_app
from quorate.errors import ConfigError

TOOLS = '''\
from quorate import Agent, TextMessage, tool
from quorate.chat.files.document import kind

@tool(effect="read")
def column_stats(column: str) -> str:
    """Return figures of a column."""
    return column

@kind("parrot")
class Parrot(Agent):
    """Says its phrase."""
    def __init__(self, name: str, phrase: str):
        super().__init__(name)
        self.phrase = phrase
    async def speak(self, turn):
        return TextMessage(content=self.phrase, source=self.name)

_hidden = tool(name="hidden", description="Not for team files.")(column_stats.fn)
'''
TEAM = """\
type: round_robin
participants:
  - {type: parrot, name: Ara, phrase: Hello.}
  - {type: assistant, name: writer, model_client: embedded, tools: [column_stats]}
"""
numbers = itertools.count()


@pytest.fixture(autouse=True)
def imports_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in set(sys.modules) - before:
        if name.startswith("mine_"):
            del sys.modules[name]


@pytest.fixture
def name() -> str:
    """A name that no other test has imported."""
    return f"mine_{next(numbers)}"


def write(folder: Path, toml: str) -> None:
    (folder / "quorate.toml").write_text(toml)


def wrong(folder: Path, toml: str) -> list[str]:
    write(folder, toml)
    with pytest.raises(ConfigError) as refused:
        find_project(folder).vocabulary()
    return str(refused.value).splitlines()


# -- the file ---------------------------------------------------------------------------------------------------------


def test_the_nearest_file_upwards_is_read(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    write(tmp_path, '[quorate]\nmodules = ["tools"]\napp = "main:team"\nstore = "sqlite:///runs.db"\n')

    project = find_project(inner)

    assert project == Project(
        tmp_path, tmp_path / "quorate.toml", ("tools",), "main:team", f"sqlite:///{tmp_path / 'runs.db'}"
    )


def test_no_file_is_an_empty_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    project = find_project()

    assert project == Project(tmp_path)
    assert project.vocabulary().tools == {}


@pytest.mark.parametrize(
    ("store", "complete"),
    [
        ("runs.db", "{folder}/runs.db"),
        ("/var/runs.db", "/var/runs.db"),
        ("sqlite:////var/runs.db", "sqlite:////var/runs.db"),
        ("memory:", "memory:"),
        ("postgresql://host/db", "postgresql://host/db"),
    ],
)
def test_the_path_of_a_store_is_relative_to_the_file(tmp_path: Path, store: str, complete: str) -> None:
    write(tmp_path, f'[quorate]\nstore = "{store}"\n')

    assert find_project(tmp_path).store == complete.format(folder=tmp_path)


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("[quorate]\n\nmodule = []\n", ":3:1: 'module' is no field of quorate. Did you mean 'modules'?"),
        ("[quorat]\n", ":1:2: 'quorat' is no field of quorate.toml. Did you mean 'quorate'?"),
        ("[quorate]\nmodules = 'tools'\n", ":2:1: quorate.modules should be a list, not 'tools'. Write [tools]."),
        ("[quorate]\nmodules = [\n1]\n", ":2:1: quorate.modules[0] should be text, not 1. Put it in quotes."),
        ("[quorate\n", ": This is no TOML: Expected ']' at the end of a table declaration (at line 1, column 9)."),
    ],
)
def test_a_fault_in_the_file_names_line_and_fix(tmp_path: Path, toml: str, expected: str) -> None:
    assert wrong(tmp_path, toml) == [f"{tmp_path / 'quorate.toml'}{expected}"]


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "quorate.toml").write_bytes(b"\xff")

    with pytest.raises(ConfigError, match="It is no text in UTF-8"):
        find_project(tmp_path)


# -- modules ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", ["{name}", "{name}.py", "lib/{name}.py", "lib.{name}"])
def test_team_files_may_name_what_the_modules_hold(tmp_path: Path, name: str, entry: str) -> None:
    entry = entry.format(name=name).replace("lib", f"{name}_lib")
    path = tmp_path / (entry.removesuffix(".py").replace(".", "/") + ".py")
    path.parent.mkdir(exist_ok=True)
    path.write_text(TOOLS)
    write(tmp_path, f'[quorate]\nmodules = ["{entry}"]\n')

    project = find_project(tmp_path)
    team = project.team(TEAM)

    assert [m.name for m in team.participants] == ["Ara", "writer"]
    assert project.team(team.document or {}).document == team.document
    assert sorted(project.vocabulary().tools) == ["column_stats"]
    assert project.schema()["$defs"]["tool_name"]["enum"] == ["column_stats"]
    assert "parrot" in project.schema()["$defs"]


def test_a_module_may_hold_what_others_made(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text(TOOLS)
    (tmp_path / f"{name}_more.py").write_text(f"from {name} import Parrot, column_stats\n")
    write(tmp_path, f'[quorate]\nmodules = ["{name}", "{name}_more"]\n')

    known = find_project(tmp_path).vocabulary()

    assert sorted(known.tools) == ["column_stats"]


def test_without_modules_an_unknown_tool_says_how_to_add_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as none:
        find_project(tmp_path).team(TEAM.replace("parrot", "user_proxy").replace(", phrase: Hello.", ""))
    write(tmp_path, "[quorate]\n")
    with pytest.raises(ConfigError) as empty:
        find_project(tmp_path).team(TEAM.replace("parrot", "user_proxy").replace(", phrase: Hello.", ""))

    assert str(none.value) == (
        f"<text>:4:69: There is no tool 'column_stats'. No quorate.toml is in {tmp_path} or above; "
        'one with [quorate] modules = ["tools"] adds what tools.py has.'
    )
    assert f"{tmp_path / 'quorate.toml'} names no modules" in str(empty.value)


def test_an_unknown_tool_says_which_file_was_used_and_which_tools_there_are(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text(TOOLS)
    write(tmp_path, f'[quorate]\nmodules = ["{name}"]\n')

    with pytest.raises(ConfigError) as refused:
        find_project(tmp_path).team(TEAM.replace("[column_stats]", "[row_stats]"))

    assert str(refused.value) == (
        "<text>:4:69: There is no tool 'row_stats'. Did you mean 'column_stats'? There are: column_stats. "
        f"{tmp_path / 'quorate.toml'} adds what these modules have: {name}."
    )


def test_an_unknown_type_says_which_file_was_used(tmp_path: Path) -> None:
    write(tmp_path, "[quorate]\n")

    with pytest.raises(ConfigError) as refused:
        find_project(tmp_path).team(TEAM)

    assert str(refused.value).splitlines()[0] == (
        "<text>:3:12: There is no agent or team type 'parrot'. There are: round_robin, swarm, graph_flow, "
        "magentic_one, selector, debate, independent_vote, consensus, review, code_executor, message_filter, "
        "assistant, user_proxy, society_of_mind, nested_chats. "
        f'{tmp_path / "quorate.toml"} names no modules; modules = ["tools"] adds what tools.py has.'
    )


def test_data_never_imports(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text(TOOLS)
    project = find_project(tmp_path)

    for text in (TEAM.replace("parrot", f"{name}.Parrot"), TEAM.replace("column_stats", f"{name}.column_stats")):
        with pytest.raises(ConfigError):
            project.team(text)

    assert name not in sys.modules


def test_a_module_that_is_not_there_is_named_with_its_neighbours(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}_tools.py").write_text(TOOLS)

    (line,) = wrong(tmp_path, f'[quorate]\nmodules = ["{name}_tols"]\n')

    assert f"there is no module '{name}_tols' in {tmp_path}, and none is installed." in line
    assert line.endswith(f"Did you mean '{name}_tools'?")


@pytest.mark.parametrize("entry", ["../tools.py", "/tools.py", "no/tools.py"])
def test_a_file_that_is_not_in_the_folder_is_refused(tmp_path: Path, entry: str) -> None:
    (line,) = wrong(tmp_path, f'[quorate]\nmodules = ["{entry}"]\n')

    assert repr(entry) in line
    assert str(tmp_path) in line


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("x = 1\nboom()\n", "line 2: NameError: name 'boom' is not defined"),
        ("x = (\n", "line 1: SyntaxError: '(' was never closed"),
        ("from quorate import tool\n@tool\ndef f(x: int): ...\n", "line 2: ConfigError: Tool f has no description"),
        ("import mine_no_such_module\n", "line 1: ModuleNotFoundError: No module named 'mine_no_such_module'"),
    ],
)
def test_a_module_that_fails_says_on_which_line(tmp_path: Path, name: str, code: str, why: str) -> None:
    (tmp_path / f"{name}.py").write_text(code)

    (line,) = wrong(tmp_path, f'[quorate]\nmodules = ["{name}"]\n')

    assert f"module {name} cannot be imported: {tmp_path / name}.py, {why}" in line


def test_a_module_with_the_name_of_another_is_refused(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(TOOLS)

    (line,) = wrong(tmp_path, '[quorate]\nmodules = ["json"]\n')

    assert "'json' is also the name of another module" in line


def test_two_tools_of_one_name_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text(TOOLS)
    (tmp_path / f"{name}_too.py").write_text(TOOLS.replace("parrot", "cockatoo"))

    (line,) = wrong(tmp_path, f'[quorate]\nmodules = ["{name}", "{name}_too"]\n')

    assert line == f"Two tools are named 'column_stats', in {name} and {name}_too. Rename one: @tool(name=…)."


def test_two_types_of_one_id_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text(TOOLS)
    (tmp_path / f"{name}_too.py").write_text(TOOLS.replace("column_stats", "row_stats"))

    (line,) = wrong(tmp_path, f'[quorate]\nmodules = ["{name}", "{name}_too"]\n')

    assert line == f"{name}.Parrot and {name}_too.Parrot have the same type id, 'parrot'. Rename one."


# -- the team in Python -----------------------------------------------------------------------------------------------

APP = """\
from quorate import RoundRobinGroupChat, UserProxyAgent

names = ["Ann"]
ann = UserProxyAgent("Ann")
team = RoundRobinGroupChat([ann])

def make():
    return team

def fail():
    return 1 / 0

async def later():
    return team
"""


@pytest.mark.parametrize("attribute", ["team", "make"])
def test_a_team_in_python_is_found_by_its_name(tmp_path: Path, name: str, attribute: str) -> None:
    (tmp_path / f"{name}.py").write_text(APP)

    team = load_app(f"{name}:{attribute}", tmp_path)

    assert isinstance(team, RoundRobinGroupChat)
    assert team is imported(name, tmp_path, by="a test").team


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("{name}", "names no team. Write MODULE:NAME"),
        (":team", "names no team. Write MODULE:NAME"),
        ("{name}:teem", "module {name} has no 'teem'. Did you mean 'team'?"),
        ("{name}:x", "module {name} has no 'x'. Its teams: team."),
        ("{name}:names", "{name}:names is list; it must be a team, an agent, or a function that makes one."),
        ("{name}:fail", "{name}:fail could not make a team: {folder}/{name}.py, line 11: ZeroDivisionError"),
        ("{name}:later", "{name}:later is async; write a plain function"),
        ("{name}_too:team", "there is no module '{name}_too' in {folder}"),
    ],
)
def test_what_is_no_team_says_so(tmp_path: Path, name: str, spec: str, why: str) -> None:
    (tmp_path / f"{name}.py").write_text(APP)

    with pytest.raises(ConfigError) as refused:
        load_app(spec.format(name=name), tmp_path)

    assert why.format(name=name, folder=tmp_path) in str(refused.value)


def test_an_agent_of_ones_own_in_python_can_be_run(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("from quorate import UserProxyAgent\nann = UserProxyAgent('ann')\n")

    found = load_app(f"{name}:ann", tmp_path)

    assert [member.name for member in found.cast().members] == ["ann"]


def test_the_file_says_how_well_code_is_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "quorate.toml").write_text('[quorate]\nisolation = "process"\n')
    assert find_project(tmp_path).isolation == "process"
    coder = "{type: code_executor, name: a, code_executor: {type: local_command_line}, min_isolation: process}"
    assert find_project(tmp_path).team(f"type: round_robin\nparticipants: [{coder}]\n").participants

    (tmp_path / "quorate.toml").write_text('[quorate]\nisolation = "nothing"\n')
    with pytest.raises(ConfigError, match=r"isolation should be 'none', 'process', 'sandbox' or 'container'"):
        find_project(tmp_path)


def test_the_file_says_which_keys_team_files_may_name(tmp_path: Path) -> None:
    model = "{type: openai, model: x, base_url: http://localhost:1, api_key: {env: TEAM_KEY}}"
    (tmp_path / "team.yaml").write_text(
        f"type: round_robin\nparticipants:\n  - {{type: assistant, name: a, model_client: {model}}}\n"
    )
    (tmp_path / "quorate.toml").write_text("[quorate]\n")

    with pytest.raises(ConfigError, match="may not use the environment variable TEAM_KEY"):
        find_project(tmp_path).team(tmp_path / "team.yaml")
    (tmp_path / "quorate.toml").write_text('[quorate]\nsecrets = ["TEAM_KEY"]\n')

    team = find_project(tmp_path).team(tmp_path / "team.yaml")
    assert find_project(tmp_path).team(team.document or {}).document == team.document
