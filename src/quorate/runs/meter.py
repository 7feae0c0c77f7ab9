"""What a run has used and what it may still use: reserve before a call, settle after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from quorate.errors import ConfigError, QuorateError
from quorate.runs.outcome import DEFAULT_LIMITS, Limits, Outcome

FLOOR_TOKENS = 64
"""A reply shorter than this is not worth asking for: rather end `limit`."""


_NEVER = float("inf")

Tell = Callable[[str, float, float], None]
"""Is told which limit is near, how much of it is used, and how much may be."""

_UNITS = {
    "active_s": "seconds of work",
    "cost_usd": "US dollars",
    "model_calls": "model calls",
    "tool_calls": "tool calls",
}


class Bounds(Struct, frozen=True, gc=False):
    """Limits of which none is left out: what a meter measures by."""

    turns: float
    model_calls: float
    tool_calls: float
    tokens: Any
    cost_usd: float
    active_s: float


@lru_cache(maxsize=256)
def _bounds(limits: Limits) -> Bounds:
    return Bounds(**limits.complete())


def _bounds_within(limits: Limits, **others: float) -> Bounds:
    """Return limits of something inside a run: what they leave out, and `others` do not name, has no bound here."""
    found = dict.fromkeys(DEFAULT_LIMITS, float("inf")) | others | limits.given()
    found.pop("warn_at", None)
    return Bounds(**found)


class Halt(QuorateError):
    """Carries the outcome that ends the attempt up through whatever code is running; the run remembers it anyway."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class Spent(NamedTuple):
    """What was used inside a step; `cost_usd` is None where no price is known."""

    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    model_calls: int = 1
    tool_calls: int = 0


class Purse(Protocol):
    """What a meter is inside of, and has to ask too: another meter, or budgets that runs share."""

    def cap(self, bound: int, wanted: int) -> int: ...
    def money_left(self) -> float: ...
    def out_of_money(self, needs: float) -> Halt: ...
    def hold(self, tokens: int, usd: float) -> None: ...
    def settle(
        self, held_tokens: int, held_usd: float, prompt: int, completion: int, cached: int, usd: float | None
    ) -> None: ...
    def forfeit(self, held_tokens: int, held_usd: float) -> None: ...
    def add_tool_call(self) -> None: ...


class Meter:
    """Counts one run against its limits.

    Tokens and money of calls under way are held as reservations of their worst case, so that parallel calls can never
    overshoot together. A meter that is `inside` another passes all on to it. `cost_known` turns False with the first
    call whose price nobody knows. `full` are the limits as they were set, where a part of them is kept for a wrap-up.
    `needs` is what a call takes at least, in tokens or dollars, that one of these limits did not allow.
    """

    __slots__ = (
        "cached_tokens",
        "completion_tokens",
        "cost_known",
        "cost_usd",
        "full",
        "halted",
        "held_tokens",
        "held_usd",
        "inside",
        "limits",
        "model_calls",
        "near_model_calls",
        "near_tokens",
        "near_tool_calls",
        "near_turns",
        "near_usd",
        "needs",
        "prompt_tokens",
        "tell",
        "tokens",
        "tool_calls",
        "turns",
        "unsettled_tokens",
    )

    def __init__(self, limits: Limits) -> None:
        self.limits = _bounds(limits)
        self.full: Bounds | None = None
        self.turns = self.model_calls = self.tool_calls = 0
        self.tokens = self.prompt_tokens = self.completion_tokens = self.cached_tokens = 0
        self.held_tokens = self.unsettled_tokens = 0
        self.cost_usd = self.held_usd = self.needs = 0.0
        self.cost_known = True
        self.halted: Outcome | None = None
        self.inside: Purse | None = None
        self.tell: Tell | None = None
        self.near_turns = self.near_model_calls = self.near_tool_calls = self.near_tokens = self.near_usd = _NEVER

    def warn(self, share: float, tell: Tell) -> None:
        """Tell when a limit is used up to a share, once for each; where it is already, it was told before."""
        self.tell = None
        if share >= 1:
            return
        limits = self.full or self.limits
        self.near_turns, self.near_model_calls = share * limits.turns, share * limits.model_calls
        self.near_tool_calls, self.near_tokens = share * limits.tool_calls, share * limits.tokens
        self.near_usd = share * limits.cost_usd
        if self.turns or self.model_calls:
            self._near()
        self.tell = tell

    def _near(self) -> None:
        """Tell each limit that is near for the first time."""
        for limit in ("turns", "model_calls", "tool_calls", "tokens", "cost_usd"):
            mark = f"near_{limit.removeprefix('cost_')}"
            if getattr(self, limit) >= getattr(self, mark):
                setattr(self, mark, _NEVER)
                used, allowed = getattr(self, limit), getattr(self.full or self.limits, limit)
                if self.tell is not None and used < allowed:  # at the limit there is nothing left to warn of
                    self.tell(limit, used, allowed)

    def add_turn(self) -> None:
        """Count a turn that begins.

        Raises:
            Halt: There were enough.
        """
        self.check_turns()
        self.turns += 1
        if self.turns >= self.near_turns:
            self._near()

    def check_turns(self) -> None:
        """Make sure that there may be one more turn.

        Raises:
            Halt: There were enough.
        """
        if self.turns >= self.limits.turns:
            raise self.reached("turns")

    def add_tool_call(self) -> None:
        """Count a tool call.

        Raises:
            Halt: There were enough.
        """
        if self.tool_calls >= self.limits.tool_calls:
            raise self.reached("tool_calls")
        if self.inside is not None:
            self.inside.add_tool_call()
        self.tool_calls += 1
        if self.tool_calls >= self.near_tool_calls:
            self._near()

    def cap(self, bound: int, wanted: int) -> int:
        """Return how many tokens a reply may have whose prompt has at most `bound`.

        Raises:
            Halt: The tokens left, or the calls, do not allow one worth asking for.
        """
        limits = self.limits
        if self.inside is not None:
            wanted = self.inside.cap(bound, wanted)
        if self.model_calls >= limits.model_calls:
            raise self.reached("model_calls")
        left = limits.tokens - self.tokens - self.held_tokens - bound
        if left >= wanted:
            return wanted
        least = min(FLOOR_TOKENS, wanted)
        if left < least:
            self.needs = bound + least
            raise self.reached("tokens")
        return left

    def money_left(self) -> float:
        """Return the dollars that are neither spent nor reserved."""
        left = self.limits.cost_usd - self.cost_usd - self.held_usd
        return left if self.inside is None else min(left, self.inside.money_left())

    def out_of_money(self, needs: float) -> Halt:
        """Note which limit of money was reached, this one or one around it, and return what to raise.

        Args:
            needs: The dollars that the call takes at least.
        """
        left = self.limits.cost_usd - self.cost_usd - self.held_usd
        if self.inside is not None and self.inside.money_left() < left:
            return self.inside.out_of_money(needs)
        self.needs = needs
        return self.reached("cost_usd")

    def hold(self, tokens: int, usd: float) -> None:
        """Reserve the worst case of a call."""
        if self.inside is not None:
            self.inside.hold(tokens, usd)
        self.model_calls += 1
        self.held_tokens += tokens
        if usd:
            self.held_usd += usd

    def settle(
        self, held_tokens: int, held_usd: float, prompt: int, completion: int, cached: int, usd: float | None
    ) -> None:
        """Replace a reservation by what the call really used; `usd` is None where no price is known."""
        if self.inside is not None:
            self.inside.settle(held_tokens, held_usd, prompt, completion, cached, usd)
        self.held_tokens -= held_tokens
        if held_usd:
            self.held_usd -= held_usd
        self.tokens += prompt + completion
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        if cached:
            self.cached_tokens += cached
        if usd is None:
            self.cost_known = False
        else:
            self.cost_usd += usd
        if (
            self.tokens >= self.near_tokens
            or self.cost_usd >= self.near_usd
            or self.model_calls >= self.near_model_calls
        ):
            self._near()

    def forfeit(self, held_tokens: int, held_usd: float) -> None:
        """Count a call whose outcome nobody will know at its worst case."""
        if self.inside is not None:
            self.inside.forfeit(held_tokens, held_usd)
        self.held_tokens -= held_tokens
        self.held_usd -= held_usd
        self.tokens += held_tokens
        self.unsettled_tokens += held_tokens
        self.cost_usd += held_usd

    def count_on(self, before: Meter) -> None:
        """Go on from what earlier attempts used."""
        for name in Meter.__slots__:
            if name not in {"full", "limits", "halted", "inside", "needs", "tell"} and not name.startswith("near_"):
                setattr(self, name, getattr(before, name))

    def spent(self) -> Spent:
        """Return what was used in all, calls without an outcome among it."""
        return Spent(
            self.prompt_tokens + self.unsettled_tokens,
            self.completion_tokens,
            self.cost_usd if self.cost_known else None,
            self.model_calls,
            self.tool_calls,
        )

    def count(self, spent: Sequence[Any]) -> None:
        """Count what a step says was used inside it."""
        self.settle(0, 0.0, spent[0], spent[1], 0, spent[2])
        self.more(spent[3], spent[4])

    def more(self, model_calls: int, tool_calls: int) -> None:
        """Count calls that were made inside a step."""
        self.model_calls += model_calls
        self.tool_calls += tool_calls

    def figures(self) -> dict[str, Any]:
        """Return what was used, as plain data; `unsettled_tokens` is the part of calls without an outcome."""
        usd = self.cost_usd
        found: dict[str, Any] = {
            "turns": self.turns,
            "model_calls": self.model_calls,
            "tool_calls": self.tool_calls,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "tokens": self.tokens,
            "cost_usd": (round(usd, 9) if usd else usd) if self.cost_known else None,
        }
        if self.unsettled_tokens:
            found["unsettled_tokens"] = self.unsettled_tokens
        return found

    def reached(self, limit: str) -> Halt:
        """Note that a limit was reached, for good, and return what to raise."""
        return self.halt(Outcome("limit", self._words(limit), limit=limit))

    def _words(self, limit: str) -> str:
        value, unit = getattr(self.full or self.limits, limit), _UNITS.get(limit, limit)
        return f"The limit of {value:.10g} {unit.removesuffix('s') if value == 1 else unit} is reached."

    def halt(self, outcome: Outcome) -> Halt:
        """Note what ends the run, for good, and return what to raise; the first one stands."""
        self.halted = self.halted or outcome
        return Halt(self.halted)


class AgentMeter(Meter):
    """Counts one agent of a run against limits of its own; what it uses counts for the run too.

    Raises:
        ConfigError: It is limited in what only a run has.
    """

    __slots__ = ("agent", "run")

    def __init__(self, agent: str, limits: Limits, run: Meter) -> None:
        super().__init__(limits)
        check_agent(agent, limits)
        self.limits = _bounds_within(limits)
        self.agent, self.run = agent, run
        self.inside = run

    def more(self, model_calls: int, tool_calls: int) -> None:
        super().more(model_calls, tool_calls)
        self.run.more(model_calls, tool_calls)

    def reached(self, limit: str) -> Halt:
        return self.halt(Outcome("limit", f"{self.agent}: {self._words(limit)}", limit=f"{self.agent}.{limit}"))

    def halt(self, outcome: Outcome) -> Halt:
        return self.run.halt(outcome)


class InnerMeter(Meter):
    """Counts a conversation inside a run against limits of its own, and all it uses for what is around it too.

    Turns are counted for each conversation by itself: who sets no limit of them has those of a run by itself.
    """

    __slots__ = ("around",)

    def __init__(self, own: Limits, around: Meter) -> None:
        super().__init__(own)
        self.inside = self.around = around
        self.limits = _bounds_within(own, turns=DEFAULT_LIMITS["turns"])

    def more(self, model_calls: int, tool_calls: int) -> None:
        super().more(model_calls, tool_calls)
        self.around.more(model_calls, tool_calls)

    def halted_around(self) -> Outcome | None:
        """Return what has halted something around it, None if nothing has."""
        around: Meter | None = self.around
        while around is not None:
            if around.halted is not None:
                return around.halted
            around = around.run if isinstance(around, AgentMeter) else getattr(around, "around", None)
        return None


def check_agent(name: str, limits: Limits) -> None:
    """Refuse limits that one agent cannot have.

    Raises:
        ConfigError: It is limited in turns or in time.
    """
    for limit in ("turns", "active_s"):
        if getattr(limits, limit) is not None:
            raise ConfigError(
                f"{name}: limits={limit} is for a run. An agent may have model_calls, tool_calls, tokens and cost_usd."
            )
