"""Models: what goes to them and comes back, and how they are asked."""

from quorate.models.blocks import Block, Blocks, Reasoning, Reply, Said, ToolCall, ToolResult
from quorate.models.client import (
    Answer,
    CallDelta,
    Finished,
    ModelClient,
    ModelEvent,
    ModelInfo,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolSpec,
    Usage,
    collect,
)
from quorate.models.order import in_order

__all__ = [
    "Answer",
    "Block",
    "Blocks",
    "CallDelta",
    "Finished",
    "ModelClient",
    "ModelEvent",
    "ModelInfo",
    "ModelRequest",
    "Reasoning",
    "ReasoningDelta",
    "Reply",
    "Said",
    "TextDelta",
    "ToolCall",
    "ToolResult",
    "ToolSpec",
    "Usage",
    "collect",
    "in_order",
]
