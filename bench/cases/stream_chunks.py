"""One answer that comes in many chunks, watched through a team.

Variants: nothing for a model that yields them all at once, `paced` for one that lets the loop turn before each, as
a network does.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from benchkit.script import Watch, emit, expect, options
from benchkit.words import texts
from pair import TASK, WIDE
from quorate import (
    AssistantAgent,
    MaxMessageTermination,
    RoundRobinGroupChat,
    conversation,
)
from quorate.chat.messages import ModelClientStreamingChunkEvent
from quorate.models.client import Finished, ModelEvent, ModelInfo, ModelRequest, TextDelta, Usage


@dataclass(frozen=True)
class Chunked:
    """A model that answers once, in the given pieces."""

    pieces: list[str]
    paced: bool
    info: ModelInfo = ModelInfo(name="bench:chunks")

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Yield the pieces."""
        for piece in self.pieces:
            if self.paced:
                await asyncio.sleep(0)
            yield TextDelta(piece)
        yield Finished(Usage(10, len(self.pieces)))

    async def close(self) -> None:
        """Hold nothing."""


async def watch_answer(count: int, *, paced: bool) -> float:
    """Stream an answer of `count` chunks and return the CPU seconds for each."""
    agent = AssistantAgent("writer", Chunked(texts(count, 6), paced), model_client_stream=True)
    team = RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(2))
    seen = 0
    with Watch() as watch:
        async for event in team.run_stream(task=TASK, conversation=conversation(), limits=WIDE):
            seen += isinstance(event, ModelClientStreamingChunkEvent)
    expect(seen == count, f"{seen} chunks")
    return watch.cpu_s / count


async def main() -> None:
    """Measure after a short answer that warms everything up."""
    given = options()
    paced = given.variant == "paced"
    await watch_answer(20, paced=paced)
    emit(chunk_us=1e6 * await watch_answer(given.scaled(10_000), paced=paced))


asyncio.run(main())
