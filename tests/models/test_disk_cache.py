import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.errors import ConfigError, StoreError
from quorate.models.disk_cache import DiskCacheStore
from quorate.testing.caches import check_cache_store


async def test_store_on_disk_keeps_its_promises(tmp_path: Path) -> None:
    await check_cache_store(DiskCacheStore(tmp_path / "cache.db"))


async def test_values_outlive_the_store(tmp_path: Path) -> None:
    first = DiskCacheStore(tmp_path / "cache.db")
    await first.set("a", {"b": [1]})
    await first.close()

    second = DiskCacheStore(tmp_path / "cache.db")
    assert await second.get("a") == {"b": [1]}
    await second.close()


async def test_two_stores_on_one_file_see_what_the_other_has_set(tmp_path: Path) -> None:
    one, two = (DiskCacheStore(tmp_path / "cache.db") for _ in range(2))

    async with asyncio.TaskGroup() as group:
        for i in range(50):
            group.create_task((one, two)[i % 2].set(f"key {i}", i))

    assert [await (two, one)[i % 2].get(f"key {i}") for i in range(50)] == list(range(50))
    await one.close()
    await two.close()


ADDING = """
import asyncio, sys
from quorate.models.disk_cache import DiskCacheStore

async def main():
    store = DiskCacheStore(sys.argv[1])
    for i in range(100):
        await store.set(f"{sys.argv[2]} {i}", i)
    await store.close()

asyncio.run(main())
"""


def test_processes_may_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"

    running = [subprocess.Popen([sys.executable, "-c", ADDING, path, name]) for name in ("a", "b")]

    assert [process.wait(60) for process in running] == [0, 0]

    async def kept() -> list[object]:
        store = DiskCacheStore(path)
        found = [await store.get(f"{name} {i}") for name in ("a", "b") for i in range(100)]
        await store.close()
        return found

    assert asyncio.run(kept()) == [*range(100), *range(100)]


async def test_what_was_not_used_for_longest_goes_when_the_file_is_full(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    store = DiskCacheStore(path, max_bytes=200_000)

    await store.set("used", "x")
    for i in range(200):
        await store.set(f"key {i}", str(i) * 2000)
        assert await store.get("used") == "x"

    kept = [i for i in range(200) if await store.get(f"key {i}") is not None]
    await store.close()
    assert kept
    assert kept == list(range(kept[0], 200))
    assert path.stat().st_size < 300_000


async def test_a_value_that_is_too_large_for_the_file_is_forgotten(tmp_path: Path) -> None:
    store = DiskCacheStore(tmp_path / "cache.db", max_bytes=100_000)

    await store.set("large", "x" * 1_000_000)
    await store.set("small", "x")

    assert (await store.get("large"), await store.get("small")) == (None, "x")
    await store.close()


async def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    store = DiskCacheStore(tmp_path / "cache.db")

    assert not store.path.exists()
    await store.close()


async def test_a_file_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("This is no database. " * 100)

    for path, words in ((tmp_path / "text", "not a database"), (tmp_path / "no" / "cache.db", "unable to open")):
        store = DiskCacheStore(path)
        with pytest.raises(StoreError, match=words):
            await store.set("a", 1)
        await store.close()
    with pytest.raises(ConfigError, match="max_bytes=1 must be at least 100000"):
        DiskCacheStore(tmp_path / "cache.db", max_bytes=1)
