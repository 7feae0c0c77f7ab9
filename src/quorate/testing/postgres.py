"""A PostgreSQL server of one's own, for a test or a measurement."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from quorate.errors import ConfigError

PLACES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql*/bin")
"""Where packages put the server, which is rarely on the path."""
START_S = 60.0
USERS = ("postgres", "nobody")
_RUN = '"$@" </dev/null & read -r _; kill -TERM $!; kill -QUIT $!; wait $!; rm -rf "$FOLDER"'
"""Ends the server and clears up when the standard input ends, which it does when the process that started it dies.

Before it is ready it ignores the one signal, and later, while it has clients, the other."""


def server_folder() -> Path | None:
    """Return where the programs of the newest PostgreSQL server of this machine are, None if it has none."""
    found = [Path(at).resolve().parent for at in [shutil.which("postgres")] if at]
    found += [Path(folder) for place in PLACES for folder in Path("/").glob(place) if (folder / "postgres").exists()]
    return max(found, key=_version, default=None)


def _version(folder: Path) -> list[int]:
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    number = next((word for word in said.split() if word[0].isdigit()), "0")
    return [int(part) for part in number.split(".") if part.isdecimal()]


@contextmanager
def postgres_server(**settings: str) -> Generator[str]:
    """Run a new PostgreSQL server, reached through a socket in a folder of its own, and clear it away in the end.

    Args:
        settings: Of the server, as in postgresql.conf. `fsync` is off unless it is set.

    Yields:
        A URL for `open_store`.

    Raises:
        ConfigError: This machine has no server.
    """
    programs = server_folder()
    if programs is None:
        raise ConfigError("There is no PostgreSQL server here. On Debian and Ubuntu: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="quorate-pg-"))
    user = _user(folder)
    data = folder / "data"
    try:
        made = subprocess.run(
            [programs / "initdb", "-D", data, "-A", "trust", "-U", "quorate", "-E", "UTF8", "--locale=C", "--no-sync"],
            cwd=folder, capture_output=True, text=True, check=False, **user,
        )  # fmt: skip
        if made.returncode:
            raise ConfigError(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")
        wanted = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off"} | settings
        options = [word for name, value in wanted.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            keeper = subprocess.Popen(
                ["/bin/sh", "-c", _RUN, "sh", programs / "postgres", "-D", data, *options],
                cwd=folder, stdin=subprocess.PIPE, stdout=log, stderr=log,
                env={"PATH": os.defpath, "FOLDER": str(folder)}, start_new_session=True, **user,
            )  # fmt: skip
        try:
            _wait(keeper, programs, folder)
            yield f"postgresql://quorate@/postgres?host={folder}"
        finally:
            keeper.communicate()  # closes its standard input
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user(folder: Path) -> dict[str, Any]:
    """Return who runs the server: it refuses root, so then somebody else."""
    if os.name != "posix" or os.geteuid() != 0:
        return {}
    import pwd

    for name in USERS:
        with suppress(KeyError):
            found = pwd.getpwnam(name)
            os.chown(folder, found.pw_uid, found.pw_gid)
            folder.chmod(0o755)
            return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise ConfigError(f"PostgreSQL does not run as root, and there is none of the users {', '.join(USERS)}.")


def _wait(keeper: subprocess.Popen[Any], programs: Path, folder: Path) -> None:
    until = time.monotonic() + START_S
    asking = [programs / "pg_isready", "-q", "-h", folder, "-U", "quorate", "-d", "postgres"]
    while subprocess.run(asking, check=False).returncode != 0:
        if keeper.poll() is not None or time.monotonic() > until:
            raise ConfigError(f"The PostgreSQL server did not start:\n{(folder / 'log').read_text()[-2000:]}")
        time.sleep(0.02)
