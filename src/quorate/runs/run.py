"""An attempt at a run: who holds the journal, what is recorded, what was used, how it ends."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from quorate.core.waiting import TimedOut, is_cancelled, stray, within
from quorate.errors import Conflict, ModelError, QuorateError, StoreError
from quorate.runs import paths
from quorate.runs.entries import Entry, Payload, run_id
from quorate.runs.inbox import Note
from quorate.runs.journal import Conversation, Journal
from quorate.runs.meter import AgentMeter, Halt, Meter
from quorate.runs.nests import Nest
from quorate.runs.outcome import WARN_AT, Limits, Outcome
from quorate.runs.scope import Scope, enter, leave, plain_digest, scope_here

CANCEL_AGAIN_S, MOST_CANCELS = 1.0, 5
END_S = 60.0
"""How long a store may take to write how a run ended, and one that hangs keeps nobody waiting longer."""

if TYPE_CHECKING:
    from quorate.runs.budget import Budget, Shared
    from quorate.runs.prices import Price


class Parked(QuorateError):
    """A branch cannot go on before a person has answered. The run remembers the question anyway."""


class Interrupted(Parked):
    """A person cut the turn short: no step of it is made any more, what was done is kept."""


class Lost(Parked):
    """A speech lost a race: no step of it is made any more, and it leaves no word."""


class Again(Parked):
    """Something came that the attempt has to see: it is taken up again from its journal, without being given back."""


_NONE: Mapping[Any, Any] = MappingProxyType({})


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

    # A default on the class would be several times as slow to read, and a turn reads many.
    __slots__ = (
        "__weakref__", "_closers", "_idle", "_idle_from", "_idle_s", "active_before_s", "agents", "answerer",
        "asks_first", "at", "attempts", "begun", "clock", "conversation", "deaf", "ended", "gate", "id", "idle_us",
        "is_cut", "is_replay", "journal", "kept", "lost", "mail", "marks", "met", "meter", "nests", "number",
        "on_recall", "open_intents", "open_turn", "outcome", "parked", "past", "paused_by", "prefix", "prices",
        "recorded", "redacted_task", "resources", "shared", "stalled_at", "stop_reason", "task", "tasks", "under_way",
        "unsure", "used_before", "waiters", "waiting", "warn_at", "wrap_up", "wrapped",
    )  # fmt: skip

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
        self.prefix = f"{number}:"
        """What stands before a path to tell its run."""
        self.meter = Meter(limits)
        self.agents: dict[str, AgentMeter] | None = None
        self.shared: Shared | None = None
        self.prices: Mapping[str, Price] | None = None
        self.recorded = recorded or {}
        self.past = past or []
        self.waiting: dict[str, str] = {}
        self.parked: dict[str, tuple[int, str]] = {}
        self.under_way: set[str] = set()
        self.tasks: set[asyncio.Task[Any] | None] = set()  # that user code started and that made steps
        self.attempts: dict[str, int] = {}
        self.open_intents: dict[str, tuple[str, str]] = {}
        self.stop_reason = ""
        self.open_turn = ""
        self.outcome: Outcome | None = None
        self.ended = False
        self.kept: Any = None
        self.resources: dict[Any, Any] = {}
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self.at = self.clock.now_us()
        self.is_replay = False
        self.redacted_task: list[Payload] | None = None
        """The task as the journal has it, where that is not as it was given."""
        self.asks_first = False
        """Whether new calls that are not `read` are put before a person: in a fork."""
        self.marks: Sequence[tuple[int, str]] = ()
        """In a fork: what of the journal was written in which conversation; see `history.wrote`."""
        self.stalled_at: frozenset[str] = frozenset()
        """Where somebody went on after a stall, so that patience is new: paths of turns, and places in a speech."""
        self.mail: Mapping[str, Note] = _NONE
        """What waits in the inbox and is not taken in yet, by id."""
        self.met: frozenset[str] = frozenset()
        """What was taken in of it."""
        self.gate: type[Parked] | None = None
        """If set: no step is made any more, this is raised instead."""
        self.task: asyncio.Task[Any] | None = None
        """Its task, once it really waits: to find out before costs more than many a run."""
        self.begun: bool = False
        self.active_before_s: float = 0.0
        """How long earlier attempts worked."""
        self.used_before: Callable[[str], Meter] | None = None
        """Returns what an agent used in them."""
        self.unsure: frozenset[str] = frozenset()
        """The calls of them whose outcome is unknown, by path."""
        self.warn_at: float | None = None
        self.wrap_up: Callable[[], Awaitable[str]] | None = None
        """Asks for the last words of a run that reaches a limit."""
        self.wrapped: str = ""
        """Where they are."""
        self.nests: Mapping[str, Nest] = _NONE
        """The conversations inside it that go on, by path."""
        self.on_recall: Callable[[Run, str, list[Entry]], None] | None = None
        """Is told what a tool of the open turn held that is closed, and made of steps."""
        self.paused_by: str = ""
        self.deaf: bool = False
        """Whether it is being taken up again: the next attempt is told what comes."""
        self.lost: Mapping[str, asyncio.Task[Any]] = _NONE
        """The speeches that have lost a race and are being ended, with their tasks."""
        self.is_cut: bool = False
        """Whether its turn is being cancelled, since a person interrupted it."""
        self.answerer: Callable[[Any], Awaitable[Any]] | None = None
        """Who answers questions at once."""
        self.waiters: Mapping[str, asyncio.Future[Note]] = _NONE
        """Who in this process waits for an answer, by the id of the question."""
        self.idle_us: int = 0
        """How long a person was waited for, and nothing else done."""
        self._idle_s: float = 0.0
        self._idle: int = 0
        self._idle_from: tuple[int, float] = (0, 0.0)

    def limit_agents(self, limits: Mapping[str, Limits]) -> None:
        """Hold agents, by name, to limits of their own within those of the run; what they used before counts."""
        self.agents = {}
        for name, own in limits.items():
            meter = self.agents[name] = AgentMeter(name, own, self.meter)
            if self.used_before is not None:
                meter.count_on(self.used_before(name))

    def meter_at(self, path: str) -> Meter:
        """Return what counts at a path: the meter of the agent that speaks there, else that of the run."""
        if self.nests and (nest := self.nest_at(path)) is not None:
            return nest.meter_at(path)
        if self.agents is None:
            return self.meter
        return self.agents.get(paths.speaker(path), self.meter)

    def nest_at(self, path: str) -> Nest | None:
        """Return the innermost conversation that goes on and that a path lies in, None for the run itself."""
        found = [at for at in self.nests if paths.below(path, at)]
        return self.nests[max(found, key=len)] if found else None

    def warn(self, tell: Callable[[str, float, float], None]) -> None:
        """Tell when a limit is near: of the run, of one of its agents, or of a budget that it shares."""
        share = WARN_AT if self.warn_at is None else self.warn_at
        self.meter.warn(share, tell)
        if self.agents is not None:
            for name, meter in self.agents.items():
                meter.warn(share, lambda limit, used, allowed, name=name: tell(f"{name}.{limit}", used, allowed))
        if self.shared is not None and self.shared.tell is None:
            self.shared.warn_at, self.shared.tell = share, tell

    def forget_callers(self) -> None:
        """Let go of whoever is told and asked: they know the run, and a circle waits for the garbage collector."""
        self.meter.tell = self.wrap_up = None
        if self.agents is not None:
            for meter in self.agents.values():
                meter.tell = None

    def share(self, budgets: Sequence[Budget]) -> None:
        """Reserve in shared budgets too, from here on."""
        from quorate.runs.budget import Shared  # runs without one do not pay for it

        self.shared = self.meter.inside = Shared(budgets, self.journal, self.meter, self.clock.now_us)

    # -- the journal --------------------------------------------------------------------------------------------------

    def append(self, path: str, kind: str, payload: Payload) -> Entry:
        """Add an entry of this run; it is kept for sure only after the journal's `commit`."""
        return self.journal.append(self.number, path, kind, payload)

    def recall(self, path: str) -> list[Entry]:
        """Return what the journal holds at a path of the open turn, and count it as met."""
        return self.recorded.pop(path, [])

    def peek(self, path: str) -> Entry | None:
        """Return what a replay has next at a path, None if it has nothing there."""

    def has_any(self, path: str) -> bool:
        """Return whether a replay has anything at a path or below it that was not met yet."""
        return False

    def next_recorded(self, path: str, what: str) -> Entry:
        """Return what a replay goes on with at a path; `what` says in words what is made there."""
        raise RuntimeError(f"{paths.shown(path)}: {what} is answered by the journal in a replay only.")

    def recorded_cap(self, path: str) -> int:
        """Return the cap of a call that a replay has at a path although a sibling has reached a limit; 0 if none."""
        return 0

    def answer_recorded(self, path: str) -> Entry | None:
        """Return the answer that a replay has to a question, None if there is none."""

    def compare(self, entry: Entry, payload: Payload, *, only: frozenset[str] | None = None) -> None:
        """Compare an entry with what the code makes of it, in a replay."""

    def fingerprint(self, data: bytes) -> str:
        """Return a digest of what a step asks, for its path; keyed with the owner's secret where it is kept."""
        return self.journal.fingerprint(data) or plain_digest(data)

    def keyed_path(self, path: str) -> str:
        """Return the path that the journal has for a step that a digest names."""
        return path

    def compare_request(self, path: str, request: Any) -> None:
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
        if self.nests:
            self.check_nests()

    def check_nests(self) -> None:
        """Stop a conversation inside the run that has been halted, when called in it.

        Raises:
            Halt: It has.
        """
        scope = scope_here()
        for path, nest in self.nests.items():
            halted = nest.meter.halted
            if halted is not None and scope is not None and f"{scope.path}/".startswith(f"{path}/"):
                raise Halt(halted)

    def ends_inside(self, path: str) -> Outcome | None:
        """Return why a conversation inside the run ends between two of its turns, None if it goes on.

        Somebody asked to stop, which ends the run, or its own time is up.
        """
        if self.stop_reason:
            return Outcome("cancelled", self.stop_reason)
        nest = self.nests[path]
        if nest.is_late(self.clock.now_us() - self.idle_us):
            return nest.meter.reached("active_s").outcome
        return None

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

    # -- what comes from outside --------------------------------------------------------------------------------------

    def deliver(self, notes: Sequence[Note]) -> None:
        """Take in what waits in the inbox, as far as it needs no scope to take it in; keep the rest in `mail`."""
        for note in () if self.deaf else notes:
            if note.id in self.met or note.id in self.mail:
                continue
            if note.kind in _CONTROLS and note.payload.get("run", self.number) != self.number:
                self.take(note)  # of a run that is over
            elif note.kind in _CONTROLS and (note.kind != "interrupt" or (self.open_turn and not self.is_cut)):
                self.take(note)
                _CONTROLS[note.kind](self, note)
            else:
                self.mail = {**self.mail, note.id: note}
                if note.kind == "answer":
                    self.answered(note)

    def take(self, note: Note) -> None:
        """Take a note out of the inbox, together with the next commit."""
        self.met |= {note.id}
        self.mail = {id: other for id, other in self.mail.items() if id != note.id}
        self.journal.take(note)

    def answered(self, note: Note) -> None:
        """Let who waits for an answer in this process have it."""
        waiter = self.waiters.get(note.id)
        if waiter is not None and not waiter.done():
            waiter.set_result(note)

    def _stopped(self, note: Note) -> None:
        if not self.begun:  # it was meant for an attempt that has ended meanwhile
            self.append(paths.ROOT, "stop", {"id": note.id, "by": _who(note), "reason": "", "late": True})
        elif not self.stop_reason:
            self.stop_reason = note.payload.get("text") or f"{_who(note)} asked to stop."
            self.append(paths.ROOT, "stop", {"id": note.id, "by": _who(note), "reason": self.stop_reason})

    def _paused(self, note: Note) -> None:
        self.append(paths.ROOT, "pause", said_by(note))
        if self.begun:
            self.paused_by, self.gate = _who(note), Parked

    def _unpaused(self, note: Note) -> None:
        self.append(paths.ROOT, "unpause", said_by(note))
        if self.gate is Parked:
            self.paused_by, self.gate = "", None

    def _interrupted(self, note: Note) -> None:
        self.append(self.open_turn, "interrupt", said_by(note))
        self.is_cut = True
        if self.task is not None:
            self.task.cancel()
        else:  # it never waited yet: it comes to its next step
            self.gate = Interrupted

    def begin_to_wait(self) -> None:
        """Let others reach the run from now on: it waits, so they can."""
        task = asyncio.current_task()
        self.journal.watch(self.deliver)  # may tell at once of an interrupt, which has no task to cancel yet
        self.task = task
        if self.is_cut and task is not None:
            task.cancel()

    def check_gate(self) -> None:
        """Make no step any more once a person has paused the run or cut the turn short.

        Raises:
            Parked: One has.
        """
        if self.gate is not None:
            raise self.gate(f"{self.paused_by or 'A person'} asked for no further step.")

    def lose(self, path: str, task: asyncio.Task[Any]) -> None:
        """End a speech that lost a race: at once, or when the unsafe call that it is in has finished."""
        self.lost = {**self.lost, path: task}
        self.freed(path)

    def freed(self, path: str) -> None:
        """Cancel what has lost a race, is at `path` or around it, and is in no unsafe call any more."""
        for lost, task in self.lost.items():
            if (path == lost or paths.below(path, lost)) and not any(
                paths.below(call, lost) and call not in self.waiting for call in self.open_intents
            ):
                task.cancel()

    def check_lost(self, path: str, *, closing: bool = False) -> None:
        """Make no step any more, and close no speech (`closing`), where a race was lost.

        Raises:
            Lost: It was.
        """
        if any(path == lost or paths.below(path, lost) for lost in self.lost):
            raise Lost("Others were faster, and that was enough.")

    @contextmanager
    def idle(self) -> Generator[None]:
        """Count what passes in the block as time in which a person was waited for, not as work."""
        loop = asyncio.get_running_loop()
        if not self._idle:
            self._idle_from = self.clock.now_us(), loop.time()
        self._idle += 1
        try:
            yield
        finally:
            self._idle -= 1
            if not self._idle:
                self.idle_us += self.clock.now_us() - self._idle_from[0]
                self._idle_s += loop.time() - self._idle_from[1]

    def spare_s(self) -> float:
        """Return how many seconds of waiting for people the timer of the attempt has counted and must give back."""
        if self._idle:
            return 1.0
        spare, self._idle_s = self._idle_s, 0.0
        return spare

    def check_questions(self, scope: str) -> None:
        """Refuse to close a scope over a question that is open, whatever code caught that.

        Raises:
            Parked: There is one.
        """
        if any(paths.below(path, scope) for path in self.waiting):
            raise Parked("A question in it is open.")

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


_CONTROLS: dict[str, Callable[[Run, Note], None]] = {
    "stop": Run._stopped,  # pyright: ignore[reportPrivateUsage]: its own
    "pause": Run._paused,  # pyright: ignore[reportPrivateUsage]: its own
    "unpause": Run._unpaused,  # pyright: ignore[reportPrivateUsage]: its own
    "interrupt": Run._interrupted,  # pyright: ignore[reportPrivateUsage]: its own
}
"""Notes that need no scope to take them in; an interrupt only needs a turn that is going on."""

MESSAGES = frozenset({"steer", "queue", "interrupt"})
"""Notes that are messages to the conversation; an interrupt becomes one where there is no turn to cut short."""


def _who(note: Note) -> str:
    return note.payload.get("by") or "Somebody"


def said_by(note: Note) -> Payload:
    """Return what the entry of a note holds: the note, but not of which run, which the entry knows."""
    return {"id": note.id} | {name: value for name, value in note.payload.items() if name != "run"}


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
        Again: It is to be taken up again: the journal is still held.
        asyncio.CancelledError: After `cancelled` was journaled.
        StoreError: The journal could not be written.
    """
    error: Exception | None = None
    cancelled: asyncio.CancelledError | None = None
    began = run.clock.now_us()
    left = run.meter.limits.active_s - run.active_before_s
    root = Scope.here(run, paths.ROOT, run.at)
    work = body(root)
    token = enter(root)
    try:
        run.journal.watch(run.deliver)
        run.begun = True
        if left <= 0:
            work.close()
            raise run.meter.reached("active_s")
        outcome = await within(left, work, patience=run)
        outcome = run.meter.halted or outcome
    except Halt as halt:
        outcome = run.meter.halted or halt.outcome
    except Again:
        await _give_up_attempt(run)
        raise
    except Parked:
        outcome = Outcome("waiting", "")
    except asyncio.CancelledError as raised:
        if is_cancelled():
            cancelled, outcome = raised, Outcome("cancelled", "The caller cancelled the run.")
        else:
            error = stray("The run")
            error.__cause__ = raised
            outcome = Outcome("failed", f"{type(error).__name__}: {error}")
    except Exception as raised:
        if isinstance(raised, TimedOut) and raised.work is work:
            outcome = run.meter.reached("active_s").outcome
        elif is_only(raised, Parked | Halt):  # out of a task group
            outcome = run.meter.halted or Outcome("waiting", "")
        else:
            error, outcome = raised, Outcome("failed", f"{type(raised).__name__}: {raised}", cause=cause_of(raised))
    finally:
        leave(token)
    if run.tasks:
        again = await end_tasks(run, finish_s=left if outcome.kind == "waiting" else 0.0)
        if again is not None and cancelled is None:
            cancelled, outcome = again, Outcome("cancelled", "The caller cancelled the run.")
    if run.is_cut and not (run.task and run.task.uncancel()) and outcome.kind in {"cancelled", "waiting"}:
        cancelled = None
        await _give_up_attempt(run)
    if outcome.kind == "limit" and run.wrap_up is not None:
        cancelled = await _wrap_up(run, root)
    outcome = run.outcome = with_open_ends(run, outcome)
    await _end(run, outcome, began)
    if cancelled is not None:
        raise cancelled
    return outcome, error


async def _give_up_attempt(run: Run) -> None:
    """Leave an attempt that will be taken up again from its journal.

    Raises:
        Again: Always.
    """
    run.deaf = True
    if run.tasks:
        await end_tasks(run, finish_s=0.0)
    await run.journal.commit()
    await run.close_resources()
    raise Again


def is_only(error: BaseException, kinds: Any) -> bool:
    """Whether it is a group in which nothing but such errors are."""
    inside: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return bool(inside) and all(isinstance(inner, kinds) or is_only(inner, kinds) for inner in inside)


async def end_tasks(run: Run, *, finish_s: float) -> asyncio.CancelledError | None:
    """End the tasks that user code started and left behind; beside a branch that waits, the others finish first.

    Returns:
        What the caller was cancelled with meanwhile.
    """
    tasks = {task for task in run.tasks if task is not None and not task.done()} - {asyncio.current_task()}
    cancelled: asyncio.CancelledError | None = None
    waits = [finish_s] if finish_s else []
    for wait_s in (*waits, *[CANCEL_AGAIN_S] * MOST_CANCELS):
        if not waits:
            for task in tasks:
                task.cancel()
        waits.clear()
        if not tasks:
            break
        try:
            _, tasks = await asyncio.wait(tasks, timeout=wait_s)
        except asyncio.CancelledError as raised:
            cancelled = raised
    return cancelled


async def _wrap_up(run: Run, root: Scope) -> asyncio.CancelledError | None:
    """Ask for the wrap-up of a run that reached a limit; the run ends the same where there will be none."""
    assert run.wrap_up is not None
    token = enter(root)
    try:
        run.wrapped = await run.wrap_up()
    except asyncio.CancelledError as raised:
        if is_cancelled():
            return raised
        run.append(paths.ROOT, "unwrapped", {"reason": "Its model was cancelled."})
    except (Halt, ModelError, TimeoutError) as error:
        run.append(paths.ROOT, "unwrapped", {"reason": str(error) or "It took too long."})
    finally:
        leave(token)
    return None


def with_open_ends(run: Run, outcome: Outcome) -> Outcome:
    """Never end `completed` over an unknown effect or an open question."""
    if not (run.waiting or run.open_intents or run.parked) and outcome.kind != "waiting":
        return outcome
    questions = tuple(run.waiting.values())
    intents = tuple(f"{name}({said}) at {paths.shown(path)}" for path, (name, said) in run.open_intents.items())
    kind, reason = outcome.kind, outcome.reason
    until = 0
    if kind == "waiting" or (kind == "completed" and (questions or intents or run.parked)):
        asked = ", ".join(questions)
        kind, reason = "waiting", f"It waits for an answer to {asked}." if asked else "The effect of a call is unknown."
        if not asked and not intents and run.paused_by:
            reason = f"{run.paused_by} paused it."
        elif run.parked and not asked:
            until, reason = min(run.parked.values())
    return Outcome(kind, reason, outcome.limit, questions, intents, outcome.cause, until)


def _answers(run: Run, path: str, id: str) -> bool:
    """Whether an answer came that the question at a path can use."""
    return id in run.mail and (path not in run.open_intents or "happened" in run.mail[id].payload)


def _must_see(run: Run, outcome: Outcome) -> bool:
    """Whether something came that the attempt has to see before it may end.

    An answer to a question that it waits for, the end of a pause, or a message to a conversation that would otherwise
    be over. Messages wait for the next attempt where the run is cut short, and where nobody could hear them now.
    """
    if outcome.kind == "waiting":
        waits = run.waiting or run.open_intents or run.paused_by or run.parked
        return not waits or any(_answers(run, path, id) for path, id in run.waiting.items())
    return outcome.kind in {"completed", "stalled"} and any(note.kind in MESSAGES for note in run.mail.values())


def ended_payload(run: Run, outcome: Outcome, active_s: float) -> Payload:
    """Return what the entry that ends an attempt says."""
    payload: Payload = {"outcome": outcome.kind, "reason": outcome.reason}
    if outcome.kind != "completed":
        for name in ("limit", "cause", "until"):
            if getattr(outcome, name):
                payload[name] = getattr(outcome, name)
        for name in ("questions", "open_intents"):
            if getattr(outcome, name):
                payload[name] = list(getattr(outcome, name))
    if run.under_way:  # threads, which outlive the attempt
        payload["under_way"] = sorted(run.under_way)
    if outcome.kind == "limit" and run.meter.needs:
        payload["needs"] = round(run.meter.needs, 9)
    if run.wrapped:
        payload["wrap_up"] = run.wrapped
    payload.update(run.meter.figures())
    payload["active_s"] = active_s
    return payload


async def _end(run: Run, outcome: Outcome, began: int) -> None:
    """Journal the outcome and give the journal and all resources back, even while being cancelled."""
    active = (run.clock.now_us() - began - run.idle_us) / 1e6
    if run.active_before_s:
        active = round(run.active_before_s + active, 6)
    payload = ended_payload(run, outcome, active)

    def last() -> None:
        run.append(paths.ROOT, "ended", payload)

    try:
        run.open_turn = ""
        while True:
            if (run.mail or outcome.kind == "waiting") and _must_see(run, outcome):
                await _give_up_attempt(run)
            ending = run.journal.end(last, run.mail.keys())
            left = await (within(END_S, ending) if run.journal.durable else ending)
            if not left:
                break
            run.deliver(left)
        run.ended = True
    except Again:
        raise
    except BaseException as error:
        run.ended = True
        await _give_back(run)
        if isinstance(error, TimedOut) or (isinstance(error, asyncio.CancelledError) and not is_cancelled()):
            raise StoreError(
                f"The store did not take the end of run {run.id} within {END_S:g} s. What was committed is there; "
                "resume it."
            ) from error
        raise
    await _give_back(run)


def _give_back(run: Run) -> Awaitable[None]:
    return _close(run) if run.resources else run.journal.release()


async def _close(run: Run) -> None:
    try:
        await run.close_resources()
    finally:
        await run.journal.release()


async def answers(journal: Journal) -> dict[str, Note]:
    """Return the answers in the inbox, by the id of their question."""
    return {note.id: note for note in await journal.inbox() if note.kind == "answer" and "happened" in note.payload}
