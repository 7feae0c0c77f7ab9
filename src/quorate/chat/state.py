"""The state of a team or an agent as plain data: the journal of its own conversation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from quorate.core.lazy import lazy
from quorate.core.tuples import filled
from quorate.errors import ConfigError
from quorate.runs.entries import FORMAT, Entry
from quorate.runs.journal import Conversation
from quorate.runs.memory import MemoryStore

pydantic_core: Any = lazy("pydantic_core")

TYPE, VERSION = "ConversationState", "1.0.0"
State = dict[str, Any]


async def saved(talk: Conversation | None) -> State:
    """Return a conversation in memory as plain data; without one, what stands for none."""
    entries = [] if talk is None else await talk.store.read(talk.id, owner=talk.owner)
    plain = [entry[1:6] for entry in entries]
    try:
        text: str = pydantic_core.to_json(plain).decode()
    except pydantic_core.PydanticSerializationError:  # half a character, which only some encoders take
        text = json.dumps(plain)
    return {"type": TYPE, "version": VERSION, "conversation": "" if talk is None else talk.id, "entries": text}


def loaded(state: Mapping[str, Any]) -> Conversation | None:
    """Return the conversation that `saved` made the data of, None for none.

    Raises:
        ConfigError: It is no such data, or that of a newer Quorate.
    """
    if not isinstance(state, Mapping) or state.get("type") != TYPE:  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
        raise ConfigError("This is no state that save_state() has returned.")
    if str(state.get("version")).partition(".")[0] != VERSION.partition(".")[0]:
        raise ConfigError(f"This state has version {state.get('version')!r}; this Quorate reads {VERSION}.")
    found = _entries(state.get("entries"))
    if not found:
        return None
    id = state.get("conversation")
    if not isinstance(id, str):
        raise ConfigError("This state does not say of which conversation it is.")
    store = MemoryStore()
    talk = store.conversation(id)
    store.load(talk.id, found)
    return talk


def _entries(text: Any) -> list[Entry]:
    try:
        rows = _rows(text)
        if not rows:
            return []
        runs, places, kinds, times, payloads = zip(*rows, strict=True)
        for column, type_ in ((runs, int), (places, str), (kinds, str), (times, int), (payloads, dict)):
            if set(map(type, column)) != {type_}:
                raise ConfigError(_wrong_row(rows))
    except (TypeError, RecursionError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"The entries of this state cannot be read: {error}.") from error
    count = len(rows)
    whole = zip(range(1, count + 1), runs, places, kinds, times, payloads, (FORMAT,) * count, strict=True)
    return [filled(Entry, entry) for entry in whole]


def _rows(text: Any) -> list[Any]:
    try:
        rows = pydantic_core.from_json(text, cache_strings="keys")
    except ValueError:  # half a character, or deeper than it reads
        rows = json.loads(text)
    if not isinstance(rows, list):
        raise ConfigError("The entries of this state cannot be read: they are no list.")
    return cast("list[Any]", rows)


def _wrong_row(rows: list[Any]) -> str:
    """Say which entry is none."""
    for seq, (run, path, kind, at, payload) in enumerate(rows, 1):
        if [type(part) for part in (run, path, kind, at, payload)] != [int, str, str, int, dict]:
            return f"Entry {seq} of this state is none: {[run, path, kind, at]!r:.80}."
    raise AssertionError
