"""Through a proxy that gives each transaction another backend: locks of a session mean nothing there (ENGINE 15)."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from quorate import open_store
from quorate.errors import Conflict
from quorate.runs.inbox import Note
from quorate.runs.postgres.store import PostgresStore
from quorate.testing import StoreCase, store_cases

CONFIG = """
[databases]
postgres = host={server} user=quorate
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 4
logfile = {folder}/log
pidfile = {folder}/pid
"""


@pytest.fixture(scope="module")
def proxy(postgres_server: str) -> Iterator[str]:
    """The URL of the same server through pgbouncer."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None and "CI" not in os.environ:
        pytest.skip("NO PGBOUNCER: stores behind a proxy were NOT tested. On Debian: apt-get install pgbouncer")
    assert program is not None
    folder = Path(tempfile.mkdtemp(prefix="quorate-proxy-"))
    server = dict(parse_qsl(urlsplit(postgres_server).query))["host"]
    config = folder / "pgbouncer.ini"
    config.write_text(CONFIG.format(server=server, folder=folder))
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        owner = pwd.getpwuid(Path(server).stat().st_uid)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        folder.chmod(0o755)
        user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    process = subprocess.Popen([program, "-q", config], cwd=folder, stderr=subprocess.DEVNULL, **user)
    until = time.monotonic() + 60
    while not listens(folder / ".s.PGSQL.6432"):
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < until
        time.sleep(0.02)
    yield f"postgresql://quorate@/postgres?host={folder}&port=6432"
    process.kill()
    process.wait(60)
    shutil.rmtree(folder, ignore_errors=True)


def listens(path: Path) -> bool:
    """Whether somebody takes connections at a socket: it is there a moment before."""
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(str(path)) == 0


async def test_proxy_is_noticed_and_the_lease_is_one_that_expires(proxy: str, postgres: str) -> None:
    # ENGINE 15
    schema = postgres.rpartition("=")[2]
    async with open_store(f"{proxy}&schema={schema}") as behind, open_store(postgres) as direct:
        assert isinstance(behind, PostgresStore)
        assert isinstance(direct, PostgresStore)
        journal = await behind.open("talk")
        other = await direct.open("other")
        told: asyncio.Queue[str] = asyncio.Queue()
        journal.watch(lambda notes: told.put_nowait(notes[0].id))
        for n in range(20):
            journal.append(1, "1 turn", "value", {"value": n})
            await journal.commit(sync=n % 2 == 0)
        await direct.post("talk", Note("n", "steer", {}))

        leases = behind._driver.lease, direct._driver.lease
        with pytest.raises(Conflict, match="going on in a living process"):
            await direct.open("talk")
        with pytest.raises(Conflict, match="going on in a living process"):
            await behind.open("other")
        noticed = await asyncio.wait_for(told.get(), 60)
        head = await direct.verify("talk")
        await other.release()

    assert leases == ("expiry", "lock")
    assert noticed == "n"
    assert head == journal.head()


@pytest.mark.parametrize("case", store_cases(), ids=str)
async def test_store_behind_a_proxy_keeps_its_promises(case: StoreCase, proxy: str, postgres: str) -> None:
    schema = postgres.rpartition("=")[2]

    await case(
        lambda place, **options: open_store(f"{proxy}&schema={schema}_{place.replace(chr(45), chr(95))}", **options)
    )
