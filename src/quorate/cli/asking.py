"""`quorate questions` and `quorate answer`: what only a person knows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from quorate.chat import shown
from quorate.chat.agents.person import read_answer
from quorate.cli.again import Again, ways
from quorate.cli.lists import print_table
from quorate.cli.place import Place
from quorate.cli.printing import print_json
from quorate.cli.project import find_project
from quorate.errors import ConfigError, Conflict
from quorate.runs import questions as asked
from quorate.runs.entries import run_id, split_run_id
from quorate.runs.history import fold
from quorate.runs.inbox import Note, OpenQuestion
from quorate.runs.journal import Store
from quorate.runs.questions import Question

QUESTION_CHARS = 100
PAGE = 500


async def questions(store: str | None, to: str | None, last: int, *, as_json: bool) -> int:
    """List the open questions, oldest first, and return the exit code. Those whose time is over expire now."""
    place = Place.of(store, find_project())
    rows: list[tuple[tuple[str, str], ...]] = []
    count = 0
    async with place.there() as opened:
        now = opened.clock.now_us()
        async for found in _pages(opened):
            question = _question(found)
            if to is not None and question.to != to:
                continue
            expired = await asked.expire_due(opened, found)
            count += 1
            if as_json:
                print_json(**_data(found, question, expired=expired))
            elif not last or count <= last:
                rows.append(_row(found, question, now, expired=expired))
    if as_json:
        return 0
    if not count:
        print("No question waits for an answer." if to is None else f"No question waits for an answer of {to}.")
        return 0
    head = ("id", "run", "to", "state", "age", "question")
    if not any(row[2][0] for row in rows):
        head, rows = (*head[:2], *head[3:]), [(*row[:2], *row[3:]) for row in rows]
    print_table(head, rows)
    if count > len(rows):
        print(f"… {count - len(rows)} more: --last 0 lists all.")
    return 0


async def _pages(store: Store) -> AsyncIterator[OpenQuestion]:
    """Yield the open questions, a page at a time."""
    page: list[OpenQuestion] = []
    while page := await store.questions(after=page[-1] if page else None, most=PAGE):
        for found in page:
            yield found
        if len(page) < PAGE:
            return


def _question(found: OpenQuestion) -> Question:
    return Question.of(found.entry, run_id(found.conversation, found.entry.run), found.notes)


def _is_answered(found: OpenQuestion) -> bool:
    return any(note.kind == "answer" for note in found.notes)


def _row(found: OpenQuestion, question: Question, now: int, *, expired: bool) -> tuple[tuple[str, str], ...]:
    answered = _is_answered(found) or expired
    state = "expired: resume the run" if expired else "answered: resume the run" if answered else "open"
    return (
        (question.id, "bold"),
        (question.run_id, ""),
        (shown.inline(question.to), ""),
        (state, "green" if answered else "cyan"),
        (shown.age((now - question.asked_us) / 1e6), "dim"),
        (shown.cut(words(found.entry.payload), QUESTION_CHARS, count=False), ""),
    )


def words(said: dict[str, Any]) -> str:
    """Return a question in a few words, from the payload of its entry."""
    if "name" in said and "approval" not in said:
        return f"Did {shown.called(said['name'], said['arguments'])} happen?"
    return said["text"]


def _data(found: OpenQuestion, question: Question, *, expired: bool) -> dict[str, Any]:
    said = {"run_id": question.run_id, "to": question.to, "asked_at": question.asked_us}
    return {**found.entry.payload, **said, "answered": _is_answered(found) or expired, "expired": expired}


async def show(question: str, store: str | None, *, as_json: bool) -> int:
    """Show a question as a whole, and how to answer it."""
    place = Place.of(store, find_project())
    async with place.there() as opened:
        found = await _open(opened, question, place)
        expired = await asked.expire_due(opened, found)
        q = _question(found)
        more = await _hint(opened, q, place) if expired or _is_answered(found) else ""
    if as_json:
        print_json(**_data(found, q, expired=expired))
        return 0
    lines = [f"{q.id} · run {q.run_id}" + (f" · to {q.to}" if q.to else ""), q.text]
    if q.schema is not None:
        lines.append(f"The answer must fit: {json.dumps(q.schema, ensure_ascii=False)}")
    if q.problem:
        lines.append(f"The answer before did not: {q.problem}")
    if q.deadline_us:
        lines.append(f"Until {datetime.fromtimestamp(q.deadline_us / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC.")
    if more:
        lines.append(f"It {'has expired' if expired else 'is answered'}. {more}")
    else:
        lines += ways(found.entry.payload, place)
    for line in lines:
        print(shown.clean(line))
    return 0


async def answer(
    question: str, text: str | None, store: str | None, by: str, *, happened: bool, did_not: bool
) -> int:  # fmt: skip
    """Post the answer to a question, and return the exit code."""
    place = Place.of(store, find_project())
    async with place.there() as opened:
        q, found = await _chosen(opened, question, place)
        if found is not None and q.name and not q.approval:
            await _settle(opened, found, text, happened=happened, did_not=did_not)
        elif happened or did_not:
            if found is None:
                raise Conflict(f"{q.id} has been answered already.")
            raise ConfigError(
                f"{q.id} asks for an answer, not whether a call happened. Leave --happened and --did-not."
            )
        elif text is None:
            raise ConfigError(f"Say what to answer: {place.command('answer', q.id, 'ANSWER')}")
        else:
            await asked.answer(opened, q.id, read_answer(text, q.schema), by=by)
        print(f"Noted. {await _hint(opened, q, place)}")
    return 0


async def _hint(store: Store, question: Question, place: Place) -> str:
    """Return the line that says how its run goes on."""
    conversation, number = split_run_id(question.run_id)
    runs = fold(await store.read(conversation))
    return Again.of(question.run_id, place, runs[max(runs) if number is None else number]).hint()


async def _settle(store: Store, found: OpenQuestion, result: str | None, *, happened: bool, did_not: bool) -> None:
    """Say whether a call happened whose outcome is unknown."""
    if happened is did_not:
        raise ConfigError("Say which: --happened [RESULT], or --did-not.")
    if did_not and result is not None:
        raise ConfigError("A call that did not happen has no result. Leave RESULT out, or say --happened.")
    record = fold(await store.read(found.conversation))[found.entry.run]
    intent = record.intents.get(found.entry.path)
    value: Any = result
    if result is not None and intent is not None and intent.payload.get("kind") == "value":
        try:
            value = json.loads(result)
        except ValueError:
            value = result
    said: dict[str, Any] = {"happened": happened, "result": value}
    await store.post(found.conversation, Note(found.entry.payload["id"], "answer", said))


async def expire(question: str, store: str | None, by: str) -> int:
    """End the time of a question now."""
    place = Place.of(store, find_project())
    async with place.there() as opened:
        q = _question(await _open(opened, question, place))
        await asked.expire(opened, q.id, by=by)
        print(f"Expired. {await _hint(opened, q, place)}")
    return 0


async def reassign(question: str, to: str, store: str | None, by: str) -> int:
    """Give a question to somebody else."""
    place = Place.of(store, find_project())
    async with place.there() as opened:
        q = _question(await _open(opened, question, place))
        await asked.reassign(opened, q.id, to, by=by)
    print(f"{q.id} is now for {to}.")
    return 0


async def _open(store: Store, text: str, place: Place) -> OpenQuestion:
    question, found = await _chosen(store, text, place)
    if found is None:
        raise Conflict(f"{question.id} has been answered already.")
    return found


async def _chosen(store: Store, text: str, place: Place) -> tuple[Question, OpenQuestion | None]:
    """Return the question that an id, or the beginning of one that is open, stands for.

    Raises:
        ConfigError: There is none, or several begin like that.
    """
    try:
        return await asked.find(store, text)
    except ConfigError:
        alike = [q async for q in _pages(store) if text and q.entry.payload["id"].startswith(text)]
    if len(alike) > 1:
        some = ", ".join(q.entry.payload["id"] for q in alike[:8])
        raise ConfigError(f"{len(alike)} questions begin with {text!r}: {some}. Write more of it.")
    if not alike:
        raise ConfigError(f"There is no question {text!r}. `{place.command('questions')}` lists those that are open.")
    return _question(alike[0]), alike[0]
