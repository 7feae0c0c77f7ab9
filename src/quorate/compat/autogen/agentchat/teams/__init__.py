"""AutoGen's teams."""

from quorate.compat.autogen.choosing import SelectorGroupChat
from quorate.compat.autogen.graph import DiGraph, DiGraphBuilder, DiGraphEdge, DiGraphNode, GraphFlow
from quorate.compat.autogen.groupchat import BaseGroupChat
from quorate.compat.autogen.planning import MagenticOneGroupChat
from quorate.compat.autogen.teams import RoundRobinGroupChat, Swarm

__all__ = [
    "BaseGroupChat",
    "DiGraph",
    "DiGraphBuilder",
    "DiGraphEdge",
    "DiGraphNode",
    "GraphFlow",
    "MagenticOneGroupChat",
    "RoundRobinGroupChat",
    "SelectorGroupChat",
    "Swarm",
]
