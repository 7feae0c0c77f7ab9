"""AutoGen's errors: Quorate's, under their names there."""

from quorate.errors import CantHandle as CantHandleException
from quorate.errors import MessageDropped as MessageDroppedException
from quorate.errors import QuorateError
from quorate.errors import Undeliverable as UndeliverableException

__all__ = ["CantHandleException", "MessageDroppedException", "NotAccessibleError", "UndeliverableException"]


class NotAccessibleError(QuorateError):
    """Something of an agent was asked for that is not in this process."""
