"""Runs that a test holds, stops, kills or starves.

python holding.py hold STORE            # works on conversation `talk` until it is let go by a line on stdin
python holding.py resume STORE          # goes on with it, and says how it ended
python holding.py starve STORE BYTES    # works with files that may not grow beyond so many bytes
"""

import asyncio
import resource
import signal
import sys
from typing import Any

from quorate import Agent, AssistantAgent, RoundRobinGroupChat, TextMessage, Turn, open_store, step
from quorate.errors import QuorateError
from quorate.testing import ScriptedModel

LINES = [f"{word} {word * 3000}" for word in ("ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen")]


class Held(Agent):
    """Says one thing, then waits for a line on stdin before it says another."""

    async def speak(self, turn: Turn) -> TextMessage:
        if len(turn.thread) > 1:
            await step("wait", self.wait, effect="read")
        return TextMessage(content=f"message {len(turn.thread)}", source=self.name)

    async def wait(self) -> str:
        print("holding", flush=True)
        return await asyncio.to_thread(sys.stdin.readline)


def talking(said: int = 0) -> RoundRobinGroupChat:
    return RoundRobinGroupChat([AssistantAgent("a", ScriptedModel(LINES[said:]))], max_turns=len(LINES))


async def work(what: str, url: str) -> str:
    async with open_store(url) as store:
        talk = store.conversation("talk")
        if what == "starve":
            return (await talking().run(task="Go.", conversation=talk)).run_id
        team = RoundRobinGroupChat([Held("a")], max_turns=2)
        running: Any = team.run(task="Go.", conversation=talk)
        if what == "resume":
            running.close()
            running = team.continue_run("talk", store=store)
        result = await running
        return f"{result.outcome.kind}: {len(result.messages)} messages"


def main() -> None:
    what, url = sys.argv[1:3]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what is in its background without
    if what == "starve":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
    try:
        print(asyncio.run(work(what, url)), flush=True)
    except QuorateError as error:
        print(f"{type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main()
