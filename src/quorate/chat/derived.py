"""The messages and events that a speech's items stand for, made of what its steps came to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from quorate.chat import messages
from quorate.chat.agents.coding import RUN_CODE, ran_block, read_decision, result_of, told_in
from quorate.chat.agents.summary import RESULT_ONLY, by_format
from quorate.chat.facts import SHOWN, Fact, PassedOn
from quorate.chat.hearing import fact_of
from quorate.chat.messages import FunctionCall, FunctionExecutionResult, RequestUsage
from quorate.chat.speech import Item, Made
from quorate.core.lazy import lazy
from quorate.errors import ConfigError
from quorate.executors.code import LANGUAGES, code_blocks_in
from quorate.models.blocks import Reply, Summary, ToolResult
from quorate.models.client import Usage
from quorate.models.context import note
from quorate.runs.run import Run

if TYPE_CHECKING:
    from quorate.chat import structured
else:
    structured = lazy("quorate.chat.structured")

# What a class's constructor does, without its detour: each of these is made in every turn.
_requested = messages.ToolCallRequestEvent.__pydantic_validator__.validate_python
_handed = messages.HandoffMessage.__pydantic_validator__.validate_python
_executed = messages.ToolCallExecutionEvent.__pydantic_validator__.validate_python

SUMMED_UP = "What was said before, summed up:"


def derived(item: Item, steps: dict[int, Made], path: str, name: str, run: Run) -> Fact:
    """Make the message or event that an item of a speech stands for."""
    kind, n = item[0], item[1]
    ref = run.prefix + path
    if kind == "reply":
        return _reply(steps, n, f"{run.id}/{path}/{n} model", name, ref)
    make = _KINDS.get(kind)
    if make is not None:
        return make(steps, n, f"{run.id}/{path}/{n} model", name, ref, *item[2:])
    if kind == "json":
        return _loaded(n, name, ref)
    if kind in {"told", "shown"}:
        told = _loaded(n, name, ref)
        return Fact(event=told.message or told.event, speaker=name, at=told.at, ref=SHOWN if kind == "shown" else "")
    raise ConfigError(f"A speech has an item of kind {kind!r}, which this Quorate does not know. Use a newer one.")


def _reply(steps: dict[int, Made], n: int, id: str, name: str, ref: str) -> Fact:
    made = steps[n]
    answer, at, cost_usd = made.value, made.at, made.cost_usd
    reply, usage = answer.reply, answer.usage
    priced = _priced(cost_usd) if cost_usd else None
    message = messages.said(reply.text, name, id, at, usage and _tokens(usage), priced)
    return Fact(message, None, None, "", name, at, usage, cost_usd, reply.unasking() if reply.calls else reply, ref)


def _thought(steps: dict[int, Made], n: int, id: str, name: str, ref: str) -> Fact:
    answer, at = steps[n].value, steps[n].at
    text = "".join(t.text for t in answer.reply.reasoning)
    event = messages.ThoughtEvent(content=text, source=name, id=f"{id}#thought", created_at=messages.at(at))
    return Fact(event=event, speaker=name, at=at)


def _aside(steps: dict[int, Made], n: int, id: str, name: str, ref: str) -> Fact:
    answer, at = steps[n].value, steps[n].at
    text, when = answer.reply.text, messages.at(at)
    event = messages.ThoughtEvent(content=text, source=name, id=f"{id}{messages.ASIDE}", created_at=when)
    return Fact(event=event, speaker=name, at=at)


def _draft(steps: dict[int, Made], n: int, id: str, name: str, ref: str) -> Fact:
    """Make the event of an answer that did not fit; what it cost counts."""
    made = steps[n]
    answer, at, cost_usd = made.value, made.at, made.cost_usd
    usage = answer.usage
    event = messages.ThoughtEvent(
        content=answer.reply.text, source=name, models_usage=usage and _tokens(usage),
        metadata=_priced(cost_usd) if cost_usd else {}, id=f"{id}{messages.ASIDE}", created_at=messages.at(at),
    )  # fmt: skip
    return Fact(None, event, None, "", name, at, usage, cost_usd)


def _unsaid(steps: dict[int, Made], n: int, id: str, name: str, ref: str) -> Fact:
    """Make the event of an answer in whose place something else was said; its model goes on from it."""
    fact = _draft(steps, n, id, name, ref)
    fact.block = steps[n].value.reply.unasking()
    return fact


def _structured(
    steps: dict[int, Made], n: int, id: str, name: str, ref: str, key: str, format: str | None = None
) -> Fact:
    made = steps[n]
    answer, at, cost_usd = made.value, made.at, made.cost_usd
    reply, usage = answer.reply, answer.usage
    message = structured.message(
        key, reply.text, format, source=name, models_usage=usage and _tokens(usage),
        metadata=_priced(cost_usd) if cost_usd else {}, id=id, created_at=messages.at(at),
    )  # fmt: skip
    return Fact(message, None, None, "", name, at, usage, cost_usd, reply.unasking(), ref)


def _request(steps: dict[int, Made], n: int, id: str, name: str, ref: str) -> Fact:
    made = steps[n]
    answer, at, cost_usd = made.value, made.at, made.cost_usd
    usage = answer.usage
    event = _requested({
        "content": _calls(answer.reply), "source": name, "models_usage": usage and _tokens(usage),
        "metadata": _priced(cost_usd) if cost_usd else {},
        "id": id, "created_at": datetime.fromtimestamp(at / 1e6, UTC),
    })  # fmt: skip
    return Fact(None, event, None, "", name, at, usage, cost_usd)


def _results(steps: dict[int, Made], n: int, id: str, name: str, ref: str) -> Fact:
    atom, last = answered(steps, n)
    event = _executed({
        "content": _said(atom), "source": name, "id": f"{id}#results",
        "created_at": datetime.fromtimestamp(last / 1e6, UTC),
    })  # fmt: skip
    return Fact(None, event, None, "", name, last, None, 0.0, atom)


def _summary(
    steps: dict[int, Made], n: int, id: str, name: str, ref: str, format: str = RESULT_ONLY, text: str = ""
) -> Fact:
    """Make the message that tells of the calls of a reply, by a format; without one it is what a function made."""
    atom, last = answered(steps, n)
    message = messages.ToolCallSummaryMessage(
        content=by_format(format, atom) if format else text, tool_calls=_calls(atom), results=_said(atom),
        source=name, id=f"{id}#summary", created_at=messages.at(last),
    )  # fmt: skip
    return Fact(message=message, speaker=name, at=last, ref=ref)


def _handoff(steps: dict[int, Made], n: int, id: str, name: str, ref: str, target: str, tools: Sequence[str]) -> Fact:
    """Make the message that hands over to `target`; `tools` are the names of all tools that hand over."""
    atom, last = answered(steps, n)
    said = next(r.content for r in atom.results if r.name == tools[0] and not r.is_error)
    message = _handed({
        "content": said, "target": target, "context": _beside(atom, tools, name), "source": name, "id": f"{id}#handoff",
        "created_at": datetime.fromtimestamp(last / 1e6, UTC),
    })  # fmt: skip
    return Fact(message, None, None, "", name, last, None, 0.0, None, ref)


def _beside(atom: Reply, tools: Sequence[str], name: str) -> list[dict[str, Any]]:
    """Return the calls of a reply that hand over to nobody, and their results, as messages to a model."""
    calls = [call for call in atom.calls if call.name not in tools]
    if not calls:
        return []
    others = Reply(calls=tuple(calls), results=tuple(one for one in atom.results if one.name not in tools))
    return [
        {"type": "AssistantMessage", "content": [asdict(call) for call in _calls(others)], "source": name},
        {"type": messages.RESULTS, "content": [result.model_dump() for result in _said(others)]},
    ]


def _memory(steps: dict[int, Made], n: int, id: str, name: str, ref: str) -> Fact:
    value, at = steps[n].value, steps[n].at
    event = messages.MemoryQueryEvent(
        content=value["value"] or [], source=name, id=f"{id.removesuffix('model')}memory", created_at=messages.at(at)
    )
    return Fact(event=event, speaker=name, at=at)


def _generated(steps: dict[int, Made], n: int, id: str, name: str, ref: str, attempt: int, *languages: str) -> Fact:
    """Make the event of a reply with code to run; in the languages that are named, if others than usual."""
    made = steps[n]
    answer, at, cost_usd = made.value, made.at, made.cost_usd
    reply, usage = answer.reply, answer.usage
    event = messages.CodeGenerationEvent(
        content=reply.text, retry_attempt=attempt, code_blocks=code_blocks_in(reply.text, languages or LANGUAGES),
        source=name, models_usage=usage and _tokens(usage),
        metadata=_priced(cost_usd) if cost_usd else {}, id=id, created_at=messages.at(at),
    )  # fmt: skip
    return Fact(None, event, None, "", name, at, usage, cost_usd, reply.unasking())


def _ran(steps: dict[int, Made], n: int, id: str, name: str, ref: str, attempt: int) -> Fact:
    payload, at = steps[n].value, steps[n].at
    event = messages.CodeExecutionEvent(
        retry_attempt=attempt, result=result_of(payload), source=name,
        id=f"{id.removesuffix('model')}{RUN_CODE}", created_at=messages.at(at),
    )  # fmt: skip
    return Fact(event=event, speaker=name, at=at, block=ran_block(payload, f"{ref}/{n} {RUN_CODE}"))


def _output(steps: dict[int, Made], n: int, id: str, name: str, ref: str) -> Fact:
    payload, at = steps[n].value, steps[n].at
    result = result_of(payload)
    message = messages.TextMessage(
        content=told_in(payload), source=name, id=f"{id.removesuffix('model')}{RUN_CODE}",
        created_at=messages.at(at), metadata={"exit_code": str(result.exit_code)},
    )  # fmt: skip
    return Fact(message=message, speaker=name, at=at, block=None, ref=ref)


def _decision(steps: dict[int, Made], n: int, id: str, name: str, ref: str) -> Fact:
    """Make the event of a model's decision whether to try again."""
    made = steps[n]
    answer, at, cost_usd = made.value, made.at, made.cost_usd
    usage = answer.usage
    event = messages.ThoughtEvent(
        content=read_decision(answer.reply.text)[1] or answer.reply.text, source=name,
        models_usage=usage and _tokens(usage), metadata=_priced(cost_usd) if cost_usd else {},
        id=f"{id}#thought", created_at=messages.at(at),
    )  # fmt: skip
    return Fact(None, event, None, "", name, at, usage, cost_usd)


def _compacted(steps: dict[int, Made], n: int, id: str, name: str, ref: str, head: int, upto: int) -> Fact:
    made = steps[n]
    answer, at, cost_usd = made.value, made.at, made.cost_usd
    usage, summary = answer.usage, summary_of(answer.reply.text, f"{ref}/{n} model", head, upto)
    event = messages.CompactionEvent(
        content=summary.text, blocks=upto - head, source=name,
        models_usage=usage and _tokens(usage), metadata=_priced(cost_usd) if cost_usd else {},
        id=id, created_at=messages.at(at),
    )  # fmt: skip
    return Fact(None, event, None, "", name, at, usage, cost_usd, summary)


def summary_of(text: str, ref: str, head: int = 0, upto: int = 0) -> Summary:
    """Return the block of a summary; one that says nothing says how much it stands for."""
    if not text.strip():  # a request has it in full: its reply is not enough to make it of
        return Summary(note(upto - head).text, "System", "agent", head=head, upto=upto)
    return Summary(f"{SUMMED_UP}\n{text.strip()}", "System", "agent", ref, head=head, upto=upto)


def _steer(steps: dict[int, Made], n: int, id: str, name: str, ref: str) -> Fact:
    return fact_of(steps[n].value, steps[n].at, f"{id.removesuffix('model')}steer", f"{ref}/{n} steer")


def _changed(steps: dict[int, Made], n: int, id: str, name: str, ref: str) -> Fact:
    fact = _loaded(steps[n].value["value"]["message"], name, ref)
    message = fact.message
    assert message is not None
    fact.block = Reply(message.to_model_text())
    if message.models_usage is not None:  # what was answered first was paid for all the same
        fact.usage = Usage(message.models_usage.prompt_tokens, message.models_usage.completion_tokens)
        fact.cost_usd = float(message.metadata.get("cost_usd", 0.0))
    return fact


def _inner(steps: dict[Any, Made], place: str, id: str, name: str, ref: str, own: bool) -> Fact:
    """Make the message that a team passes on: as what it was, or as its own word, that cost what all of it did."""
    fact, figures = steps[place].value
    message: messages.BaseChatMessage = fact.message
    if not own:
        return PassedOn(message=message, speaker=name, at=fact.at, ref=fact.ref)
    usage = Usage(figures.get("prompt_tokens", 0), figures.get("completion_tokens", 0))
    cost_usd = figures.get("cost_usd", 0.0)
    told = {
        "source": name, "id": id.removesuffix(f"/{place} model"), "created_at": messages.at(fact.at),
        "models_usage": _tokens(usage), "metadata": _priced(cost_usd) if cost_usd else {},
    }  # fmt: skip
    return PassedOn(
        message=message.model_copy(update=told), speaker=name, at=fact.at, usage=usage, cost_usd=cost_usd, ref=ref
    )


_KINDS: dict[str, Callable[..., Fact]] = {
    "inner": _inner,
    "thought": _thought,
    "aside": _aside,
    "request": _request,
    "results": _results,
    "summary": _summary,
    "steer": _steer,
    "changed": _changed,
    "handoff": _handoff,
    "structured": _structured,
    "draft": _draft,
    "unsaid": _unsaid,
    "memory": _memory,
    "generated": _generated,
    "ran": _ran,
    "output": _output,
    "decision": _decision,
    "compacted": _compacted,
}


def answered(steps: dict[int, Made], n: int) -> tuple[Reply, int]:
    """Return the reply of model step n with the results of its calls, one block, and when the last of them came."""
    reply: Reply = steps[n].value.reply
    results: list[ToolResult] = []
    last = 0
    for call in reply.calls:
        n += 1
        made = steps[n]
        said = made.value
        results.append(ToolResult(call.id, call.name, said["content"], bool(said.get("error"))))
        if made.at > last:
            last = made.at
    return reply.answered(results), last


def _calls(reply: Reply) -> list[FunctionCall]:
    return [FunctionCall(call.id, call.arguments, call.name) for call in reply.calls]


def _said(atom: Reply) -> list[FunctionExecutionResult]:
    return [FunctionExecutionResult.of(result) for result in atom.results]


def _tokens(usage: Usage) -> RequestUsage:
    return RequestUsage(usage.prompt_tokens, usage.completion_tokens)


def _priced(cost_usd: float) -> dict[str, str]:
    """Return what a message tells about its cost: nothing where it was free, or where no price is known."""
    return {"cost_usd": f"{cost_usd:.9f}"}


def _loaded(data: dict[str, Any], name: str, ref: str) -> Fact:
    found = messages.load(data)
    when = int(found.created_at.timestamp() * 1e6)
    if isinstance(found, messages.BaseChatMessage):
        return Fact(message=found, speaker=name, at=when, ref=ref)
    if isinstance(found, messages.BaseAgentEvent):
        return Fact(event=found, speaker=name, at=when)
    raise ConfigError(f"{data.get('type')!r} is neither a message nor an event.")
