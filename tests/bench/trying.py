"""Runs our scripts of the bench with next to no work, and prints what came of each as a JSON line.

    python trying.py [SERVER]

With the URL of a PostgreSQL server it runs those that need one, else all others. This process imports once; each
script runs in a forked child, as a program of its own.
"""

import asyncio
import gc
import importlib
import json
import os
import runpy
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import asyncpg

from benchkit.spec import OURS, Case, Reading, Script
from benchkit.suite import cases
from quorate import AssistantAgent, open_store, tool
from quorate.testing import ScriptedModel

BENCH = Path(__file__).resolve().parents[2] / "bench"
SCALE = "0.001"


def readings(case: Case) -> list[Reading]:
    return [reading for row in case.rows for reading in (row.ours, row.peer) if reading is not None]


def needs_server(script: Script) -> bool:
    return "postgres" in script.title


def tried(script: Script, server: str) -> dict[str, Any]:
    """Return what a script printed, and how it ended."""
    path = BENCH / script.path
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        child = os.fork()
        if not child:
            os.dup2(out.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            sys.argv = [str(path), *script.arguments, "--scale", SCALE, "--server", server]
            sys.path.insert(0, str(path.parent))
            end = 0
            try:
                runpy.run_path(str(path), run_name="__main__")
            except BaseException:
                traceback.print_exc()
                end = 1
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        errors.seek(0)
        lines = out.read().splitlines()
        return {"exit": os.waitstatus_to_exitcode(status), "last": lines[-1] if lines else "", "errors": errors.read()}


async def database(server: str, name: str) -> str:
    """Return the URL of a new database."""
    connection: Any = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return server.replace("/postgres?", f"/{name}?")


async def load() -> None:
    """Load once what takes long: the AutoGen view, and what a conversation loads when it begins."""
    for name in ("agentchat.agents", "agentchat.teams"):
        importlib.import_module(f"quorate.compat.autogen.{name}")
    agent = AssistantAgent("a", ScriptedModel(["Done."]), tools=[tool(load)])
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(f"sqlite:///{folder}/warm.db") as store:
            await agent.run("Go.", conversation=store.conversation("talk"))


def main(server: str) -> None:
    asyncio.run(load())
    gc.freeze()  # a script's own collections do not go through what was loaded before it
    scripts: dict[tuple[str, str], Script] = {}  # one for all sizes of messages
    promised: dict[tuple[str, str], set[str]] = {}
    for reading in (reading for case in cases() for reading in readings(case)):
        script = reading.script
        if script.where == OURS and needs_server(script) == bool(server):
            scripts[script.path, script.variant] = script
            promised.setdefault((script.path, script.variant), set()).add(reading.key)
    for n, (way, script) in enumerate(scripts.items()):
        where = asyncio.run(database(server, f"bench_{n}")) if server else ""
        told = {"script": script.title, "promised": sorted(promised[way]), **tried(script, where)}
        print(json.dumps(told), flush=True)


main(sys.argv[1] if len(sys.argv) > 1 else "")
