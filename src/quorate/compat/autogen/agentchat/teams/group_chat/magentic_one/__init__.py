"""The team with a planner, where AutoGen keeps it."""

from quorate.compat.autogen.planning import MagenticOneGroupChat

__all__ = ["MagenticOneGroupChat"]
