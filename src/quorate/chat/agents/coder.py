"""The agent that runs code: what others write, or what its own model writes."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from quorate.chat.agent import Agent
from quorate.chat.agents.assistant import block_for, chunks
from quorate.chat.agents.coding import DECISION, RUN_CODE, read_decision, result_of
from quorate.chat.facts import Fact
from quorate.chat.live import Cast, Runnable
from quorate.chat.speech import Made, Turn
from quorate.chat.turns import Once
from quorate.core.lazy import lazy
from quorate.errors import ConfigError
from quorate.executors.code import (
    LANGUAGES,
    MOST_BLOCKS,
    CodeBlock,
    CodeExecutor,
    CodeResult,
    Isolation,
    check_isolation,
    code_blocks_in,
)
from quorate.models import registry
from quorate.models.blocks import Blocks, Said, ToolCall
from quorate.models.calls import ask
from quorate.models.client import Answer, ModelClient, ModelRequest
from quorate.models.context import ModelContext, check_context, viewed
from quorate.runs.meter import check_agent
from quorate.runs.outcome import Limits
from quorate.runs.steps import Effect, step
from quorate.tools.calls import call_tools
from quorate.tools.threads import in_thread
from quorate.tools.tool import Approval, Tool

if TYPE_CHECKING:
    from quorate.chat import messages
    from quorate.chat.messages import BaseChatMessage
else:
    messages = lazy("quorate.chat.messages")


@dataclass(frozen=True)
class ApprovalRequest:
    """Code that is about to be run: the code, as Markdown, and what was said last."""

    code: str
    context: str


@dataclass(frozen=True)
class ApprovalResponse:
    """Whether it may be run, and why not."""

    approved: bool
    reason: str = ""


ApprovalFunc = Callable[[ApprovalRequest], ApprovalResponse] | Callable[[ApprovalRequest], Awaitable[ApprovalResponse]]

RETRY = (
    "The code failed. Say whether it is worth writing it again, in another way, and why: "
    '{"reason": "…", "retry": true or false}.'
)
SUM_UP = "Now answer what was asked, from what the code printed, in plain words and without code."


class CodeExecutorAgent(Runnable, Agent):
    """Runs the code that others write; with a model, the code that it writes itself.

    Without a model it runs the fenced code in the text messages since it spoke last, and answers with the output. With
    one it lets the model write code, runs it, lets the model write it again where it fails, and answers in the model's
    words. Running code is a step: it is never repeated blindly, and a crash in it is for a person to settle.

    Args:
        name: Who it is in the thread.
        code_executor: Runs the code.
        model_client: Writes the code: a client, or a string such as `"openai:gpt-5"`.
        model_context: What of a long conversation the model is shown; by default all of it.
        model_client_stream: Whether viewers get the model's words as they come.
        max_retries_on_error: How often the model may write code again that failed, where it wants to.
        description: What it is for, as others are told.
        system_message: The model's standing instruction; None for none.
        sources: Whose code is run, without a model; None for everybody's.
        supported_languages: What fenced code has to call itself.
        approval_func: Decides about each piece of code before it is run, sync (in a thread) or async; a step.
        approval: Whether a person has to approve it: a question that may wait for days.
        min_isolation: How well the executor must keep code apart at least. Lower than `sandbox` only on purpose.
        effect: What running code may do; see `Tool`. `read` is for executors that are thrown away.
        max_tokens: The most tokens of one reply; by default what the model allows.
        limits: What it may use in one run, within the run's own limits.

    Raises:
        ConfigError: The executor is not kept apart enough, an option is out of range, or it needs a model.
    """

    DEFAULT_TERMINAL_DESCRIPTION: ClassVar[str] = "Runs the code that others write, and tells what it prints."
    DEFAULT_AGENT_DESCRIPTION: ClassVar[str] = "Writes code, runs it, and answers from what it prints."
    DEFAULT_SYSTEM_MESSAGE: ClassVar[str] = (
        "You solve tasks by code. Write it in fenced blocks, ```python or ```sh: they are run in order, in a new "
        "process, and you are told what they print, so print what you need. Nobody can type anything in. Where no code "
        "is needed, answer without any."
    )
    NO_CODE_BLOCKS_FOUND_MESSAGE: ClassVar[str] = (
        "There is no code here that I could run. Write it in fenced blocks, with their language: ```python or ```sh."
    )
    DEFAULT_SUPPORTED_LANGUAGES: ClassVar[tuple[str, ...]] = LANGUAGES

    def __init__(
        self,
        name: str,
        code_executor: CodeExecutor,
        *,
        model_client: ModelClient | str | None = None,
        model_context: ModelContext | None = None,
        model_client_stream: bool = True,
        max_retries_on_error: int = 0,
        description: str | None = None,
        system_message: str | None = DEFAULT_SYSTEM_MESSAGE,
        sources: Sequence[str] | None = None,
        supported_languages: Sequence[str] | None = None,
        approval_func: ApprovalFunc | None = None,
        approval: bool | Approval = False,
        min_isolation: Isolation = "sandbox",
        effect: Effect = "unsafe",
        max_tokens: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        if description is None:
            description = self.DEFAULT_TERMINAL_DESCRIPTION if model_client is None else self.DEFAULT_AGENT_DESCRIPTION
        super().__init__(name, description=description)
        check_isolation(name, code_executor, min_isolation)
        if limits is not None:
            check_agent(name, limits)
        if model_client is not None:
            registry.check_client(model_client)
        if approval_func is not None and not callable(approval_func):
            raise ConfigError(f"{name}: approval_func={approval_func!r} is no function. A person: approval=True.")
        if max_retries_on_error < 0 or (max_retries_on_error and model_client is None):
            raise ConfigError(
                f"{name}: max_retries_on_error={max_retries_on_error} must be 0 or more, and needs a model_client."
            )
        if sources is not None and (model_client is not None or isinstance(sources, str)):
            raise ConfigError(f"{name}: sources is a list of names, and only for an agent without a model_client.")
        self.limits, self.code_executor, self.model_client = limits, code_executor, model_client
        check_context(model_context, f"{name}: ")
        self.model_context, self.model_client_stream = model_context, model_client_stream
        self.max_retries_on_error, self.system_message, self.max_tokens = (
            max_retries_on_error,
            system_message,
            max_tokens,
        )
        self.sources = None if sources is None else tuple(sources)
        self.supported_languages = tuple(supported_languages or LANGUAGES)
        self.approval_func, self.approval, self.min_isolation = approval_func, approval, min_isolation
        self.effect: Effect = effect
        self.tools = {RUN_CODE: self._tool}
        self._cast = Cast(name, (self,), Once())

    def cast(self) -> Cast:
        """Return the agent as a team of one."""
        return self._cast

    @cached_property
    def _tool(self) -> Tool[..., Any]:
        executor = self.code_executor

        async def run_code(blocks: list[CodeBlock]) -> dict[str, Any]:
            """Run code."""
            result = await executor.execute_code_blocks(blocks)
            return {"exit_code": result.exit_code, "output": result.output}

        seconds = MOST_BLOCKS * float(getattr(executor, "timeout_s", 60.0)) + 60
        return Tool(run_code, name=RUN_CODE, effect=self.effect, approval=self.approval, timeout_s=seconds)

    # -- what it remembers --------------------------------------------------------------------------------------------

    def begin(self) -> Blocks:
        """Return the memory before anything was said."""
        return Blocks()

    def see(self, memory: Blocks, fact: Fact) -> Blocks:
        """Return the memory after a fact."""
        block = block_for(self.name, fact)
        return memory if block is None else memory.plus_one(block)

    # -- speaking -----------------------------------------------------------------------------------------------------

    async def speak(self, turn: Turn) -> BaseChatMessage:
        """Run the code that was written, or write some and run it."""
        if not turn.scope.is_owned_here():
            with turn.scope.lent():
                return await self.speak(turn)
        if self.model_client is not None:
            client = self.model_client
            if isinstance(client, str):
                named = client
                client = await turn.run.resource(named, lambda: registry.open_model(named))
            return await self._solved(turn, client)
        blocks = [
            block
            for message in turn.new
            if isinstance(message, messages.TextMessage) and self._is_heard(message.source)
            for block in code_blocks_in(message.content, self.supported_languages)
        ]
        if not blocks:
            return messages.TextMessage(content=self.NO_CODE_BLOCKS_FOUND_MESSAGE, source=self.name)
        refused = await self._refused(turn, blocks)
        if refused is not None:
            return messages.TextMessage(content=refused.output, source=self.name)
        await self._run(turn, blocks)
        return _said(turn, "output")

    def _is_heard(self, source: str) -> bool:
        return source != self.name if self.sources is None else source in self.sources

    async def _solved(self, turn: Turn, client: ModelClient) -> BaseChatMessage:
        """Let the model write code until it works, it gives up, or it may not try again."""
        talk: Blocks = turn.memory
        for attempt in range(self.max_retries_on_error + 1):
            talk = turn.hear(talk)
            answer = await self._ask(turn, client, talk)
            blocks = code_blocks_in(answer.reply.text, self.supported_languages)
            if not blocks:
                return _said(turn, "reply")
            more = () if self.supported_languages == LANGUAGES else self.supported_languages
            talk = _with(talk, turn.derive("generated", turn.scope.count, attempt, *more))
            result, told = await self._tried(turn, blocks, attempt)
            talk = talk.plus_one(told)
            if result.exit_code == 0 or attempt == self.max_retries_on_error:
                break
            asked = talk.plus_one(Said(RETRY, "System", "agent"))
            decision = await self._ask(turn, client, asked, schema=DECISION)
            turn.derive("decision", turn.scope.count)
            if not read_decision(decision.reply.text)[0]:
                break
        await self._ask(turn, client, talk.plus_one(Said(SUM_UP, "System", "agent")))
        return _said(turn, "reply")

    async def _ask(self, turn: Turn, client: ModelClient, talk: Blocks, schema: str | None = None) -> Answer:
        most = client.info.max_output if self.max_tokens is None else min(self.max_tokens, client.info.max_output)
        shown = talk if self.model_context is None else viewed(self.model_context, talk)
        request = ModelRequest(shown, self.system_message, output_schema=schema, max_tokens=most)
        n = turn.scope.count + 1
        show = chunks(turn, n) if self.model_client_stream and turn.watched and schema is None else None
        answer, turn.asked = await ask(client, request, after=turn.asked, on_event=show)
        turn.steps[n] = Made(answer, turn.scope.at, turn.asked.cost_usd)
        if answer.reply.reasoning:
            turn.derive("thought", n)
        return answer

    async def _tried(self, turn: Turn, blocks: Sequence[CodeBlock], attempt: int) -> tuple[CodeResult, Said]:
        refused = await self._refused(turn, blocks)
        if refused is not None:
            turn.emit(messages.CodeExecutionEvent(retry_attempt=attempt, result=refused, source=self.name))
            return refused, Said(refused.output, "executor", "tool")
        result = await self._run(turn, blocks)
        told = turn.derive("ran", turn.scope.count, attempt).block
        assert isinstance(told, Said)
        return result, told

    async def _run(self, turn: Turn, blocks: Sequence[CodeBlock]) -> CodeResult:
        """Run code, as the call of a tool."""
        if len(blocks) > MOST_BLOCKS:
            raise ConfigError(f"{self.name} is to run {len(blocks)} blocks of code; at most {MOST_BLOCKS} are run.")
        arguments = json.dumps({"blocks": [asdict(block) for block in blocks]}, ensure_ascii=False)
        [found] = await call_tools(self.tools, [ToolCall(RUN_CODE, RUN_CODE, arguments)])
        payload = {"content": found.content, "error": found.is_error}
        turn.steps[turn.scope.count] = Made(payload, turn.scope.at)
        return result_of(payload)

    async def _refused(self, turn: Turn, blocks: Sequence[CodeBlock]) -> CodeResult | None:
        """Ask the function, if there is one, whether code may be run; return what that came to if it may not."""
        if self.approval_func is None:
            return None
        last = turn.thread[-1].to_model_text() if len(turn.thread) else ""
        request = ApprovalRequest("\n".join(f"```{b.language}\n{b.code.rstrip()}\n```" for b in blocks), last)
        approved, reason = await step("approval", lambda: self._approved(request), effect="read")
        return None if approved else CodeResult(1, f"Code execution was not approved. Reason: {reason}")

    async def _approved(self, request: ApprovalRequest) -> list[Any]:
        decide = self.approval_func
        assert decide is not None
        if inspect.iscoroutinefunction(decide):
            said: Any = await decide(request)
        else:
            said = await in_thread(lambda: decide(request))
            said = await said if inspect.isawaitable(said) else said
        if not isinstance(getattr(said, "approved", None), bool):
            raise ConfigError(f"{self.name}: approval_func returned {said!r}; it must return an ApprovalResponse.")
        return [said.approved, str(getattr(said, "reason", ""))]


def _with(talk: Blocks, fact: Fact) -> Blocks:
    return talk if fact.block is None else talk.plus_one(fact.block)


def _said(turn: Turn, kind: str) -> BaseChatMessage:
    message = turn.derive(kind, turn.scope.count).message
    assert message is not None
    return message


__all__ = ["ApprovalFunc", "ApprovalRequest", "ApprovalResponse", "CodeExecutorAgent"]
