"""AutoGen's assistant: an agent with a model, tools, handoffs and memories, that keeps what its model is shown."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self, cast

from msgspec import Struct
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
    text_in,
    to_model_message,
)
from quorate.compat.autogen.agentchat.state import AssistantAgentState
from quorate.compat.autogen.agentchat.utils import remove_images
from quorate.compat.autogen.asking import Transcript, asked
from quorate.compat.autogen.bench import Calls
from quorate.compat.autogen.clients import QuorateChatCompletionClient
from quorate.compat.autogen.components import Component, ComponentModel
from quorate.compat.autogen.core.memory import Memory
from quorate.compat.autogen.core.model_context import ChatCompletionContext, UnboundedChatCompletionContext, kept_by
from quorate.compat.autogen.core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
    answered,
    heard,
)
from quorate.compat.autogen.functiontool import FunctionTool
from quorate.compat.autogen.speaking import BaseChatAgent, place_of, response_of, token_here, turn_here
from quorate.compat.autogen.toolbase import BaseTool
from quorate.compat.autogen.values import FunctionCall
from quorate.compat.autogen.within import pumped
from quorate.compat.autogen.workbench import StaticStreamWorkbench, Workbench
from quorate.compat.autogen.yielding import Tell, as_it_comes
from quorate.core.cancellation import CancellationToken
from quorate.errors import ConfigError
from quorate.models.blocks import Block, Blocks
from quorate.models.client import Answer
from quorate.runs.scope import scope_here

_llm_message: TypeAdapter[LLMMessage] = TypeAdapter(LLMMessage)
_text = TextMessage.__pydantic_validator__.validate_python
_assistant = AssistantMessage.__pydantic_validator__.validate_python
_user = UserMessage.__pydantic_validator__.validate_python
# As above, for what is made in each turn that hands over.
_requested = ToolCallRequestEvent.__pydantic_validator__.validate_python
_executed = ToolCallExecutionEvent.__pydantic_validator__.validate_python
_answered = FunctionExecutionResultMessage.__pydantic_validator__.validate_python
_handed = HandoffMessage.__pydantic_validator__.validate_python


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
        self.output_content_type, self.output_format = output_content_type, output_content_type_format
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

    def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Any, None]:
        """Answer what is new, and yield what comes, the `Response` last."""
        return as_it_comes(partial(self._respond, messages, cancellation_token))

    def speak(self, turn: Turn) -> Coroutine[Any, Any, BaseChatMessage]:
        if type(self).on_messages_stream is not _STREAM or "on_messages_stream" in self.__dict__:
            return super().speak(turn)  # somebody does it in another way
        return self._speak(turn)

    async def _speak(self, turn: Turn) -> BaseChatMessage:
        """Do as `speak` does elsewhere, of facts instead of messages: their blocks are made once for all who hear."""
        scope, heard = turn.scope, self._heard
        place = place_of(scope.run, scope.path)
        if turn.took_up or heard is None or place not in heard:
            await self.view_catch_up(turn, place)
        facts: list[Fact] = turn.memory
        token = token_here() or CancellationToken()
        answer = await self._answer(turn, self.view_new(place, facts), token, partial(self._tell, turn), [])
        self.view_has_heard(place, len(facts))
        return answer

    async def _tell(self, turn: Turn, item: Any) -> None:
        self.view_told(turn, item)

    async def _respond(self, messages: Sequence[BaseChatMessage], token: CancellationToken, tell: Tell) -> Response:
        """Answer what is new; tell what comes on the way."""
        inner: list[Any] = []
        new = [self._said_by.get(id(message)) or Fact(message) for message in messages]
        return Response(chat_message=await self._answer(turn_here.get(), new, token, tell, inner), inner_messages=inner)

    async def _answer(
        self, turn: Turn | None, new: Sequence[Fact], token: CancellationToken, tell: Tell, inner: list[Any]
    ) -> BaseChatMessage:
        """Answer what is new; tell what comes on the way, and put it into `inner`."""
        scope = scope_here()
        if turn is not None and (turn.scope is not scope or turn.name != self._name):
            turn = None  # it is called in another way
        self._transcript.enter("" if scope is None else scope.run.journal.conversation)
        kept = kept_by(self._model_context)
        if kept is None or not self._hear_texts(new, kept):
            for fact in new:
                if kept is None or not self._hear_text(fact, kept):
                    await self._hear(fact)
        for memory in self._memory or ():
            found = (await memory.update_context(self._model_context)).memories.results
            if found:
                inner.append(MemoryQueryEvent(content=found, source=self._name))
                await tell(inner[-1])
        asking = self._stream if self._model_client_stream else self._ask
        left, reflecting = self._max_tool_iterations, False
        while True:
            said = await asking(turn, token, tell, reflecting)
            content = said.content
            if reflecting and not isinstance(content, str):
                raise ConfigError(f"{self._name}: the model was asked to reflect without tools, and asked for tools.")
            if said.thought:
                inner.append(said.thinking())
                await tell(inner[-1])
            if not self._keep_text(said):
                await self._keep(said)
            if isinstance(content, str):
                return said.message(content)
            inner.append(said.request(content))
            await tell(inner[-1])
            results = await self.view_calls.make(content, token, partial(_noted, inner, tell))
            inner.append(_executed({"content": results, "source": self._name}))
            await self._keep_results(results)
            await tell(inner[-1])
            handed = self._handed_over(said.result, results)
            if handed is not None:
                return handed
            left -= 1
            if left:
                continue
            if not self._reflect_on_tool_use:
                return self._summary(content, results)
            reflecting = True

    async def _ask(
        self,
        turn: Turn | None,
        token: CancellationToken,
        tell: Tell | None,
        reflecting: bool,
        show: Callable[[str], None] | None = None,
    ) -> _Said:
        context = self._model_context
        kept = kept_by(context)
        messages, blocks = self._shown(await context.get_messages() if kept is None else kept, kept)
        calls, step = self.view_calls, 0 if turn is None else turn.scope.count + 1
        tools, specs = ([], ()) if reflecting else calls.known or await calls.offered()
        result, answer = await asked(
            self.model_client,
            messages,
            blocks=blocks,
            specs=specs,
            tools=tools,
            tool_choice="none" if reflecting else "auto",
            json_output=self.output_content_type,
            token=token,
            show=show,
            turn=turn,
        )
        reply = answer.reply
        if not (reply.calls or reply.reasoning):  # pydantic's way to a field is a detour
            return _Said(self, turn, step, result, answer, reply.text, None)
        return _Said(self, turn, step, result, answer, result.content, result.thought)

    async def _stream(self, turn: Turn | None, token: CancellationToken, tell: Tell, reflecting: bool) -> _Said:
        """Ask the model, and tell its words as they come."""
        items: asyncio.Queue[Any] = asyncio.Queue()
        working = self._ask(turn, token, None, reflecting, items.put_nowait)
        if turn is None:
            id = quorate_messages.new_id()
        else:
            id = f"{turn.run.id}/{turn.scope.path}/{turn.scope.count + 1} model"
            working = _lent(turn, working)
        said: Any = None
        async for piece in pumped(working, items):
            if isinstance(piece, str):
                await tell(ModelClientStreamingChunkEvent(content=piece, source=self._name, full_message_id=id))
            else:
                said = piece[0]  # what it came to
        said.id = id
        return said

    # -- what its model is shown ---------------------------------------------------------------------------------------

    def _hear_texts(self, new: Sequence[Fact], kept: list[LLMMessage]) -> bool:
        """Hear what is new, where all of it is texts and nothing else; False, with nothing done, where it is not."""
        blocks: list[Block] = []
        texts: list[LLMMessage] = []
        for fact in new:
            if type(fact.message) is not TextMessage:
                return False
            block = fact.said()
            blocks.append(block)
            texts.append(heard(block.text, block.source))
        self._transcript.add_all(kept, blocks)
        kept += texts
        return True

    def _hear_text(self, fact: Fact, kept: list[LLMMessage]) -> bool:
        """Hear a message that is a text, into the list that the context keeps; False where it is something else."""
        message = cast("BaseChatMessage", fact.message)
        text = text_in(type(message), message.__dict__)
        if text is None:
            return False
        block = fact.said()
        self._transcript.add(kept, block)
        kept.append(_user({"content": text, "source": block.source}))
        return True

    async def _hear(self, fact: Fact) -> None:
        context, transcript, message = self._model_context, self._transcript, cast("BaseChatMessage", fact.message)
        if isinstance(message, HandoffMessage):
            for one in message.context:
                await context.add_message(_llm_message.validate_python(one))
        kept = kept_by(context)
        if fact.ref and kept is not None and isinstance(message, MultiModalMessage):
            transcript.heard(kept, fact.said())  # the journal has its images already
        await context.add_message(to_model_message(message))

    def _keep_text(self, said: _Said) -> bool:
        """Keep what the model said in words; False where it is something else, or its context is to be asked."""
        content, kept = said.content, kept_by(self._model_context)
        if type(content) is not str or kept is None:
            return False
        self._transcript.add(kept, said.answer.reply)
        kept.append(answered(content, self._name, said.thought))
        return True

    async def _keep(self, said: _Said) -> None:
        context = self._model_context
        kept = kept_by(context)
        if kept is not None and said.turn is not None:
            self._transcript.calls(kept, said.answer.reply)
        content = {"content": said.content, "source": self._name, "thought": said.thought}
        await context.add_message(_assistant(content))

    async def _keep_results(self, results: list[FunctionExecutionResult]) -> None:
        context = self._model_context
        kept = kept_by(context)
        if kept is not None:
            self._transcript.answers(kept, results)
        await context.add_message(_answered({"content": results}))

    def _shown(self, messages: list[LLMMessage], owner: list[LLMMessage] | None) -> tuple[list[LLMMessage], Blocks]:
        """Return what the model is shown, and the same as blocks; `owner` is the list that its context keeps."""
        blocks = self._transcript.of(messages, owner)
        if self._transcript.has_images and not self.model_client.model_info["vision"]:
            messages = remove_images(messages)
        return [*self._system_messages, *messages], blocks

    # -- what it answers -----------------------------------------------------------------------------------------------

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
        return _handed({"content": done.content, "target": handoff.target, "source": self._name, "context": context})

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
        kept = kept_by(self._model_context)
        for fact in facts:
            item = fact.message or fact.event
            if fact.speaker != self._name:
                if kept is None or not self._hear_text(fact, kept):
                    await self._hear(fact)
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


_STREAM = AssistantAgent.on_messages_stream


async def _noted(inner: list[Any], tell: Tell, item: Any) -> None:
    inner.append(item)
    await tell(item)


async def _lent(turn: Turn, asking: Coroutine[Any, Any, _Said]) -> _Said:
    with turn.scope.lent():
        return await asking


class _Said(Struct, eq=False):
    """One reply of an assistant's model, and the events and the message that are made of it.

    Args:
        agent: Whose model it is.
        turn: The turn in which it was asked, None where it was in none.
        step: Which of the turn's steps that was.
        result: The reply as AutoGen has it.
        answer: The reply as Quorate has it.
        content: Its words, or the calls that it asks for.
        thought: What it thought on the way.
        id: Under which id its words were streamed.
    """

    agent: AssistantAgent
    turn: Turn | None
    step: int
    result: CreateResult
    answer: Answer
    content: str | list[FunctionCall]
    thought: str | None
    id: str | None = None

    def thinking(self) -> ThoughtEvent:
        """Return the event of its thought, which has the id of what was streamed."""
        fields: dict[str, Any] = {} if self.id is None else {"id": self.id}
        self.id = None if self.id is None else quorate_messages.new_id()
        return ThoughtEvent(content=self.thought or "", source=self.agent.name, **fields)

    def request(self, calls: list[FunctionCall]) -> ToolCallRequestEvent:
        """Return the event of the calls that it asks for."""
        return _requested({"content": calls, "source": self.agent.name, "models_usage": self.result.usage})

    def message(self, text: str) -> BaseChatMessage:
        """Return the answer."""
        agent, turn, answer = self.agent, self.turn, self.answer
        content_type = agent.output_content_type
        if content_type is None and turn is not None and not self.thought:
            asked = turn.asked
            turn.steps[self.step] = Made(answer, turn.scope.at, asked.cost_usd if asked else 0.0)
            message = turn.derive("reply", self.step).message
            assert message is not None
            return message
        fields: dict[str, Any] = {"source": agent.name, "models_usage": self.result.usage}
        if self.id is not None:
            fields["id"] = self.id
        if content_type is None:
            return _text({"content": text, **fields})
        content, format = content_type.model_validate_json(text), agent.output_format
        return StructuredMessage[content_type](content=content, format_string=format, **fields)


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
