"""`quorate verify`, `delete`, `erase`, `retain`, and a conversation that goes from store to store."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from quorate import open_store
from quorate.runs import portable


@pytest.fixture
def talks(cli: Any) -> Any:
    """Two conversations, one with two runs."""
    cli("run", "team.yaml", "What is x?", "--conversation", "a")
    cli("run", "pay.yaml", "Pay Ann Smith.", "--conversation", "b")
    cli("run", "team.yaml", "And z?", "--conversation", "b")
    return cli


def aged(days: float) -> None:
    """Let all entries be older; the chain does not verify any more."""
    with closing(sqlite3.connect(".quorate/quorate.db")) as db:
        db.execute("UPDATE entries SET at = at - ?", (int(days * 86_400e6),))
        db.commit()


# -- verify -----------------------------------------------------------------------------------------------------------


def test_verify_tells_the_head_of_each_conversation(talks: Any) -> None:
    # ENGINE 22
    ran = talks("verify")

    assert ran.code == 0
    assert [line.split(":")[0] for line in ran.out.splitlines()] == ["a", "b"]
    assert talks("verify", "a").out == f"{ran.out.splitlines()[0]}\n"
    [told] = talks("verify", "b.1", "--json").json
    assert (told["conversation"], told["ok"], told["erased"]) == ("b", True, 0)
    assert f"head {told['head']}" in ran.out
    assert f"head {told['head']}" in talks("show", "b").out


def test_verify_checks_the_signature_of_a_head(talks: Any) -> None:
    # ENGINE 22
    key = ed25519.Ed25519PrivateKey.generate()
    Path("heads.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    Path("heads.pub.pem").write_bytes(public)
    Path("quorate.toml").write_text('[quorate]\nsigning_key = "heads.pem"\n')
    head = talks("verify", "a", "--json").json[0]["head"]
    Path("quorate.toml").unlink()

    unchecked = talks("verify", "a", "--head", head)
    assert (unchecked.code, "The head is signed: pass --key FILE" in unchecked.err) == (2, True)
    assert talks("verify", "a", "--head", head, "--key", "heads.pub.pem").code == 0
    forged = talks("verify", "b", "--head", head, "--key", "heads.pub.pem")
    assert (forged.code, "was not signed with heads.pub.pem" in forged.err) == (1, True)
    alone = talks("verify", "a", "--key", "heads.pub.pem")
    assert (alone.code, "pass it, --head LENGTH:HASH:SIGNATURE" in alone.err) == (2, True)


def test_verify_names_the_entry_that_was_altered(talks: Any, alter: Callable[[str, str], None]) -> None:
    # ENGINE 22
    alter("reply", '{"text":"I never said that.","in":1,"out":1}')

    ran = talks("verify")

    assert ran.code == 1
    assert "a: Entry " in ran.err
    assert " of a was altered." in ran.err
    assert ran.out.startswith("b: ")
    told = talks("verify", "a", "--json").json[0]
    assert (told["ok"], told["what"]) == (False, "altered")
    assert told["entry"] > 1


def test_verify_with_a_head_finds_a_cut(talks: Any) -> None:
    # ENGINE 22
    head = talks("verify", "a", "--json").json[0]["head"]
    length = int(head.partition(":")[0])
    with closing(sqlite3.connect(".quorate/quorate.db")) as db:
        db.execute("DELETE FROM entries WHERE place = ?", (1 << 32 | length,))
        last = "(SELECT hash FROM entries WHERE place >> 32 = 1 ORDER BY place DESC LIMIT 1)"
        db.execute(f"UPDATE conversations SET count = count - 1, head = {last} WHERE key = 1")
        db.commit()

    assert talks("verify", "a").code == 0
    ran = talks("verify", "a", "--head", head)

    assert ran.code == 1
    assert f"a was cut: entry {length} " in ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("a --head 12", "'12' is no head. Write LENGTH:HASH"),
        (f"a --head x:{'0' * 64}", "is no head"),
        (f"--head 1:{'0' * 64}", "A head is that of one conversation: name it."),
        ("nothing", "No run and no conversation begins with 'nothing'"),
        (f"a --head 1:{'0' * 64}", "a was rewritten: at entry 1 "),
    ],
)
def test_verify_of_nothing_is_a_clear_error(talks: Any, words: str, told: str) -> None:
    ran = talks("verify", *words.split())

    assert ran.code
    assert told in ran.err


# -- delete -----------------------------------------------------------------------------------------------------------


def test_deleted_conversation_is_gone(talks: Any) -> None:
    assert talks("delete", "b").out == "Deleted b.\n"

    assert [row["conversation"] for row in talks("conversations", "--json").json] == ["a"]
    assert b"Ann Smith" not in Path(".quorate/quorate.db").read_bytes()
    assert "There is no conversation 'b' here" in talks("delete", "b").err


def test_what_is_deleted_is_named_whole(talks: Any) -> None:
    talks("run", "team.yaml", "And?", "--conversation", "ticket-17")

    ran = talks("delete", "ticket-1")

    assert ran.code == 2
    assert ran.err == "quorate: Write the whole id, since what is deleted does not come back: ticket-17.\n"


# -- erase ------------------------------------------------------------------------------------------------------------


def test_erased_run_keeps_its_shape_and_figures_and_no_word(talks: Any) -> None:
    # ENGINE 23
    before = talks("show", "b.1", "--json").json[0]
    head = talks("verify", "b", "--json").json[0]["head"]

    ran = talks("erase", "b.1")

    assert ran.out.startswith("Erased ")
    assert f"The chain verifies, head {head}" in ran.out
    shown = talks("show", "b.1").out
    assert "[erased]" in shown
    assert "Ann Smith" not in shown
    after = talks("show", "b.1", "--json").json[0]
    assert after["figures"] == before["figures"]
    assert [turn["speakers"] for turn in after["turns"]] == [turn["speakers"] for turn in before["turns"]]
    assert (after["status"], after["task"][0]["content"]) == ("completed", "[erased]")
    assert "What is x?" in talks("show", "a").out
    assert "And z?" in talks("show", "b.2").out
    assert talks("runs").code == talks("conversations").code == talks("show", "b", "--entries").code == 0
    assert b"Ann Smith" not in Path(".quorate/quorate.db").read_bytes()
    assert ", " in talks("verify", "b").out.partition(" verify")[2]
    assert talks("erase", "b.1").out.startswith("Erased 0 entries of b.1 (")


def test_conversation_goes_on_after_it_was_erased(talks: Any) -> None:
    # ENGINE 23
    talks("erase", "b")

    ran = talks("run", "team.yaml", "And now?", "--conversation", "b")

    assert ran.code == 0
    assert talks("verify", "b").code == 0


def test_single_entries_and_paths_are_erased(talks: Any) -> None:
    # ENGINE 23
    entries = talks("show", "a", "--entries").json
    reply = next(e for e in entries if e["kind"] == "reply" and "mean" in e["payload"]["text"])

    assert talks("erase", "a", "--entry", str(reply["seq"])).out.startswith("Erased 1 entry of a.")
    after = talks("show", "a", "--entries").json
    assert [e["seq"] for e in after if e["payload"].get("erased")] == [reply["seq"]]
    assert talks("erase", "a", "--path", "2 turn").code == 0
    gone = [e for e in talks("show", "a", "--entries").json if e["payload"].get("erased")]
    assert {e["path"].partition("/")[0] for e in gone if e["seq"] != reply["seq"]} == {"2 turn"}
    assert talks("verify", "a").code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("a --entry 999", "a has no entry 999"),
        ("b.2 --entry 1", "b.2 has no entry 1"),
        ("a --path nowhere", "a has nothing at the path 'nowhere'"),
        ("c", "No run and no conversation begins with 'c'"),
        ("a.2", "Conversation a has runs 1 to 1, no run 2"),
    ],
)
def test_what_is_not_there_cannot_be_erased(talks: Any, words: str, told: str) -> None:
    ran = talks("erase", *words.split())

    assert ran.code == 2
    assert told in ran.err
    assert "erased" not in talks("verify").out


# -- retain -----------------------------------------------------------------------------------------------------------


def test_what_finished_long_ago_is_deleted(talks: Any) -> None:
    aged(40)
    talks("run", "team.yaml", "And now?", "--conversation", "c")

    dry = talks("retain", "--older-than", "30d", "--delete", "--dry-run")
    assert dry.out == "would delete b (2 runs)\nwould delete a (1 run)\n"
    assert dry.err == "2 conversations finished more than 30d ago.\n"
    ran = talks("retain", "--older-than", "30d", "--delete")

    assert ran.out == "delete b (2 runs)\ndelete a (1 run)\n"
    assert [row["conversation"] for row in talks("conversations", "--json").json] == ["c"]
    assert b"Ann Smith" not in Path(".quorate/quorate.db").read_bytes()


def test_what_finished_long_ago_is_erased(talks: Any) -> None:
    # ENGINE 23
    assert talks("retain", "--older-than", "0h", "--erase").code == 0

    assert "Ann Smith" not in talks("show", "b").out
    assert talks("verify").code == 0


def test_age_that_is_none_and_nothing_to_do_are_refused(talks: Any) -> None:
    assert "'soon' is no age. Write 12h, 30d or 8w." in talks("retain", "--older-than", "soon", "--delete").err
    assert "Say which: --erase or --delete." in talks("retain", "--older-than", "1d").err
    assert "Say which: --erase or --delete." in talks("retain", "--older-than", "1d", "--erase", "--delete").err


# -- from store to store ----------------------------------------------------------------------------------------------


def save(file: str, conversation: str = "b") -> None:
    async def saved() -> None:
        async with open_store(".quorate/quorate.db") as store:
            portable.save(await portable.record(store, conversation), file)

    asyncio.run(saved())


def test_conversation_is_taken_in_with_its_head(talks: Any) -> None:
    # ENGINE 21, 22
    head = talks("verify", "b", "--json").json[0]["head"]
    save("b.jsonl")

    ran = talks("import", "b.jsonl", "--store", "other.db")

    assert ran.code == 0
    assert ran.out == f"Took in b: {head.partition(':')[0]} entries, head {head}\n"
    assert talks("show", "b", "--store", "other.db").out == talks("show", "b").out
    assert talks("import", "b.jsonl", "--as", "copy").code == 0
    assert f"head {head}" in talks("verify", "copy").out


def test_file_that_cannot_be_taken_in_is_a_clear_error(talks: Any) -> None:
    save("b.jsonl")
    text = Path("b.jsonl").read_text()
    Path("altered.jsonl").write_text(text.replace("Ann Smith", "Bob Smith"))
    Path("odd.jsonl").write_text("What is this?\n")

    assert "There is a conversation b already" in talks("import", "b.jsonl").err
    assert "was altered" in talks("import", "altered.jsonl", "--as", "x").err
    assert "odd.jsonl, line 1 is no JSON" in talks("import", "odd.jsonl").err
    assert "none.jsonl cannot be read" in talks("import", "none.jsonl").err
    assert "cannot name a conversation" in talks("import", "b.jsonl", "--as", "a b").err
    assert "keeps nothing after its process" in talks("import", "b.jsonl", "--store", "memory:").err
    assert [row["conversation"] for row in talks("conversations", "--json").json] == ["b", "a"]


def test_what_is_erased_is_erased_in_forks_and_what_is_deleted_stays_theirs(talks: Any) -> None:
    # ENGINE 21, 23
    assert talks("fork", "b.1", "--at", "2", "--as", "branch").code == 0
    heads = {row["conversation"]: row["head"] for row in talks("verify", "--json").json}

    assert talks("erase", "branch").code == 0
    assert "Ann Smith" not in talks("show", "b.1").out
    assert "Ann Smith" not in talks("show", "branch").out
    assert {row["conversation"]: row["head"] for row in talks("verify", "--json").json} == heads
    for words in (
        ["runs"],
        ["conversations"],
        ["questions"],
        ["show", "branch", "--json"],
        ["compare", "b.1", "branch"],
    ):
        ran = talks(*words)
        assert "Traceback" not in ran.err
        assert "Ann Smith" not in ran.out
    assert talks("delete", "b").code == 0

    assert [row["conversation"] for row in talks("verify", "--json").json if row["ok"]] == ["a", "branch"]
    assert talks("show", "branch").code == 0
