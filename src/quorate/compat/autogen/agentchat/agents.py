"""AutoGen's agents."""

from quorate.compat.autogen.assistant import AssistantAgent
from quorate.compat.autogen.coder import ApprovalFuncType, ApprovalRequest, ApprovalResponse, CodeExecutorAgent
from quorate.compat.autogen.filtering import MessageFilterAgent, MessageFilterConfig, PerSourceFilter
from quorate.compat.autogen.person import UserProxyAgent
from quorate.compat.autogen.society import SocietyOfMindAgent
from quorate.compat.autogen.speaking import BaseChatAgent

__all__ = [
    "ApprovalFuncType",
    "ApprovalRequest",
    "ApprovalResponse",
    "AssistantAgent",
    "BaseChatAgent",
    "CodeExecutorAgent",
    "MessageFilterAgent",
    "MessageFilterConfig",
    "PerSourceFilter",
    "SocietyOfMindAgent",
    "UserProxyAgent",
]
