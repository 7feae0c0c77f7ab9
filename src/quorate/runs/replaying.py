"""Doing a recorded run again: every step answers from the journal, every entry is compared."""

from __future__ import annotations

import json
from typing import Any

from quorate.errors import Divergence
from quorate.runs import paths
from quorate.runs.entries import Entry, Payload
from quorate.runs.journal import Conversation, MemoryJournal
from quorate.runs.outcome import Limits
from quorate.runs.run import Parked, Run


class ReplayOver(Parked):
    """The journal ends here, in the middle of a turn; so does the replay."""


class ReplayRun(Run):
    """A run whose entries exist already. Appending compares; nothing is written and nothing outside is called.

    Args:
        conversation: What it belongs to.
        number: Of the run.
        limits: Its limits.
        recorded: All its entries that shall be met again, by path.
        past: Everything before them, in canonical order.
    """

    def __init__(
        self,
        conversation: Conversation,
        number: int,
        limits: Limits,
        *,
        recorded: dict[str, list[Entry]],
        past: list[Entry],
    ) -> None:
        journal = MemoryJournal(conversation.id, conversation.owner, conversation.store.clock)
        super().__init__(conversation, journal, number, limits, recorded=recorded, past=past)
        self.append = self._append
        self.is_replay = self.asks_first = True
        self.compared: int = 0
        self.open_turns: frozenset[str] = frozenset()
        self.keyed_paths: dict[str, str] = {}

    def _append(self, path: str, kind: str, payload: Payload) -> Entry:
        """Compare an entry with the recorded one, and return that."""
        entries = self.recorded.get(path, [])
        found = next((e for e in entries if e.kind == kind), None)
        if found is None and path.partition("/")[0] in self.open_turns:
            raise ReplayOver(f"The journal ends before the {kind} at {paths.shown(path)}.")
        if found is None:
            raise Divergence(
                f"{paths.shown(path) or 'the run'}: the code now writes a {kind} that the journal does not have.",
                path=path, got=payload,
            )  # fmt: skip
        entries.remove(found)
        if not entries:
            self.recorded.pop(path, None)
        self.compare(found, payload)
        return found

    def keyed_path(self, path: str) -> str:
        return self.keyed_paths.get(path, path)

    def recall(self, path: str) -> list[Entry]:
        entries = super().recall(path)
        self.compared += len(entries)
        return entries

    def compare(self, entry: Entry, payload: Payload, *, without: frozenset[str] = frozenset()) -> None:
        """Make sure that a payload is the recorded one.

        Raises:
            Divergence: It is not; names the first field that differs.
        """
        self.compared += 1
        expected, got = _plain(entry.payload), _plain(payload)
        for name in sorted((set(expected) | set(got)) - without):
            if expected.get(name) != got.get(name):
                raise Divergence(
                    f"{paths.shown(entry.path) or 'the run'}: the journal's {entry.kind} (entry {entry.seq}) has "
                    f"{name}={expected.get(name)!r}, the code now gives {got.get(name)!r}.",
                    path=entry.path, expected=expected.get(name), got=got.get(name),
                )  # fmt: skip

    def missing(self, path: str, what: str) -> Exception:
        """Return what to raise where the code wants an outcome that the journal does not have."""
        if self.recorded and path.partition("/")[0] not in self.open_turns:
            first = min(self.recorded, key=paths.sort_key)
            return Divergence(
                f"{paths.shown(path)}: the code now makes {what}; the journal goes on with a "
                f"{self.recorded[first][0].kind} at {paths.shown(first)}.",
                path=path, expected=first, got=what,
            )  # fmt: skip
        return ReplayOver(f"The journal ends before {paths.shown(path)}.")


def _plain(payload: Payload) -> dict[str, Any]:
    return json.loads(json.dumps(payload, default=str))
