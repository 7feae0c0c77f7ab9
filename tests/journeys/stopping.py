"""A payment whose process is stopped, and one that takes its run over.

python stopping.py work STORE PORT PLACE     # stops itself once: `announced`, before the call; `answered`, after it
python stopping.py follow STORE PORT         # takes over, and says how it ended
"""

import asyncio
import json
import os
import signal
import sys
import urllib.request
from typing import Any

from quorate import AssistantAgent, OperationKey, RoundRobinGroupChat, open_store, tool
from quorate.errors import QuorateError
from quorate.models import ToolCall
from quorate.runs.journal import Conversation
from quorate.runs.steps import DidNot, Happened, Settlement
from quorate.testing import ScriptedModel


def stop() -> None:
    print("stopping", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    print("going on", flush=True)


def made(port: str, place: str, *lines: object) -> RoundRobinGroupChat:
    address = f"http://127.0.0.1:{port}/stopped"

    def post(cents: int, key: str) -> str:
        data = json.dumps({"key": key, "amount": cents}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{address}/unsafe", data)) as answer:  # this machine
            receipt = json.load(answer)["receipt"]
        if place == "answered":
            stop()
        return receipt

    def ask(key: str) -> list[Any]:
        with urllib.request.urlopen(address) as answer:
            return [r for r in json.load(answer) if r["key"] == key]

    async def reconcile(key: str, arguments: str) -> Settlement:
        known = await asyncio.to_thread(ask, key)
        return Happened(f"receipt-{known[0]['amount']}") if known else DidNot()

    @tool(timeout_s=1, reconcile=reconcile)
    async def pay(cents: int, key: OperationKey) -> str:
        """Pay."""
        return post(cents, key)

    return RoundRobinGroupChat([AssistantAgent("clerk", ScriptedModel(lines), tools=[pay])], max_turns=1)


class Stopping:
    """Stops its process when the payment is announced, and before it is made."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def open(self, id: str, **options: Any) -> Any:
        return Stopping(await self._inner.open(id, **options))

    async def commit(self, *, sync: bool = False) -> None:
        await self._inner.commit(sync=sync)
        if sync:
            stop()


async def work(what: str, url: str, port: str, place: str) -> str:
    async with open_store(url) as store:
        if what == "follow":
            async with made(port, "", "Paid.").going_on("talk", store=store, take_over=True) as run:
                result = await run.result()
        else:
            talk = Conversation(Stopping(store) if place == "announced" else store, "talk")  # type: ignore[arg-type]
            pays = ToolCall("c", "pay", '{"cents": 5}')
            result = await made(port, place, pays, "Paid.").run(task="Pay.", conversation=talk)
        return f"{result.messages[-1].to_text()} {[e.kind for e in await store.read('talk') if '2 pay' in e.path]}"


if __name__ == "__main__":
    try:
        print(asyncio.run(work(*sys.argv[1:4], sys.argv[4] if len(sys.argv) > 4 else "")), flush=True)
    except QuorateError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
