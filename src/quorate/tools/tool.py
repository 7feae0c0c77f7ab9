"""A tool: a typed function that a model may call and that stays callable."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from quorate.core.lazy import lazy
from quorate.errors import ConfigError, ToolError
from quorate.models.client import ToolSpec
from quorate.runs.steps import EFFECTS, Effect, Happened, OperationKey, Settlement, check_attempts
from quorate.tools.threads import Late, in_thread

if TYPE_CHECKING:
    from quorate.tools import schema
else:
    schema = lazy("quorate.tools.schema")

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Approval:
    """Who has to approve a call.

    Args:
        to: Who is asked; empty for anybody.
        deadline: How long they have; a call that nobody approved in time is refused.
    """

    to: str = ""
    deadline: timedelta | None = None


class Tool(Generic[P, R]):
    """A function a model may call. Made by `@tool`.

    Args:
        fn: The function, sync or async. Sync ones run in a thread.
        name: What the model calls it; the function's own name by default.
        description: What the model reads; the docstring by default.
        effect: `read`: may be repeated. `idempotent`: may be repeated with the same operation key. `unsafe`: never
            blindly repeated; the default.
        timeout_s: After this long the call is cut.
        reconcile: For `unsafe`: given operation key and canonical arguments, finds out what happened to a call.
        scope: The tool is made of steps of its own and asks people; it has no entry of its own.
        polls: Calling it again and again with one result is no sign of a loop.
        approval: Whether a person has to approve each call that a model asks for, before it is made.
        attempts: How often a call is made in all while it fails, with growing pauses; for `read` and `idempotent`.
            What it raises as `ToolError` is for the model, and not tried again. An exception with `retry_after_s`
            says itself how long to wait.
        final: Whether a call that succeeds ends the turn of the agent that makes it, with the result as its answer.

    Raises:
        ConfigError: It has no description, a parameter without a type, or options that do not go together.
    """

    def __init__(
        self,
        fn: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        effect: Effect = "unsafe",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        reconcile: Callable[[str, str], Awaitable[Settlement]] | None = None,
        scope: bool = False,
        polls: bool = False,
        approval: bool | Approval = False,
        attempts: int = 1,
        final: bool = False,
    ) -> None:
        self.fn = fn
        self.name = name or getattr(fn, "__name__", type(fn).__name__)
        self.description = _described(self.name, fn, description)
        self.effect: Effect = effect
        self.timeout_s = timeout_s
        self.reconcile, self.scope, self.polls, self.attempts = reconcile, scope, polls, attempts
        self.final = final
        self.approval = (approval if isinstance(approval, Approval) else Approval()) if approval else None
        self.parameters = _parameters(self.name, fn)
        self.is_async = inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004  # an object with an async call
        if effect not in EFFECTS:
            raise ConfigError(f"Tool {self.name}: effect={effect!r} is none of {', '.join(EFFECTS)}.")
        if not timeout_s > 0:
            raise ConfigError(f"Tool {self.name}: timeout_s={timeout_s!r} must be above 0.")
        if scope and not self.is_async:
            raise ConfigError(f"Tool {self.name}: a scope must be `async def`, since it waits for steps.")
        check_attempts(f"Tool {self.name}", effect, attempts)
        if scope and attempts > 1:
            raise ConfigError(f"Tool {self.name}: a scope is not tried again as a whole; its steps may be: step(…).")
        if reconcile is not None and (scope or effect != "unsafe"):
            what = "a scope, whose steps are settled each" if scope else f"{effect}: it is just called again"
            raise ConfigError(f"Tool {self.name}: `reconcile` is never asked of a tool that is {what}.")
        update_wrapper(self, fn)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.fn(*args, **kwargs)

    @cached_property
    def arguments(self) -> schema.Arguments:
        """What the arguments must look like, built when first needed."""
        return schema.Arguments(self.name, self.fn, self.parameters)

    @cached_property
    def spec(self) -> ToolSpec:
        """The tool as a model sees it."""
        return ToolSpec(self.name, self.description, self.arguments.json_schema)

    def read(self, text: str) -> tuple[dict[str, Any], str]:
        """Read the arguments that a model wrote: the values, and their canonical JSON.

        Raises:
            ToolError: They are no JSON object or do not fit; the text tells the model what to mend.
        """
        return self.arguments.read(text)

    def run(self, values: dict[str, Any], key: str, late: Late | None = None) -> Coroutine[Any, Any, Any]:
        """Call the function with values that were read; await what is returned."""
        for name in self.arguments.keyed:
            values = {**values, name: OperationKey(key)}
        call = cast("Callable[..., Any]", self.fn)
        return call(**values) if self.is_async else in_thread(lambda: call(**values), late=late)

    async def reconciled(self, key: str, arguments: str) -> Settlement:
        """Ask what became of a call; a result as the model reads it."""
        assert self.reconcile is not None
        known = await self.reconcile(key, arguments)
        return Happened(schema.shown(known.result)) if isinstance(known, Happened) else known

    def __repr__(self) -> str:
        return f"<tool {self.name} ({self.effect})>"


def _described(name: str, fn: Callable[..., Any], description: str | None) -> str:
    text = description if description is not None else inspect.getdoc(fn) or ""
    if not text.strip():
        raise ConfigError(f"Tool {name} has no description. Give the function a docstring: the model reads it.")
    return text.strip()


def _parameters(name: str, fn: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    try:
        found = tuple(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"Tool {name}: {fn!r} does not say what it takes. Wrap it in a function whose parameters have types."
        ) from error
    for parameter in found:
        if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            raise ConfigError(
                f"Tool {name}: parameter {parameter.name} must be an ordinary one, that can be given by name."
            )
        if parameter.annotation is parameter.empty:
            raise ConfigError(f"Tool {name}: parameter {parameter.name} needs a type, so that a model can be told it.")
    return found


@overload
def tool(fn: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    effect: Effect = "unsafe",
    timeout_s: float = DEFAULT_TIMEOUT_S,
    reconcile: Callable[[str, str], Awaitable[Settlement]] | None = None,
    scope: bool = False,
    polls: bool = False,
    approval: bool | Approval = False,
    attempts: int = 1,
    final: bool = False,
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a tool that models may call; it stays callable.

    Its docstring is what the model reads, its annotations become the schema of the arguments. Without more it counts
    as `unsafe`: a call whose outcome is unknown is never repeated blindly. Declare a tool that only reads
    `@tool(effect="read")`.

    Raises:
        ConfigError: There is no docstring, a parameter has no type, or an option is wrong.
    """
    if fn is not None:
        return as_tool(fn)

    def made(fn: Callable[..., Any]) -> Tool[..., Any]:
        return Tool(fn, **options)

    return made


def as_tool(thing: Tool[..., Any] | Callable[..., Any]) -> Tool[..., Any]:
    """Return a tool for a tool or a plain function.

    Raises:
        ConfigError: It is neither.
    """
    if isinstance(thing, Tool):
        return thing  # pyright: ignore[reportUnknownVariableType]: whatever it returns
    if not callable(thing):
        raise ConfigError(
            f"{thing!r} is no tool. Give a function with types and a docstring, or what @tool made of one."
        )
    return Tool(thing)


__all__ = ["Approval", "OperationKey", "Tool", "ToolError", "as_tool", "tool"]
