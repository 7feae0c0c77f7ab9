"""The agent with a model: it answers, calls tools, and answers again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from quorate.chat.agent import Agent
from quorate.chat.agents.remembering import checked_memory, remembered
from quorate.chat.agents.summary import RESULT_ONLY, Summarize, check_summary, summarized
from quorate.chat.facts import Fact
from quorate.chat.handoff import Handoff, chosen, ended_by, handoffs_of, was_made, with_one_handoff
from quorate.chat.live import Cast, Runnable
from quorate.chat.speech import Made, Turn
from quorate.chat.turns import Once
from quorate.core.figures import check_count, check_list, check_text
from quorate.core.lazy import lazy
from quorate.errors import ConfigError
from quorate.models import registry
from quorate.models.blocks import Block, Blocks, Reply, Summary
from quorate.models.calls import ask
from quorate.models.client import ModelClient, ModelEvent, ModelRequest, TextDelta, ToolSpec
from quorate.models.context import ModelContext, check_context, viewed
from quorate.runs.meter import check_agent
from quorate.runs.outcome import Limits, checked_limits
from quorate.runs.run import Run
from quorate.tools.calls import call_tools
from quorate.tools.tool import Tool, as_tool

if TYPE_CHECKING:
    from quorate.chat import compacting, messages, structured
    from quorate.chat.messages import BaseChatMessage
    from quorate.chat.structured import Content, Output
    from quorate.memory.content import Memory
    from quorate.tools import workbench as benches
    from quorate.tools.workbench import Workbench
else:
    messages, structured = lazy("quorate.chat.messages"), lazy("quorate.chat.structured")
    compacting = lazy("quorate.chat.compacting")
    benches = lazy("quorate.tools.workbench")

DEFAULT_SYSTEM = "You are a helpful assistant. Use your tools where they help, and answer in plain words."
DEFAULT_DESCRIPTION = "An assistant that answers with a model and may use tools."


class AssistantAgent(Runnable, Agent):
    """Answers with a model, calling tools on the way.

    Args:
        name: Who it is in the thread.
        model_client: A client, or a string such as `"openai:gpt-5"` or `"embedded"`.
        tools: Functions with types and a docstring, or what `@tool` made of them.
        description: What it is for, as others are told.
        system_message: Its standing instruction; None for none.
        model_client_stream: Whether viewers get its words as they come. Costs nothing when nobody looks on.
        reflect_on_tool_use: Whether the model has the last word after tools. Without it, the results are the answer.
        max_tool_iterations: How often in one turn it may call tools.
        max_tokens: The most tokens of one reply; by default what the model allows.
        temperature: None leaves it to the client.
        seed: None leaves it to the client.
        limits: What it may use in one run, within the run's own limits.
        model_context: What of a long conversation the model is shown; by default all of it.
        handoffs: Whom it may give the conversation to, by name or as a `Handoff`: each is a tool more. The first that
            the model calls ends its turn with a `HandoffMessage`; the other calls of the reply are made too.
        output_content_type: What its answers must be: a pydantic model, or the JSON schema of an object. It answers
            with a `StructuredMessage`; one that does not fit is asked for once more.
        output_content_type_format: How people read such an answer, such as `"{city}: {degrees} degrees"`.
        tool_call_summary_format: How, without reflection, the answer tells of each call; may have `{tool_name}`,
            `{arguments}`, `{result}` and `{is_error}`.
        tool_call_summary_formatter: Tells of each call instead.
        metadata: What you want to know of the agent; nothing looks at it.
        memory: What it knows beyond the conversation: each is asked before it answers, and what is found stands behind
            its instruction, for this turn.
        workbench: Tools that come together, beside `tools`: one or several. What a workbench has is asked each turn.

    Attributes:
        offered: Its tools and handoffs by name, as its model is offered them.

    Raises:
        ConfigError: The model string is unknown, two tools have one name, or a figure is out of range.
    """

    def __init__(
        self,
        name: str,
        model_client: ModelClient | str,
        *,
        tools: Sequence[Tool[..., Any] | Callable[..., Any]] = (),
        description: str = DEFAULT_DESCRIPTION,
        system_message: str | None = DEFAULT_SYSTEM,
        model_client_stream: bool = True,
        reflect_on_tool_use: bool = True,
        max_tool_iterations: int = 10,
        max_tokens: int | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        limits: Limits | None = None,
        model_context: ModelContext | None = None,
        handoffs: Sequence[Handoff | str] = (),
        output_content_type: Content | None = None,
        output_content_type_format: str | None = None,
        tool_call_summary_format: str = RESULT_ONLY,
        tool_call_summary_formatter: Summarize | None = None,
        metadata: Mapping[str, str] | None = None,
        memory: Sequence[Memory] | None = None,
        workbench: Workbench | Sequence[Workbench] | None = None,
    ) -> None:
        super().__init__(name, description=description)
        if limits is not None:
            check_agent(name, checked_limits(limits))
        self.limits = limits
        registry.check_client(model_client)
        check_count(f"{name}: max_tool_iterations", max_tool_iterations)
        if max_tokens is not None:
            check_count(f"{name}: max_tokens", max_tokens)
        if temperature is not None and (
            isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 <= temperature < math.inf  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
        ):
            raise ConfigError(f"{name}: temperature={temperature!r} must be a number, 0 or more.")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(f"{name}: seed={seed!r} must be a whole number.")
        if system_message is not None and not isinstance(system_message, str):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
            raise ConfigError(f"{name}: system_message={system_message!r} must be a text, or None for none.")
        self.model_client = model_client
        if callable(tools):
            raise ConfigError(f"{name}: tools={tools!r} is no list of tools. Write tools=[…].")
        check_list(f"{name}: tools", tools)
        standing, self._benches = ((), ()) if workbench is None else benches.split(name, workbench)
        self.workbench = self._benches or None
        self.tools = _named(name, (*tools, *standing))
        self.memory = checked_memory(name, memory) if memory is not None else None
        self._handoffs = handoffs_of(name, handoffs, self.tools)
        self.handoffs = tuple(self._handoffs.values())
        self.offered = {**self.tools, **{tool: one.handoff_tool for tool, one in self._handoffs.items()}}
        self._finals = frozenset(name for name, one in self.tools.items() if one.final)
        self.system_message = system_message
        self.model_client_stream = model_client_stream
        self.reflect_on_tool_use = reflect_on_tool_use
        self.max_tool_iterations = max_tool_iterations
        self.max_tokens, self.temperature, self.seed = max_tokens, temperature, seed
        check_context(model_context, f"{name}: ", sums_up=True)
        self.model_context = model_context
        self._compacting: Any = model_context if callable(getattr(model_context, "due", None)) else None
        self.output_content_type, self.output_content_type_format = output_content_type, output_content_type_format
        self._output = output_of(name, output_content_type, output_content_type_format)
        self._schema = None if self._output is None else self._output.schema
        check_text(f"{name}: tool_call_summary_format", tool_call_summary_format)
        if tool_call_summary_formatter is not None and not callable(tool_call_summary_formatter):
            raise ConfigError(f"{name}: tool_call_summary_formatter={tool_call_summary_formatter!r} is no function.")
        if tool_call_summary_format != RESULT_ONLY:
            check_summary(name, tool_call_summary_format)
        self.tool_call_summary_format, self.tool_call_summary_formatter = (
            tool_call_summary_format,
            tool_call_summary_formatter,
        )
        self.metadata = _texts(name, metadata)
        self._cast = Cast(name, (self,), Once())

    def cast(self) -> Cast:
        """Return the agent as a team of one."""
        return self._cast

    @cached_property
    def _specs(self) -> tuple[ToolSpec, ...]:
        return tuple(tool.spec for tool in self.offered.values())

    # -- what it remembers: its side of the conversation, as blocks ---------------------------------------------------

    def begin(self) -> Blocks:
        """Return the memory before anything was said."""
        return Blocks()

    def see(self, memory: Blocks, fact: Fact) -> Blocks:
        """Return the memory after a fact."""
        block = block_for(self.name, fact)
        if block is None:
            return memory
        return memory.plus_one(block) if type(block) is not Summary else block.put_into(memory)

    # -- speaking -----------------------------------------------------------------------------------------------------

    async def speak(self, turn: Turn) -> BaseChatMessage:
        """Ask the model, make the calls it asks for, and return its answer."""
        if not turn.scope.is_owned_here():
            with turn.scope.lent():
                return await self.speak(turn)
        client = self.model_client
        if isinstance(client, str):
            client = await self._opened(client, turn.run)
        info, scope = client.info, turn.scope
        blocks: Blocks = turn.memory
        if blocks is None:  # pyright: ignore[reportUnnecessaryComparison]: another agent has asked it
            raise ConfigError(
                f"{self.name} knows the conversation by its begin and see; {turn.name}, whose turn it is, has none. "
                "Hand them on: def begin(self): return inner.begin(), and see alike. Or ask: await inner.run(…)."
            )
        most = info.max_output if self.max_tokens is None else min(self.max_tokens, info.max_output)
        left = self.max_tool_iterations
        context, run, output, schema = self.model_context, scope.run, self._output, self._schema
        if turn.form is not None:
            output = structured.output_of(turn.form)
            schema = output.schema
        system, offered, specs = self.system_message, self.offered, self._specs
        if self._benches:
            found = await benches.tools_on(self.name, self._benches, offered)
            offered, specs = {**offered, **found}, (*specs, *[tool.spec for tool in found.values()])
        if self._compacting is not None:
            blocks = await compacting.compacted(turn, self._compacting, blocks, client, system, specs)
        if self.memory is not None:
            system = await remembered(turn, self.memory, system)
        asked_again = False
        while True:
            if run.mail or run.recorded:
                blocks = turn.hear(blocks)
            choice = "auto" if left else "none"
            shown = blocks if context is None else viewed(context, blocks)
            request = ModelRequest(shown, system, specs, choice, schema, most, self.temperature, self.seed)
            step = scope.count + 1
            show = chunks(turn, step) if self.model_client_stream and turn.watched else None
            answer, turn.asked = await ask(client, request, after=turn.asked, on_event=show)
            turn.steps[step] = Made(answer, scope.at, turn.asked.cost_usd)
            reply = answer.reply
            if reply.reasoning:
                turn.derive("thought", step)
            if not left or not reply.calls:
                if output is None:
                    return _message(turn, "reply", step)
                problem = output.problem(answer)
                if problem is None:
                    return _message(turn, "structured", step, *output.more)
                if asked_again and turn.form is not None:  # whoever wants it of this form decides what to do
                    return _message(turn, "reply", step)
                turn.derive("draft", step)
                if asked_again:
                    raise structured.misfit(self.name, info.name, problem)
                asked_again, left = True, 0
                blocks = blocks.plus(reply.unasking(), structured.told(problem, output))
                continue
            taken = chosen(self._handoffs, reply.calls) if self._handoffs else None
            atom = await self._use_tools(turn, reply, step, taken, offered)
            if taken is not None and was_made(taken, atom):
                names = [taken.name, *(name for name in self._handoffs if name != taken.name)]
                return _message(turn, "handoff", step, taken.target, names)
            if not self.reflect_on_tool_use or (self._finals and ended_by(self._finals, atom)):
                return _message(turn, "summary", step, *self._summary(atom))
            blocks = blocks.plus_one(atom)
            left -= 1

    async def _opened(self, model: str, run: Run) -> ModelClient:
        return await run.resource(model, lambda: registry.open_model(model))

    def _summary(self, atom: Block) -> tuple[str, ...]:
        """Return how a summary tells of the calls of a reply, if not by their results only."""
        if self.tool_call_summary_formatter is None:
            return () if self.tool_call_summary_format == RESULT_ONLY else (self.tool_call_summary_format,)
        return ("", summarized(self.tool_call_summary_formatter, atom))

    async def _use_tools(
        self, turn: Turn, reply: Reply, step: int, taken: Handoff | None, offered: Mapping[str, Tool[..., Any]]
    ) -> Block:
        if reply.text:
            turn.derive("aside", step)
        turn.derive("request", step)
        tools = offered if taken is None else with_one_handoff(offered, self._handoffs, taken)
        results = await call_tools(tools, reply.calls)
        for i, result in enumerate(results, step + 1):
            turn.steps[i] = Made({"content": result.content, "error": result.is_error}, turn.scope.at)
        return turn.derive("results", step).block or reply


def chunks(turn: Turn, step: int) -> Callable[[ModelEvent, int], None]:
    """Return what shows a reply, of the turn's model step with that number, to viewers as it comes."""
    id = f"{turn.run.id}/{turn.scope.path}/{step} model"

    def show(event: ModelEvent, attempt: int) -> None:
        if type(event) is TextDelta:
            turn.show(
                messages.ModelClientStreamingChunkEvent(
                    content=event.text,
                    source=turn.name,
                    id=id,
                    full_message_id=id,
                    attempt=attempt,
                    created_at=messages.at(turn.scope.at),
                )
            )

    return show


def block_for(name: str, fact: Fact) -> Block | None:
    """Return how the agent `name` has a fact in its own conversation with its model, None if it does not."""
    if fact.speaker == name:
        return fact.block
    return fact.said() if fact.message is not None else None


def output_of(agent: str, content: Content | None, format: str | None) -> Output | None:
    """Return what an agent's answers must be, None for any text.

    Raises:
        ConfigError: It is no type of content, or there is a format and no type.
    """
    if content is not None:
        return structured.Output(agent, content, format)
    if format is not None:
        raise ConfigError(f"{agent}: output_content_type_format needs an output_content_type.")
    return None


def _message(turn: Turn, kind: str, step: int, *more: Any) -> BaseChatMessage:
    message = turn.derive(kind, step, *more).message
    assert message is not None
    return message


def _texts(agent: str, given: Mapping[str, str] | None) -> dict[str, str]:
    """Return metadata that somebody gave, if texts by name are what it is."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or any(not isinstance(part, str) for pair in given.items() for part in pair):  # pyright: ignore[reportUnnecessaryIsInstance]: users pass anything
        raise ConfigError(f"{agent}: metadata={given!r} must be texts by name.")
    return dict(given)


def _named(agent: str, tools: Sequence[Tool[..., Any] | Callable[..., Any]]) -> Mapping[str, Tool[..., Any]]:
    found: dict[str, Tool[..., Any]] = {}
    for given in tools:
        made = as_tool(given)
        if made.name in found:
            raise ConfigError(f"{agent} has two tools named {made.name!r}. Give one another name: @tool(name=…).")
        found[made.name] = made
    return found
