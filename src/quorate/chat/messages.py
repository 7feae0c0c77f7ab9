"""Messages and events, under AutoGen's names and with its fields.

A *message* is said to everybody and stays in the thread. An *event* tells what an agent does on the way. Both are
pydantic models: subclass and dump them. Inside a run their id and time come from the path, so a resumed or replayed run
makes the same ones.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, SerializeAsAny
from pydantic_core import core_schema

from quorate.core.classes import OURS, Known, identity
from quorate.core.filling import filled
from quorate.core.lazy import lazy
from quorate.errors import ConfigError
from quorate.executors.code import CodeBlock, CodeResult
from quorate.memory.content import MemoryContent
from quorate.models.blocks import Origin, Said, ToolResult
from quorate.models.image import Image
from quorate.runs.clock import SystemClock
from quorate.runs.outcome import Outcome
from quorate.runs.scope import scope_here

if TYPE_CHECKING:
    from quorate.chat import structured
else:
    structured = lazy("quorate.chat.structured")

_system = SystemClock()

ASIDE = "#aside"
"""How the id of a `ThoughtEvent` ends that holds the text beside a reply's tool calls, before it the reply's own id."""


UNSEEN = "[an image, which you are not shown]"
"""What a model reads that is shown no images, where there is one."""

RESULTS = "FunctionExecutionResultMessage"
"""The type of a message to a model that has the results of tool calls."""


@dataclass(slots=True)
class RequestUsage:
    """Tokens that a message cost."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(slots=True)
class FunctionCall:
    """A tool call; `arguments` is JSON text."""

    id: str
    arguments: str
    name: str


class FunctionExecutionResult(BaseModel):
    """What a tool call came to."""

    content: str
    name: str
    call_id: str
    is_error: bool | None = None

    def __init__(self, content: str, name: str, call_id: str, is_error: bool | None = None) -> None:
        super().__init__(content=content, name=name, call_id=call_id, is_error=is_error)

    @classmethod
    def of(cls, result: ToolResult) -> Self:
        """Return what a call came to, as a model is told of it, without the detour of the constructors."""
        said = {"content": result.content, "name": result.name, "call_id": result.call_id, "is_error": result.is_error}
        return cls.__pydantic_validator__.validate_python(said, self_instance=cls.__new__(cls))


def at(microseconds: int) -> datetime:
    """Return a journal's time as a datetime in UTC."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC)


def new_id() -> str:
    """Return an id for something made here: in a run from its path."""
    scope = scope_here()
    if scope is not None:
        return scope.new_id()
    return random_id()


def random_id() -> str:
    """Return a random UUID, version 4, as text: without the object, which takes longer to make than a message."""
    made = bytearray(os.urandom(16))
    made[6], made[8] = made[6] & 0x0F | 0x40, made[8] & 0x3F | 0x80
    found = made.hex()
    return f"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}"


def _now() -> datetime:
    scope = scope_here()
    return at(_system.now_us() if scope is None else scope.at)


_classes: Known[type[BaseMessage]] = Known("message")
_ours: dict[str, type[BaseMessage]] = {}
"""Those whose name says which they are."""

CLASS = "class"
"""The field of a message in a journal that says where its class is defined; no attribute has that name."""


class BaseMessage(BaseModel):
    """What messages and events have in common."""

    model_config = ConfigDict(extra="forbid")
    kept_as: ClassVar[str | None] = None
    """The type in its data, where its `type` is not the name of its class: a class is read by its name."""
    known_as: ClassVar[str] = ""
    """Its module and its name there, which a journal has beside the type; empty for Quorate's own."""
    formerly: ClassVar[tuple[str, ...]] = ()
    """Under which other names journals have it: `("shop:Bill",)` of a class that was moved or renamed, `("Bill",)` of
    the one that is meant where several have a name, in journals that do not say which."""

    id: str = Field(default_factory=new_id)
    source: str
    models_usage: RequestUsage | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    created_at: datetime = Field(default_factory=_now)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        where, is_ours = identity(cls), cls.__module__.startswith(OURS)
        if not is_ours and cls.__name__ in _ours:
            raise ConfigError(
                f"{cls.__module__}.{cls.__name__} would be read from journals in place of Quorate's own message of "
                "that name. Give the class another one."
            )
        _classes.add(cls, where, cls.__name__)
        if is_ours:
            _ours[cls.__name__] = cls
        cls.kept_as = None if is_ours or cls._says_its_name() else cls.__name__
        cls.known_as = "" if is_ours else where

    @classmethod
    def _says_its_name(cls) -> bool:
        if "type" in cls.model_computed_fields:
            return True
        field = cls.model_fields.get("type")
        return field is not None and (field.is_required() or field.default == cls.__name__)

    def to_text(self) -> str:
        """Return the content as a person reads it; of a type of somebody's own that has none, its fields as JSON."""
        if "content" in type(self).model_fields:
            return str(getattr(self, "content", ""))
        return self.model_dump_json(exclude={*BaseMessage.model_fields, "type"})

    @property
    def text(self) -> str:
        """The content as a person reads it."""
        return self.to_text()

    def dump(self) -> dict[str, Any]:
        """Return the message as plain data."""
        data: dict[str, Any] = self.__pydantic_serializer__.to_python(self, mode="json")
        if self.kept_as is not None:
            data["type"] = self.kept_as
        return data

    def journaled(self) -> dict[str, Any]:
        """Return the message as a journal has it: its `dump`, and where its class is defined, for `messages.load`."""
        data = self.dump()
        if self.known_as:
            data[CLASS] = self.known_as
        return data

    @classmethod
    def load(cls, data: dict[str, Any]) -> Self:
        """Return the message that `dump` made the data of."""
        if cls.kept_as is not None:
            data = {name: value for name, value in data.items() if name != "type"}
        return cls.model_validate(data)


class BaseChatMessage(BaseMessage):
    """Said to everybody."""

    origin: ClassVar[Origin] = "agent"

    def to_model_text(self) -> str:
        """Return the content as a model reads it."""
        return self.to_text()

    def to_block(self, origin: Origin, ref: str) -> Said:
        """Return the message as other agents' models read it; `ref` is where the journal has it."""
        return Said(self.to_model_text(), self.source, origin, ref)


class BaseTextChatMessage(BaseChatMessage):
    """A message that is text."""

    content: str

    def to_text(self) -> str:
        return self.content


class TextMessage(BaseTextChatMessage):
    """Text."""

    type: Literal["TextMessage"] = "TextMessage"

    def dump(self) -> dict[str, Any]:
        if type(self) is TextMessage:  # the same data at half the cost; a subclass may have what only pydantic knows
            return msgspec.to_builtins(self.__dict__)
        return super().dump()

    def journaled(self) -> dict[str, Any]:
        if type(self) is TextMessage:
            return msgspec.to_builtins(self.__dict__)
        return super().journaled()

    def to_block(self, origin: Origin, ref: str) -> Said:
        if type(self) is not TextMessage:
            return super().to_block(origin, ref)
        said = self.__dict__  # nearly all are texts, and pydantic's way to a field is a detour
        return Said(said["content"], said["source"], origin, ref)


def said(
    content: str,
    source: str,
    id: str,
    at_us: int,
    models_usage: RequestUsage | None = None,
    metadata: dict[str, str] | None = None,
) -> TextMessage:
    """Return a `TextMessage` of what is known to be right: as the constructor makes it, at half its cost.

    Two are made in many a turn. What is no text goes through the constructor, which says so.
    """
    created_at = datetime.fromtimestamp(at_us / 1e6, UTC)
    metadata = {} if metadata is None else metadata
    if type(content) is not str:
        return TextMessage(
            content=content, source=source, id=id, created_at=created_at, models_usage=models_usage, metadata=metadata
        )
    fields = {
        "id": id, "source": source, "models_usage": models_usage, "metadata": metadata, "created_at": created_at,
        "content": content, "type": "TextMessage",
    }  # fmt: skip
    return filled(TextMessage, fields, {"id", "source", "models_usage", "metadata", "created_at", "content"})


class MultiModalMessage(BaseChatMessage):
    """Text and images, in their order. A model that is shown no images reads where there is one."""

    content: list[str | Image]
    type: Literal["MultiModalMessage"] = "MultiModalMessage"

    def to_model_text(self, image_placeholder: str | None = "[image]") -> str:
        """Return the content as a model reads it, each image as the placeholder; None puts it there in base64."""
        return "".join(
            part if isinstance(part, str) else f" {image_placeholder or part.to_base64()}" for part in self.content
        )

    def to_text(self, iterm: bool = False) -> str:
        """Return the content in lines, an image as `<image>`; for iTerm2 as what makes it show it."""
        shown = "\x1b]1337;File=inline=1:{}\a\n" if iterm else "<image>"
        return "\n".join(
            p if isinstance(p, str) else shown.format(p.to_base64() if iterm else "") for p in self.content
        )

    def to_block(self, origin: Origin, ref: str) -> Said:
        return Said(self.to_model_text(UNSEEN), self.source, origin, ref, parts=tuple(self.content))


class StopMessage(BaseTextChatMessage):
    """Text that asks to stop."""

    type: Literal["StopMessage"] = "StopMessage"


class ToolCallSummaryMessage(BaseTextChatMessage):
    """The results of tool calls as an agent's answer."""

    type: Literal["ToolCallSummaryMessage"] = "ToolCallSummaryMessage"
    tool_calls: list[FunctionCall] = Field(default_factory=list[FunctionCall])
    results: list[FunctionExecutionResult] = Field(default_factory=list[FunctionExecutionResult])


class HandoffMessage(BaseTextChatMessage):
    """Gives the next turn to `target`.

    `context` has what goes with it: the tool calls of the same reply and their results, as messages to a model in plain
    data, or as models that dump as it.
    """

    target: str
    context: list[Any] = Field(default_factory=list[Any])
    type: Literal["HandoffMessage"] = "HandoffMessage"

    def to_model_text(self) -> str:
        """Return the content, with the results of the other tool calls of the reply."""
        plain: list[dict[str, Any]] = [m if isinstance(m, dict) else m.model_dump() for m in self.context]
        results = [r for m in plain if m.get("type") == RESULTS for r in m["content"]]
        return "\n".join([self.content, *(f"{r['name']}: {r['content']}" for r in results)])


class BaseAgentEvent(BaseMessage):
    """Told to who watches, not to other agents."""


class ToolCallRequestEvent(BaseAgentEvent):
    """A model asks for tool calls."""

    content: list[FunctionCall]
    type: Literal["ToolCallRequestEvent"] = "ToolCallRequestEvent"


class ToolCallExecutionEvent(BaseAgentEvent):
    """Tool calls were made."""

    content: list[FunctionExecutionResult]
    type: Literal["ToolCallExecutionEvent"] = "ToolCallExecutionEvent"


class ThoughtEvent(BaseAgentEvent):
    """A model's reasoning."""

    content: str
    type: Literal["ThoughtEvent"] = "ThoughtEvent"


class MemoryQueryEvent(BaseAgentEvent):
    """A memory has found something that an agent is told."""

    content: list[MemoryContent]
    type: Literal["MemoryQueryEvent"] = "MemoryQueryEvent"

    def to_text(self) -> str:
        return "\n".join(each.to_text() for each in self.content)


class CompactionEvent(BaseAgentEvent):
    """The older part of what an agent remembers, of so many `blocks`, was summed up."""

    content: str
    blocks: int
    type: Literal["CompactionEvent"] = "CompactionEvent"


class CodeGenerationEvent(BaseAgentEvent):
    """A model has written code. `retry_attempt` counts from 0."""

    retry_attempt: int
    content: str
    code_blocks: list[CodeBlock]
    type: Literal["CodeGenerationEvent"] = "CodeGenerationEvent"


class CodeExecutionEvent(BaseAgentEvent):
    """Code was run."""

    retry_attempt: int
    result: CodeResult
    type: Literal["CodeExecutionEvent"] = "CodeExecutionEvent"

    def to_text(self) -> str:
        return self.result.output


class UserInputRequestedEvent(BaseAgentEvent):
    """A person is asked."""

    request_id: str
    content: Literal[""] = ""
    type: Literal["UserInputRequestedEvent"] = "UserInputRequestedEvent"


class SelectSpeakerEvent(BaseAgentEvent):
    """Who speaks next. Its `metadata` has the `reason`."""

    content: list[str]
    type: Literal["SelectSpeakerEvent"] = "SelectSpeakerEvent"


class SelectorEvent(BaseAgentEvent):
    """What the model answered that chooses who speaks next. It is shown to viewers who want it and never stored."""

    content: str
    type: Literal["SelectorEvent"] = "SelectorEvent"


class ModelClientStreamingChunkEvent(BaseAgentEvent):
    """A piece of a reply under way. It is never stored.

    `full_message_id` is the id of the message it will be part of. A higher `attempt` replaces what a lower one showed.
    """

    content: str
    full_message_id: str | None = None
    attempt: int = 1
    type: Literal["ModelClientStreamingChunkEvent"] = "ModelClientStreamingChunkEvent"


class LimitWarningEvent(BaseAgentEvent):
    """A limit is used up to its share `warn_at`. It is told once and never stored: the journal says it anyway.

    `limit` is its name, `writer.tokens` for one of an agent, `budget acme/ann (cost_usd)` for one that runs share.
    """

    content: str
    limit: str
    used: float
    allowed: float
    type: Literal["LimitWarningEvent"] = "LimitWarningEvent"


class FreshStartEvent(BaseAgentEvent):
    """Agents start afresh: what they kept in attributes of their own is gone. It is told once and never stored.

    `agents` are their names; the entry that begins the attempt has them too, as `fresh`.
    """

    content: str
    agents: tuple[str, ...]
    type: Literal["FreshStartEvent"] = "FreshStartEvent"


class TeamOutcomeEvent(BaseAgentEvent):
    """A team that spoke as a member ended by a limit of its own, or as stalled. `content` says why."""

    content: str
    outcome: str
    limit: str = ""
    type: Literal["TeamOutcomeEvent"] = "TeamOutcomeEvent"


ChatMessage = BaseChatMessage
AgentEvent = BaseAgentEvent


class _GoOn(tuple["BaseChatMessage", ...]):
    """A task without messages."""

    __slots__ = ()


GO_ON = _GoOn()
"""The task of a run that goes on with the conversation as it is, with nothing new."""


class _OutcomeAsData:
    """Tells pydantic how an outcome is written as plain data, and read from it."""

    @staticmethod
    def __get_pydantic_core_schema__(_source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        given = core_schema.no_info_plain_validator_function(partial(msgspec.convert, type=Outcome))
        return core_schema.union_schema(
            [core_schema.is_instance_schema(Outcome), given],
            mode="left_to_right",
            serialization=core_schema.plain_serializer_function_ser_schema(msgspec.structs.asdict),
        )

    @staticmethod
    def __get_pydantic_json_schema__(_schema: Any, _handler: Any) -> dict[str, Any]:
        return msgspec.json.schema_components([Outcome])[1]["Outcome"]


class TaskResult(BaseModel):
    """What a run came to.

    Args:
        messages: The task's messages, then what was said, with the events on the way.
        stop_reason: Why it ended, in words.
        outcome: Why it ended, typed.
        run_id: Its id, for `resume` and `show`.
        usage: Tokens of all its calls.
        cost_usd: What they cost; None where no price is known.
        head: The journal's length and hash (`LENGTH:HASH`), to verify it later; empty where nothing is hashed.
        wrap_up: The last answer of a run that reached a limit, where its team wants one; no part of the thread.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    messages: list[SerializeAsAny[BaseMessage]]
    stop_reason: str | None = None
    outcome: Annotated[Outcome, _OutcomeAsData] | None = None
    run_id: str = ""
    usage: RequestUsage = RequestUsage(0, 0)
    cost_usd: float | None = 0.0
    turns: int = 0
    head: str = ""
    wrap_up: TextMessage | None = None

    @property
    def value(self) -> Any:
        """The data that a completed run came to, such as the result of a vote; None where its last word is text."""
        if self.outcome is not None and self.outcome.kind != "completed":
            return None
        last = next((m for m in reversed(self.messages) if isinstance(m, BaseChatMessage)), None)
        content = getattr(last, "content", None)
        return content if isinstance(content, BaseModel) else None


def class_of(data: dict[str, Any]) -> type[BaseMessage] | None:
    """Return the class of the message or event that plain data says, None if it is not known here.

    Raises:
        ConfigError: It may be one of several of that name.
    """
    return _classes.find(data.get("type", ""), data.get(CLASS, ""))


def load(data: dict[str, Any]) -> BaseMessage:
    """Return the message or event that plain data says: what `journaled` returned, or `dump`.

    Raises:
        ConfigError: Its class is not known, or it may be one of several of that name.
    """
    kind = data.get("type", "")
    ours = _ours.get(kind)
    if ours is not None and kind != "StructuredMessage":
        return ours.load(data)
    if kind.startswith("StructuredMessage") and kind[17:18] in {"", "["}:
        return structured.load(data)
    found = class_of(data)
    if found is None:
        raise _unknown(kind, data.get(CLASS, ""))
    if CLASS in data or kind != found.__name__:
        data = {name: value for name, value in data.items() if name != CLASS} | {"type": found.__name__}
    return found.load(data)


def _unknown(kind: str, where: str) -> ConfigError:
    """Return what to raise for a message whose class is not known here."""
    if not where:
        return ConfigError(f"There is no message type {kind!r}. Import the module that defines it before resuming.")
    others = " and ".join(sorted(cls.known_as for cls in _classes.called(kind)))
    return ConfigError(
        f"There is no message type {where!r} here. Import its module before resuming; or, if the class was moved or "
        f"renamed, write formerly: ClassVar = ({where!r},) in it."
        + (f" {others} may be another one." if others else "")
    )


def as_task(
    task: str | BaseChatMessage | Sequence[BaseChatMessage], *, run_id: str, at_us: int
) -> list[BaseChatMessage]:
    """Return the messages of a task, none for `GO_ON`; the one made of a text gets its id and time from the run.

    Raises:
        ConfigError: It is empty, or none of the three.
    """
    if isinstance(task, str):
        said = {"content": task, "source": "user", "id": f"{run_id}/task", "created_at": at(at_us)}
        return [TextMessage.__pydantic_validator__.validate_python(said)]
    if isinstance(task, BaseChatMessage):
        return [task]
    if task is GO_ON:
        return []
    found = list(task) if isinstance(task, Sequence) else []  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
    if not found or not all(isinstance(m, BaseChatMessage) for m in found):  # pyright: ignore[reportUnnecessaryIsInstance]: as above
        raise ConfigError("A task is a text, a message, or a list of at least one message.")
    return found
