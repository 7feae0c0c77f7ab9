"""Questions to people: a step that may take days, and that any process can answer.

A question is journaled before anybody is asked. Its answer comes through the conversation's inbox, whoever gives it:
the first row there is the answer. Where nobody answers at once the branch is parked, and the run ends `waiting`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from quorate.core.assent import says_yes
from quorate.errors import ConfigError, Conflict, Expired
from quorate.runs import paths
from quorate.runs.entries import LOCAL_OWNER, Entry, Payload, run_id
from quorate.runs.inbox import Note, OpenQuestion
from quorate.runs.journal import Store
from quorate.runs.meter import Halt
from quorate.runs.outcome import Outcome
from quorate.runs.run import Interrupted, Parked, Run, question_id
from quorate.runs.scope import Scope, enter, scope_here
from quorate.runs.shapes import Shape, check, plain

log = logging.getLogger("quorate.runs")

MOST_TRIES = 3
"""How often who answers at once may answer what does not fit; then the question waits."""


class Expiry(Enum):
    """What becomes of a question that nobody answered in time, where no value stands for the answer."""

    RAISE = "raise"
    """`Expired` is raised where it was asked."""
    CANCEL = "cancel"
    """The run ends `cancelled`."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question as those see it who may answer.

    Args:
        id: By which it is answered.
        text: What is asked.
        run_id: In which run.
        to: Who is asked; empty for anybody.
        schema: The JSON schema of the answer; None for a text.
        deadline_us: Until when, in microseconds since 1970; 0 for ever.
        asked_us: When it was asked.
        name: The tool whose call it is about, if it is about one.
        arguments: The canonical arguments of that call.
        problem: What was wrong with the answer before.
        approval: Whether it asks if that call may be made: True approves it, False or a reason why not refuses.
    """

    id: str
    text: str
    run_id: str
    to: str = ""
    schema: Payload | None = None
    deadline_us: int = 0
    asked_us: int = 0
    name: str = ""
    arguments: str = ""
    problem: str = ""
    approval: bool = False

    @classmethod
    def of(cls, entry: Entry, run: str, notes: tuple[Note, ...] = ()) -> Question:
        """Return the question that an entry holds; `notes` may have given it to somebody else."""
        said = entry.payload
        to = next((n.payload["to"] for n in reversed(notes) if n.kind == "reassign"), said.get("to", ""))
        return cls(
            said["id"], said["text"], run, to, said.get("schema"), said.get("deadline", 0), entry.at,
            said.get("name", ""), said.get("arguments", ""), said.get("problem", ""),
            "approval" in said,
        )  # fmt: skip


Answerer = Callable[[Question], Awaitable[Any]]
"""Answers at once, such as at a terminal; None is no answer: then the question waits."""

answerer: ContextVar[Answerer | None] = ContextVar("quorate_answerer", default=None)
"""Who answers at once where no run says otherwise."""


_INSIDE = (
    "A person cannot be asked inside a step: a crash would lose the answer. Declare the tool @tool(scope=True): then "
    "it is made of steps, and asking is one."
)


async def ask(
    question: str,
    schema: Any = None,
    *,
    to: str | None = None,
    deadline: timedelta | datetime | None = None,
    on_expiry: Any = Expiry.RAISE,
) -> Any:
    """Ask a person, and wait for the answer as long as it takes.

    Works where steps do: in an agent's turn, a turn policy, a tool declared `@tool(scope=True)`. With somebody who
    answers at once (`answer=` of the run, the terminal of `quorate run`) it just goes on. Otherwise the run ends
    `waiting` once nothing else in it can go on; `quorate answer` and `quorate resume` go on from any process.

    Args:
        question: What to ask.
        schema: What the answer must look like: a type, a pydantic model or a JSON schema; by default a text.
        to: Who is asked; by default anybody.
        deadline: Until when, or how long from now.
        on_expiry: What then: `Expiry.RAISE`, `Expiry.CANCEL`, or a value that stands for the answer.

    Returns:
        The answer: a text, an object of the type, or the JSON data.

    Raises:
        ConfigError: A step cannot be made here, or an argument is wrong.
        Expired: Nobody answered in time.
        Parked: Nobody has answered yet. Let it through.
    """
    shape = Shape(schema)
    if not question.strip():
        raise ConfigError("The question is empty.")
    if not isinstance(on_expiry, Expiry):
        shape.read(plain(on_expiry))
    scope = scope_here()
    if scope is None:
        return await _outside(question, shape, to)
    if scope.leaf:
        raise ConfigError(_INSIDE)
    said: Payload = {"text": question}
    if shape.json is not None:
        said["schema"] = shape.json
    if to:
        said["to"] = to
    if deadline is not None:
        said["deadline"] = deadline_at(deadline, scope.at)
        said["on_expiry"] = on_expiry.value if isinstance(on_expiry, Expiry) else {"value": plain(on_expiry)}
    path = scope.next("ask", lambda of, fingerprint: fingerprint(of.encode(errors="surrogatepass")), question)
    return shape.read(await put(scope, path, question_id(scope.run.id, path), said, shape))


def deadline_at(given: timedelta | datetime, at: int) -> int:
    """Return a deadline in microseconds since 1970; one that is a duration counts from `at`.

    Raises:
        ConfigError: It does not lie ahead, or has no time zone.
    """
    if isinstance(given, timedelta):
        if given <= timedelta(0):
            raise ConfigError(f"deadline={given!r} must lie ahead.")
        return at + int(given.total_seconds() * 1e6)
    if given.tzinfo is None:
        raise ConfigError(f"deadline={given!r} has no time zone. Write datetime(…, tzinfo=UTC), or a timedelta.")
    return int(given.timestamp() * 1e6)


async def _outside(question: str, shape: Shape, to: str | None) -> Any:
    live = answerer.get()
    if live is None:
        raise ConfigError(
            "There is no run around this ask(), so its answer could not wait. Call it in an agent's turn, a turn "
            "policy or a tool with scope=True; outside a run only inside `with answering(…)`."
        )
    problem = ""
    for _ in range(MOST_TRIES):
        value = await live(Question("", question, "", to or "", shape.json, problem=problem))
        try:
            return shape.read(plain(value))
        except ConfigError as error:
            problem = str(error)
    raise ConfigError(problem)


# -- in a run ---------------------------------------------------------------------------------------------------------


async def put(scope: Scope, path: str, id: str, said: Payload, shape: Shape, *, live: Answerer | None = None) -> Any:
    """Ask at `path`, or read what was answered; return the answer as JSON data.

    Args:
        scope: Where the step is made.
        path: Of the step.
        id: Of the question, the same in every process.
        said: What the question's entry holds beside its id.
        shape: What the answer must look like.
        live: Who answers at once, if the run has nobody.

    Raises:
        Expired: Nobody answered in time, and no value stands for the answer.
        Halt: The same, and the run ends.
        Parked: Nobody has answered yet.
    """
    run = scope.run
    if run.meter.inside is not None and run.meter.inside is not run.shared:  # it is a step of another run
        raise ConfigError(_INSIDE)
    asked = 0
    while True:
        asked += 1
        said = {"id": id if asked == 1 else f"{id}-{asked}", **{k: v for k, v in said.items() if k != "id"}}
        question = _recorded(run, path, "question", said)
        if question is None:
            run.check_gate()
            run.check()
            question = run.append(path, "question", said)
        run.waiting[path] = question.payload["id"]
        answer = _recorded(run, path, "answer")
        if answer is None:
            answer = await _answered(run, path, question, shape, live)
        del run.waiting[path]
        scope.at = max(scope.at, answer.at)
        if answer.payload.get("expired"):
            return _expired(run, question.payload)
        if answer.payload.get("withdrawn"):
            raise Interrupted("The question was withdrawn.")
        try:
            shape.read(answer.payload.get("value"))
        except ConfigError as error:  # what is asked for has changed since: it is asked again
            said = {**said, "problem": str(error)}
            continue
        return answer.payload["value"]


def _recorded(run: Run, path: str, kind: str, said: Payload | None = None) -> Entry | None:
    """Return the next entry of a kind that the journal holds at a path, and count it as met."""
    entries = run.recorded.get(path)
    if not entries:
        return None
    found = next((e for e in entries if e.kind == kind), None)
    if found is None:
        if said is not None and all(e.kind not in {"intent", "result"} for e in entries):
            raise Conflict(
                f"At {paths.shown(path)} the journal has a {entries[0].kind}, but the definition now asks a person. "
                "Resume with the definition it was started with, or give the open turn up (--give-up-turn)."
            )
        return None
    if said is not None and (found.payload.get("name"), found.payload.get("arguments")) != (
        said.get("name"), said.get("arguments"),
    ):  # fmt: skip
        raise Conflict(
            f"At {paths.shown(path)} {found.payload.get('name')}({found.payload.get('arguments')}) was put before a "
            f"person, but the definition now calls {said.get('name')}({said.get('arguments')}). Resume with the "
            "definition it was started with, or give the open turn up (--give-up-turn)."
        )
    entries[:] = [e for e in entries if e is not found and e.kind != "assigned"]
    if not entries:
        run.recall(path)
    return found


async def _answered(run: Run, path: str, question: Entry, shape: Shape, live: Answerer | None) -> Entry:
    """Return the answer's entry, once there is one.

    Raises:
        Parked: There is none.
    """
    id, deadline = question.payload["id"], question.payload.get("deadline", 0)
    if run.is_replay:
        recorded = run.answer_recorded(path)
        if recorded is None:
            raise Parked(question.payload["text"])
        return recorded
    if run.journal.durable:
        await run.journal.commit()
    note = run.mail.get(id)
    if note is None and deadline and run.clock.now_us() >= deadline:
        note = await _post(run, id, {"expired": True})
    if note is None and run.gate is not None:
        if run.gate is not Interrupted:
            run.check_gate()
        _assign(run, path, id)
        return run.append(path, "answer", {"withdrawn": True})
    live = run.answerer or live
    if note is None and live is not None:
        note = await _asked(run, Question.of(question, run.id), shape, live)
    if note is None:
        raise Parked(question.payload["text"])
    _assign(run, path, id)
    run.take(note)
    entry = run.append(path, "answer", note.payload)
    if run.journal.durable:
        await run.journal.commit()
    return entry


def _assign(run: Run, path: str, id: str) -> None:
    """Journal that the question was given to somebody else."""
    for note in [n for n in run.mail.values() if n.kind == "reassign" and n.payload["question"] == id]:
        run.take(note)
        run.append(path, "assigned", {name: value for name, value in note.payload.items() if name != "question"})


async def _asked(run: Run, question: Question, shape: Shape, live: Answerer) -> Note | None:
    """Ask who answers at once, until there is an answer: theirs, or one that comes from elsewhere."""
    loop = asyncio.get_running_loop()
    left = (question.deadline_us - run.clock.now_us()) / 1e6 if question.deadline_us else None
    waiter: asyncio.Future[Note] = loop.create_future()
    run.waiters = {**run.waiters, question.id: waiter}
    asking: asyncio.Task[Any] | None = None
    try:
        for _ in range(MOST_TRIES):
            asking = loop.create_task(_alone(live, question), name=f"quorate ask {question.id}")
            with run.idle():
                await asyncio.wait({asking, waiter}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if waiter.done():
                return waiter.result()
            if not asking.done():
                return await _post(run, question.id, {"expired": True})
            value = asking.result()
            if value is None:
                return None
            try:
                said = plain(value)
                shape.read(said)
                _check_fits(question, said)
            except ConfigError as error:
                question = replace(question, problem=str(error))
                continue
            return await _post(run, question.id, {"value": said, "by": question.to or "user"})
        log.warning(
            "%s stays open, since %d answers did not fit. The last: %s", question.id, MOST_TRIES, question.problem
        )
        return None
    finally:
        run.waiters = {id: other for id, other in run.waiters.items() if other is not waiter}
        if asking is not None and not asking.done():
            asking.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await asking


async def _alone(live: Answerer, question: Question) -> Any:
    """Ask outside any scope: an answer is no part of the run before it is journaled."""
    enter(None)
    return await live(question)


async def _post(run: Run, id: str, said: Payload) -> Note:
    """Put an answer into the run's own inbox, whose first row is the answer, and return that."""
    where = run.conversation
    with suppress(Conflict):  # somebody was first
        await where.store.post(where.id, Note(id, "answer", said), owner=where.owner)
    run.deliver(await run.journal.inbox())
    return run.mail[id]


def _expired(run: Run, said: Payload) -> Any:
    branch: Any = said.get("on_expiry", Expiry.RAISE.value)
    if "value" in branch and not isinstance(branch, str):
        value: Any = branch["value"]
        return value
    text = f"Nobody answered {said['id']} in time: {said['text']}"
    if branch == Expiry.CANCEL.value:
        run.meter.halted = run.meter.halted or Outcome("cancelled", text)
        raise Halt(run.meter.halted)
    raise Expired(text)


# -- from any process -------------------------------------------------------------------------------------------------

_ID = re.compile(r"(?P<conversation>.+)\.(?P<run>\d+)-q[0-9a-f]+(-\d+)*")


async def find(store: Store, id: str, *, owner: str = LOCAL_OWNER) -> tuple[Question, OpenQuestion | None]:
    """Return a question and, if it is open, where.

    Raises:
        ConfigError: There is none of that id.
    """
    known = _ID.fullmatch(id)
    if known:
        where = known["conversation"]
        for found in await store.questions(owner=owner, conversation=where):
            if found.entry.payload["id"] == id:
                return Question.of(found.entry, f"{where}.{known['run']}", found.notes), found
        for entry in await store.read(where, owner=owner, kinds=("question",)):
            if entry.payload["id"] == id:
                return Question.of(entry, run_id(where, entry.run)), None
    raise ConfigError(f"There is no question {id!r}. `quorate questions` lists those that are open.")


async def answer(store: Store, id: str, value: Any, *, by: str = "user", owner: str = LOCAL_OWNER) -> Question:
    """Answer a question, from any process; whoever goes on with its run uses it.

    Args:
        store: Where its run is kept.
        id: Of the question.
        value: JSON data that fits what is asked for. Of an approval: True for yes; False, or the reason, for no.
        by: Who answers.
        owner: Whose run it is.

    Raises:
        ConfigError: There is no such question, or the answer does not fit; a text that says yes is no approval.
        Conflict: It was answered otherwise, or its time is over.
    """
    question, there = await find(store, id, owner=owner)
    if question.name and there is not None and not question.approval:
        raise ConfigError(f"{id} asks whether {question.name} happened: say whether it did (--happened, --did-not).")
    _check_fits(question, value)
    where = _ID.fullmatch(id)
    assert where is not None
    if there is None:
        await _check_said(store, question, value, owner)
        return question
    if question.deadline_us and store.clock.now_us() >= question.deadline_us and not _has_answer(there):
        await expire(store, id, owner=owner)
        when = datetime.fromtimestamp(question.deadline_us / 1e6, UTC)
        raise Conflict(f"{id} could be answered until {when:%Y-%m-%d %H:%M:%S} UTC. It has expired.")
    await store.post(there.conversation, Note(id, "answer", {"value": value, "by": by}), owner=owner)
    return question


def _check_fits(question: Question, value: Any) -> None:
    """Make sure that an answer is one to the question.

    Raises:
        ConfigError: It is not. A text that says nothing but yes would refuse a call that it was meant to approve.
    """
    if isinstance(value, str) and question.approval and says_yes(value):
        raise ConfigError(
            f"{value!r} is a text, and no text approves a call. Answer True to approve it (`quorate answer`: yes), "
            "False or the reason to refuse it."
        )
    if isinstance(value, str) and question.schema is not None and question.schema.get("type") == "boolean":
        raise ConfigError(f"{value!r} is a text: answer True or False (`quorate answer`: yes or no).")
    check(question.schema, value)


def _has_answer(question: OpenQuestion) -> bool:
    return any(note.kind == "answer" for note in question.notes)


async def _check_said(store: Store, question: Question, value: Any, owner: str) -> None:
    """Let somebody give the answer again that was used.

    Raises:
        Conflict: It is another one, or none was used.
    """
    conversation = question.run_id.rpartition(".")[0]
    closed = False
    for entry in await store.read(conversation, owner=owner, kinds=("question", "answer")):
        if entry.kind == "question":
            closed = entry.payload["id"] == question.id
        elif closed and "value" in entry.payload and entry.payload["value"] == value:
            return
    raise Conflict(f"{question.id} has been answered already, or its turn was given up.")


async def expire(store: Store, id: str, *, by: str = "", owner: str = LOCAL_OWNER) -> Question:
    """End the time of a question now: its run takes the branch that was declared for that.

    Raises:
        ConfigError: There is no such question, or it is about a call that may have happened.
        Conflict: It was answered.
    """
    question, there = await find(store, id, owner=owner)
    if there is None or (_has_answer(there) and not any(n.payload.get("expired") for n in there.notes)):
        raise Conflict(f"{id} has been answered already.")
    if question.name and not question.approval:
        raise ConfigError(f"{id} asks whether a call happened. That does not expire: find out, and answer it.")
    said: Payload = {"expired": True} | ({"by": by} if by else {})
    await store.post(there.conversation, Note(id, "answer", said), owner=owner)
    return question


async def reassign(store: Store, id: str, to: str, *, by: str = "user", owner: str = LOCAL_OWNER) -> Question:
    """Give a question to somebody else.

    Raises:
        ConfigError: There is no such question, or `to` is empty.
        Conflict: It was answered.
    """
    question, there = await find(store, id, owner=owner)
    if not to.strip():
        raise ConfigError("Say to whom: --to NAME.")
    if there is None or _has_answer(there):
        raise Conflict(f"{id} has been answered already.")
    count = sum(note.kind == "reassign" for note in there.notes)
    note = Note(
        f"{id}-to{there.entry.seq}-{store.clock.now_us()}-{count}", "reassign", {"question": id, "to": to, "by": by}
    )
    await store.post(there.conversation, note, owner=owner)
    return replace(question, to=to)


async def expire_due(store: Store, found: OpenQuestion, *, owner: str = LOCAL_OWNER) -> bool:
    """End the time of a question whose deadline has passed; return whether it has expired."""
    deadline = found.entry.payload.get("deadline", 0)
    if not deadline or store.clock.now_us() < deadline or _has_answer(found):
        return any(note.payload.get("expired") for note in found.notes)
    with suppress(Conflict):  # somebody answered in the meantime
        await store.post(found.conversation, Note(found.entry.payload["id"], "answer", {"expired": True}), owner=owner)
        return True
    return False
