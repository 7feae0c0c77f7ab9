"""What a journal says about its runs: a pure fold over the entries, for resuming, listing and showing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from quorate.errors import Conflict
from quorate.runs import paths
from quorate.runs.entries import Entry, Payload, canonical_order, run_id
from quorate.runs.meter import Meter
from quorate.runs.outcome import Limits, Outcome
from quorate.runs.prices import Price, price_from

if TYPE_CHECKING:
    from quorate.runs.budget import Budget

Marks = list[tuple[int, str]]
"""Of each `fork` entry its number, and the conversation that what comes before was written in."""

OUTCOMES = frozenset({"reply", "result", "value", "error", "settled"})
SPENDING = OUTCOMES | {"retry"}


@dataclass(slots=True)
class RunRecord:
    """One run as its entries tell it.

    `document` is the team as data that it last ran with, `app` the name of the code, both empty for a team that only
    its process knew. `outcome` is None while an attempt goes on, and after its process was killed. `forked` is what the
    last `fork` entry in it says, `effects` whether new calls ask first (`ask`) or are made (`live`), where one said so.
    `unsure` are the calls that somebody may still be at who wrote their intent and was not seen to die.
    """

    number: int
    task: list[Payload] = field(default_factory=list[Payload])
    limits: Limits = field(default_factory=Limits)
    budgets: tuple[Budget, ...] = ()
    prices: dict[str, Price] = field(default_factory=dict[str, Price])
    document: Payload | None = None
    app: str = ""
    outcome: Outcome | None = None
    started_at: int = 0
    last_at: int = 0
    active_s: float = 0.0
    needs: float = 0.0
    closed: bool = False
    stop_reason: str = ""
    intents: dict[str, Entry] = field(default_factory=dict[str, Entry])
    questions: dict[str, Entry] = field(default_factory=dict[str, Entry])
    void: set[int] = field(default_factory=set[int])
    unsure: set[str] = field(default_factory=set[str])
    open_turns: set[str] = field(default_factory=set[str])
    entries: list[Entry] = field(default_factory=list[Entry])
    forked: Payload = field(default_factory=Payload)
    effects: str = ""
    marks: Marks = field(default_factory=Marks)
    _attempt_at: int = 0

    def see(self, entry: Entry) -> None:
        """Take in the next entry of this run."""
        self.entries.append(entry)
        self.last_at = max(self.last_at, entry.at)  # what a fork keeps is older than its mark
        known = getattr(self, f"_see_{entry.kind}", None)
        if known is not None:
            known(entry)
        elif entry.kind in OUTCOMES:
            self.intents.pop(entry.path, None)
            self.questions.pop(entry.path, None)

    def _see_run(self, entry: Entry) -> None:
        said = entry.payload
        self.task, self.limits = list(said["task"]), Limits(**said["limits"])
        self.started_at = self._attempt_at = entry.at
        self._define(said)
        self._spend_within(said)

    def _spend_within(self, said: Payload) -> None:
        if "budgets" in said:
            from quorate.runs.budget import budget_of  # runs without one do not pay for it

            self.budgets = tuple(budget_of(budget) for budget in said["budgets"])
        for model, price in said.get("prices", {}).items():
            self.prices[model] = price_from(model, price)

    def _define(self, said: Payload) -> None:
        if "document" in said or "app" in said:
            self.document, self.app = said.get("document"), said.get("app", "")

    def _see_definition(self, entry: Entry) -> None:
        self._define(entry.payload)

    def _see_resumed(self, entry: Entry) -> None:
        self.limits = Limits(**entry.payload.get("limits", {})).over(self.limits)
        self.outcome, self.stop_reason, self._attempt_at = None, "", entry.at
        if entry.payload.get("took_over"):
            self.unsure.update(self.intents)
        self._spend_within(entry.payload)
        self.effects = entry.payload.get("effects", self.effects)

    def _see_fork(self, entry: Entry) -> None:
        self.forked, self.effects = entry.payload, entry.payload["effects"]
        self.marks.append((entry.seq, self.forked["of"]))
        if self.forked.get("reopens"):
            if self.started_at and self.outcome is None:
                self.active_s += (self.entries[-2].at - self._attempt_at) / 1e6
            self.outcome, self.stop_reason, self.closed, self._attempt_at = None, "", False, entry.at

    def _see_choice(self, entry: Entry) -> None:
        self.open_turns.add(entry.path)

    def _see_turn(self, entry: Entry) -> None:
        self.open_turns.discard(entry.path)
        self._leave_inside(entry)

    def _see_outcome(self, entry: Entry) -> None:
        self._leave_inside(entry)

    def _leave_inside(self, entry: Entry) -> None:
        """Count as left what a conversation inside had open when it ended."""
        if self.open_turns:
            self.open_turns = {turn for turn in self.open_turns if not paths.below(turn, entry.path)}

    def _see_intent(self, entry: Entry) -> None:
        self.intents[entry.path] = entry
        self.unsure.discard(entry.path)

    def _see_question(self, entry: Entry) -> None:
        self.questions[entry.path] = entry

    def _see_answer(self, entry: Entry) -> None:
        self.questions.pop(entry.path, None)

    def _see_stop(self, entry: Entry) -> None:
        self.stop_reason = entry.payload["reason"] or self.stop_reason

    def _see_ended(self, entry: Entry) -> None:
        said = entry.payload
        self.outcome = Outcome(
            said["outcome"],
            said["reason"],
            said.get("limit", ""),
            tuple(said.get("questions", ())),
            tuple(said.get("open_intents", ())),
            said.get("cause", ""),
            said.get("until", 0),
        )
        self.unsure.update(said.get("under_way", ()))
        self.active_s, self.needs = said["active_s"], said.get("needs", 0.0)
        self.closed = said["outcome"] == "completed" or bool(said.get("closed"))
        if said.get("cause"):
            self.void.update(e.seq for e in self.entries if e.path == said["cause"] and e.kind == "error")

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> RunRecord:
        """Return what some entries of a run tell."""
        record = cls(entries[0].run)
        for entry in entries:
            record.see(entry)
        return record

    def with_entries(self, more: Iterable[Entry]) -> RunRecord:
        """Return the run as it is after more entries."""
        first = self.entries[0].seq if self.entries else 0
        record = RunRecord(self.number, marks=[mark for mark in self.marks if mark[0] < first])
        for entry in (*self.entries, *more):
            record.see(entry)
        return record

    @property
    def wrap_up(self) -> str:
        """The text of the last attempt's wrap-up, empty if there is none."""
        last = self.entries[-1] if self.entries else None
        if last is None or last.kind != "ended" or "wrap_up" not in last.payload:
            return ""
        path = last.payload["wrap_up"]
        return next((e.payload["text"] for e in reversed(self.entries) if e.path == path and e.kind == "reply"), "")

    @property
    def is_inherited(self) -> bool:
        """Whether nothing of it was written in this conversation: a fork has it from its parent."""
        return bool(self.marks) and self.entries[-1].seq < self.marks[-1][0]

    @property
    def active_so_far_s(self) -> float:
        """Seconds of work, with those of an attempt that was killed."""
        return self.active_s if self.outcome else self.active_s + (self.last_at - self._attempt_at) / 1e6

    def meter(self, agent: str | None = None) -> Meter:
        """Return what it has used, or one agent of it: finished calls as settled, others at their worst case.

        Choosing who speaks next is done by the agent `""`.
        """
        meter = Meter(self.limits)
        calls: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if agent is not None and paths.speaker(entry.path) != agent:
                continue
            if entry.kind == "choice" and "/" not in entry.path and not entry.payload.get("stop"):
                meter.turns += 1
            elif entry.kind == "call":
                calls.setdefault(entry.path, []).append(entry)
                meter.hold(entry.payload["bound"] + entry.payload["cap"], entry.payload.get("worst_usd") or 0.0)
            elif entry.kind == "reply":
                _settle(meter, calls.get(entry.path), entry.payload)
            elif entry.kind in {"retry", "error"} and "in" in entry.payload and not entry.payload["in"]:
                _settle(meter, calls.get(entry.path), entry.payload)  # refused before anything came
            elif entry.kind == "result":
                meter.tool_calls += 1
            for spent in entry.payload.get("spent", ()) if entry.kind in SPENDING else ():
                meter.count(spent)
        for left in calls.values():
            for call in left:
                meter.forfeit(call.payload["bound"] + call.payload["cap"], call.payload.get("worst_usd") or 0.0)
        meter.tool_calls += sum(1 for path in self.intents if agent is None or paths.speaker(path) == agent)
        return meter

    def cut_tokens(self, agent: str | None = None) -> int:
        """Return about how many tokens calls that were cut have used, by what the others used of their worst case."""
        meter, used, held = self.meter(agent), 0, 0
        worst: dict[str, int] = {}
        for entry in self.entries:
            if entry.kind == "call":
                worst[entry.path] = entry.payload["bound"] + entry.payload["cap"]
            elif entry.kind == "reply" and entry.path in worst:
                used += entry.payload["in"] + entry.payload["out"]
                held += worst[entry.path]
        return round(meter.unsettled_tokens * used / held) if held else meter.unsettled_tokens

    def agents(self) -> list[str]:
        """Return who has asked a model or called a tool, in the order in which they began."""
        kinds = {"call", "intent", "result"}
        return list(dict.fromkeys(paths.speaker(e.path) for e in self.entries if e.kind in kinds))


def _settle(meter: Meter, calls: list[Entry] | None, reply: Payload) -> None:
    call = calls.pop() if calls else None
    held = (call.payload["bound"] + call.payload["cap"], call.payload.get("worst_usd") or 0.0) if call else (0, 0.0)
    meter.settle(*held, reply["in"], reply["out"], reply.get("cached", 0), reply.get("cost", 0.0))


def fold(entries: Iterable[Entry]) -> dict[int, RunRecord]:
    """Return the runs of a conversation by number."""
    runs: dict[int, RunRecord] = {}
    marks: Marks = []
    for entry in entries:
        record = runs.get(entry.run)
        if record is None:
            record = runs[entry.run] = RunRecord(entry.run, marks=marks)
        record.see(entry)
    return runs


def wrote(seq: int, conversation: str, marks: Sequence[tuple[int, str]]) -> str:
    """Return the conversation that an entry was written in: that which has it, or one that it branched off."""
    return next((of for mark, of in marks if seq < mark), conversation)


def asks_first(runs: dict[int, RunRecord]) -> bool:
    """Whether new calls that are not `read` are put before a person."""
    said = [record.effects for _, record in sorted(runs.items()) if record.effects]
    return bool(said) and said[-1] == "ask"


def split(record: RunRecord) -> tuple[list[Entry], dict[str, list[Entry]]]:
    """Return a run's closed part in canonical order, and what is recorded of its open turn, by path.

    An error that ended an attempt is left out: going on makes that step again. Where an intent precedes it, it settles
    that: it is known what came of the call.
    """
    intents = {e.path for e in record.entries if e.kind == "intent"}
    done = {e.path for e in record.entries if e.kind == "turn" and "/" not in e.path}
    closed: list[Entry] = []
    recorded: dict[str, list[Entry]] = {}
    for entry in record.entries:
        if entry.seq in record.void:
            if entry.path not in intents:
                continue
            entry = replace(entry, kind="settled", payload={"by": "its error"})
        turn = entry.path.partition("/")[0]
        if turn and turn not in done and not paths.is_wrap_up(turn):
            recorded.setdefault(entry.path, []).append(entry)
        else:
            closed.append(entry)
    return sorted(closed, key=canonical_order), recorded


def stalls(entries: Iterable[Entry], *, going_on: bool = False) -> frozenset[str]:
    """Return where attempts at a run stalled that were taken up: the turn that came next, and the place in each speech.

    Args:
        entries: Of one run, as they were appended.
        going_on: Whether the last attempt is being taken up now.
    """
    found, last = set[str](), set[str]()
    closed, steps = 0, dict[str, int]()
    for entry in entries:
        if entry.kind == "turn" and "/" not in entry.path:
            closed += 1
            steps.clear()
        elif entry.kind == "ended":
            last = set[str]()
            if entry.payload["outcome"] == "stalled":
                last = {f"{speech}:{n}" for speech, n in steps.items()} | {paths.child(paths.ROOT, closed + 1, "turn")}
        elif entry.kind == "resumed":
            found |= last
        elif entry.path.count("/") >= 2:
            turn, speaker, step = entry.path.split("/")[:3]
            speech = f"{turn}/{speaker}"
            steps[speech] = max(steps.get(speech, 0), int(step.partition(" ")[0]))
    return frozenset(found | last if going_on else found)


def check_settled(conversation: str, record: RunRecord) -> None:
    """Refuse to leave a run behind over an unknown effect or an open question.

    Raises:
        Conflict: It names the call or question, and the command that settles it.
    """
    for path, entry in {**record.intents, **record.questions}.items():
        if entry.kind == "intent" and entry.payload["effect"] != "unsafe":
            continue
        run = run_id(conversation, record.number)
        if "name" not in entry.payload or "approval" in entry.payload:
            id = entry.payload["id"]
            raise Conflict(
                f"Run {run} is not settled: question {id} is open ({entry.payload['text']}). `quorate answer {id}` "
                f"answers it, `quorate questions expire {id}` ends its time; then `quorate resume {run}` goes on."
            )
        what = f"{entry.payload['name']}({entry.payload['arguments']})"
        raise Conflict(
            f"Run {run} is not settled: the outcome of {what} at {paths.shown(path)} is open. "
            f"`quorate resume {run}` settles it, or asks; then give it the new task."
        )


def figures(record: RunRecord) -> dict[str, Any]:
    """Return what a run used, as plain data: the fold of its entries."""
    return record.meter().figures() | {"active_s": round(record.active_so_far_s, 3)}


def latest(runs: dict[int, RunRecord]) -> RunRecord | None:
    """Return the last run, None if there is none."""
    return runs[max(runs)] if runs else None


def sorted_entries(entries: Sequence[Entry]) -> list[Entry]:
    """Return entries in canonical order."""
    return sorted(entries, key=canonical_order)
