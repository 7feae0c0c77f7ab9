"""A speech: what one agent does and says in its turn, and how it is written down and read again.

What comes from steps is not written twice: the closing entry of a speech says `["reply", 1]`, and the message is made
of the reply of step 1 whenever it is needed, live and when folding, by the same function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from quorate.chat.facts import Fact, Thread
from quorate.chat.feed import Feed
from quorate.chat.progress import REPEATS, Progress
from quorate.core.lazy import lazy
from quorate.errors import ConfigError
from quorate.models.blocks import Reply, ToolResult
from quorate.models.calls import Asked, answer_of
from quorate.models.client import Answer
from quorate.runs.entries import Entry
from quorate.runs.run import Run
from quorate.runs.scope import Scope

if TYPE_CHECKING:
    from quorate.chat import messages
    from quorate.chat.messages import BaseAgentEvent, BaseChatMessage
else:
    messages = lazy("quorate.chat.messages")

Item = tuple[Any, ...]
"""`("reply", n)`, `("thought", n)`, `("aside", n)` (text beside tool calls), `("request", n)`, `("results", n)`,
`("summary", n)`, of model step n and the tool steps after it; or `("json", data)`, a message or event dumped whole."""


class Made(NamedTuple):
    """What a step came to, and when."""

    value: Any
    at: int
    cost_usd: float | None = 0.0


class Turn:
    """What an agent is given to speak.

    Attributes:
        thread: The conversation as it was when the agent was named.
        memory: What the agent remembers, folded by its own `begin` and `see` if it has them.
        state: A dictionary of its own, journaled at the end of the speech if it changed.
        scope: Where in the run it speaks; steps find it by themselves.
    """

    __slots__ = (
        "_emit",
        "_polls",
        "_since",
        "_watch",
        "asked",
        "facts",
        "items",
        "memory",
        "name",
        "scope",
        "state",
        "steps",
        "thread",
    )

    def __init__(
        self,
        name: str,
        scope: Scope,
        thread: Thread,
        since: int,
        memory: Any,
        state: dict[str, Any],
        emit: Feed,
        polls: frozenset[str],
        asked: Asked | None,
    ) -> None:
        self.name, self.scope, self.thread, self._since = name, scope, thread, since
        self.memory, self.state, self.asked = memory, state, asked
        self.items: list[Item] = []
        self.facts: list[Fact] = []
        self.steps: dict[int, Made] = {}
        self._emit, self._polls = emit, polls
        self._watch: Progress | None = None

    @property
    def new(self) -> Sequence[BaseChatMessage]:
        """What was said since the agent spoke last."""
        return self.thread[self._since :]

    @property
    def run(self) -> Run:
        return self.scope.run

    @property
    def watched(self) -> bool:
        """Whether anybody looks on, so that chunks are worth making."""
        return self._emit.watched

    def show(self, item: Any) -> None:
        """Show a chunk to who looks on. It is not kept."""
        self._emit.push(item)

    def emit(self, event: BaseAgentEvent) -> None:
        """Tell an event on the way; it is kept with the speech."""
        self._keep(("json", event.dump()), Fact(event=event, speaker=self.name, at=self.scope.at))
        self._emit.happens(event)

    def derive(self, kind: str, step: int) -> Fact:
        """Tell what a step came to, as an event or as the message; kept by reference."""
        item = (kind, step)
        fact = derived(item, self.steps, self.scope.path, self.name, self.run)
        self._keep(item, fact)
        if fact.event is not None:
            self._emit.happens(fact.event)
        return fact

    def _keep(self, item: Item, fact: Fact) -> None:
        self.items.append(item)
        self.facts.append(fact)
        if fact.event is not None and len(self.facts) > REPEATS:  # before, nothing can have come that often
            if self._watch is None:
                self._watch = Progress(polls=self._polls)
                for earlier in self.facts[:-1]:
                    self._watch.see(earlier)
            self._watch.see(fact)
            self._watch.check()

    def close(self, message: BaseChatMessage) -> None:
        """End the speech with a message, unless it was derived already."""
        if not self.facts or self.facts[-1].message is not message:
            ref = f"{self.run.number}:{self.scope.path}"
            self._keep(("json", message.dump()), Fact(message=message, speaker=self.name, at=self.scope.at, ref=ref))


def derived(item: Item, steps: dict[int, Made], path: str, name: str, run: Run) -> Fact:
    """Make the message or event that an item of a speech stands for."""
    kind, n = item[0], item[1]
    if kind == "json":
        return _loaded(n, steps, path, name, run)
    made = steps[n]
    answer: Answer = made.value
    id = f"{run.id}/{path}/{n} model"
    when = datetime.fromtimestamp(made.at / 1e6, UTC)
    ref = f"{run.number}:{path}"
    if kind == "reply":
        message = messages.TextMessage(
            content=answer.reply.text, source=name, models_usage=_usage(answer), metadata=_priced(made), id=id,
            created_at=when,
        )  # fmt: skip
        block = answer.reply if not answer.reply.calls else replace(answer.reply, calls=())  # calls nobody makes
        return Fact(
            message=message, speaker=name, at=made.at, usage=answer.usage, cost_usd=made.cost_usd, block=block, ref=ref
        )
    if kind == "aside":
        event = messages.ThoughtEvent(
            content=answer.reply.text, source=name, id=f"{id}{messages.ASIDE}", created_at=when
        )
        return Fact(event=event, speaker=name, at=made.at)
    if kind == "thought":
        event = messages.ThoughtEvent(
            content="".join(t.text for t in answer.reply.reasoning), source=name, id=f"{id}#thought", created_at=when
        )
        return Fact(event=event, speaker=name, at=made.at)
    if kind == "request":
        calls = [messages.FunctionCall(c.id, c.arguments, c.name) for c in answer.reply.calls]
        event = messages.ToolCallRequestEvent(
            content=calls, source=name, models_usage=_usage(answer), metadata=_priced(made), id=id, created_at=when
        )
        return Fact(event=event, speaker=name, at=made.at, usage=answer.usage, cost_usd=made.cost_usd)
    if kind not in {"results", "summary"}:
        raise ConfigError(f"A speech has an item of kind {kind!r}, which this Quorate does not know. Use a newer one.")
    atom = answered(steps, n)
    results = [messages.FunctionExecutionResult(r.content, r.name, r.call_id, r.is_error) for r in atom.results]
    last = max(steps[n + 1 + i].at for i in range(len(results)))
    if kind == "results":
        event = messages.ToolCallExecutionEvent(
            content=results, source=name, id=f"{id}#results", created_at=messages.at(last)
        )
        return Fact(event=event, speaker=name, at=last, block=atom)
    calls = [messages.FunctionCall(c.id, c.arguments, c.name) for c in answer.reply.calls]
    message = messages.ToolCallSummaryMessage(
        content="\n".join(r.content for r in results), tool_calls=calls, results=results, source=name,
        id=f"{id}#summary", created_at=messages.at(last),
    )  # fmt: skip
    return Fact(message=message, speaker=name, at=last, ref=ref)


def answered(steps: dict[int, Made], n: int) -> Reply:
    """Return the reply of model step n with the results of its calls: one block that nothing can take apart."""
    reply: Reply = steps[n].value.reply
    results: list[ToolResult] = []
    for i, call in enumerate(reply.calls):
        said = steps[n + 1 + i].value
        results.append(ToolResult(call.id, call.name, said["content"], bool(said.get("error"))))
    return reply.answered(results)


def _usage(answer: Answer) -> Any:
    u = answer.usage
    return None if u is None else messages.RequestUsage(u.prompt_tokens, u.completion_tokens)


def _priced(made: Made) -> dict[str, str]:
    """Return what a message tells about its cost: nothing where it was free, or where no price is known."""
    return {"cost_usd": f"{made.cost_usd:.9f}"} if made.cost_usd else {}


def _loaded(data: dict[str, Any], steps: dict[int, Made], path: str, name: str, run: Run) -> Fact:
    found = messages.load(data)
    when = int(found.created_at.timestamp() * 1e6)
    if isinstance(found, messages.BaseChatMessage):
        return Fact(message=found, speaker=name, at=when, ref=f"{run.number}:{path}")
    if isinstance(found, messages.BaseAgentEvent):
        return Fact(event=found, speaker=name, at=when)
    raise ConfigError(f"{data.get('type')!r} is neither a message nor an event.")


def steps_of(entries: Sequence[Entry], path: str) -> dict[int, Made]:
    """Return what the steps of the speech at `path` came to, by position, from its entries."""
    found: dict[int, Made] = {}
    for entry in entries:
        head, _, last = entry.path.rpartition("/")
        if head != path:
            continue
        n = int(last.partition(" ")[0])
        if entry.kind == "reply":
            cost = entry.payload.get("cost", 0.0)
            found[n] = Made(answer_of(entry, f"{entry.run}:{entry.path}"), entry.at, cost)
        elif entry.kind == "result":
            found[n] = Made(entry.payload, entry.at)
    return found
