"""AutoGen's teams."""

from quorate.compat.autogen.choosing import SelectorGroupChat
from quorate.compat.autogen.groupchat import BaseGroupChat
from quorate.compat.autogen.teams import RoundRobinGroupChat, Swarm

__all__ = ["BaseGroupChat", "RoundRobinGroupChat", "SelectorGroupChat", "Swarm"]
