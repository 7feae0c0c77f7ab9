"""Rebuilding from a journal alone what every model was asked, to the letter."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from quorate.chat import messages
from quorate.chat.agents.coding import RUN_CODE, ran_block
from quorate.chat.derived import summary_of
from quorate.chat.facts import Fact
from quorate.chat.hearing import words_of
from quorate.chat.speech import MAKES, RunOf, steps_of
from quorate.chat.talk import facts_of
from quorate.errors import StoreError
from quorate.models.blocks import Block, Blocks, Origin, Reasoning, Reply, Said, ToolCall, ToolResult
from quorate.models.calls import answer_of, request_digest
from quorate.models.client import ModelRequest, ToolSpec
from quorate.models.image import Image
from quorate.runs import paths
from quorate.runs.entries import Entry, run_id


class Asking(NamedTuple):
    """A request as the journal has it; `digest` is empty where nothing is hashed."""

    request: ModelRequest
    digest: str


class Rebuilding:
    """Folds over a conversation's entries, in the order they were written, and rebuilds its requests."""

    def __init__(self, conversation: str) -> None:
        self.requests: dict[str, list[Asking]] = {}
        self.by_entry: dict[int, Asking] = {}
        self._conversation = conversation
        self._parts: dict[str, str] = {}
        self._said: dict[str, Said] = {}
        self._replies: dict[str, Reply] = {}
        self._speech: dict[str, list[Entry]] = {}

    def see(self, entry: Entry) -> None:
        """Take in the next entry."""
        ref = f"{entry.run}:{entry.path}"
        if entry.kind == "run":
            for i, message in enumerate(entry.payload["task"]):
                self._see_message(message, "person", f"{entry.run}:#{i}")
        elif entry.kind == "choice":
            for i, message in enumerate(entry.payload.get("say", ())):
                self._see_message(message, "agent", f"{ref}#{i}")
            if "say" in entry.payload and "/" in entry.path:
                self._note(entry)  # a team may pass it on
        elif entry.kind in {"heard", "interrupt"}:
            self._hear(entry, ref)
        elif entry.kind in MAKES:
            if entry.kind == "steer":
                self._hear(entry, ref)
            self._note(entry)
            if entry.kind == "reply":
                reply = self._replies[ref] = answer_of(entry, ref).reply
                if reply.text.strip():
                    self._said[ref] = summary_of(reply.text, ref)
            elif entry.kind == "result" and entry.path.endswith(f" {RUN_CODE}"):
                self._said[ref] = ran_block(entry.payload, ref)
        elif entry.kind == "said":
            self._see_speech(entry, ref)
            self._note(entry)
        elif entry.kind == "outcome":
            self._speech.setdefault(ref, []).append(entry)
        elif entry.kind == "task":
            for i, item in enumerate(entry.payload["task"]):
                if not isinstance(item, str):
                    place = f"{ref}#{i}"
                    self._see_message(item, "agent", place)
        elif entry.kind == "call":
            self._see_call(entry, ref)

    def _see_message(self, message: dict[str, Any], origin: Origin, place: str) -> None:
        loaded = messages.load(message)
        assert isinstance(loaded, messages.BaseChatMessage)
        self._said[place] = loaded.to_block(origin, place)

    def _note(self, entry: Entry) -> None:
        """Keep an entry with the speech that it is in, and with those around that."""
        path = paths.parent(entry.path)
        self._speech.setdefault(f"{entry.run}:{path}", []).append(entry)
        while path.count("/") > 1:
            path = paths.parent(path)
            self._speech.setdefault(f"{entry.run}:{path}", []).append(entry)

    def _hear(self, entry: Entry, ref: str) -> None:
        text, by = words_of(entry.payload)
        self._said[ref] = Said(text, by, "person", ref)

    def _see_speech(self, entry: Entry, ref: str) -> None:
        name = paths.elements(entry.path)[-1][1]
        told: Any = RunOf(run_id(self._conversation, entry.run), entry.run)
        facts = facts_of(entry, self._speech.get(ref, []), name, told)
        last = facts[-1] if facts else Fact()
        if last.message is not None and not entry.payload.get("interrupted"):
            self._said[ref] = last.message.to_block(last.origin, ref)

    def _see_call(self, entry: Entry, ref: str) -> None:
        said = entry.payload
        base = said.get("base", "")
        text = self._parts[ref] = said["parts"] if "parts" in said else self._parts[base]
        parts = json.loads(text)
        before = self.requests[base][-1].request.blocks if base else Blocks()
        request = ModelRequest(
            blocks=before.plus(*[self._block("=" + base if r == "=" else r) for r in said["blocks"]]),
            system=parts["system"],
            tools=tuple(ToolSpec(*tool) for tool in parts.get("tools", ())),
            tool_choice=parts.get("tool_choice", "auto"),
            output_schema=parts.get("output_schema"),
            max_tokens=said["cap"],
            temperature=parts.get("temperature"),
            seed=parts.get("seed"),
        )
        asking = self.by_entry[entry.seq] = Asking(request, said.get("digest", ""))
        self.requests.setdefault(ref, []).append(asking)

    def _block(self, reference: str) -> Block:
        if reference.startswith("["):
            source, text, *more = json.loads(reference)
            if source is None:
                return _reply(text, *more)
            parts = tuple(p if isinstance(p, str) else Image.from_base64(p["data"]) for p in (more[0] if more else ()))
            return Said(text, source, parts=parts)
        if not reference.startswith("="):
            return self._said[reference]
        ref, _, results = reference[1:].partition("+")
        reply = self._replies.get(ref)
        if reply is None:
            return Reply(self._said[ref].text, ref=ref)
        if not results:
            return reply.unasking()
        parent, _, last = ref.rpartition("/")
        made = steps_of(self._speech[parent], parent.partition(":")[2])
        return _answered(reply, [made[int(last.partition(" ")[0]) + 1 + i].value for i in range(int(results))])


def _reply(text: str, calls: Any = (), results: Any = (), reasoning: Any = ()) -> Reply:
    """Return a reply that is no entry's, such as one that was handed over with a conversation."""
    return Reply(
        text, tuple(ToolCall(*call) for call in calls), tuple(Reasoning(*thought) for thought in reasoning),
        tuple(ToolResult(*result) for result in results),
    )  # fmt: skip


def _answered(reply: Reply, results: list[Any]) -> Reply:
    return reply.answered(
        [
            ToolResult(call.id, call.name, said["content"], bool(said.get("error")))
            for call, said in zip(reply.calls, results, strict=True)
        ]
    )


def requests(conversation: str, entries: Iterable[Entry]) -> dict[str, list[Asking]]:
    """Return every request of a conversation by `run:path`, one for each attempt."""
    fold = Rebuilding(conversation)
    for entry in entries:
        fold.see(entry)
    return fold.requests


def by_entry(conversation: str, entries: Iterable[Entry]) -> dict[int, Asking]:
    """Return every request of a conversation by the number of its entry; none that refers to what was erased."""
    fold = Rebuilding(conversation)
    erased = False
    for entry in entries:
        erased = erased or "erased" in entry.payload
        try:
            fold.see(entry)
        except (LookupError, ValueError, TypeError):
            if not erased:
                raise
    return fold.by_entry


def check_digest(asking: Asking, fingerprint: Any, where: str) -> None:
    """Make sure that a rebuilt request is the one that was sent.

    Raises:
        StoreError: It is not.
    """
    if asking.digest and request_digest(asking.request, fingerprint) != asking.digest:
        raise StoreError(f"{where}: the journal's text is not what the model was asked.")
