"""Quorate: agents, people and tools that collaborate by talking; bounded, durable, replayable."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quorate.chat.agent import Agent
    from quorate.chat.agents.agent_tool import AgentTool, TeamTool
    from quorate.chat.agents.assistant import AssistantAgent
    from quorate.chat.agents.coder import CodeExecutorAgent
    from quorate.chat.agents.filtering import MessageFilterAgent
    from quorate.chat.agents.person import answering
    from quorate.chat.agents.society import SocietyOfMindAgent
    from quorate.chat.agents.user import UserProxyAgent
    from quorate.chat.chats import Chat, NestedChats, Summary
    from quorate.chat.console import Console
    from quorate.chat.delegate import Delegate
    from quorate.chat.ending.conditions import (
        CostTermination,
        ExternalTermination,
        FunctionalTermination,
        FunctionCallTermination,
        HandoffTermination,
        MaxMessageTermination,
        NoProgressTermination,
        ResultTermination,
        SourceMatchTermination,
        StopMessageTermination,
        TextMentionTermination,
        TextMessageTermination,
        TimeoutTermination,
        TokenUsageTermination,
    )
    from quorate.chat.ending.stopping import Condition
    from quorate.chat.files.document import load_team
    from quorate.chat.graph import DiGraph, DiGraphBuilder, DiGraphEdge, DiGraphNode, GraphFlow, quorum
    from quorate.chat.handoff import Handoff
    from quorate.chat.magentic import MagenticOneGroupChat
    from quorate.chat.messages import HandoffMessage, MultiModalMessage, StopMessage, TaskResult, TextMessage
    from quorate.chat.past.compare import compare
    from quorate.chat.past.fork import fork
    from quorate.chat.past.replay import replay
    from quorate.chat.patterns.consensus import Consensus
    from quorate.chat.patterns.debate import Debate
    from quorate.chat.patterns.review import Review
    from quorate.chat.patterns.vote import IndependentVote
    from quorate.chat.selector import SelectorGroupChat
    from quorate.chat.speech import Turn
    from quorate.chat.structured import StructuredMessage
    from quorate.chat.team import RoundRobinGroupChat, Swarm, Team
    from quorate.models.image import Image
    from quorate.runs.budget import Budget
    from quorate.runs.effects import effects
    from quorate.runs.memory import conversation
    from quorate.runs.open import open_store
    from quorate.runs.outcome import Limits, Outcome
    from quorate.runs.prices import Price
    from quorate.runs.questions import Expiry, Question, ask
    from quorate.runs.scope import branch
    from quorate.runs.steps import step
    from quorate.tools.tool import Approval, OperationKey, Tool, tool

_HOMES = {
    "quorate.chat.agent": ["Agent"],
    "quorate.chat.agents.agent_tool": ["AgentTool", "TeamTool"],
    "quorate.chat.agents.assistant": ["AssistantAgent"],
    "quorate.chat.chats": ["Chat", "NestedChats", "Summary"],
    "quorate.chat.agents.coder": ["CodeExecutorAgent"],
    "quorate.chat.past.compare": ["compare"],
    "quorate.chat.ending.conditions": [
        "CostTermination",
        "ExternalTermination",
        "FunctionCallTermination",
        "FunctionalTermination",
        "HandoffTermination",
        "MaxMessageTermination",
        "NoProgressTermination",
        "ResultTermination",
        "SourceMatchTermination",
        "StopMessageTermination",
        "TextMentionTermination",
        "TextMessageTermination",
        "TimeoutTermination",
        "TokenUsageTermination",
    ],
    "quorate.chat.console": ["Console"],
    "quorate.chat.delegate": ["Delegate"],
    "quorate.chat.files.document": ["load_team"],
    "quorate.chat.agents.filtering": ["MessageFilterAgent"],
    "quorate.chat.past.fork": ["fork"],
    "quorate.chat.graph": ["DiGraph", "DiGraphBuilder", "DiGraphEdge", "DiGraphNode", "GraphFlow", "quorum"],
    "quorate.chat.handoff": ["Handoff"],
    "quorate.chat.magentic": ["MagenticOneGroupChat"],
    "quorate.chat.messages": ["HandoffMessage", "MultiModalMessage", "StopMessage", "TaskResult", "TextMessage"],
    "quorate.chat.patterns.consensus": ["Consensus"],
    "quorate.chat.patterns.debate": ["Debate"],
    "quorate.chat.patterns.review": ["Review"],
    "quorate.chat.patterns.vote": ["IndependentVote"],
    "quorate.chat.agents.person": ["answering"],
    "quorate.chat.past.replay": ["replay"],
    "quorate.chat.selector": ["SelectorGroupChat"],
    "quorate.chat.agents.society": ["SocietyOfMindAgent"],
    "quorate.chat.speech": ["Turn"],
    "quorate.chat.ending.stopping": ["Condition"],
    "quorate.chat.structured": ["StructuredMessage"],
    "quorate.chat.team": ["RoundRobinGroupChat", "Swarm", "Team"],
    "quorate.chat.agents.user": ["UserProxyAgent"],
    "quorate.models.image": ["Image"],
    "quorate.runs.budget": ["Budget"],
    "quorate.runs.effects": ["effects"],
    "quorate.runs.memory": ["conversation"],
    "quorate.runs.open": ["open_store"],
    "quorate.runs.outcome": ["Limits", "Outcome"],
    "quorate.runs.prices": ["Price"],
    "quorate.runs.questions": ["Expiry", "Question", "ask"],
    "quorate.runs.scope": ["branch"],
    "quorate.runs.steps": ["step"],
    "quorate.tools.tool": ["Approval", "OperationKey", "Tool", "tool"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Agent",
    "AgentTool",
    "Approval",
    "AssistantAgent",
    "Budget",
    "Chat",
    "CodeExecutorAgent",
    "Condition",
    "Consensus",
    "Console",
    "CostTermination",
    "Debate",
    "Delegate",
    "DiGraph",
    "DiGraphBuilder",
    "DiGraphEdge",
    "DiGraphNode",
    "Expiry",
    "ExternalTermination",
    "FunctionCallTermination",
    "FunctionalTermination",
    "GraphFlow",
    "Handoff",
    "HandoffMessage",
    "HandoffTermination",
    "Image",
    "IndependentVote",
    "Limits",
    "MagenticOneGroupChat",
    "MaxMessageTermination",
    "MessageFilterAgent",
    "MultiModalMessage",
    "NestedChats",
    "NoProgressTermination",
    "OperationKey",
    "Outcome",
    "Price",
    "Question",
    "ResultTermination",
    "Review",
    "RoundRobinGroupChat",
    "SelectorGroupChat",
    "SocietyOfMindAgent",
    "SourceMatchTermination",
    "StopMessage",
    "StopMessageTermination",
    "StructuredMessage",
    "Summary",
    "Swarm",
    "TaskResult",
    "Team",
    "TeamTool",
    "TextMentionTermination",
    "TextMessage",
    "TextMessageTermination",
    "TimeoutTermination",
    "TokenUsageTermination",
    "Tool",
    "Turn",
    "UserProxyAgent",
    "answering",
    "ask",
    "branch",
    "compare",
    "conversation",
    "effects",
    "fork",
    "load_team",
    "open_store",
    "quorum",
    "replay",
    "step",
    "tool",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for, so that importing one costs only what it needs."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'quorate' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
