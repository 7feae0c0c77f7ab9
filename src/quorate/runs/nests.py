"""Conversations inside a run: what each may use, and what it is that goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from quorate.runs import paths
from quorate.runs.meter import AgentMeter, InnerMeter, Meter
from quorate.runs.outcome import Limits


class Nest:
    """A conversation inside a run that goes on.

    Args:
        path: Its scope; its turns are in there.
        limits: What it may use, within what is around it.
        agents: The same of agents in it, by name.
        around: What counts around it.
        used: Returns what it used in earlier attempts, or one agent of it.
        talk: The conversation as who speaks in it has it.
        feed: Where it is shown.
        begun_us: When this attempt took it up, without the time in which a person was waited for.
    """

    __slots__ = ("_begun_us", "agents", "feed", "meter", "path", "talk")

    def __init__(
        self,
        path: str,
        limits: Limits,
        agents: Mapping[str, Limits],
        around: Meter,
        used: Callable[[str | None], Meter] | None,
        talk: Any,
        feed: Any,
        begun_us: int,
    ) -> None:
        self.path, self.talk, self.feed = path, talk, feed
        self.meter = InnerMeter(limits, around)
        self.agents = {name: AgentMeter(name, own, self.meter) for name, own in agents.items()}
        if used is not None:
            self.meter.count_on(used(None))
            for name, meter in self.agents.items():
                meter.count_on(used(name))
        self._begun_us = begun_us

    def meter_at(self, path: str) -> Meter:
        """Return what counts at a path in here: the meter of the agent that speaks there, else that of all."""
        if not self.agents:
            return self.meter
        return self.agents.get(paths.speaker(path[len(self.path) + 1 :]), self.meter)

    def is_late(self, now_us: int) -> bool:
        """Whether it has worked for as long as it may. It is asked between turns."""
        return (now_us - self._begun_us) / 1e6 >= self.meter.limits.active_s
