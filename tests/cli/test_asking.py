"""`quorate questions` and `quorate answer`, after an attempt that was killed inside an unsafe call."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from quorate.cli.project import find_project
from quorate.runs.open import open_store


async def _paid_in_part() -> None:
    """Journal a run in conversation `gone` as a process leaves it that is killed inside the payment."""
    async with open_store(".quorate/quorate.db") as store:
        team = find_project().team(Path("pay.yaml"))
        async with team.start("Pay!", conversation=store.conversation("shop")) as run:
            await run.result()
        journal = await store.open("gone")
        for entry in await store.read("shop"):
            journal.append(1, entry.path, entry.kind, entry.payload)
            if entry.kind == "intent":
                break
        await journal.commit()
        await journal.release()


@pytest.fixture
def question(cli: Any) -> str:
    """The id of the question whether the payment happened."""
    asyncio.run(_paid_in_part())
    assert cli("resume", "gone").code == 4
    return cli("questions", "--json").json[0]["id"]


def test_waiting_run_prints_the_call_and_the_commands_that_settle_it(cli: Any, question: str) -> None:
    for command in ("resume", "show"):
        ran = cli(command, "gone.1")

        said = ran.out + ran.err
        assert f'{question}: It is not known whether pay({{"cents":500}}) happened' in said
        assert f"  It did:     quorate answer {question} --happened RESULT\n" in said
        assert f"  It did not: quorate answer {question} --did-not\n" in said
        assert "Go on with: quorate resume gone.1\n" in said


def test_questions_are_listed(cli: Any, question: str) -> None:
    assert cli("questions").out.splitlines() == [
        f"{'id':{len(question)}}  run     state  age  question",
        f"{question}  gone.1  open   now  Did pay(cents=500) happen?",
    ]


def test_no_question_is_no_table(cli: Any) -> None:
    cli("run", "errors.yaml", "x")

    assert cli("questions").out == "No question waits for an answer.\n"


def test_call_that_happened_is_not_made_again(cli: Any, question: str) -> None:
    Path("paid").unlink()

    noted = cli("answer", question[:-3], "--happened", "paid 500, receipt 7")
    ran = cli("resume", "gone.1")

    assert noted.out == "Noted. Go on with: quorate resume gone.1\n"
    assert ran.code == 0
    assert "payer: pay(cents=500) → paid 500, receipt 7" in ran.out
    assert not Path("paid").exists()


def test_call_that_did_not_happen_is_made_again(cli: Any, question: str) -> None:
    Path("paid").unlink()

    cli("answer", question, "--did-not")
    ran = cli("resume", "gone.1")

    assert ran.code == 0
    assert Path("paid").read_text() == "500\n"


def test_second_answer_is_refused_before_and_after_it_was_used(cli: Any, question: str) -> None:
    cli("answer", question, "--did-not")
    assert "answered: resume the run" in cli("questions").out

    early = cli("answer", question, "--happened", "x")
    cli("resume", "gone.1")
    late = cli("answer", question, "--happened", "x")

    assert (early.code, late.code) == (1, 1)
    assert early.err == late.err == f"quorate: {question} has been answered already.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Say which: --happened [RESULT], or --did-not"),
        (("--happened", "--did-not"), "Say which"),
        (("--did-not", "5"), "has no result"),
    ],
)
def test_answer_that_says_nothing_clear_is_refused(cli: Any, question: str, words: tuple[str, ...], said: str) -> None:
    ran = cli("answer", question, *words)

    assert ran.code == 2
    assert said in ran.err
    assert " open " in cli("questions").out


def test_unknown_question_names_the_list(cli: Any, question: str) -> None:
    ran = cli("answer", "nope", "--did-not")

    assert ran.err == "quorate: There is no question 'nope'. `quorate questions` lists those that are open.\n"


def test_new_task_over_an_open_question_is_refused(cli: Any, question: str) -> None:
    ran = cli("run", "pay.yaml", "Again!", "--conversation", "gone")

    assert ran.code == 1
    assert "quorate resume gone.1" in ran.err


# -- questions of agents ----------------------------------------------------------------------------------------------


@pytest.fixture
def asked(cli: Any, project: Any) -> str:
    """The id of the question that a person is asked in a run that waits."""
    assert cli("run", f"{project.module}:asking", "x").code == 4
    return cli("questions", "--json").json[0]["id"]


def test_question_is_shown_reassigned_and_answered(cli: Any, asked: str, project: Any) -> None:
    on = f"Go on with: quorate resume {asked.partition('-q')[0]} --app {project.module}:asking"

    shown = cli("questions", "show", asked)
    given = cli("questions", "reassign", asked, "--to", "bob")
    listed = cli("questions", "--to", "bob").out
    nobody = cli("questions", "--to", "ann").out
    noted = cli("answer", asked[:-2], "I am Ann.", "--by", "bob")

    assert shown.out.splitlines()[1:] == ["analyst: Who are you?", f"  Answer: quorate answer {asked} ANSWER"]
    assert given.out == f"{asked} is now for bob.\n"
    assert asked in listed
    assert nobody == "No question waits for an answer of ann.\n"
    assert noted.out == f"Noted. {on}\n"
    assert cli("questions", "show", asked).out.endswith(f"It is answered. {on}\n")
    assert "answered: resume the run" in cli("questions").out
    assert cli("answer", asked, "I am Ann.").code == 0
    again = cli("answer", asked, "I am Bob.")
    assert (again.code, again.err) == (1, f"quorate: {asked} has been answered already.\n")


def test_expired_question_cannot_be_answered(cli: Any, asked: str, project: Any) -> None:
    ended = cli("questions", "expire", asked)
    late = cli("answer", asked, "x")
    state = cli("questions").out
    resumed = cli("resume", asked.partition("-q")[0], "--app", f"{project.module}:asking")

    assert ended.out.startswith("Expired. Go on with: quorate resume ")
    assert ended.out.endswith(f" --app {project.module}:asking\n")
    assert late.code == 1
    assert "expired: resume the run" in state
    assert resumed.code == 1
    assert "Nobody answered" in resumed.out + resumed.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("answer", "{}"), 2, "Say what to answer: quorate answer {} ANSWER"),
        (("answer", "{}", "x", "--happened"), 2, "{} asks for an answer, not whether a call happened."),
        (("answer", "{}", " "), 2, "An answer in words is asked for, not ' '."),
        (("answer", "nope", "x"), 2, "There is no question 'nope'. `quorate questions` lists those that are open."),
        (("questions", "reassign", "{}", "--to", " "), 2, "Say to whom: --to NAME."),
    ],
)
def test_wrong_words_about_a_question_say_what_to_do(
    cli: Any, asked: str, words: tuple[str, ...], code: int, said: str
) -> None:
    ran = cli(*(word.format(asked) for word in words))

    assert ran.code == code
    assert ran.err.startswith(f"quorate: {said.format(asked)}")


def test_unknown_effect_does_not_expire(cli: Any, question: str) -> None:
    assert "That does not expire" in cli("questions", "expire", question).err
