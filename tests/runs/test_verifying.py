"""`tamper`: every entry of a journal with all kinds, altered, dropped, doubled and moved, is named (ENGINE 22).

Enumerated: each entry, each column of each table that holds what was written, each pair, each place.
"""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate import open_store
from quorate.errors import Tampered
from quorate.runs import chain, entries
from quorate.runs.erasing import erased_bytes
from quorate.runs.sqlite.store import SqliteStore
from quorate.runs.stored import Head
from quorate.testing import FakeClock

KINDS = [
    kind
    for line in re.findall(r"^\| (`.*?) \|", str(entries.__doc__), re.MULTILINE)
    for kind in re.findall("`(.*?)`", line)
]
SEQ = "place % 4294967296"
TALK = "place >> 32 = (SELECT key FROM conversations WHERE id = 'talk')"


class Tampering:
    """A store with a journal of all kinds of entries, and somebody who has its file."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.store = open_store(folder / "work.db", clock=FakeClock())
        assert isinstance(self.store, SqliteStore)
        self.head = self.loop.run_until_complete(self._write())
        self.db = sqlite3.connect(folder / "work.db", isolation_level=None)
        self.db.execute("PRAGMA synchronous=OFF")
        self.tables = {name: self.rows(name) for name in ("conversations", "entries", "artifacts")}

    async def _write(self) -> Head:
        for id in ("other", "talk"):
            journal = await self.store.open(id)
            for kind in KINDS:
                payload = {"what": kind, "long": "x" * chain.INLINE_BYTES} if kind == "value" else {"what": kind}
                journal.append(1, "1 turn", kind, payload)
            await journal.commit()
            await journal.release()
        return await self.store.verify("talk")

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        return self.db.execute(f"SELECT * FROM {table}").fetchall()

    def found(self, given: Head | None = None) -> tuple[str, int]:
        """Return what verifying says, and undo what was done."""
        try:
            self.loop.run_until_complete(self.store.verify("talk", given=given))
        except Tampered as error:
            told = str(error)
            return (error.what, error.entry) if "talk" in told and str(error.entry) in told else (told, -1)
        else:
            return "", 0
        finally:
            self.undo()

    def undo(self) -> None:
        self.db.execute("BEGIN")
        for table, rows in self.tables.items():
            self.db.execute(f"DELETE FROM {table}")
            self.db.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)
        self.db.execute("COMMIT")

    def do(self, *statements: str) -> None:
        self.db.execute("BEGIN")
        for statement in statements:
            self.db.execute(statement)
        self.db.execute("COMMIT")

    def renumber(self, seqs: Iterator[int] | range, by: int) -> None:
        for seq in seqs:
            self.db.execute(f"UPDATE entries SET place = place + ? WHERE {TALK} AND {SEQ} = ?", (by, seq))

    def copy(self, seq: int, to: int) -> None:
        columns = "run, path, kind, version, at, payload, salt, hash, digest"
        self.db.execute(
            f"INSERT INTO entries SELECT place + ?, {columns} FROM entries WHERE {TALK} AND {SEQ} = ?", (to - seq, seq)
        )

    def fit_head(self) -> None:
        """Let the head say what is there."""
        if not self.db.execute(f"SELECT 1 FROM entries WHERE {TALK}").fetchone():
            self.db.execute("UPDATE conversations SET count = 0, head = zeroblob(32) WHERE id = 'talk'")
            return
        last = f"SELECT {{}} FROM entries WHERE {TALK} ORDER BY place DESC LIMIT 1"
        self.db.execute(
            f"UPDATE conversations SET count = ({last.format(SEQ)}), head = ({last.format('hash')}) WHERE id = 'talk'"
        )


@pytest.fixture
def tampering(tmp_path: Path) -> Iterator[Tampering]:
    found = Tampering(tmp_path)
    yield found
    found.db.close()
    found.loop.run_until_complete(found.store.close())
    found.loop.run_until_complete(found.loop.shutdown_default_executor())
    found.loop.close()


ALL = range(1, len(KINDS) + 1)
FLIPS = {
    "run": ["run + 1", "'one'", "NULL"],
    "path": ["'9 turn'", "CAST(path AS BLOB)"],
    "kind": ["'odd'", "CAST(kind AS BLOB)"],
    "version": ["version + 1", "0"],
    "at": ["at + 1", "0"],
    "payload": ["NULL", "CAST(payload AS TEXT)", "payload || ' '", "x''", "x'00'", "CAST('{\"erased\":true}' AS BLOB)"],
    "salt": ["NULL", "zeroblob(16)", "CAST('salt' AS TEXT)", "x''"],
    "hash": ["zeroblob(32)", "'hash'", "x''"],
    "digest": ["zeroblob(32)", "hash", "'digest'"],
}


def test_journal_has_all_kinds_and_every_column_is_tried(tampering: Tampering) -> None:
    columns = [row[1] for row in tampering.db.execute("PRAGMA table_info(entries)")]

    assert len(KINDS) > 15
    assert set(columns) == {"place", *FLIPS}
    assert tampering.found() == ("", 0)


@pytest.mark.parametrize("column", FLIPS)
def test_altered_column_of_any_entry_is_named(tampering: Tampering, column: str) -> None:
    # ENGINE 22
    for seq in ALL:
        for value in FLIPS[column]:
            try:
                tampering.do(f"UPDATE entries SET {column} = {value} WHERE {TALK} AND {SEQ} = {seq}")
            except sqlite3.IntegrityError:
                tampering.db.execute("ROLLBACK")
                continue
            assert tampering.found() == ("altered", seq), (column, value)


def test_any_entry_that_is_gone_is_named(tampering: Tampering) -> None:
    # ENGINE 22
    for seq in ALL:
        tampering.do(f"DELETE FROM entries WHERE {TALK} AND {SEQ} = {seq}")

        assert tampering.found() == ("missing", seq)


def test_any_entry_that_is_gone_is_named_where_those_after_it_moved_up_and_the_head_fits(tampering: Tampering) -> None:
    # ENGINE 22
    for seq in ALL:
        tampering.do(f"DELETE FROM entries WHERE {TALK} AND {SEQ} = {seq}")
        tampering.renumber(range(seq + 1, len(ALL) + 1), -1)
        tampering.fit_head()

        assert tampering.found(given=tampering.head) == ("missing", seq)


def test_several_entries_that_are_gone_are_named(tampering: Tampering) -> None:
    # ENGINE 22
    for seq in ALL:
        for last in range(seq + 1, len(ALL)):
            tampering.do(f"DELETE FROM entries WHERE {TALK} AND {SEQ} BETWEEN {seq} AND {last}")
            tampering.renumber(range(last + 1, len(ALL) + 1), seq - last - 1)
            tampering.fit_head()

            assert tampering.found(given=tampering.head) == ("missing", seq)


def test_any_entry_put_in_anywhere_is_named(tampering: Tampering) -> None:
    # ENGINE 22: a copy right before its original is the same as one right after it
    for place in range(1, len(ALL) + 2):
        for seq in ALL:
            tampering.db.execute("BEGIN")
            tampering.copy(seq, 100)
            tampering.renumber(range(len(ALL), place - 1, -1), 1)
            tampering.renumber(range(100, 101), place - 100)
            tampering.db.execute("UPDATE conversations SET count = count + 1 WHERE id = 'talk'")
            tampering.db.execute("COMMIT")

            assert tampering.found() == ("inserted", place + 1 if place == seq else place)


def test_entry_put_in_with_a_hash_that_follows_is_named(tampering: Tampering) -> None:
    # ENGINE 22: whoever knows how a hash is made can make one entry follow, but not the next ones
    for place in ALL:
        [(before,)] = tampering.db.execute(
            f"SELECT hash FROM entries WHERE {TALK} AND {SEQ} = {place - 1}"
        ).fetchall() or [(chain.GENESIS,)]
        tampering.db.execute("BEGIN")
        tampering.copy(place, 100)
        tampering.renumber(range(len(ALL), place - 1, -1), 1)
        tampering.renumber(range(100, 101), place - 100)
        forged = chain.link(before, "talk", place, 1, "1 turn", "stop", 5, chain.digest(bytes(16), b"{}"))
        tampering.db.execute(
            f"UPDATE entries SET kind = 'stop', at = 5, payload = ?, salt = ?, hash = ? WHERE {TALK} AND {SEQ} = ?",
            (b"{}", bytes(16), forged, place),
        )
        tampering.db.execute("UPDATE conversations SET count = count + 1 WHERE id = 'talk'")
        tampering.db.execute("COMMIT")

        assert tampering.found(given=tampering.head) == ("inserted", place)


def test_any_entry_added_at_the_end_is_named(tampering: Tampering) -> None:
    # ENGINE 22
    for seq in ALL:
        tampering.copy(seq, len(ALL) + 1)
        assert tampering.found() == ("inserted", len(ALL) + 1)


def test_any_two_entries_that_changed_places_are_named(tampering: Tampering) -> None:
    # ENGINE 22
    for one in ALL:
        for other in range(one + 1, len(ALL) + 1):
            tampering.db.execute("BEGIN")
            tampering.renumber(range(one, one + 1), 1000)
            tampering.renumber(range(other, other + 1), one - other)
            tampering.renumber(range(one + 1000, one + 1001), other - one - 1000)
            tampering.db.execute("COMMIT")

            assert tampering.found() == ("reordered", one)


def test_any_entry_moved_to_the_end_is_named(tampering: Tampering) -> None:
    # ENGINE 22
    for seq in range(1, len(ALL)):
        tampering.renumber(range(seq, seq + 1), 1000)
        assert tampering.found() == ("reordered", seq)


def test_any_entry_of_another_conversation_in_the_place_of_one_is_named(tampering: Tampering) -> None:
    # ENGINE 22
    for seq in ALL:
        tampering.do(
            "UPDATE entries SET (payload, salt, hash, at, kind) = (SELECT payload, salt, hash, at, kind FROM entries o "
            f"WHERE o.place = entries.place - (1 << 32)) WHERE {TALK} AND {SEQ} = {seq}"
        )
        assert tampering.found() == ("altered", seq)


def test_journal_cut_anywhere_and_given_a_fitting_head_is_found_by_a_head_that_was_given_out(
    tampering: Tampering,
) -> None:
    # ENGINE 22
    for seq in ALL:
        tampering.do(f"DELETE FROM entries WHERE {TALK} AND {SEQ} >= {seq}")
        tampering.fit_head()

        assert tampering.found(given=tampering.head) == ("missing", seq)


def test_journal_rewritten_as_a_whole_is_found_by_a_head_that_was_given_out(tampering: Tampering) -> None:
    # ENGINE 22: whoever has the file can make a chain that holds; the head that is elsewhere tells
    last = chain.GENESIS
    for place, kind in tampering.db.execute(f"SELECT place, kind FROM entries WHERE {TALK} ORDER BY place").fetchall():
        seq, data = place & 0xFFFFFFFF, b'{"what":"else"}'
        last = chain.link(last, "talk", seq, 1, "1 turn", kind, 5, chain.digest(bytes(16), data))
        tampering.db.execute(
            "UPDATE entries SET at = 5, payload = ?, salt = ?, hash = ? WHERE place = ?", (data, bytes(16), last, place)
        )
    tampering.db.execute("UPDATE conversations SET head = ? WHERE id = 'talk'", (last,))

    tampering.loop.run_until_complete(tampering.store.verify("talk"))
    assert tampering.found(given=tampering.head) == ("rewritten", len(ALL))


def test_altered_head_is_named(tampering: Tampering) -> None:
    # ENGINE 22
    for change in ("count = count + 1", "count = 0", "count = 1", "head = zeroblob(32)", "head = 'head'", "head = x''"):
        tampering.do(f"UPDATE conversations SET {change} WHERE id = 'talk'")
        assert tampering.found()[0] == "altered", change


def test_altered_long_text_of_any_entry_is_named(tampering: Tampering) -> None:
    # ENGINE 22, 24
    for change in ("data = replace(data, 'x', 'y')", "data = x''", "data = 1", "digest = 'other'", "owner = 'other'"):
        tampering.do(f"UPDATE artifacts SET {change}")
        assert tampering.found() == ("altered", KINDS.index("value") + 1), change


def test_head_that_was_given_out_holds_for_a_journal_that_went_on(tampering: Tampering) -> None:
    # ENGINE 22
    async def go_on() -> Head:
        journal = await tampering.store.open("talk")
        journal.append(2, "", "run", {})
        await journal.commit()
        await journal.release()
        return await tampering.store.verify("talk", given=tampering.head)

    assert tampering.loop.run_until_complete(go_on()).length == len(ALL) + 1


def test_erased_entry_verifies_in_its_form_only(tampering: Tampering) -> None:
    # ENGINE 23: what is left of it is no place to put words into
    for seq, kind in zip(ALL, KINDS, strict=True):
        [(salt, payload)] = tampering.db.execute(f"SELECT salt, payload FROM entries WHERE {TALK} AND {SEQ} = {seq}")
        digest = chain.digest(salt, payload)
        left = erased_bytes(kind, {"what": kind})

        def erase(left: bytes | None, digest: bytes, seq: int = seq) -> None:
            tampering.db.execute(
                f"UPDATE entries SET payload = ?, salt = NULL, digest = ? WHERE {TALK} AND {SEQ} = ?",
                (left, digest, seq),
            )

        erase(left, digest)
        assert tampering.found() == ("", 0)
        erase(None, digest)
        assert tampering.found() == ("", 0)
        erase(left, bytes(32))
        assert tampering.found() == ("altered", seq)
        for odd in (left[:-1] + b',"text":"I owe you 5"}', b'{"erased":true,"x":1}', b"[]", b"{}", b"no JSON"):
            erase(odd, digest)
            assert tampering.found() == ("altered", seq), odd
