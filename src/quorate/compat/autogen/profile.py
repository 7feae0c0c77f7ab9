"""How AutoGen's chat behaves where Quorate's own behaves differently: the named profile of the AutoGen view.

What is not here is Quorate's, under AutoGen's names. What AutoGen does and this does not is in `docs/autogen.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from quorate.chat.ending.stopping import Condition
from quorate.chat.facts import SHOWN, Fact
from quorate.chat.messages import BaseMessage
from quorate.runs.outcome import Limits

PATIENCE: int | None = None
"""No stall is looked for: what goes in circles is left to the limits."""

LIMITS = Limits(
    turns=100_000, model_calls=300_000, tool_calls=300_000, tokens=2_000_000_000, active_s=7 * 86_400.0, warn_at=1
)
"""AutoGen has none, and no run is without: these are wide, and one that is reached is the reason of the end."""

SELECTOR_ATTEMPTS = 3
LEDGER_ATTEMPTS = 10
"""How often a planner's model may answer with something else than a ledger."""
MAX_TOOL_ITERATIONS = 1
REFLECT_ON_TOOL_USE = False

SELECTOR_PROMPT = """Several roles take part in a conversation:
{roles}

Read the conversation. Then choose from {participants} the one who should speak next, and answer with the name only.

{history}

Read the conversation above. Then choose from {participants} the one who should speak next. Answer with the name only.
"""
SYSTEM_MESSAGE = (
    "You are a helpful AI assistant. Use your tools to solve the task. When it is completed, reply with TERMINATE."
)
ASSISTANT_DESCRIPTION = "An agent that provides assistance with ability to use tools."
TEAM_DESCRIPTION = "A team of agents."
INPUT_PROMPT = "Enter your response: "

GRAPH_DONE = "Digraph execution is complete"
ROUNDS_OVER = "Max rounds reached."
MAX_TURNS = "Maximum number of turns {} reached."
STOPPED = "The group chat is stopped."
TERMINATED = "The group chat has already terminated."
RUNNING = "The team is already running, it cannot run again until it is stopped."
MAX_MESSAGES = "Maximum number of messages {} reached, current message count: {}"
TEXT_MENTIONED = "Text '{}' mentioned"
STOP_MESSAGE = "Stop message received"
TOKENS_USED = "Token usage limit reached, total token count: {}, prompt token count: {}, completion token count: {}."
HANDOFF = "Handoff to {} from {} detected."
TIMEOUT = "Timeout of {} seconds reached"
EXTERNAL = "External termination requested"
SOURCE = "'{}' answered"
TEXT_MESSAGE = "Text message received from '{}'"
FUNCTION = "Function '{}' was executed."
FUNCTIONAL = "Functional termination condition met"

HANDOFF_DESCRIPTION = "Handoff to {}."
HANDOFF_NAME = "transfer_to_{}"
HANDOFF_MESSAGE = "Transferred to {}, adopting the role of {} immediately."
ROLE_BY_SYSTEM = ("gpt-", "o1", "o3", "o4")
"""Families of models whose selector is asked by a system message; others by a user message."""

UNSEEN = frozenset({"SelectSpeakerEvent", "SelectorEvent", "UserInputRequestedEvent"})
"""What is told to who watches, and is neither in the thread nor seen by conditions and selectors."""


class Question(Protocol):
    """When to stop, as a value: AutoGen's conditions see what is new, the task first, and may stop at all of it."""

    def first(self) -> Any:
        """Return the memory before anything was said."""
        ...

    def after(self, memory: Any, new: Sequence[BaseMessage]) -> Any:
        """Return the memory after what is new: a turn's events and messages, or the task. Changes nothing else."""
        ...

    def told(self, memory: Any) -> tuple[str, str] | None:
        """Return why to stop and who says so, None to go on."""
        ...


class Ending(Condition[tuple[Any, tuple[BaseMessage, ...], int]]):
    """When a team of the view stops: what its condition says of whole turns, then its number of turns.

    Args:
        question: The condition, None for none.
        max_turns: The most turns of a run, None for any.
        attached: What wants to know of the run.
        unheard: Who says what the condition does not see. With any, it is only asked after somebody else has spoken.
    """

    sees_choices = True

    def __init__(
        self,
        question: Question | None,
        max_turns: int | None,
        attached: Sequence[Any] = (),
        unheard: frozenset[str] = frozenset(),
    ) -> None:
        self.question, self.max_turns, self._attached, self._unheard = question, max_turns, attached, unheard
        self._asked: tuple[Any, tuple[BaseMessage, ...], Any] = None, (), None

    def attach(self, run: Any) -> None:
        for part in self._attached:
            part.attach(run)

    def begin(self) -> tuple[Any, tuple[BaseMessage, ...], int]:
        return None if self.question is None else self.question.first(), (), 0

    def see(
        self, memory: tuple[Any, tuple[BaseMessage, ...], int], fact: Fact
    ) -> tuple[Any, tuple[BaseMessage, ...], int]:
        kept, new, turns = memory
        if fact.choice is not None:
            if self.question is not None and new:
                kept = self._after(self.question, kept, new)
            return kept, (), turns + 1
        if self.question is None:
            return memory
        item = fact.message
        if item is None:
            item = fact.event
            if item is None or getattr(item, "type", "") in UNSEEN:
                return memory
        if fact.ref == SHOWN or fact.speaker in self._unheard:
            return memory
        return kept, (*new, item), turns

    def reason(self, memory: tuple[Any, tuple[BaseMessage, ...], int]) -> str | None:
        kept, new, turns = memory
        if self.question is not None and (new or not self._unheard):
            told = self.question.told(self._after(self.question, kept, new) if new else kept)
            if told is not None:
                return told[0]
        return MAX_TURNS.format(self.max_turns) if self.max_turns is not None and turns >= self.max_turns else None

    def _after(self, question: Question, kept: Any, new: tuple[BaseMessage, ...]) -> Any:
        """Return what the condition remembers after a turn: asked whether to stop, and then on, it looks once."""
        before, seen, after = self._asked
        if seen is not new or before is not kept:
            after = question.after(kept, new)
            self._asked = kept, new, after
        return after


class Either(Condition[tuple[Any, Any]]):
    """Stops when one of two conditions says so, and tells what the first says that does."""

    sees_choices = True

    def __init__(self, first: Condition[Any], second: Ending) -> None:
        self._both = first, second

    def parts(self) -> Iterator[Condition[Any]]:
        for condition in self._both:
            yield from condition.parts()

    def begin(self) -> tuple[Any, Any]:
        first, second = self._both
        return first.begin(), second.begin()

    def see(self, memory: tuple[Any, Any], fact: Fact) -> tuple[Any, Any]:
        first, second = self._both
        return first.see(memory[0], fact), second.see(memory[1], fact)

    def reason(self, memory: tuple[Any, Any]) -> str | None:
        first, second = self._both
        return first.reason(memory[0]) or second.reason(memory[1])
