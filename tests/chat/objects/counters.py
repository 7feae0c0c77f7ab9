"""Agents that keep something in attributes of their own."""

from __future__ import annotations

from quorate import Agent, TextMessage, Turn


class Counter(Agent):
    """Counts in an attribute."""

    def __init__(self, name: str = "counter") -> None:
        super().__init__(name, description="Counts.")
        self.count = 0

    async def speak(self, turn: Turn) -> TextMessage:
        self.count += 1
        return TextMessage(content=f"{self.name} {self.count}", source=self.name)
