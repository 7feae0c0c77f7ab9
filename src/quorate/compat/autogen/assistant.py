"""AutoGen's assistant: an agent with a model, tools, handoffs and memories, that keeps what its model is shown."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, cast

from pydantic import BaseModel, TypeAdapter

from quorate.chat import messages as quorate_messages
from quorate.chat.facts import Fact
from quorate.chat.messages import (
    BaseChatMessage,
    HandoffMessage,
    ModelClientStreamingChunkEvent,
    MultiModalMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    ToolCallSummaryMessage,
)
from quorate.chat.speech import Made, Turn
from quorate.chat.structured import StructuredMessage
from quorate.compat.autogen import profile
from quorate.compat.autogen.agentchat.base import Handoff, Response
from quorate.compat.autogen.agentchat.messages import (
    MemoryQueryEvent,
    StructuredMessageFactory,
    model_text,
    to_model_message,
)
from quorate.compat.autogen.agentchat.state import AssistantAgentState
from quorate.compat.autogen.agentchat.utils import remove_images
from quorate.compat.autogen.asking import Transcript, asked
from quorate.compat.autogen.bench import Calls
from quorate.compat.autogen.clients import QuorateChatCompletionClient
from quorate.compat.autogen.components import Component, ComponentModel
from quorate.compat.autogen.core.memory import Memory
from quorate.compat.autogen.core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from quorate.compat.autogen.core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
)
from quorate.compat.autogen.functiontool import FunctionTool
from quorate.compat.autogen.speaking import BaseChatAgent, response_of, turn_here
from quorate.compat.autogen.toolbase import BaseTool
from quorate.compat.autogen.values import FunctionCall
from quorate.compat.autogen.within import pumped
from quorate.compat.autogen.workbench import StaticStreamWorkbench, Workbench
from quorate.core.cancellation import CancellationToken
from quorate.errors import ConfigError
from quorate.models.blocks import Said
from quorate.models.client import Answer
from quorate.runs.scope import current

_llm_message: TypeAdapter[LLMMessage] = TypeAdapter(LLMMessage)
_text = TextMessage.__pydantic_validator__.validate_python
_assistant = AssistantMessage.__pydantic_validator__.validate_python


class AssistantAgentConfig(BaseModel):
    """An `AssistantAgent` as configuration."""

    name: str
    model_client: ComponentModel
    tools: list[ComponentModel] | None = None
    workbench: list[ComponentModel] | None = None
    handoffs: list[Handoff | str] | None = None
    model_context: ComponentModel | None = None
    memory: list[ComponentModel] | None = None
    description: str
    system_message: str | None = None
    model_client_stream: bool = False
    reflect_on_tool_use: bool
    tool_call_summary_format: str
    max_tool_iterations: int = profile.MAX_TOOL_ITERATIONS
    metadata: dict[str, str] | None = None
    structured_message_factory: ComponentModel | None = None


class AssistantAgent(BaseChatAgent, Component[AssistantAgentConfig]):
    """Answers with a model that may call tools, and hands over.

    Args:
        name: Who it is; an identifier.
        model_client: AutoGen's, or one of Quorate's, or the name of one.
        tools: Tools, or functions with annotations and a docstring.
        workbench: Tools that are listed and called by name, instead of `tools`.
        handoffs: Whom it may hand over to.
        model_context: Keeps what the model is shown; by default all of it.
        description: What it is for, as others are told.
        system_message: Its standing instruction; None for none.
        model_client_stream: Whether its words are shown as they come.
        reflect_on_tool_use: Whether the model has the last word after tools; by default where the output has a type.
        max_tool_iterations: How often in a turn the model may call tools.
        tool_call_summary_format: What is told of a call: `{tool_name}`, `{arguments}`, `{result}`, `{is_error}`.
        tool_call_summary_formatter: Tells of a call instead of the format.
        output_content_type: What the answer must be.
        output_content_type_format: How people read such an answer.
        memory: What is looked up before the model is asked.
        metadata: Kept with the agent.

    Raises:
        ConfigError: Names clash, the model cannot call functions, or something is of another kind than it has to be.
        TypeError: `memory` is no list.
    """

    component_version: ClassVar[int] = 2
    component_config_schema: ClassVar[type[Any]] = AssistantAgentConfig
    component_provider_override: ClassVar[str | None] = "autogen_agentchat.agents.AssistantAgent"

    def __init__(
        self,
        name: str,
        model_client: ChatCompletionClient,
        *,
        tools: list[BaseTool[Any, Any] | Callable[..., Any] | Callable[..., Awaitable[Any]]] | None = None,
        workbench: Workbench | Sequence[Workbench] | None = None,
        handoffs: list[Handoff | str] | None = None,
        model_context: ChatCompletionContext | None = None,
        description: str = profile.ASSISTANT_DESCRIPTION,
        system_message: str | None = profile.SYSTEM_MESSAGE,
        model_client_stream: bool = False,
        reflect_on_tool_use: bool | None = None,
        max_tool_iterations: int = profile.MAX_TOOL_ITERATIONS,
        tool_call_summary_format: str = "{result}",
        tool_call_summary_formatter: Callable[[FunctionCall, FunctionExecutionResult], str] | None = None,
        output_content_type: type[BaseModel] | None = None,
        output_content_type_format: str | None = None,
        memory: Sequence[Memory] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> None:
        super().__init__(name, description)
        self._metadata = metadata or {}
        self.model_client = as_client(model_client)
        self._model_client_stream = model_client_stream
        self.output_content_type, self._output_format = output_content_type, output_content_type_format
        self._structured_message_factory = (
            None
            if output_content_type is None
            else StructuredMessageFactory(input_model=output_content_type, format_string=output_content_type_format)
        )
        if memory is not None and not isinstance(memory, list):
            raise TypeError(f"Expected Memory, List[Memory], or None, got {type(memory)}")
        self._memory = memory
        self._system_messages: list[LLMMessage] = (
            [] if system_message is None else [SystemMessage(content=system_message)]
        )
        made = [_tool(one) for one in tools or ()]
        self._handoffs = _handoffs(handoffs or ())
        if (made or self._handoffs) and self.model_client.model_info["function_calling"] is False:
            raise ConfigError("The model does not support function calling.")
        _check_names([tool.name for tool in made], self._handoffs)
        self._handoff_tools = [handoff.handoff_tool for handoff in self._handoffs.values()]
        if workbench is not None and made:
            raise ConfigError("Tools cannot be used with a workbench.")
        if workbench is None:
            self._workbench: list[Workbench] = [StaticStreamWorkbench(made)]
        else:
            self._workbench = [workbench] if isinstance(workbench, Workbench) else list(workbench)
        self.view_calls = Calls(self._workbench, self._handoffs)
        self._model_context = model_context or UnboundedChatCompletionContext()
        self._transcript = Transcript()
        self._reflect_on_tool_use = (
            output_content_type is not None if reflect_on_tool_use is None else reflect_on_tool_use
        )
        if max_tool_iterations < 1:
            raise ConfigError(
                f"Maximum number of tool iterations must be greater than or equal to 1, got {max_tool_iterations}"
            )
        self._max_tool_iterations = max_tool_iterations
        self._tool_call_summary_format = tool_call_summary_format
        self._tool_call_summary_formatter = tool_call_summary_formatter

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        types: list[type[BaseChatMessage]] = [TextMessage, ToolCallSummaryMessage, HandoffMessage]
        return [*types, StructuredMessage] if self._structured_message_factory is not None else types

    @property
    def _model_client(self) -> ChatCompletionClient:
        """Its client, under the name that subclasses written for AutoGen use."""
        return self.model_client

    @property
    def model_context(self) -> ChatCompletionContext:
        """What its model is shown."""
        return self._model_context

    # -- a turn --------------------------------------------------------------------------------------------------------

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return await response_of(self.on_messages_stream(messages, cancellation_token))

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Any, None]:
        """Answer what is new, and yield what comes, the `Response` last."""
        inner: list[Any] = []
        scope = current.get()
        self._transcript.enter("" if scope is None else scope.run.journal.conversation)
        await self._hear(messages)
        for memory in self._memory or ():
            found = (await memory.update_context(self._model_context)).memories.results
            if found:
                inner.append(MemoryQueryEvent(content=found, source=self._name))
                yield inner[-1]
        turn = self._turn()
        for left in range(self._max_tool_iterations - 1, -1, -1):
            said = _Said(self, turn)
            if self._model_client_stream:
                async for chunk in said.streamed(cancellation_token):
                    yield chunk
            else:
                await said.ask(cancellation_token)
            result = said.result
            if result.thought:
                inner.append(said.thought())
                yield inner[-1]
            await self._keep(result, said.answer, turn)
            if isinstance(result.content, str):
                yield Response(chat_message=said.message(result.content, self._output_format), inner_messages=inner)
                return
            inner.append(said.request(result.content))
            yield inner[-1]
            results: list[FunctionExecutionResult] = []
            async for item in self._call(result.content, cancellation_token):
                if isinstance(item, list):
                    results = cast("list[FunctionExecutionResult]", item)  # the last item
                    continue
                inner.append(item)
                yield item
            inner.append(ToolCallExecutionEvent(content=results, source=self._name))
            await self._keep_results(results)
            yield inner[-1]
            handed = self._handed_over(result, results)
            if handed is not None:
                yield Response(chat_message=handed, inner_messages=inner)
                return
            if left:
                continue
            if self._reflect_on_tool_use:
                async for item in self._reflected(turn, inner, cancellation_token):
                    yield item
            else:
                yield Response(chat_message=self._summary(result.content, results), inner_messages=inner)

    def _turn(self) -> Turn | None:
        """Return the turn that this agent has, None where it is called in another way."""
        turn = turn_here.get()
        return turn if turn is not None and turn.name == self._name and current.get() is turn.scope else None

    async def _hear(self, messages: Sequence[BaseChatMessage]) -> None:
        context, transcript = self._model_context, self._transcript
        add = context.add_message
        for message in messages:
            text = model_text(message)
            if text is not None and type(context) is UnboundedChatCompletionContext:
                kept = context.__dict__["_messages"]
                if transcript.follows(kept):
                    fact = self._said_by.get(message.id)
                    transcript.plus(Said(text, message.source) if fact is None else fact.said())
                kept.append(to_model_message(message))
                continue
            if isinstance(message, HandoffMessage):
                for one in message.context:
                    await add(_llm_message.validate_python(one))
            fact = self._said_by.get(message.id) if isinstance(message, MultiModalMessage) else None
            if fact is not None and type(context) is UnboundedChatCompletionContext:
                transcript.heard(context.__dict__["_messages"], fact.said())  # the journal has its images already
            await add(to_model_message(message))

    async def _keep(self, result: CreateResult, answer: Answer | None, turn: Turn | None) -> None:
        context, transcript = self._model_context, self._transcript
        message = _assistant({"content": result.content, "source": self._name, "thought": result.thought})
        if type(context) is not UnboundedChatCompletionContext:
            await context.add_message(message)
            return
        kept = context.__dict__["_messages"]
        if answer is not None and type(result.content) is str:
            if transcript.follows(kept):
                transcript.plus(answer.reply)
        elif answer is not None and turn is not None:
            transcript.calls(kept, answer.reply)
        kept.append(message)

    async def _keep_results(self, results: list[FunctionExecutionResult]) -> None:
        context = self._model_context
        if type(context) is UnboundedChatCompletionContext:
            self._transcript.answers(context.__dict__["_messages"], results)
        await context.add_message(FunctionExecutionResultMessage(content=results))

    async def view_shown(self) -> tuple[list[LLMMessage], Any]:
        """Return what the model is shown, and the same as blocks."""
        context = self._model_context
        owner = context.__dict__["_messages"] if type(context) is UnboundedChatCompletionContext else None
        messages = await context.get_messages() if owner is None else owner
        blocks = self._transcript.of(messages, owner)
        if self._transcript.has_images and not self.model_client.model_info["vision"]:
            messages = remove_images(messages)
        return [*self._system_messages, *messages], blocks

    def _call(self, calls: Sequence[FunctionCall], token: CancellationToken) -> AsyncGenerator[Any, None]:
        """Make calls side by side; yield what streaming tools tell, and the list of all results last."""
        return self.view_calls.make(calls, token)

    def _handed_over(self, result: CreateResult, results: Sequence[FunctionExecutionResult]) -> HandoffMessage | None:
        calls = cast("list[FunctionCall]", result.content)
        taken = [(call, done) for call, done in zip(calls, results, strict=True) if call.name in self._handoffs]
        if not taken:
            return None
        first, done = taken[0]
        if len(taken) > 1:
            warnings.warn(
                f"{self._name} called several handoffs; only the first counts, {first.name}. Disable parallel tool "
                "calls in the model client to avoid it.",
                stacklevel=2,
            )
        others = [call for call in calls if call.name not in self._handoffs]
        context: list[Any] = []
        if others:
            context.append(AssistantMessage(content=others, source=self._name, thought=result.thought))
            told = [one for one in results if one.name not in self._handoffs]
            context.append(FunctionExecutionResultMessage(content=told))
        elif result.thought:
            context.append(AssistantMessage(content=result.thought, source=self._name))
        handoff = self._handoffs[first.name]
        return HandoffMessage(content=done.content, target=handoff.target, source=self._name, context=context)

    def _summary(
        self, calls: Sequence[FunctionCall], results: Sequence[FunctionExecutionResult]
    ) -> ToolCallSummaryMessage:
        lines = [self._told_of(call, done) for call, done in zip(calls, results, strict=True)]
        return ToolCallSummaryMessage(
            content="\n".join(lines), source=self._name, tool_calls=list(calls), results=list(results)
        )

    def _told_of(self, call: FunctionCall, done: FunctionExecutionResult) -> str:
        if self._tool_call_summary_formatter is not None:
            return self._tool_call_summary_formatter(call, done)
        return self._tool_call_summary_format.format(
            tool_name=call.name, arguments=call.arguments, result=done.content, is_error=done.is_error
        )

    async def _reflected(
        self, turn: Turn | None, inner: list[Any], token: CancellationToken
    ) -> AsyncGenerator[Any, None]:
        """Let the model have the last word, without tools."""
        said = _Said(self, turn, reflecting=True)
        if self._model_client_stream:
            async for chunk in said.streamed(token):
                yield chunk
        else:
            await said.ask(token)
        result = said.result
        if not isinstance(result.content, str):
            raise ConfigError(f"{self._name}: the model was asked to reflect without tools, and asked for tools.")
        if result.thought:
            inner.append(said.thought())
            yield inner[-1]
        await self._keep(result, said.answer, turn)
        yield Response(chat_message=said.message(result.content, self._output_format), inner_messages=inner)

    # -- state ---------------------------------------------------------------------------------------------------------

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        await self._model_context.clear()

    async def save_state(self) -> Mapping[str, Any]:
        return AssistantAgentState().model_dump() | {"llm_context": dict(await self._model_context.save_state())}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        await self._model_context.load_state(AssistantAgentState.model_validate(state).llm_context)

    async def view_take_up(self, facts: Sequence[Fact]) -> bool:
        if await self._model_context.get_messages():
            return False
        thought: str | None = None
        for fact in facts:
            item = fact.message or fact.event
            if fact.speaker != self._name:
                await self._hear([cast("BaseChatMessage", item)])
            elif item is None or item.source != self._name:
                continue  # what a tool of its own was told
            elif isinstance(item, ThoughtEvent):
                thought = item.content
            elif isinstance(item, ToolCallRequestEvent | TextMessage | StructuredMessage):
                content: Any = item.to_text() if isinstance(item, BaseChatMessage) else item.content
                said = AssistantMessage(content=content, source=self._name, thought=thought)
                await self._model_context.add_message(said)
                thought = None
            elif isinstance(item, ToolCallExecutionEvent):
                await self._model_context.add_message(FunctionExecutionResultMessage(content=item.content))
        return True

    # -- configuration -------------------------------------------------------------------------------------------------

    def _to_config(self) -> AssistantAgentConfig:
        factory = self._structured_message_factory
        system = self._system_messages[0].content if self._system_messages else None
        return AssistantAgentConfig(
            name=self.name,
            model_client=self.model_client.dump_component(),
            tools=None,
            workbench=[bench.dump_component() for bench in self._workbench],
            handoffs=list(self._handoffs.values()) or None,
            model_context=self._model_context.dump_component(),
            memory=[one.dump_component() for one in self._memory] if self._memory else None,
            description=self.description,
            system_message=cast("str | None", system),
            model_client_stream=self._model_client_stream,
            reflect_on_tool_use=self._reflect_on_tool_use,
            max_tool_iterations=self._max_tool_iterations,
            tool_call_summary_format=self._tool_call_summary_format,
            structured_message_factory=None if factory is None else factory.dump_component(),
            metadata=self._metadata,
        )

    @classmethod
    def _from_config(cls, config: AssistantAgentConfig) -> Self:
        factory: Any = None
        if config.structured_message_factory is not None:
            factory = StructuredMessageFactory.load_component(config.structured_message_factory)
        benches = [Workbench.load_component(one) for one in config.workbench] if config.workbench else None
        context = ChatCompletionContext.load_component(config.model_context) if config.model_context else None
        return cls(
            config.name,
            ChatCompletionClient.load_component(config.model_client),
            tools=[BaseTool.load_component(one) for one in config.tools] if config.tools else None,
            workbench=benches,
            handoffs=config.handoffs,
            model_context=context,
            memory=[Memory.load_component(one) for one in config.memory] if config.memory else None,
            description=config.description,
            system_message=config.system_message,
            model_client_stream=config.model_client_stream,
            reflect_on_tool_use=config.reflect_on_tool_use,
            max_tool_iterations=config.max_tool_iterations,
            tool_call_summary_format=config.tool_call_summary_format,
            output_content_type=None if factory is None else factory.ContentModel,
            output_content_type_format=None if factory is None else factory.format_string,
            metadata=config.metadata,
        )

    @classmethod
    def _from_config_past_version(cls, config: dict[str, Any], version: int) -> Self:
        return cls._from_config(AssistantAgentConfig.model_validate(config))


class _Said:
    """One reply of an assistant's model, and the events and the message that are made of it."""

    def __init__(self, agent: AssistantAgent, turn: Turn | None, *, reflecting: bool = False) -> None:
        self._agent, self._turn, self._reflecting = agent, turn, reflecting
        self._step = 0 if turn is None else turn.scope.count + 1
        self._id: str | None = None
        self.answer: Answer | None = None
        self.result: CreateResult

    async def ask(self, token: CancellationToken, show: Callable[[str], None] | None = None) -> None:
        """Ask the model."""
        agent = self._agent
        messages, blocks = await agent.view_shown()
        calls = agent.view_calls
        tools, specs = ([], ()) if self._reflecting else calls.known or await calls.offered()
        self.result, self.answer = await asked(
            agent.model_client,
            messages,
            blocks=blocks,
            specs=specs,
            tools=tools,
            tool_choice="none" if self._reflecting else "auto",
            json_output=agent.output_content_type,
            token=token,
            show=show,
            turn=self._turn,
        )

    async def streamed(self, token: CancellationToken) -> AsyncGenerator[ModelClientStreamingChunkEvent, None]:
        """Ask the model, and yield its words as they come."""
        items: asyncio.Queue[Any] = asyncio.Queue()
        if self._turn is None:
            self._id = quorate_messages.new_id()
            working = self.ask(token, items.put_nowait)
        else:
            self._id = f"{self._turn.run.id}/{self._turn.scope.path}/{self._step} model"
            working = self._lent(self._turn, token, items)
        async for piece in pumped(working, items):
            if isinstance(piece, str):
                yield ModelClientStreamingChunkEvent(content=piece, source=self._agent.name, full_message_id=self._id)

    async def _lent(self, turn: Turn, token: CancellationToken, items: asyncio.Queue[Any]) -> None:
        with turn.scope.lent():
            await self.ask(token, items.put_nowait)

    def thought(self) -> ThoughtEvent:
        """Return the event of its thought, which has the id of what was streamed."""
        fields: dict[str, Any] = {} if self._id is None else {"id": self._id}
        self._id = None if self._id is None else quorate_messages.new_id()
        return ThoughtEvent(content=self.result.thought or "", source=self._agent.name, **fields)

    def request(self, calls: list[FunctionCall]) -> ToolCallRequestEvent:
        """Return the event of the calls that it asks for."""
        return ToolCallRequestEvent(content=calls, source=self._agent.name, models_usage=self.result.usage)

    def message(self, text: str, format: str | None) -> BaseChatMessage:
        """Return the answer."""
        agent, turn = self._agent, self._turn
        content_type = agent.output_content_type
        fields: dict[str, Any] = {"source": agent.name, "models_usage": self.result.usage}
        if self._id is not None:
            fields["id"] = self._id
        if content_type is not None:
            content = content_type.model_validate_json(text)
            return StructuredMessage[content_type](content=content, format_string=format, **fields)
        if turn is not None and self.answer is not None and not self.result.thought:
            turn.steps[self._step] = Made(self.answer, turn.scope.at, turn.asked.cost_usd if turn.asked else 0.0)
            message = turn.derive("reply", self._step).message
            assert message is not None
            return message
        return _text({"content": text, **fields})


def as_client(given: Any) -> ChatCompletionClient:
    """Return a client of AutoGen's, for one of Quorate's or the name of one too."""
    return given if isinstance(given, ChatCompletionClient) else QuorateChatCompletionClient(given)


def _tool(given: Any) -> BaseTool[Any, Any]:
    if isinstance(given, BaseTool):
        return cast("BaseTool[Any, Any]", given)
    if callable(given):
        return FunctionTool(given, description=getattr(given, "__doc__", None) or "")
    raise ConfigError(f"Unsupported tool type: {type(given)}")


def _handoffs(given: Sequence[Any]) -> dict[str, Handoff]:
    found: list[Handoff] = []
    for one in given:
        if not isinstance(one, str | Handoff):
            raise ConfigError(f"Unsupported handoff type: {type(one)}")
        found.append(Handoff(target=one) if isinstance(one, str) else one)
    names = [handoff.name for handoff in found]
    if len(set(names)) < len(names):
        raise ConfigError(f"Handoff names must be unique: {names}")
    return dict(zip(names, found, strict=True))


def _check_names(tools: list[str], handoffs: Mapping[str, Handoff]) -> None:
    if len(set(tools)) < len(tools):
        raise ConfigError(f"Tool names must be unique: {tools}")
    clash = {*handoffs, *(handoff.target for handoff in handoffs.values())} & set(tools)
    if clash:
        raise ConfigError(
            f"Handoff names must be unique from tool names, and {', '.join(sorted(clash))} is both. Rename one."
        )


__all__ = ["AssistantAgent", "AssistantAgentConfig", "as_client"]
