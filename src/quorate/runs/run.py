"""An attempt at a run: who holds the journal, what is recorded, what was used, how it ends."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from quorate.core.waiting import TimedOut, within
from quorate.errors import Conflict, QuorateError
from quorate.runs import paths
from quorate.runs.entries import Entry, Payload, run_id
from quorate.runs.journal import Conversation, Journal, Note
from quorate.runs.meter import Halt, Meter
from quorate.runs.outcome import Limits, Outcome
from quorate.runs.scope import Scope, current


class Parked(QuorateError):
    """A branch cannot go on before a person has answered. The run remembers the question anyway."""


class Run:
    """One attempt at a run, while it works.

    Args:
        conversation: What it belongs to.
        journal: Held by this process.
        number: Of the run in its conversation.
        limits: What the run may use in all its attempts.
        recorded: What the journal already holds of the turn that is open, by path.
        past: Everything before it, in canonical order.
    """

    resumed_at: frozenset[str] = frozenset()
    """In a replay: the turns at which an earlier attempt was taken up, with new patience."""

    def __init__(
        self,
        conversation: Conversation,
        journal: Journal,
        number: int,
        limits: Limits,
        *,
        recorded: dict[str, list[Entry]] | None = None,
        past: list[Entry] | None = None,
    ) -> None:
        self.conversation, self.journal, self.number = conversation, journal, number
        self.clock = conversation.store.clock
        self.id = run_id(journal.conversation, number)
        self.meter = Meter(limits)
        self.recorded = recorded or {}
        self.past = past or []
        self.active_before_s = 0.0
        self.waiting: dict[str, str] = {}
        self.attempts: dict[str, int] = {}
        self.open_intents: dict[str, tuple[str, str]] = {}
        self.stop_reason = ""
        self.outcome: Outcome | None = None
        self.is_replay = self.ended = False
        self.kept: Any = None
        self.resources: dict[Any, Any] = {}
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self.at = self.clock.now_us()

    # -- the journal --------------------------------------------------------------------------------------------------

    def append(self, path: str, kind: str, payload: Payload) -> Entry:
        """Add an entry of this run; it is kept for sure only after the journal's `commit`."""
        return self.journal.append(self.number, path, kind, payload)

    def recall(self, path: str) -> list[Entry]:
        """Return what the journal holds at a path of the open turn, and count it as met."""
        return self.recorded.pop(path, [])

    def missing(self, path: str, what: str) -> Exception:
        """Return what to raise where a replay wants an outcome that the journal does not have."""
        return RuntimeError(f"{paths.shown(path)}: {what} is no part of a replay.")

    def compare_request(self, path: str, request: Any, cap: int) -> None:
        """Compare a request with the recorded one, in a replay."""

    def check_all_met(self, scope: str) -> None:
        """Refuse to close a scope in which the journal has steps that the code did not come to.

        Raises:
            Conflict: It names the first such step.
        """
        left = [p for p in self.recorded if paths.below(p, scope)]
        if left:
            first = min(left, key=paths.sort_key)
            kind = self.recorded[first][0].kind
            raise Conflict(
                f"The journal has a {kind} at {paths.shown(first)} that the definition no longer comes to. Resume with "
                "the definition it was started with, or give the open turn up (--give-up-turn)."
            )

    # -- how it ends --------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Stop a run that has been halted already, whatever code caught the first halt.

        Raises:
            Halt: It has.
        """
        if self.meter.halted is not None:
            raise Halt(self.meter.halted)

    async def check_effects(self, scope: str) -> None:
        """Refuse to close a scope over a call whose outcome is unknown, whatever code caught that.

        Raises:
            Parked: There is one, and a person was asked.
        """
        for path, (name, arguments) in list(self.open_intents.items()):
            if paths.below(path, scope):
                raise await self.ask_about(path, name, arguments, "the call was cut short")

    def stop(self, reason: str) -> None:
        """Ask the run to stop after the present turn, from outside; one that has ended is left alone."""
        if not self.stop_reason and not self.ended:
            self.stop_reason = reason or "Somebody asked to stop."
            self.append(paths.ROOT, "stop", {"reason": self.stop_reason})

    async def ask_about(self, path: str, name: str, arguments: str, why: str) -> Parked:
        """Journal the question whether a call with an unknown outcome happened, and return what to raise."""
        question = question_id(self.id, path, self.attempts.get(path, 1))
        text = (
            f"It is not known whether {name}({arguments}) happened ({why}). Did it, and with what result? "
            "A tool that only reads can be declared @tool(effect='read'); then it is just called again."
        )
        if path not in self.waiting:
            self.append(path, "question", {"id": question, "text": text, "name": name, "arguments": arguments})
            self.waiting[path] = question
        await self.journal.commit()
        return Parked(text)

    async def resource(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return something that this attempt owns, made at first use and closed when the attempt ends."""
        if key not in self.resources:
            made = self.resources[key] = make()
            self._closers.append(made.close)
        return self.resources[key]

    async def close_resources(self) -> None:
        """Close what the attempt owns, the latest first."""
        while self._closers:
            await self._closers.pop()()


def question_id(run: str, path: str, attempt: int = 1) -> str:
    """Return the id of the question whether an attempt at the call at a path happened, the same in every process."""
    again = f"-{attempt}" if attempt > 1 else ""
    return f"{run}-q{hashlib.blake2b(path.encode(), digest_size=3).hexdigest()}{again}"


def blame(error: Exception, path: str) -> None:
    """Note on an error which step it came out of."""
    error.__dict__["quorate_step"] = path


def cause_of(error: BaseException | None) -> str:
    """Return the path of the step that an error came out of, itself or its cause; empty if there is none."""
    seen: set[int] = set()
    left = [error]
    while left:
        error = left.pop()
        if error is None or id(error) in seen:
            continue
        if "quorate_step" in error.__dict__:
            return error.__dict__["quorate_step"]
        seen.add(id(error))
        left += [error.__cause__ or error.__context__, *getattr(error, "exceptions", ())]
    return ""


async def drive(run: Run, body: Callable[[Scope], Coroutine[Any, Any, Outcome]]) -> tuple[Outcome, Exception | None]:
    """Run the body of an attempt to its one outcome, journal it, and give everything back.

    Returns:
        The outcome, and the error for `failed`.

    Raises:
        asyncio.CancelledError: After `cancelled` was journaled.
        StoreError: The journal could not be written.
    """
    error: Exception | None = None
    cancelled: asyncio.CancelledError | None = None
    began = run.clock.now_us()
    left = run.meter.limits.active_s - run.active_before_s
    root = Scope(run, paths.ROOT, run.at)
    work = body(root)
    token = current.set(root)
    try:
        if left <= 0:
            work.close()
            raise run.meter.reached("active_s")
        outcome = await within(left, work)
        outcome = run.meter.halted or outcome
    except Halt as halt:
        outcome = run.meter.halted or halt.outcome
    except Parked:
        outcome = Outcome("waiting", "")
    except asyncio.CancelledError as raised:
        cancelled, outcome = raised, Outcome("cancelled", "The caller cancelled the run.")
    except Exception as raised:
        if isinstance(raised, TimedOut) and raised.work is work:
            outcome = run.meter.reached("active_s").outcome
        else:
            error, outcome = raised, Outcome("failed", f"{type(raised).__name__}: {raised}", cause=cause_of(raised))
    finally:
        current.reset(token)
    outcome = run.outcome = _with_open_ends(run, outcome)
    await _end(run, outcome, began)
    if cancelled is not None:
        raise cancelled
    return outcome, error


def _with_open_ends(run: Run, outcome: Outcome) -> Outcome:
    """Never end `completed` over an unknown effect or an open question."""
    if not run.waiting and not run.open_intents and outcome.kind != "waiting":
        return outcome
    questions = tuple(run.waiting.values())
    intents = tuple(f"{name}({said}) at {paths.shown(path)}" for path, (name, said) in run.open_intents.items())
    kind, reason = outcome.kind, outcome.reason
    if kind == "waiting" or (kind == "completed" and (questions or intents)):
        asked = ", ".join(questions)
        kind, reason = "waiting", f"It waits for an answer to {asked}." if asked else "The effect of a call is unknown."
    return Outcome(kind, reason, outcome.limit, questions, intents, outcome.cause)


async def _end(run: Run, outcome: Outcome, began: int) -> None:
    """Journal the outcome and give the journal and all resources back, even while being cancelled."""
    active = run.active_before_s + (run.clock.now_us() - began) / 1e6
    payload: Payload = {"outcome": outcome.kind, "reason": outcome.reason}
    for name in ("limit", "cause"):
        if getattr(outcome, name):
            payload[name] = getattr(outcome, name)
    for name in ("questions", "open_intents"):
        if getattr(outcome, name):
            payload[name] = list(getattr(outcome, name))
    payload |= run.meter.figures()
    payload["active_s"] = round(active, 6)

    try:
        run.ended = True
        run.append(paths.ROOT, "ended", payload)
        if run.journal.durable:
            await run.journal.commit()
    finally:
        try:
            if run.resources:
                await run.close_resources()
        finally:
            await run.journal.release()


async def answers(journal: Journal) -> dict[str, Note]:
    """Return the answers in the inbox, by the id of their question."""
    return {note.id: note for note in await journal.inbox() if note.kind == "answer" and "happened" in note.payload}
