"""The hash chain and its head (ENGINE 22)."""

from __future__ import annotations

from quorate.errors import Tampered
from quorate.runs.stored import Head
from quorate.runs.verifying import verified
from quorate.testing.store_cases.expecting import Open, lasting, same, write, written


async def untouched_journal_verifies_and_its_head_counts_all_entries(open: Open) -> None:
    """ENGINE 22: one in memory is hashed when it is asked for."""
    store = await open()
    await written(store, "talk", 1, 2, 3)

    head = await store.verify("talk")

    same(head.length, 3)
    same(len(bytes.fromhex(head.hash)), 32, "How long the hash is")
    same(await store.verify("talk"), head, "The head, asked for again,")


async def every_entry_moves_the_head(open: Open) -> None:
    """ENGINE 22: and what was hashed before stays as it is."""
    store = await open()
    heads: list[Head] = []
    for n in range(5):
        await written(store, "talk", n)
        heads.append(await store.verify("talk"))

    same([head.length for head in heads], [1, 2, 3, 4, 5])
    same(len({head.hash for head in heads}), 5, "How many hashes there are")


async def same_entries_have_other_hashes_in_every_conversation(open: Open) -> None:
    """ENGINE 22: salted, so that nobody can guess a short payload from its digest."""
    store = await open()
    for id in ("one", "two"):
        await written(store, id, "yes")

    same((await store.verify("one")).hash != (await store.verify("two")).hash, True)


async def conversation_without_entries_verifies(open: Open) -> None:
    """ENGINE 22: an empty chain is whole."""
    store = await open()
    journal = await store.open("talk")

    same((await store.verify("talk")).length, 0)
    same(journal.head().length, 0)


async def head_that_was_given_out_is_held_against_the_journal(open: Open) -> None:
    """ENGINE 22: it finds a journal that was cut or rewritten as a whole, and holds for one that went on."""
    store = await open()
    await written(store, "talk", 1, 2)
    given = await store.verify("talk")
    await written(store, "talk", 3)

    same((await store.verify("talk", given=given)).length, 3)
    for head, what, entry in (
        (Head(4, given.hash), "missing", 4),
        (Head(2, "00" * 32), "rewritten", 2),
        (Head(1, given.hash), "rewritten", 1),
    ):
        try:
            await store.verify("talk", given=head)
        except Tampered as error:
            same((error.what, error.entry), (what, entry), f"What is found with {head}")
        else:
            raise AssertionError(f"A journal verifies against {head}, which is none of its heads.")


async def stored_entries_hold_the_chain(open: Open) -> None:
    """ENGINE 22: over the bytes as they are stored, so that an export verifies without its store."""
    store = await open()
    await written(store, "talk", 1, "x" * 100_000, {"deep": ["ä", None]})

    stored, artifacts = await store.stored("talk")

    same([s.seq for s in stored], [1, 2, 3])
    kept = {artifact.digest: artifact.data for artifact in artifacts}
    length, last = verified("talk", stored, load=kept.__getitem__)
    same(Head(length, last.hex()), await store.verify("talk"))
    same(sum(map(len, await store.stored("nothing"))), 0, "How much there is of nothing")


@lasting
async def head_of_an_open_journal_is_what_verifies(open: Open) -> None:
    """ENGINE 22: in every process, and the chain goes on where the last holder left it."""
    first, second = await open(), await open()
    journal = await first.open("talk")
    await write(journal, 1, 2)
    before = journal.head()
    same(await second.verify("talk"), before)
    await journal.release()

    again = await second.open("talk")
    same(again.head(), before, "The head of who opens it next")
    await write(again, 3)

    same(await first.verify("talk"), again.head())
    same(again.head().length, 3)
