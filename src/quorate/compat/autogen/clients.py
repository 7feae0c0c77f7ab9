"""Model clients across: AutoGen's asked by Quorate, Quorate's asked by code written for AutoGen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from msgspec.structs import astuple
from pydantic import BaseModel

from quorate.chat.messages import UNSEEN
from quorate.compat.autogen.core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    FinishReasons,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from quorate.compat.autogen.toolbase import BaseTool, Tool, ToolSchema
from quorate.compat.autogen.values import FunctionCall
from quorate.core.cancellation import CancellationToken
from quorate.errors import ConfigError, ModelError
from quorate.models.blocks import Block, Blocks, Reasoning, Reply, Said, ToolCall, ToolResult
from quorate.models.call_ids import taken_by
from quorate.models.client import (
    Answer,
    CallDelta,
    Finish,
    Finished,
    Folding,
    ModelClient,
    ModelEvent,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolSpec,
    Usage,
    closed,
)
from quorate.models.json_schema import schema_to_pydantic_model
from quorate.models.order import in_order, instruction
from quorate.models.registry import open_model
from quorate.runs.prices import window_of

FINISH: dict[FinishReasons, Finish] = {
    "stop": "stop",
    "length": "length",
    "function_calls": "tool_calls",
    "content_filter": "content_filter",
    "unknown": "unknown",
}
REASONS: dict[Finish, FinishReasons] = {finish: reason for reason, finish in FINISH.items()}
_WINDOW = 100_000
"""Tokens of a model whose window is not known."""


class QuorateChatCompletionClient(ChatCompletionClient):
    """A model client of Quorate's under AutoGen's protocol.

    Args:
        client: The client, or its name, such as `openai:gpt-5`.
        model_info: What the model can do, where that matters to somebody; by default all, and images if it is shown
            them.
    """

    component_type: ClassVar[str] = "model"

    def __init__(self, client: ModelClient | str, *, model_info: ModelInfo | None = None) -> None:
        self._client = open_model(client) if isinstance(client, str) else client
        self._info = model_info or ModelInfo(
            vision=self._client.info.vision,
            function_calling=True,
            json_output=True,
            family=ModelFamily.UNKNOWN,
            structured_output=True,
            multiple_system_messages=False,
        )
        self._used = Usage()

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = [],  # as the protocol has it
        tool_choice: Any = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        stream = self.create_stream(
            messages,
            tools=tools,
            tool_choice=tool_choice,
            json_output=json_output,
            extra_create_args=extra_create_args,
            cancellation_token=cancellation_token,
        )
        *_, result = [item async for item in stream]
        assert isinstance(result, CreateResult)  # the last one always is
        return result

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = [],
        tool_choice: Any = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        stream, folding = self._stream(messages, tools, tool_choice, json_output, extra_create_args), Folding()
        try:
            while (event := await _next(stream, cancellation_token)) is not None:
                folding.see(event)
                if isinstance(event, TextDelta):
                    yield event.text
        finally:
            await closed(stream)
        answer = folding.answer()
        self._used = self._used.plus(answer.usage or Usage())
        result = _result(answer)
        self._answered(messages, tools, result)
        yield result

    def _stream(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema],
        tool_choice: Any,
        json_output: bool | type[BaseModel] | None,
        extra: Mapping[str, Any],
    ) -> AsyncIterator[ModelEvent]:
        """Ask, and yield the answer as it comes."""
        return self._client.stream(_request(messages, tools, tool_choice, json_output, extra))

    def _answered(self, messages: Sequence[LLMMessage], tools: Sequence[Any], result: CreateResult) -> None:
        """Be told what came of it."""

    @property
    def info(self) -> Any:
        """What Quorate knows of the model, its price among it."""
        return self._client.info

    async def close(self) -> None:
        await self._client.close()

    def actual_usage(self) -> RequestUsage:
        return RequestUsage(self._used.prompt_tokens, self._used.completion_tokens)

    def total_usage(self) -> RequestUsage:
        return self.actual_usage()

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        """Return about how many tokens messages and tools have: one for every four bytes."""
        request = _request(messages, tools, "auto", None, {})
        specs = sum(len(part.encode()) for spec in request.tools for part in astuple(spec))
        return (request.blocks.size_bytes + len((request.system or "").encode()) + specs) // 4

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        window = window_of(self._client.info)
        return (_WINDOW if window is None else window) - self.count_tokens(messages, tools=tools)

    @property
    def capabilities(self) -> Any:
        return self._info

    @property
    def model_info(self) -> ModelInfo:
        return self._info


async def asked_of(client: ChatCompletionClient, request: ModelRequest) -> AsyncIterator[ModelEvent]:
    """Ask a client of AutoGen's, and yield the answer as Quorate's agents take it.

    Raises:
        ModelError: The client raised, or its stream ended without a result.
    """
    token = CancellationToken()
    try:
        streamed, result = False, None
        async for item in _asked(client, request, token):
            if isinstance(item, str):
                streamed = True
                yield TextDelta(item)
            else:
                result = item
    except (ModelError, GeneratorExit):
        raise
    except Exception as error:
        may_pass = isinstance(error, TimeoutError | ConnectionError)
        raise ModelError(f"{type(client).__name__} failed: {error}", retryable=may_pass) from error
    finally:
        token.cancel()
    if result is None:
        raise ModelError(f"The stream of {type(client).__name__} ended without a CreateResult.", retryable=True)
    if result.thought:
        yield ReasoningDelta(result.thought)
    if isinstance(result.content, str):
        if not streamed:
            yield TextDelta(result.content)
    else:
        for index, call in enumerate(result.content):
            yield CallDelta(index, call.id, call.name, call.arguments)
    usage = Usage(result.usage.prompt_tokens, result.usage.completion_tokens)
    yield Finished(usage, FINISH[result.finish_reason])


async def _asked(
    client: ChatCompletionClient, request: ModelRequest, token: CancellationToken
) -> AsyncIterator[str | CreateResult]:
    """Ask in pieces, or at once where the client cannot."""
    asked: dict[str, Any] = {
        "tools": [_schema(spec) for spec in request.tools],
        "tool_choice": _choice(request),
        "json_output": _json_output(client, request),
        "cancellation_token": token,
    }
    info = client.model_info
    call_ids = taken_by(str(info.get("family", "")))
    messages = list(_messages(request, vision=bool(info.get("vision")), call_ids=call_ids))
    try:
        async for item in client.create_stream(messages, **asked):
            yield item
    except NotImplementedError:
        yield await client.create(messages, **asked)


def _messages(request: ModelRequest, *, vision: bool, call_ids: str | None) -> Iterator[LLMMessage]:
    if system := instruction(request):
        yield SystemMessage(content=system)
    for block in in_order(request, call_ids=call_ids):
        if isinstance(block, Said):
            content: Any = list(block.parts) if vision and block.parts else block.text
            yield UserMessage(content=content, source=block.source)
            continue
        thought = "".join(one.text for one in block.reasoning) or None
        if not block.calls:
            yield AssistantMessage(content=block.text, thought=thought, source="assistant")
            continue
        calls = [FunctionCall(id=call.id, arguments=call.arguments, name=call.name) for call in block.calls]
        yield AssistantMessage(content=calls, thought=block.text or thought, source="assistant")
        if block.results:
            yield FunctionExecutionResultMessage(
                content=[
                    FunctionExecutionResult(
                        content=one.content, name=one.name, call_id=one.call_id, is_error=one.is_error
                    )
                    for one in block.results
                ]
            )


def _schema(spec: ToolSpec) -> ToolSchema:
    return ToolSchema(name=spec.name, description=spec.description, parameters=json.loads(spec.parameters))


class _Named(BaseTool[BaseModel, Any]):
    """The tool that a model must call; Quorate itself makes the call."""

    def __init__(self, schema: ToolSchema) -> None:
        super().__init__(BaseModel, str, schema["name"], schema.get("description", ""))
        self._schema = schema

    @property
    def schema(self) -> ToolSchema:
        return self._schema

    async def run(self, args: BaseModel, cancellation_token: CancellationToken) -> Any:
        raise NotImplementedError(f"{self.name} is called by Quorate, not by the model client.")


def _choice(request: ModelRequest) -> Any:
    if request.tool_choice in {"auto", "none", "required"}:
        return request.tool_choice
    return _Named(_schema(next(spec for spec in request.tools if spec.name == request.tool_choice)))


def _json_output(client: ChatCompletionClient, request: ModelRequest) -> bool | type[BaseModel] | None:
    if request.output_schema is None:
        return None
    if client.model_info.get("structured_output"):
        return schema_to_pydantic_model(json.loads(request.output_schema), "Answer")
    return True if client.model_info.get("json_output") else None


def _request(
    messages: Sequence[LLMMessage],
    tools: Sequence[Tool | ToolSchema],
    tool_choice: Any,
    json_output: bool | type[BaseModel] | None,
    extra: Mapping[str, Any],
) -> ModelRequest:
    unknown = set(extra) - {"max_tokens", "seed", "temperature"}
    if unknown:
        raise ConfigError(
            f"extra_create_args has {', '.join(sorted(unknown))}; known are max_tokens, seed, temperature."
        )
    schema = None
    if json_output:
        schema = json.dumps({"type": "object"} if json_output is True else json_output.model_json_schema())
    return ModelRequest(
        blocks=Blocks(blocks_of(messages)),
        system="\n\n".join(m.content for m in messages if isinstance(m, SystemMessage)) or None,
        tools=tuple(_spec(tool) for tool in tools),
        tool_choice=tool_choice if isinstance(tool_choice, str) else tool_choice.name,
        output_schema=schema,
        **extra,
    )


def blocks_of(messages: Sequence[LLMMessage]) -> list[Block]:
    """Return messages as Quorate's blocks; instructions are none.

    Raises:
        ConfigError: Results of calls do not follow their calls.
    """
    found: list[Block] = []
    for message in messages:
        kind = type(message)  # pydantic's classes take long to say that something is none of theirs
        if kind is not AssistantMessage and isinstance(message, UserMessage):
            found.append(_said(message))
        elif isinstance(message, AssistantMessage):
            found.append(_reply(message))
        elif isinstance(message, FunctionExecutionResultMessage):
            before = found[-1] if found else None
            if not isinstance(before, Reply) or not before.calls:
                raise ConfigError("Results of calls come right after the message with these calls; here they do not.")
            results = [ToolResult(r.call_id, r.name, r.content, bool(r.is_error)) for r in message.content]
            found[-1] = before.answered(results)
    return found


def _said(message: UserMessage) -> Said:
    if isinstance(message.content, str):
        return Said(message.content, message.source)
    parts = tuple(message.content)
    text = "\n".join(part if isinstance(part, str) else UNSEEN for part in parts)
    shown = any(not isinstance(part, str) for part in parts)
    return Said(text, message.source, parts=parts if shown else ())


def _reply(message: AssistantMessage) -> Reply:
    if isinstance(message.content, str):
        reasoning = (Reasoning(message.thought),) if message.thought else ()
        return Reply(message.content, reasoning=reasoning)
    calls = tuple(ToolCall(call.id, call.name, call.arguments) for call in message.content)
    return Reply(message.thought or "", calls)


def _spec(tool: Tool | ToolSchema) -> ToolSpec:
    schema = tool.schema if isinstance(tool, Tool) else tool
    parameters: Any = schema.get("parameters") or {"type": "object", "properties": {}}
    return ToolSpec(schema["name"], schema.get("description", ""), json.dumps(parameters))


async def _next(stream: AsyncIterator[ModelEvent], token: CancellationToken | None) -> ModelEvent | None:
    if token is None:
        return await anext(stream, None)

    async def following() -> ModelEvent | None:
        return await anext(stream, None)

    return await token.link_future(asyncio.get_running_loop().create_task(following()))


def _result(answer: Answer) -> CreateResult:
    reply, usage = answer.reply, answer.usage or Usage()
    thought = "".join(one.text for one in reply.reasoning) or None
    calls = [FunctionCall(id=call.id, arguments=call.arguments, name=call.name) for call in reply.calls]
    return CreateResult(
        finish_reason=REASONS[answer.finish],
        content=calls or reply.text,
        usage=RequestUsage(usage.prompt_tokens, usage.completion_tokens),
        cached=False,
        thought=(reply.text or thought) if calls else thought,
    )
