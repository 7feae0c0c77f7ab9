"""A run whose tool pays, in a process that may stop itself at the worst moment: announced, and not yet paid.

python paying.py begin STORE LEDGER stop        # says "announced" and stops itself; woken, it says what came of it
python paying.py resume STORE LEDGER [take]     # goes on with it, and says how it ended
"""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from quorate import AssistantAgent, MaxMessageTermination, RoundRobinGroupChat, open_store, tool
from quorate.errors import QuorateError
from quorate.models import ToolCall
from quorate.runs.postgres.journal import PostgresJournal
from quorate.runs.sqlite.store import SqliteJournal
from quorate.runs.steps import DidNot, Happened
from quorate.testing import ScriptedModel


def paying(ledger: Path, said: int = 0) -> RoundRobinGroupChat:
    """Return a team whose clerk pays once and then says so; its model has said `said` of the two replies."""

    async def reconcile(key: str, arguments: str) -> Happened | DidNot:
        return Happened("paid") if os.path.exists(ledger) else DidNot()  # noqa: ASYNC240, PTH110  # it is a test

    @tool(timeout_s=1, reconcile=reconcile)
    async def pay(cents: int) -> str:
        """Pay somebody."""
        with ledger.open("a") as book:
            book.write(f"{cents} by {os.getpid()} at {time.time()}\n")
        return "paid"

    replies = [ToolCall("1", "pay", '{"cents": 5}'), "It is paid."]
    clerk = AssistantAgent("clerk", ScriptedModel(replies[said:]), tools=[pay])
    return RoundRobinGroupChat([clerk], termination_condition=MaxMessageTermination(2))


def stop_after_intent() -> None:
    """Let the process stop itself as soon as an intent is on disk."""
    for journal in (SqliteJournal, PostgresJournal):
        journal.commit = stopping(journal.commit)


def stopping(commit: Any) -> Any:
    async def commit_and_stop(self: Any, *, sync: bool = False) -> None:
        await commit(self, sync=sync)
        if sync:
            print("announced", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
            print("awake", flush=True)

    return commit_and_stop


async def work(what: str, url: str, ledger: Path, *, take_over: bool) -> str:
    async with open_store(url) as store:
        if what == "begin":
            result = await paying(ledger).run(task="Pay.", conversation=store.conversation("talk"))
        else:
            said = sum(entry.kind == "reply" for entry in await store.read("talk"))
            async with paying(ledger, said).going_on("talk", store=store, take_over=take_over) as run:
                result = await run.result()
        assert result.outcome is not None
        return f"{result.outcome.kind}: {result.messages[-1].to_text()}"


def main() -> None:
    what, url, ledger, *more = sys.argv[1:]
    if "stop" in more:
        stop_after_intent()
    try:
        print(asyncio.run(work(what, url, Path(ledger), take_over="take" in more)), flush=True)
    except QuorateError as error:
        print(f"{type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main()
