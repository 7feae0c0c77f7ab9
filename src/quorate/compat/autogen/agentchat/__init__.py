"""AutoGen's chat: agents that talk in teams, under its names."""

TRACE_LOGGER_NAME = "autogen_agentchat"
EVENT_LOGGER_NAME = "autogen_agentchat.events"
__version__ = "0.7.5"
"""The AutoGen whose names these are."""

__all__ = ["EVENT_LOGGER_NAME", "TRACE_LOGGER_NAME", "__version__"]
