"""Teams of the view inside a run: their turns are in its journal, and count within its limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from typing import Any, cast

from quorate.chat import nesting
from quorate.chat.facts import Fact
from quorate.chat.feed import Feed
from quorate.chat.messages import GO_ON, BaseChatMessage, BaseMessage, ModelClientStreamingChunkEvent
from quorate.chat.nesting import Inside
from quorate.chat.talk import Cast, Talk
from quorate.runs import paths
from quorate.runs.run import Run
from quorate.runs.scope import Scope


class Pipe(Feed):
    """Puts what happens into a queue, as it is."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        super().__init__()
        self.items: asyncio.Queue[Any] = asyncio.Queue()

    @property
    def watched(self) -> bool:
        return True

    def push(self, item: Any) -> None:
        self.items.put_nowait(item)

    def tell(self, message: BaseMessage | None) -> None:
        if message is not None:
            self.push(message.model_copy())


def kept(scope: Scope, name: str) -> Talk | None:
    """Return the conversation that goes on under a name where a team is run in `scope`, None where none does."""
    outer, base = nesting.around(scope.run, scope.path)
    return outer.inner.get(paths.names(paths.child(scope.path, 1, name), base))


def place_of(run: Run, path: str) -> str:
    """Return what tells the conversation that a path lies in from others, and stays the same from run to run."""
    nest = run.nest_at(path) if run.nests else None
    return _place(run, "" if nest is None else nest.path)


def place_in(scope: Scope, name: str) -> str:
    """Return the same of a conversation under a name that is about to be had in `scope`."""
    return _place(scope.run, paths.child(scope.path, 1, name))


def _place(run: Run, path: str) -> str:
    conversation = run.journal.conversation
    return "/".join((conversation, *paths.names(path))) if path else conversation


async def talking(
    scope: Scope, cast_of: Cast, given: Sequence[BaseChatMessage], *, remember: bool
) -> AsyncGenerator[Any, None]:
    """Have a conversation in a scope of a run; yield what comes, and what it came to last, an `Inside`.

    What a crash has left of it comes first: closed turns are not run again.
    """
    pipe, seen, resumed = Pipe(), set[str](), bool(scope.run.recorded)

    def missed(facts: Iterable[Fact]) -> Iterator[BaseMessage]:
        for item in map(_item, facts):
            if item is not None and item.id not in seen:
                seen.add(item.id)
                yield item

    async def work() -> tuple[Inside, list[Fact]]:
        task: Any = list(given) or GO_ON
        found = await nesting.converse_inside(
            scope, cast_of, task, remember=remember, feed=pipe, apart=True, owned=True
        )
        return found, found.talk.facts[found.talk.first :]  # now: a call that waited goes on with the same talk

    async for item in pumped(work(), pipe.items):
        if isinstance(item, tuple):
            found, facts = cast("tuple[tuple[Inside, list[Fact]]]", item)[0]
            for one in missed(facts):
                yield one
            yield found
            return
        if resumed:
            resumed = False
            for nest in scope.run.nests.values():
                if nest.feed is pipe:
                    for one in missed(nest.talk.facts[nest.talk.first :]):
                        yield one
        if isinstance(item, ModelClientStreamingChunkEvent):
            yield item
        elif item.id not in seen:
            seen.add(item.id)
            yield item


def _item(fact: Fact) -> BaseMessage | None:
    """Return what was said or done, and who was chosen; None for what the team was told."""
    return fact.event or (fact.message if fact.speaker else None)


async def pumped(working: Any, items: asyncio.Queue[Any]) -> AsyncGenerator[Any, None]:
    """Yield what work in a task of its own puts into a queue, and what it came to last, in a one-tuple."""
    task = asyncio.get_running_loop().create_task(working)
    task.add_done_callback(lambda _: items.put_nowait(_END))
    try:
        while (item := await items.get()) is not _END:
            yield item
        yield (task.result(),)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])


_END = object()


__all__ = ["Inside", "Pipe", "kept", "place_in", "place_of", "pumped", "talking"]
