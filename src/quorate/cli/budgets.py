"""`quorate budget`: what runs that share a budget have used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from quorate.chat import shown
from quorate.cli.lists import print_table
from quorate.cli.place import Place
from quorate.cli.printing import print_json
from quorate.cli.project import Project, find_project
from quorate.errors import ConfigError
from quorate.runs.budget import Budget
from quorate.runs.entries import Entry, split_run_id
from quorate.runs.journal import Store
from quorate.runs.ledger import LEDGERS, NANO, Balance, balance_of

Amount = tuple[int, int]
"""Tokens, and billionths of a dollar."""


class Usage(NamedTuple):
    """What one ledger says.

    Args:
        ledger: Its id: the scope, and the period if there is one.
        balance: What is settled, and the worst case of what is not.
        reserved: Of calls that a living process is making.
        unknown: Of calls that were cut: they count at their worst case.
        estimate: What the cut ones have probably used, by what the settled ones used of theirs.
        cut: How many were cut.
        last_at: When its last entry was written.
    """

    ledger: str
    balance: Balance
    reserved: Amount
    unknown: Amount
    estimate: Amount
    cut: int
    last_at: int


async def budgets(scope: str | None, store: str | None, *, as_json: bool) -> int:
    """List shared budgets, and return the exit code."""
    project = find_project()
    place = Place.of(store, project)
    async with place.there() as opened:
        known = [s.id for s in await opened.conversations(owner=LEDGERS)]
        chosen = known if scope is None else [id for id in known if scope in {id, id.partition("@")[0]}]
        if scope is not None and not chosen:
            have = ", ".join(sorted({id.partition("@")[0] for id in known}))
            raise ConfigError(
                f"No run here has used a budget {scope!r}. {f'There are: {have}.' if have else ''}".rstrip()
            )
        found = [await _usage(opened, id) for id in reversed(chosen)]
        now = opened.clock.now_us()
    if as_json:
        for usage in found:
            print_json(**_data(usage))
        return 0
    if not found:
        print('No run here has used a shared budget. quorate run TEAM TASK --budget "me,cost_usd=2,per=day" does.')
        return 0
    rows = [
        (
            (usage.ledger, "bold"),
            (f"{usage.balance.calls:,}", ""),
            (_amount((usage.balance.tokens, usage.balance.nano_usd), priced=not usage.balance.unpriced), ""),
            (_amount(usage.reserved), "cyan" if usage.reserved[0] else "dim"),
            (_unknown(usage), "yellow" if usage.cut else "dim"),
            (_allowed(project, usage, now), ""),
            (shown.age((now - usage.last_at) / 1e6), "dim"),
        )
        for usage in found
    ]
    print_table(("scope", "calls", "spent", "reserved", "unknown", "of", "age"), rows, right=("calls",))
    return 0


async def _usage(store: Store, ledger: str) -> Usage:
    entries = await store.read(ledger, owner=LEDGERS)
    balance = balance_of(entries[-1].payload)
    open_now, used, held = _folded(entries)
    reserved, unknown = [(0, 0)], [(0, 0)]
    alive: dict[str, bool] = {}
    for (by, owner), amounts in open_now.items():
        conversation = split_run_id(by.partition(":")[0])[0]
        if by not in alive:
            alive[by] = await store.is_held(conversation, owner=owner)
        (reserved if alive[by] else unknown).extend(amounts)
    worst = _sum(unknown)
    estimate = (_share(worst[0], used[0], held[0]), _share(worst[1], used[1], held[1]))
    return Usage(ledger, balance, _sum(reserved), worst, estimate, len(unknown) - 1, entries[-1].at)


def _folded(entries: Sequence[Entry]) -> tuple[dict[tuple[str, str], list[Amount]], Amount, Amount]:
    """Return reservations that nobody settled, by call and owner; and what the settled ones used and had reserved."""
    left: dict[tuple[str, str], list[Amount]] = {}
    used, held = [(0, 0)], [(0, 0)]
    for entry in entries:
        said = entry.payload
        key, amount = (said["by"], said["owner"]), (said["held"][0], said["held"][1])
        if entry.kind == "held":
            left.setdefault(key, []).append(amount)
        elif entry.kind == "settled":
            left[key].remove(amount)
            if not left[key]:
                del left[key]
            used.append((said["used"][0], said["used"][1] or 0))
            held.append(amount)
    return left, _sum(used), _sum(held)


def _sum(amounts: Sequence[Amount]) -> Amount:
    return sum(a[0] for a in amounts), sum(a[1] for a in amounts)


def _share(worst: int, used: int, held: int) -> int:
    return round(worst * used / held) if held else worst


def _amount(amount: Amount, *, priced: bool = True) -> str:
    if not any(amount):
        return "-"
    money = shown.money(amount[1] / NANO) if priced else "cost unknown"
    return f"{shown.tokens(amount[0])}, {money}"


def _unknown(usage: Usage) -> str:
    if not usage.cut:
        return "-"
    return (
        f"{_amount(usage.unknown)} at most, probably {_amount(usage.estimate)} ({shown.counted(usage.cut, 'cut call')})"
    )


def _allowed(project: Project, usage: Usage, now: int) -> str:
    """Return what the project's file allows in this ledger, empty where it does not say."""
    budget: Budget | None = next((b for b in project.budgets if b.ledger(now) == usage.ledger), None)
    return "" if budget is None else " and ".join(budget.allowed())


def _data(usage: Usage) -> dict[str, Any]:
    scope, _, period = usage.ledger.partition("@")

    def amount(of: Amount) -> dict[str, Any]:
        return {"tokens": of[0], "cost_usd": of[1] / NANO}

    spent = amount((usage.balance.tokens, usage.balance.nano_usd))
    if usage.balance.unpriced:
        spent["cost_usd"] = None
    return {
        "ledger": usage.ledger,
        "scope": scope,
        "period": period or None,
        "calls": usage.balance.calls,
        "spent": spent,
        "reserved": amount(usage.reserved),
        "unknown": {**amount(usage.unknown), "calls": usage.cut, "estimate": amount(usage.estimate)},
        "last_at": usage.last_at,
    }
