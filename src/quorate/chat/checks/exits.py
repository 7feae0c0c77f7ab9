"""Which conditions can end a run of a team, and which wait for what never comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quorate.chat.agents.assistant import AssistantAgent
from quorate.chat.agents.user import UserProxyAgent
from quorate.chat.ending.conditions import (
    FunctionCallTermination,
    HandoffTermination,
    ResultTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
    TextMessageTermination,
)
from quorate.chat.ending.stopping import AllOf, AnyOf, Condition, Never
from quorate.chat.talk import Cast, everyone, inside


def can_fire(condition: Condition[Any], cast: Cast) -> bool:
    """Return whether a condition can end a run of a team, as far as that can be told."""
    if isinstance(condition, AnyOf):
        return any(can_fire(c, cast) for c in condition.conditions)
    if isinstance(condition, AllOf):
        return all(can_fire(c, cast) for c in condition.conditions)
    return not isinstance(condition, Never) and why_never(condition, cast) is None


def never_firing(cast: Cast) -> Iterator[tuple[Condition[Any], str]]:
    """Yield the conditions of a team that wait for what never comes, and why it does not."""
    for part in cast.condition.parts():
        why = why_never(part, cast)
        if why is not None:
            yield part, why


def why_never(condition: Condition[Any], cast: Cast) -> str | None:
    """Return why a condition can never end a run of a team; None where it may."""
    names = set(cast.names)
    for member in cast.members:
        if getattr(member, "share_all", False):  # who speaks in it is heard here
            names |= {one.name for inner in inside(member) for one in everyone(inner.cast())}
    if isinstance(condition, TextMentionTermination | SourceMatchTermination):
        if condition.sources and not condition.sources & names:
            return f"no member is named {_named(condition.sources)}"
    elif isinstance(condition, TextMessageTermination):
        if condition.source is not None and condition.source not in names:
            return f"no member is named {condition.source!r}"
    elif isinstance(condition, HandoffTermination):
        if _are_known(cast) and not any(h.target == condition.target for h in _all(cast, "handoffs")):
            return f"nobody hands over to {condition.target!r}"
    elif isinstance(condition, FunctionCallTermination | ResultTermination):
        name = condition.function_name if isinstance(condition, FunctionCallTermination) else condition.tool.name
        if _are_known(cast) and name not in {tool for m in cast.members for tool in getattr(m, "offered", ())}:
            return f"nobody has a tool {name!r}"
    elif isinstance(condition, StopMessageTermination):
        if _are_known(cast):
            return "no member sends a StopMessage"
    return None


def _named(names: frozenset[str]) -> str:
    return " or ".join(repr(name) for name in sorted(names))


def _are_known(cast: Cast) -> bool:
    """Return whether all members are of kinds of which it is known what they send and have."""
    known = {AssistantAgent, UserProxyAgent}
    return all(type(member) in known and not getattr(member, "workbench", None) for member in cast.members)


def _all(cast: Cast, what: str) -> Iterator[Any]:
    for member in cast.members:
        yield from getattr(member, what, ())
