"""An agent that sees only some messages of the thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quorate.chat.agent import Agent, Speaker
from quorate.chat.facts import Fact
from quorate.chat.objects.seats import speaks
from quorate.chat.speech import Turn, spoken
from quorate.errors import ConfigError
from quorate.models.blocks import Blocks
from quorate.models.views import MessageFilterConfig

if TYPE_CHECKING:
    from quorate.chat.messages import BaseChatMessage


class MessageFilterAgent(Agent):
    """Lets an agent speak that sees only some messages: of some sources, the first or the last of them.

    Its own side an agent always sees.

    Args:
        name: Who it is in the thread.
        wrapped_agent: Who speaks.
        filter: What it sees.

    Raises:
        ConfigError: The filter is none, or who is behind it cannot speak, or sums up its conversation.
    """

    def __init__(self, name: str, wrapped_agent: Speaker, filter: MessageFilterConfig) -> None:
        if not speaks(wrapped_agent):
            raise ConfigError(
                f"{name}: {wrapped_agent!r} cannot speak. Give an agent; for one that is made for each conversation "
                "give the team a function that makes all of it: lambda: MessageFilterAgent(…)."
            )
        super().__init__(name, description=f"{wrapped_agent.description} (with message filtering)")
        if not isinstance(filter, MessageFilterConfig):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(f"{name}: filter={filter!r} must be a MessageFilterConfig.")
        self.wrapped_agent, self.filter = wrapped_agent, filter
        if callable(getattr(getattr(wrapped_agent, "model_context", None), "due", None)):
            raise ConfigError(
                f"{name}: the model_context of {wrapped_agent.name} sums up, and behind a filter it would count what "
                "is left out. Take one that leaves blocks out."
            )
        self.limits = wrapped_agent.limits if isinstance(wrapped_agent, Agent) else None  # a team's are of its own talk
        self.tools: Any = getattr(wrapped_agent, "tools", {})
        self.model_client: Any = getattr(wrapped_agent, "model_client", None)
        self.origin: Any = getattr(wrapped_agent, "origin", "agent")
        inner: Any = wrapped_agent
        if hasattr(inner, "begin") and hasattr(inner, "see"):
            self.begin: Any = inner.begin
            self.see = self._see

    def _see(self, memory: Any, fact: Fact) -> Any:
        inner: Any = self.wrapped_agent
        return inner.see(memory, fact.spoken_by(inner.name) if fact.speaker == self.name else fact)

    async def speak(self, turn: Turn) -> BaseChatMessage:
        """Let the agent speak with what it may see."""
        turn.see_only(self.filter.among([message.source for message in turn.thread]))
        if isinstance(turn.memory, Blocks):
            turn.memory = self.filter.view(turn.memory)
        said = await spoken(self.wrapped_agent.speak(turn))
        return said if said.source == turn.name else said.model_copy(update={"source": turn.name})


__all__ = ["MessageFilterAgent", "MessageFilterConfig"]
