"""The step: the one door to the world.

Running live, what a call came to is journaled before it is used. On resume and replay it is read from the journal and
the call is not made. Outside any run the call is just made.
"""

from __future__ import annotations

import asyncio
import builtins
import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NewType, TypeVar, cast, overload

from msgspec import Struct
from msgspec.structs import replace

import quorate.errors as errors
from quorate.core.lazy import lazy
from quorate.core.waiting import is_cancelled, stray, within
from quorate.errors import (
    ConfigError,
    Conflict,
    Denied,
    Divergence,
    OutcomeUnknown,
    QuorateError,
    StoreError,
    ToolError,
)
from quorate.runs import paths
from quorate.runs.entries import Entry, Payload
from quorate.runs.meter import Halt
from quorate.runs.pause import backoff_s, pause
from quorate.runs.run import Interrupted, Parked, Run, blame, question_id
from quorate.runs.scope import Scope, enter, leave, scope_here

if TYPE_CHECKING:
    from quorate.runs import late
    from quorate.runs import permission as asking
else:
    late, asking = lazy("quorate.runs.late"), lazy("quorate.runs.permission")

Effect = Literal["read", "idempotent", "unsafe"]
EFFECTS = ("read", "idempotent", "unsafe")
MOST_ATTEMPTS = 3
"""A call that `reconcile` says did not happen so often is put before a person."""
MOST_TRIES = 20
FRESH_S = 5.0
"""An unsafe call starts so soon after its intent, or not at all: by then somebody else may have settled it."""
RECONCILE_S = 60.0
"""How long `reconcile` may take."""

T = TypeVar("T")

OperationKey = NewType("OperationKey", str)
"""Annotate a tool's parameter with it, and it is handed the key of the operation; the model is not asked for it."""


@dataclass(frozen=True, slots=True)
class Happened:
    """`reconcile` says: it happened, with this result."""

    result: Any = None


@dataclass(frozen=True, slots=True)
class DidNot:
    """`reconcile` says: it did not happen and will not."""


Settlement = Happened | DidNot | None
"""None: it is not known."""


class Call(Struct, eq=False):
    """A call with an effect class, ready to be made.

    Args:
        name: Of the tool or step.
        arguments: Canonical JSON of its arguments.
        effect: `read` may be repeated, `idempotent` may be with the same key, `unsafe` never blindly.
        make: Makes it; is given the operation key.
        outcome: Turns what it returned into the payload to journal.
        kind: The kind of the outcome's entry.
        failed: Turns an exception into the payload of a result, or None: then the exception is the outcome.
        reconcile: Finds out about a call whose outcome is unknown.
        timeout_s: How long it may take.
        attempts: How often it may be made in all where it fails; more than once only what may be repeated.
        counts: Whether it is a tool call, counted against that limit.
        approved: Whether a person has approved this very call.
        start_by: Until when it may start, as seconds of the clock that runs while the process is stopped.
    """

    name: str
    arguments: str
    effect: Effect
    make: Callable[[str], Coroutine[Any, Any, Any]]
    outcome: Callable[[Any], Payload]
    kind: str = "value"
    failed: Callable[[Exception], Payload] | None = None
    reconcile: Callable[[str, str], Awaitable[Settlement]] | None = None
    timeout_s: float | None = None
    attempts: int = 1
    counts: bool = False
    approved: bool = False
    start_by: float = 0.0


@overload
async def step(
    name: str,
    call: Callable[[], Coroutine[Any, Any, T] | Awaitable[T]],
    *,
    effect: Effect = "unsafe",
    timeout_s: float | None = None,
    attempts: int = 1,
) -> T: ...
@overload
async def step(
    name: str, call: Callable[[], T], *, effect: Effect = "unsafe", timeout_s: float | None = None, attempts: int = 1
) -> T: ...
async def step(
    name: str,
    call: Callable[[], Any],
    *,
    effect: Effect = "unsafe",
    timeout_s: float | None = None,
    attempts: int = 1,
) -> Any:
    """Make a call through the door.

    Args:
        name: What it is, for people and for the path.
        call: Makes the call. Its outcome must be plain JSON data. A plain function holds up all else while it works.
        effect: `read` may be repeated after a crash, `idempotent` too (with its own key), `unsafe` never blindly.
        timeout_s: After this long it is cancelled; an `unsafe` call's outcome is then unknown.
        attempts: How often it is made in all while it fails, with growing pauses; an `unsafe` one only once.

    Raises:
        ConfigError: The effect is none of the three, an `unsafe` one may be tried again, or the outcome is no plain
            data.
    """
    if effect not in EFFECTS:
        raise ConfigError(f"effect={effect!r} is none of {', '.join(EFFECTS)}.")
    if attempts != 1:
        check_attempts(f"Step {name}", effect, attempts)
    scope = scope_here()
    if not callable(call):
        raise ConfigError(f"Step {name}: {call!r} is no function. Give what makes the call; it is called in the step.")
    if scope is None or scope.leaf:
        return await _called(call)
    todo = Call(
        name=name, arguments="", effect=effect, make=lambda _key: _called(call), outcome=_value, timeout_s=timeout_s,
        attempts=attempts,
    )  # fmt: skip
    value = (await perform(scope, scope.next(name), todo))["value"]
    return deepcopy(value)  # the journal keeps its own


def check_attempts(what: str, effect: Effect, attempts: int) -> None:
    """Refuse to try again what must not be repeated.

    Raises:
        ConfigError: It must not, or the number is none.
    """
    if isinstance(attempts, bool) or not isinstance(attempts, int) or not 1 <= attempts <= MOST_TRIES:  # pyright: ignore[reportUnnecessaryIsInstance]: user code
        raise ConfigError(f"{what}: attempts={attempts!r} must be a number from 1 to {MOST_TRIES}.")
    if attempts > 1 and effect == "unsafe":
        raise ConfigError(
            f"{what}: attempts={attempts}, but what is unsafe is never repeated blindly. Declare it "
            "effect='idempotent' if the receiver knows the operation key, or effect='read' if it changes nothing."
        )


def _value(value: Any) -> Payload:
    try:
        return {"value": json.loads(json.dumps(value, allow_nan=False))}
    except (TypeError, ValueError) as error:
        raise ConfigError(f"The outcome of a step must be plain JSON data: {error}.") from error


def operation_key(run: Run, path: str, name: str, arguments: str) -> str:
    """Return the key under which the effect of a call may happen once; of the model only the arguments are in it."""
    return hashlib.blake2b(f"{run.id}\n{path}\n{name}\n{arguments}".encode(), digest_size=16).hexdigest()


async def perform(scope: Scope, path: str, call: Call) -> Payload:
    """Make a call at `path`, or read what it came to.

    Raises:
        Parked: Its outcome is unknown and a person has to say.
        Conflict: The journal holds another call here.
        Exception: What the call raised, where that is its outcome.
    """
    run = scope.run
    if run.asks_first and call.effect != "read" and not call.approved:
        decided = await asking.permission(scope, path, call)
        if decided is not None:
            return await _not_made(scope, path, call, *decided)
    intents: list[Entry] = []
    failures = 0
    if run.recorded:
        intents, failed, outcome, settled = _recalled(run, path, call)
        if outcome is not None:
            scope.at = max(scope.at, outcome.at)
            return _recorded_outcome(outcome)
        if intents and intents[-1].payload["effect"] != call.effect:  # an open intent keeps what it was written with
            call = replace(call, effect=intents[-1].payload["effect"])
        if intents and call.effect == "unsafe" and not settled:
            raise Parked(f"The outcome of {call.name} at {paths.shown(path)} is open.")
        failures = len(failed)
        if failed:
            await pause(run, path, failed[-1].payload["until"], _asks_to_wait(call))
    if run.gate is not None:
        return await _barred(scope, path, call, again=bool(intents) or bool(failures))
    if call.counts and not intents and not failures:
        run.meter_at(path).add_tool_call()
    key = "" if call.effect == "read" else operation_key(run, path, call.name, call.arguments)
    if run.is_replay:
        return await _again(scope, path, call, key, attempt=len(intents) + 1)
    if key:
        _intend(run, path, call, key, attempt=len(intents) + 1)
    if run.journal.durable:  # also what was said before, to a person who is asked now, is not said otherwise later
        await run.journal.commit(sync=call.effect == "unsafe")
    return await _made(scope, path, call, key, failures)


async def _barred(scope: Scope, path: str, call: Call, *, again: bool) -> Payload:
    """End a step that is not made any more: a tool call in a turn that was cut short gets a result that says so.

    Raises:
        Parked: It is another step, or the run is paused.
    """
    run = scope.run
    if run.gate is not Interrupted or call.failed is None:
        run.check_gate()
    assert call.failed is not None
    if call.counts and not again:
        run.meter.tool_calls += 1
    said = call.failed(ToolError(f"{call.name} was not finished: a person interrupted the turn."))
    return await _close(scope, path, call.kind, {**said, "given_up": True}, replace(call, effect="read"))


async def _not_made(scope: Scope, path: str, call: Call, kind: str, payload: Payload) -> Payload:
    """Close a step with what a person said instead of allowing the call."""
    if call.counts:
        scope.run.meter_at(path).add_tool_call()
    await _close(scope, path, kind, payload, call)
    if kind == "error":
        error = Denied(payload["message"])
        blame(error, path)
        raise error
    return payload


async def _again(scope: Scope, path: str, call: Call, key: str, *, attempt: int) -> Payload:
    """Make a step in a replay: its intents are compared, and what came of it is in the journal."""
    run = scope.run
    if key:
        await _declare(run, path, call, key, attempt=attempt)
    while True:
        entry = run.next_recorded(path, f"a call of {call.name}")
        for spent in entry.payload.get("spent", ()):
            run.meter_at(path).count(spent)
        if entry.kind in {call.kind, "error"}:
            break
        if entry.kind == "question":
            run.waiting[path] = entry.payload["id"]
            raise Parked(entry.payload["text"])
        if entry.kind in {"settled", "retry"}:
            run.open_intents.pop(path, None)
            await pause(run, path, entry.payload.get("until", 0), _asks_to_wait(call))
            if run.gate is not None:
                run.check_gate()
            attempt += 1
            if key:
                await _declare(run, path, call, key, attempt=attempt)
    if call.effect == "read" and call.kind == "result":
        run.compare(entry, {"name": call.name, "arguments": call.arguments}, only=IN_RESULT)
    run.open_intents.pop(path, None)
    scope.at = max(scope.at, entry.at)
    return _recorded_outcome(entry)


IN_RESULT = frozenset({"name", "arguments"})
"""What the result of a call without an intent says of the call."""


async def _declare(run: Run, path: str, call: Call, key: str, *, attempt: int) -> None:
    _intend(run, path, call, key, attempt=attempt)
    if run.journal.durable:
        await run.journal.commit(sync=call.effect == "unsafe")


def _intend(run: Run, path: str, call: Call, key: str, *, attempt: int) -> None:
    """Write that a call will be made; it may be once that is committed."""
    if run.lost:
        run.check_lost(path)
    said: Payload = {"name": call.name, "arguments": call.arguments, "effect": call.effect, "key": key}
    if attempt > 1:
        said["attempt"] = run.attempts[path] = attempt
    if call.kind != "result":
        said["kind"] = call.kind
    unsafe = call.effect == "unsafe"
    if unsafe and call.timeout_s is not None:
        said["timeout_s"] = call.timeout_s
    if unsafe and run.journal.durable:  # nobody else can come between where nothing is kept
        call.start_by = run.clock.running_s() + FRESH_S
    run.append(path, "intent", said)
    if unsafe:
        run.open_intents[path] = call.name, call.arguments


class Stale(QuorateError):
    """An unsafe call was not made: its intent is too old for it."""


def check_fresh(run: Run, call: Call) -> None:
    """Make sure that a call starts soon after its intent was written.

    Raises:
        Stale: It does not.
    """
    if call.start_by and run.clock.running_s() > call.start_by:
        raise Stale(f"{call.name} was not called: more than {FRESH_S:g} s went by since it was announced.")


async def _made(scope: Scope, path: str, call: Call, key: str, failures: int) -> Payload:
    run = scope.run
    inside = Scope(run, path, scope.at, leaf=True)
    token = enter(inside)
    kind = call.kind
    try:
        if call.start_by:
            check_fresh(run, call)
        value = await (call.make(key) if call.timeout_s is None else within(call.timeout_s, call.make(key)))
        try:
            payload = call.outcome(value)
        except ConfigError as error:
            if call.effect == "unsafe":  # it happened, only what came of it cannot be kept
                raise OutcomeUnknown(str(error)) from error
            raise
        if inside.spent and call.effect != "unsafe":
            run.check()  # a limit that was reached in there cut it short, whatever it returned
    except (Exception, asyncio.CancelledError) as caught:
        raised = _error_of(call, caught)
        if isinstance(raised, Parked | StoreError | Divergence | Halt):
            raise
        if isinstance(raised, Stale):
            return await _announced_again(scope, path, call, key, failures, raised)
        error = raised
        if isinstance(raised, OutcomeUnknown | TimeoutError):
            error = raised if str(raised) else TimeoutError(f"no answer within {call.timeout_s} s")
            if call.effect == "unsafe":
                return await _unknown(scope, path, call, key, str(error))
        if failures + 1 < call.attempts and _may_help(error):
            await _failed(scope, path, call, error, failures + 1, inside)
            if key:
                await _declare(run, path, call, key, attempt=run.attempts.get(path, 1) + 1)
            return await _made(scope, path, call, key, failures + 1)
        kind, payload = _error(call, error)
        if kind == "error":
            await _close(scope, path, kind, _with_spent(payload, inside), call)
            blame(error, path)
            if error is caught:
                raise
            raise error from raised if error is not raised else caught
    finally:
        leave(token)
    payload = await _close(scope, path, kind, _with_spent(payload, inside), call)
    if call.effect == "unsafe" and is_cancelled():
        raise asyncio.CancelledError  # whoever cancels is obeyed, once it is known what came of the call
    return payload


def _error_of(call: Call, raised: BaseException) -> Exception:
    """Return an error as one of the call: that it was cancelled by nobody outside says nothing about its effect.

    Raises:
        CancelledError: Somebody cancelled the run.
    """
    if isinstance(raised, Exception):
        return raised
    if is_cancelled():
        raise raised
    error: Exception = stray(call.name)
    if call.effect == "unsafe":
        error = OutcomeUnknown(str(error))
    error.__cause__ = raised
    return error


def _may_help(error: Exception) -> bool:
    """Whether to try again after an error: one that a tool tells its model on purpose stays the same."""
    return not isinstance(error, ToolError | ConfigError) and getattr(error, "retryable", True)


def _asks_to_wait(call: Call) -> str:
    return f"{call.name} failed and asked to be called again later."


async def _failed(scope: Scope, path: str, call: Call, error: Exception, failures: int, inside: Scope) -> None:
    """Journal an attempt that failed, and wait before the next."""
    run = scope.run
    run.check()
    wait_s = getattr(error, "retry_after_s", None)
    wait_s = backoff_s(failures, path) if wait_s is None else wait_s
    until = run.clock.now_us() + round(wait_s * 1e6)
    said: Payload = {"type": type(error).__name__, "message": str(error), "until": until}
    if call.effect == "read" and call.kind == "result":
        said |= {"name": call.name, "arguments": call.arguments}
    run.append(path, "retry", _with_spent(said, inside))
    if run.journal.durable:
        await run.journal.commit()
    await pause(run, path, until, _asks_to_wait(call))
    if run.gate is not None:
        run.check_gate()


async def _announced_again(scope: Scope, path: str, call: Call, key: str, failures: int, stale: Stale) -> Payload:
    """Settle an intent that became too old as one that did not happen, and go on with a new one."""
    run = scope.run
    run.append(path, "settled", {"by": "its age"})
    run.open_intents.pop(path, None)
    attempt = run.attempts.get(path, 1)
    if attempt >= MOST_ATTEMPTS:
        if run.journal.durable:
            await run.journal.commit()
        raise StoreError(f"{stale} So it was {attempt} times: the store is too slow. Nothing was done; resume.")
    await _declare(run, path, call, key, attempt=attempt + 1)
    return await _made(scope, path, call, key, failures)


def _with_spent(payload: Payload, inside: Scope) -> Payload:
    return {**payload, "spent": tuple(map(tuple, inside.spent))} if inside.spent else payload


async def _awaited(made: Awaitable[T]) -> T:
    return await made


async def _called(call: Callable[[], Any]) -> Any:
    made = call()
    return await cast("Awaitable[Any]", made) if isinstance(made, Awaitable) else made


async def _close(scope: Scope, path: str, kind: str, payload: Payload, call: Call) -> Payload:
    if call.effect == "read" and call.kind == "result":
        payload = {"name": call.name, "arguments": call.arguments, **payload}
    run = scope.run
    entry = run.append(path, kind, payload)
    run.open_intents.pop(path, None)
    if entry.at > scope.at:
        scope.at = entry.at
    if run.journal.durable:
        try:
            await run.journal.commit()
        except Conflict:  # somebody else has the conversation now, and an open intent in it
            if call.effect == "unsafe":
                await late.report(run.conversation, question_id(run.id, path, run.attempts.get(path, 1)), kind, payload)
            raise
    if run.lost:
        run.freed(path)
    return entry.payload


def _error(call: Call, error: Exception) -> tuple[str, Payload]:
    if call.failed is not None:
        return call.kind, call.failed(error)
    return "error", {"type": type(error).__name__, "message": str(error)}


# -- what the journal says --------------------------------------------------------------------------------------------


def _recalled(run: Run, path: str, call: Call) -> tuple[list[Entry], list[Entry], Entry | None, bool]:
    """Return what the journal holds for a step.

    Returns:
        Its intents, the attempts that failed, its outcome, and whether the last intent is known not to have happened.
    """
    entries = run.recall(path)
    intents = [e for e in entries if e.kind == "intent"]
    failed = [e for e in entries if e.kind == "retry"]
    outcome = next((e for e in reversed(entries) if e.kind in {call.kind, "error"}), None)
    last = intents[-1] if intents else outcome or (failed[-1] if failed else None)
    said = last.payload if last else None
    if said is not None and call.kind == "result" and "name" in said:
        recorded = said["name"], said["arguments"]
        if recorded != (call.name, call.arguments):
            raise Conflict(
                f"At {paths.shown(path)} the journal has {recorded[0]}({recorded[1]}), but the definition now calls "
                f"{call.name}({call.arguments}). {RESUME_ADVICE}"
            )
    if entries and outcome is None and not intents and entries[0].kind != "retry":
        raise Conflict(
            f"At {paths.shown(path)} the journal has a {entries[0].kind}, but the definition now makes a {call.kind}. "
            f"{RESUME_ADVICE}"
        )
    if intents:
        run.attempts[path] = len(intents)
    return intents, failed, outcome, bool(entries) and entries[-1].kind == "settled"


RESUME_ADVICE = "Resume with the definition it was started with, or give the open turn up (--give-up-turn)."


def _recorded_outcome(entry: Entry) -> Payload:
    if entry.kind != "error":
        return entry.payload
    error = _error_again(entry.payload["type"], entry.payload["message"])
    blame(error, entry.path)
    raise error


def _error_again(kind: str, message: str) -> Exception:
    """Return an error of the recorded class that says what it said, whatever the class wants to be made from."""
    found = getattr(builtins, kind, None) or getattr(errors, kind, None)
    if not isinstance(found, type) or not issubclass(found, Exception) or issubclass(found, ExceptionGroup):
        return QuorateError(f"{kind}: {message}")
    try:
        error = found(message)
        if str(error) == message:
            return error
    except TypeError:
        pass

    def say(_: object) -> str:
        return message

    said: type[Exception] = type(kind, (found,), {"__init__": object.__init__, "__str__": say})
    return said()


# -- unknown outcomes -------------------------------------------------------------------------------------------------


async def _unknown(scope: Scope, path: str, call: Call, key: str, why: str) -> Payload:
    """Settle a call whose outcome is unknown: by its `reconcile`, else by a person."""
    run = scope.run
    if call.reconcile is not None:
        known, doubt = await reconciled(run, path, lambda: call.reconcile(key, call.arguments))  # pyright: ignore[reportOptionalCall]: checked above
        if isinstance(known, Happened):
            return await _close(scope, path, call.kind, {**call.outcome(known.result), "by": "reconcile"}, call)
        attempt = run.attempts.get(path, 1)
        if isinstance(known, DidNot) and attempt < MOST_ATTEMPTS:
            run.append(path, "settled", {"by": "reconcile"})
            await _declare(run, path, call, key, attempt=attempt + 1)
            return await _made(scope, path, call, key, 0)
        why = f"{why}; {doubt}" if doubt else why
    asked = await run.ask_about(path, call.name, call.arguments, why)
    if run.lost:
        run.freed(path)
    raise asked


async def reconciled(run: Run, path: str, ask: Callable[[], Awaitable[Settlement]]) -> tuple[Settlement, str]:
    """Ask a tool's `reconcile` what became of a call.

    Returns:
        What it says, None where it does not know, failed, or cannot be believed yet; and why not, in words.

    Raises:
        ConfigError: It said something that is no answer.
    """
    token = enter(Scope(run, path, run.at, leaf=True))  # what it asks of models and tools is no step
    try:
        known = await within(RECONCILE_S, _awaited(ask()))
    except (Parked, StoreError, Divergence, Halt):
        raise
    except Exception as error:  # it could not find out; a person may
        return None, f"reconcile failed with {type(error).__name__}: {error}"
    finally:
        leave(token)
    if known is not None and not isinstance(known, Happened | DidNot):  # pyright: ignore[reportUnnecessaryIsInstance]: user code
        raise ConfigError(f"reconcile returned {known!r}; it must return Happened(result), DidNot() or None.")
    if isinstance(known, DidNot) and late.is_under_way(run, path):
        return None, "reconcile says it did not, but this process is still at it"
    return known, ""
