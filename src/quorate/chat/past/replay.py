"""Replaying a run: the same code, prompts and policies over the recorded outcomes must give the same journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from msgspec.structs import replace

from quorate.chat import nesting, wrapping
from quorate.chat.feed import Feed
from quorate.chat.live import Runnable, result_of, stalls_of
from quorate.chat.loop import converse
from quorate.chat.objects.binding import is_not_there
from quorate.chat.objects.changes import state_of
from quorate.chat.objects.seating import Seating
from quorate.chat.past import audit
from quorate.chat.talk import Talk
from quorate.core.code import place_of
from quorate.errors import ConfigError, Conflict, Divergence, Tampered
from quorate.models.blocks import Blocks
from quorate.models.calls import request_digest, standing
from quorate.models.client import ModelRequest
from quorate.runs import paths, portable
from quorate.runs.attempts import Attempt, attempts
from quorate.runs.entries import LOCAL_OWNER, Entry, Payload, split_run_id
from quorate.runs.history import RunRecord, asks_first, fold, split
from quorate.runs.journal import Conversation, Store
from quorate.runs.meter import Halt
from quorate.runs.offline import OutsideCall, offline
from quorate.runs.outcome import Outcome
from quorate.runs.replaying import ReplayRun, shortened
from quorate.runs.run import Parked, cause_of, end_tasks, ended_payload, is_only, with_open_ends
from quorate.runs.scope import Scope, entered, plain_digest
from quorate.runs.settling import settle
from quorate.runs.steps import DidNot, Happened, Settlement
from quorate.tools.calls import asked_of

if TYPE_CHECKING:
    from quorate.chat.messages import TaskResult

_ASKED = {paths.CHOOSE, paths.CHECK}

FromDocument = Callable[[Payload], Runnable]
"""Makes the team of a document that a run has journaled."""


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay found: it raises at the first difference, so a report means that there is none.

    Args:
        run_id: What was replayed.
        entries: How many entries were compared.
        outcome: How it ended, again; None where the journal ends in the middle of a turn.
        given: How many turns were taken as they are: the code changed after them, or they were given up.
        unchecked: Agents whose speeches were taken as given: they keep what they know in attributes of their own.
        erased: Where texts were erased: those entries could not be compared, nor what depends on them.
        identical: Whether it was compared to its end; False where something erased stopped the replay.
        result: What the run came to, as `run` returned it.
    """

    run_id: str
    entries: int
    outcome: Outcome | None
    given: int = 0
    unchecked: tuple[str, ...] = ()
    erased: tuple[str, ...] = ()
    identical: bool = True
    result: TaskResult | None = None


async def replay(
    run_id: str,
    *,
    team: Runnable | None = None,
    store: Store | None = None,
    owner: str = LOCAL_OWNER,
    documents: FromDocument | None = None,
) -> ReplayReport:
    """Do a run again from its journal, with no outside call, and compare every entry.

    Whatever code runs in it can open no connection and start no process.

    Args:
        run_id: Of the run, or of the conversation for its last run.
        team: The definition it ran with; by default the document that the journal has.
        store: Where it is kept; by default the team's own memory.
        owner: Whose it is.
        documents: Makes the team of a document, where the run has one, or changed from one to another.

    Raises:
        Divergence: The first difference: what was expected, what came, and where in the code.
        ConfigError: There is no such run, or its team is not known.
    """
    id, number = split_run_id(run_id)
    where = _conversation(id, team, store, owner)
    recording = await portable.record(where.store, id, owner=owner)
    _check_chain(recording)
    entries = recording.entries()
    runs = fold(entries)
    record = runs.get(max(runs) if number is None else number)
    if record is None:
        raise ConfigError(f"Conversation {id} has no run {number}. It has: {', '.join(map(str, sorted(runs)))}.")
    past = [e for n in sorted(runs) if n < record.number for e in split(runs[n])[0]]
    made = list(attempts(record))
    first = _first(made, team, documents)
    teams = [_team_of(attempt, team, documents, last=attempt is made[-1]) for attempt in made[first:]]
    found = _Found(f"{id}.{record.number}", made[:first], made[-1].given_up)
    seating = Seating((object(),))  # of no conversation: who is made for it is for it alone
    rebuilt = audit.by_entry(id, entries)
    for attempt, its_team in zip(made[first:], teams, strict=True):
        asks = {n: runs[n] for n in sorted(runs) if n < record.number}
        asks[record.number] = attempt.before.with_entries([attempt.first])
        if not await _tried(_Task(where, attempt, its_team, past, rebuilt, asks_first(asks), seating), found):
            break
    return found.report()


class _Task(NamedTuple):
    """What it takes to do an attempt again."""

    where: Conversation
    attempt: Attempt
    team: Runnable
    past: list[Entry]
    rebuilt: dict[int, audit.Asking]
    asks_first: bool
    seating: Seating


async def _tried(task: _Task, found: _Found) -> bool:
    """Do an attempt again, and return whether it could be compared to its end.

    An agent whose `speak` changes the object itself may not be what it was then. Where such a one is at odds with the
    journal, what it says is taken as given instead, and the attempt begun again. So is what one says that belongs to
    another conversation, from the beginning.

    Raises:
        Divergence: The first difference.
        Conflict: An object that would have to be given an earlier state belongs to another conversation.
    """
    cast = task.team.cast()
    found.unchecked |= {m.name for m in cast.members if is_not_there(cast, m, task.seating.home)}
    while True:
        with offline() as block:
            again = _Again(*task, unchecked=found.unchecked)
            try:
                outcome = await again.work()
                block.check()
            except Divergence as difference:
                if block.refused:
                    raise block.refused[0] from difference.__cause__
                if again.run.erased:
                    found.see(again, None)
                    found.identical = False
                    return False
                changed = {
                    name
                    for name, member in again.talk.members.items()
                    if state_of(member.agent) != again.before[name]
                    and not (name in again.kept and member.own is not None and member.own.kind.bound)
                }
                name = _speaker(difference.path)
                if name not in changed - found.unchecked:
                    raise
                found.unchecked |= {name}
                continue
        found.see(again, outcome)
        return True


def _speaker(path: str) -> str:
    return next((name for _, name in paths.elements(path)[1:2]), "")


@dataclass
class _Found:
    run_id: str
    before: Sequence[Attempt]
    given_up: frozenset[str]
    unchecked: frozenset[str] = frozenset()
    compared: int = 0
    erased: list[Entry] = field(default_factory=list[Entry])
    result: TaskResult | None = None
    outcome: Outcome | None = None
    identical: bool = True

    def see(self, again: _Again, outcome: Outcome | None) -> None:
        """Take in an attempt that was done again."""
        self.compared += again.run.compared
        self.erased += again.run.erased
        self.outcome = outcome
        ended = outcome or Outcome("cancelled", "The journal ends here.")
        self.result = result_of(again.run, again.talk, ended)

    def report(self) -> ReplayReport:
        erased = {e.seq: e for e in self.erased}.values()
        told = tuple(f"entry {e.seq}, the {e.kind} at {paths.shown(e.path) or 'the start'}" for e in erased)
        turns = {e.path.partition("/")[0] for a in self.before for e in a.entries if e.path}
        given, unchecked = len(turns | self.given_up), tuple(sorted(self.unchecked))
        return ReplayReport(
            self.run_id, self.compared, self.outcome, given, unchecked, told, self.identical, self.result
        )


def _conversation(id: str, team: Runnable | None, store: Store | None, owner: str) -> Conversation:
    if store is not None:
        return store.conversation(id, owner=owner)
    if team is None:
        raise ConfigError("Say what to replay from: replay(run_id, store=…), or the team whose own conversation it is.")
    return team._own_conversation(id)  # pyright: ignore[reportPrivateUsage]: the team's own


def _check_chain(recording: portable.Recording) -> None:
    """Make sure that the journal is what was written.

    Raises:
        Divergence: It is not.
    """
    try:
        recording.verify()
    except Tampered as broken:
        at = next((s for s in recording.stored if s.seq >= broken.entry), recording.stored[-1])
        raise Divergence(
            f"{broken} Outcomes that somebody changed afterwards are no recording: nothing can be replayed from it.",
            path=at.path, entry=broken.entry, kind=at.kind,
        ) from broken  # fmt: skip


# -- with which definition --------------------------------------------------------------------------------------------


def _first(made: Sequence[Attempt], team: Runnable | None, documents: FromDocument | None) -> int:
    """Return the first attempt that can be done again: after the last change of code, and after the last fork."""
    now = made[-1].definition
    forked = max((e.seq for a in made for e in (*a.before.entries, *a.entries) if e.kind == "fork"), default=0)
    for i in range(len(made) - 1, -1, -1):
        if made[i].first.seq < forked:
            return i + 1  # what was before it is replayed where it was written
        if i == 0:
            break
        before = made[i - 1].definition
        if before != now and ("document" not in before or documents is None):
            return i
    return 0


def _team_of(attempt: Attempt, team: Runnable | None, documents: FromDocument | None, *, last: bool) -> Runnable:
    document = attempt.definition.get("document")
    if team is not None and (last or document is None or team.cast().document in (None, document)):
        return team
    if document is None:
        raise ConfigError("The team of this run was built in Python. Pass it: replay(run_id, team=…).")
    if documents is not None:
        return documents(document)
    from quorate.chat.files.document import (
        team_from_document,  # reading documents is not needed to replay a team in Python
    )

    return team_from_document(document)


# -- one attempt ------------------------------------------------------------------------------------------------------


class _Run(ReplayRun):
    """A replay that compares requests too, with those rebuilt from the journal."""

    rebuilt: dict[int, audit.Asking]

    def compare_request(self, path: str, request: ModelRequest) -> None:
        """Make sure that a model is asked what it was asked.

        Raises:
            Divergence: It is not; says which part differs.
        """
        entry = self.peek(path)
        asking = self.rebuilt.get(entry.seq) if entry is not None and entry.kind == "call" else None
        if entry is None or asking is None or entry.payload.get("redacted"):
            return
        recorded, where = asking.request, paths.shown(path)
        for name, expected, got in (
            ("standing parts", standing(recorded)[0], standing(request)[0]),
            ("number of blocks", len(recorded.blocks), len(request.blocks)),
            ("cap", recorded.max_tokens, self.allowed_cap(path, recorded.max_tokens, request.max_tokens)),
        ):
            if name == "cap" and self.erased:
                continue
            if expected != got:
                raise self.diverged(
                    f"{where}: the request's {name} was {shortened(expected)}, now it is {shortened(got)}.",
                    entry, expected=expected, got=got,
                )  # fmt: skip
        for i, (was, now) in enumerate(zip(recorded.blocks, request.blocks, strict=True)):
            if was.content != now.content:
                expected, got = shortened(was.content), shortened(now.content)
                raise self.diverged(
                    f"{where}: block {i} of the request was {expected}, now it is {got}.",
                    entry, expected=was.content, got=now.content,
                )  # fmt: skip


class _Again:
    """Does one attempt again."""

    def __init__(
        self,
        where: Conversation,
        attempt: Attempt,
        team: Runnable,
        past: list[Entry],
        rebuilt: dict[int, audit.Asking],
        asks_first: bool,
        seating: Seating,
        *,
        unchecked: frozenset[str],
    ) -> None:
        self.attempt, self.team = attempt, team
        self.talk = Talk(team.cast(), seating)
        self.cast = self.talk.cast
        self.before = {m.name: state_of(m) for m in self.cast.members}
        there = (*past, *attempt.before.entries, *attempt.entries)
        self.kept = {_speaker(e.path) for e in there if e.kind == "said" and "own" in e.payload}
        self.run = _Run(
            where, attempt, past=past, driver=_Again._converse.__code__, define=self._define, given=unchecked
        )
        self.run.rebuilt, self.run.asks_first = rebuilt, asks_first
        self.run.keyed_paths = dict(_keyed(attempt, rebuilt))

    async def work(self) -> Outcome | None:
        """Do it, and return how it ended; None where the journal ends in the middle of a turn.

        Raises:
            Divergence: The first difference.
        """
        run, attempt = self.run, self.attempt
        self._check_document()
        talk = self.talk
        self._within_limits()
        if attempt.first.kind == "resumed":
            run.stalled_at = stalls_of(run)
        talk.fold(run.past, run)
        if attempt.first.kind == "run":
            talk.fold([attempt.first], run)
        run.kept, run.on_recall = talk, nesting.recalled
        error: Exception | None = None
        try:
            outcome = await (self._until_cut(talk) if attempt.is_cut else self._converse(talk))
        except Halt as halt:
            outcome = halt.outcome
        except Parked:
            outcome = self._waiting()
        except Divergence:
            raise
        except Conflict as conflict:
            raise Divergence(str(conflict), path="") from conflict
        except Exception as raised:
            differs = _divergence(raised)
            if differs is not None:
                raise differs from raised
            if is_only(raised, Parked | Halt):  # out of a task group
                outcome = self._waiting()
            else:
                error, outcome = raised, Outcome("failed", f"{type(raised).__name__}: {raised}", cause=cause_of(raised))
        finally:
            if run.tasks:
                await end_tasks(run, finish_s=1.0)
            await run.close_resources()
        if error is None:
            outcome = run.meter.halted or outcome
        run.check_no_more(outcome.reason if outcome else "")
        return self._check_end(outcome, error)

    def _within_limits(self) -> None:
        """Hold the agents to limits of their own, and keep what a wrap-up needs, as was done then."""
        run, cast = self.run, self.cast
        if cast.agents:
            run.limit_agents(cast.agents)
        if cast.wrap_up:
            run.shared = SimpleNamespace(budgets=run.budgets, spare=None) if run.budgets else None  # pyright: ignore[reportAttributeAccessIssue]: only looked at here
            wrapping.keep(run, cast)
            run.shared = None

    def _waiting(self) -> Outcome | None:
        return Outcome("waiting", "") if self.run.waiting or self.run.parked else None

    async def _until_cut(self, talk: Talk) -> Outcome | None:
        """Go as far as the journal goes: what the code waits for then need not come."""
        run = self.run
        if not run.unmet():
            return None
        loop = asyncio.get_running_loop()
        run.all_met = loop.create_future()
        work = loop.create_task(self._converse(talk), name=f"quorate replay {run.id}")
        try:
            await asyncio.wait([work, run.all_met], return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await asyncio.sleep(0)  # what is at its end comes to it
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait([work])
        return None if work.cancelled() else work.result()

    async def _converse(self, talk: Talk) -> Outcome:
        with entered(Scope.here(self.run, paths.ROOT, self.run.at)) as root:
            if self.attempt.first.kind == "resumed":
                await settle(self.run, self._reconcile)
                if self.run.waiting or self.run.parked:
                    raise Parked("Its questions are open.")
            return await converse(root, talk, Feed())

    async def _reconcile(self, path: str, intent: Payload) -> Settlement:
        """Say of an open call what was found out about it then."""
        found = self.run.peek(path)
        if found is None or found.kind == "question":
            return None
        if found.kind == "settled":
            return DidNot()
        return Happened(found.payload.get("value", found.payload.get("content")))

    def _check_document(self) -> None:
        """Make sure that the team's document is the one that the journal has."""
        document = self.cast.document
        recorded = self.attempt.definition.get("document")
        if document is None or recorded is None or document == recorded or document == _with_versions(recorded):
            return
        before = (*self.attempt.before.entries, self.attempt.first)
        entry = [e for e in before if e.kind in {"run", "definition"} and "document" in e.payload][-1]
        self.run.compare(entry, {"document": document}, only=frozenset({"document"}))

    def _check_end(self, outcome: Outcome | None, error: Exception | None) -> Outcome | None:
        ended = self.attempt.ended
        if ended is None or self.attempt.is_cut:
            return outcome
        if outcome is None:
            reason = ended.payload["reason"]
            raise self.run.diverged(
                f"The journal ends {ended.payload['outcome']} ({reason}). The code now goes on.", ended, expected=reason
            )
        outcome = with_open_ends(self.run, outcome)
        if self.attempt.wrap_up:
            self.run.meter.count(RunRecord.of(self.attempt.wrap_up).meter().spent())
        try:
            self.run.compare(ended, ended_payload(self.run, outcome, 0.0))
        except Divergence as difference:
            raise difference from error
        return outcome

    def _define(self, path: str) -> str:
        """Return where in the code the part of the definition is that a path belongs to."""
        names = [name for _, name in paths.elements(path)]
        cast = self.cast
        if cast.document is not None:
            return "the team's document" + (f", {names[1]}" if len(names) > 1 and names[1] not in _ASKED else "")
        things: list[Any] = []
        if names[1:2] == [paths.CHECK]:
            things += [getattr(type(part), "ask", None) for part in cast.asked]
        elif len(names) > 1 and names[1] != paths.CHOOSE:
            member = next((m for m in cast.members if m.name == names[1]), None)
            tool = getattr(member, "tools", {}).get(names[2]) if len(names) > 2 else None
            things += [getattr(tool, "fn", None), member, getattr(type(member), "speak", None)]
        elif names:
            things += [getattr(cast.turns, name, None) for name in ("selector_func", "candidate_func")]
            things += [getattr(type(cast.turns), "next", None)]
        else:
            things += [getattr(type(part), "reason", None) for part in cast.condition.parts()]
        return next((str(found) for thing in (*things, self.team) if (found := place_of(thing)) is not None), "")


def _divergence(error: BaseException) -> Divergence | None:
    """Return the difference that a group of errors holds, None if there is none in it."""
    if isinstance(error, Divergence):
        return error
    inside: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return next((found for inner in inside if (found := _divergence(inner)) is not None), None)


def _with_versions(document: Any) -> Any:
    """Return a document with the version of each delegate in it, which older ones do not say."""
    if isinstance(document, list):
        return [_with_versions(part) for part in cast("list[Any]", document)]
    if not isinstance(document, dict):
        return document
    found = {name: _with_versions(part) for name, part in cast("dict[str, Any]", document).items()}
    return {"version": 1, **found} if found.get("type") == "delegate" else found


def _keyed(attempt: Attempt, rebuilt: dict[int, audit.Asking]) -> Iterator[tuple[str, str]]:
    """Yield the paths that steps in tasks of user code have here, and those that they have in the journal.

    The digests in the journal's paths are keyed with its owner's secret; here they are made of what is asked alone.
    """
    for entry in (*attempt.before.entries, *attempt.entries):
        path, said = entry.path, entry.payload
        if not paths.with_digest(path, ""):
            continue
        if entry.kind == "call" and entry.seq in rebuilt:
            request = rebuilt[entry.seq].request
            request = replace(request, blocks=Blocks(request.blocks))
            yield paths.with_digest(path, request_digest(request, plain_digest)), path
        elif entry.kind == "question" and "name" not in said and "text" in said:
            yield paths.with_digest(path, plain_digest(said["text"].encode(errors="surrogatepass"))), path
        elif "arguments" in said:
            yield paths.with_digest(path, plain_digest(asked_of(said["name"], said["arguments"]))), path


__all__ = ["FromDocument", "OutsideCall", "ReplayReport", "replay"]
