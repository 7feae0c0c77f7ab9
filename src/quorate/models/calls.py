"""Asking a model inside a run: reserved before, journaled before it is used, settled after."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import astuple

from quorate.core import telemetry
from quorate.core.lazy import lazy
from quorate.core.waiting import is_cancelled, stray, within
from quorate.errors import Conflict, ModelError
from quorate.models.blocks import Blocks, Reasoning, Reply, Said, ToolCall
from quorate.models.client import (
    AT_ONCE,
    Answer,
    Folding,
    ModelClient,
    ModelEvent,
    ModelRequest,
    ToolSpec,
    Usage,
    closed,
    collect,
)  # fmt: skip
from quorate.runs import paths
from quorate.runs.entries import MAX_ENTRY_BYTES, Entry, Payload
from quorate.runs.meter import FLOOR_TOKENS, Halt, Meter, Spent
from quorate.runs.pause import backoff_s, pause
from quorate.runs.run import Run, blame
from quorate.runs.scope import Scope, scope_here
from quorate.runs.steps import FRESH_S, RESUME_ADVICE

if TYPE_CHECKING:
    from quorate.models import spans as seeing
    from quorate.runs import prices as pricing
    from quorate.runs.budget import Shared
    from quorate.runs.prices import Rate
else:
    seeing, pricing = lazy("quorate.models.spans"), lazy("quorate.runs.prices")

OVERHEAD_TOKENS = 16
"""What a provider may add around a block: role, name, separators."""

YIELD_EVERY = 64

OnEvent = Callable[[ModelEvent, int], None]
"""Is told every event as it comes, and the number of the attempt that it belongs to."""


class Asked(Struct, frozen=True, gc=False):
    """A request as the journal has it: what it held, and where. The next one refers to it and adds only what is new."""

    blocks: Blocks
    ref: str
    parts: str = ""
    cost_usd: float | None = 0.0


def ask(
    client: ModelClient, request: ModelRequest, *, after: Asked | None = None, on_event: OnEvent | None = None
) -> Coroutine[Any, Any, tuple[Answer, Asked]]:
    """Ask a model: in a run through the journal and within its limits, outside of one directly.

    Where in the run it is asked counts from this call, so it is to be awaited at once and in the same task.

    Args:
        client: The model.
        request: What to ask; its `max_tokens` is lowered where the budget allows less.
        after: The request before this one in the same view of the conversation.
        on_event: Is told the events of a live call.

    Returns:
        The answer, and what to pass as `after` next time.

    Raises:
        ModelError: It failed, as often as it may be tried.
    """
    scope = scope_here()
    if scope is None or scope.leaf:
        return _aside(scope, client, request)
    path = scope.next("model", request_digest, request)
    run = scope.run
    ref = run.prefix + path
    if run.recorded or run.is_replay:
        return _as_recorded(scope, path, ref, client, request, after, on_event)
    if run.gate is not None:
        run.check_gate()
    return _live(scope, path, ref, client, request, after, 1, on_event)


async def _aside(scope: Scope | None, client: ModelClient, request: ModelRequest) -> tuple[Answer, Asked]:
    """Ask outside of a run, or inside a step: there is no entry to refer to."""
    asking = _collected(client, request) if scope is None else _inside_leaf(scope, client, request)
    return await asking, Asked(request.blocks, "")


async def _as_recorded(
    scope: Scope,
    path: str,
    ref: str,
    client: ModelClient,
    request: ModelRequest,
    after: Asked | None,
    on_event: OnEvent | None,
) -> tuple[Answer, Asked]:
    """Make a model step where the journal has some of the run already: as it says, and live from where it ends."""
    run, attempt = scope.run, 1
    run.check()
    entries = run.recall(path)
    found = _recalled(entries, path, scope)
    if found is not None:
        if scope.spent is not None:
            _spend(scope, found.payload)
        return answer_of(found, ref), Asked(request.blocks, ref, standing(request)[0], found.payload.get("cost", 0.0))
    attempt += sum(1 for e in entries if e.kind == "call")
    if entries and entries[-1].kind == "retry":
        await pause(run, path, entries[-1].payload.get("until", 0), _asks_to_wait(client))
    if run.gate is not None:
        run.check_gate()
    if run.is_replay:
        return await _again(scope, path, ref, client, request, after, attempt)
    return await _live(scope, path, ref, client, request, after, attempt, on_event)


def _spend(scope: Scope, said: Payload) -> None:
    """Count a reply for who wants to know what was used in a scope."""
    scope.spend(Spent(said["in"], said["out"], said.get("cost", 0.0)))


async def _inside_leaf(scope: Scope, client: ModelClient, request: ModelRequest) -> Answer:
    """Ask as a part of a step: not journaled apart, but reserved, settled, and counted with the step."""
    run = scope.run
    meter, price, bound = run.meter_at(scope.path), pricing.price_of(client.info, run.prices), prompt_bound(request)
    worst = 0.0

    def hold(_ledgers: tuple[str, ...] = ()) -> None:
        nonlocal request, worst
        request, worst = _capped(run, meter, price, bound, request)
        meter.hold(bound + request.max_tokens, worst)

    if run.shared is None:
        hold()
    else:
        await run.shared.reserve(f"{run.id}:{scope.path}", hold)
    try:
        answer = await _collected(client, request)
    except BaseException:
        meter.forfeit(bound + request.max_tokens, worst)
        scope.spend(Spent(bound + request.max_tokens, 0, worst))
        raise
    used = answer.usage or Usage(bound, len(answer.reply.text))
    usd = price.usd(used.prompt_tokens, used.completion_tokens, used.cached_tokens)
    meter.settle(bound + request.max_tokens, worst, used.prompt_tokens, used.completion_tokens, used.cached_tokens, usd)
    scope.spend(Spent(used.prompt_tokens, used.completion_tokens, usd))
    return answer


def _collected(client: ModelClient, request: ModelRequest) -> Coroutine[Any, Any, Answer]:
    asking = collect(client, request)
    if telemetry.spans is None:
        return asking
    return seeing.seen(telemetry.spans, asking, client.info.name, request, lambda answer: answer)


async def _live(
    scope: Scope,
    path: str,
    ref: str,
    client: ModelClient,
    request: ModelRequest,
    after: Asked | None,
    attempt: int,
    on_event: OnEvent | None,
) -> tuple[Answer, Asked]:
    """Make a model step: as often as it may be tried, each attempt declared before and recorded after."""
    run, info = scope.run, client.info
    journal, price = run.journal, pricing.price_of(info, run.prices)
    durable, later = journal.durable, journal.append_later
    meter = run.meter if run.agents is None else run.meter_at(path)
    parts, size = standing(request)
    bound = _bound(request, size)
    last = attempt + info.attempts - 1
    while True:
        if run.shared is None:
            capped, worst = _capped(run, meter, price, bound, request)
            start_by = run.clock.running_s() + FRESH_S if durable else 0.0
            declared = _declared(info.name, capped, after, parts, bound, worst, attempt)
            if later is None:
                run.append(path, "call", _with_digest(declared, capped, run))
            else:
                later(run.number, path, "call", declared)
            meter.hold(bound + capped.max_tokens, worst)
            if durable:
                await journal.commit()
        else:
            capped, worst, start_by = await _reserved(
                run.shared, run, path, client, request, after, parts, bound, attempt
            )
        held = bound + capped.max_tokens
        folding: Folding | None = None
        try:
            if durable and run.clock.running_s() > start_by:  # stopped meanwhile: see who holds the run now
                raise ModelError(f"Not asked within {FRESH_S:g} s.", retryable=True, retry_after_s=0.0)
            stream: Any = client.stream(capped)
            plain = on_event is None and telemetry.spans is None
            found: Answer | Sequence[ModelEvent] | None = stream.now() if plain and type(stream) in AT_ONCE else None
            if isinstance(found, Answer):
                answer = found
                answer.reply.ref = ref
            elif found is not None:
                folding = Folding()
                folding.take_in(found)
                answer = folding.answer(ref)
            else:
                folding = Folding()
                taken = folding.take(stream) if on_event is None else _shown(stream, folding, attempt, on_event)
                taking = within(info.timeout_s, taken)
                if telemetry.spans is not None:
                    taking = seeing.seen_taking(telemetry.spans, taking, info.name, capped, folding)
                await taking
                answer = folding.answer(ref)
        except (ModelError, TimeoutError) as raised:
            error = raised if isinstance(raised, ModelError) else _too_slow(client)
            came = folding is not None and not folding.empty
            refused = not came and isinstance(raised, ModelError)  # nothing came, and nobody works on it
            again = error.retryable and attempt < last
            until = run.clock.now_us() + round(_wait_s(error, attempt, path) * 1e6) if again else 0
            await _record_failure(scope, meter, path, error, held, worst, refused=refused, until=until)
            if not again:
                blame(error, path)
                if error is raised:
                    raise
                raise error from raised
            await pause(run, path, until, _asks_to_wait(client))
            attempt += 1
            continue
        except BaseException as raised:
            meter.forfeit(held, worst)
            if isinstance(raised, asyncio.CancelledError) and not is_cancelled():
                raise stray(info.name) from raised
            raise
        used = answer.usage or Usage(bound, answer.reply.size())
        prompt, completion, cached = used.prompt_tokens, used.completion_tokens, used.cached_tokens
        usd = 0.0 if price.free else price.usd(prompt, completion, cached)
        meter.settle(held, worst, prompt, completion, cached, usd)
        if scope.spent is not None:
            scope.spend(Spent(prompt, completion, usd))
        replied = _Replied(answer, used, usd)
        if later is None or len(answer.reply.text) > MAX_ENTRY_BYTES:  # that is refused
            entry = run.append(path, "reply", replied())
        else:
            entry = later(run.number, path, "reply", replied)
        scope.at = entry.at
        if type(entry.payload) is dict and "redacted" in entry.payload:  # what is not kept is not used
            answer = answer_of(entry, ref)
        if durable:
            await journal.commit()
        return answer, Asked(request.blocks, ref, parts, usd)


async def _reserved(
    shared: Shared,
    run: Run,
    path: str,
    client: ModelClient,
    request: ModelRequest,
    after: Asked | None,
    parts: str,
    bound: int,
    attempt: int,
) -> tuple[ModelRequest, float, float]:
    """Declare a call in the transaction that looks the shared budgets up and reserves in them.

    Returns:
        The request with what its reply may have, its worst cost, and by when it has to be sent.
    """
    price, meter = pricing.price_of(client.info, run.prices), run.meter_at(path)
    found = request, 0.0, 0.0

    def decide(ledgers: tuple[str, ...]) -> None:
        nonlocal found
        capped, worst = _capped(run, meter, price, bound, request)
        found = capped, worst, run.clock.running_s() + FRESH_S
        said = _with_digest(_declared(client.info.name, capped, after, parts, bound, worst, attempt), capped, run)
        said["ledgers"] = ledgers
        if near := shared.near():
            said["near"] = near
        run.append(path, "call", said)
        meter.hold(bound + capped.max_tokens, worst)

    await shared.reserve(f"{run.id}:{path}", decide)
    return found


async def _again(
    scope: Scope, path: str, ref: str, client: ModelClient, request: ModelRequest, after: Asked | None, attempt: int
) -> tuple[Answer, Asked]:
    """Make a model step in a replay: each attempt is compared, and what came of it is in the journal."""
    run, info = scope.run, client.info
    meter, price = run.meter_at(path), pricing.price_of(info, run.prices)
    parts, size = standing(request)
    bound = _bound(request, size)
    while True:
        declared = run.peek(path)
        if declared is not None and "ledgers" in declared.payload:  # what others had left it is not in this journal
            request = request.capped(min(request.max_tokens, declared.payload["cap"]))
        try:
            capped, worst = _capped(run, meter, price, bound, request)
        except Halt:
            cap = run.recorded_cap(path)
            if not cap:
                raise
            capped, worst = request.capped(cap), 0.0
        run.compare_request(path, capped)
        said = _with_digest(_declared(info.name, capped, after, parts, bound, worst, attempt), capped, run)
        declared = run.append(path, "call", said)
        held, worst = bound + declared.payload["cap"], declared.payload.get("worst_usd", 0.0)
        meter.hold(held, worst)
        try:
            entry = run.next_recorded(path, f"an answer of {info.name}")
        except Exception:
            meter.forfeit(held, worst)
            raise
        said = entry.payload
        if entry.kind == "reply" or not said.get("in", held):
            meter.settle(held, worst, said["in"], said["out"], said.get("cached", 0), said.get("cost", 0.0))
        else:
            meter.forfeit(held, worst)
        if _recalled([entry], path, scope) is not None:
            if scope.spent is not None:
                _spend(scope, said)
            return answer_of(entry, ref), Asked(request.blocks, ref, parts, said.get("cost", 0.0))
        scope.at = entry.at
        await pause(run, path, said.get("until", 0), _asks_to_wait(client))
        attempt += 1


class _Declared(Struct, frozen=True, gc=False):
    """What the journal has of a call, until somebody reads it."""

    model: str
    bound: int
    cap: int
    blocks: tuple[Said | Reply, ...]
    base: str
    parts: str | None
    worst: float
    attempt: int

    def __call__(self) -> Payload:
        said: Payload = {"model": self.model, "bound": self.bound, "cap": self.cap}
        if self.base:
            own = "=" + self.base
            said["blocks"] = tuple(["=" if (at := reference(block)) == own else at for block in self.blocks])
            said["base"] = self.base
        else:
            said["blocks"] = tuple([reference(block) for block in self.blocks])
        if self.parts is not None:
            said["parts"] = self.parts
        if self.worst:
            said["worst_usd"] = self.worst
        if self.attempt > 1:
            said["attempt"] = self.attempt
        return said


def _declared(
    model: str, request: ModelRequest, after: Asked | None, parts: str, bound: int, worst: float, attempt: int
) -> _Declared:
    """Declare a call: by what is new since the request `after` which it comes."""
    new = request.blocks.behind(after.blocks) if after is not None and after.ref else None
    if after is None or new is None:
        return _Declared(model, bound, request.max_tokens, tuple(request.blocks.since(0)), "", parts, worst, attempt)
    changed = None if parts == after.parts else parts
    return _Declared(model, bound, request.max_tokens, tuple(new), after.ref, changed, worst, attempt)


def _with_digest(declared: _Declared, request: ModelRequest, run: Run) -> Payload:
    """Return what the journal has of a call; one that is kept has a digest of the request."""
    said = declared()
    if run.journal.durable:
        said["digest"] = request_digest(request, run.journal.fingerprint)
    return said


async def _record_failure(
    scope: Scope, meter: Meter, path: str, error: ModelError, held: int, worst: float, *, refused: bool, until: int
) -> None:
    """Record an attempt that failed: at its worst case, unless the provider refused it at once."""
    run = scope.run
    if refused:
        meter.settle(held, worst, 0, 0, 0, 0.0)
    else:
        meter.forfeit(held, worst)
    said = _failure(error, None if refused else held)
    scope.at = run.append(path, *(("retry", {**said, "until": until}) if until else ("error", said))).at
    if run.journal.durable:
        await run.journal.commit()


def _wait_s(error: ModelError, attempt: int, path: str) -> float:
    """Return how long to wait before the next attempt: what the provider asks, else a growing pause."""
    return backoff_s(attempt, path) if error.retry_after_s is None else error.retry_after_s


def _asks_to_wait(client: ModelClient) -> str:
    return f"{client.info.name} asks to be called again later."


def _too_slow(client: ModelClient) -> ModelError:
    info = client.info
    return ModelError(f"{info.name} did not answer within {info.timeout_s:g} s.", retryable=True)


async def _shown(stream: AsyncIterator[ModelEvent], folding: Folding, attempt: int, on_event: OnEvent) -> None:
    """Take a stream in, to its end, and show it piece by piece."""
    see, seen = folding.see, 0
    try:
        async for event in stream:
            see(event)
            on_event(event, attempt)
            seen += 1
            if seen % YIELD_EVERY == 0:
                await asyncio.sleep(0)  # a model that never waits must not keep viewers from seeing it
    except BaseException:
        await closed(stream)
        raise


def _failure(error: ModelError, used: int | None) -> Payload:
    return {"type": "ModelError", "message": str(error), "retryable": error.retryable, "in": used or 0, "out": 0}


# -- bounds and money -------------------------------------------------------------------------------------------------


def prompt_bound(request: ModelRequest) -> int:
    """Return a number of tokens that the prompt cannot exceed: a token has at least one byte."""
    return _bound(request, standing(request)[1])


def _bound(request: ModelRequest, standing_bytes: int) -> int:
    blocks = request.blocks
    return blocks.size_bytes + standing_bytes + OVERHEAD_TOKENS * (blocks.length + 2)


def _capped(run: Run, meter: Meter, price: Rate, bound: int, request: ModelRequest) -> tuple[ModelRequest, float]:
    """Lower the reply's cap to what tokens and money allow; return the request and its worst cost."""
    if run.meter.halted is not None:
        run.check()
    wanted = request.max_tokens
    cap = meter.cap(bound, wanted)
    if price.free or not price.known:
        return (request if cap == wanted else request.capped(cap)), 0.0
    worst = price.usd(bound, cap) or 0.0
    left = meter.money_left()
    if worst > left:
        prompt = price.usd(bound, 0) or 0.0
        cap = int(cap * max(0.0, left - prompt) / (worst - prompt)) if worst > prompt else 0
        least = min(FLOOR_TOKENS, wanted)
        if cap < least:
            raise meter.out_of_money(price.usd(bound, least) or 0.0)
        worst = price.usd(bound, cap) or 0.0
    return (request if cap == wanted else request.capped(cap)), worst


# -- what the journal holds of a request ------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _standing(
    system: str | None,
    tools: tuple[ToolSpec, ...],
    choice: str,
    schema: str | None,
    temperature: float | None,
    seed: int | None,
) -> tuple[str, int]:
    parts: Payload = {"system": system}
    if tools:
        parts |= {"tools": [astuple(tool) for tool in tools], "tool_choice": choice}
    for name, value in (("output_schema", schema), ("temperature", temperature), ("seed", seed)):
        if value is not None:
            parts[name] = value
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return text, len(text.encode(errors="surrogatepass"))


def standing(request: ModelRequest) -> tuple[str, int]:
    """Return the parts of a request that do not change from turn to turn, as JSON text, and their size in bytes."""
    r = request
    return _standing(r.system, r.tools, r.tool_choice, r.output_schema, r.temperature, r.seed)


def request_digest(request: ModelRequest, fingerprint: Callable[[bytes], str]) -> str:
    """Return a digest of the whole request, computed from what is new in it."""
    text = f"{standing(request)[0]}\n{request.blocks.digest(fingerprint)}"
    return fingerprint(text.encode(errors="surrogatepass"))


_written = json.JSONEncoder(ensure_ascii=False).encode  # `json.dumps` would make an encoder each time
_quoted = json.encoder.encode_basestring


def reference(block: Said | Reply) -> str:
    """Return where the journal has a block, or its text where it has none.

    `1:3 turn/2 critic` is a message, `=1:3 turn/1 writer/1 model+2` a reply with the results of the two steps after it,
    `=1:3 turn#0` a message that its reader has said itself; `=` alone stands for the reply to the request that is
    referred to. What begins with `[` is JSON: source, text and what is shown with it; or null, text, calls, results and
    reasoning of a reply.
    """
    if isinstance(block, Said):
        if block.ref or not block.parts:
            return block.ref or f"[{_quoted(block.source)}, {_quoted(block.text)}]"
        parts = [part if isinstance(part, str) else {"data": part.to_base64()} for part in block.parts]
        return _written([block.source, block.text, parts])
    if not block.ref:
        if not (block.calls or block.reasoning):
            return f"[null, {_quoted(block.text)}]"
        inside = block.calls, block.results, block.reasoning
        return _written([None, block.text, *[list(map(astuple, part)) for part in inside]])
    return f"={block.ref}+{len(block.results)}" if block.results else f"={block.ref}"


# -- a reply in the journal -------------------------------------------------------------------------------------------


class _Replied(Struct, frozen=True, gc=False):
    """What the journal has of a reply, until somebody reads it."""

    answer: Answer
    used: Usage
    usd: float | None

    def __call__(self) -> Payload:
        answer, used, reply = self.answer, self.used, self.answer.reply
        said: Payload = {"text": reply.text, "in": used.prompt_tokens, "out": used.completion_tokens}
        if reply.calls:
            said["calls"] = tuple(map(astuple, reply.calls))
        if reply.reasoning:
            said["thought"] = tuple(map(astuple, reply.reasoning))
        if used.cached_tokens:
            said["cached"] = used.cached_tokens
        if used.reasoning_tokens:
            said["reasoned"] = used.reasoning_tokens
        if self.usd != 0.0:
            said["cost"] = self.usd
        if answer.finish != "stop":
            said["finish"] = answer.finish
        if answer.model:
            said["by"] = answer.model
        return said


def answer_of(entry: Entry, ref: str) -> Answer:
    """Return the answer that a `reply` entry holds."""
    said = entry.payload
    calls = tuple(ToolCall(*call) for call in said.get("calls", ()))
    thought = tuple(Reasoning(*t) for t in said.get("thought", ()))
    usage = Usage(said["in"], said["out"], said.get("cached", 0), said.get("reasoned", 0))
    reply = Reply(said["text"], calls, thought, (), ref)
    return Answer(reply, usage, said.get("finish", "stop"), said.get("by", ""))


def _recalled(entries: list[Entry], path: str, scope: Scope) -> Entry | None:
    for entry in reversed(entries):
        if entry.kind == "reply":
            scope.at = entry.at
            return entry
        if entry.kind == "error":
            scope.at = entry.at
            error = ModelError(entry.payload["message"], retryable=entry.payload.get("retryable", False))
            blame(error, path)
            raise error
        if entry.kind not in {"call", "retry"}:
            raise Conflict(
                f"At {paths.shown(path)} the journal has a {entry.kind}, but the definition now asks a model. "
                f"{RESUME_ADVICE}"
            )
    return None
