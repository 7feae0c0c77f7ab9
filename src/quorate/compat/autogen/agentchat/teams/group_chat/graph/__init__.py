"""Graphs of speakers, where AutoGen keeps them."""

from quorate.compat.autogen.following import GraphFlowManager
from quorate.compat.autogen.graph import DiGraph, DiGraphBuilder, DiGraphEdge, DiGraphNode, GraphFlow

__all__ = ["DiGraph", "DiGraphBuilder", "DiGraphEdge", "DiGraphNode", "GraphFlow", "GraphFlowManager"]
