"""The conditions that come with Quorate, under AutoGen's names. What a condition is: `quorate.chat.ending.stopping`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from quorate.chat.ending.asked import FunctionalTermination
from quorate.chat.ending.idle import NoProgressTermination
from quorate.chat.ending.stopping import NEVER, AllOf, AnyOf, Asking, Condition
from quorate.chat.facts import Fact
from quorate.chat.result import ResultTermination
from quorate.core.figures import check_amount, check_count, check_list
from quorate.core.words import counted
from quorate.errors import ConfigError
from quorate.runs.run import Run

__all__ = [
    "NEVER",
    "AllOf",
    "AnyOf",
    "Asking",
    "Condition",
    "CostTermination",
    "ExternalTermination",
    "FunctionCallTermination",
    "FunctionalTermination",
    "HandoffTermination",
    "MaxMessageTermination",
    "NoProgressTermination",
    "ResultTermination",
    "SourceMatchTermination",
    "StopMessageTermination",
    "TextMentionTermination",
    "TextMessageTermination",
    "TimeoutTermination",
    "TokenUsageTermination",
]


def _names(given: Iterable[str] | str | None) -> frozenset[str]:
    if isinstance(given, str):
        given = [given]
    if given is not None:
        check_list("sources", given)
    found = frozenset(given or ())
    for name in found:
        _check_text("sources", name)
    return found


def _check_text(what: str, given: object) -> None:
    if not isinstance(given, str) or not given:
        raise ConfigError(f"{what}={given!r} must be a name, a text that is not empty.")


@dataclass(frozen=True)
class TextMentionTermination(Condition[str | None]):
    """Stop once an agent has said `text`, one of `sources` when any are named. The task itself does not count."""

    text: str
    sources: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.text or not isinstance(self.text, str):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(f"TextMentionTermination needs a text to look for, not {self.text!r}.")
        object.__setattr__(self, "sources", _names(self.sources))

    def begin(self) -> str | None:
        return None

    def see(self, memory: str | None, fact: Fact) -> str | None:
        m = fact.message
        if memory is None and m is not None and fact.speaker and self.text in m.to_text():
            if not self.sources or m.source in self.sources:
                return f"{m.source} said {self.text!r}"
        return memory

    def reason(self, memory: str | None) -> str | None:
        return memory


@dataclass(frozen=True)
class MaxMessageTermination(Condition[int]):
    """Stop at `max_messages` messages, the task's included; events count when asked."""

    max_messages: int
    include_agent_event: bool = False

    def __post_init__(self) -> None:
        check_count("MaxMessageTermination: max_messages", self.max_messages)

    def begin(self) -> int:
        return 0

    def see(self, memory: int, fact: Fact) -> int:
        return memory + (fact.message is not None or (self.include_agent_event and fact.event is not None))

    def reason(self, memory: int) -> str | None:
        return f"{counted(memory, 'message')} of at most {self.max_messages}" if memory >= self.max_messages else None


@dataclass(frozen=True)
class TokenUsageTermination(Condition[tuple[int, int]]):
    """Stop once the conversation has cost so many tokens: in all, of prompts, or of replies; choosing speakers too."""

    max_total_token: int | None = None
    max_prompt_token: int | None = None
    max_completion_token: int | None = None

    def __post_init__(self) -> None:
        if self.max_total_token is self.max_prompt_token is self.max_completion_token is None:
            raise ConfigError(
                "TokenUsageTermination needs one of max_total_token, max_prompt_token, max_completion_token."
            )
        for name in ("max_total_token", "max_prompt_token", "max_completion_token"):
            if (most := getattr(self, name)) is not None:
                check_count(f"TokenUsageTermination: {name}", most)

    def begin(self) -> tuple[int, int]:
        return 0, 0

    def see(self, memory: tuple[int, int], fact: Fact) -> tuple[int, int]:
        u = fact.usage
        return memory if u is None else (memory[0] + u.prompt_tokens, memory[1] + u.completion_tokens)

    def reason(self, memory: tuple[int, int]) -> str | None:
        prompt, completion = memory
        for name, used, most in (
            ("tokens", prompt + completion, self.max_total_token),
            ("prompt tokens", prompt, self.max_prompt_token),
            ("completion tokens", completion, self.max_completion_token),
        ):
            if most is not None and used >= most:
                return f"{used} {name} of at most {most}"
        return None


@dataclass(frozen=True)
class CostTermination(Condition[float]):
    """Stop once what was said has cost `max_cost_usd`: the run is then `completed`, where a limit would cut it.

    It counts what the members' models cost, and those that choose or plan who speaks. A model whose price nobody knows
    is refused before the start.
    """

    max_cost_usd: float

    def __post_init__(self) -> None:
        check_amount("CostTermination: max_cost_usd", self.max_cost_usd)

    @property
    def most_usd(self) -> float:
        return self.max_cost_usd

    def begin(self) -> float:
        return 0.0

    def see(self, memory: float, fact: Fact) -> float:
        return memory + (fact.cost_usd or 0.0)

    def reason(self, memory: float) -> str | None:
        return f"${memory:.4f} of at most ${self.max_cost_usd:g}" if memory >= self.max_cost_usd else None


@dataclass(frozen=True)
class TimeoutTermination(Condition[tuple[int, int]]):
    """Stop at the first message that comes `timeout_seconds` or more after the run began."""

    timeout_seconds: float

    def __post_init__(self) -> None:
        check_amount("TimeoutTermination: timeout_seconds", self.timeout_seconds)

    def begin(self) -> tuple[int, int]:
        return 0, 0

    def see(self, memory: tuple[int, int], fact: Fact) -> tuple[int, int]:
        return (memory[0] or fact.at, max(memory[1], fact.at))

    def reason(self, memory: tuple[int, int]) -> str | None:
        past = (memory[1] - memory[0]) / 1e6
        return f"{past:.1f} s of at most {self.timeout_seconds:g}" if past >= self.timeout_seconds else None


@dataclass(frozen=True)
class ExternalTermination(Condition[str | None]):
    """Stop when somebody outside says so: `run.stop(reason)`, or `set()` for every run that now uses this object."""

    runs: WeakSet[Run] = field(default_factory=lambda: WeakSet[Run](), compare=False, repr=False)

    def attach(self, run: Run) -> None:
        self.runs.add(run)

    def set(self) -> None:
        """Ask every run that now uses this object to stop after its present turn."""
        for run in list(self.runs):
            run.stop("External termination requested")

    def begin(self) -> str | None:
        return None

    def see(self, memory: str | None, fact: Fact) -> str | None:
        return memory or fact.stop or None

    def reason(self, memory: str | None) -> str | None:
        return memory


@dataclass(frozen=True)
class _First(Condition[str | None]):
    """Stop at the first fact of some kind."""

    def begin(self) -> str | None:
        return None

    def see(self, memory: str | None, fact: Fact) -> str | None:
        return memory or self.sign(fact)

    def reason(self, memory: str | None) -> str | None:
        return memory

    @abstractmethod
    def sign(self, fact: Fact) -> str | None:
        """Return why this fact is a reason to stop, None if it is none."""


@dataclass(frozen=True)
class StopMessageTermination(_First):
    """Stop once an agent has sent a `StopMessage`."""

    def sign(self, fact: Fact) -> str | None:
        m = fact.message
        stops = m is not None and fact.speaker and getattr(m, "type", "") == "StopMessage"
        return f"{m.source} sent a stop message" if m and stops else None


@dataclass(frozen=True)
class SourceMatchTermination(_First):
    """Stop once one of `sources` has said something."""

    sources: frozenset[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", _names(self.sources))
        if not self.sources:
            raise ConfigError("SourceMatchTermination needs at least one name.")

    def sign(self, fact: Fact) -> str | None:
        m = fact.message
        return f"{m.source} answered" if m is not None and fact.speaker and m.source in self.sources else None


@dataclass(frozen=True)
class HandoffTermination(_First):
    """Stop once the conversation is handed to `target`, such as a person outside the team."""

    target: str

    def __post_init__(self) -> None:
        _check_text("HandoffTermination: target", self.target)

    def sign(self, fact: Fact) -> str | None:
        m = fact.message
        if m is None or not fact.speaker or getattr(m, "target", None) != self.target:
            return None
        return f"{m.source} handed over to {self.target}"


@dataclass(frozen=True)
class TextMessageTermination(_First):
    """Stop once a `TextMessage` was said, by `source` if it is named. The task itself does not count."""

    source: str | None = None

    def __post_init__(self) -> None:
        if self.source is not None:
            _check_text("TextMessageTermination: source", self.source)

    def sign(self, fact: Fact) -> str | None:
        m = fact.message
        if m is None or not fact.speaker or getattr(m, "type", "") != "TextMessage":
            return None
        return f"{m.source} sent a text message" if self.source in {None, m.source} else None


@dataclass(frozen=True)
class FunctionCallTermination(_First):
    """Stop once the tool `function_name` was called."""

    function_name: str

    def __post_init__(self) -> None:
        _check_text("FunctionCallTermination: function_name", self.function_name)

    def sign(self, fact: Fact) -> str | None:
        if getattr(fact.event, "type", "") != "ToolCallExecutionEvent":
            return None
        results: list[Any] = getattr(fact.event, "content", [])
        called = any(result.name == self.function_name for result in results)
        return f"the tool {self.function_name!r} was called" if called else None
