"""Beginning a run, and going on with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from msgspec.structs import asdict

from quorate.core.lazy import lazy
from quorate.errors import ConfigError, Conflict
from quorate.runs import paths
from quorate.runs.entries import Entry, Payload, run_id
from quorate.runs.journal import Conversation, Journal
from quorate.runs.ledger import cut_calls
from quorate.runs.memory import MemoryJournal
from quorate.runs.outcome import Limits
from quorate.runs.run import Run

if TYPE_CHECKING:
    from quorate.runs import history
    from quorate.runs.budget import Budget
    from quorate.runs.history import RunRecord
    from quorate.runs.prices import Price
else:
    history = lazy("quorate.runs.history")

Effects = Literal["ask", "live"]
"""What becomes of new calls that are not `read`: a person is asked first, or they are made."""


async def begin(
    conversation: Conversation,
    task: Callable[[str, int], list[Payload]],
    limits: Limits,
    definition: Payload,
    *,
    of: Any = None,
    budgets: Sequence[Budget] = (),
    prices: Mapping[str, Price] | None = None,
    lost: Callable[[Sequence[Entry]], Sequence[str]] | None = None,
) -> Run:
    """Start a new run on a task, closing an unfinished one before it.

    Args:
        conversation: Where it belongs.
        task: Makes the dumped messages of the task, given the run's id and the time.
        limits: What the run may use.
        definition: What it runs with, for the journal.
        of: Whose fold may be taken up where the last run left it; `run.kept` is then what was folded.
        budgets: What it shares with other runs.
        prices: What models cost that the tables do not know.
        lost: Returns of what there is in the journal who starts without the state that it had.

    Raises:
        Conflict: A run is going on, or the last one left an effect or a question open.
        StoreError: The journal cannot be opened.
    """
    journal = await conversation.store.open(conversation.id, owner=conversation.owner)
    fresh: Sequence[str] = ()
    try:
        length = journal.head().length
        if length == 0:  # a new conversation: nothing to fold
            run = Run(conversation, journal, 1, limits)
        elif isinstance(journal, MemoryJournal) and (kept := journal.kept_for(of)) is not None:
            run = Run(conversation, journal, kept.run + 1, limits)
            run.kept, run.past = kept.state, journal.last_run()
        else:
            entries = await journal.entries()
            runs = history.fold(entries)
            fresh = [] if lost is None else lost(entries)
            before = history.latest(runs)
            past: list[Entry] = []
            if before is not None and not before.closed:
                _leave(journal, before)
            for record in runs.values():
                past += history.split(record)[0]
            run = Run(conversation, journal, max(runs, default=0) + 1, limits, past=past)
            _as_fork(run, runs)
        dumped = task(run.id, run.at)
        said: Payload = {"task": dumped, "limits": asdict(run.meter.limits), **definition}
        if limits.warn_at is not None:
            said["limits"]["warn_at"] = limits.warn_at
        if budgets or prices:
            said |= _spend_within(run, (), budgets, None, prices)
        if fresh:
            said["fresh"] = list(fresh)
        entry = run.append(paths.ROOT, "run", said)
        run.at, run.warn_at = entry.at, limits.warn_at
        if entry.payload is not said and "redacted" in entry.payload:
            run.redacted_task = entry.payload["task"]
        if journal.durable:
            await journal.commit()  # a run that was told of can be found, whatever its first speaker does
    except BaseException:
        await journal.release()
        raise
    return run


def _as_fork(run: Run, runs: dict[int, RunRecord]) -> None:
    """Note on a run what it has to know of the conversation that it branched off, if it did."""
    marks = next(iter(runs.values())).marks if runs else ()
    if marks:
        run.marks = marks
    run.asks_first = history.asks_first(runs)


def _spend_within(
    run: Run,
    before: Sequence[Budget],
    budgets: Sequence[Budget],
    prices_before: Mapping[str, Price] | None,
    prices: Mapping[str, Price] | None,
) -> Payload:
    """Give a run its shared budgets and its prices, and return what the journal has to hold of them that is new."""
    from quorate.runs.budget import merged  # runs without one do not pay for it

    everyone = merged(before, budgets)
    if everyone:
        run.share(everyone)
    run.prices = {**(prices_before or {}), **(prices or {})} or None
    said: Payload = {"budgets": [budget.given() for budget in everyone]} if budgets else {}
    if prices:
        said["prices"] = {name: price.given() for name, price in run.prices.items()} if run.prices else {}
    return said


def _leave(journal: Journal, record: RunRecord) -> None:
    """Close a run that nobody will finish."""
    history.check_settled(journal.conversation, record)
    give_up(journal, record)
    payload: Payload = {"outcome": "cancelled", "reason": "A new task was given.", "closed": True}
    payload |= record.meter().figures() | {"active_s": record.active_so_far_s}
    record.see(journal.append(record.number, paths.ROOT, "ended", payload))


def give_up(journal: Journal, record: RunRecord) -> None:
    """Close the open turns of a run; each call in them without a result gets one that says so."""
    done = {entry.path for entry in record.entries if entry.kind == "turn"}
    begun = record.open_turns | {
        entry.path.partition("/")[0] for entry in record.entries if entry.path and not paths.is_wrap_up(entry.path)
    }
    for turn in sorted(begun - done, key=paths.sort_key, reverse=True):
        for path, intent in list(record.intents.items()):
            if paths.below(path, turn):
                said = {"content": f"{intent.payload['name']} was given up.", "error": True, "given_up": True}
                record.see(journal.append(record.number, path, "result", said))
        record.see(journal.append(record.number, turn, "turn", {"given_up": True}))


async def go_on(
    conversation: Conversation,
    number: int | None = None,
    *,
    limits: Limits | None = None,
    budgets: Sequence[Budget] = (),
    prices: Mapping[str, Price] | None = None,
    definition: Payload | None = None,
    effects: Effects | None = None,
    give_up_turn: bool = False,
    take_over: bool = False,
    lost: Callable[[Sequence[Entry]], Sequence[str]] | None = None,
) -> Run:
    """Open a run again where it stopped; without a number the conversation's last.

    Raises:
        ConfigError: There is no such run.
        Conflict: It is completed, was followed by another run, or is going on elsewhere.
    """
    entries = await conversation.store.read(conversation.id, owner=conversation.owner)
    if not entries:
        raise ConfigError(f"There is no conversation {conversation.id} here. `quorate conversations` lists them.")
    journal = await conversation.store.open(conversation.id, owner=conversation.owner, take_over=take_over)
    try:
        there = await journal.entries()
        runs = history.fold(there)
        record = _resumable(conversation.id, runs, number)
        resumed: Payload = {"limits": limits.given()} if limits else {}
        if lost is not None and (fresh := lost(there)):
            resumed["fresh"] = list(fresh)
        if effects is not None:
            resumed["effects"] = checked_effects(effects)
        if journal.follows_living:
            resumed["took_over"] = True
        if definition:
            record.see(journal.append(record.number, paths.ROOT, "definition", definition))
        if give_up_turn:
            history.check_settled(conversation.id, record)
            give_up(journal, record)
        if record.outcome is None and record.budgets:
            cut_calls(journal, run_id(conversation.id, record.number), record.entries)
        run = _reopened(journal, runs, record, resumed, conversation, budgets, prices)
        run.deliver(await journal.inbox())  # before it has begun: an order to stop or pause was one to the last attempt
        return run
    except BaseException:
        await journal.release()
        raise


def checked_effects(effects: str) -> Effects:
    """Return what becomes of new calls that are not `read`.

    Raises:
        ConfigError: It is neither `ask` nor `live`.
    """
    if effects == "ask" or effects == "live":
        return effects
    raise ConfigError(f"effects={effects!r} is neither 'ask' nor 'live'.")


def _resumable(conversation: str, runs: dict[int, RunRecord], number: int | None) -> RunRecord:
    last = history.latest(runs)
    record = last if number is None else runs.get(number)
    if record is None or last is None:
        raise ConfigError(
            f"Conversation {conversation} has no run {number}. It has: {', '.join(map(str, sorted(runs)))}."
        )
    name = run_id(conversation, record.number)
    if record.closed and record.outcome is not None:
        why = record.outcome.reason.rstrip(".")
        raise Conflict(f"Run {name} is {record.outcome.kind}: {why}. Give the conversation a new task.")
    if record is not last:
        raise Conflict(f"Run {name} was followed by run {run_id(conversation, last.number)}; only the last can go on.")
    return record


def _reopened(
    journal: Journal,
    runs: dict[int, RunRecord],
    record: RunRecord,
    resumed: Payload,
    conversation: Conversation,
    budgets: Sequence[Budget],
    prices: Mapping[str, Price] | None,
) -> Run:
    past = [e for n in sorted(runs) if n != record.number for e in history.split(runs[n])[0]]
    closed, recorded = history.split(record)
    meter = record.meter()
    limits = Limits(**resumed.get("limits", {})).over(record.limits)
    run = Run(conversation, journal, record.number, limits, recorded=recorded, past=past + closed)
    run.active_before_s = record.active_so_far_s
    if budgets or prices or record.budgets or record.prices:
        resumed |= _spend_within(run, record.budgets, budgets, record.prices, prices)
    if run.shared is not None:
        run.shared.told = {scope for e in record.entries if e.kind == "call" for scope in e.payload.get("near", ())}
    record.see(run.append(paths.ROOT, "resumed", resumed))
    _as_fork(run, runs)
    run.meter.count_on(meter)
    run.used_before, run.warn_at = record.meter, limits.warn_at
    run.at = record.last_at
    run.unsure = frozenset(record.unsure)
    return run


async def again(run: Run) -> Run:
    """Take an attempt up again from its journal, which is still held."""
    runs = history.fold(await run.journal.entries())
    new = _reopened(run.journal, runs, runs[run.number], {}, run.conversation, (), None)
    new.begun, new.answerer = True, run.answerer
    if new.shared is None:
        new.meter.inside, new.shared = run.meter.inside, run.shared
    return new
