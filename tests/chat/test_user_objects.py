"""What objects of users return by mistake is an error that names the object, what it said, and what it has to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from quorate import AssistantAgent, Condition, RoundRobinGroupChat, Team
from quorate.chat.facts import Fact
from quorate.chat.live import Runnable
from quorate.chat.turns import Stop
from quorate.errors import ConfigError, RunFailed
from quorate.models.client import ToolSpec
from quorate.testing import ScriptedModel

SCHEMA: Any = {"type": "object", "properties": {}}


@dataclass(frozen=True)
class Recall:
    said: Any
    name: str = "notes"

    async def query(self, text: str) -> Any:
        return self.said


@dataclass(frozen=True)
class Bench:
    said: Any

    async def list_tools(self) -> Any:
        return self.said

    async def call_tool(self, name: str, arguments: Any) -> Any:
        return name


@dataclass(frozen=True)
class Over(Condition[int]):
    said: Any

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        return memory

    def reason(self, memory: int) -> Any:
        return self.said


@dataclass(frozen=True)
class Stopping:
    said: Any

    def begin(self) -> None:
        return None

    def see(self, memory: None, fact: Fact) -> None:
        return memory

    def next(self, memory: None, thread: Any, members: Any) -> Stop:
        return Stop(self.said)


def ann(**options: Any) -> AssistantAgent:
    return AssistantAgent("ann", ScriptedModel(["Yes."]), **options)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            lambda: ann(memory=[Recall(["a fact"])]),
            r"notes: query\(…\) returned \['a fact'\]; it must",
        ),
        (lambda: ann(memory=[Recall(None)]), r"notes: query\(…\) returned None"),
        (lambda: ann(workbench=Bench("look")), r"list_tools\(\) has 'look'; it must have"),
        (lambda: ann(workbench=Bench(None)), r"list_tools\(\) has None"),
        (
            lambda: ann(workbench=Bench([ToolSpec("look", "Looks.", SCHEMA)])),
            "the parameters are a JSON schema, as",
        ),
        (lambda: RoundRobinGroupChat([ann()], termination_condition=Over(True)), r"reason\(…\) returned True; it must"),
        (lambda: Team([ann()], turns=Stopping(None)), r"Stop\(None\): its reason must be a text"),
    ],
)
async def test_what_an_object_of_a_user_returns_by_mistake_is_told(made: Callable[[], Runnable], told: str) -> None:
    with pytest.raises((ConfigError, RunFailed), match=told):
        await made().run("Go.")
