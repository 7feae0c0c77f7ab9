"""A process that asks a model within a budget that it shares with others, and may be killed at any moment.

Its provider is a file: a line for each call that it took, another when it has served it, with what it used.
"""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from quorate import AssistantAgent, Budget, Limits, Price, RoundRobinGroupChat, open_store
from quorate.models import Finished, ModelEvent, ModelInfo, ModelRequest, TextDelta, Usage
from quorate.models.calls import prompt_bound

PRICES = {"my:model": Price(1000.0, 4000.0)}
BUDGET = Budget("acme/ann", tokens=7_000, cost_usd=20.0)


class Provider:
    def __init__(self, book: Path, seed: int) -> None:
        self.info = ModelInfo(name="my:model", attempts=1, max_output=150)
        self.book, self.random = book, random.Random(seed)

    def write(self, *words: object) -> None:
        line = " ".join(map(str, words)) + "\n"
        file = os.open(self.book, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode())
        os.close(file)

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        bound = prompt_bound(request)
        call = f"{os.getpid()}-{self.random.randrange(10**9)}"
        self.write("took", call, bound + request.max_tokens)
        await asyncio.sleep(self.random.random() * 0.02)
        used = Usage(self.random.randint(1, bound), self.random.randint(1, request.max_tokens))
        self.write("served", call, used.prompt_tokens, used.completion_tokens)
        yield TextDelta(f"{call} {self.random.random()}")
        yield Finished(used)

    async def close(self) -> None: ...


async def main(folder: Path, seed: int) -> None:
    provider = Provider(folder / "book", seed)
    team = RoundRobinGroupChat([AssistantAgent(n, provider, system_message=None) for n in ("a", "b")])
    async with open_store(folder / "work.db") as store:

        async def one(n: int) -> None:
            talk = store.conversation(f"talk-{seed}-{n}")
            await team.run("Go.", conversation=talk, budgets=[BUDGET], prices=PRICES, limits=Limits(turns=20))

        await asyncio.gather(*(one(n) for n in range(4)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
