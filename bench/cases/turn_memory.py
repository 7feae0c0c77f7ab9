"""One turn of two assistant agents in a round robin, in memory, and how its cost grows with the conversation."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from benchkit.script import Watch, emit, expect, median, options
from benchkit.words import texts
from pair import TASK, WIDE, pair
from quorate import conversation
from quorate.models.client import ModelClient, ModelEvent, ModelInfo, ModelRequest
from quorate.testing import ScriptedModel

EARLY = slice(5, 25)
REPEATS = 10


@dataclass(frozen=True)
class Stamped:
    """A model that notes the CPU time of each call: the difference of two notes is one turn."""

    model: ModelClient
    at_s: list[float] = field(default_factory=list)

    @property
    def info(self) -> ModelInfo:
        """Be the model inside."""
        return self.model.info

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Note the time and ask the model inside."""
        self.at_s.append(time.process_time())
        return self.model.stream(request)

    async def close(self) -> None:
        """Close the model inside."""
        await self.model.close()


async def converse(model: ModelClient, turns: int) -> float:
    """Hold one conversation and return its CPU seconds per turn."""
    team = pair(model, turns)
    with Watch() as watch:
        result = await team.run(task=TASK, conversation=conversation(), limits=WIDE)
    expect(len(result.messages) == turns + 1, f"{len(result.messages)} messages")
    return watch.cpu_s / turns


async def growth(turns: int, size_bytes: int) -> float:
    """Return what a turn around the last of `turns` costs, as a multiple of one around the 10th.

    Each is the mean of its neighbourhood, and the result the median of several conversations.
    """
    late = slice(turns - 100, turns - 1) if turns > 200 else slice(turns // 2, turns - 1)
    ratios: list[float] = []
    for seed in range(REPEATS):
        model = Stamped(ScriptedModel(texts(turns, size_bytes, seed=seed + 10)))
        await converse(model, turns)
        ratios.append(_mean_step(model.at_s[late]) / _mean_step(model.at_s[EARLY]))
    return median(ratios)


def _mean_step(at_s: list[float]) -> float:
    return (at_s[-1] - at_s[0]) / (len(at_s) - 1)


async def main() -> None:
    """Measure after a short conversation that warms everything up."""
    given = options()
    turns = given.scaled(1000, at_least=60)
    await converse(ScriptedModel(texts(20, given.size_bytes)), 20)
    turn_s = await converse(ScriptedModel(texts(turns, given.size_bytes)), turns)
    emit(turn_us=1e6 * turn_s, growth=await growth(turns, given.size_bytes))


asyncio.run(main())
