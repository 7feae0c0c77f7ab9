"""The conformance suite of cache stores: what each must do so that a cached answer is the answer."""

from __future__ import annotations

import asyncio
from typing import Any

from quorate.errors import ConfigError
from quorate.models.cache import CacheStore

VALUES: tuple[Any, ...] = (
    "", "text\n", "Привет 🦜", 0, 1, -1.5, False, True, [], {}, [None, [1, "a"]], {"ключ": {"inner": [None]}},
    "x" * 100_000,
)  # fmt: skip
KEYS = ("a", "A", "", "a b", "a/b:c*", "ключ", "k" * 500)


async def check_cache_store(store: CacheStore) -> None:
    """Make sure that a store, which is empty and has room for a hundred values, does what `CacheStore` says; close it.

    Raises:
        AssertionError: A promise is not kept; says which.
    """
    _same(await store.get("nothing"), None, "What was never set is not there")
    for value in VALUES:
        await store.set("key", value)
        _same(await store.get("key"), value, "What was set comes back, and the last one counts")
    for i, key in enumerate(KEYS):
        await store.set(key, i)
    _same([await store.get(key) for key in KEYS], list(range(len(KEYS))), "Keys are told apart, whatever is in them")
    mine: list[Any] = [{"inner": [1]}]
    await store.set("mine", mine)
    mine[0]["inner"].append(2)
    got: Any = await store.get("mine")
    _same(got, [{"inner": [1]}], "A value that is changed after it was set changes nothing")
    got.append(3)
    _same(await store.get("mine"), [{"inner": [1]}], "A value that is changed after it was got changes nothing")
    for value in (None, {1}, float("nan"), object()):
        try:
            await store.set("no data", value)
        except ConfigError:
            continue
        raise AssertionError(f"What is no JSON data is refused: {value!r}")
    _same(await store.get("no data"), None, "What was refused is not there")
    async with asyncio.TaskGroup() as group:
        for i in range(20):
            group.create_task(store.set(f"many {i}", i))
    found = await asyncio.gather(*(store.get(f"many {i}") for i in range(20)))
    _same(list(found), list(range(20)), "Many may use it at the same time")
    await store.close()
    await store.close()
    await store.set("again", 1)
    _same(await store.get("again"), 1, "A store that was closed may be used again")
    await store.close()


def _same(got: Any, expected: Any, promise: str) -> None:
    if got != expected or type(got) is not type(expected):
        raise AssertionError(f"{promise}: expected {expected!r:.200}, got {got!r:.200}")
