"""Every error that Quorate raises, in one family.

    QuorateError
    ├── ConfigError        (ValueError)    what you wrote cannot work; says what to write instead
    │   ├── GraphError                     a part of a graph cannot work; `rule`, `nodes`, `drawing`
    │   └── MissingExtra   (ImportError)   an optional package is not installed
    ├── ModelError                         a model call failed; `retryable` says whether trying again may help
    ├── ToolError                          raise it in a tool to tell the model what to do differently
    │   ├── Denied         (PermissionError)  the call was refused
    │   ├── Expired        (TimeoutError)  nobody answered a question in time
    │   └── CallError                      a call that a tool agent was sent came to nothing; `call_id`, `name`
    │       ├── UnknownTool       (LookupError)  it has no tool of that name
    │       ├── InvalidArguments  (ValueError)   the arguments do not fit
    │       └── ToolFailed                       the tool did not do it
    ├── OutcomeUnknown                     raise it in a tool that cannot tell whether its effect happened
    ├── RunFailed          (RuntimeError)  a run ended `failed`; `__cause__` is why, `result` what it had
    ├── Divergence                         a replay left the recorded path; `expected`, `got`, `path`, `where`
    ├── MessageError                       a message between agents did not arrive or was not handled; `recipient`
    │   ├── Undeliverable  (LookupError)   nobody there, queue full, stopped, waiting in a circle: see `reason`
    │   ├── CantHandle                     the agent has no handler for it, or the subscription no agent
    │   └── MessageDropped                 an intervention dropped it
    ├── WrongState         (RuntimeError)  the call does not fit now: a runtime started twice, no handler running
    ├── LimitExceeded                      a limit was reached by a call made outside a run
    └── StoreError         (OSError)       the journal could not be read or written
        ├── Conflict                       somebody else holds it, or it has moved on
        └── Tampered                       a journal is not what was written; `what`, `entry`

A class exists because some caller catches it; what a caller acts on is an attribute.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "CallError",
    "CantHandle",
    "ConfigError",
    "Conflict",
    "Denied",
    "Divergence",
    "Expired",
    "GraphError",
    "InvalidArguments",
    "LimitExceeded",
    "MessageDropped",
    "MessageError",
    "MissingExtra",
    "ModelError",
    "OutcomeUnknown",
    "QuorateError",
    "RunFailed",
    "StoreError",
    "Tampered",
    "ToolError",
    "ToolFailed",
    "Undeliverable",
    "UnknownTool",
    "WrongState",
]


class QuorateError(Exception):
    """The base of every error raised by Quorate on purpose."""


class ConfigError(QuorateError, ValueError):
    """What was written cannot work; the message says what to write instead."""


class GraphError(ConfigError):
    """A part of a graph can never work, or never ends.

    Args:
        rule: The name of the rule that it breaks.
        message: What is wrong with which part, and what to do.
        nodes: The names of the nodes that it is about.
        drawing: The graph as Mermaid text, these nodes marked.
    """

    def __init__(self, rule: str, message: str, *, nodes: tuple[str, ...], drawing: str) -> None:
        super().__init__(f"{rule}: {message}\n\n{drawing}" if drawing else f"{rule}: {message}")
        self.rule, self.nodes, self.drawing = rule, nodes, drawing


class MissingExtra(ConfigError, ImportError):
    """An optional package is not installed; the message holds the pip command."""


class ModelError(QuorateError):
    """A model call failed.

    Args:
        message: What happened and what to do.
        retryable: Whether the same call may succeed later.
        retry_after_s: How long the provider asks to wait, if it said so.
    """

    def __init__(self, message: str, *, retryable: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class ToolError(QuorateError):
    """Raise it in a tool: its text goes to the model as the call's result."""


class Denied(ToolError, PermissionError):
    """The call was refused by a person or a policy."""


class Expired(ToolError, TimeoutError):
    """Nobody answered a question before its deadline."""


class CallError(ToolError):
    """A tool call that was sent to a tool agent came to nothing; the message is for the model."""

    def __init__(self, message: str, *, call_id: str, name: str) -> None:
        super().__init__(message)
        self.call_id, self.name = call_id, name


class UnknownTool(CallError, LookupError):
    """There is no tool of that name."""


class InvalidArguments(CallError, ValueError):
    """The arguments are no JSON object, or do not fit."""


class ToolFailed(CallError):
    """The tool raised something, took too long, or was refused."""


class OutcomeUnknown(QuorateError):
    """Raise it in a tool that cannot tell whether its effect happened."""


class RunFailed(QuorateError, RuntimeError):
    """A run ended `failed`. `__cause__` is the original error, `result` what was produced before it."""

    def __init__(self, message: str, *, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class Divergence(QuorateError):
    """A replay did something else than the journal says.

    Args:
        message: The first difference, in words.
        path: Where in the run it is.
        entry: The number of the journal's entry that was not met, 0 if it has none there.
        kind: The kind of that entry.
        expected: What the journal holds, or None if it has nothing there.
        got: What the code did, or None if it did nothing there.
        where: The line of code that did it, such as `team.py:12, in speak`; empty where it is nobody's.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str,
        entry: int = 0,
        kind: str = "",
        expected: Any = None,
        got: Any = None,
        where: str = "",
    ) -> None:
        super().__init__(message)
        self.path, self.entry, self.kind = path, entry, kind
        self.expected, self.got, self.where = expected, got, where


class LimitExceeded(QuorateError):
    """A limit was reached by a call made outside a run. In a run a limit is an outcome, not an error."""

    def __init__(self, message: str, *, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


class MessageError(QuorateError):
    """A message from one agent to another did not arrive, or was not handled; `recipient` is whom it was for."""

    def __init__(self, message: str = "", *, recipient: Any = None) -> None:
        super().__init__(message)
        self.recipient = recipient


class Undeliverable(MessageError, LookupError):
    """A message could not be delivered.

    Args:
        message: What happened and what to do.
        recipient: Whom it was for.
        reason: `unknown agent`, `queue full`, `circle` or `stopped`.

    Attributes:
        is_told: Whether it was told as a dead letter; it may pass through many senders.
    """

    is_told = False

    def __init__(self, message: str = "", *, recipient: Any = None, reason: str = "unknown agent") -> None:
        super().__init__(message, recipient=recipient)
        self.reason = reason


class CantHandle(MessageError):
    """An agent has no handler for the message."""


class MessageDropped(MessageError):
    """An intervention dropped the message, or the answer to it."""


class WrongState(QuorateError, RuntimeError):
    """The call does not fit what is going on; the message says what has to come first."""


class StoreError(QuorateError, OSError):
    """The journal could not be read or written."""


class Conflict(StoreError):
    """Somebody else holds the conversation, or it has moved on since you looked."""


class Tampered(StoreError):
    """A journal is not what was written.

    Args:
        message: What happened, to which entry of which conversation.
        what: `altered`, `missing`, `inserted`, `reordered`, or `rewritten` (a head that was given out does not fit).
        entry: The number of the first entry that is not as it was.
    """

    def __init__(self, message: str, *, what: str, entry: int) -> None:
        super().__init__(message)
        self.what, self.entry = what, entry
