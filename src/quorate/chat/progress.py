"""Whether a conversation gets anywhere: the same acts again and again, with nothing new between, are a stall.

An *act* is something said, or a tool call with its result. Whatever the loop, there are three questions:

1. Is it new? A text is, when enough of the words that carry something were not among what its speaker said lately, or
   when it is like nothing of that. So fillers, courtesy, times, ids and the number of a try do not make it new. A call
   is, when its arguments or its result are. What a person says is, and what a polled tool answers.
2. If not, which earlier act does it repeat?
3. Has that act now come `patience` times, while each other act since the first of these came again as well? Then it is
   a loop, whatever its length and order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from quorate.chat.facts import Fact
from quorate.chat.lately import Answers, Voice
from quorate.chat.stock import stock
from quorate.chat.wording import ALIKE
from quorate.runs.meter import Halt
from quorate.runs.outcome import Outcome

PATIENCE = 3
ROUNDS = 12
"""The longest loop that is seen, in acts."""


class Act(NamedTuple):
    """Something said or done.

    Args:
        sign: Equal for acts that repeat each other.
        who: Whose it is.
        what: The text, or the call.
        result: Of the call.
    """

    sign: Hashable
    who: str
    what: str
    result: str | None = None


class Progress:
    """Folds over the facts of a run.

    Args:
        persons: Names of people; what they say is always new.
        polls: Names of tools that may be called again and again with one result.
        patience: How often the same may come with nothing new between.
    """

    __slots__ = ("_acts", "_answers", "_asked", "_patience", "_persons", "_polls", "_voices", "stalled")

    def __init__(
        self,
        persons: frozenset[str] = frozenset(),
        polls: frozenset[str] = frozenset(),
        patience: int = PATIENCE,
    ) -> None:
        self._persons, self._polls, self._patience = persons, polls, patience
        self._voices: dict[tuple[str, str], Voice] = {}
        self._answers = Answers()
        self._acts: deque[Act] = deque(maxlen=ROUNDS * patience)
        self._asked: Sequence[Any] = ()
        self.stalled = ""

    def see(self, fact: Fact) -> None:
        """Take in the next fact."""
        message = fact.message
        if message is not None:
            who = fact.speaker
            if not who or who in self._persons:
                self._fresh()
                return
            text = message.to_text()
            sign, new = self._voice(who).hear(text)
            self._see_act(Act(sign, who, text), new)
        elif fact.event is not None:
            kind = getattr(fact.event, "type", "")
            if kind == "ToolCallRequestEvent":
                self._asked = list(fact.event.content)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]: of that event
            elif kind == "ToolCallExecutionEvent":
                self._see_calls(fact.speaker, fact.event.content)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]: of that event

    def _voice(self, who: str, of: str = "", alike: float = ALIKE) -> Voice:
        voice = self._voices.get((who, of))
        if voice is None:
            voice = self._voices[who, of] = Voice((who, of), alike)
        return voice

    def _see_calls(self, who: str, results: list[Any]) -> None:
        """Take in the calls of one reply; the same call twice side by side is one act."""
        done: dict[Hashable, Act] = {}
        for call, result in zip(self._asked, results, strict=False):
            if call.name in self._polls:
                self._fresh()
                continue
            sign = self._sign_of(who, call.name, call.arguments, result)
            done[sign] = Act(sign, who, f"{call.name}({call.arguments})", result.content)
        for act in done.values():
            self._see_act(act, not any(act.sign == earlier.sign for earlier in self._acts))

    def _sign_of(self, who: str, name: str, arguments: str, result: Any) -> Hashable:
        if result.is_error:  # asking in other words for what fails is no progress
            return self._voice(who, "!", 1.0).hear(f"{name} {arguments} {result.content}")[0]
        asked: Hashable = arguments
        if _is_talk(arguments):  # such as a task for somebody, or why one hands over
            asked = self._voice(who, name).hear(arguments)[0]
        return self._answers.sign((who, name, asked), result.content)

    def _fresh(self) -> None:
        """Something new came: what repeated itself before does not count any more."""
        self._acts.clear()
        self.stalled = ""

    def _see_act(self, act: Act, new: bool) -> None:
        self._acts.append(act)
        self.stalled = "" if new else self._loop(act)

    def _loop(self, act: Act) -> str:
        """Return how the conversation goes round in circles, "" if it does not."""
        patience, others = self._patience, max(2, self._patience - 1)
        times: dict[Hashable, int] = {}
        rare = 0
        for back, earlier in enumerate(reversed(self._acts), 1):
            sign = earlier.sign
            count = times[sign] = times.get(sign, 0) + 1
            if count == 1:
                rare += 1
            if count == others:
                rare -= 1
            if not rare and times[act.sign] >= patience:
                return self._told(act, times[act.sign], list(self._acts)[-back:])
        return ""

    def _told(self, act: Act, count: int, loop: list[Act]) -> str:
        same = all(a.what == act.what for a in loop if a.sign == act.sign)
        others = sorted({a.who for a in loop} - {act.who})
        between = f", in turn with {' and '.join(others)}," if others else ""
        if act.result is None:
            what = "the same" if same else "much the same"
            return f"{act.who} said {what} {count} times{between or ','} and nothing new came between: {_cut(act.what)}"
        what = act.what if same else act.what.partition("(")[0]
        return f"{act.who} called {_cut(what)} {count} times{between} with the same result: {_cut(act.result)}"

    def check(self) -> None:
        """Stop what is going on if it stalls.

        Raises:
            Halt: It does.
        """
        if self.stalled:
            raise Halt(Outcome("stalled", self.stalled))


def _is_talk(arguments: str) -> bool:
    """Return whether arguments are sentences, and not data, code or a long work."""
    return 40 <= len(arguments) <= 400 and len(stock().intersection(arguments.lower().split())) >= 3


def _cut(text: str) -> str:
    text = " ".join(text[:400].split())
    return text if len(text) <= 80 else text[:77] + "…"
