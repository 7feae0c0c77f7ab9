"""How long a send may take, how often it is tried, and what becomes of messages that nobody handled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quorate.core.identity import AgentId, TopicId
from quorate.errors import ConfigError


@dataclass(frozen=True)
class SendPolicy:
    """How a direct send is tried.

    Attributes:
        timeout_s: How long one attempt may take, waiting in line included; the handler is then cancelled.
        attempts: How often at most. More than one only where handling a message twice does no harm.
        pause_s: How long to wait before the second attempt; twice as long before each further one.
        max_pause_s: The longest wait.
        retry_on: The errors after which it is tried again.
    """

    timeout_s: float | None = None
    attempts: int = 1
    pause_s: float = 0.1
    max_pause_s: float = 30.0
    retry_on: tuple[type[Exception], ...] = (TimeoutError, ConnectionError)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ConfigError(f"attempts={self.attempts}: a send is tried at least once.")
        if self.timeout_s is not None and self.timeout_s <= 0:
            raise ConfigError(f"timeout_s={self.timeout_s}: give a positive number of seconds, or None.")
        if self.pause_s < 0 or self.max_pause_s < 0:
            raise ConfigError("pause_s and max_pause_s must not be negative.")

    def pause_before(self, attempt: int) -> float:
        """Return how long to wait before attempt number `attempt`, the first being 1."""
        return min(self.pause_s * 2.0 ** min(attempt - 2, 60), self.max_pause_s)


@dataclass(frozen=True)
class DeadLetter:
    """A message that nobody handled.

    Attributes:
        message: What was sent.
        recipient: Who should have got it; None when nobody subscribes to the topic.
        topic_id: Where it was published; None for a direct send.
        sender: Which agent sent it, if one did.
        reason: One of `no subscriber`, `unknown agent`, `not made`, `no handler`, `queue full`, `circle`, `stopped`,
            `attempts`.
        error: What was raised, if anything.
    """

    message: Any
    recipient: AgentId | None
    topic_id: TopicId | None
    sender: AgentId | None
    reason: str
    error: BaseException | None = None


@dataclass(frozen=True)
class HandlerFailure:
    """An error in the handling of a published message: nobody waits for it, so the error hook gets it."""

    message: Any
    agent: AgentId
    topic_id: TopicId | None
    error: BaseException
