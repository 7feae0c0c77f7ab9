"""What is found when a team is looked at before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a team.

    Args:
        rule: Its name, such as `no-exit`.
        severity: `error`: it cannot work, or not as meant. `warning`: it is probably not meant. `note`: worth knowing.
        where: Which part of the team.
        text: What was found.
        advice: What to do.
    """

    rule: str
    severity: Severity
    where: str
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.severity} {self.rule} ({self.where}): {self.text} {self.advice}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Args:
        team: Its name.
        findings: The gravest first.
        worst: The most that a run may use, by name: `turns`, `model_calls`, `tool_calls`, `tokens`, `cost_usd` (None
            where no price is known).
        limits: What a run is allowed, by the same names.
    """

    team: str
    findings: tuple[Finding, ...]
    worst: Mapping[str, float | None]
    limits: Mapping[str, float]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What cannot work."""
        return tuple(found for found in self.findings if found.severity == "error")

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; there may be warnings."""
        return not self.errors

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings)) or f"{self.team}: nothing was found."


ORDER: Mapping[Severity, int] = {"error": 0, "warning": 1, "note": 2}
