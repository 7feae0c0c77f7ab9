"""Which public classes of AutoGen's chat, which of their options and which events the programs reach.

    python tests/compat/coverage.py       # with Quorate's environment: prints the table

An option is reached where a program gives it; a message or event, where one is made.
"""

import functools
import importlib
import inspect
import io
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

HOMES = ("agents", "base", "conditions", "messages", "teams", "tools")
NO_OPTIONS = {"models_usage", "metadata", "created_at", "id", "source", "type"}
"""Of messages and events: what each has, and no scenario needs to choose."""
OURS = {
    "TaskResult": {"outcome", "run_id", "usage", "cost_usd", "turns", "head", "wrap_up"},
    "ModelClientStreamingChunkEvent": {"attempt"},
}
"""What only Quorate has."""


def watched() -> tuple[dict[str, set[str]], dict[str, set[str]], Callable[[], None]]:
    """Note from now on what is made and with which options.

    Returns:
        The options of every class, those that were given so far, and how to stop.
    """
    options: dict[str, set[str]] = {}
    given: dict[str, set[str]] = {}
    undo: list[Callable[[], None]] = []
    for home in HOMES:
        module = importlib.import_module(f"autogen_agentchat.{home}")
        for name in module.__all__:
            cls = getattr(module, name)
            if not inspect.isclass(cls) or inspect.isabstract(cls) or issubclass(cls, BaseException):
                continue
            fields = getattr(cls, "model_fields", None)
            if fields is not None:
                options[name] = set(fields) - NO_OPTIONS - OURS.get(name, set())
            else:
                options[name] = set(list(inspect.signature(cls.__init__).parameters)[1:]) - {"args", "kwargs"}
            undo.append(_wrapped(cls, name, given))
    return options, given, lambda: [take_back() for take_back in undo] and None


def _wrapped(cls: Any, name: str, given: dict[str, set[str]]) -> Callable[[], None]:
    before, own = cls.__init__, "__init__" in vars(cls)

    @functools.wraps(before)
    def init(self: Any, *args: Any, **named: Any) -> None:
        if type(self) is cls or type(self).__name__.startswith("StructuredMessage["):
            names = list(inspect.signature(before).parameters)[1:]
            given.setdefault(name, set()).update([*names[: len(args)], *named])
        before(self, *args, **named)

    cls.__init__ = init

    def take_back() -> None:
        if own:
            cls.__init__ = before
        else:
            del cls.__init__

    return take_back


def table() -> tuple[list[tuple[str, list[str], list[str]]], set[str]]:
    """Play all programs; return each class with the options that were and were not given, and what was streamed."""
    import play_chat

    options, given, stop = watched()
    streamed: set[str] = set()
    try:
        out = io.StringIO()
        with redirect_stdout(out):
            for program in play_chat.PROGRAMS:
                text = play_chat.played(program)
                streamed |= {name for name in options if f'"type": "{name}' in text or f"'type': '{name}" in text}
    finally:
        stop()
    rows = [
        (name, sorted(options[name] & given.get(name, set())), sorted(options[name] - given.get(name, set())))
        for name in sorted(options)
        if name in given or name in streamed
    ]
    return rows, {name for name in options if name not in given and name not in streamed}


if __name__ == "__main__":
    from quorate.compat import autogen

    autogen.install()
    found, never = table()
    width = max(len(name) for name, _, _ in found)
    for name, reached, missed in found:
        print(
            f"{name:{width}}  {len(reached):2} of {len(reached) + len(missed):2}",
            " ".join(missed) and f"not: {' '.join(missed)}",
        )
    print("never made:", " ".join(sorted(never)) or "nothing")
