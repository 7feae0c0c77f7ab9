"""AutoGen's agents."""

from quorate.compat.autogen.assistant import AssistantAgent
from quorate.compat.autogen.filtering import MessageFilterAgent, MessageFilterConfig, PerSourceFilter
from quorate.compat.autogen.person import UserProxyAgent
from quorate.compat.autogen.society import SocietyOfMindAgent
from quorate.compat.autogen.speaking import BaseChatAgent

__all__ = [
    "AssistantAgent",
    "BaseChatAgent",
    "MessageFilterAgent",
    "MessageFilterConfig",
    "PerSourceFilter",
    "SocietyOfMindAgent",
    "UserProxyAgent",
]
