"""`quorate effects`."""

import asyncio
from pathlib import Path
from typing import Any

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


def test_effects_of_a_run_are_a_table(cli: Any) -> None:
    cli("run", "pay.yaml", "Pay!", "--conversation", "shop")

    heads, line = cli("effects", "shop").out.splitlines()

    assert heads.split() == ["where", "call", "class", "state", "known", "by", "attempts", "result", "age"]
    assert line.startswith("shop.1 · turn 1 / ")
    assert "pay(cents=500)" in line
    assert line.split("  ")[2:] != []
    for word in ("unsafe", "done", "the call", "paid 500"):
        assert word in line


def test_unknown_effect_names_the_command_that_settles_it(cli: Any) -> None:
    asyncio.run(_paid_in_part())

    ran = cli("effects", "gone.1")

    assert "unknown" in ran.out
    assert "What became of some calls is unknown. quorate resume gone.1 settles them, or asks.\n" in ran.out
    assert ran.code == 0


def test_effects_as_json_are_an_object_a_line(cli: Any) -> None:
    asyncio.run(_paid_in_part())

    (done,), (unknown,) = cli("effects", "shop", "--json").json, cli("effects", "gone", "--json").json

    assert (done["state"], done["result"], done["arguments"]) == ("done", "paid 500", {"cents": 500})
    assert (unknown["state"], unknown["settled_at"], unknown["run_id"]) == ("unknown", None, "gone.1")
    assert len(done["key"]) == 32


def test_run_without_effects_says_so(cli: Any) -> None:
    cli("run", "errors.yaml", "x", "--conversation", "quiet")

    assert cli("effects", "quiet.1").out == "quiet.1 called nothing that changes anything.\n"


def test_run_that_is_not_there_is_an_error_that_says_what_lists_them(cli: Any) -> None:
    cli("run", "errors.yaml", "x")

    ran = cli("effects", "nothing")

    assert ran.code == 2
    assert "`quorate runs` lists them" in ran.err
