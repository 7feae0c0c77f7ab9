"""Looking at a team before it runs: what cannot work, what nobody meant, and what it may come to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from quorate.chat import wrapping
from quorate.chat.checks.exits import can_fire, never_firing
from quorate.chat.checks.findings import ORDER, Finding, Report, Severity
from quorate.chat.checks.forecast import bounds, first_request, info_of, most_messages
from quorate.chat.delegate import Delegate
from quorate.chat.handoff import Handoff
from quorate.chat.live import Runnable, check_money
from quorate.chat.selector import Selector
from quorate.chat.talk import Cast, everyone, inside
from quorate.chat.turns import Handoffs, RoundRobin
from quorate.core.source import near
from quorate.core.words import counted
from quorate.errors import ConfigError
from quorate.models import registry
from quorate.models.calls import prompt_bound
from quorate.runs.outcome import Limits, checked_limits
from quorate.runs.prices import Price, window_of

BYTES_PER_TOKEN = 4
KEY = "missing-key"
OURS = "quorate."
USUAL_TOKENS = 300
"""How long a message usually is, for the estimate of when a context is full."""


@runtime_checkable
class Checked(Protocol):
    """A turn policy that can look at its team itself."""

    def check(self, cast: Cast) -> Iterator[Finding]:
        """Yield what is wrong with a team that uses it."""
        ...


def check(
    team: Runnable, *, task: str = "", limits: Limits | None = None, prices: Mapping[str, Price] | None = None
) -> Report:
    """Look at a team without running it or asking any model.

    Args:
        team: The team; those inside it are looked at too.
        task: What it would work on, for the estimates.
        limits: Those of the run; they replace the team's own.
        prices: What models cost that the tables do not know.
    """
    if not isinstance(task, str):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
        raise ConfigError(f"task={task!r} must be a text.")
    return _looked(team, task, None if limits is None else checked_limits(limits), prices, [team])


def _looked(
    team: Runnable, task: str, limits: Limits | None, prices: Mapping[str, Price] | None, seen: list[Any]
) -> Report:
    cast = team.cast()
    given = limits.over(cast.limits) if limits else cast.limits
    allowed = given.complete()
    worst = _worst(cast, task, allowed, prices)
    about = _About(cast, task, given, allowed, worst, prices)
    found = [*_found(about), *(inner for member in cast.members for inner in _inside(member, about, seen))]
    return Report(cast.name, tuple(sorted(found, key=lambda one: ORDER[one.severity])), worst, allowed)


@dataclass(frozen=True, slots=True)
class _About:
    cast: Cast
    task: str
    given: Limits
    allowed: Mapping[str, float]
    worst: Mapping[str, float | None]
    prices: Mapping[str, Price] | None


def _found(about: _About) -> Iterator[Finding]:
    rules: Sequence[Callable[[_About], Iterator[Finding]]] = (
        _exit, _unreachable, _handoffs, _tools, _roles, _keys, _money, _wrap_up, _limits, _contexts,
    )  # fmt: skip
    for rule in rules:
        yield from rule(about)
    if isinstance(about.cast.turns, Checked):
        yield from about.cast.turns.check(about.cast)


def _inside(member: Any, about: _About, seen: list[Any]) -> Iterator[Finding]:
    """Yield what is found in teams and agents that a member runs: it is one, has one, or has one as a tool."""
    for inner in inside(member):
        if any(inner is other for other in seen):
            continue
        seen.append(inner)
        own = inner is member or inner is getattr(member, "team", None)
        where = member.name if own else f"{member.name} / {inner.cast().name}"
        for one in _looked(inner, about.task, None, about.prices, seen).findings:
            if one.rule == KEY:  # told of all together
                continue
            if one.rule == "no-exit" and one.severity == "note":  # its limit is told, and who is around goes on
                continue
            yield Finding(one.rule, one.severity, f"{where} / {one.where}", one.text, one.advice)


# -- does it end, and does everybody get a turn -----------------------------------------------------------------------


def goes_on_forever(cast: Cast) -> bool:
    """Return whether the policy never ends a run by itself."""
    return isinstance(cast.turns, RoundRobin | Handoffs | Selector)


def _exit(about: _About) -> Iterator[Finding]:
    cast = about.cast
    dead = list(never_firing(cast))
    fires = can_fire(cast.condition, cast)
    if goes_on_forever(cast) and fires is False:
        turns, calls = about.allowed["turns"], about.allowed["model_calls"]
        limits = f"its limits: {counted(turns, 'turn')}, {counted(calls, 'model call')}"
        if dead:
            why = "; ".join(why for _, why in dead)
            text = f"Its condition can never end a run: {why}. Only limits do."
            yield Finding("no-exit", "error", "termination_condition", text, "Mend the condition.")
        else:
            severity: Severity = "warning" if about.given.turns is None else "note"
            text = f"Nothing ends a run but {limits}; it is then no completed run."
            yield Finding("no-exit", severity, "termination_condition", text, "Add a termination_condition.")
        return
    for condition, why in dead:
        name = type(condition).__name__
        yield Finding("never-fires", "warning", name, f"It never ends a run: {why}.", "Mend it, or leave it out.")


def _unreachable(about: _About) -> Iterator[Finding]:
    cast = about.cast
    if isinstance(cast.turns, RoundRobin):
        turns = int(min(about.worst["turns"] or 0, about.allowed["turns"]))
        if turns < len(cast.names):
            left = ", ".join(cast.names[turns:])
            yield Finding(
                "unreachable", "warning", left, f"A run has at most {counted(turns, 'turn')}, so {left} never speaks.",
                "Allow more turns, or leave them out.",
            )  # fmt: skip
    elif isinstance(cast.turns, Handoffs):
        left = [name for name in cast.names if name not in _reached(cast)]
        for name in left:
            yield Finding(
                "unreachable", "warning", name, f"Nobody who can get the conversation hands it to {name}.",
                f"Give somebody handoffs=[{name!r}], or leave {name} out.",
            )  # fmt: skip


def targets(member: Any) -> frozenset[str] | None:
    """Return to whom a member may hand the conversation, None where anybody may be meant."""
    handoffs: tuple[Handoff, ...] | None = getattr(member, "handoffs", None)
    if handoffs is not None:
        return frozenset(one.target for one in handoffs)
    return frozenset[str]() if getattr(member, "origin", "agent") == "person" else None


def _reached(cast: Cast) -> set[str]:
    by_name = {member.name: member for member in cast.members}
    reached, open_ = {cast.names[0]}, [cast.names[0]]
    while open_:
        onto = targets(by_name[open_.pop()])
        if onto is None:
            return set(cast.names)
        new = onto & by_name.keys() - reached
        reached |= new
        open_ += sorted(new)
    return reached


def _handoffs(about: _About) -> Iterator[Finding]:
    cast = about.cast
    outside = {target for part in cast.condition.parts() if (target := getattr(part, "target", None)) is not None}
    for member in cast.members:
        known = targets(member) or frozenset[str]()
        for target in sorted(known - set(cast.names) - outside):
            there = f"There are: {', '.join(cast.names)}."
            if isinstance(cast.turns, Handoffs):
                yield Finding(
                    "unknown-handoff", "error", member.name,
                    f"It may hand over to {target!r}, who is no member.{near(target, list(cast.names))} {there}",
                    f"Name a member, or end the run there: HandoffTermination({target!r}).",
                )  # fmt: skip
            else:
                yield Finding(
                    "unknown-handoff", "warning", member.name,
                    f"It may hand over to {target!r}, who is no member.{near(target, list(cast.names))} {there}",
                    "Name a member.",
                )  # fmt: skip
        for tool in getattr(member, "tools", {}).values():
            if isinstance(tool, Delegate) and tool.target not in set(cast.names) - {member.name}:
                others = [name for name in cast.names if name != member.name]
                yield Finding(
                    "unknown-delegate", "warning", member.name,
                    f"It may give a task to {tool.target!r}, who is no other member.{near(tool.target, others)} "
                    f"There are: {', '.join(others) or 'none'}.",
                    "Name another member; one of a team around this one is found too.",
                )  # fmt: skip
        ours = type(cast.turns).__module__.startswith(OURS)  # one of somebody else may look at handoffs
        if known and len(cast.members) > 1 and ours and not isinstance(cast.turns, Handoffs):
            yield Finding(
                "handoff-ignored", "warning", member.name,
                f"It may hand over, but who speaks next is decided by {type(cast.turns).__name__}.",
                "Use a Swarm, or leave the handoffs out.",
            )  # fmt: skip


def _tools(about: _About) -> Iterator[Finding]:
    owners: dict[str, tuple[str, Any]] = {}
    for member in about.cast.members:
        for name, tool in getattr(member, "tools", {}).items():
            first, other = owners.setdefault(name, (member.name, tool))
            if not _is_same(tool, other):
                yield Finding(
                    "tool-clash", "warning", member.name,
                    f"Its tool {name!r} is another than {first}'s, and conditions, limits and logs go by the name.",
                    "Give one another name: @tool(name=…).",
                )  # fmt: skip


def _is_same(one: Any, other: Any) -> bool:
    """Whether two tools do the same: each delegate is one of its own, also where it says what another says."""
    if type(one) is Delegate and type(other) is Delegate:
        return all(getattr(one, n) == getattr(other, n) for n in ("target", "description", "remember", "limits"))
    return getattr(other, "fn", other) is getattr(one, "fn", one)


def _roles(about: _About) -> Iterator[Finding]:
    if not isinstance(about.cast.turns, Selector) or about.cast.turns.selector_func is not None:
        return
    seen: dict[str, str] = {}
    for member in about.cast.members:
        described = " ".join(getattr(member, "description", "").split())
        first = seen.setdefault(described, member.name)
        if first != member.name:
            yield Finding(
                "same-description", "warning", member.name,
                f"It has the same description as {first}, and by their descriptions the next speaker is selected.",
                "Say in each what it is for.",
            )  # fmt: skip


# -- what it may come to ----------------------------------------------------------------------------------------------


def _worst(
    cast: Cast, task: str, allowed: Mapping[str, float], prices: Mapping[str, Price] | None
) -> dict[str, float | None]:
    found: dict[str, float | None] = {name: r.high for name, r in bounds(cast, task, allowed, prices).items()}
    uses = any(getattr(member, "offered", getattr(member, "tools", {})) for member in everyone(cast))
    found["tool_calls"] = allowed["tool_calls"] if uses else 0
    return {name: found[name] for name in ("turns", "model_calls", "tool_calls", "tokens", "cost_usd")}


def _keys(about: _About) -> Iterator[Finding]:
    """Yield the keys that are missing here, of models that are opened for each run, in teams inside too."""
    needed: dict[str, list[str]] = {}
    for asking in (asking for inner in about.cast.with_inner() for asking in (*inner.members, inner.turns)):
        client: Any = getattr(asking, "model_client", None)
        if isinstance(client, str) and (variable := registry.missing_key(client)):
            needed.setdefault(variable, []).append(getattr(asking, "name", "selection and planning"))
    for variable, who in needed.items():
        yield Finding(
            KEY, "warning", ", ".join(dict.fromkeys(who)),
            f"Its model needs a key, and the environment variable {variable} is not set here.",
            f"Set {variable} where the team runs.",
        )  # fmt: skip


def _money(about: _About) -> Iterator[Finding]:
    try:
        check_money(about.cast, about.given, (), about.prices)
    except ConfigError as error:
        yield Finding("unknown-price", "error", "limits", str(error), "It would be refused before the start.")


def _wrap_up(about: _About) -> Iterator[Finding]:
    if about.cast.wrap_up:
        try:
            wrapping.reserve(about.cast, about.allowed, about.prices)
        except ConfigError as error:
            yield Finding("wrap-up", "error", "wrap_up", str(error), "It would be refused before the start.")


def _limits(about: _About) -> Iterator[Finding]:
    """Yield the limits that may end a run before its turns do, or before its policy is done."""
    planned: Any = getattr(about.cast.turns, "most", None)
    if planned is not None and about.allowed["turns"] < planned.turns:
        never = about.allowed["turns"] < planned.least
        takes = f"takes at least {planned.least}" if never else f"may take {planned.turns}"
        yield Finding(
            "limit-first", "warning" if never else "note", "limits",
            f"It {takes} turns to come to its end; its limit is {about.allowed['turns']:,.0f}.",
            "Allow more turns, or it ends at that limit, without a result.",
        )  # fmt: skip
    turns = about.worst["turns"] or 0
    free = bounds(about.cast, about.task, {**about.allowed, "model_calls": math.inf}, about.prices)
    calls = free["model_calls"].high or 0
    if about.allowed["model_calls"] < calls < math.inf:
        yield Finding(
            "limit-first", "note", "limits",
            f"{counted(turns, 'turn')} may need {counted(calls, 'model call')}; "
            f"{about.allowed['model_calls']:,.0f} are allowed.",
            "Widen model_calls, or lower turns or max_tool_iterations, if it must not end at that limit.",
        )  # fmt: skip


def _contexts(about: _About) -> Iterator[Finding]:
    most = most_messages(about.cast.condition)
    turns = min(about.worst["turns"] or 0, math.inf if most is None else most)
    policy: Any = about.cast.turns
    for member in (*about.cast.members, policy):
        client = getattr(member, "model_client", None)
        info = None if client is None else info_of(member)
        window = None if info is None else window_of(info)
        if info is None or window is None:
            continue
        unless = "" if info.context_window else " If there is more room where it runs, say so: context_window."
        request = first_request(member, about.task)
        first = prompt_bound(request) // BYTES_PER_TOKEN
        if first + min(request.max_tokens, USUAL_TOKENS) > window:
            yield Finding(
                "context-overflow", "error", getattr(member, "name", "selection and planning"),
                f"Its first prompt has about {first:,} tokens, and its model has room for {window:,}.",
                "Shorten what it is told (task, system_message, tools, descriptions), or take a model with a larger "
                f"context.{unless}",
            )  # fmt: skip
        elif member is not policy and getattr(member, "model_context", None) is None:
            room = (window - first) // USUAL_TOKENS
            if room < turns:
                planned = most is not None or about.given.turns is not None  # else it is only what all runs may use
                yield Finding(
                    "context-overflow", "warning" if planned else "note", member.name,
                    f"With messages of {USUAL_TOKENS} tokens its context of {window:,} is full at about message "
                    f"{room:,}; a run may have {counted(turns, 'turn')}.",
                    f"Give it a model_context, such as HeadAndTailChatCompletionContext, or fewer turns.{unless}",
                )  # fmt: skip


__all__ = ["Checked", "Finding", "Report", "check"]
