"""Messages and events under AutoGen's names: Quorate's own, and what only AutoGen has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from quorate.chat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    BaseMessage,
    BaseTextChatMessage,
    CodeExecutionEvent,
    CodeGenerationEvent,
    HandoffMessage,
    MemoryQueryEvent,
    ModelClientStreamingChunkEvent,
    MultiModalMessage,
    SelectSpeakerEvent,
    StopMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    ToolCallSummaryMessage,
    UserInputRequestedEvent,
)
from quorate.chat.messages import (
    SelectorEvent as SelectorEvent,
)
from quorate.chat.structured import StructuredMessage
from quorate.compat.autogen.components import Component, ComponentBase
from quorate.compat.autogen.core.models import LLMMessage, UserMessage
from quorate.errors import ConfigError
from quorate.models.json_schema import schema_to_pydantic_model

__all__ = [
    "AgentEvent",
    "BaseAgentEvent",
    "BaseChatMessage",
    "BaseMessage",
    "BaseTextChatMessage",
    "ChatMessage",
    "CodeExecutionEvent",
    "CodeGenerationEvent",
    "HandoffMessage",
    "MemoryQueryEvent",
    "MessageFactory",
    "ModelClientStreamingChunkEvent",
    "MultiModalMessage",
    "SelectSpeakerEvent",
    "StopMessage",
    "StructuredContentType",
    "StructuredMessage",
    "StructuredMessageFactory",
    "TextMessage",
    "ThoughtEvent",
    "ToolCallExecutionEvent",
    "ToolCallRequestEvent",
    "ToolCallSummaryMessage",
    "UserInputRequestedEvent",
]

StructuredContentType = TypeVar("StructuredContentType", bound=BaseModel, covariant=True)


ChatMessage = TextMessage | MultiModalMessage | StopMessage | ToolCallSummaryMessage | HandoffMessage
AgentEvent = (
    ToolCallRequestEvent
    | ToolCallExecutionEvent
    | MemoryQueryEvent
    | UserInputRequestedEvent
    | ModelClientStreamingChunkEvent
    | ThoughtEvent
    | SelectSpeakerEvent
    | CodeGenerationEvent
    | CodeExecutionEvent
)


_TEXTS = frozenset({TextMessage, StopMessage, ToolCallSummaryMessage, HandoffMessage})
_user = UserMessage.__pydantic_validator__.validate_python
_llm_message: TypeAdapter[LLMMessage] = TypeAdapter(LLMMessage)


def text_in(type: type[BaseChatMessage], said: Mapping[str, Any]) -> str | None:
    """Return what a model reads of a message, where that is the text in it and nothing more.

    Args:
        type: Of the message.
        said: Its fields, from its `__dict__`: pydantic's own way to a field is a detour.
    """
    return said["content"] if type in _TEXTS and not said.get("context") else None


def user_message(text: str, source: str) -> UserMessage:
    """Return what somebody said as AutoGen's model clients take it."""
    return _user({"content": text, "source": source})


def _read(data: dict[str, Any]) -> Any:
    """Return a message to a model as AutoGen's programs expect it in a handoff, where nothing of it is lost."""
    try:
        found = _llm_message.validate_python(data)
    except ValidationError:
        return data
    return found if found.model_dump(mode="json") == data else data


def to_model_message(message: BaseChatMessage) -> UserMessage:
    """Return a chat message as AutoGen's model clients take it, as its class says."""
    return cast("Any", message).to_model_message()


def _to_model_message(self: BaseChatMessage) -> UserMessage:
    said = self.__dict__
    text = text_in(type(self), said)
    if text is not None:
        return user_message(text, said["source"])
    if isinstance(self, StructuredMessage):
        content: Any = cast("BaseModel", self.content).model_dump_json()
    else:
        content = getattr(self, "content", None)
        if not (isinstance(content, str) or isinstance(self, MultiModalMessage)):
            content = self.to_model_text()
    return UserMessage(content=content, source=self.source)


BaseChatMessage.to_model_message = _to_model_message  # pyright: ignore[reportAttributeAccessIssue]: only with the view has a message a form for AutoGen's clients


class StructuredMessageConfig(BaseModel):
    """A `StructuredMessageFactory` as configuration."""

    json_schema: dict[str, Any]
    format_string: str | None = None
    content_model_name: str


class StructuredMessageFactory(ComponentBase[BaseModel], Component[StructuredMessageConfig]):
    """Makes a class of structured messages of a pydantic model or a JSON schema.

    Raises:
        ConfigError: It is given neither.
    """

    component_config_schema: ClassVar[type[Any]] = StructuredMessageConfig
    component_provider_override: ClassVar[str | None] = "autogen_agentchat.messages.StructuredMessageFactory"
    component_type: ClassVar[str] = "structured_message"

    def __init__(
        self,
        json_schema: dict[str, Any] | None = None,
        input_model: type[BaseModel] | None = None,
        format_string: str | None = None,
        content_model_name: str | None = None,
    ) -> None:
        self.format_string = format_string
        if input_model is not None:
            self.ContentModel = input_model
        elif json_schema is not None:
            name = content_model_name or str(json_schema.get("title", "GeneratedModel"))
            self.ContentModel = schema_to_pydantic_model(json_schema, name)
        else:
            raise ConfigError("Either `json_schema` or `input_model` must be provided.")
        self.StructuredMessage = StructuredMessage[self.ContentModel]

    def _to_config(self) -> StructuredMessageConfig:
        return StructuredMessageConfig(
            json_schema=self.ContentModel.model_json_schema(),
            format_string=self.format_string,
            content_model_name=self.ContentModel.__name__,
        )

    @classmethod
    def _from_config(cls, config: StructuredMessageConfig) -> Self:
        return cls(config.json_schema, None, config.format_string, config.content_model_name)


_KNOWN: tuple[type[BaseMessage], ...] = (
    TextMessage,
    MultiModalMessage,
    StopMessage,
    ToolCallSummaryMessage,
    HandoffMessage,
    ToolCallRequestEvent,
    ToolCallExecutionEvent,
    MemoryQueryEvent,
    UserInputRequestedEvent,
    ModelClientStreamingChunkEvent,
    ThoughtEvent,
    SelectSpeakerEvent,
    CodeGenerationEvent,
    CodeExecutionEvent,
)


class MessageFactory:
    """Makes messages and events of plain data, of the types that it knows."""

    def __init__(self) -> None:
        self._types: dict[str, type[BaseMessage]] = {known.__name__: known for known in _KNOWN}

    def is_registered(self, message_type: type[BaseMessage]) -> bool:
        """Return whether it knows a type, by its name."""
        return message_type.__name__ in self._types

    def register(self, message_type: type[BaseMessage]) -> None:
        """Make a type known.

        Raises:
            ConfigError: It is known, or no type of messages or events.
        """
        if self.is_registered(message_type):
            raise ConfigError(f"Message type {message_type} is already registered.")
        if not issubclass(message_type, BaseChatMessage | BaseAgentEvent):
            raise ConfigError(f"Message type {message_type} must be a subclass of BaseChatMessage or BaseAgentEvent.")
        self._types[message_type.__name__] = message_type

    def create(self, data: Mapping[str, Any]) -> BaseMessage:
        """Return the message that plain data says.

        Raises:
            ConfigError: Its `type` is missing or not known.
        """
        kind = data.get("type")
        if kind is None:
            raise ConfigError("Field 'type' is required in the message data to recover the message type.")
        found = self._types.get(kind)
        if found is None:
            raise ConfigError(f"Unknown message type: {kind}. Register it: custom_message_types=[…].")
        message = found.load(dict(data))
        if isinstance(message, HandoffMessage) and message.context:
            message.context = [_read(one) for one in message.context]
        return message
