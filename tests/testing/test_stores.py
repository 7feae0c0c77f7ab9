"""What every store promises, asked of each one there is; and whether the suite finds a store that breaks a promise."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from quorate import open_store
from quorate.runs.entries import Entry
from quorate.runs.inbox import Note
from quorate.runs.journal import Journal, Store
from quorate.runs.memory import MemoryJournal, MemoryStore
from quorate.testing import StoreCase, check_store, store_cases

MEMORY = store_cases(lasting=False)


@pytest.mark.parametrize("case", MEMORY, ids=str)
async def test_store_in_memory_keeps_its_promises(case: StoreCase) -> None:
    await case(in_memory)


@pytest.mark.parametrize("case", store_cases(), ids=str)
async def test_sqlite_store_keeps_its_promises(case: StoreCase, tmp_path: Path) -> None:
    await case(lambda place, **options: open_store(tmp_path / f"{place}.db", **options))


@pytest.mark.parametrize("case", store_cases(), ids=str)
async def test_postgres_store_keeps_its_promises(case: StoreCase, postgres: str) -> None:
    await case(lambda place, **options: open_store(f"{postgres}_{place.replace('-', '_')}", **options))


def in_memory(place: str, **options: Any) -> Store:
    return MemoryStore(**options)


def test_every_promise_says_what_it_is() -> None:
    cases = store_cases()

    assert len({str(case) for case in cases}) == len(cases) > 40
    assert [str(case) for case in cases if not case.check.__doc__] == []
    assert {str(case) for case in MEMORY} < {str(case) for case in cases}


# -- stores that break a promise --------------------------------------------------------------------------------------


class Gapped(MemoryJournal):
    def append(self, run: int, path: str, kind: str, payload: Any) -> Entry:
        entry = super().append(run, path, kind, payload)
        self._entries[-1] = replace(entry, seq=entry.seq * 2)
        return self._entries[-1]


class Answering(MemoryJournal):
    def post(self, note: Note) -> None:
        self._spent.pop(note.id, None)
        super().post(note)


class Breaking(MemoryStore):
    """A store in memory that does one thing wrong."""

    def __init__(self, what: str, **options: Any) -> None:
        super().__init__(**options)
        self.what = what

    def _journal(self, id: str, owner: str) -> MemoryJournal:
        kind = {"gaps": Gapped, "answers twice": Answering}.get(self.what, MemoryJournal)
        return self._journals.setdefault((owner, id), kind(id, owner, self.clock, self._redact))

    async def open(self, id: str, **options: Any) -> Journal:
        if self.what == "two writers" and (self.__dict__.get("_journals") or {}):
            for journal in self._journals.values():
                journal.held = False
        if self.what == "owners meet":
            options["owner"] = "somebody"
        return await super().open(id, **options)

    async def read(self, id: str, **options: Any) -> list[Entry]:
        if self.what == "owners meet":
            options["owner"] = "somebody"
        if self.what == "no pages":
            options.pop("limit", None)
        return await super().read(id, **options)

    async def conversations(self, **options: Any) -> Any:
        found = await super().conversations(**options)
        return found[::-1] if self.what == "latest first" else found


BROKEN: dict[str, Sequence[str]] = {
    "gaps": ["entries_are_numbered_without_a_gap_whoever_writes"],
    "answers twice": [
        "first_answer_is_the_answer_even_after_it_was_taken",
        "of_many_answers_at_once_one_is_the_answer",
    ],
    "two writers": ["only_one_holds_a_conversation_at_a_time", "store_does_not_take_over_from_itself"],
    "owners meet": ["owners_have_conversations_of_the_same_name_without_meeting"],
    "no pages": ["reading_goes_by_pages"],
    "latest first": ["conversations_are_listed_with_the_latest_last", "conversations_are_listed_by_pages"],
}


@pytest.mark.parametrize("what", BROKEN)
async def test_suite_names_the_promise_that_a_store_breaks(what: str) -> None:
    with pytest.raises(ExceptionGroup) as failed:
        await check_store(lambda place, **options: Breaking(what, **options), lasting=False)

    named = {note.removeprefix("in ") for error in failed.value.exceptions for note in error.__notes__}
    assert set(BROKEN[what]) <= named
