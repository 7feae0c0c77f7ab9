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

import json
from collections import deque
from collections.abc import Hashable, Sequence
from typing import Any

from msgspec import Struct

from quorate.chat.ending.stopping import PATIENCE
from quorate.chat.facts import Fact
from quorate.chat.stalls.lately import Answers, Room, Voice
from quorate.chat.stalls.tongues import COURTEOUS
from quorate.chat.stalls.wording import ALIKE, shape
from quorate.runs.meter import Halt
from quorate.runs.outcome import Outcome

SENTENCE, SENTENCES = 24, 400
"""Between so many letters the arguments of a call may be sentences."""
FEW = 3
"""So many have to come `patience` times each where they do not repeat themselves word by word."""
ODD = 3
"""One act in so many of a speaker may be odd."""
ROUNDS = 24
"""The longest loop that is seen, in acts; where a planner speaks before each member, half of them are its own."""


class Act(Struct, gc=False):
    """Something said or done.

    Args:
        sign: Equal for acts that repeat each other.
        who: Whose it is.
        what: The text, or the call.
        result: Of the call.
        hollow: Whether it is nothing but courtesy.
        voice: The same for acts of one kind.
        new: Whether nothing lately was the same.
        odd: Whether it has a word or two that were not there before.
    """

    sign: Hashable
    who: str
    what: str
    result: str | None = None
    hollow: bool = False
    voice: Hashable = None
    new: bool = False
    odd: bool = False


class Progress:
    """Folds over the facts of a run.

    Args:
        persons: Names of people; what they say is always new.
        polls: Names of tools that may be called again and again with one result.
        patience: How often the same may come with nothing new between.
    """

    __slots__ = ("_acts", "_answers", "_asked", "_patience", "_persons", "_polls", "_room", "_voices", "stalled")

    def __init__(
        self,
        persons: frozenset[str] = frozenset(),
        polls: frozenset[str] = frozenset(),
        patience: int = PATIENCE,
    ) -> None:
        self._persons, self._polls, self._patience = persons, polls, patience
        self._voices: dict[tuple[str, str], Voice] = {}
        self._room = Room()
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
            voice = self._voices.get((who, "")) or self._voice(who)
            sign, new, hollow, odd = voice.hear(text)
            self._see_act(Act(sign, who, text, None, hollow, who, new, odd))
        elif fact.event is not None:
            kind = getattr(fact.event, "type", "")
            if kind == "ToolCallRequestEvent":
                self._asked = list(fact.event.content)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]: of that event
            elif kind == "ToolCallExecutionEvent":
                self._see_calls(fact.speaker, fact.event.content)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]: of that event

    def _voice(self, who: str, of: str = "", alike: float = ALIKE) -> Voice:
        voice = self._voices.get((who, of))
        if voice is None:
            voice = self._voices[who, of] = Voice((who, of), self._room, alike)
            self._room.meet(who)
        return voice

    def _see_calls(self, who: str, results: list[Any]) -> None:
        """Take in the calls of one reply; the same call twice side by side is one act."""
        done: dict[Hashable, Act] = {}
        for call, result in zip(self._asked, results, strict=False):
            if call.name in self._polls:
                self._fresh()
                continue
            sign, hollow, odd = self._sign_of(who, call.name, call.arguments, result)
            voice, new = (who, call.name), not any(sign == act.sign for act in self._acts)
            done[sign] = Act(sign, who, f"{call.name}({call.arguments})", result.content, hollow, voice, new, odd)
        for act in done.values():
            self._see_act(act)

    def _sign_of(self, who: str, name: str, arguments: str, result: Any) -> tuple[Hashable, bool, bool]:
        if result.is_error:  # asking in other words for what fails is no progress
            return self._voice(who, "!", 1.0).hear(f"{name} {arguments} {result.content}")[0], False, False
        arguments = _unescaped(arguments)
        if self._is_talk(arguments):  # such as a task for somebody, or why one hands over
            sign, _, hollow, odd = self._voice(who, name).hear(arguments)
            return self._answers.sign((who, name, sign), result.content), hollow, odd
        return self._answers.sign((who, name, arguments), result.content), False, False

    def _is_talk(self, arguments: str) -> bool:
        """Return whether arguments are sentences, and not data, code or a long work."""
        if not SENTENCE <= len(arguments) <= SENTENCES:
            return False
        words = shape(arguments).split()
        if not self._room.abroad:
            self._room.listen(words)
        return len(self._room.stock.intersection(words)) >= 3 or COURTEOUS in words

    def _fresh(self) -> None:
        """Something new came: what repeated itself before does not count any more."""
        self._acts.clear()
        self.stalled = ""

    def _see_act(self, act: Act) -> None:
        self._acts.append(act)
        self.stalled = "" if act.new else self._loop(act)

    def _loop(self, act: Act) -> str:
        """Return how the conversation goes round in circles, "" if it does not."""
        count = _Count(self._patience, max(2, self._patience - 1))
        for back, earlier in enumerate(reversed(self._acts), 1):
            if not count.add(earlier):
                break  # nothing before it can repeat what was new then
            if count.is_loop(act):
                return self._told(act, count.times(act), list(self._acts)[-back:])
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


class _Count(Struct):
    """How often the acts of a while came, and by voice."""

    patience: int
    others: int
    acts: int = 0
    rare: int = 0
    signs: dict[Hashable, int] = {}
    texts: dict[Hashable, str] = {}
    differ: dict[Hashable, Hashable] = {}
    varied: set[Hashable] = set()
    most: dict[Hashable, int] = {}
    hollow: dict[Hashable, int] = {}
    odd: dict[Hashable, int] = {}
    voices: dict[Hashable, int] = {}

    def add(self, act: Act) -> bool:
        """Count an act, the latest first; return whether there may be a loop with those before it."""
        self.acts += 1
        voice, sign = act.voice, act.sign
        self.voices[voice] = self.voices.get(voice, 0) + 1
        if act.odd:
            self.odd[voice] = self.odd.get(voice, 0) + 1
        if act.hollow:
            self.hollow[voice] = self.hollow.get(voice, 0) + 1
            if self.texts.setdefault(voice, act.what) != act.what:
                self.varied.add(voice)
            return True
        times = self.signs[sign] = self.signs.get(sign, 0) + 1
        self.most[voice] = max(self.most.get(voice, 0), times)
        self.rare += (times == 1) - (times == self.others)
        if self.texts.setdefault(sign, act.what) != act.what:
            self.differ[sign] = voice
        return not act.new or times >= self.others

    def times(self, act: Act) -> int:
        """Return how often an act came; courtesy counts as any of its voice."""
        times = self.most.get(act.voice, 0) if act.hollow else self.signs[act.sign]
        return times + self.hollow.get(act.voice, 0)

    def is_loop(self, act: Act) -> bool:
        """Return whether they are a loop that this act closes."""
        if self.rare or self.times(act) < self.patience or (self.varied and self.acts <= self.patience):
            return False
        if any(times * ODD > self.voices[voice] for voice, times in self.odd.items()):
            return False
        few = len(self.most.keys() | self.hollow.keys()) <= FEW
        least = self.patience if few else self.others
        for voice, times in self.hollow.items():
            if self.most.get(voice, 0) + times < (least if voice in self.varied else self.others):
                return False
        said = ((self.signs[sign] + self.hollow.get(voice, 0)) for sign, voice in self.differ.items())
        return all(times >= least for times in said)


def _unescaped(arguments: str) -> str:
    if "\\u" not in arguments or len(arguments) > 4 * SENTENCES:
        return arguments
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False)
    except ValueError:
        return arguments


def _cut(text: str) -> str:
    text = " ".join(text[:400].split())
    return text if len(text) <= 80 else text[:77] + "…"
