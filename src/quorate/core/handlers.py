"""Agents whose methods are chosen by the type of the message."""

from __future__ import annotations

import inspect
import logging
import types
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from quorate.core.agents import BaseAgent
from quorate.core.messaging import MessageContext
from quorate.core.serialisation import MessageSerializer, serializers_of
from quorate.errors import CantHandle, ConfigError

F = TypeVar("F", bound="Callable[..., Coroutine[Any, Any, Any]]")
Match = Callable[[Any, MessageContext], bool]

log = logging.getLogger("quorate.core")


def message_handler(func: Any = None, *, strict: bool = True, match: Match | None = None) -> Any:
    """Make a method handle the messages of the type that its argument `message` is annotated with.

    With several handlers for one type they are asked in the order of their names, and the first that wants it gets it.

    Args:
        func: `async def name(self, message: T, ctx: MessageContext) -> R`; T and R may be unions.
        strict: Whether an answer of another type than R is an error; else it is logged.
        match: Says whether the handler wants this one message.

    Raises:
        ConfigError: The method is not async, or an annotation is missing.
    """
    return _decorator(func, "any", strict, match)


def event(func: Any = None, *, strict: bool = True, match: Match | None = None) -> Any:
    """Like `message_handler`, for published messages; it returns nothing."""
    return _decorator(func, "event", strict, match)


def rpc(func: Any = None, *, strict: bool = True, match: Match | None = None) -> Any:
    """Like `message_handler`, for messages that were sent directly and whose sender waits for the answer."""
    return _decorator(func, "rpc", strict, match)


class RoutedAgent(BaseAgent):
    """An agent whose methods, marked `@message_handler`, `@event` or `@rpc`, handle its messages."""

    _handlers: ClassVar[dict[type[Any], tuple[tuple[Match | None, Callable[..., Any]], ...]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        table: dict[type[Any], list[Any]] = {}
        for name in sorted(dir(cls)):
            handler = inspect.getattr_static(cls, name)
            if getattr(handler, "is_message_handler", False):
                for kind in handler.target_types:
                    table.setdefault(kind, []).append((handler.router, handler))
        cls._handlers = {kind: tuple(handlers) for kind, handlers in table.items()}

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        for router, handler in self._handlers.get(message.__class__, ()):
            if router is None or router(message, ctx):
                return await handler(self, message, ctx)
        return await self.on_unhandled_message(message, ctx)

    async def on_unhandled_message(self, message: Any, ctx: MessageContext) -> Any:
        """Refuse a message that no handler wants: an error for who sent it, a dead letter if it was published."""
        handled = ", ".join(sorted(kind.__name__ for kind in self._handlers)) or "nothing"
        raise CantHandle(
            f"{self.id} has no handler that takes this {type(message).__name__}. It handles: {handled}.",
            recipient=self.id,
        )

    @classmethod
    def message_types(cls) -> Sequence[tuple[type[Any], Sequence[MessageSerializer]]]:
        extra = {kind for kind, _ in cls.handled_types}
        return [*cls.handled_types, *((kind, serializers_of(kind)) for kind in cls._handlers if kind not in extra)]


def _decorator(func: Any, kind: Literal["any", "event", "rpc"], strict: bool, match: Match | None) -> Any:
    here = inspect.currentframe()
    around = here and here.f_back and here.f_back.f_back  # the class body, whose local types annotations may name
    names = {} if around is None else {**(around.f_back.f_locals if around.f_back else {}), **around.f_locals}

    def decorate(func: Callable[..., Coroutine[Any, Any, Any]]) -> Any:
        return _handler(func, kind, strict, match, names)

    return decorate if func is None else decorate(func)


def _handler(
    func: Callable[..., Coroutine[Any, Any, Any]],
    kind: Literal["any", "event", "rpc"],
    strict: bool,
    match: Match | None,
    names: dict[str, Any],
) -> Any:
    takes, gives = annotated(func, "message", names)
    name = func.__qualname__
    if kind == "event" and not set(gives) <= {type(None), Any}:
        raise ConfigError(f"{name} is an event handler: nobody waits for an answer, so annotate it `-> None`.")
    anything = Any in gives or object in gives
    exact = frozenset(takes)

    @wraps(func)
    async def handle(self: Any, message: Any, ctx: MessageContext) -> Any:
        if type(message) not in exact:
            _complain(CantHandle(f"{name} takes {_words(takes)}, not {type(message).__name__}."), strict)
        answer = await func(self, message, ctx)
        if not (anything or isinstance(answer, gives)):
            _complain(
                ConfigError(f"{name} is annotated to return {_words(gives)} and returned {type(answer).__name__}."),
                strict,
            )
        return answer

    handle.__dict__.update(
        target_types=list(takes), produces_types=list(gives), is_message_handler=True, router=_router(kind, match)
    )
    return handle


def _router(kind: str, match: Match | None) -> Match | None:
    if kind == "any":
        return match
    wanted = kind == "rpc"
    if match is None:
        return lambda message, ctx: ctx.is_rpc is wanted
    return lambda message, ctx: ctx.is_rpc is wanted and match(message, ctx)


def _complain(error: CantHandle | ConfigError, strict: bool) -> None:
    if strict:
        raise error
    log.warning("%s", error)


def _words(kinds: tuple[Any, ...]) -> str:
    return " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)


def annotated(
    func: Callable[..., Any], argument: str, names: dict[str, Any] | None = None
) -> tuple[tuple[type[Any], ...], tuple[Any, ...]]:
    """Return the types that a handler takes and gives, members of unions one by one.

    Raises:
        ConfigError: It is not async, or the argument or what it returns has no annotation.
    """
    name = getattr(func, "__qualname__", repr(func))
    if not inspect.iscoroutinefunction(func):
        raise ConfigError(f"{name} must be `async def` to handle messages.")
    hints = get_type_hints(func, localns=names)
    for wanted in (argument, "return"):
        if wanted not in hints:
            what = "what it returns" if wanted == "return" else f"its argument `{wanted}`"
            raise ConfigError(f"{name} handles messages: annotate {what}.")
    takes = _members(hints[argument])
    if not all(isinstance(kind, type) for kind in takes):
        raise ConfigError(f"{name} handles messages of a class or several, not {hints[argument]!r}.")
    return takes, _members(hints["return"])


def _members(hint: Any) -> tuple[Any, ...]:
    origin = get_origin(hint)
    if origin is Union or origin is types.UnionType:
        return tuple(dict.fromkeys(member for part in get_args(hint) for member in _members(part)))
    if origin is Literal:
        return tuple(dict.fromkeys(value.__class__ for value in get_args(hint)))
    return (hint if origin is None else origin,)
