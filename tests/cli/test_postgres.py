"""Every command that reads or writes a store, with one in PostgreSQL."""

from collections.abc import Callable
from typing import Any

Cli = Callable[..., Any]


def test_conversation_in_postgresql_is_run_listed_shown_and_replayed(cli: Cli, postgres: str) -> None:
    ran = cli("run", "team.yaml", "What is the mean?", "--store", postgres, "--conversation", "sales")

    shown = cli("show", "sales", "--store", postgres)
    listed = cli("runs", "--store", postgres, "--json").json
    known = cli("conversations", "--store", postgres, "--json").json
    replayed = cli("replay", "sales.1", "--store", postgres)
    again = cli("run", "team.yaml", "More.", "--store", postgres, "--conversation", "sales")

    assert ran.code == 0
    assert f"kept in {postgres}" in ran.out
    assert "journal of sales: " in shown.out
    assert [(row["run_id"], row["outcome"]) for row in listed] == [("sales.1", "completed")]
    assert [row["conversation"] for row in known] == ["sales"]
    assert replayed.out.startswith("Run sales.1 replays identically")
    assert again.run_id == "sales.2"


def test_question_in_postgresql_is_answered_and_the_run_goes_on(cli: Cli, postgres: str, project: Any) -> None:
    waits = cli("run", f"{project.module}:asking", "Hello.", "--store", postgres, "--conversation", "talk")
    [asked] = cli("questions", "--store", postgres, "--json").json

    answered = cli("answer", asked["id"], "Ann.", "--store", postgres)
    resumed = cli("resume", "talk", "--app", f"{project.module}:asking", "--store", postgres)

    assert waits.code != 0
    assert answered.code == 0, answered.err
    assert f"--store {postgres}" in answered.out.replace("'", "")
    assert "ann: Ann." in resumed.out
    assert cli("questions", "--store", postgres).out.startswith("No question waits")


def test_password_of_a_store_is_printed_nowhere(cli: Cli, postgres: str) -> None:
    url = postgres.replace("quorate@", "quorate:hush@")

    told = [cli(*words, "--store", url) for words in (["run", "failing.yaml", "Go."], ["runs"], ["show", "nothing"])]

    assert [bool(ran.out or ran.err) for ran in told] == [True] * 3
    assert "hush" not in "".join(ran.out + ran.err for ran in told)


def test_server_that_is_not_there_is_a_clear_error(cli: Cli) -> None:
    ran = cli("runs", "--store", "postgresql://127.0.0.1:1/work")

    assert ran.code == 1
    assert "Check that the server runs and that the URL is right." in ran.err
    assert "Traceback" not in ran.err
