"""A team whose members say messages of one name from two modules, for another process to go on with.

STOP_AT ends the process in that turn; MODULES says in which order they are imported.
"""

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from quorate import Agent, MaxMessageTermination, RoundRobinGroupChat, StructuredMessage, TextMessage, Turn
from quorate.chat.messages import BaseChatMessage

sys.path.insert(0, str(Path.cwd()))
modules: dict[str, ModuleType] = {
    name: importlib.import_module(name) for name in os.environ.get("MODULES", "sales stock").split()
}


class Report(BaseChatMessage):
    """A third one, of the program itself."""

    count: int


class Says(Agent):
    """Says a report of a module, in a message of its own or as data."""

    def __init__(self, name: str, make: Callable[[str], BaseChatMessage]) -> None:
        super().__init__(name)
        self.make = make

    async def speak(self, turn: Turn) -> BaseChatMessage:
        if turn.scope.path.startswith(f"{os.environ.get('STOP_AT', '0')} turn/"):
            os._exit(9)
        return self.make(self.name)


class Reader(Agent):
    """Says of which classes the messages are."""

    async def speak(self, turn: Turn) -> TextMessage:
        heard = [m.content if isinstance(m, StructuredMessage) else m for m in turn.thread[1:]]
        assert all(isinstance(one, BaseModel) for one in heard)
        return TextMessage(source=self.name, content=" ".join(type(one).__module__ for one in heard))


def saying(name: str) -> list[Agent]:
    """Return who says the two reports of a module."""
    module = modules[name]
    kind: Any = StructuredMessage[module.Data]  # known from here on
    return [
        Says(f"{name}_says", lambda source: module.Report(source=source, count=1)),
        Says(f"{name}_tells", lambda source: kind(content=module.Data(count=1), source=source)),
    ]


own = Says("own", lambda source: Report(source=source, count=1))
members = [*saying("sales"), *saying("stock"), own, Reader("reader")]
team = RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(7))
