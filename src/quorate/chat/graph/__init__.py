"""Teams whose turns follow a graph: `GraphFlow`, `DiGraphBuilder`, and what a graph is made of."""

from __future__ import annotations

from quorate.chat.graph.builder import DiGraphBuilder
from quorate.chat.graph.explaining import Explanation, explain
from quorate.chat.graph.flow import GraphFlow
from quorate.chat.graph.policy import Graph
from quorate.chat.graph.shape import DiGraph, DiGraphEdge, DiGraphNode, quorum

__all__ = [
    "DiGraph",
    "DiGraphBuilder",
    "DiGraphEdge",
    "DiGraphNode",
    "Explanation",
    "Graph",
    "GraphFlow",
    "explain",
    "quorum",
]
