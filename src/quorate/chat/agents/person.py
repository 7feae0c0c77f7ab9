"""People who answer at once: a function, or whoever sits at the terminal."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any

from quorate.runs.questions import Answerer, Question, answerer
from quorate.tools.threads import in_thread

Answers = Callable[[Question], Any] | Callable[[Question], Awaitable[Any]]
"""Answers a question, sync (in a thread of its own) or async; None leaves it open."""

YES_NO = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}


def answering_at_once(answer: Answers | None) -> Answerer | None:
    """Return who answers a run's questions at once: the function that is given, else the one of `answering`."""
    if answer is None:
        return answerer.get()

    async def asked(question: Question) -> Any:
        if inspect.iscoroutinefunction(answer):
            return await answer(question)
        value = await in_thread(lambda: answer(question))
        return await value if inspect.isawaitable(value) else value

    return asked


@contextmanager
def answering(answer: Answers) -> Generator[None]:
    """Let a function answer at once what is asked in the block, in runs and outside of any."""
    token = answerer.set(answering_at_once(answer))
    try:
        yield
    finally:
        answerer.reset(token)


def read_answer(text: str, schema: dict[str, Any] | None) -> Any:
    """Return what a person typed as the data that is asked for: JSON if it is that, `yes` and `no`, else the text."""
    if schema is None:
        return text
    if schema.get("type") == "boolean" or "boolean" in json.dumps(schema.get("anyOf", "")):
        said = YES_NO.get(text.strip().lower())
        if said is not None:
            return said
    if schema.get("type") == "string":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def is_terminal() -> bool:
    """Whether somebody sits at the terminal of this process."""
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


async def at_terminal(question: Question) -> Any:
    """Ask at the terminal; the end of the input is no answer."""
    text = await in_thread(lambda: _typed(question))
    return None if text is None else read_answer(text, question.schema)


def _typed(question: Question) -> str | None:
    from quorate.chat.shown import clean, inline

    if question.problem:
        sys.stdout.write(f"! {inline(question.problem)}\n")
    to = f" ({inline(question.to)})" if question.to else ""
    sys.stdout.write(f"? {clean(question.text)}{to}\n")
    try:
        return input(f"{inline(_wanted(question.schema))}> ")
    except EOFError:
        return None


def _wanted(schema: dict[str, Any] | None) -> str:
    if schema is None:
        return ""
    if schema.get("type") == "boolean":
        return "yes/no "
    if "enum" in schema:
        return f"one of {', '.join(json.dumps(v, ensure_ascii=False) for v in schema['enum'])} "
    if schema.get("anyOf", [{}])[0].get("type") == "boolean":
        return "yes/no, or why not "
    return f"{schema['type']} " if schema.get("type") in {"integer", "number", "string"} else "JSON "
