"""Forks: another conversation that begins with a part of one, and goes on in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from quorate.chat import messages
from quorate.chat.agents.coding import RUN_CODE
from quorate.chat.messages import BaseChatMessage, BaseMessage
from quorate.errors import ConfigError
from quorate.runs import forking, paths
from quorate.runs.entries import LOCAL_OWNER, Draft, Entry, Payload, split_run_id
from quorate.runs.forking import Cut
from quorate.runs.history import RunRecord, fold, sorted_entries, wrote
from quorate.runs.journal import Conversation, Store, unknown_parent
from quorate.runs.start import Effects, checked_effects

END = "end"


class Said(NamedTuple):
    """A message of a conversation's thread, and where it is.

    Args:
        number: In the thread, from 1, over all runs.
        id: Of the message.
        run: The number of its run.
        path: Of its speech, or of the entry that it is; empty for a message of the task.
        place: Of a message of the task in the task, from 0.
        data: The message as it was dumped; None where it is made of a model's reply, or of a person's entry.
        kind: `said` by a member, `say` by the turn policy; or, by a person on the way, `steer`, `heard` or `interrupt`.
    """

    number: int
    id: str
    run: int
    path: str = ""
    place: int = 0
    data: Payload | None = None
    kind: str = "said"


MADE = {
    "reply": "model",
    "structured": "model",
    "summary": "model#summary",
    "handoff": "model#handoff",
    "output": RUN_CODE,
}
"""The items that are messages made of a step, and how the id of each ends."""


def thread(conversation: str, runs: dict[int, RunRecord]) -> list[Said]:
    """Return the messages of a conversation, in canonical order."""
    found: list[Said] = []

    def add(id: str, run: int, path: str = "", place: int = 0, data: Payload | None = None, kind: str = "said") -> None:
        found.append(Said(len(found) + 1, id, run, path, place, data, kind))

    for number, record in sorted(runs.items()):
        for i, data in enumerate(record.task):
            add(data["id"], number, place=i, data=data)
        cut: Entry | None = None
        for entry in sorted_entries([e for e in record.entries if _tells(e)]):
            path, of = entry.path, f"{wrote(entry.seq, conversation, record.marks)}.{number}"
            if entry.kind == "said" and path.count("/") == 1:
                for kind, value, *more in entry.payload["items"]:
                    if kind == "json" and issubclass(_class_of(value), BaseChatMessage):
                        add(value["id"], number, path, data=value)
                    elif kind == "steer":
                        add(f"{of}/{path}/{value} steer", number, f"{path}/{value} steer", kind=kind)
                    elif kind == "changed":
                        add(f"{of}/{path}/{value} intervention", number, path)
                    elif kind == "inner":
                        own = bool(more and more[0])
                        add(f"{of}/{path}" if own else _inner_id(record, of, path, value), number, path)
                    elif kind in MADE:
                        add(f"{of}/{path}/{value} {MADE[kind]}", number, path)
            elif entry.kind == "choice":
                for data in entry.payload["say"]:
                    add(data["id"], number, path, data=data, kind="say")
            elif entry.kind == "heard":
                add(f"{of}/{path}", number, path, kind="heard")
            elif entry.kind == "interrupt":
                cut = entry
            elif entry.kind == "turn" and cut is not None:
                add(f"{wrote(cut.seq, conversation, record.marks)}.{number}/{path}", number, path, kind="interrupt")
    return found


def _inner_id(record: RunRecord, of: str, path: str, place: str) -> str:
    """Return the id of a message that a team passed on as what it was said in its conversation."""
    inside = [e for e in record.entries if paths.below(e.path, path)]
    closing = next((e for e in inside if e.kind == "said" and e.path == f"{path}/{place}"), None)
    if closing is None:  # the turn policy itself has said it
        return f"{of}/{path}/{place}"
    kind, value, *_ = closing.payload["items"][-1]
    if kind == "json":
        return str(value["id"])
    return f"{of}/{path}/{place}" if kind == "inner" else f"{of}/{path}/{place}/{value} {MADE.get(kind, 'model')}"


def _tells(entry: Entry) -> bool:
    if "/" in entry.path.partition("/")[2] or ("/" in entry.path and entry.kind != "said" and entry.kind != "heard"):
        return False  # of a conversation inside
    if entry.kind in {"turn", "choice"}:
        return ("interrupted" if entry.kind == "turn" else "say") in entry.payload
    return entry.kind in {"said", "heard", "interrupt"}


def _class_of(data: Payload) -> type[BaseMessage]:
    return messages.class_of(data) or BaseChatMessage


async def fork(
    store: Store,
    of: str,
    *,
    at: int | str = END,
    say: Any = None,
    effects: Effects = "ask",
    definition: Payload | None = None,
    id: str | None = None,
    owner: str = LOCAL_OWNER,
) -> Conversation:
    """Begin a conversation with a part of another, to go on in another way. What it begins with is shared, not copied.

    `team.continue_run(fork.id, store=store)` goes on with the run that was cut, with any team. A fork at the end takes
    a new task: `team.run(task, conversation=fork)`.

    Args:
        store: Where the conversation is kept, and the fork will be.
        of: The run, or the conversation for its last run.
        at: The last message that is kept: its number in the thread, from 1, or its id. Speakers named with it, after
            it, speak again. `"end"` keeps all turns of the run. The path of a step (`3 turn/1 writer/2 search`) keeps
            the steps until there.
        say: What is said in place of that message, or what the step came to: a text, for a step of your own any data.
        effects: What becomes of new calls that are not declared `effect="read"`: `ask` puts each before a person with
            its arguments, `live` makes them.
        definition: What it goes on with, for its journal: `document`, or `app`. By default what the run had.
        id: Of the fork; by default it gets one.
        owner: Whose it is.

    Raises:
        ConfigError: There is no such run, message or step, or `say` does not fit.
        Conflict: There is a conversation of this id.
    """
    checked_effects(effects)
    id_of, number = split_run_id(of)
    kinds = forking.PLACES if at == END else forking.OUTLINE
    parent = _Parent(store, id_of, owner, await store.read(id_of, owner=owner, kinds=kinds))
    if number is not None and number not in parent.runs:
        there = ", ".join(map(str, sorted(parent.runs)))
        raise ConfigError(f"Conversation {parent.id} has no run {number}. It has: {there}.")
    new = store.conversation(id, owner=owner)
    cut, note = await parent.cut(number, at, say, new)
    said: Payload = {"of": parent.wrote(max([cut.upto, *cut.kept])), "effects": effects, "reopens": cut.reopens, **note}
    if say is not None:
        said["replaced"] = True
    first: list[Draft | int] = [*cut.kept, Draft(cut.run, paths.ROOT, "fork", said), *cut.own]
    if definition:
        first.append(Draft(cut.run, paths.ROOT, "definition", definition))
    return await store.fork(new.id, parent=parent.id, upto=cut.upto, first=first, owner=owner)


class _Parent:
    """What a fork branches off, of which only that is read which is needed.

    Raises:
        ConfigError: It is not there.
    """

    def __init__(self, store: Store, id: str, owner: str, outline: list[Entry]) -> None:
        if not outline:
            raise unknown_parent(id)
        self.store, self.id, self.owner, self.outline = store, id, owner, outline
        self.runs = fold(outline)

    def wrote(self, seq: int) -> str:
        """Return the conversation that an entry was written in."""
        return wrote(seq, self.id, self.runs[max(self.runs)].marks) if seq else self.id

    async def entries(self, run: int, turn: str = "") -> list[Entry]:
        """Return the entries of a turn; by default what follows the last closed one of a run."""
        after, last = forking.span(self.outline, run, turn)
        return await self.store.read(
            self.id, owner=self.owner, after=after, limit=None if last is None else last - after
        )

    async def cut(self, number: int | None, at: int | str, say: Any, new: Conversation) -> tuple[Cut, Payload]:
        """Return where to cut, and what the fork notes of it."""
        if at == END:
            if say is not None:
                raise ConfigError("At the end there is no message to say something in place of. Name one: at=5.")
            run = max(self.runs) if number is None else number
            after, _ = forking.span(self.outline, run)
            return forking.at_end(await self.entries(run), run, after), {}
        said = _message(self.id, thread(self.id, self.runs), at)
        if said is None:
            return await self._at_step(number, str(at), say)
        if number not in {None, said.run}:
            raise ConfigError(
                f"Message {said.number} is in run {self.id}.{said.run}, not in run {number}. Fork that one."
            )
        note: Payload = {"message": said.number}
        other = None if say is None else _other(said, say, new)
        if not said.path:
            return forking.at_task(self.outline, said.run, said.place, other), note
        entries = await self.entries(said.run, said.path.partition("/")[0])
        if said.kind == "say" and say is not None:
            raise ConfigError(f"Message {said.number} is the turn policy's own: nothing else can be said in its place.")
        if said.kind in {"said", "say"}:
            return forking.at_speech(entries, said.run, said.path, other), note
        return forking.at_person(entries, said.run, said.path, said.kind, say), note

    async def _at_step(self, number: int | None, at: str, say: Any) -> tuple[Cut, Payload]:
        """Cut at the step that a path names, with or without the id of its run before it."""
        named, slash, rest = at.partition("/")
        of, run = split_run_id(named)
        if slash and of == self.id and run in self.runs:
            number, at = run, rest
        run = max(self.runs) if number is None else number
        entries = await self.entries(run, at.partition("/")[0])
        if at.count("/") < 2 or not any(entry.path == at and entry.run == run for entry in entries):
            raise ConfigError(
                f"Run {self.id}.{run} has no message and no step {at!r}. `quorate show {self.id} --ids` lists the "
                "messages, `--entries` the steps."
            )
        return forking.at_step(entries, run, at, None if say is None else lambda: say), {"step": at}


def _message(parent: str, known: Sequence[Said], at: int | str) -> Said | None:
    """Return the message that a number or an id names; None for a text that is neither."""
    if isinstance(at, str) and not at.lstrip("-").isdecimal():
        return next((said for said in known if said.id == at), None)
    number = int(at)
    if isinstance(at, bool) or not 1 <= number <= len(known):
        raise ConfigError(
            f"Conversation {parent} has messages 1 to {len(known)}, no message {at}. `quorate show {parent} --ids` "
            "numbers them."
        )
    return known[number - 1]


def _other(said: Said, text: Any, new: Conversation) -> Payload:
    """Return a message with other words, dumped; what it is in the thread stays."""
    if not isinstance(text, str):
        raise ConfigError(f"What is said in place of message {said.number} is a text, not {text!r}.")
    place = said.path or "task"
    suffix = f"#{said.place}" if said.place else ""
    made: Payload = {"id": f"{new.id}.{said.run}/{place}{suffix}", "created_at": messages.at(new.store.clock.now_us())}
    if said.data is not None and isinstance(said.data.get("content"), str):
        return messages.load({**said.data, **made, "content": text, "models_usage": None}).journaled()
    source = paths.elements(said.path)[-1][1] if said.path else str((said.data or {}).get("source", "user"))
    return messages.TextMessage(content=text, source=source, **made).dump()
