"""What people tell a run that is going on, as those hear it who talk.

A message that is there between two turns is a turn of its own: everybody hears it. One that steers an agent is a step
of its speech, taken in before the agent's next model call. Both are messages of the thread, said by a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quorate.chat.facts import Fact
from quorate.core.lazy import lazy
from quorate.runs import paths
from quorate.runs.entries import LOCAL_OWNER, Entry, Payload
from quorate.runs.inbox import Note
from quorate.runs.journal import Store
from quorate.runs.run import MESSAGES, Run, said_by

if TYPE_CHECKING:
    from quorate.chat import messages
    from quorate.chat.feed import Feed
    from quorate.chat.talk import Talk
else:
    messages = lazy("quorate.chat.messages")

WORDLESS = "(interrupted)"
"""What is heard of somebody who interrupts without a word."""


def words_of(said: Payload) -> tuple[str, str]:
    """Return what a person said and who it was."""
    return said.get("text") or WORDLESS, said.get("by") or "user"


def fact_of(said: Payload, at: int, id: str, ref: str) -> Fact:
    """Return what a person said to a run as a fact; it is a person's, and no member's."""
    text, by = words_of(said)
    metadata = {"to": said["to"]} if said.get("to") else {}
    message = messages.TextMessage(content=text, source=by, id=id, created_at=messages.at(at), metadata=metadata)
    return Fact(message=message, at=at, ref=ref)


def fact_heard(entry: Entry, conversation: str) -> Fact:
    """Return the fact that the entry of a message or an interruption stands for."""
    id = f"{conversation}.{entry.run}/{entry.path}"
    return fact_of(entry.payload, entry.at, id, f"{entry.run}:{entry.path}")


def hear(run: Run, path: str, talk: Talk, feed: Feed) -> bool:
    """Take in, as the turn at `path`, what people said since the last one; return whether there was anything."""
    found = list(_taken(run, path))
    if not found:
        return False
    talk.turn += 1
    talk.over = ""
    for entry in found:
        fact = fact_heard(entry, run.journal.conversation)
        talk.see(fact)
        feed.tell(fact.message)
        run.at = max(run.at, entry.at)
    run.append(path, "turn", {})
    return True


def cut_late(run: Run, path: str, entries: list[Entry]) -> None:
    """Cut the turn short that was open when somebody interrupted a process that ended before it noticed."""
    note = next((note for note in run.mail.values() if note.kind == "interrupt"), None)
    if note is not None and {"choice", "interrupt"} & {e.kind for e in entries} == {"choice"}:
        run.take(note)
        entries.append(run.append(path, "interrupt", said_by(note)))


def _taken(run: Run, path: str) -> Iterator[Entry]:
    count = 1
    while (inside := paths.child(path, count, "heard")) in run.recorded:  # cut by a crash
        yield run.recall(inside)[0]
        count += 1
    if run.recorded:  # the open turn comes first
        return
    for note in [note for note in run.mail.values() if note.kind in MESSAGES]:
        run.take(note)
        yield run.append(paths.child(path, count, "heard"), "heard", said_by(note))
        count += 1


async def post(
    store: Store, run: tuple[str, int], kind: str, text: str = "", *, to: str = "", by: str = "user",
    owner: str = LOCAL_OWNER,
) -> Note:  # fmt: skip
    """Tell a run something through its conversation's inbox, from any process.

    Args:
        store: Where it is kept.
        run: Its conversation and its number in there.
        kind: `steer`, `queue`, `interrupt`, `stop`, `pause` or `unpause`.
        text: In words.
        to: Which agent is to hear it first.
        by: Who says it.
        owner: Whose the run is.
    """
    said: Payload = {"run": run[1], "by": by}
    if text:
        said["text"] = text
    if to:
        said["to"] = to
    import secrets  # loads a good deal, for what few runs need

    note = Note(f"{kind}-{secrets.token_hex(8)}", kind, said)
    await store.post(run[0], note, owner=owner)
    return note
