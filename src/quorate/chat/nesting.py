"""Conversations inside a run: a team that is a member of a team, or that is run in a speech or by a tool.

Each is the same loop under a path of the run's journal: it begins with a `task` entry and ends with an `outcome`
entry. What has one is folded and never run again. Its limits are inside those of what is around it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from quorate.chat.facts import Fact
from quorate.chat.feed import Feed
from quorate.chat.loop import converse
from quorate.chat.objects.seating import leave
from quorate.chat.speech import INNER, Made, Turn
from quorate.chat.talk import Cast, Key, Talk, facts_of
from quorate.core.lazy import lazy
from quorate.core.waiting import within
from quorate.errors import ConfigError, Divergence, ModelError, RunFailed, StoreError
from quorate.runs import paths
from quorate.runs.entries import Entry, Payload, canonical_order
from quorate.runs.meter import Halt, Meter
from quorate.runs.nests import Nest
from quorate.runs.outcome import Limits, Outcome
from quorate.runs.run import Interrupted, Parked, Run, cause_of, is_only
from quorate.runs.scope import Scope, entered

if TYPE_CHECKING:
    from quorate.chat import derived as deriving
    from quorate.chat import messages, placing, wrapping
    from quorate.chat.messages import BaseChatMessage, BaseMessage, TaskResult
    from quorate.runs import history
else:
    messages, placing = lazy("quorate.chat.messages"), lazy("quorate.chat.placing")
    deriving, wrapping = lazy("quorate.chat.derived"), lazy("quorate.chat.wrapping")
    history = lazy("quorate.runs.history")

MOST_DEEP = 32
"""Conversations inside each other: more is a circle."""
NOTHING = "(nobody said anything)"


Told = tuple["BaseChatMessage", str]
"""A message, and its place in the journal; empty where it has none yet."""


class Inside(NamedTuple):
    """What a conversation inside a run came to."""

    talk: Talk
    outcome: Outcome
    figures: Payload
    """Of the outcome's entry."""
    wrap_up: Fact | None = None
    """The last answer at a limit of its own, where its team wants one; `figures` have its place."""


# -- the ways into it -------------------------------------------------------------------------------------------------


async def run_inside(
    scope: Scope,
    cast: Cast,
    task: str | BaseChatMessage | Sequence[BaseChatMessage],
    *,
    limits: Limits | None = None,
    remember: bool = False,
    feed: Feed | None = None,
    owned: bool = False,
) -> TaskResult:
    """Run a team or an agent in a scope of a run, as a part of it; see `converse_inside`.

    Raises:
        RunFailed: It failed.
        Parked: A person has to answer first. Let it through.
    """
    try:
        found = await converse_inside(scope, cast, task, limits=limits, remember=remember, feed=feed, owned=owned)
    except (RunFailed, ConfigError, StoreError, Divergence, Halt, Parked):
        raise
    except Exception as error:
        raise RunFailed(f"{cast.name} failed: {error}", result=None) from error
    return _result(scope.run, found)


async def converse_inside(
    scope: Scope,
    cast: Cast,
    task: str | BaseChatMessage | Sequence[BaseChatMessage],
    *,
    limits: Limits | None = None,
    remember: bool = False,
    feed: Feed | None = None,
    apart: bool = False,
    owned: bool = False,
) -> Inside:
    """Have a conversation in a scope of a run, as a part of it.

    Args:
        scope: Of the code that asks for it.
        cast: Who talks.
        task: What about.
        limits: What it may use, within what is around it.
        remember: Whether it goes on where it stopped the last time, from call to call and run to run.
        feed: Where it is shown, beside where the run is.
        apart: Whether it is shown in `feed` only, without the names on the way.
        owned: Whether the running task works for the one whose steps are numbered, which only waits for it.

    Raises:
        Parked: A person has to answer first. Let it through.
        Exception: What it failed with.
    """
    if owned and not scope.is_lent:
        with scope.lent():
            path = scope.next(cast.name, _digest, task)
    else:
        path = scope.next(cast.name, _digest, task)
    outer, base = around(scope.run, path)
    made = messages.as_task(task, run_id=f"{scope.run.id}/{path}", at_us=scope.at)
    given = [(message, "") for message in made] if isinstance(task, str) else _referred(outer, made)
    here = Scope.here(scope.run, path, scope.at)
    try:
        if not remember:
            seating = outer.seating_in(scope.run).inside(scope.run.prefix + path)
            talk = Talk(cast, seating)
            found = await _converse(here, talk.cast, given, talk, limits, feed, apart=apart)
            if cast.seats:
                leave(seating)
            return found
        return await _in_order(here, cast, given, outer, paths.names(path, base), limits, feed, apart=apart)
    finally:
        scope.at = max(scope.at, here.at)


async def speak(team: Any, turn: Turn, *, share_all: bool) -> BaseChatMessage:
    """Let a team speak as a member of another: it hears what was said since it spoke last, and goes on."""
    run, path = turn.run, turn.scope.path
    outer, base = around(run, path)
    key = paths.names(path, base)
    talk = outer.inside(key, team.cast, run)
    here = Scope.here(run, path, turn.scope.at)
    new = _referred(outer, turn.new, but=turn.name)
    try:
        found = await _converse(here, talk.cast, new, talk, None, None, remember=True)
    except Interrupted:
        raise  # its speech is closed with what was done
    except BaseException:
        outer.spoil(key)
        raise
    finally:
        turn.scope.at = max(turn.scope.at, here.at)
        turn.scope.count += talk.turn + bool(talk.cast.wrap_up)  # what follows in the speech comes behind its turns
    return _passed_on(turn, found, share_all=share_all)


def around(run: Run, path: str) -> tuple[Talk, str]:
    """Return the conversation that a path lies in, and its scope."""
    nest = run.nest_at(path) if run.nests else None
    talk: Talk | None = run.kept if nest is None else nest.talk
    if talk is None:
        raise ConfigError(f"{paths.shown(path)}: this run has no conversation around it.")
    return talk, "" if nest is None else nest.path


def recalled(run: Run, path: str, entries: Sequence[Entry]) -> None:
    """Note what happened in conversations that go on inside a tool whose call is closed."""
    if any(entry.kind == "task" for entry in entries):
        talk, base = around(run, path)
        talk.leave_inside(base, sorted(entries, key=canonical_order))


# -- the conversation itself ------------------------------------------------------------------------------------------


async def _in_order(
    here: Scope, cast: Cast, given: Sequence[Told], outer: Talk, key: Key, limits: Limits | None,
    feed: Feed | None, *, apart: bool,
) -> Inside:  # fmt: skip
    """Go on with a conversation that several calls want: one after the other, in the order of their paths."""
    if key not in outer.queues:
        outer.queues = {**outer.queues, key: Queue()}
    queue = outer.queues[key]
    async with queue.lock:
        if queue.is_parked:
            raise Parked("The call before it waits.")
        talk = outer.inside(key, lambda: cast, here.run)
        try:
            return await _converse(here, talk.cast, given, talk, limits, feed, remember=True, apart=apart)
        except (Parked, Halt, asyncio.CancelledError) as error:
            queue.is_parked = isinstance(error, Parked)
            outer.spoil(key)
            raise


class Queue:
    """Lets calls of one conversation wait for each other; behind one that is parked, all are."""

    __slots__ = ("is_parked", "lock")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.is_parked = False


async def _converse(
    scope: Scope,
    cast: Cast,
    given: Sequence[Told],
    talk: Talk,
    limits: Limits | None,
    feed: Feed | None,
    *,
    remember: bool = False,
    apart: bool = False,
) -> Inside:
    """Have a conversation in a scope of its own, or read what it came to.

    Raises:
        Halt: A limit around it is reached, or the run is stopped.
        Parked: No branch of it can go on before a person has answered.
    """
    run, path = scope.run, scope.path
    outer, _ = around(run, path)
    recorded = run.recall(path) if run.recorded else []
    begun = next((e for e in recorded if e.kind == "task"), None) or _begin(run, path, given, remember=remember)
    scope.at = max(scope.at, begun.at)
    talk.see_inside(outer.told_inside(begun))
    ended = next((e for e in reversed(recorded) if e.kind == "outcome" and e.payload["outcome"] != "failed"), None)
    inside = [e for p in list(run.recorded) if paths.below(p, path) for e in run.recorded[p]] if recorded else []
    if ended is not None:
        for entry in inside:
            run.recall(entry.path)
        talk.fold(sorted(inside, key=canonical_order), run, path)
        scope.at = max(scope.at, ended.at)
        return Inside(talk, _outcome_of(ended), ended.payload, _wrapped_then(run, path, ended, inside))
    _check_depth(run, path)
    own = cast.limits if limits is None else limits.over(cast.limits)
    shown = run.nest_at(path) if run.nests else None
    around_it: Feed = shown.feed if shown is not None else outer.feed or Feed()
    nest = Nest(
        path, own, cast.agents, run.meter_at(path), _used(path, inside), talk,
        feed if apart and feed is not None else InnerFeed(around_it, cast.name, feed),
        run.clock.now_us() - run.idle_us,
    )  # fmt: skip
    run.nests = {**run.nests, path: nest}
    if run.agents is None:
        run.agents = {}  # what is used has to be looked up from now on
    wrapped: Fact | None = None
    missed = ""
    try:
        kept = wrapping.keep_inside(run, cast, nest.meter) if cast.wrap_up else None
        if cast.runtime is not None:
            await placing.place(cast)
        for part in cast.condition.parts():
            part.attach(run)
        outcome = await _to_its_end(scope, nest, talk)
        if kept is not None and outcome.kind == "limit":
            wrapped, missed = await _wrap_up(scope, nest, cast, talk, kept)
    except (Parked, Halt, StoreError, Divergence):
        raise
    except Exception as error:
        if not any(e.kind == "outcome" for e in recorded):
            failed = Outcome("failed", f"{type(error).__name__}: {error}", cause=cause_of(error))
            _end(run, path, failed, nest.meter)
        raise
    finally:
        run.nests = {at: other for at, other in run.nests.items() if at != path}
        if cast.runtime is not None:
            await placing.leave(cast, run)
    more: Payload = {"unwrapped": missed} if missed else {}
    if wrapped is not None:
        more = {"wrap_up": wrapped.ref.partition(":")[2][len(path) + 1 :]}
    entry = _end(run, path, outcome, nest.meter, more)
    scope.at = max(scope.at, entry.at)
    return Inside(talk, outcome, entry.payload, wrapped)


async def _to_its_end(scope: Scope, nest: Nest, talk: Talk) -> Outcome:
    """Converse until there is an outcome that is the conversation's own.

    Raises:
        Halt: It is that of something around it.
        Parked: Somebody has to answer.
    """
    run, path = scope.run, scope.path
    try:
        with entered(scope):
            outcome = await converse(scope, talk, nest.feed)
    except Halt as halt:
        outcome = _own(nest, halt.outcome)
    except Parked:
        raise
    except Exception as raised:
        if not is_only(raised, Parked | Halt):  # out of a task group of an agent's own
            raise
        if nest.meter.halted is None and nest.meter.halted_around() is None:
            raise Parked("A branch in it waits.") from raised
        outcome = _own(nest, nest.meter.halted)
    if run.waiting:
        run.check_questions(path)
    if run.open_intents:
        await run.check_effects(path)
    if any(paths.below(parked, path) for parked in run.parked):
        raise Parked("A branch in it waits.")
    return outcome


def _own(nest: Nest, outcome: Outcome | None) -> Outcome:
    """Return how a conversation ended that was halted.

    Raises:
        Halt: What is around it is.
    """
    over = nest.meter.halted_around()
    if over is not None:
        raise Halt(over)
    outcome = nest.meter.halted or outcome
    assert outcome is not None
    if outcome.kind not in {"limit", "stalled"}:
        raise Halt(outcome)
    return outcome


async def _wrap_up(scope: Scope, nest: Nest, cast: Cast, talk: Talk, kept: wrapping.Reserve) -> tuple[Fact | None, str]:
    """Ask for the last answer of a conversation that reached a limit of its own: a speech beside its thread.

    Returns:
        What was said, None where nobody had said anything or it could not be had; and in that case why not.
    """
    run, path, meter = scope.run, scope.path, nest.meter
    if not any(fact.speaker for fact in talk.facts[talk.first :]):
        return None, ""
    asking = wrapping.wrap_up(run, cast, talk, kept, meter=meter, base=path)
    try:
        step, answer, at, cost_usd = await within(kept.seconds, asking)
    except (Halt, ModelError, TimeoutError) as error:
        over = meter.halted_around()
        if over is not None:
            raise Halt(over) from error
        return None, str(error) or "It took too long."
    speech, name = paths.parent(step), paths.names(step)[-2]
    if not run.recall(speech):
        run.append(speech, "said", {"items": (("reply", 1),)})
    scope.at = max(scope.at, at.at)
    return deriving.derived(("reply", 1), {1: Made(answer, at.at, cost_usd)}, speech, name, run), ""


def _wrapped_then(run: Run, path: str, ended: Entry, inside: Sequence[Entry]) -> Fact | None:
    """Return the last answer that a conversation had at its limit, as the journal has it."""
    place = ended.payload.get("wrap_up")
    said = next((e for e in inside if place and e.kind == "said" and e.path == f"{path}/{place}"), None)
    return None if said is None else facts_of(said, inside, paths.names(said.path)[-1], run)[0]


def _begin(run: Run, path: str, given: Sequence[Told], *, remember: bool) -> Entry:
    task: list[str | Payload] = [ref or message.journaled() for message, ref in given]
    said: Payload = {"task": task}
    if remember:
        said["remember"] = True
    return run.append(path, "task", said)


def _referred(outer: Talk, given: Sequence[BaseChatMessage], *, but: str = "") -> list[Told]:
    """Return messages, each with its place in the journal, empty for one that has none; none that `but` has said."""
    wanted = {id(message) for message in given}
    known: dict[int, Fact] = {}
    for fact in reversed(outer.facts if wanted else ()):  # the latest are asked for
        if fact.message is not None and id(fact.message) in wanted:
            known[id(fact.message)] = fact
            if len(known) == len(wanted):
                break
    facts = [(message, known.get(id(message))) for message in given]
    return [(m, "" if fact is None else fact.ref) for m, fact in facts if not (but and fact and fact.speaker == but)]


def _end(run: Run, path: str, outcome: Outcome, meter: Meter, more: Payload | None = None) -> Entry:
    said: Payload = {"outcome": outcome.kind, "reason": outcome.reason, **(more or {})}
    for name in ("limit", "cause"):
        if getattr(outcome, name):
            said[name] = getattr(outcome, name)
    return run.append(path, "outcome", said | meter.figures())


def _outcome_of(entry: Entry) -> Outcome:
    said = entry.payload
    return Outcome(said["outcome"], said["reason"], said.get("limit", ""))


def _used(path: str, inside: Sequence[Entry]) -> Callable[[str | None], Meter] | None:
    """Return what tells what was used in a scope before, None if nothing was."""
    if not inside:
        return None
    deep = len(path) + 1
    ours = [replace(e, path=e.path[deep:]) for e in inside if e.kind != "settled"]  # its call is made again, uncounted
    return history.RunRecord.of(sorted(ours, key=lambda e: e.seq)).meter if ours else None


def _check_depth(run: Run, path: str) -> None:
    deep = sum(paths.below(path, at) for at in run.nests)
    if deep >= MOST_DEEP:
        raise ConfigError(
            f"{paths.shown(path)}: {deep} conversations run inside each other, more than there may be. Does an agent "
            "or a team call itself through its tools?"
        )


def _digest(task: Any, fingerprint: Callable[[bytes], str]) -> str:
    """Return what tells a conversation that a task of user code runs from others: what it is told."""
    parts = [task] if isinstance(task, str) else [m.to_text() for m in ([task] if hasattr(task, "to_text") else task)]
    return fingerprint("\n".join(parts).encode(errors="surrogatepass"))


# -- what others get of it --------------------------------------------------------------------------------------------


def _passed_on(turn: Turn, found: Inside, *, share_all: bool) -> BaseChatMessage:
    """Say to the team around what came of a conversation."""
    talk, outcome, figures, wrapped = found
    if outcome.kind != "completed":
        turn.emit(
            messages.TeamOutcomeEvent(
                content=outcome.reason, outcome=outcome.kind, limit=outcome.limit, source=turn.name
            )
        )
    said = [fact for fact in talk.facts[talk.first :] if fact.message is not None and fact.speaker]
    if not said:
        return messages.TextMessage(content=NOTHING, source=turn.name)
    if wrapped is not None:
        said = [*(said if share_all else ()), wrapped]
    message: BaseChatMessage | None = None
    for fact in said if share_all else said[-1:]:
        place = fact.ref.partition(":")[2][len(turn.scope.path) + 1 :]
        steps: dict[Any, Made] = turn.steps
        steps[place] = Made((fact, figures), fact.at)
        message = turn.derive(INNER, place, not share_all or fact is wrapped).message
    assert message is not None
    return message


def _result(run: Run, found: Inside) -> TaskResult:
    talk, outcome, used, wrapped = found
    return messages.TaskResult(
        wrap_up=None if wrapped is None else wrapped.message,  # pyright: ignore[reportArgumentType]: a reply is a text
        messages=[message.model_copy() for message in talk.told()],
        stop_reason=outcome.reason,
        outcome=outcome,
        run_id=run.id,
        usage=messages.RequestUsage(used.get("prompt_tokens", 0), used.get("completion_tokens", 0)),
        cost_usd=used.get("cost_usd", 0.0),
        turns=used.get("turns", talk.turn),
    )


class InnerFeed(Feed):
    """Shows what happens in a conversation inside another where that is shown, with the names on the way.

    The metadata of each item has them as `within`: `researchers`, or `office/researchers`.
    """

    __slots__ = ("_also", "_around", "_name")

    def __init__(self, around: Feed, name: str, also: Feed | None = None) -> None:
        super().__init__()
        self._around, self._name, self._also = around, name, also

    @property
    def watched(self) -> bool:
        return self._around.watched or (self._also is not None and self._also.watched)

    def push(self, item: Any) -> None:
        self._around.push(self._marked(item))
        if self._also is not None:
            self._also.push(item)

    def tell(self, message: BaseMessage | None) -> None:
        if message is not None:
            self._around.happens(self._marked(message))
            if self._also is not None:
                self._also.tell(message)

    def says(self, message: BaseMessage) -> None:
        self.tell(message)

    def happens(self, event: BaseMessage) -> None:
        self._around.happens(self._marked(event))
        if self._also is not None:
            self._also.happens(event)

    def _marked(self, item: Any) -> Any:
        known: Mapping[str, str] = item.metadata
        within = f"{self._name}/{known['within']}" if "within" in known else self._name
        return item.model_copy(update={"metadata": {**known, "within": within}})


__all__ = ["InnerFeed", "Inside", "around", "converse_inside", "recalled", "run_inside", "speak"]
