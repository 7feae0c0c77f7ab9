"""The ledger of a scope that runs share: a journal of its own in the store, that nobody holds.

Whoever calls a model adds to it, under a lock on its head, in the transaction that writes the call. Kinds of entries:

| kind | payload |
|---|---|
| `held` | a call is about to be made: `by`, `owner` (which, whose), `held` (at most: tokens, billionths of a dollar) |
| `settled` | it came to an end: the same, and `used` (the same two; the money null where no price is known) |
| `unknown` | it was cut, and counts at its worst case: `by`, `owner`, `held` |

Each has the balance after it in `sum`, so that looking a scope up costs one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple, Protocol

from quorate.runs.entries import Entry, Payload

LEDGERS = "*"
"""The owner of all ledgers in a store: a scope may have runs of many owners, and holds nothing that they said."""

NANO = 1_000_000_000
"""Ledgers count money in whole billionths of a dollar, so that sums are exact."""


class Balance(NamedTuple):
    """What a scope has used and what calls under way may still use.

    `held_*` are worst cases: of calls that are under way, and of those that were cut and whose outcome nobody knows.
    `unknown_*` is the part of them that is known to be cut. `unpriced` counts calls whose price nobody knows.
    """

    calls: int = 0
    tokens: int = 0
    nano_usd: int = 0
    held_calls: int = 0
    held_tokens: int = 0
    held_nano_usd: int = 0
    unknown_calls: int = 0
    unknown_tokens: int = 0
    unknown_nano_usd: int = 0
    unpriced: int = 0

    @property
    def all_tokens(self) -> int:
        """The tokens that nobody else may use."""
        return self.tokens + self.held_tokens

    @property
    def all_usd(self) -> float:
        """The dollars that nobody else may use."""
        return (self.nano_usd + self.held_nano_usd) / NANO


def after(balance: Balance, kind: str, said: Mapping[str, Any]) -> Balance:
    """Return the balance after an entry of a ledger: `held`, `settled`, or `unknown`."""
    tokens, nano = said["held"]
    if kind == "held":
        return balance._replace(
            held_calls=balance.held_calls + 1,
            held_tokens=balance.held_tokens + tokens,
            held_nano_usd=balance.held_nano_usd + nano,
        )
    if kind == "unknown":
        return balance._replace(
            unknown_calls=balance.unknown_calls + 1,
            unknown_tokens=balance.unknown_tokens + tokens,
            unknown_nano_usd=balance.unknown_nano_usd + nano,
        )
    if kind != "settled":
        return balance
    used_tokens, used_nano = said["used"]
    return balance._replace(
        calls=balance.calls + 1,
        tokens=balance.tokens + used_tokens,
        nano_usd=balance.nano_usd + (used_nano or 0),
        held_calls=balance.held_calls - 1,
        held_tokens=balance.held_tokens - tokens,
        held_nano_usd=balance.held_nano_usd - nano,
        unpriced=balance.unpriced + (used_nano is None),
    )


def balance_of(payload: Payload | None) -> Balance:
    """Return the balance that the last entry of a ledger has; of one without entries nothing is used."""
    return Balance() if payload is None else Balance(*payload["sum"])


def next_entry(last: Payload | None, kind: str, said: Payload) -> Payload:
    """Return the payload of a ledger's next entry: what it says, and the balance with it."""
    return {**said, "sum": list(after(balance_of(last), kind, said))}


class Ledgers(Protocol):
    """How a journal reserves in ledgers; every open `Journal` can."""

    owner: str

    def charge(self, ledger: str, kind: str, said: Payload) -> None:
        """Add an entry to a ledger, together with the next commit."""
        ...

    async def reserve(self, ledgers: Sequence[str], decide: Callable[[list[Balance]], None]) -> None:
        """Commit in one transaction with a look at ledgers, to which nobody else can add in between.

        Args:
            ledgers: Their ids, in ascending order.
            decide: Is given their balances; what it appends and charges is committed with all that was before. What it
                raises is raised, and nothing is written.
        """
        ...


def cut_calls(journal: Ledgers, run: str, entries: Iterable[Entry]) -> None:
    """Note in the ledgers which reservations of an attempt that was killed nobody will settle."""
    left: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.kind in {"run", "resumed", "fork"}:
            left.clear()
        elif entry.kind == "call" and "ledgers" in entry.payload:
            left.setdefault(entry.path, []).append(entry)
        elif entry.kind in {"reply", "retry", "error"} and left.get(entry.path):
            left[entry.path].pop()
    for call in (call for calls in left.values() for call in calls):
        said = call.payload
        held = [said["bound"] + said["cap"], nano(said.get("worst_usd") or 0.0)]
        for ledger in said["ledgers"]:
            journal.charge(ledger, "unknown", {"by": f"{run}:{call.path}", "owner": journal.owner, "held": held})


def nano(usd: float) -> int:
    """Return dollars as billionths, rounded up."""
    return ceil(round(usd * NANO, 3))
