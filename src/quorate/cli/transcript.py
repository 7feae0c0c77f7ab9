"""A run as its journal tells it: who was chosen and why, what was said and done, and how it ended.

No team is needed for it, so it shows runs whose definition is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from quorate.chat import messages
from quorate.chat.derived import derived
from quorate.chat.hearing import fact_heard
from quorate.chat.messages import BaseMessage, FunctionCall, FunctionExecutionResult
from quorate.chat.speech import RunOf, made_of, steps_of
from quorate.errors import ConfigError
from quorate.runs import paths
from quorate.runs.entries import Entry, Payload, run_id
from quorate.runs.history import RunRecord, figures, sorted_entries, wrote


@dataclass
class ToldTurn:
    """One turn of a run.

    Attributes:
        number: From 1.
        speakers: Who was chosen.
        reason: Why.
        note: What the policy noted beside it.
        said: Messages and events, in canonical order.
        state: `closed`, `open`, or `given up`.
        cost_usd: Of choosing and speaking; None where a price is unknown.
    """

    number: int
    speakers: tuple[str, ...]
    reason: str
    note: Any = None
    said: list[BaseMessage] = field(default_factory=list[BaseMessage])
    state: str = "open"
    tokens: int = 0
    cost_usd: float | None = 0.0


@dataclass(frozen=True)
class Told:
    """One run."""

    id: str
    record: RunRecord
    turns: list[ToldTurn]

    @property
    def task(self) -> list[BaseMessage]:
        """The messages of the task."""
        return [loaded(data) for data in self.record.task]

    @property
    def said(self) -> list[BaseMessage]:
        """All that was said, the task first."""
        return self.task + [message for turn in self.turns for message in turn.said]

    @property
    def task_text(self) -> str:
        """The task in words."""
        return "\n".join(message.to_text() for message in self.task)


def told(conversation: str, record: RunRecord) -> Told:
    """Return a run as its entries tell it."""
    id = run_id(conversation, record.number)
    turns: dict[str, ToldTurn] = {}
    inside: dict[str, list[Entry]] = {}
    ended: set[str] = set()
    cut: dict[str, Entry] = {}
    for entry in sorted_entries(record.entries):
        top, _, rest = entry.path.partition("/")
        if top and top not in turns and entry.kind in {"heard", "interrupt", "turn"}:
            turns[top] = ToldTurn(paths.elements(top)[0][0], ("people",), "somebody had something to say")
        if entry.kind == "heard":
            turns[top].said += _heard(entry, conversation, record)
        elif entry.kind == "interrupt":
            cut[top] = entry
        elif entry.kind == "choice" and not rest:
            said = entry.payload
            number, say = paths.elements(top)[0][0], [loaded(data) for data in said.get("say", ())]
            who = tuple(said["speakers"]) or tuple(dict.fromkeys(m.source for m in say))
            turns[top] = ToldTurn(number, who, said["reason"], said.get("note"), list[BaseMessage](say))
        elif entry.kind == "won" and not rest:
            turns[top].reason += f" (a race, enough: {', '.join(entry.payload['winners'])})"
        elif entry.kind == "turn" and not rest:
            given_up, interrupted = entry.payload.get("given_up"), entry.payload.get("interrupted")
            turns[top].state = "given up" if given_up else "interrupted" if interrupted else "closed"
        elif rest and top in turns:
            _count(turns[top], entry)
            speech = f"{top}/{rest.partition('/')[0]}"
            inside.setdefault(speech, []).append(entry)
            if entry.kind == "said" and entry.path == speech:
                ended.add(speech)
    for speech, entries in inside.items():
        turn = turns[speech.partition("/")[0]]
        name = paths.elements(speech)[-1][1]
        if speech in ended:
            closing = next(e for e in entries if e.kind == "said" and e.path == speech)
            run = RunOf(run_id(wrote(closing.seq, conversation, record.marks), record.number), record.number)
            turn.said += [*_inside(entries, run), *_closed(entries, closing, name, run)]
        elif name not in {paths.CHOOSE, paths.CHECK}:
            run = RunOf(run_id(conversation, record.number), record.number)
            turn.said += [*_inside(entries, run), *_unfinished(entries, speech, name)]
    for top, entry in cut.items():
        turns[top].said += _heard(entry, conversation, record)
    return Told(id, record, [turn for turn in turns.values() if turn.speakers or turn.said])


def _heard(entry: Entry, conversation: str, record: RunRecord) -> list[BaseMessage]:
    message = fact_heard(entry, wrote(entry.seq, conversation, record.marks)).message
    return [message] if message is not None else []


def _count(turn: ToldTurn, entry: Entry) -> None:
    if entry.kind == "reply":
        turn.tokens += entry.payload["in"] + entry.payload["out"]
        cost = entry.payload.get("cost", 0.0)
        turn.cost_usd = None if cost is None or turn.cost_usd is None else turn.cost_usd + cost


def _closed(entries: Sequence[Entry], closing: Entry, name: str, run: RunOf) -> list[BaseMessage]:
    path = closing.path
    made = made_of(closing, entries, run)
    found: list[BaseMessage] = []
    for item in closing.payload["items"]:
        if item[0] == "json":
            found.append(loaded(item[1]))
            continue
        fact = derived(tuple(item), made, path, name, run)  # pyright: ignore[reportArgumentType]: of a run it wants id and number
        message = fact.message or fact.event
        assert message is not None
        found.append(message)
    return found


def _inside(entries: Sequence[Entry], run: RunOf) -> list[BaseMessage]:
    """Return what was said in the conversations inside a speech, with the names on the way to each."""
    scopes = [entry.path for entry in entries if entry.kind == "task"]
    found: list[BaseMessage] = []
    for entry in entries if scopes else ():
        around = [paths.names(path)[-1] for path in scopes if paths.below(entry.path, path)]
        if entry.kind == "said" and around:
            within = {"within": "/".join(around)}
            said = _closed(entries, entry, paths.names(entry.path)[-1], run)
            found += [message.model_copy(update={"metadata": {**message.metadata, **within}}) for message in said]
    return found


def _unfinished(entries: Sequence[Entry], path: str, name: str) -> list[BaseMessage]:
    """Return what is there of a speech that nobody closed: its replies, and calls with the results that came."""
    made = steps_of(entries, path)
    found: list[BaseMessage] = []
    for n, step in sorted(made.items()):
        reply = getattr(step.value, "reply", None)
        if reply is None:
            continue
        when = messages.at(step.at)
        if not reply.calls:
            found.append(messages.TextMessage(content=reply.text, source=name, created_at=when))
            continue
        calls = [FunctionCall(call.id, call.arguments, call.name) for call in reply.calls]
        found.append(messages.ToolCallRequestEvent(content=calls, source=name, created_at=when))
        results: list[FunctionExecutionResult] = []
        for i, call in enumerate(reply.calls):
            if n + 1 + i in made:
                said = made[n + 1 + i].value
                results.append(FunctionExecutionResult(said["content"], call.name, call.id, bool(said.get("error"))))
        if results:
            found.append(messages.ToolCallExecutionEvent(content=results, source=name, created_at=when))
    return found


def loaded(data: Payload) -> BaseMessage:
    """Return a dumped message; of a type that is not known here, as text."""
    try:
        return messages.load(data)
    except (ConfigError, ValidationError):
        text = data.get("content", "")
        return messages.TextMessage(
            content=text if isinstance(text, str) else str(text), source=str(data.get("source", "?"))
        )


def status(record: RunRecord, *, held: bool) -> str:
    """Return the outcome of a run, or for one that has none `running` or `interrupted`."""
    return record.outcome.kind if record.outcome else "running" if held else "interrupted"


def ended_figures(record: RunRecord) -> Payload:
    """Return what a run used: as its last attempt was told at its end, else counted from its entries."""
    last = next((e for e in reversed(record.entries) if e.kind not in {"fork", "definition"}), record.entries[-1])
    return last.payload if last.kind == "ended" and record.outcome is not None else figures(record)
