"""Messages to and from models as AutoGen has them, and the client that its users derive from."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Required

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from quorate.chat.messages import FunctionExecutionResult, RequestUsage
from quorate.compat.autogen.components import ComponentBase
from quorate.compat.autogen.families import ModelFamily
from quorate.compat.autogen.values import FunctionCall, Image
from quorate.core.cancellation import CancellationToken
from quorate.core.filling import filled
from quorate.models.client import ModelEvent, ModelRequest
from quorate.models.client import ModelInfo as QuorateModelInfo

__all__ = [
    "AssistantMessage",
    "ChatCompletionClient",
    "ChatCompletionTokenLogprob",
    "CreateResult",
    "FinishReasons",
    "FunctionExecutionResult",
    "FunctionExecutionResultMessage",
    "LLMMessage",
    "ModelCapabilities",
    "ModelFamily",
    "ModelInfo",
    "RequestUsage",
    "SystemMessage",
    "TopLogprob",
    "UserMessage",
    "validate_model_info",
]


class SystemMessage(BaseModel):
    """What a model is told by the developer."""

    content: str
    type: Literal["SystemMessage"] = "SystemMessage"


class UserMessage(BaseModel):
    """What a model is told by a person, a program or another agent, whose name is `source`."""

    content: str | list[str | Image]
    source: str
    type: Literal["UserMessage"] = "UserMessage"


def heard(text: str, source: str) -> UserMessage:
    """Return a text that is known to be one as a `UserMessage`."""
    fields = {"content": text, "source": source, "type": "UserMessage"}
    return filled(UserMessage, fields, {"content", "source"})


class AssistantMessage(BaseModel):
    """What a model said, or the calls it asked for; `thought` is its reasoning."""

    content: str | list[FunctionCall]
    thought: str | None = None
    source: str
    type: Literal["AssistantMessage"] = "AssistantMessage"


def answered(text: str, source: str, thought: str | None) -> AssistantMessage:
    """Return what a model is known to have said in words as an `AssistantMessage`."""
    fields = {"content": text, "thought": thought, "source": source, "type": "AssistantMessage"}
    return filled(AssistantMessage, fields, {"content", "source", "thought"})


class FunctionExecutionResultMessage(BaseModel):
    """What the calls of one reply came to."""

    content: list[FunctionExecutionResult]
    type: Literal["FunctionExecutionResultMessage"] = "FunctionExecutionResultMessage"


LLMMessage = Annotated[
    SystemMessage | UserMessage | AssistantMessage | FunctionExecutionResultMessage, Field(discriminator="type")
]
FinishReasons = Literal["stop", "length", "function_calls", "content_filter", "unknown"]


@dataclass
class TopLogprob:
    """How likely another token was."""

    logprob: float
    bytes: list[int] | None = None


class ChatCompletionTokenLogprob(BaseModel):
    """How likely a token was."""

    token: str
    logprob: float
    top_logprobs: list[TopLogprob] | None = None
    bytes: list[int] | None = None


class CreateResult(BaseModel):
    """A whole answer of a model."""

    finish_reason: FinishReasons
    content: str | list[FunctionCall]
    usage: RequestUsage
    cached: bool
    logprobs: list[ChatCompletionTokenLogprob] | None = None
    thought: str | None = None


class ModelCapabilities(TypedDict, total=False):
    """What a model can do, as it was said before `ModelInfo`."""

    vision: Required[bool]
    function_calling: Required[bool]
    json_output: Required[bool]


class ModelInfo(TypedDict, total=False):
    """What a model can do."""

    vision: Required[bool]
    function_calling: Required[bool]
    json_output: Required[bool]
    family: Required[ModelFamily.ANY | str]
    structured_output: Required[bool]
    multiple_system_messages: bool | None


def validate_model_info(model_info: ModelInfo) -> None:
    """Check that a model's info has what is needed.

    Raises:
        ValueError: A field is missing; only for `structured_output` it is a warning.
    """
    for name in ("vision", "function_calling", "json_output", "family"):
        if name not in model_info:
            raise ValueError(f"Missing required field '{name}' in ModelInfo.")
    if "structured_output" not in model_info:
        warnings.warn("Missing required field 'structured_output' in ModelInfo; it will be needed.", stacklevel=2)


@cache
def info_of(name: str) -> QuorateModelInfo:
    """Return what Quorate needs to know of a client whose class has this name."""
    return QuorateModelInfo(name=f"autogen:{name}")


class ChatCompletionClient(ComponentBase[BaseModel], ABC):
    """A model as AutoGen asks it. Derive from it; Quorate's agents take such a client as it is."""

    @abstractmethod
    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Any] = [],  # the documented default; nobody changes it
        tool_choice: Any = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """Ask, and return the whole answer."""

    @abstractmethod
    def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Any] = [],
        tool_choice: Any = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Ask, and yield the text of the answer piece by piece, then the whole."""

    @abstractmethod
    async def close(self) -> None:
        """Give back what the client holds."""

    @abstractmethod
    def actual_usage(self) -> RequestUsage:
        """Return the tokens of what was asked, without answers from a cache."""

    @abstractmethod
    def total_usage(self) -> RequestUsage:
        """Return the tokens of all answers."""

    @abstractmethod
    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = []) -> int:
        """Return how many tokens messages and tools have."""

    @abstractmethod
    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Any] = []) -> int:
        """Return how many tokens are left in the model's window beside messages and tools."""

    @property
    @abstractmethod
    def capabilities(self) -> Any:
        """What the model can do, as it was said before `model_info`."""

    @property
    @abstractmethod
    def model_info(self) -> ModelInfo:
        """What the model can do."""

    @property
    def info(self) -> QuorateModelInfo:
        """What Quorate needs to know of the model; its name is that of the class, so no price is known for it."""
        return info_of(type(self).__name__)

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer a request of Quorate's by `create_stream`."""
        from quorate.compat.autogen.clients import asked_of

        return asked_of(self, request)
