"""The ledgers of a planner, in words and as data: what is known, the plan, and how it goes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, cast

import msgspec
from msgspec import Struct

from quorate.errors import ModelError
from quorate.models.extract import extract_objects

FACTS = """A team is going to work on this:

{task}

Before it begins, write down what there is to go by, as short points under four headings:
GIVEN: what the task itself says.
TO LOOK UP: what has to be found somewhere, and where that may be.
TO WORK OUT: what follows from the rest, by reasoning or computing.
GUESSES: what you believe without being sure.
Write nothing else, and plan nothing yet."""

PLAN = """These can work on it together:
{team}

Write a short plan as points: who does what, in which order. Not everybody has to take part."""

LEDGER = """The task:
{task}

Who works on it:
{team}

What there is to go by:
{facts}

The plan:
{plan}"""

PROGRESS = """You lead a team. This is its task:

{task}

These work on it:
{team}

Read the conversation and judge how it goes now. Answer with a JSON object of five fields, each with a `reason` and an
`answer`:
- is_request_satisfied: is the whole task done, and done right? (true or false)
- is_in_loop: does the conversation go round in circles, the same said or tried again? (true or false)
- is_progress_being_made: did the latest messages bring the task forward? (true or false)
- next_speaker: who should speak next? (one of {names})
- instruction_or_question: what exactly to tell or ask them, with all that they need to know. (text)"""

AGAIN = "That cannot be used: {why} Answer again, with the JSON object only."

NEW_FACTS = """It does not get on. The task is:

{task}

Write down anew what there is to go by, under the same four headings. Before, it was this:

{facts}

Put in what was learned since, what turned out wrong, and at least one guess that is new."""

NEW_PLAN = """Write a new plan, as short points, for the same team:
{team}

Say first, in a sentence, why the last plan did not work; then avoid it."""

FINAL = """The work on this task is over:

{task}

Write the answer for whoever asked, from what is said in the conversation. They have not read it."""

FIELDS = ("is_request_satisfied", "is_in_loop", "is_progress_being_made", "next_speaker", "instruction_or_question")
entries_of, _answer = itemgetter(*FIELDS), itemgetter("answer")


class Progress(Struct, frozen=True):
    """How it goes, as a model judges it; `why` is its reason for whether the task is done."""

    done: bool
    loops: bool
    moves: bool
    speaker: str
    instruction: str
    why: str
    why_speaker: str


@lru_cache(maxsize=64)
def progress_prompt(task: str, team: str, members: tuple[str, ...]) -> str:
    """Return what asks for a progress ledger."""
    return filled_in(PROGRESS, task=task, team=team, names=", ".join(members))


@lru_cache(maxsize=64)
def progress_schema(members: tuple[str, ...]) -> str:
    """Return the JSON schema of a progress ledger, as text."""

    def entry(answer: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {"reason": {"type": "string"}, "answer": answer},
            "required": ["reason", "answer"],
            "additionalProperties": False,
        }

    yes_or_no: dict[str, Any] = {"type": "boolean"}
    answers = (yes_or_no, yes_or_no, yes_or_no, {"type": "string", "enum": list(members)}, {"type": "string"})
    return json.dumps(
        {
            "type": "object",
            "properties": {name: entry(answer) for name, answer in zip(FIELDS, answers, strict=True)},
            "required": list(FIELDS),
            "additionalProperties": False,
        },
        ensure_ascii=False,
    )


def read_progress(text: str, members: Sequence[str]) -> Progress:
    """Return the progress ledger that a model wrote.

    Raises:
        ModelError: It is none; the text says what is wrong, for the model to mend.
    """
    found = _object(text)
    try:
        entries = entries_of(found)
        done, loops, moves, named, instruction = map(_answer, entries)
    except (KeyError, TypeError):
        missing = next(n for n in FIELDS if not isinstance(found.get(n), dict) or "answer" not in found[n])
        raise ModelError(f"{missing} is missing, or has no answer.") from None
    if not (type(done) is type(loops) is type(moves) is bool):
        wrong = next(n for n in FIELDS if not isinstance(found[n]["answer"], bool))
        raise ModelError(f"The answer of {wrong} is neither true nor false.")
    speaker = _named(str(named), members)
    if speaker is None and not done:
        raise ModelError(f"next_speaker names nobody of the team. It must be one of {', '.join(members)}.")
    why, why_speaker = str(entries[0].get("reason", "")), str(entries[3].get("reason", ""))
    return Progress(done, loops, moves, speaker or members[0], str(instruction), why, why_speaker)


def _object(text: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)  # what a model writes that is held to a schema
        if isinstance(found, dict):
            return cast("dict[str, Any]", found)
    except (ValueError, msgspec.DecodeError):  # which is a ValueError in newer versions only
        pass
    return extract_objects(text)[0]


def _named(text: str, members: Sequence[str]) -> str | None:
    if text in members:
        return text
    same = [name for name in members if name.casefold() == text.strip().casefold()]
    return same[0] if len(same) == 1 else None


def filled_in(template: str, **words: str) -> str:
    """Return a template with words in their places; braces in the words stay as they are."""
    first, parts = _places(template)
    found = [first]
    for name, rest in parts:
        found.append(f"{words[name]}{rest}" if name in words else f"{{{name}}}{rest}" if name is not None else rest)
    return "".join(found)


@lru_cache(maxsize=64)
def _places(template: str) -> tuple[str, list[tuple[str | None, str]]]:
    """Return what a template begins with, and each place in it with what follows; a brace that is no place has None."""
    first, *parts = template.split("{")
    found: list[tuple[str | None, str]] = []
    for part in parts:
        name, brace, rest = part.partition("}")
        found.append((name, rest) if brace else (None, f"{{{part}"))
    return first, found
