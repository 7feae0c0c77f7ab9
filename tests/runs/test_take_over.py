"""A conversation whose holder lives can be taken over by an operator, and the late holder can write no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate import open_store
from quorate.errors import Conflict


async def test_living_holder_is_asked_for_unless_an_operator_takes_over(tmp_path: Path) -> None:
    # ENGINE 15
    async with open_store(tmp_path / "a.db") as first, open_store(tmp_path / "a.db") as second:
        held = await first.open("talk")

        with pytest.raises(Conflict, match="--take-over"):
            await second.open("talk")
        taken = await second.open("talk", take_over=True)
        taken.append(1, "", "run", {"task": [], "limits": {}})
        await taken.commit()
        held.append(1, "", "stop", {"reason": "late"})
        with pytest.raises(Conflict, match="taken over"):
            await held.commit()

        assert [entry.kind for entry in await second.read("talk")] == ["run"]


async def test_store_does_not_take_over_from_itself(tmp_path: Path) -> None:
    async with open_store(tmp_path / "a.db") as store:
        await store.open("talk")

        with pytest.raises(Conflict):
            await store.open("talk", take_over=True)
