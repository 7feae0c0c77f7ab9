"""A typed end: an agent hands in the result by calling a tool, and the arguments of that call are the result."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from quorate.chat.ending.stopping import Condition
from quorate.chat.facts import Fact
from quorate.core.lazy import lazy
from quorate.errors import ConfigError, ToolError
from quorate.tools.tool import Tool, as_tool

if TYPE_CHECKING:
    import pydantic
    from pydantic import BaseModel

    from quorate.chat.messages import BaseMessage, TaskResult
else:
    pydantic = lazy("pydantic")


@dataclass(frozen=True)
class ResultTermination(Condition[str | None]):
    """Stop once a tool was called whose arguments are the result; a call that fails or does not fit stops nothing.

        done = ResultTermination(Report)                                    # a pydantic model
        writer = AssistantAgent("writer", model, tools=[done.tool])
        result = await RoundRobinGroupChat([writer], termination_condition=done).run(task="…")
        report = done.value(result)                                         # a Report, None if it ended otherwise

    Args:
        tool: A pydantic model, whose fields the model fills in; or a tool of your own. Declare that
            `@tool(final=True)`, and a call also ends the turn of who makes it.

    Attributes:
        tool: What to hand to the agents that may end the run.
        form: The pydantic model, if one was given.

    Raises:
        ConfigError: It is neither.
    """

    tool: Any
    form: type[BaseModel] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if inspect.isclass(self.tool) and issubclass(self.tool, pydantic.BaseModel):
            object.__setattr__(self, "form", self.tool)
            object.__setattr__(self, "tool", tool_of(self.tool))
        else:
            object.__setattr__(self, "tool", as_tool(self.tool))

    def begin(self) -> str | None:
        return None

    def see(self, memory: str | None, fact: Fact) -> str | None:
        if memory is not None or getattr(fact.event, "type", "") != "ToolCallExecutionEvent":
            return memory
        made = any(r.name == self.tool.name and not r.is_error for r in getattr(fact.event, "content", ()))
        return f"{fact.speaker} handed in {self.tool.name!r}" if made else None

    def reason(self, memory: str | None) -> str | None:
        return memory

    def value(self, result: TaskResult | Iterable[BaseMessage]) -> Any:
        """Return what was handed in last: the model, or the arguments by name; None if nothing was."""
        messages: Any = getattr(result, "messages", result)
        asked: dict[tuple[str, str], str] = {}
        found: str | None = None
        for item in messages:
            kind = getattr(item, "type", "")
            if kind == "ToolCallRequestEvent":
                asked |= {(item.source, call.id): call.arguments for call in item.content}
            elif kind == "ToolCallExecutionEvent":
                for r in item.content:
                    if r.name == self.tool.name and not r.is_error:
                        found = asked.get((item.source, r.call_id))
        if found is None:
            return None
        values = self.tool.read(found)[0]
        return values if self.form is None else _made(self.form, values)


def tool_of(form: type[BaseModel]) -> Tool[..., Any]:
    """Return a tool that takes the fields of a pydantic model; its docstring is what the model reads.

    Raises:
        ConfigError: It has no docstring.
    """
    name = _snake(form.__name__)
    text = inspect.getdoc(form) or ""
    if not text or text == inspect.getdoc(pydantic.BaseModel):
        raise ConfigError(f"{form.__name__} has no docstring. Write one: it tells the model when to hand it in.")

    async def hand_in(**values: Any) -> str:
        try:
            return _made(form, values).model_dump_json()
        except pydantic.ValidationError as error:
            told = "; ".join(f"{'.'.join(map(str, e['loc'])) or name}: {e['msg']}" for e in error.errors())
            raise ToolError(f"{name} does not fit: {told}") from error

    _sign(hand_in, form)
    return Tool(hand_in, name=name, description=text, effect="read", final=True)


def _sign(function: Callable[..., Any], form: type[BaseModel]) -> None:
    """Give a function the fields of a model as its parameters."""
    parameters: list[inspect.Parameter] = []
    hints: dict[str, Any] = {}
    for name, info in form.model_fields.items():
        extras = [*info.metadata, *([info.description] if info.description else [])]
        hint: Any = info.annotation
        for extra in extras:
            hint = Annotated[hint, extra]
        default = inspect.Parameter.empty if info.is_required() else info.get_default(call_default_factory=True)
        hints[name] = hint
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint))
    function.__annotations__ = hints
    vars(function)["__signature__"] = inspect.Signature(parameters)  # inspect reads it there


def _made(form: type[BaseModel], values: dict[str, Any]) -> BaseModel:
    names = {name: info.alias or name for name, info in form.model_fields.items()}
    return form.model_validate({names[name]: value for name, value in values.items()})


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and at and not name[at - 1].isupper() else c.lower()
                   for at, c in enumerate(name))  # fmt: skip
