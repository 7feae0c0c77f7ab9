"""How the cases say what they expect, without a test framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from quorate.runs.clock import Clock
from quorate.runs.entries import LOCAL_OWNER, Entry, Payload, Redact
from quorate.runs.journal import Journal, Store


class Open(Protocol):
    """Opens the store at a place; at the same place again: what another process would see."""

    def __call__(
        self, place: str = "here", *, clock: Clock | None = None, redact: Redact | None = None
    ) -> Awaitable[Store]: ...


Check = Callable[[Open], Coroutine[Any, Any, None]]


def lasting(check: Check) -> Check:
    """Mark a promise of those stores whose content outlives them."""
    check.lasting = True  # pyright: ignore[reportFunctionMemberAccess]: read by `store_cases`
    return check


def same(got: object, expected: object, what: str = "") -> None:
    """Expect a value.

    Raises:
        AssertionError: It is another.
    """
    if got != expected:
        raise AssertionError(f"{what or 'It'} is {got!r}, and should be {expected!r}.")


@contextmanager
def refused(kind: type[Exception], *words: str) -> Generator[None]:
    """Expect an error whose message has these words.

    Raises:
        AssertionError: There was none, or it says something else.
    """
    try:
        yield
    except kind as error:
        for word in words:
            if word not in str(error):
                raise AssertionError(f"{kind.__name__} should say {word!r}, and says {str(error)!r}.") from error
    else:
        raise AssertionError(f"Nothing was raised, and {kind.__name__} should be.")


async def write(journal: Journal, *values: object, run: int = 1) -> None:
    """Append and commit an entry a value."""
    for value in values:
        journal.append(run, "1 turn", "value", {"value": value})
    await journal.commit()


async def written(store: Store, id: str, *values: object, owner: str = LOCAL_OWNER) -> None:
    """Open a conversation, write values and give it back."""
    journal = await store.open(id, owner=owner)
    await write(journal, *values)
    await journal.release()


def values(entries: Sequence[Entry]) -> list[Any]:
    """Return the values that `write` wrote."""
    return [entry.payload.get("value") for entry in entries]


def starred(path: str, kind: str, payload: Payload) -> Payload:
    """Redact: put stars in the place of a word."""
    return {name: _starred(value) for name, value in payload.items()}


def _starred(value: Any) -> Any:
    return value.replace("sesame", "******") if isinstance(value, str) else value
