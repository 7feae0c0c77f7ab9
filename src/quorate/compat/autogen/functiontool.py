"""A tool made of a function, as AutoGen has it."""

from __future__ import annotations

import asyncio
import inspect
import textwrap
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin, get_type_hints
from weakref import WeakValueDictionary

from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo

from quorate.compat.autogen.code import Import
from quorate.compat.autogen.components import Component
from quorate.compat.autogen.toolbase import BaseTool
from quorate.core.cancellation import CancellationToken
from quorate.errors import ConfigError
from quorate.tools.threads import in_thread

_TOKEN = "cancellation_token"  # noqa: S105  # the name of a parameter
_made_of: WeakValueDictionary[tuple[str, str], Callable[..., Any]] = WeakValueDictionary()
"""The functions that tools were made of in this process, by the name of the tool and their source."""


class FunctionToolConfig(BaseModel):
    """A function as configuration. The source is there for people: it is never executed."""

    source_code: str
    name: str
    description: str
    global_imports: Sequence[Import]
    has_cancellation_support: bool


class FunctionTool(BaseTool[BaseModel, BaseModel], Component[FunctionToolConfig]):
    """A tool made of a function, sync or async. A sync one runs in a thread.

    Args:
        func: With annotations; `Annotated[T, "text"]` describes a parameter. One called `cancellation_token` is given
            the token of the call and not shown to the model.
        description: What the model reads.
        name: What the model calls it; the function's name by default.
        global_imports: What the source needs; kept in the configuration.
        strict: Whether the provider shall hold the model to the schema.

    Raises:
        ConfigError: A parameter has no annotation.
    """

    component_provider_override: ClassVar[str | None] = "autogen_core.tools.FunctionTool"
    component_config_schema: ClassVar[type[Any]] = FunctionToolConfig

    def __init__(
        self,
        func: Callable[..., Any],
        description: str,
        name: str | None = None,
        global_imports: Sequence[Import] = [],  # the documented default; nobody changes it
        strict: bool = False,
    ) -> None:
        self._func = func
        self._global_imports = global_imports
        parameters = inspect.signature(func).parameters
        hints = _hints(func)
        self._has_cancellation_support = _TOKEN in parameters
        own = _named(func)
        fields: dict[str, Any] = {p.name: _field(own, p, hints) for p in parameters.values() if p.name != _TOKEN}
        super().__init__(
            create_model(f"{own}args", **fields) if fields else _nothing(f"{own}args"),
            hints.get("return", inspect.Signature.empty),
            name or own,
            description,
            strict,
        )

    async def run(self, args: BaseModel, cancellation_token: CancellationToken) -> Any:
        values = {name: getattr(args, name) for name in type(args).model_fields if hasattr(args, name)}
        if self._has_cancellation_support:
            values[_TOKEN] = cancellation_token
        if inspect.iscoroutinefunction(self._func):
            return await self._func(**values)
        running = asyncio.get_running_loop().create_task(in_thread(partial(self._func, **values)))
        return await (running if self._has_cancellation_support else cancellation_token.link_future(running))

    def _to_config(self) -> FunctionToolConfig:
        source = _source(self._func)
        _made_of[self._name, source] = self._func
        return FunctionToolConfig(
            source_code=source,
            name=self._name,
            description=self._description,
            global_imports=self._global_imports,
            has_cancellation_support=self._has_cancellation_support,
        )

    @classmethod
    def _from_config(cls, config: FunctionToolConfig) -> Self:
        func = _made_of.get((config.name, config.source_code))
        if func is None:
            raise ConfigError(
                f"The configuration of the tool {config.name!r} holds source code, and Quorate executes no code that "
                "comes as data. Make the tool of the function in your program; once it was dumped there, its "
                "configuration loads."
            )
        return cls(func, config.description, config.name, config.global_imports)


@lru_cache(maxsize=64)
def _nothing(name: str) -> type[BaseModel]:
    """Return the model of no arguments: one for all functions of that name, such as those that hand over."""
    return create_model(name)


def _hints(func: Callable[..., Any]) -> dict[str, Any]:
    while isinstance(func, partial):
        func = func.func
    return get_type_hints(func if inspect.isroutine(func) else type(func).__call__, include_extras=True)


def _named(func: Callable[..., Any]) -> str:
    while isinstance(func, partial):
        func = func.func
    return getattr(func, "__name__", type(func).__name__)


def _field(tool: str, parameter: inspect.Parameter, hints: dict[str, Any]) -> Any:
    if parameter.name not in hints:
        raise ConfigError(f"{tool} needs an annotation of its parameter {parameter.name}: the model is told its type.")
    hint = hints[parameter.name]
    text = None
    if get_origin(hint) is Annotated:
        extras = get_args(hint)[1:]
        described = [extra.description for extra in extras if isinstance(extra, FieldInfo)]
        text = next((extra for extra in [*extras, *described] if isinstance(extra, str)), None)
    default = ... if parameter.default is parameter.empty else parameter.default
    return (hint, Field(default, description=text or parameter.name))


def _source(func: Callable[..., Any]) -> str:
    """Return the source of a function without its decorators.

    Raises:
        ConfigError: There is none, as of a partial or of what was typed into a prompt.
    """
    try:
        lines = textwrap.dedent(inspect.getsource(func)).splitlines(keepends=True)
    except (OSError, TypeError) as error:
        raise ConfigError(f"{func!r} has no source, so it cannot be written as configuration.") from error
    begins = next((i for i, line in enumerate(lines) if line.startswith(("def ", "async def "))), 0)
    return "".join(lines[begins:])
