"""OpenAI Agents: two agents that take turns on one SQLite session, tracing off.

The variant is the number of turns, as `benchkit.keeping.length_of` reads it.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents import Agent, Model, ModelResponse, Runner, SQLiteSession, Usage, set_tracing_disabled
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from benchkit.keeping import emit_kept, length_of, peak_mb
from benchkit.script import Watch, expect, options
from benchkit.words import texts


class InstantModel(Model):
    """Answers at once with the next text."""

    def __init__(self, replies: list[str]) -> None:
        self._replies: Iterator[str] = iter(replies)

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
        """Return the next text as a message."""
        part = ResponseOutputText(type="output_text", text=next(self._replies), annotations=[])
        said = ResponseOutputMessage(id="m", type="message", role="assistant", status="completed", content=[part])
        return ModelResponse(output=[said], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        """Not needed here."""
        raise NotImplementedError


async def converse(path: Path, turns: int, size_bytes: int, before: int = 0) -> Watch:
    """Hold one conversation; the session reads all of it before each turn, and writes what is new after it.

    The first `before` turns are not held: the session is given their items.
    """
    model = InstantModel(texts(turns, size_bytes))
    pair = [Agent(name=name, instructions="You work on the text.", model=model) for name in ("writer", "critic")]
    session = SQLiteSession("talk", path)
    if before:
        sample = SQLiteSession("sample")
        await Runner.run(Agent(name="writer", model=InstantModel([""])), "Write about the harbour.", session=sample)
        task, said = await sample.get_items()
        words = texts(before, size_bytes)
        await session.add_items([task, *(spoken(said, text) for text in words)])
    with Watch() as watch:
        for turn in range(before, before + turns):
            await Runner.run(pair[turn % 2], "Write about the harbour." if not turn else [], session=session)
    items = await session.get_items()
    expect(len(items) == before + turns + 1, f"{len(items)} items")
    session.close()
    return watch


def spoken(item: Any, text: str) -> Any:
    """Return the item of a message with another text."""
    return {**item, "content": [{**item["content"][0], "text": text}]}


async def main() -> None:
    """Measure after a short conversation that warms everything up."""
    given = options()
    set_tracing_disabled(True)
    length, held = length_of(given.variant)
    turns = given.scaled(held)
    with tempfile.TemporaryDirectory() as folder:
        await converse(Path(folder, "warm.db"), 20, given.size_bytes)
        before = peak_mb()
        watch = await converse(Path(folder, "talk.db"), turns, given.size_bytes, length - held)
        emit_kept(watch, turns, Path(folder), before)


asyncio.run(main())
