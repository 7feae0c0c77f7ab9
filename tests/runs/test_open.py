from pathlib import Path

import pytest

from quorate import open_store
from quorate.errors import ConfigError
from quorate.runs.memory import MemoryStore
from quorate.runs.sqlite.store import SqliteStore


async def test_url_with_three_slashes_is_relative_and_with_four_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async with open_store("sqlite:///here/work.db") as one, open_store(f"sqlite:///{tmp_path}/there.db") as two:
        assert isinstance(one, SqliteStore)
        assert isinstance(two, SqliteStore)

    assert (tmp_path / "here" / "work.db").exists()
    assert (tmp_path / "there.db").exists()


async def test_path_opens_a_sqlite_store_whose_url_opens_it_again(tmp_path: Path) -> None:
    async with open_store(tmp_path / "work.db") as store:
        await store.conversation("talk").entries()
        url = store.url

    async with open_store(url) as again:
        assert isinstance(again, SqliteStore)
        assert again.path == tmp_path / "work.db"


def test_memory_is_a_store_that_ends_with_the_process() -> None:
    store = open_store("memory:")

    assert isinstance(store, MemoryStore)
    assert store.url == ""


@pytest.mark.parametrize("url", ["mysql://x", "http://x/y.db", "sqlite://x.db", "sqlite:///", "sqlite:///:memory:", ""])
def test_url_that_is_no_store_is_refused_with_one_that_is(url: str) -> None:
    with pytest.raises(ConfigError, match=r"sqlite:///work.db"):
        open_store(url)


def test_durability_is_one_of_two(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="durability='disk' is neither 'process' nor 'power'"):
        open_store(tmp_path / "work.db", durability="disk")
