"""Why an edge of a graph fired or did not: read from the journal of a run, that goes on or is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from quorate.chat.graph.shape import DiGraph
from quorate.errors import ConfigError
from quorate.runs import paths
from quorate.runs.entries import LOCAL_OWNER, Entry, run_id, split_run_id
from quorate.runs.history import sorted_entries
from quorate.runs.journal import Store


class Decided(NamedTuple):
    """What an edge came to when its source had spoken.

    Args:
        turn: In which its source spoke.
        source: Where it comes from.
        target: Where it leads.
        fired: Whether it fired.
        why: The condition and what it came to, or the bound; empty for an edge that always fires.
    """

    turn: int
    source: str
    target: str
    fired: bool
    why: str

    def __str__(self) -> str:
        did = "fired" if self.fired else "did not fire"
        return f"turn {self.turn}: {self.source} → {self.target} {did}{f' ({self.why})' if self.why else ''}"


def decided(note: Any, spoke: Mapping[str, int], turn: int) -> list[Decided]:
    """Return what edges came to, from the note of the choice of a turn; nothing where it is no graph's.

    Args:
        note: The note.
        spoke: In which turn each has spoken last.
        turn: The number of the turn that came of it.
    """
    rows: list[tuple[str, int, str, int, str]] = []
    if isinstance(note, dict):
        rows = cast("dict[str, Any]", note).get("edges", [])
    return [
        Decided(spoke.get(source, turn - 1), source, target, bool(fired), why) for source, _, target, fired, why in rows
    ]


class Explanation:
    """What became of a graph's edges in a run.

    Attributes:
        run_id: Of the run.
        edges: What was decided, in order.
        spoke: Who has spoken, and in which turns.
    """

    def __init__(self, run_id: str, entries: Iterable[Entry], graph: DiGraph | None = None) -> None:
        self.run_id, self._graph = run_id, graph
        self.edges: list[Decided] = []
        self.spoke: dict[str, list[int]] = {}
        for entry in entries:
            turn = paths.elements(entry.path)[0][0] if entry.path else 0
            if entry.kind == "said" and entry.path.count("/") == 1:
                self.spoke.setdefault(paths.elements(entry.path)[1][1], []).append(turn)
            elif entry.kind == "choice" and "/" not in entry.path:
                spoke = {name: max(turns) for name, turns in self.spoke.items()}
                self.edges += decided(entry.payload.get("note"), spoke, turn)

    def why(self, target: str, source: str = "") -> str:
        """Return in words why a node has spoken, or has not; with `source`, about the edge from there alone."""
        found = [d for d in self.edges if d.target == target and source in {"", d.source}]
        lines = [str(d) for d in found]
        if not source:
            turns = self.spoke.get(target, ())
            lines.insert(
                0, f"{target} spoke in turn {', '.join(map(str, turns))}." if turns else f"{target} has not spoken."
            )
        lines += self._not_asked(target, source, {d.source for d in found})
        return "\n".join(lines)

    def _not_asked(self, target: str, source: str, asked: set[str]) -> list[str]:
        if self._graph is None:
            return []
        if target not in self._graph.nodes:
            raise ConfigError(f"There is no node {target!r}. There are: {', '.join(self._graph.nodes)}.")
        found = [
            f"{before} → {target} was not asked: {before} has not spoken."
            for before in self._graph.get_parents()[target]
            if before not in asked and source in {"", before} and before not in self.spoke
        ]
        for group in self._graph.groups.values():
            if group.target == target and len(group.ways) > 1:
                need = "all" if group.activation == "all" else "any" if group.need == 1 else f"{group.need}"
                of = ", ".join(dict.fromkeys(way.source for way in group.ways))
                found.append(f"{target} starts once {need} of the edges from {of} have fired.")
        return found

    def __str__(self) -> str:
        return "\n".join(map(str, self.edges))


async def explain(id: str, *, store: Store, owner: str = LOCAL_OWNER, graph: DiGraph | None = None) -> Explanation:
    """Tell what became of a graph's edges in a run, and why.

    Args:
        id: Of the run, or of the conversation for its last run.
        store: Where it is kept.
        owner: Whose it is.
        graph: The graph, to tell of edges too whose source never spoke.

    Raises:
        ConfigError: There is no such run.
    """
    conversation, number = split_run_id(id)
    entries = await store.read(conversation, owner=owner, kinds=("run", "choice", "said"))
    numbers = {entry.run for entry in entries}
    if not entries or (number is not None and number not in numbers):
        raise ConfigError(f"There is no run {id} here. `quorate runs` lists them.")
    number = max(numbers) if number is None else number
    ours = sorted_entries([entry for entry in entries if entry.run == number])
    return Explanation(run_id(conversation, number), ours, graph)
