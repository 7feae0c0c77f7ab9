"""Finding the agents that a topic goes to, without asking every subscription."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from quorate.core.identity import AgentId, TopicId
from quorate.core.subscriptions import Subscription, TypePrefixSubscription, TypeSubscription
from quorate.core.turns import Seat
from quorate.errors import ConfigError

_REMEMBERED = 4096
"""For so many topics the answer is kept; sources may be without number, so not for all."""


class Targets(NamedTuple):
    """Where a message goes: the seats, and the ids for which there is no agent."""

    seats: tuple[Seat, ...]
    missing: tuple[AgentId, ...]


class Routes:
    """All subscriptions of a runtime, and which agents they map a topic to.

    Subscriptions by type and by prefix are found by name; only others are asked one by one.
    """

    def __init__(self, place: Callable[[AgentId], Seat | None]) -> None:
        self._place = place
        self._all: dict[str, Subscription] = {}
        self._order: dict[str, int] = {}
        self._by_type: dict[str, list[TypeSubscription]] = {}
        self._by_prefix: dict[str, list[TypePrefixSubscription]] = {}
        self._others: list[Subscription] = []
        self._known: dict[tuple[str, str], Targets] = {}
        self._added = 0

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def add(self, subscription: Subscription) -> None:
        """Take one up; what is published from now on goes there too.

        Raises:
            ConfigError: An equal one is there.
        """
        home = self._home(subscription)
        if subscription.id in self._all or any(subscription == other for other in home):
            raise ConfigError(f"Subscription already exists: {subscription!r}.")
        home.append(subscription)
        self._added += 1
        self._all[subscription.id], self._order[subscription.id] = subscription, self._added
        self._known.clear()

    def remove(self, id: str) -> None:
        """Take one away.

        Raises:
            ConfigError: There is none with this id.
        """
        subscription = self._all.pop(id, None)
        if subscription is None:
            raise ConfigError(f"There is no subscription with the id {id!r}.")
        del self._order[id]
        home = self._home(subscription)
        home[:] = [other for other in home if other.id != id]
        if not home:
            self._forget(subscription)
        self._known.clear()

    def changed(self) -> None:
        """Forget what was found before: there are other agents now."""
        self._known.clear()

    def to(self, topic: TopicId) -> Targets:
        """Return who gets what is published to `topic`: each once, in the order of their subscriptions."""
        key = (topic.type, topic.source)
        found = self._known.get(key)
        if found is None:
            found = self._targets(topic)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = found
        return found

    def _targets(self, topic: TopicId) -> Targets:
        seats: list[Seat] = []
        missing: list[AgentId] = []
        for id in dict.fromkeys(subscription.map_to_agent(topic) for subscription in self._matching(topic)):
            seat = self._place(id)
            if seat is None:
                missing.append(id)
            else:
                seats.append(seat)
        return Targets(tuple(seats), tuple(missing))

    def _matching(self, topic: TopicId) -> list[Subscription]:
        name = topic.type
        matching: list[Subscription] = [*self._by_type.get(name, ())]
        for size in range(len(name) + 1):
            matching += self._by_prefix.get(name[:size], ())
        matching += [other for other in self._others if other.is_match(topic)]
        matching.sort(key=lambda subscription: self._order[subscription.id])
        return matching

    def _home(self, subscription: Subscription) -> list[Any]:
        """Return the list that it is kept in. A subclass that matches in its own way is asked."""
        if _matches_as(subscription, TypeSubscription):
            return self._by_type.setdefault(cast(TypeSubscription, subscription).topic_type, [])
        if _matches_as(subscription, TypePrefixSubscription):
            return self._by_prefix.setdefault(cast(TypePrefixSubscription, subscription).topic_type_prefix, [])
        return self._others

    def _forget(self, subscription: Subscription) -> None:
        if _matches_as(subscription, TypeSubscription):
            self._by_type.pop(cast(TypeSubscription, subscription).topic_type, None)
        elif _matches_as(subscription, TypePrefixSubscription):
            self._by_prefix.pop(cast(TypePrefixSubscription, subscription).topic_type_prefix, None)


def _matches_as(subscription: Subscription, kind: type[Any]) -> bool:
    """Return whether a subscription is of this kind and, if of a class derived from it, matches in the same way."""
    own = type(subscription)
    return issubclass(own, kind) and own.is_match is kind.is_match and own.map_to_agent is kind.map_to_agent
