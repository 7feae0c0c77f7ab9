"""Drawing a graph as Mermaid text, which editors, wikis and `mermaid.live` show as a picture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quorate.chat.graph.shape import DiGraph, DiGraphEdge, Group

MOST_LABEL = 40


def draw(graph: DiGraph, marked: Iterable[str] = ()) -> str:
    """Return the drawing: starts are round, conditions stand at their edges, and what is `marked` is red."""
    names = list(dict.fromkeys([*graph.nodes, *[edge.target for _, edge in graph.edges()]]))
    ids = {name: f"n{i}" for i, name in enumerate(names)}
    lines = ["flowchart TD"]
    for name, id in ids.items():
        label = _text(name)
        lines.append(f'    {id}(["{label}"])' if name in graph.starts else f'    {id}["{label}"]')
    for way, edge in graph.edges():
        group = graph.groups[edge.target, edge.activation_group or edge.target]
        label = _label(edge, group)
        arrow = f'-- "{label}" -->' if label else "-->"
        lines.append(f"    {ids[way.source]} {arrow} {ids[edge.target]}")
    red = [ids[name] for name in marked if name in ids]
    if red:
        lines += ["    classDef wrong stroke:#d00,stroke-width:3px", f"    class {','.join(red)} wrong"]
    return "\n".join(lines) + "\n"


def _label(edge: DiGraphEdge, group: Group) -> str:
    words = [edge.words] if edge.words else []
    if edge.at_most is not None:
        words.append(f"at most {edge.at_most}")
    if len(group.ways) > 1 and group.activation != "all":
        words.append("any" if group.activation == "any" else f"{group.need} of {len(group.ways)}")
    if edge.activation_group and edge.activation_group != edge.target:
        words.append(f"group {edge.activation_group}")
    return _text(", ".join(words))


def _text(text: str) -> str:
    """Return a text as it can stand in quotes."""
    short = " ".join(text.split())
    short = short if len(short) <= MOST_LABEL else f"{short[: MOST_LABEL - 1]}…"
    return short.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
