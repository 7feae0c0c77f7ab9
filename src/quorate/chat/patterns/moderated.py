"""What patterns share: a moderator's words, and reading what members answer to them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from quorate.chat import structured
from quorate.chat.agent import Speaker, checked_name
from quorate.chat.facts import Fact
from quorate.chat.messages import BaseChatMessage, TextMessage
from quorate.chat.structured import StructuredMessage
from quorate.chat.team import checked_member
from quorate.errors import ConfigError, ModelError
from quorate.models.extract import extract_json

F = TypeVar("F", bound=BaseModel)

MODERATOR = "moderator"


def note_of(fact: Fact) -> Mapping[str, Any]:
    """Return what a pattern noted with a choice; nothing if it did not."""
    return cast("Mapping[str, Any]", (fact.choice and fact.choice.note) or {})


def says(text: str, source: str = MODERATOR) -> tuple[BaseChatMessage]:
    """Return what the moderator says."""
    return (TextMessage(content=text, source=source),)


def tells(result: BaseModel, format: str, source: str = MODERATOR) -> tuple[BaseChatMessage]:
    """Return the last word of a pattern: its result as data; `format` says how people read it."""
    return (StructuredMessage[type(result)](content=result, format_string=format, source=source),)


def names_of(members: Sequence[Speaker]) -> list[str]:
    """Return the names of members.

    Raises:
        ConfigError: Something else than a member is among them.
    """
    return [checked_member(member).name for member in members]


def check_names(members: Sequence[str], moderator: str) -> None:
    """Make sure that nobody is taken for the moderator.

    Raises:
        ConfigError: Somebody is, or the name is none.
    """
    checked_name(moderator)
    if moderator in members:
        raise ConfigError(f"A participant is named {moderator!r}, as who leads through it: moderator='another name'.")


def answer_of(form: type[F], message: BaseChatMessage) -> F | None:
    """Return what somebody answered to a question of a form, None where it is not to be read."""
    content = getattr(message, "content", None)
    if isinstance(content, form):
        return content
    if isinstance(content, BaseModel):
        return _filled(form, content.model_dump())
    text = message.to_text()
    try:
        return structured.read(form, text)
    except ModelError:
        pass
    try:
        found = extract_json(text)
    except ModelError:
        return None
    data = cast("dict[str, Any]", found[0]) if len(found) == 1 and isinstance(found[0], dict) else None
    return None if data is None else _filled(form, data)


def _filled(form: type[F], data: dict[str, Any]) -> F | None:
    """Return a form made of data that may lack its texts, or have more."""
    known = {name: data[name] for name in form.model_fields if name in data}
    texts = {name: "" for name, field in form.model_fields.items() if field.annotation is str}
    try:
        return form.model_validate(texts | known)
    except ValidationError:
        return None


def numbers_in(text: str) -> list[int]:
    """Return the numbers in a plain text, each once, in order."""
    return list(dict.fromkeys(int(found) for found in re.findall(r"\b\d{1,4}\b", text)))


def same(text: str) -> str:
    """Return what is equal for answers of the same words: case, blanks and marks at the ends do not count."""
    try:
        return json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False)
    except ValueError:
        return " ".join(text.casefold().split()).strip(" .!?\"'`*")


def listed(names: Iterable[str]) -> str:
    """Return names in a row."""
    found = list(names)
    return f"{', '.join(found[:-1])} and {found[-1]}" if len(found) > 1 else "".join(found)
