from collections import deque
from functools import cached_property
from typing import Any

import pytest

from quorate import Agent, AssistantAgent, TextMessage, Turn
from quorate.chat.objects.changes import state_of
from quorate.testing import ScriptedModel


class Keeping(Agent):
    def __init__(self) -> None:
        super().__init__("keeping")
        self.count, self.heard = 0, {"a": [1, deque([2])]}
        self.inner = Inner()

    @cached_property
    def once(self) -> int:
        return 1

    async def speak(self, turn: Turn) -> TextMessage:
        return TextMessage(content="", source=self.name)


class Inner:
    def __init__(self) -> None:
        self.seen: set[str] = set()


def changes(change: Any) -> bool:
    thing = Keeping()
    before = state_of(thing)
    change(thing)
    return state_of(thing) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda it: setattr(it, "count", 1),
        lambda it: setattr(it, "new", 1),
        lambda it: it.heard["a"][1].append(3),
        lambda it: it.heard.update(b=1),
        lambda it: it.inner.seen.add("x"),
        lambda it: setattr(it, "inner", Inner()),
    ],
    ids=["number", "new attribute", "deep list", "key", "object inside", "another object"],
)
def test_change_of_an_attribute_is_seen(change: Any) -> None:
    assert changes(change)


@pytest.mark.parametrize("change", [lambda it: None, lambda it: it.once, lambda it: it.name])
def test_what_changes_nothing_is_not(change: Any) -> None:
    assert not changes(change)


def test_our_own_agents_keep_nothing() -> None:
    assert state_of(AssistantAgent("a", ScriptedModel([]))) is None
