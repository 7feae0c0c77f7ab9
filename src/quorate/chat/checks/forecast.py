"""What a run may come to, told before it starts: by past runs of the same definition, else bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from quorate.chat.ending.conditions import MaxMessageTermination
from quorate.chat.ending.stopping import AllOf, AnyOf, Condition
from quorate.chat.live import Runnable, check_money
from quorate.chat.selector import Selector
from quorate.chat.talk import Cast, inside
from quorate.chat.turns import Handoffs, RoundRobin
from quorate.models import registry
from quorate.models.blocks import Blocks, Said
from quorate.models.calls import prompt_bound
from quorate.models.client import ModelInfo, ModelRequest
from quorate.models.views import Summarized
from quorate.runs.entries import LOCAL_OWNER
from quorate.runs.history import RunRecord, fold
from quorate.runs.journal import Store
from quorate.runs.outcome import Limits
from quorate.runs.prices import Price, price_of

FIGURES = ("turns", "model_calls", "tokens", "cost_usd")
MOST_CONVERSATIONS = 500
"""So many of the latest conversations are looked through for runs of the same definition."""
BYTES_PER_TOKEN = 4
_ONE_BY_ONE = RoundRobin, Handoffs, Selector
"""Policies that name one speaker a turn."""


class Range(NamedTuple):
    """P50 and P95 of past runs, or at least and at most; None where no price is known."""

    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run may come to.

    Args:
        basis: `past`: the ranges are P50 and P95 of past runs of the same definition. `bounds`: there is none, and
            they are what one turn needs at least, and what plan, prompts and limits allow at most.
        runs: How many past runs it is made of; with fewer than 20, P95 is the most that one of them used.
        cut: How many of those ended at a limit: without it they would have used more.
        ranges: By name: `turns`, `model_calls`, `tokens`, `cost_usd`.
        limits: What the run may use, by the same names.
    """

    basis: Literal["past", "bounds"]
    runs: int
    cut: int
    ranges: Mapping[str, Range]
    limits: Mapping[str, float]

    @property
    def tight(self) -> list[str]:
        """The limits that P95, or the most, reaches."""
        found = [(name, self.ranges[name].high) for name in FIGURES]
        return [name for name, high in found if high is not None and high >= self.limits[name]]


async def forecast(
    team: Runnable,
    task: str,
    *,
    store: Store | None = None,
    owner: str = LOCAL_OWNER,
    app: str = "",
    limits: Limits | None = None,
    prices: Mapping[str, Price] | None = None,
) -> Forecast:
    """Tell what a run may come to, without starting it or asking any model.

    Args:
        team: What would run.
        task: What it would work on.
        store: Where past runs are looked for.
        owner: Whose they are.
        app: The name of a team made in Python, by which its runs are known; one of a team file is known by its content.
        limits: Those of the run; they replace the team's own.
        prices: What models cost that the tables do not know.

    Raises:
        ConfigError: The run would be refused: a limit of money, and a model whose price nobody knows.
    """
    cast = team.cast()
    limits = limits.over(cast.limits) if limits else cast.limits
    check_money(cast, limits, (), prices)
    allowed = limits.complete()
    past = [] if store is None else await _past(store, owner, cast, app)
    if past:
        cut = sum(record.outcome is not None and record.outcome.kind == "limit" for record in past)
        used = [record.entries[-1].payload for record in past]
        return Forecast("past", len(past), cut, {name: _quantiles(name, used) for name in FIGURES}, allowed)
    return Forecast("bounds", 0, 0, bounds(cast, task, allowed, prices), allowed)


async def _past(store: Store, owner: str, cast: Cast, app: str) -> list[RunRecord]:
    """Return the runs of the same definition that came to an end by themselves, or at a limit."""
    found: list[RunRecord] = []
    if cast.document is None and not app:
        return found
    for summary in (await store.conversations(owner=owner, limit=MOST_CONVERSATIONS))[::-1]:
        records = fold(await store.read(summary.id, owner=owner, kinds=("run", "definition", "resumed", "ended")))
        for record in records.values():
            same = record.app == app if cast.document is None else record.document == cast.document
            if same and record.outcome is not None and record.outcome.kind in {"completed", "limit", "stalled"}:
                found.append(record)
    return found


def _quantiles(name: str, used: Sequence[Mapping[str, Any]]) -> Range:
    values = sorted(figures[name] for figures in used if figures[name] is not None)
    if len(values) < len(used):
        return Range(None, None)
    return Range(_quantile(values, 0.5), _quantile(values, 0.95))


def _quantile(values: Sequence[float], share: float) -> float:
    """Return the least value that so many are not above."""
    return values[max(0, math.ceil(share * len(values)) - 1)]


# -- bounds -----------------------------------------------------------------------------------------------------------


def bounds(cast: Cast, task: str, allowed: Mapping[str, float], prices: Mapping[str, Price] | None) -> dict[str, Range]:
    """Return what a run needs at least, and the most that plan, prompts and limits allow."""
    asking = [m for m in cast.members if getattr(m, "model_client", None) is not None]
    choosing = [cast.turns] if getattr(cast.turns, "model_client", None) is not None else []
    most = most_messages(cast.condition)
    planned: Any = getattr(cast.turns, "most", None)  # of a pattern, or a graph without loops
    turns = min(
        allowed["turns"], math.inf if most is None else max(1, most - 1), planned.turns if planned else math.inf
    )
    answers = planned.answers if planned else turns if isinstance(cast.turns, _ONE_BY_ONE) else math.inf
    per_turn = max(map(_calls_of, asking), default=0)
    choices = getattr(getattr(cast.turns, "choosing", None), "attempts", 1)
    chosen = (planned.asked if planned else turns * choices) if choosing else 0
    calls = min(allowed["model_calls"], answers * per_turn + chosen)
    if any(map(_works_inside, cast.members)):  # what is used there, only limits say
        used = {name: Range(1, allowed[name]) for name in ("model_calls", "tokens")}
        return {"turns": Range(1, turns), **used, "cost_usd": Range(0.0, allowed["cost_usd"])}
    asking += choosing
    if not asking:
        nothing = Range(0, 0)
        return {"turns": Range(1, turns), "model_calls": nothing, "tokens": nothing, "cost_usd": Range(0.0, 0.0)}
    requests = [first_request(m, task) for m in asking]
    bounds, caps = [prompt_bound(r) for r in requests], [r.max_tokens for r in requests]
    replies = calls * max(caps)
    prompts = calls * max(bounds) + max(caps) * calls * (calls - 1) / 2  # each sees all replies before it
    tokens = min(allowed["tokens"], prompts + replies)
    least = min(bounds) // BYTES_PER_TOKEN + 1
    return {
        "turns": Range(1, turns),
        "model_calls": Range(1, calls),
        "tokens": Range(least, tokens),
        "cost_usd": _money(asking, least, tokens, min(replies, tokens), allowed["cost_usd"], prices),
    }


def _calls_of(member: Any) -> int:
    """Return how often a member asks its model for one answer at most."""
    retries: int | None = getattr(member, "max_retries_on_error", None)
    if retries is not None:  # it writes, decides whether to write again, and tells
        return 2 + 2 * retries
    calls = 1 + getattr(member, "max_tool_iterations", 0) * bool(getattr(member, "offered", {}))
    calls += getattr(member, "output_content_type", None) is not None  # one that does not fit is asked for again
    return calls * (2 if isinstance(getattr(member, "model_context", None), Summarized) else 1)


def _works_inside(member: Any) -> bool:
    """Whether others work inside the speeches of a member: teams, agents as tools, whom it may give a task."""
    return bool(inside(member)) or any(tool.scope for tool in getattr(member, "tools", {}).values())


def first_request(member: Any, task: str) -> ModelRequest:
    """Return about what a member, or a policy that asks a model, asks first."""
    info = info_of(member)
    most = getattr(member, "max_tokens", None)
    roles: Mapping[str, str] = getattr(member, "roles", {})
    return ModelRequest(
        Blocks([Said("\n".join([task, *roles.values()]), "user")]), system=getattr(member, "system_message", None),
        tools=tuple(tool.spec for tool in getattr(member, "offered", {}).values()),
        max_tokens=info.max_output if most is None else min(most, info.max_output),
    )  # fmt: skip


def info_of(member: Any) -> ModelInfo:
    """Return what is known about a member's model."""
    client = member.model_client
    return registry.info_of(client) if isinstance(client, str) else client.info


def _money(
    asking: Sequence[Any],
    least: float,
    tokens: float,
    replies: float,
    allowed: float,
    prices: Mapping[str, Price] | None,
) -> Range:
    rates = [price_of(info_of(member), prices) for member in asking]
    low = [rate.usd(int(least), 0) for rate in rates]
    high = [rate.usd(int(tokens - replies), int(replies)) for rate in rates]
    known_low, known_high = [usd for usd in low if usd is not None], [usd for usd in high if usd is not None]
    if len(known_low) < len(rates) or len(known_high) < len(rates):
        return Range(None, None)
    return Range(min(known_low), min(allowed, max(known_high)))


def most_messages(condition: Condition[Any]) -> int | None:
    """Return at how many messages a condition stops at the latest; None where it does not say."""
    if isinstance(condition, MaxMessageTermination):
        return condition.max_messages
    if isinstance(condition, AnyOf):
        known = [most for c in condition.conditions if (most := most_messages(c)) is not None]
        return min(known, default=None)
    if isinstance(condition, AllOf):
        inner = [most_messages(c) for c in condition.conditions]
        known = [most for most in inner if most is not None]
        return max(known) if len(known) == len(inner) else None
    return None
