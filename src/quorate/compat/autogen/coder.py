"""AutoGen's agent that runs code: what others write, or what its own model writes."""

from __future__ import annotations

import asyncio
import inspect
import re
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, ClassVar, Self, cast

from pydantic import BaseModel

from quorate.chat import messages as quorate_messages
from quorate.chat.facts import Fact
from quorate.chat.messages import (
    BaseChatMessage,
    CodeExecutionEvent,
    CodeGenerationEvent,
    HandoffMessage,
    ModelClientStreamingChunkEvent,
    TextMessage,
    ThoughtEvent,
)
from quorate.compat.autogen.agentchat.base import Response
from quorate.compat.autogen.agentchat.messages import to_model_message
from quorate.compat.autogen.agentchat.utils import remove_images
from quorate.compat.autogen.asking import asked
from quorate.compat.autogen.assistant import as_client
from quorate.compat.autogen.clients import blocks_of
from quorate.compat.autogen.components import Component, ComponentModel
from quorate.compat.autogen.core.code_executor import CodeBlock, CodeExecutor, CodeResult
from quorate.compat.autogen.core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from quorate.compat.autogen.core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from quorate.compat.autogen.speaking import BaseChatAgent, response_of, turn_here
from quorate.compat.autogen.within import pumped
from quorate.core.cancellation import CancellationToken
from quorate.errors import ConfigError
from quorate.models.blocks import Blocks
from quorate.runs.scope import scope_here
from quorate.runs.steps import step

_FENCED = re.compile(r"```(?:\s*([\w\+\-]+))?\n([\s\S]*?)```")


class ApprovalRequest(BaseModel):
    """Code that is about to be run: the code, as Markdown, and what the model was shown."""

    code: str
    context: list[LLMMessage]


class ApprovalResponse(BaseModel):
    """Whether it may be run, and why."""

    approved: bool
    reason: str


ApprovalFuncType = (
    Callable[[ApprovalRequest], ApprovalResponse] | Callable[[ApprovalRequest], Awaitable[ApprovalResponse]]
)


class RetryDecision(BaseModel):
    """Whether code that failed is written again."""

    reason: str
    retry: bool


class CodeExecutorAgentConfig(BaseModel):
    """A `CodeExecutorAgent` as configuration."""

    name: str
    code_executor: ComponentModel
    model_client: ComponentModel | None = None
    description: str | None = None
    sources: list[str] | None = None
    system_message: str | None = None
    model_client_stream: bool = False
    model_context: ComponentModel | None = None
    supported_languages: list[str] | None = None
    max_retries_on_error: int = 0


class CodeExecutorAgent(BaseChatAgent, Component[CodeExecutorAgentConfig]):
    """Runs the code that others write; with a model, what that writes. Running code is a step: never repeated blindly.

    Args:
        name: Who it is; an identifier.
        code_executor: Runs the code.
        model_client: Writes the code.
        model_context: Keeps what the model is shown.
        model_client_stream: Whether its words are shown as they come.
        max_retries_on_error: How often it may write code again that failed, where it wants to.
        description: What it is for, as others are told.
        system_message: The model's standing instruction; None for none.
        sources: Whose code is run; None for everybody's.
        supported_languages: What code has to call itself.
        approval_func: Decides about each piece of code before it is run.

    Raises:
        ConfigError: The model may write again, and cannot give structured output.
    """

    component_config_schema: ClassVar[type[Any]] = CodeExecutorAgentConfig
    component_provider_override: ClassVar[str | None] = "autogen_agentchat.agents.CodeExecutorAgent"
    DEFAULT_TERMINAL_DESCRIPTION = "Runs the code that others write, in ```python or ```sh blocks, and nothing else."
    DEFAULT_AGENT_DESCRIPTION = "Writes code, runs it, and answers from what it prints."
    DEFAULT_SYSTEM_MESSAGE = (
        "You solve tasks by code. Write it in fenced blocks, ```python or ```sh; they are run in order, and you are "
        "told what they print, so print what you need. Nobody can type anything in. Where no code is needed, answer in "
        "words."
    )
    NO_CODE_BLOCKS_FOUND_MESSAGE = (
        "There is no code here that could be run. Write at least one fenced block, with its language: ```python or "
        "```sh."
    )
    DEFAULT_SUPPORTED_LANGUAGES: ClassVar[list[str]] = ["python", "sh"]

    def __init__(
        self,
        name: str,
        code_executor: CodeExecutor,
        *,
        model_client: ChatCompletionClient | None = None,
        model_context: ChatCompletionContext | None = None,
        model_client_stream: bool = False,
        max_retries_on_error: int = 0,
        description: str | None = None,
        system_message: str | None = DEFAULT_SYSTEM_MESSAGE,
        sources: Sequence[str] | None = None,
        supported_languages: list[str] | None = None,
        approval_func: ApprovalFuncType | None = None,
    ) -> None:
        if description is None:
            description = self.DEFAULT_TERMINAL_DESCRIPTION if model_client is None else self.DEFAULT_AGENT_DESCRIPTION
        super().__init__(name, description)
        self._executor = code_executor
        self._client = None if model_client is None else as_client(model_client)
        self._streams, self._retries, self._sources = model_client_stream, max_retries_on_error, sources
        self._languages = supported_languages or self.DEFAULT_SUPPORTED_LANGUAGES
        self._approval_func = approval_func
        if self._client is not None and max_retries_on_error and not self._client.model_info["structured_output"]:
            raise ConfigError("Specified model_client doesn't support structured output mode.")
        if approval_func is None:
            warnings.warn(
                f"{name} runs code that nobody approves. Give it an approval_func where the code is not trusted.",
                UserWarning,
                stacklevel=2,
            )
        self._model_context = model_context or UnboundedChatCompletionContext()
        self._instruction: list[LLMMessage] = [SystemMessage(content=system_message)] if system_message else []

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    @property
    def model_context(self) -> ChatCompletionContext:
        """What its model is shown."""
        return self._model_context

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return await response_of(self.on_messages_stream(messages, cancellation_token))

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Any, None]:
        """Run code, and yield what comes, the `Response` last."""
        client, inner = self._client, list[Any]()
        if client is None:
            blocks = await self.extract_code_blocks_from_messages(messages)
            text = (await self.execute_code_block(blocks, cancellation_token)).output if blocks else None
            yield Response(
                chat_message=TextMessage(content=text or self.NO_CODE_BLOCKS_FOUND_MESSAGE, source=self.name)
            )
            return
        await self._hear(messages)
        for attempt in range(self._retries + 1):
            async for item in self._said(client, cancellation_token):
                if isinstance(item, ModelClientStreamingChunkEvent):
                    yield item
                    continue
                if isinstance(item, ThoughtEvent):
                    inner.append(item)
                    yield item
                    continue
                result: CreateResult = item
            text = str(result.content)  # pyright: ignore[reportPossiblyUnboundVariable]: the last item is it
            blocks = self._extract(text)
            if not blocks:
                usage = result.usage  # pyright: ignore[reportPossiblyUnboundVariable]: as above
                yield self._answer(text, usage, inner)
                return
            inner.append(CodeGenerationEvent(retry_attempt=attempt, content=text, code_blocks=blocks, source=self.name))
            yield inner[-1]
            ran = await self.execute_code_block(blocks, cancellation_token)
            await self._model_context.add_message(UserMessage(content=ran.output, source=self.name))
            inner.append(CodeExecutionEvent(retry_attempt=attempt, result=ran, source=self.name))
            yield inner[-1]
            if ran.exit_code == 0 or attempt == self._retries:
                break
            decision = await self._decided(client, ran, cancellation_token)
            if not decision.retry:
                break
            told = f"Attempt number: {attempt + 1}\nProposed correction: {decision.reason}"
            inner.append(CodeGenerationEvent(retry_attempt=attempt, content=told, code_blocks=[], source=self.name))
            yield inner[-1]
        async for item in self._said(client, cancellation_token):
            if isinstance(item, CreateResult):
                yield self._answer(str(item.content), item.usage, inner)
            else:
                yield item

    def _answer(self, text: str, usage: Any, inner: list[Any]) -> Response:
        message = TextMessage(content=text, source=self.name, models_usage=usage)
        return Response(chat_message=message, inner_messages=inner)

    async def _hear(self, messages: Sequence[BaseChatMessage]) -> None:
        for message in messages:
            if isinstance(message, HandoffMessage):
                for one in message.context:
                    await self._model_context.add_message(one)
            await self._model_context.add_message(to_model_message(message))

    async def _said(self, client: ChatCompletionClient, token: CancellationToken) -> AsyncGenerator[Any, None]:
        """Ask the model; yield its words as they come, its thought, and the result last."""
        shown = [*self._instruction, *await self._model_context.get_messages()]
        found: Any = None
        if self._streams:
            items: asyncio.Queue[Any] = asyncio.Queue()
            id = quorate_messages.new_id()
            async for item in pumped(self._lent(client, shown, None, token, items.put_nowait), items):
                if isinstance(item, tuple):
                    found = cast("Any", item)[0]  # what it came to
                else:
                    yield ModelClientStreamingChunkEvent(content=item, source=self.name, full_message_id=id)
        else:
            found = await self._ask(client, shown, None, token, None)
        await self._model_context.add_message(
            AssistantMessage(content=found.content, source=self.name, thought=found.thought)
        )
        if found.thought:
            yield ThoughtEvent(content=found.thought, source=self.name)
        yield found

    async def _lent(self, *asking: Any) -> CreateResult:
        scope = scope_here()
        if scope is None or scope.leaf:
            return await self._ask(*asking)
        with scope.lent():
            return await self._ask(*asking)

    async def _ask(
        self,
        client: ChatCompletionClient,
        messages: list[LLMMessage],
        output: type[BaseModel] | None,
        token: CancellationToken,
        show: Callable[[str], None] | None,
    ) -> CreateResult:
        sent = messages if client.model_info["vision"] else remove_images(messages)
        blocks = Blocks(blocks_of(messages))
        result, _ = await asked(
            client, sent, blocks=blocks, json_output=output, token=token, show=show, turn=turn_here.get()
        )
        return result

    async def _decided(self, client: ChatCompletionClient, ran: CodeResult, token: CancellationToken) -> RetryDecision:
        question = (
            f"The code failed:\n{ran.output}\n\nSay whether it is worth writing it again (`retry`), and why, or what "
            "to mend (`reason`)."
        )
        shown = [*await self._model_context.get_messages(), UserMessage(content=question, source=self.name)]
        result = await self._ask(client, shown, RetryDecision, token, None)
        return RetryDecision.model_validate_json(str(result.content))

    async def extract_code_blocks_from_messages(self, messages: Sequence[BaseChatMessage]) -> list[CodeBlock]:
        """Return the fenced code in text messages of its sources, in its languages."""
        found: list[CodeBlock] = []
        for message in messages:
            if isinstance(message, TextMessage) and (self._sources is None or message.source in self._sources):
                found += self._extract(message.content)
        return found

    def _extract(self, text: str) -> list[CodeBlock]:
        wanted = {language.lower() for language in self._languages}
        blocks = [CodeBlock(code=code, language=(name or "").strip()) for name, code in _FENCED.findall(text)]
        return [block for block in blocks if block.language.lower() in wanted]

    async def execute_code_block(
        self, code_blocks: list[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        """Run code, where it is approved; what it came to is told in words where it failed or printed nothing."""
        refusal = await self._refused(code_blocks)
        if refusal is not None:
            return CodeResult(exit_code=1, output=f"Code execution was not approved. Reason: {refusal}")
        ran = await step("run code", lambda: self._run(code_blocks, cancellation_token), effect="unsafe")
        code, output = ran["exit_code"], ran["output"]
        if not output.strip():
            output = f"The code ran and printed nothing. Its exit code is {code}. Print what you want to see."
        elif code:
            output = f"The code ended with an error (exit code: {code})\nIt printed:\n{output}"
        return CodeResult(exit_code=code, output=output)

    async def _run(self, blocks: list[CodeBlock], token: CancellationToken) -> dict[str, Any]:
        result = await self._executor.execute_code_blocks(code_blocks=blocks, cancellation_token=token)
        return {"exit_code": result.exit_code, "output": result.output}

    async def _refused(self, blocks: list[CodeBlock]) -> str | None:
        approve: Any = self._approval_func
        if approve is None:
            return None
        code = "\n\n".join(f"```{block.language}\n{block.code}\n```" for block in blocks)
        decided = approve(ApprovalRequest(code=code, context=await self._model_context.get_messages()))
        response: ApprovalResponse = await decided if inspect.isawaitable(decided) else decided
        return None if response.approved else response.reason

    async def view_take_up(self, facts: Sequence[Fact]) -> bool:
        if self._client is None:
            return True  # what was said before is of no account: its code has run
        if await self._model_context.get_messages():
            return False
        add, thought = self._model_context.add_message, None
        for fact in facts:
            item = fact.message or fact.event
            if fact.speaker != self.name:
                await self._hear([] if fact.message is None else [fact.message])
            elif isinstance(item, ThoughtEvent):
                thought = item.content
            elif isinstance(item, CodeExecutionEvent):
                await add(UserMessage(content=item.result.output, source=self.name))
            elif isinstance(item, TextMessage) or (isinstance(item, CodeGenerationEvent) and item.code_blocks):
                await add(AssistantMessage(content=item.content, source=self.name, thought=thought))
                thought = None
        return True

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Keep what its model is shown."""

    def _to_config(self) -> CodeExecutorAgentConfig:
        if self._approval_func is not None:
            raise ConfigError("Cannot serialize CodeExecutorAgent with approval_func set. Remove it first.")
        return CodeExecutorAgentConfig(
            name=self.name,
            code_executor=self._executor.dump_component(),
            model_client=None if self._client is None else self._client.dump_component(),
            description=self.description,
            sources=None if self._sources is None else list(self._sources),
            system_message=self._instruction[0].content if self._instruction else None,  # pyright: ignore[reportArgumentType]: an instruction is text
            model_client_stream=self._streams,
            model_context=self._model_context.dump_component(),
            supported_languages=self._languages,
            max_retries_on_error=self._retries,
        )

    @classmethod
    def _from_config(cls, config: CodeExecutorAgentConfig) -> Self:
        context, client = config.model_context, config.model_client
        return cls(
            config.name,
            CodeExecutor.load_component(config.code_executor),
            model_client=None if client is None else ChatCompletionClient.load_component(client),
            model_context=None if context is None else ChatCompletionContext.load_component(context),
            model_client_stream=config.model_client_stream,
            max_retries_on_error=config.max_retries_on_error,
            description=config.description,
            system_message=config.system_message,
            sources=config.sources,
            supported_languages=config.supported_languages,
        )
