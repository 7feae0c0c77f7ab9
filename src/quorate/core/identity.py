"""Who a message is for: agents have a type and a key, topics a type and a source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypedDict

from quorate.errors import ConfigError

_AGENT_TYPE = re.compile(r"[\w\-.]+")
_TOPIC_TYPE = re.compile(r"[\w\-.:=]+")


@dataclass(frozen=True, slots=True)
class AgentType:
    """The name under which a factory of agents is registered."""

    type: str


class AgentId:
    """The address of one agent: which kind it is, and which one of them.

    Args:
        type: Under which its factory is registered; letters, digits, `_`, `-` and `.`.
        key: Tells agents of one type apart: a session, a ticket, a user; any text.

    Raises:
        ConfigError: `type` is empty or has other characters.
    """

    __slots__ = ("key", "type")

    type: str
    key: str

    def __init__(self, type: str | AgentType, key: str) -> None:
        name = type if isinstance(type, str) else type.type
        _agent_type(name)
        object.__setattr__(self, "type", name)
        object.__setattr__(self, "key", key)

    @classmethod
    def from_str(cls, agent_id: str) -> AgentId:
        """Read what `str()` of an id gives, `type/key`.

        Raises:
            ConfigError: There is no slash in it, or the type is none.
        """
        kind, slash, key = agent_id.partition("/")
        if not slash:
            raise ConfigError(f"Invalid agent id: {agent_id!r}. Write type/key.")
        return cls(kind, key)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"An AgentId cannot be changed; make another one for {name}={value!r}.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"An AgentId cannot be changed; {name!r} stays.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AgentId) and self.key == other.key and self.type == other.type

    def __hash__(self) -> int:
        return hash((self.type, self.key))

    def __str__(self) -> str:
        return f"{self.type}/{self.key}"

    def __repr__(self) -> str:
        return f"AgentId({self.type!r}, {self.key!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return AgentId, (self.type, self.key)


@dataclass(frozen=True, slots=True, eq=False)
class TopicId:
    """What a published message is about, as in CloudEvents.

    Attributes:
        type: The kind of event; letters, digits and `_`, `-`, `.`, `:`, `=`.
        source: Where it comes from. Subscriptions by type make it the key of the agent that gets the message.
    """

    type: str
    source: str

    def __post_init__(self) -> None:
        _topic_type(self.type)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TopicId) and (self.type, self.source) == (other.type, other.source)

    def __hash__(self) -> int:
        return hash((self.type, self.source))

    @classmethod
    def from_str(cls, topic_id: str) -> TopicId:
        """Read what `str()` of a topic gives, `type/source`.

        Raises:
            ConfigError: There is no slash in it, or the type is none.
        """
        kind, slash, source = topic_id.partition("/")
        if not slash:
            raise ConfigError(f"Invalid topic id: {topic_id!r}. Write type/source.")
        return cls(kind, source)

    def __str__(self) -> str:
        return f"{self.type}/{self.source}"


class AgentMetadata(TypedDict):
    """What an agent tells about itself."""

    type: str
    key: str
    description: str


def type_name(kind: str | AgentType) -> str:
    """Return the bare name of an agent type."""
    return kind if isinstance(kind, str) else kind.type


@lru_cache(4096)
def _agent_type(name: str) -> None:
    if not _AGENT_TYPE.fullmatch(name):
        raise ConfigError(f"Invalid agent type: {name!r}. Use letters, digits, '_', '-' and '.'.")


@lru_cache(4096)
def _topic_type(name: str) -> None:
    if not _TOPIC_TYPE.fullmatch(name):
        raise ConfigError(f"Invalid topic type: {name!r}. Use letters, digits, '_', '-', '.', ':' and '='.")
