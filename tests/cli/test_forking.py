"""`quorate fork`, `quorate compare`, and what the other commands say of forks."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def done(cli: Any) -> Any:
    """A run that is completed: `talk.1`, with five messages."""
    return cli("run", "team.yaml", "What is x?", "--conversation", "talk")


def test_fork_prints_its_id_and_the_command_to_go_on(cli: Any, done: Any) -> None:
    ran = cli("fork", "talk", "--at", "2", "--as", "other")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "other is a fork of talk at message 2. New calls that are not declared effect='read' ask first; --effects live "
        "makes them.\nGo on with: quorate resume other.1\n"
    )
    again = cli("resume", "other.1")
    assert again.code == 0
    assert again.out.splitlines()[1:5] == [
        "  user: What is x?",
        '  analyst: stats(column="x") → {"mean":12.5}',
        "  analyst: The mean is 12.5.",
        "critic: I doubt it [bold]very much[/bold].  · 45 tokens",
    ]


def test_show_numbers_messages_and_says_whose_they_are(cli: Any, done: Any) -> None:
    cli("fork", "talk", "--at", "2", "--as", "other")
    cli("resume", "other.1")

    lines = cli("show", "other", "--ids").out.splitlines()

    assert lines[1].startswith("other.1 is a fork of talk at message 2.")
    assert [line for line in lines if line.startswith("#")] == [
        "#1 talk.1/task",
        "#2 talk.1/1 turn/1 analyst/3 model",
        "#3 other.1/2 turn/1 critic/1 model",
        "#4 other.1/3 turn/1 analyst/3 model",
        "#5 other.1/4 turn/1 critic/1 model",
    ]
    assert not any(line.startswith("#") for line in cli("show", "other").out.splitlines())
    (shown,) = cli("show", "other", "--json").json
    assert shown["messages"][2] == {"number": 3, "id": "other.1/2 turn/1 critic/1 model"}
    assert shown["fork"]["of"] == "talk"


def test_message_is_named_by_its_id_too(cli: Any, done: Any) -> None:
    cli("fork", "talk", "--at", "talk.1/2 turn/1 critic/1 model", "--as", "other")

    assert "#3 " in cli("show", "other", "--ids").out
    assert "#4 " not in cli("show", "other", "--ids").out


def test_other_team_is_journaled_so_that_resuming_needs_no_name(cli: Any, done: Any) -> None:
    other = json.loads(Path("team.yaml").read_text())
    other["participants"][1]["says"] = ["Fine. APPROVE"]
    Path("other.yaml").write_text(json.dumps(other))

    forked = cli("fork", "talk", "--at", "2", "--team", "other.yaml", "--as", "other")
    ran = cli("resume", "other")

    assert "Go on with: quorate resume other.1\n" in forked.out
    assert "critic: Fine. APPROVE" in ran.out
    assert cli("replay", "other").code == 0


def test_other_words_are_said(cli: Any, done: Any) -> None:
    ran = cli("fork", "talk", "--at", "3", "--say", "APPROVE", "--as", "other", "--json")

    assert ran.json == [
        {
            "conversation": "other", "run_id": "other.1", "of": "talk", "next": "quorate resume other.1",
            "effects": "ask", "reopens": True, "message": 3, "replaced": True,
        }
    ]  # fmt: skip
    assert "completed: critic said 'APPROVE'" in cli("resume", "other").out


def test_fork_at_the_end_says_how_to_give_it_a_task(cli: Any, done: Any) -> None:
    assert cli("fork", "talk", "--as", "other").out.splitlines()[-1] == (
        "Go on with: quorate run TEAM TASK --conversation other"
    )
    assert cli("fork", "talk", "--as", "third", "--team", "errors.yaml").out.splitlines()[-1] == (
        "Go on with: quorate run errors.yaml TASK --conversation third"
    )
    assert cli("run", "errors.yaml", "And z?", "--conversation", "other").out.startswith("run other.2 ")


def test_call_in_a_fork_waits_for_a_person(cli: Any) -> None:
    cli("run", "pay.yaml", "Pay.", "--conversation", "talk")
    for name in ("allowed", "given", "refused", "live"):
        cli("fork", "talk", "--at", "1", "--as", name, *(("--effects", "live") if name == "live" else ()))

    waiting = {name: cli("resume", name) for name in ("allowed", "given", "refused")}
    asked = {q["run_id"]: q["id"] for q in cli("questions", "--json").json}
    for name, answer in {"allowed": "yes", "given": '{"result": "paid before"}', "refused": "too much"}.items():
        assert waiting[name].code == 4
        assert f"quorate answer {asked[f'{name}.1']} yes" in waiting[name].err
        assert cli("answer", asked[f"{name}.1"], answer).code == 0
    ends = {name: cli("resume", name).out for name in ("allowed", "given", "refused", "live")}

    assert 'May pay({"cents":500}) be called? This is a fork' in waiting["given"].err
    assert "pay(cents=500) → paid 500" in ends["allowed"]
    assert "pay(cents=500) → paid before" in ends["given"]
    assert "pay(cents=500) → error: pay was refused by a person: too much." in ends["refused"]
    assert "pay(cents=500) → paid 500" in ends["live"]
    assert Path("paid").read_text() == "500\n" * 3


def test_effects_may_be_made_live_when_a_fork_goes_on(cli: Any) -> None:
    cli("run", "pay.yaml", "Pay.", "--conversation", "talk")
    cli("fork", "talk", "--at", "1", "--as", "other")

    ran = cli("resume", "other", "--effects", "live")

    assert ran.code == 0
    assert Path("paid").read_text() == "500\n" * 2


def test_lists_tell_a_fork_that_was_reopened_from_its_parent(cli: Any, done: Any) -> None:
    cli("fork", "talk", "--at", "2", "--as", "other")

    rows = {row["run_id"]: row["outcome"] for row in cli("runs", "--json").json}

    assert rows == {"talk.1": "completed", "other.1": "interrupted"}


def test_list_of_runs_has_those_that_a_fork_made_itself(cli: Any, done: Any) -> None:
    cli("run", "errors.yaml", "And z?", "--conversation", "talk")
    cli("fork", "talk.2", "--as", "other")
    cli("run", "errors.yaml", "And y?", "--conversation", "other")

    rows = {row["run_id"]: row["tokens"] for row in cli("runs", "--json").json}
    assert rows.keys() == {"talk.1", "talk.2", "other.2", "other.3"}
    assert rows["other.2"] == rows["talk.2"] > 0
    assert cli("runs").err == ""
    assert "more" in cli("runs", "--last", "3").err
    assert cli("show", "other.1").code == 0


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("talk", "--at", "6"), 2, "messages 1 to 5, no message 6. `quorate show talk --ids` numbers them"),
        (("talk", "--at", "nowhere"), 2, "Run talk.1 has no message and no step 'nowhere'"),
        (("talk.2", "--at", "1"), 2, "Conversation talk has runs 1 to 1, no run 2"),
        (("none",), 2, "No run and no conversation begins with 'none'"),
        (("talk", "--as", "talk"), 1, "There is a conversation talk already"),
        (("talk", "--as", "no way"), 2, "cannot name a conversation"),
        (("talk", "--say", "x"), 2, "At the end there is no message"),
        (("talk", "--effects", "perhaps"), 2, "effects='perhaps' is neither 'ask' nor 'live'"),
        (("talk", "--at", "2", "--team", "none.yaml"), 2, "none.yaml"),
    ],
)
def test_fork_that_cannot_be_is_refused_in_one_line(
    cli: Any, done: Any, words: tuple[str, ...], code: int, problem: str
) -> None:
    ran = cli("fork", *words)

    assert (ran.code, ran.out) == (code, "")
    assert problem in ran.err
    assert len(ran.err.splitlines()) == 1
    assert [row["conversation"] for row in cli("conversations", "--json").json] == ["talk"]


# -- compare ----------------------------------------------------------------------------------------------------------


def test_compare_shows_figures_and_the_words_that_differ(cli: Any, done: Any) -> None:
    cli("fork", "talk", "--at", "3", "--say", "I doubt it not at all.", "--as", "other")
    cli("resume", "other")

    ran = cli("compare", "talk", "other")

    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].split() == ["talk.1", "other.1", "difference"]
    assert lines[1].split() == ["outcome", "completed", "completed"]
    assert "The first 5 items are the same: the task and 1 turn." in lines
    at = lines.index("turn 2 / critic")
    assert lines[at : at + 3] == [
        "turn 2 / critic",
        "  - talk.1: critic: I doubt it [bold]very much[/bold].",
        "  + other.1: critic: I doubt it not at all.",
    ]
    assert lines[-1].startswith("I doubt it [-[bold]very much[/bold]-]{+not at all+}.")


def test_compare_as_data(cli: Any, done: Any) -> None:
    cli("fork", "talk", "--at", "3", "--say", "No.", "--as", "other")
    cli("resume", "other")

    (found,) = cli("compare", "talk", "other", "--json").json

    assert found["a"]["run_id"] == "talk.1"
    assert found["b"]["turns"] == 4
    assert [d["path"] for d in found["differences"]] == ["2 turn/1 critic"]
    assert found["identical"] is False


def test_compare_of_a_run_with_itself_says_so(cli: Any, done: Any) -> None:
    assert cli("compare", "talk", "talk").out.splitlines()[-1] == "They say and do the same."
    assert "No run and no conversation begins with 'none'" in cli("compare", "talk", "none").err


def test_what_is_compared_cannot_steer_the_terminal(cli: Any, done: Any) -> None:
    cli("run", "nasty.yaml", "What is x?", "--conversation", "nasty")

    assert "\x1b" not in cli("compare", "talk", "nasty").out
