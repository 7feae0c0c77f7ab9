"""`quorate questions` and `quorate answer`, after an attempt that was killed inside an unsafe call."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from quorate.cli.project import find_project
from quorate.runs.open import open_store


@pytest.fixture
def asked(cli: Any) -> str:
    """The id of an open question: whether a payment happened that its process did not live to see."""
    asyncio.run(_paid_in_part())
    ran = cli("resume", "shop.1")
    assert ran.code == 4
    return cli("questions", "--json").json[0]["id"]


async def _paid_in_part() -> None:
    async with open_store(".quorate/quorate.db") as store:
        team = find_project().team(Path("pay.yaml"))
        async with team.start("Pay!", conversation=store.conversation("shop")) as run:
            await run.result()
        entries = await store.read("shop")
        journal = await store.open("gone")
        for entry in entries:
            if entry.kind in {"run", "choice", "call", "reply", "intent"} and entry.seq < 6:
                journal.append(1, entry.path, entry.kind, entry.payload)
        await journal.commit()
        await journal.release()


@pytest.fixture
def gone(cli: Any) -> str:
    """The open question of such a run."""
    asyncio.run(_paid_in_part())
    ran = cli("resume", "gone")
    assert ran.code == 4, ran
    return cli("questions", "--json").json[0]["id"]


def test_waiting_run_prints_the_call_and_the_commands_that_settle_it(cli: Any, gone: str) -> None:
    for command in ("resume", "show"):
        ran = cli(command, "gone.1")

        said = ran.out + ran.err
        assert f"{gone}: It is not known whether pay({{\"cents\":500}}) happened" in said
        assert f"  It did:     quorate answer {gone} --happened RESULT\n" in said
        assert f"  It did not: quorate answer {gone} --did-not\n" in said
        assert "Go on with: quorate resume gone.1\n" in said


def test_questions_are_listed(cli: Any, gone: str) -> None:
    assert cli("questions").out.splitlines() == [
        f"{'id':{len(gone)}}  run     state  age  question",
        f"{gone}  gone.1  open   now  Did pay(cents=500) happen?",
    ]


def test_no_question_is_no_table(cli: Any) -> None:
    cli("run", "errors.yaml", "x")

    assert cli("questions").out == "No question waits for an answer.\n"


def test_call_that_happened_is_not_made_again(cli: Any, gone: str) -> None:
    Path("paid").unlink()

    noted = cli("answer", gone[:-3], "--happened", "paid 500, receipt 7")
    ran = cli("resume", "gone.1")

    assert noted.out == "Noted. Go on with: quorate resume gone.1\n"
    assert ran.code == 0
    assert "payer: pay(cents=500) → paid 500, receipt 7" in ran.out
    assert not Path("paid").exists()


def test_call_that_did_not_happen_is_made_again(cli: Any, gone: str) -> None:
    Path("paid").unlink()

    cli("answer", gone, "--did-not")
    ran = cli("resume", "gone.1")

    assert ran.code == 0
    assert Path("paid").read_text() == "500\n"


def test_second_answer_is_refused_before_and_after_it_was_used(cli: Any, gone: str) -> None:
    cli("answer", gone, "--did-not")
    assert "answered: resume the run" in cli("questions").out

    early = cli("answer", gone, "--happened", "x")
    cli("resume", "gone.1")
    late = cli("answer", gone, "--happened", "x")

    assert (early.code, late.code) == (1, 1)
    assert early.err == late.err == f"quorate: {gone} has been answered already.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Say which: --happened [RESULT], or --did-not."),
        (("--happened", "--did-not"), "Say which"),
        (("--did-not", "5"), "has no result"),
    ],
)
def test_answer_that_says_nothing_clear_is_refused(cli: Any, gone: str, words: tuple[str, ...], said: str) -> None:
    ran = cli("answer", gone, *words)

    assert ran.code == 2
    assert said in ran.err
    assert " open " in cli("questions").out


def test_unknown_question_names_the_list(cli: Any, gone: str) -> None:
    ran = cli("answer", "nope", "--did-not")

    assert ran.err == "quorate: There is no question 'nope'. `quorate questions` lists those that are open.\n"


def test_new_task_over_an_open_question_is_refused(cli: Any, gone: str) -> None:
    ran = cli("run", "pay.yaml", "Again!", "--conversation", "gone")

    assert ran.code == 1
    assert "quorate resume gone.1" in ran.err
