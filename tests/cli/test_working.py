"""`quorate run` and `quorate resume`."""

import io
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quorate import AssistantAgent, Limits, Price, conversation
from quorate.chat.alone import runnable
from quorate.cli import main
from quorate.cli.again import Again
from quorate.cli.place import Place
from quorate.cli.working import read_limits
from quorate.errors import ConfigError
from quorate.runs.history import fold
from quorate.testing import ScriptedModel

# -- run --------------------------------------------------------------------------------------------------------------


def test_run_shows_the_conversation_and_how_it_ended(cli: Any) -> None:
    ran = cli("run", "team.yaml", "What is x?")

    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].startswith(f"run {ran.run_id} · conversation {ran.run_id[:-2]} · pid ")
    assert lines[0].endswith("kept in .quorate/quorate.db")
    assert lines[1:5] == [
        "user: What is x?",
        'analyst: stats(column="x") → {"mean":12.5}  · 48 tokens',
        "analyst: The mean is 12.5.  · 44 tokens",
        "critic: I doubt it [bold]very much[/bold].  · 45 tokens",
    ]
    assert "completed: critic said 'APPROVE'" in lines
    assert lines[-1].startswith("4 turns · ")
    assert ran.err == ""


def test_run_keeps_its_folder_out_of_version_control(cli: Any, tmp_path: Path) -> None:
    cli("run", "team.yaml", "What is x?")

    assert (tmp_path / ".quorate" / ".gitignore").read_text() == "*\n"


def test_run_takes_a_team_from_python(cli: Any, project: Any) -> None:
    ran = cli("run", f"{project.module}:team", "What is x?")

    assert ran.code == 0
    assert "analyst: The mean is 12.5." in ran.out


def test_run_reads_the_task_from_its_input(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Look at x,\nthen at y.\n"))

    ran = cli("run", "team.yaml", "-")

    assert "user: Look at x,\n  then at y.\n" in ran.out


def test_run_without_a_store_keeps_nothing(cli: Any, tmp_path: Path) -> None:
    ran = cli("run", "team.yaml", "What is x?", "--no-store", "--limits", "turns=1")

    assert ran.code == 3
    assert "kept nowhere" in ran.out
    assert ran.err == "It was kept nowhere, so it cannot go on.\n"
    assert not (tmp_path / ".quorate").exists()


def test_run_goes_on_in_a_conversation(cli: Any) -> None:
    cli("run", "team.yaml", "What is x?", "--conversation", "ticket-17")

    again = cli("run", "team.yaml", "And y?", "--conversation", "ticket-17")

    assert again.run_id == "ticket-17.2"
    assert "What is x?" not in again.out


def test_a_generated_id_may_be_cut_short_but_a_given_name_may_not(cli: Any) -> None:
    first = cli("run", "team.yaml", "What is x?")
    cli("run", "team.yaml", "What is x?", "--conversation", "ticket-17")

    cut = cli("run", "team.yaml", "And y?", "--conversation", first.run_id[:6])
    new = cli("run", "team.yaml", "And y?", "--conversation", "ticket-1")

    assert cut.run_id == first.run_id[:-1] + "2"
    assert new.run_id == "ticket-1.1"


def test_run_id_in_place_of_a_conversation_means_its_conversation(cli: Any) -> None:
    first = cli("run", "team.yaml", "What is x?")

    assert cli("run", "team.yaml", "And y?", "--conversation", first.run_id).run_id == first.run_id[:-1] + "2"


def test_store_that_was_named_is_named_in_the_next_command(cli: Any, tmp_path: Path) -> None:
    ran = cli("run", "team.yaml", "What is x?", "--store", "sqlite:///my runs.db", "--limits", "turns=1")

    assert (tmp_path / "my runs.db").is_file()
    assert ran.err == f"Go on with: quorate resume {ran.run_id} --limits turns=2 --store 'sqlite:///my runs.db'\n"


def test_store_of_the_project_is_the_default(cli: Any, tmp_path: Path) -> None:
    with Path("quorate.toml").open("a") as file:
        file.write('store = "sqlite:///kept.db"\n')

    ran = cli("run", "team.yaml", "What is x?", "--limits", "turns=1")

    assert (tmp_path / "kept.db").is_file()
    assert "--store" not in ran.err


@pytest.mark.parametrize(
    ("team", "limits", "code", "outcome"),
    [
        ("team", (), 0, "completed"),
        ("failing", (), 1, "failed"),
        ("team", ("--limits", "turns=1"), 3, "limit"),
    ],
)
def test_exit_code_says_how_it_ended(cli: Any, team: str, limits: tuple[str, ...], code: int, outcome: str) -> None:
    ran = cli("run", f"{team}.yaml", "What is x?", *limits)

    assert ran.code == code
    assert f"\n{outcome}: " in ran.out
    assert ("Go on with: quorate resume" in ran.err) is (code != 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "teem.yaml", "x"), "There is no file 'teem.yaml'. Did you mean 'team.yaml'?"),
        (("run", ".", "x"), "Is a directory"),
        (("run", "team.yaml", " "), "The task is empty."),
        (("run", "team.yaml", "\udcff"), "The task is no text in UTF-8."),
        (("run", "team.yaml", "x", "--limits", "turn=3"), "No limit named 'turn'. There are: turns, model_calls"),
        (("run", "team.yaml", "x", "--limits", "turns=1.5"), "turns is a whole number, as in turns=30"),
        (("run", "team.yaml", "x", "--limits", "turns"), "turns is a whole number"),
        (("run", "team.yaml", "x", "--limits", "cost_usd=inf"), "give a number above 0"),
        (("run", "team.yaml", "x", "--store", "http://x"), "'http://x' is no store."),
        (("run", "team.yaml", "x", "--store", "a.db", "--no-store"), "--no-store keeps nothing"),
        (("run", "team.yaml", "x", "--conversation", "a b"), "'a b' cannot name a conversation"),
        (("run", "nowhere:team", "x"), "there is no module 'nowhere'"),
        (
            ("resume", "x"),
            "There is no store .quorate/quorate.db. `quorate run` makes one here; --store names another.",
        ),
        (("resume", "x", "--store", "memory:"), "keeps nothing after its process"),
        (("resume", "x", "--limits", "foo=1"), "No limit named 'foo'"),
    ],
)
def test_what_cannot_work_is_one_sentence(cli: Any, words: tuple[str, ...], said: str) -> None:
    ran = cli(*words)

    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("quorate: ")
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert not Path(".quorate").exists()


def test_error_in_ones_own_code_is_told_with_its_place_and_with_debug_whole(cli: Any, project: Any) -> None:
    ran = cli("run", f"{project.module}:broken", "x", "--no-store")
    whole = cli("run", f"{project.module}:broken", "x", "--no-store", "--debug")

    assert (ran.code, whole.code) == (1, 1)
    place = re.escape(str(project.folder / f"{project.module}.py"))
    assert re.match(rf"Raised in {place}, line \d+\. --debug shows the traceback\.\n", ran.err)
    assert whole.err.startswith("Traceback (most recent call last):\n")
    assert "return self.nothing.there" in whole.err


def test_function_that_makes_a_team_of_something_is_told(cli: Any, project: Any) -> None:
    ran = cli("run", f"{project.module}:needs", "x")

    assert ran.err == (
        f"quorate: {project.module}:needs could not make a team: TypeError: needs() missing 1 required positional "
        "argument: 'something'\n"
    )


@pytest.mark.parametrize("end", ["", ".py"])
def test_module_without_the_name_of_a_team_is_told_how_to_name_it(cli: Any, project: Any, end: str) -> None:
    ran = cli("run", f"{project.module}{end}", "x")

    assert ran.err == f"quorate: {project.module}{end} is Python. Name the team in it: {project.module}.py:TEAM.\n"


def test_debug_raises_the_error(cli: Any) -> None:
    with pytest.raises(ConfigError, match="no file"):
        main(["run", "teem.yaml", "x", "--debug"])


def test_file_that_is_no_store_is_told(cli: Any) -> None:
    Path("bad.db").write_text("this is no database, whatever its name says")

    ran = cli("run", "team.yaml", "x", "--store", "bad.db")

    assert ran.code == 1
    assert ran.err == (
        "quorate: bad.db cannot be opened as a store: file is not a database. Name the file of a store, or one that "
        "does not exist yet.\n"
    )


def test_limits_are_read_with_their_types() -> None:
    limits = read_limits(["turns=30, cost_usd=0.5", "tokens=100_000"])

    assert limits == Limits(turns=30, cost_usd=0.5, tokens=100_000)
    assert read_limits([]) is None


def test_json_is_an_object_a_line(cli: Any) -> None:
    ran = cli("run", "team.yaml", "What is x?", "--json")

    types = [item["type"] for item in ran.json]
    assert types[:2] == ["run", "TextMessage"]
    assert {"ModelClientStreamingChunkEvent", "ToolCallRequestEvent", "ToolCallExecutionEvent"} <= set(types)
    assert ran.json[0]["run_id"] == ran.json[-1]["run_id"]
    end = ran.json[-1]
    assert (end["type"], end["kind"], end["reason"], end["turns"]) == ("ended", "completed", "critic said 'APPROVE'", 4)
    assert re.fullmatch(r"\d+:[0-9a-f]{64}", end["head"])


def test_what_a_tool_prints_goes_beside_the_json(cli: Any) -> None:
    ran = cli("run", "loud.yaml", "x", "--json")

    assert ran.json[-1]["kind"] == "completed"
    assert ran.err == "HERE I AM\n"


def test_json_of_a_failed_run_ends_with_why(cli: Any) -> None:
    ran = cli("run", "failing.yaml", "x", "--json")

    assert ran.code == 1
    assert (ran.json[-1]["kind"], ran.json[-1]["reason"]) == ("failed", "ModelError: The provider said no.")


def test_what_a_model_says_cannot_steer_the_terminal(cli: Any) -> None:
    for words in (("--limits", "turns=1"), ("--limits", "turns=1", "--json")):
        ran = cli("run", "nasty.yaml", "x", *words)

        assert not set(ran.out + ran.err) & {"\x1b", "\x07"}

    text = cli("run", "nasty.yaml", "x", "--limits", "turns=1").out
    assert "nasty: \\x1b[2J\\x1b]0;owned\\x07[red]x[/red]\n  critic: APPROVE" in text


# -- resume -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def stopped(cli: Any) -> Any:
    """A run that reached its limit of turns."""
    return cli("run", "team.yaml", "What is x?", "--limits", "turns=1")


def test_resume_shows_what_was_said_and_goes_on(cli: Any, stopped: Any) -> None:
    ran = cli("resume", stopped.run_id, "--limits", "turns=9")

    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].startswith(f"run {stopped.run_id} goes on · ")
    assert lines[1:5] == [
        "  user: What is x?",
        '  analyst: stats(column="x") → {"mean":12.5}',
        "  analyst: The mean is 12.5.",
        "critic: I doubt it [bold]very much[/bold].  · 45 tokens",
    ]


def test_resume_at_a_limit_names_a_wider_one(cli: Any, stopped: Any) -> None:
    assert stopped.err == f"Go on with: quorate resume {stopped.run_id} --limits turns=2\n"

    again = cli("resume", stopped.run_id, "--limits", "turns=2")

    assert again.code == 3
    assert again.err == f"Go on with: quorate resume {stopped.run_id} --limits turns=4\n"


@pytest.mark.parametrize("tokens", [10, 60, 120])
def test_the_limit_that_is_suggested_lets_the_run_go_on(cli: Any, tokens: int) -> None:
    """Also where twice the limit would not do for the very call that was refused."""
    ran = cli("run", "team.yaml", "What is x?", "--limits", f"tokens={tokens}")
    assert ran.code == 3

    suggested = int(ran.err.split("--limits tokens=")[1].split()[0])
    again = cli("resume", ran.run_id, "--limits", f"tokens={suggested}")

    assert suggested > 2 * tokens
    said = [line for line in again.out.splitlines() if line.startswith(("analyst: ", "critic: "))]
    assert said, (suggested, again.out)


async def test_the_amount_that_is_suggested_lets_the_run_go_on() -> None:
    talk = conversation("talk")
    prices = {"my:model": Price(input_usd=2.0, output_usd=8.0)}
    writer = AssistantAgent("writer", ScriptedModel(["The sea is blue."], name="my:model"))
    short = await writer.run("Write.", conversation=talk, limits=Limits(cost_usd=1e-5), prices=prices)
    assert short.outcome is not None
    assert short.outcome.limit == "cost_usd"

    (line,) = Again("talk.1", Place("x.db")).lines(short.outcome, fold(await talk.entries())[1])
    wider = Limits(cost_usd=float(line.split("cost_usd=")[1]))

    result = await runnable(writer).continue_run("talk", store=talk.store, limits=wider, prices=prices)
    assert result.outcome is not None
    assert result.outcome.kind == "completed"


def test_a_narrower_limit_than_what_was_used_suggests_more_than_that(cli: Any, stopped: Any) -> None:
    again = cli("resume", stopped.run_id, "--limits", "turns=9,tokens=3")  # it has used some 90

    assert again.code == 3
    wanted = int(again.err.split("--limits tokens=")[1].split()[0])
    last = cli("resume", stopped.run_id, "--limits", f"tokens={wanted}")
    assert "critic: " in last.out


REVIEW = """\
type: review
author: {type: scripted, name: author, says: ["Far from it."]}
checks: [{title: Form, type: object, properties: {total: {type: integer}}, required: [total]}]
rounds: 1
"""


def test_a_review_out_of_rounds_says_where_there_are_more(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "review.yaml").write_text(REVIEW)

    ran = cli("run", "review.yaml", "Write.")

    assert ran.code == 3
    assert "after 1 version, all that its rounds allow, it does not pass: Form" in ran.out
    assert ran.err == (
        f"Give it more rounds in the definition of the team. Go on with: quorate resume {ran.run_id} --team FILE\n"
    )


SEA = """\
from quorate import AssistantAgent, RoundRobinGroupChat
from quorate.testing import ScriptedModel
from {beside} import LINES

team = RoundRobinGroupChat([AssistantAgent("a", ScriptedModel(LINES))], max_turns=1)
"""


@pytest.fixture
def sea(tmp_path: Path) -> Path:
    """A Python file with a team, in a folder of its own, that imports what lies beside it."""
    folder = tmp_path / "sea"
    folder.mkdir()
    names = f"beside_{tmp_path.name}", f"team_{tmp_path.name}"
    (folder / f"{names[0]}.py").write_text("LINES = [f'Wave {n}.' for n in range(9)]\n")
    (folder / f"{names[1]}.py").write_text(SEA.format(beside=names[0]))
    return folder / f"{names[1]}.py"


def pasted(cli: Any, line: str) -> Any:
    """Run a command as it was printed, with a wider limit."""
    words = shlex.split(line.rpartition("quorate ")[2])
    return cli(*words, "--limits", "turns=5") if "--limits" not in words else cli(*words)


@pytest.mark.parametrize("start", ["above", "beside", "elsewhere"])
def test_a_python_file_is_run_from_anywhere_and_its_hint_works_there(
    cli: Any, sea: Path, start: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = {"above": sea.parent.parent, "beside": sea.parent, "elsewhere": tmp_path_factory.mktemp("other")}[start]
    monkeypatch.chdir(at)
    file = sea if start == "elsewhere" else sea.relative_to(at)
    refused = cli("run", str(file), "Go.")
    assert refused.err == f"quorate: {file} is Python. Name the team in it: {file}:TEAM.\n"

    ran = cli("run", f"{file}:team", "Go.")
    again = pasted(cli, ran.err)

    assert (ran.code, again.code) == (3, 3)
    assert "a: Wave 0." in ran.out
    assert "a: Wave 1." in again.out


def test_the_file_that_the_project_names_is_from_the_project(
    cli: Any, sea: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sea.parent / "quorate.toml").write_text(f'[quorate]\napp = "{sea.name}:team"\n')
    below = sea.parent / "below"
    below.mkdir()
    (below / sea.name).write_text("team = None\n")
    monkeypatch.chdir(sea.parent)
    ran = cli("run", f"{sea.name}:team", "Go.")
    monkeypatch.chdir(below)

    again = cli("resume", ran.run_id, "--limits", "turns=5")

    assert "a: Wave 1." in again.out


VIEWED = """\
from quorate.compat.autogen.agentchat.agents import AssistantAgent
from quorate.compat.autogen.agentchat.teams import RoundRobinGroupChat
from quorate.compat.autogen.ext.models.replay import ReplayChatCompletionClient

agent = AssistantAgent("a", ReplayChatCompletionClient(["Hello.", "Hello again."]))
team = RoundRobinGroupChat([agent], max_turns=1)
"""


@pytest.mark.parametrize("name", ["team", "agent"])
def test_a_team_or_an_agent_of_autogens_is_run_as_it_is(cli: Any, tmp_path: Path, name: str) -> None:
    file = tmp_path / f"viewed_{tmp_path.name}.py"
    file.write_text(VIEWED)

    ran = cli("run", f"{file.name}:{name}", "Greet.")

    assert (ran.code, ran.err) == (0, "")
    assert "a: Hello." in ran.out


@pytest.mark.parametrize("spec", ["file", "module"])
def test_the_hint_for_a_store_elsewhere_names_the_file_that_is_there(
    cli: Any, sea: Path, spec: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sea.parent)
    (sea.parent / "quorate.toml").write_text("")
    ran = cli("run", f"{sea.name if spec == 'file' else sea.stem}:team", "Go.")
    store = sea.parent / ".quorate" / "quorate.db"
    monkeypatch.chdir(tmp_path_factory.mktemp("other"))

    told = cli("show", ran.run_id, "--store", str(store)).out.splitlines()
    refused = cli("resume", ran.run_id, "--store", str(store))
    again = pasted(cli, next(line for line in told if "Go on with: " in line))

    assert f"{sea.name}:team" in refused.err
    assert (again.code, again.err.startswith("Go on with: quorate resume ")) == (3, True)


def test_resume_takes_the_beginning_of_an_id_and_a_conversation(cli: Any, stopped: Any) -> None:
    for id in (stopped.run_id[:5], stopped.run_id[:-2], stopped.run_id[:3] + ".1"):
        assert cli("resume", id).out.startswith(f"run {stopped.run_id} goes on")


def test_resume_takes_a_changed_team_from_here_on(cli: Any, stopped: Any) -> None:
    changed = Path("team.yaml").read_text().replace("I doubt it", "APPROVE, for I know it")
    Path("other.yaml").write_text(changed)

    ran = cli("resume", stopped.run_id, "--team", "other.yaml", "--limits", "turns=9")

    assert "completed: critic said" in ran.out
    kinds = [entry["kind"] for entry in cli("show", stopped.run_id, "--entries").json]
    assert kinds.count("definition") == 1


def test_resume_of_a_completed_run_says_what_to_do_instead(cli: Any) -> None:
    done = cli("run", "team.yaml", "What is x?")

    ran = cli("resume", done.run_id)

    assert ran.code == 1
    assert ran.err == (
        f"quorate: Run {done.run_id} is completed (critic said 'APPROVE'): there is nothing to go on with. A new task "
        f"for its conversation: quorate run TEAM TASK --conversation {done.run_id[:-2]}\n"
    )


def test_resume_of_a_run_that_was_left_names_the_last(cli: Any, stopped: Any) -> None:
    cli("run", "team.yaml", "And y?", "--conversation", stopped.run_id[:-2], "--limits", "turns=1")

    ran = cli("resume", stopped.run_id)

    assert ran.code == 1
    assert "is cancelled (A new task was given.)" in ran.err or "was followed by run" in ran.err


def test_team_from_python_is_imported_only_when_the_operator_names_it(cli: Any, project: Any) -> None:
    app = f"{project.module}:team"
    stopped = cli("run", app, "What is x?", "--limits", "turns=1")
    assert stopped.err == f"Go on with: quorate resume {stopped.run_id} --app {app} --limits turns=2\n"

    refused = cli("resume", stopped.run_id)
    named = cli("resume", stopped.run_id, "--app", app, "--limits", "turns=9")

    assert refused.code == 2
    assert f"Name it: quorate resume {stopped.run_id} --app {app}, or write app = " in refused.err
    assert named.code == 0


def test_team_from_python_may_be_named_in_the_project(cli: Any, project: Any) -> None:
    app = f"{project.module}:team"
    stopped = cli("run", app, "What is x?", "--limits", "turns=1")
    with Path("quorate.toml").open("a") as file:
        file.write(f'app = "{app}"\n')

    ran = cli("resume", stopped.run_id, "--limits", "turns=2")

    assert ran.code == 3
    assert ran.err == f"Go on with: quorate resume {stopped.run_id} --limits turns=4\n"


def test_the_project_s_app_is_not_taken_for_another(cli: Any, project: Any) -> None:
    stopped = cli("run", f"{project.module}:team", "What is x?", "--limits", "turns=1")
    with Path("quorate.toml").open("a") as file:
        file.write(f'app = "{project.module}:asking"\n')

    assert "Name it: " in cli("resume", stopped.run_id).err


def test_two_definitions_are_refused(cli: Any, stopped: Any) -> None:
    ran = cli("resume", stopped.run_id, "--team", "team.yaml", "--app", "a:b")

    assert ran.code == 2
    assert "Name one definition" in ran.err


def test_resume_refuses_a_journal_that_was_altered(cli: Any, stopped: Any, alter: Callable[[str, str], None]) -> None:
    alter("reply", '{"text":"Forged.","in":1,"out":1}')

    ran = cli("resume", stopped.run_id)

    assert ran.code == 1
    assert "was altered" in ran.err


def test_turn_can_be_given_up(cli: Any, project: Any) -> None:
    stopped = cli("run", "failing.yaml", "x")

    ran = cli("resume", stopped.run_id, "--give-up-turn", "--team", "team.yaml")

    assert ran.code == 0
    assert "given up: next in order" in cli("show", stopped.run_id).out
