"""The wrap-up: one last answer, without tools, of a run that reached a limit; it was reserved for from the start.

It belongs to the result and not to the thread, so that a run that is continued goes on as if it had not been asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import asdict

from quorate.chat.facts import Fact
from quorate.chat.talk import Cast, Talk
from quorate.errors import ConfigError
from quorate.models import registry
from quorate.models.blocks import Blocks, Said
from quorate.models.calls import OVERHEAD_TOKENS, ask, prompt_bound
from quorate.models.client import Answer, ModelClient, ModelInfo, ModelRequest
from quorate.runs import paths
from quorate.runs.meter import FLOOR_TOKENS, Bounds, Meter
from quorate.runs.prices import Price, price_of
from quorate.runs.run import Run
from quorate.runs.scope import Scope, entered

if TYPE_CHECKING:
    from quorate.runs.budget import Budget

SHARE = 5
"""The part of each limit that is kept for it: a fifth, and no more than the figures below."""
MOST_TOKENS, MOST_SECONDS = 32_000, 120.0
REPLY_TOKENS = 1024


class Reserve(NamedTuple):
    """What is kept for a wrap-up: tokens in all, those of them for the reply, dollars, seconds."""

    tokens: int
    reply: int
    usd: float
    seconds: float


def writer_of(cast: Cast) -> Any:
    """Return who writes the wrap-up: the first member that has a model.

    Raises:
        ConfigError: None has.
    """
    found = next((m for m in cast.members if getattr(m, "model_client", None) is not None), None)
    if found is None:
        raise ConfigError(f"{cast.name}: wrap_up needs a participant with a model to write it, and there is none.")
    return found


def reserve(
    cast: Cast, limits: Mapping[str, float], prices: Mapping[str, Price] | None, budgets: Sequence[Budget] = ()
) -> Reserve:
    """Return what to keep of the limits of a run, and of the budgets that it shares.

    Raises:
        ConfigError: So little may be used that nothing is left for a wrap-up, or nobody can write it.
    """
    limits = {
        name: min([limit, *(budget.amounts().get(name, limit) for budget in budgets)]) for name, limit in limits.items()
    }
    writer = writer_of(cast)
    client: ModelClient | str = writer.model_client
    info: ModelInfo = registry.info_of(client) if isinstance(client, str) else client.info
    price, money = price_of(info, prices), limits["cost_usd"] / SHARE
    tokens = int(min(limits["tokens"] // SHARE, MOST_TOKENS))
    reply = min(REPLY_TOKENS, tokens // 3, info.max_output)
    worst = price.usd(tokens - reply, reply) or 0.0
    if worst > money:
        tokens = int(tokens * money / worst)
        reply = min(reply, tokens // 3)
        worst = price.usd(tokens - reply, reply) or 0.0
    least = prompt_bound(_request(cast, writer, [], reply)) + min(FLOOR_TOKENS, info.max_output)
    if tokens < least or limits["model_calls"] < 2:
        raise ConfigError(
            f"{cast.name}: the limits leave too little for its wrap_up: a {SHARE}th of {limits['tokens']:.10g} tokens "
            f"and ${limits['cost_usd']:.10g}, and one of {limits['model_calls']:.10g} model calls; it needs {least} "
            "tokens. Widen the limits, or leave wrap_up out."
        )
    return Reserve(tokens, reply, worst, min(limits["active_s"] / SHARE, MOST_SECONDS))


def keep(run: Run, cast: Cast) -> Reserve:
    """Lower what a run may use by what its wrap-up may need."""
    kept = _kept(
        run.meter, reserve(cast, asdict(run.meter.limits), run.prices, run.shared.budgets if run.shared else ())
    )
    if run.shared is not None:
        run.shared.spare = kept.tokens, kept.usd, 1
    return kept


def keep_inside(run: Run, cast: Cast, meter: Meter) -> Reserve:
    """Lower what a conversation inside a run may use by what its wrap-up may need; what is around it keeps nothing."""
    least = asdict(meter.limits)
    around = meter.inside
    while isinstance(around, Meter):
        least = {name: min(value, getattr(around.full or around.limits, name)) for name, value in least.items()}
        around = around.inside
    return _kept(meter, reserve(cast, least, run.prices))


def _kept(meter: Meter, kept: Reserve) -> Reserve:
    full = asdict(meter.limits)
    meter.full = meter.limits
    meter.limits = Bounds(
        **full
        | {
            "tokens": full["tokens"] - kept.tokens,
            "cost_usd": full["cost_usd"] - kept.usd,
            "model_calls": full["model_calls"] - 1,
            "active_s": full["active_s"] - kept.seconds,
        }
    )
    return kept


async def wrap_up(
    run: Run, cast: Cast, talk: Talk, kept: Reserve, *, meter: Meter | None = None, base: str = paths.ROOT
) -> tuple[str, Answer, Scope, float | None]:
    """Ask for the wrap-up, with what was kept for it.

    Args:
        run: The run.
        cast: Who has talked.
        talk: What they have said.
        kept: What was kept.
        meter: What counts it, of a conversation inside the run.
        base: The scope of that.

    Returns:
        The path of its step, the answer, its scope, and what it cost.

    Raises:
        Halt: It cannot be paid for: a crash in an earlier one has used what was kept.
        ModelError: The model failed.
    """
    meter = meter or run.meter
    halted = meter.halted
    meter.limits, meter.halted = meter.full or meter.limits, None
    if run.shared is not None and not base:
        run.shared.spare = 0, 0.0, 0
    writer = writer_of(cast)
    path = paths.child(paths.child(base, talk.turn + 1, paths.WRAP_UP), 1, writer.name)
    client = writer.model_client
    try:
        if isinstance(client, str):
            name = client
            client = await run.resource(name, lambda: registry.open_model(name))
        request = _request(cast, writer, _latest(cast, writer, talk.facts, kept), kept.reply)
        with entered(Scope.here(run, path, run.at)) as scope:
            answer, asked = await ask(client, request)
    finally:
        meter.halted = halted or meter.halted
    return paths.child(path, 1, "model"), answer, scope, asked.cost_usd


def _request(cast: Cast, writer: Any, said: Sequence[Said], reply: int) -> ModelRequest:
    system = getattr(writer, "system_message", None)
    return ModelRequest(Blocks([*said, Said(cast.wrap_up or "")]), system=system, max_tokens=max(1, reply))


def _latest(cast: Cast, writer: Any, facts: Sequence[Fact], kept: Reserve) -> list[Said]:
    """Return the latest messages that what was kept has room for, in their order."""
    room = kept.tokens - kept.reply - prompt_bound(_request(cast, writer, [], kept.reply))
    found: list[Said] = []
    for fact in reversed(facts):
        if fact.message is None:
            continue
        said = fact.said()
        room -= said.size() + OVERHEAD_TOKENS
        if room < 0:
            break
        found.append(said)
    return found[::-1]
