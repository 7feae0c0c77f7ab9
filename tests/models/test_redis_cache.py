import sys
from pathlib import Path
from typing import Any

import pytest

from quorate.errors import ConfigError, StoreError
from quorate.models import Blocks, ModelRequest, Said, collect
from quorate.models.cache import ChatCompletionCache
from quorate.models.redis_cache import MONTH_S, RedisStore
from quorate.testing import ScriptedModel
from quorate.testing.caches import check_cache_store


async def test_store_on_redis_keeps_its_promises(redis_server: str, request: Any) -> None:
    await check_cache_store(RedisStore(redis_server, prefix=f"{request.node.name}:"))


async def test_another_client_sees_values_under_the_same_prefix_only(redis_server: str) -> None:
    one, same, other = (RedisStore(redis_server, prefix=prefix) for prefix in ("p:", "p:", "q:"))

    await one.set("a", [1])

    assert (await same.get("a"), await other.get("a")) == ([1], None)
    for store in (one, same, other):
        await store.close()


async def test_a_model_s_answer_is_kept_for_other_machines(redis_server: str) -> None:
    request = ModelRequest(Blocks([Said("Hi.")]))
    one, two = (RedisStore(redis_server, prefix="answers:") for _ in range(2))

    await collect(ChatCompletionCache(ScriptedModel(["Hello."]), one), request)
    answer = await collect(ChatCompletionCache(ScriptedModel([]), two), request)

    assert answer.reply.text == "Hello."
    await one.close()
    await two.close()


async def test_a_value_expires(redis_server: str) -> None:
    import redis.asyncio

    store = RedisStore(redis_server, prefix="e:", expires_s=60)
    by_default = RedisStore(redis_server, prefix="d:")
    await store.set("a", 1)
    await by_default.set("a", 1)

    async with redis.asyncio.from_url(redis_server) as client:
        assert 0 < await client.ttl("e:a") <= 60
        assert MONTH_S - 60 < await client.ttl("d:a") <= MONTH_S
    await store.close()
    await by_default.close()


async def test_what_somebody_else_put_there_is_not_there(redis_server: str) -> None:
    import redis.asyncio

    async with redis.asyncio.from_url(redis_server) as client:
        await client.set("f:a", "no JSON")
        await client.lpush("f:b", "a list")
    store = RedisStore(redis_server, prefix="f:")

    assert await store.get("a") is None
    with pytest.raises(StoreError, match="WRONGTYPE"):
        await store.get("b")
    await store.close()


async def test_a_server_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    store = RedisStore(f"unix://ann:s3cret@{tmp_path}/no.sock")
    tcp = RedisStore("redis://ann:s3cret@localhost:1/0", timeout_s=1.0)

    for one in (store, tcp):
        with pytest.raises(StoreError) as refused:
            await one.get("a")
        assert "s3cret" not in f"{refused.value} {one!r}"
        with pytest.raises(StoreError):
            await one.set("a", 1)
        await one.close()


def test_a_wrong_url_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)

    with pytest.raises(ConfigError, match="Set REDIS_URL, or give one"):
        RedisStore()
    with pytest.raises(ConfigError, match="http://…@host/ is no URL of Redis") as refused:
        RedisStore("http://ann:s3cret@host/")
    assert "s3cret" not in str(refused.value)
    with pytest.raises(ConfigError, match="expires_s=0"):
        RedisStore("redis://localhost", expires_s=0)


async def test_the_url_may_come_from_the_environment(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_URL", redis_server)
    store = RedisStore(url_environment="CACHE_URL", prefix="g:")

    await store.set("a", 1)

    assert await store.get("a") == 1
    await store.close()


def test_redis_is_not_loaded_before_a_store_is_made() -> None:
    import subprocess

    script = "import sys, quorate.models.redis_cache, quorate.models.cache; assert 'redis' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
