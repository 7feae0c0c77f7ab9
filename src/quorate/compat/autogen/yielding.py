"""Work that tells of itself on the way: awaited as it is, or yielded item by item as AutoGen's streams are."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from typing import Any

Tell = Callable[[Any], Awaitable[None]]
"""Is awaited with what there is to tell."""


async def as_it_comes(work: Callable[[Tell], Coroutine[Any, Any, Any]]) -> AsyncGenerator[Any, None]:
    """Yield what work tells, and what it returns last.

    It is done in the task of who asks for the items, and goes no further than to the one that is asked for.
    """
    doing, left = work(_Item), False
    try:
        waits_for = _sent(doing, None)
        while not isinstance(waits_for, _Done):
            try:
                came: Any = None
                if not isinstance(waits_for, _Item):
                    came = await _Passed(waits_for)
                elif not left:
                    yield waits_for.item
            except GeneratorExit:  # which would not let the work wait for anything at its end
                left, waits_for = True, _thrown(doing, _Left())
            except BaseException as error:  # carried into the work, whatever it is
                waits_for = _thrown(doing, error)
            else:
                waits_for = _sent(doing, came)
        if not left:
            yield waits_for.value
    except _Left:
        return
    finally:
        doing.close()


class _Left(BaseException):
    """Nobody asks for more items."""


class _Item:
    """What work tells: awaiting it hands it to who drives the work."""

    __slots__ = ("item",)

    def __init__(self, item: Any) -> None:
        self.item = item

    def __await__(self) -> Generator[_Item, None, None]:
        yield self


class _Passed:
    """Something that the event loop waits for, passed on to it as it is."""

    __slots__ = ("_waits_for",)

    def __init__(self, waits_for: Any) -> None:
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self._waits_for)


class _Done:
    """What work came to."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _sent(doing: Coroutine[Any, Any, Any], value: Any) -> Any:
    try:
        return doing.send(value)
    except StopIteration as done:
        return _Done(done.value)


def _thrown(doing: Coroutine[Any, Any, Any], error: BaseException) -> Any:
    try:
        return doing.throw(error)
    except StopIteration as done:
        return _Done(done.value)


__all__ = ["Tell", "as_it_comes"]
