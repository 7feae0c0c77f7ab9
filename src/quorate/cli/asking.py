"""`quorate questions` and `quorate answer`: what only a person knows."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from quorate.chat import shown
from quorate.cli.lists import print_table
from quorate.cli.place import Place
from quorate.cli.printing import print_json
from quorate.cli.project import find_project
from quorate.errors import ConfigError, Conflict
from quorate.runs.entries import Entry, run_id
from quorate.runs.history import RunRecord, fold
from quorate.runs.journal import Note, Store

QUESTION_CHARS = 100


class Question(NamedTuple):
    """A question, and where it was asked."""

    conversation: str
    run: int
    entry: Entry
    open: bool
    answered: bool = False

    @property
    def id(self) -> str:
        return self.entry.payload["id"]

    @property
    def words(self) -> str:
        said = self.entry.payload
        return f"Did {shown.called(said['name'], said['arguments'])} happen?" if "name" in said else said["text"]


async def questions(store: str | None, *, as_json: bool) -> int:
    """List the open questions, and return the exit code."""
    place = Place.of(store, find_project())
    async with place.there() as opened:
        found = [q for q in await _asked(opened) if q.open]
        now = opened.clock.now_us()
    if as_json:
        for q in found:
            said = {"run_id": run_id(q.conversation, q.run), "answered": q.answered, "asked_at": q.entry.at}
            print_json(**q.entry.payload, **said)
        return 0
    if not found:
        print("No question waits for an answer.")
        return 0
    rows = [
        (
            (q.id, "bold"),
            (run_id(q.conversation, q.run), ""),
            ("answered: resume the run" if q.answered else "open", "green" if q.answered else "cyan"),
            (shown.age((now - q.entry.at) / 1e6), "dim"),
            (shown.cut(q.words, QUESTION_CHARS, count=False), ""),
        )
        for q in found
    ]
    print_table(("id", "run", "state", "age", "question"), rows)
    return 0


async def _asked(store: Store) -> list[Question]:
    """Return all questions of a store, oldest first."""
    found: list[Question] = []
    for summary in await store.conversations():
        if not await store.read(summary.id, kinds=("question",)):
            continue
        answered = {note.id for note in await store.notes(summary.id) if note.kind == "answer"}
        for number, record in fold(await store.read(summary.id)).items():
            open_now = {entry.payload["id"] for entry in record.questions.values()}
            for entry in (e for e in record.entries if e.kind == "question"):
                id = entry.payload["id"]
                found.append(Question(summary.id, number, entry, id in open_now, id in answered))
    return sorted(found, key=lambda q: q.entry.at)


async def answer(question: str, result: str | None, store: str | None, *, happened: bool, did_not: bool) -> int:
    """Post the answer to a question, and return the exit code."""
    if happened is did_not:
        raise ConfigError("Say which: --happened [RESULT], or --did-not.")
    if did_not and result is not None:
        raise ConfigError("A call that did not happen has no result. Leave RESULT out, or say --happened.")
    place = Place.of(store, find_project())
    async with place.there() as opened:
        q = _chosen(await _asked(opened), question, place)
        if not q.open:
            raise Conflict(f"{q.id} has been answered already.")
        record = fold(await opened.read(q.conversation))[q.run]
        said: dict[str, Any] = {"happened": happened, "result": _result(record, q.entry.path, result)}
        await opened.post(q.conversation, Note(id=q.id, kind="answer", payload=said))
    print(f"Noted. Go on with: {place.command('resume', run_id(q.conversation, q.run))}")
    return 0


def _chosen(asked: list[Question], text: str, place: Place) -> Question:
    """Return the question that an id, or the beginning of one, stands for; of several, the one that is open."""
    exact = [q for q in asked if q.id == text]
    alike = exact or [q for q in asked if text and q.id.startswith(text)]
    alike = [q for q in alike if q.open] or alike
    if len(alike) > 1:
        raise ConfigError(
            f"{len(alike)} questions begin with {text!r}: {', '.join(q.id for q in alike)}. Write more of it."
        )
    if not alike:
        raise ConfigError(f"There is no question {text!r}. `{place.command('questions')}` lists those that are open.")
    return alike[0]


def _result(record: RunRecord, path: str, text: str | None) -> Any:
    """Return the result as the step would have: a tool's is the text that its model reads, another step's is JSON."""
    intent = record.intents.get(path)
    if text is None or intent is None or intent.payload.get("kind") != "value":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
