"""The state of a team or an agent as plain data: the journal of its own conversation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from quorate.core.lazy import lazy
from quorate.errors import ConfigError
from quorate.runs.entries import Entry
from quorate.runs.journal import Conversation
from quorate.runs.memory import MemoryStore

pydantic_core: Any = lazy("pydantic_core")

PARTS = 5
"""What is kept of an entry: run, path, kind, time, payload. One list has those of all: that reads twice as fast."""

TYPE, VERSION = "ConversationState", "1.0.0"
State = dict[str, Any]


async def saved(talk: Conversation | None, own: Mapping[str, Any]) -> State:
    """Return a conversation in memory as plain data; without one, what stands for none.

    Args:
        talk: The conversation.
        own: What its members keep in attributes of their own, by their last speeches.
    """
    entries = [] if talk is None else await talk.store.read(talk.id, owner=talk.owner)
    plain: list[Any] = []
    for entry in entries:
        said = entry.payload
        if own and entry.kind == "said" and (speech := f"{entry.run}:{entry.path}") in own:
            said = {**said, "own": {"is": own[speech]}}
        plain += (entry.run, entry.path, entry.kind, entry.at, said)
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
    parts = _parts(text)
    if len(parts) % PARTS:
        raise ConfigError("The entries of this state cannot be read: the last one is not whole.")
    each = iter(parts)
    found: list[Entry] = []
    for seq, (run, path, kind, at, payload) in enumerate(zip(each, each, each, each, each, strict=True), 1):
        if not (
            type(run) is int and type(path) is str and type(kind) is str and type(at) is int and type(payload) is dict
        ):
            raise ConfigError(f"Entry {seq} of this state is none: {[run, path, kind, at]!r:.80}.")
        found.append(Entry(seq, run, path, kind, at, payload))  # pyright: ignore[reportUnknownArgumentType]: it is JSON
    return found


def _parts(text: Any) -> list[Any]:
    """Return the parts of all entries, one after the other."""
    try:
        try:
            parts = pydantic_core.from_json(text, cache_strings="keys")
        except ValueError:  # half a character, or deeper than it reads
            parts = json.loads(text)
    except (TypeError, RecursionError, ValueError) as error:
        raise ConfigError(f"The entries of this state cannot be read: {error}.") from error
    if not isinstance(parts, list):
        raise ConfigError("The entries of this state cannot be read: they are no list.")
    return cast("list[Any]", parts)
