"""Budgets that runs share: for a user, a tenant, a day. Reserved before a call, settled after it, in one ledger.

The ledger of a scope is a journal of its own in the store (`quorate.runs.ledger`). A run looks its scopes up at every
reservation: inside the transaction that writes the call, so that no other process can reserve in between.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, get_args

from quorate.core.words import counted
from quorate.errors import ConfigError
from quorate.runs.entries import Payload
from quorate.runs.ledger import NANO, Balance, Ledgers, nano
from quorate.runs.meter import FLOOR_TOKENS, Halt, Meter, Tell
from quorate.runs.outcome import WARN_AT, Outcome

Period = Literal["hour", "day", "month"]
PERIODS: tuple[str, ...] = get_args(Period)
_FORMATS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m"}
_SCOPE = re.compile(r"[^\s@,\\\x00-\x1f]{1,150}")
_AMOUNTS = ("cost_usd", "tokens", "model_calls")


@dataclass(frozen=True, slots=True)
class Budget:
    """What all runs that name a scope may use together, in one store, in a period.

    Args:
        scope: Whose it is: any name, such as `acme/ann` or `nightly`.
        cost_usd: US dollars.
        tokens: Of prompts and replies together.
        model_calls: Calls of models.
        per: `hour`, `day` or `month`, each in UTC; None: once and for all.

    Raises:
        ConfigError: Nothing is limited, an amount is not a finite number above 0, or scope or period is none.
    """

    scope: str
    cost_usd: float | None = None
    tokens: int | None = None
    model_calls: int | None = None
    per: Period | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.scope, str) or not _SCOPE.fullmatch(self.scope):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(
                f"{self.scope!r} cannot name a budget: 1 to 150 characters, no white space and no @ , or backslash. "
                "Name whose it is: Budget('acme/ann', cost_usd=20, per='day')."
            )
        if self.per is not None and self.per not in PERIODS:
            raise ConfigError(
                f"Budget {self.scope}: per={self.per!r} is no period. There are {', '.join(PERIODS)} (in UTC); left "
                "out, it is once and for all."
            )
        for name, value in self.amounts().items():
            number = isinstance(value, int if name != "cost_usd" else int | float) and not isinstance(value, bool)
            if not number or not 0 < value < float("inf"):
                what = "a whole number" if name != "cost_usd" else "a number"
                raise ConfigError(f"Budget {self.scope}: {name}={value!r}; give {what} above 0, and no infinite one.")
        if not self.amounts():
            raise ConfigError(f"Budget {self.scope} limits nothing. Give at least one of: {', '.join(_AMOUNTS)}.")

    def amounts(self) -> dict[str, Any]:
        """Return what is limited, as plain data."""
        return {name: value for name in _AMOUNTS if (value := getattr(self, name)) is not None}

    def allowed(self) -> list[str]:
        """Return what is limited, in words."""
        words = {"tokens": "token", "model_calls": "model call"}
        return [
            counted(value, words[name]) if name in words else f"${value:.10g}" for name, value in self.amounts().items()
        ]

    def given(self) -> Payload:
        """Return it as plain data, without what was left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def ledger(self, now_us: int) -> str:
        """Return the id of the ledger that counts at a time."""
        if self.per is None:
            return self.scope
        return f"{self.scope}@{datetime.fromtimestamp(now_us / 1e6, UTC).strftime(_FORMATS[self.per])}"

    @property
    def limit(self) -> str:
        """What the outcome of a run that it ended names as its limit."""
        return f"budget {self.scope}"

    def words(self) -> str:
        """Return it as the command line takes it."""
        more = [f"{name}={value:.10g}" for name, value in self.amounts().items()]
        return ",".join([self.scope, *more, *([f"per={self.per}"] if self.per else [])])


def budget_of(data: Mapping[str, Any]) -> Budget:
    """Return the budget that plain data says.

    Raises:
        ConfigError: It has a field that budgets do not have, or is none.
    """
    known = ("scope", *_AMOUNTS, "per")
    for name in data:
        if name not in known and name.startswith("cost"):
            raise ConfigError(f"Budgets count money in US dollars only: write cost_usd instead of {name}.")
        if name not in known:
            raise ConfigError(f"A budget has no {name!r}. It has: {', '.join(known)}.")
    if "scope" not in data:
        raise ConfigError("A budget needs a scope, which says whose it is: scope = 'acme/ann'.")
    return Budget(**data)


def read_budget(text: str) -> Budget:
    """Return the budget that `acme/ann,cost_usd=20,per=day` says.

    Raises:
        ConfigError: It says none.
    """
    scope, *parts = (part.strip() for part in text.split(","))
    found: dict[str, Any] = {"scope": scope}
    for part in parts:
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals:
            raise ConfigError(f"{part!r} is no NAME=VALUE; as in --budget acme/ann,cost_usd=20,per=day.")
        found[name] = value if name == "per" else _number(name, value)
    return budget_of(found)


def _number(name: str, text: str) -> float | str:
    try:
        return float(text) if name.startswith("cost") else int(text)
    except ValueError:
        return text  # the budget itself says what is wrong with it


def merged(budgets: Sequence[Budget], over: Sequence[Budget]) -> tuple[Budget, ...]:
    """Return budgets of which those in `over` take the place of others for the same scope and period.

    Raises:
        ConfigError: One list has two for the same.
    """
    found: dict[tuple[str, str | None], Budget] = {}
    for several in (budgets, over):
        if len({(b.scope, b.per) for b in several}) < len(several):
            names = sorted(b.words() for b in several)
            raise ConfigError(f"Two budgets are for the same scope and period: {'; '.join(names)}. Keep one of them.")
        found |= {(b.scope, b.per): b for b in several}
    return tuple(found.values())


# -- reserving in it --------------------------------------------------------------------------------------------------


class _Held(NamedTuple):
    by: str
    ledgers: tuple[str, ...]

    def said(self, held: tuple[int, int], owner: str) -> Payload:
        return {"by": self.by, "owner": owner, "held": list(held)}


class Shared:
    """The shared budgets of a run, as the outermost of its meters.

    It looks its ledgers up inside `reserve`, in the transaction that writes the call, and only there it can say how
    much is left. What is held, settled and forfeited is added to the ledgers with the next commit.

    Args:
        budgets: What is shared.
        journal: Of the run; it commits a call and its reservation together.
        meter: Of the run.
        now_us: Tells the time, which says what day it is.
    """

    def __init__(self, budgets: Sequence[Budget], journal: Ledgers, meter: Meter, now_us: Callable[[], int]) -> None:
        self.budgets = budgets
        self._journal, self._meter, self._now_us = journal, meter, now_us
        self._looked_up: list[tuple[Budget, Balance]] = []
        self.spare: tuple[int, float, int] = (0, 0.0, 0)  # tokens, dollars, calls that the run leaves for its wrap-up
        self.warn_at = WARN_AT
        self.told: set[str] = set()
        self.tell: Tell | None = None
        self._next = _Held("", ())
        self._held: dict[tuple[int, int], list[_Held]] = {}

    async def reserve(self, by: str, decide: Callable[[tuple[str, ...]], None]) -> None:
        """Look the ledgers up and decide on a call, so that nobody can reserve in between; then commit it.

        Args:
            by: Which call, for the ledgers.
            decide: Asks the meters how much there is, holds it, and journals the call; is given the ledgers' ids.

        Raises:
            Halt: What `decide` raised; nothing was reserved.
        """
        now = self._now_us()
        by_ledger = sorted(
            (budget.ledger(now), budget) for budget in self.budgets
        )  # in one order: nobody waits in a ring
        ledgers = tuple(ledger for ledger, _ in by_ledger)

        def look(balances: list[Balance]) -> None:
            self._looked_up = [(budget, found) for (_, budget), found in zip(by_ledger, balances, strict=True)]
            self._next = _Held(by, ledgers)
            try:
                decide(ledgers)
            finally:
                self._looked_up = []

        await self._journal.reserve(ledgers, look)

    def near(self) -> list[str]:
        """Return the scopes that are used up to the share at which a warning is due, and tell it; each once."""
        found: list[str] = []
        for budget, balance in self._looked_up:
            for name, used in (
                ("tokens", balance.all_tokens),
                ("cost_usd", balance.all_usd),
                ("model_calls", balance.calls + balance.held_calls),
            ):
                allowed = getattr(budget, name)
                if allowed is None or used < self.warn_at * allowed or budget.limit in self.told or self.warn_at >= 1:
                    continue
                self.told.add(budget.limit)
                found.append(budget.limit)
                if self.tell is not None:
                    self.tell(f"{budget.limit} ({name})", used, allowed)
        return found

    # -- as a meter ---------------------------------------------------------------------------------------------------

    def cap(self, bound: int, wanted: int) -> int:
        for budget, found in self._looked_up:
            calls = found.calls + found.held_calls + self.spare[2]
            if budget.model_calls is not None and calls >= budget.model_calls:
                raise self._spent(budget, found)
            if budget.tokens is not None:
                left = budget.tokens - found.all_tokens - bound - self.spare[0]
                if left < min(FLOOR_TOKENS, wanted):
                    raise self._spent(budget, found)
                wanted = min(wanted, left)
        return wanted

    def money_left(self) -> float:
        return min((_left(budget, found) - self.spare[1] for budget, found in self._looked_up), default=float("inf"))

    def out_of_money(self, needs: float) -> Halt:
        return self._spent(*min(self._looked_up, key=lambda item: _left(*item)))

    def hold(self, tokens: int, usd: float) -> None:
        if not self._looked_up:
            raise RuntimeError("A shared budget can be reserved in only while it is looked up.")
        held = (tokens, nano(usd))
        self._held.setdefault(held, []).append(self._next)
        for ledger in self._next.ledgers:
            self._journal.charge(ledger, "held", self._next.said(held, self._journal.owner))

    def settle(
        self, held_tokens: int, held_usd: float, prompt: int, completion: int, cached: int, usd: float | None
    ) -> None:
        held = (held_tokens, nano(held_usd))
        used = [prompt + completion, None if usd is None else nano(usd)]
        call = self._held[held].pop()
        for ledger in call.ledgers:
            self._journal.charge(ledger, "settled", {**call.said(held, self._journal.owner), "used": used})

    def forfeit(self, held_tokens: int, held_usd: float) -> None:
        held = (held_tokens, nano(held_usd))
        call = self._held[held].pop()
        for ledger in call.ledgers:
            self._journal.charge(ledger, "unknown", call.said(held, self._journal.owner))

    def add_tool_call(self) -> None:
        """Tool calls are no matter of shared budgets."""

    def _spent(self, budget: Budget, found: Balance) -> Halt:
        return self._meter.halt(Outcome("limit", _why(budget, found), limit=budget.limit))


def _left(budget: Budget, found: Balance) -> float:
    """Return the dollars left; a billionth less, since reservations are rounded up."""
    if budget.cost_usd is None:
        return float("inf")
    return (int(budget.cost_usd * NANO) - found.nano_usd - found.held_nano_usd - 1) / NANO


def _why(budget: Budget, found: Balance) -> str:
    per = f" a {budget.per}" if budget.per else ""
    money = f" and ${found.nano_usd / NANO:.4f}" if budget.cost_usd is not None else ""
    used = f"{counted(found.tokens, 'token')}{money} were used by {counted(found.calls, 'call')}"
    held = f", {counted(found.held_tokens, 'token')} reserved by {found.held_calls} more" if found.held_calls else ""
    return f"The budget {budget.scope} of {' and '.join(budget.allowed())}{per} is spent: {used}{held}."
