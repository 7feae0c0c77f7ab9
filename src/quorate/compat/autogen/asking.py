"""One call of a model of AutoGen's, made through Quorate's door: journaled, counted, and within the run's limits."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import lru_cache
from types import CoroutineType
from typing import Any, Literal, cast

from pydantic import BaseModel

from quorate.chat.speech import Turn
from quorate.compat.autogen.clients import FINISH, REASONS, blocks_of
from quorate.compat.autogen.core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    RequestUsage,
    SystemMessage,
    UserMessage,
    info_of,
)
from quorate.compat.autogen.values import FunctionCall
from quorate.core.cancellation import CancellationToken
from quorate.core.waiting import Rest, begun
from quorate.errors import ModelError
from quorate.models.blocks import Block, Blocks, Reply, Said, ToolResult
from quorate.models.calls import ask
from quorate.models.client import (
    Answer,
    AtOnce,
    CallDelta,
    Finished,
    ModelEvent,
    ModelInfo,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolSpec,
    Usage,
)
from quorate.runs.scope import scope_here

_user = UserMessage.__pydantic_validator__.validate_python

Show = Callable[[str], None]
"""Is told the pieces of a reply as they come."""


class Asking(AtOnce, eq=False):
    """A model client for one call, which asks AutoGen's client in AutoGen's words.

    Args:
        client: AutoGen's.
        info: What Quorate knows of it.
        messages: What it is sent.
        tools: The tools, as it is given them.
        json_output: What the reply must be.
        token: Cancels the call.
        tool_choice: `none` keeps it from calling any.
        show: Is told the pieces of the reply; None asks for the whole at once.
        result: What the client returned, None where it was not asked.
        made: The answer that was made of it, where it is text and nothing else.
    """

    client: ChatCompletionClient
    info: ModelInfo
    messages: Sequence[LLMMessage]
    tools: Sequence[Any]
    json_output: bool | type[BaseModel] | None
    token: CancellationToken | None
    tool_choice: str
    show: Show | None
    result: CreateResult | None = None
    made: Answer | None = None
    _rest: Awaitable[CreateResult] | None = None

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Ask; the request says the same, for the journal and the limits."""
        if self._left is not None or self._rest is not None:  # it was asked before
            self._left = self._rest = None
        return self

    def now(self) -> Answer | list[ModelEvent] | None:
        try:
            asking = self._asking()
            found: Any = begun(cast("Any", asking)) if isinstance(asking, CoroutineType) else asking
        except ModelError:
            raise
        except Exception as error:
            raise self._failed(error) from error
        if found is not asking and type(found) is not Rest:
            return self._answer(found)
        self._rest = found
        return None

    async def events(self) -> list[ModelEvent]:
        try:
            result = await (self._asking() if self._rest is None else self._rest)
        except ModelError:
            raise
        except Exception as error:
            raise self._failed(error) from error
        return self._seen(result)

    def _asking(self) -> Awaitable[CreateResult]:
        if self.show is not None:
            return self._streamed(self.show)
        if self.tool_choice != "auto":
            return self.client.create(self.messages, **self._options())
        return self.client.create(
            self.messages, tools=self.tools, json_output=self.json_output, cancellation_token=self.token
        )

    def _failed(self, error: Exception) -> ModelError:
        may_pass = isinstance(error, TimeoutError | ConnectionError)
        return ModelError(f"{type(self.client).__name__} failed: {error}", retryable=may_pass)

    def _answer(self, result: CreateResult) -> Answer | list[ModelEvent]:
        if type(result) is not CreateResult:
            return self._seen(result)
        said = result.__dict__  # pydantic's way to a field is a detour
        content, used = said["content"], said["usage"]
        if type(content) is not str or said["thought"] is not None:
            return self._seen(result)
        usage = Usage(used.prompt_tokens, used.completion_tokens)
        self.result = result
        self.made = made = Answer(Reply(content), usage, FINISH[said["finish_reason"]], "")
        return made

    def _seen(self, result: CreateResult) -> list[ModelEvent]:
        self.result = result
        used, content, thought = result.usage, result.content, result.thought
        end = Finished(Usage(used.prompt_tokens, used.completion_tokens), FINISH[result.finish_reason])
        if type(content) is str and not thought:
            return [TextDelta(content), end]
        events: list[ModelEvent] = [ReasoningDelta(thought)] if thought else []
        if isinstance(content, str):
            return [*events, TextDelta(content), end]
        return [*events, *[CallDelta(i, call.id, call.name, call.arguments) for i, call in enumerate(content)], end]

    def _options(self) -> dict[str, Any]:
        given = {"tools": self.tools, "json_output": self.json_output, "cancellation_token": self.token}
        return given if self.tool_choice == "auto" else {**given, "tool_choice": self.tool_choice}

    async def _streamed(self, show: Show) -> CreateResult:
        async for item in self.client.create_stream(self.messages, **self._options()):
            if isinstance(item, str):
                show(item)
            else:
                return item
        raise ModelError(f"The stream of {type(self.client).__name__} ended without a CreateResult.", retryable=True)

    async def close(self) -> None:
        """Leave the client open: it is its user's."""


class Transcript:
    """The blocks of a list of messages that only grows, so that each turn costs what is new in it.

    Attributes:
        has_images: Whether a message has images.
    """

    def __init__(self) -> None:
        self._blocks: Blocks = Blocks()
        self._count = 0
        self._new: list[Block] = []  # of what came since it was asked for
        self._of: list[LLMMessage] | None = None
        self._open: Reply | None = None
        self._where = ""
        self.has_images = False

    def enter(self, conversation: str) -> None:
        """Be asked in a conversation: where it is another than before, its journal has nothing of what was said."""
        if self._where != conversation:
            if self._count or self._of is not None:
                self._begin(None)
            self._where = conversation

    def follows(self, owner: list[LLMMessage]) -> bool:
        """Whether it has the blocks of all that `owner` has now; it begins with a list that has nothing yet."""
        if not owner:
            self._begin(owner)
        return self._of is owner and self._count == len(owner)

    def add(self, owner: list[LLMMessage], block: Block) -> None:
        """Take in the block of a message, before that is added to `owner`."""
        count = len(owner)
        if not count:
            self._begin(owner)
        if self._of is owner and self._count == count:
            self._new.append(block)
            self._count = count + 1

    def add_all(self, owner: list[LLMMessage], blocks: list[Block]) -> None:
        """Take in the blocks of several messages, before those are added to `owner`."""
        count = len(owner)
        if not count:
            self._begin(owner)
        if self._of is owner and self._count == count:
            self._new += blocks
            self._count = count + len(blocks)

    def calls(self, owner: list[LLMMessage], reply: Reply) -> None:
        """Take in a reply with calls, before its message is added to `owner`; their results come next."""
        self._open = reply if self.follows(owner) else None

    def answers(self, owner: list[LLMMessage], results: Sequence[FunctionExecutionResult]) -> None:
        """Take in the results of the calls before, before their message is added to `owner`."""
        reply, self._open = self._open, None
        if reply is not None and self._of is owner and self._count + 1 == len(owner):
            done = [ToolResult(one.call_id, one.name, one.content, bool(one.is_error)) for one in results]
            self._new.append(reply.answered(done))
            self._count += 2

    def heard(self, owner: list[LLMMessage], said: Said) -> None:
        """Take in what is said with images, before the message is added to `owner`."""
        if self.follows(owner):
            self._new.append(said)
            self._count += 1
            self.has_images = self.has_images or bool(said.parts)

    def of(self, messages: Sequence[LLMMessage], owner: list[LLMMessage] | None) -> Blocks:
        """Return the blocks of `messages`; `owner` is the list that grows, None where there is none."""
        if self._new:
            self._blocks = self._blocks.plus(*self._new)
            self._new = []
        if self._of is owner and self._count == len(messages) and owner is not None:
            return self._blocks
        if owner is None or self._of is not owner or self._count > len(messages):
            self._begin(owner)
        new = messages[self._count :]
        if new:
            if any(isinstance(message, UserMessage) and isinstance(message.content, list) for message in new):
                self.has_images = True
            if len(new) == 1 and not isinstance(new[0], FunctionExecutionResultMessage):
                found = blocks_of(new)
                self._blocks = self._blocks.plus_one(found[0]) if found else self._blocks
            else:
                self._blocks = self._joined(new)
            self._count = len(messages)
        return self._blocks

    def _begin(self, owner: list[LLMMessage] | None) -> None:
        if self._count:
            self._blocks, self._new = Blocks(), []
        self._count, self._of, self.has_images = 0, owner, False

    def _joined(self, new: Sequence[LLMMessage]) -> Blocks:
        if not isinstance(new[0], FunctionExecutionResultMessage) or not len(self._blocks):
            return self._blocks.plus(*blocks_of(new))
        last: Any = self._blocks[-1]  # results follow calls
        calls = AssistantMessage(
            content=[FunctionCall(id=c.id, name=c.name, arguments=c.arguments) for c in last.calls],
            source="",
        )
        before = Blocks(self._blocks[: len(self._blocks) - 1])
        return before.plus(*blocks_of([calls, *new]))


async def asked(
    client: ChatCompletionClient,
    messages: Sequence[LLMMessage],
    *,
    blocks: Blocks,
    specs: tuple[ToolSpec, ...] = (),
    tools: Sequence[Any] = (),
    tool_choice: str = "auto",
    json_output: bool | type[BaseModel] | None = None,
    token: CancellationToken | None = None,
    show: Show | None = None,
    turn: Turn | None = None,
    standing: str | None = None,
    kept: str = "",
) -> tuple[CreateResult, Answer]:
    """Ask a client of AutoGen's through the door.

    Args:
        client: Whom.
        messages: What it is sent.
        blocks: The same, as the journal has it.
        specs: The tools, as the journal has them.
        tools: The tools, as the client is given them.
        tool_choice: `none` keeps it from calling any.
        json_output: What the reply must be.
        token: Cancels the call.
        show: Is told the pieces of the reply as they come.
        turn: The turn in which it is asked, if it is in one.
        standing: What is asked each time, at the end, as the journal has it; by default the instruction at the head.
        kept: Where none is: under which name the run remembers what was asked, so that the next time adds to that.

    Raises:
        Exception: What the client raised; in a run as the cause of a `ModelError`.
    """
    info = _info_of(type(client)) or client.info
    asking = Asking(client, info, messages, tools, json_output, token, tool_choice, show)
    system = _system(messages) if standing is None else standing
    schema = _schema(json_output) if json_output else None
    request = ModelRequest(blocks, system, specs, tool_choice, schema, info.max_output)
    scope = scope_here() if kept else None
    before = turn.asked if turn is not None else scope.run.resources.get(kept) if scope is not None else None
    try:
        answer, here = await ask(asking, request, after=before)
    except ModelError as error:
        if scope_here() is None and error.__cause__ is not None:
            raise error.__cause__ from None
        raise
    if turn is not None:
        turn.asked = here
    elif scope is not None:
        scope.run.resources[kept] = here
    result = asking.result
    if result is None or (answer is not asking.made and not _is_kept(result, answer)):
        result = result_of(answer)
    return result, answer


async def answered(client: ChatCompletionClient, messages: Sequence[LLMMessage], **options: Any) -> CreateResult:
    """Ask a client by messages alone: for those who ask inside a step, whose call only counts."""
    told = [_user({"content": m.content, "source": "user"}) if isinstance(m, SystemMessage) else m for m in messages]
    result, _ = await asked(client, messages, blocks=Blocks(blocks_of(told)), **options)
    return result


@lru_cache(maxsize=256)
def _info_of(kind: type[ChatCompletionClient]) -> ModelInfo | None:
    """Return what is known of all clients of a class, None where each says it."""
    return info_of(kind.__name__) if getattr(kind, "info", None) is ChatCompletionClient.info else None


def _is_kept(result: CreateResult, answer: Answer) -> bool:
    """Whether what a client returned is what the journal has of it: what is not kept is not used."""
    content, reply = result.content, answer.reply
    if isinstance(content, str):
        return content == reply.text
    return all((call.arguments or "{}") == kept.arguments for call, kept in zip(content, reply.calls, strict=True))


def _system(messages: Sequence[LLMMessage]) -> str | None:
    """Return the instruction that the messages begin with."""
    first = messages[0] if messages else None
    if type(first) is UserMessage:  # pydantic's classes take long to say that something is none of theirs
        return None
    return first.content if isinstance(first, SystemMessage) else None


@lru_cache(maxsize=64)
def _schema(json_output: Literal[True] | type[BaseModel]) -> str:
    return json.dumps({"type": "object"} if json_output is True else json_output.model_json_schema())


def result_of(answer: Answer) -> CreateResult:
    """Return what the journal has of an answer as AutoGen has it."""
    reply, usage = answer.reply, answer.usage or Usage()
    thought = "".join(one.text for one in reply.reasoning) or None
    return CreateResult(
        finish_reason=REASONS[answer.finish],
        content=[FunctionCall(c.id, c.arguments, c.name) for c in reply.calls] or reply.text,
        usage=RequestUsage(usage.prompt_tokens, usage.completion_tokens),
        cached=False,
        thought=(reply.text or thought) if reply.calls else thought,
    )
