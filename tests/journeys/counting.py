"""A team in which two count in attributes, one of them with a `save_state`; its clerk stops in a call when told to."""

import os
import signal
from collections.abc import Iterator

from quorate import Agent, AssistantAgent, MaxMessageTermination, RoundRobinGroupChat, TextMessage, Turn
from quorate.models import ModelRequest
from quorate.testing import ScriptedModel


class Counter(Agent):
    def __init__(self, name: str = "counter") -> None:
        super().__init__(name)
        self.count = 0

    async def speak(self, turn: Turn) -> TextMessage:
        self.count += 1
        return TextMessage(content=f"{self.name} {self.count}", source=self.name)


class Saver(Counter):
    def __init__(self) -> None:
        super().__init__("saver")

    async def save_state(self) -> dict[str, int]:
        return {"count": self.count}

    async def load_state(self, state: dict[str, int]) -> None:
        self.count = state["count"]


def answer(request: ModelRequest) -> str:
    heard = len(request.blocks)
    if f"{heard}" == os.environ.get("STOP_AT"):
        print("in the call", flush=True)
        signal.pause()
    return f"clerk heard {heard}"


def answers() -> Iterator[object]:
    while True:
        yield answer


team = RoundRobinGroupChat(
    [Saver, Counter, AssistantAgent("clerk", ScriptedModel(answers()))],
    termination_condition=MaxMessageTermination(10),
)
